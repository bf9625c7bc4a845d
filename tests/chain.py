"""Thirty revisions of many kinds, and which of them leave the same structure."""

from __future__ import annotations

from dataclasses import dataclass

from projects import Project

APP = """
    import os

    from flask import Flask
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db = SQLAlchemy(app)
    Migrate(app, db)
    SchemaFlow(app, db)


    class User(db.Model):
        __tablename__ = "users"

        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(50), nullable=False)
"""


@dataclass(frozen=True)
class Step:
    """A revision: what it does, and the name of the structure that it leaves."""

    id: str
    body: str
    shape: str

    @property
    def is_empty(self) -> bool:
        return self.body == "pass"


def _batch(table: str, operation: str) -> str:
    return f"with op.batch_alter_table('{table}') as batch:\n        batch.{operation}"


_USERS = (
    "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True),"
    " sa.Column('name', sa.String(50), nullable=False))"
)
_ORDERS = (
    "op.create_table('orders', sa.Column('id', sa.Integer, primary_key=True),"
    " sa.Column('user_id', sa.Integer, sa.ForeignKey('users.id', name='fk_owner')),"
    " sa.Column('total', sa.Numeric(8, 2), nullable=False, server_default='0'))"
)
_TAGS = (
    "op.create_table('tags', sa.Column('a', sa.Integer, primary_key=True, autoincrement=False),"
    " sa.Column('b', sa.String(20), primary_key=True))"
)
# A body, and the shape that it leaves where it is one of before; else it leaves a new one.
_BODIES: tuple[tuple[str, str | None], ...] = (
    (_USERS, None),
    ("op.add_column('users', sa.Column('email', sa.String(80)))", None),
    ("op.execute(\"UPDATE users SET email = 'a@b.c'\")", "02"),
    ("op.create_index('ix_email', 'users', ['email'])", None),
    (_batch("users", "alter_column('name', existing_type=sa.String(50), type_=sa.String(70))"), None),
    (_ORDERS, None),
    ("op.execute('INSERT INTO orders (id, total) VALUES (1, 2)')", "06"),
    ("op.execute('UPDATE orders SET total = total * 100')", "06"),
    (_batch("orders", "create_check_constraint('ck_total', 'total >= 0')"), None),
    ("pass", "09"),
    (_batch("users", "create_unique_constraint('uq_name', ['name'])"), None),
    ("op.add_column('orders', sa.Column('note', sa.String(30), server_default='x'))", None),
    (_batch("orders", "alter_column('note', existing_type=sa.String(30), nullable=False)"), None),
    ("op.drop_index('ix_email', 'users')", None),
    ("op.create_index('ix_email', 'users', ['email'], unique=True)", None),
    (_TAGS, None),
    ("op.execute(\"INSERT INTO tags (a, b) VALUES (1, 'x')\")", "16"),
    ("op.rename_table('tags', 'labels')", None),
    (_batch("users", "alter_column('email', new_column_name='mail', existing_type=sa.String(80))"), None),
    (_batch("orders", "drop_constraint('ck_total', type_='check')"), None),
    ("op.add_column('users', sa.Column('is_on', sa.Boolean, server_default=sa.true()))", None),
    (_batch("users", "alter_column('is_on', existing_type=sa.Boolean, server_default=sa.false())"), None),
    ("op.add_column('labels', sa.Column('passing', sa.Integer))", None),
    (_batch("labels", "drop_column('passing')"), "22"),
    ("op.execute('CREATE VIEW names AS SELECT name FROM users')", None),
    ("op.execute('DROP VIEW names')", "22"),
    (_batch("orders", "drop_constraint('fk_owner', type_='foreignkey')"), None),
    ("pass", "27"),
    ("op.drop_table('labels')", None),
    ("op.add_column('orders', sa.Column('paid', sa.DateTime))", None),
)


def _steps() -> tuple[Step, ...]:
    return tuple(
        Step(f"r{number:02}", body, shape or f"{number:02}")
        for number, (body, shape) in enumerate(_BODIES, start=1)
    )


STEPS = _steps()


def equal_to(step: Step) -> list[str]:
    """Give the revisions that leave the same structure, the oldest first."""
    return [each.id for each in STEPS if each.shape == step.shape]


def found_for(step: Step) -> str | None:
    """Give the revision that can be told from the structure; None where a person has to say it."""
    equal = equal_to(step)
    first, last = (int(each[1:]) for each in (equal[0], equal[-1]))
    return equal[-1] if all(each.is_empty for each in STEPS[first:last]) else None


def write_chain(project: Project, url: str) -> None:
    """Write the app and its revisions; its database is empty."""
    project.write("app.py", APP)
    project.environment["DATABASE"] = url
    ended = project.flask("db", "init")
    assert ended.code == 0, ended.stderr
    parent = None
    for step in STEPS:
        write_revision(project, step.id, parent, step.body)
        parent = step.id


def write_revision(project: Project, name: str, parents: object, body: str) -> None:
    """Write a revision by hand."""
    text = (
        f'"""{name} of the chain"""\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
        f'revision = "{name}"\ndown_revision = {parents!r}\n\n\ndef upgrade():\n    {body}\n\n\n'
        "def downgrade():\n    pass\n"
    )
    (project.path / "migrations" / "versions" / f"{name}.py").write_text(text, encoding="utf-8")


WALK = """
import json
import os
import sys

import flask_migrate
import sqlalchemy as sa
from app import app, db

from flask_schemaflow import AdoptOptions, Refused, adopt, safe_upgrade
from flask_schemaflow.matching import find_equal
from flask_schemaflow.survey import Where, open_project, survey_project, tell_nobody


def says(*statements):
    with app.app_context(), db.engine.begin() as connection:
        return [connection.execute(sa.text(each)) for each in statements]


def rows():
    with app.app_context(), db.engine.connect() as connection:
        return sorted(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars())


def told(command, **options):
    try:
        result = command(app, **options)
    except Refused as error:
        result = error.result
    return {
        "outcome": result.outcome,
        "message": result.message,
        "method": result.proof and result.proof.method,
        "rows": rows(),
        "candidates": [each.subject for each in result.findings if each.code == "candidate-revision"],
        "differences": [each.key for each in result.findings if each.severity.value == "error"],
    }


def searched():
    with app.app_context():
        survey = survey_project(open_project(app, Where(), tell_nobody), with_discovery=False)
        try:
            found = find_equal(survey, [None], search_time=300, accepted=frozenset())
        except Refused as error:
            candidates = [each.subject for each in error.findings if each.code == "candidate-revision"]
            return {"outcome": "refused", "rows": rows(), "candidates": candidates}
        return {"outcome": "adopted", "rows": [found.names], "method": found.method}


for revision in os.environ["WALK"].split():
    with app.app_context():
        flask_migrate.upgrade(revision=revision)
    says("DELETE FROM alembic_version")
    if os.environ["ADOPT"] in ("all", revision):
        seen = {"found": told(adopt)}
        if seen["found"]["outcome"] == "refused":
            options = AdoptOptions(restamp=True, restamp_to=revision)
            seen["named"] = told(adopt, options=options)
        says("DELETE FROM alembic_version", "ALTER TABLE users ADD COLUMN by_hand INTEGER")
        seen["by hand"] = [told(adopt), told(safe_upgrade)]
        says("ALTER TABLE users DROP COLUMN by_hand")
    else:
        seen = {"found": searched()}
    says("DELETE FROM alembic_version", f"INSERT INTO alembic_version VALUES ('{revision}')")
    print(json.dumps(seen | {"revision": revision}), file=sys.__stdout__, flush=True)
"""
