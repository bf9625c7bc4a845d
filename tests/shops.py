"""A shop on a server: its models, its revisions, its database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from projects import Ended, Project

_folders: dict[str, dict[str, bytes]] = {}
"""The migrations folder that adopting wrote, by engine: the same for every such shop."""

APP = """
    import enum
    import os

    import sqlalchemy as sa
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db = SQLAlchemy(app)
    SchemaFlow(app, db)


    class Color(enum.Enum):
        red = 1
        green = 2


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(50), nullable=False, unique=True)
        color = db.Column(db.Enum(Color), default=Color.red)
        is_active = db.Column(db.Boolean, server_default=sa.true())
        joined = db.Column(db.DateTime, server_default=sa.func.now())
        data = db.Column(db.JSON)

        __table_args__ = (db.CheckConstraint("name <> ''", name="name_is_given"),)


    class Order(db.Model):
        __tablename__ = "orders"

        id = db.Column(db.Integer, primary_key=True)
        user_id = db.Column(db.ForeignKey("user.id", ondelete="CASCADE"), index=True)
        note = db.Column(db.Text)
"""
MAKE = """
from app import Order, User, app, db

with app.app_context():
    db.create_all()
    db.session.add(User(id=1, name="x"))
    db.session.flush()
    db.session.add(Order(user_id=1))
    db.session.commit()
"""
ADD_AGE = "op.add_column('user', sa.Column('age', sa.Integer()))"
ADD_SIZE = "op.add_column('orders', sa.Column('size', sa.Integer()))"
# Only with rows, as on the real database: what fails on scratch already is another matter.
FAIL = (
    "if op.get_bind().execute(sa.text('SELECT count(*) FROM orders')).scalar(): "
    "op.execute('ALTER TABLE nowhere ADD COLUMN x INT')"
)


def url_of(shop: Project) -> str:
    return shop.environment["DATABASE"]


def execute(shop: Project, *statements: str) -> list[Any]:
    """Run statements in the shop's database and give the rows of the last one."""
    engine = sa.create_engine(url_of(shop))
    with engine.begin() as connection:
        results = [connection.exec_driver_sql(each.replace("%", "%%")) for each in statements]
        rows = list(results[-1].all()) if results[-1].returns_rows else []
    engine.dispose()
    return rows


def quoted(shop: Project) -> str:
    """The table ``user``, which is a reserved word on PostgreSQL."""
    return '"user"' if is_postgresql(shop) else "`user`"


def is_postgresql(shop: Project) -> bool:
    return url_of(shop).startswith("postgresql")


def versions(shop: Project) -> list[str]:
    return [row[0] for row in execute(shop, "SELECT version_num FROM alembic_version")]


def adopted(shop: Project) -> Ended:
    ended = shop.adopt("--rev-id", "first")
    assert ended.code == 0, ended.stderr
    return ended


def add(shop: Project, name: str, parent: str, *body: str) -> None:
    """Write a revision."""
    lines = "\n".join(f"    {line}" for line in body) or "    pass"
    shop.write(
        f"migrations/versions/{name}.py",
        f'"""{name} of the shop"""\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
        f'revision = "{name}"\ndown_revision = "{parent}"\n\n\ndef upgrade():\n{lines}\n\n\n'
        "def downgrade():\n    pass\n",
    )


def columns(shop: Project, table: str) -> list[str]:
    engine = sa.create_engine(url_of(shop))
    names = [each["name"] for each in sa.inspect(engine).get_columns(table)]
    engine.dispose()
    return names


def shop_at(project: Project, url: str) -> Project:
    """Make an adopted shop, as ``adopted`` does; after the first one on an engine by copying what that wrote."""
    project.write("app.py", APP)
    project.environment["DATABASE"] = url
    project.python(MAKE)
    engine = sa.make_url(url).get_backend_name()
    if engine not in _folders:
        adopted(project)
        _folders[engine] = {
            name: content for name, content in project.files().items() if name.startswith("migrations")
        }
        return project
    for name, content in _folders[engine].items():
        (project.path / name).parent.mkdir(parents=True, exist_ok=True)
        (project.path / name).write_bytes(content)
    execute(
        project,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
        "INSERT INTO alembic_version VALUES ('first')",
    )
    return project
