"""A database that differs from its models is adopted as it is, and the next upgrade takes it to them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from drifts import ENGINES, ROWS, SQLITE
from drifts.databases import fill, make
from projects import Ended, Project

from flask_schemaflow.snapshot import take_snapshot

Counts = dict[str, int]

HEAD = """
    import os

    import sqlalchemy as sa
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db = SQLAlchemy(app)
    SchemaFlow(app, db)

"""
# What create_all made, years ago.
OLD = """
    class Account(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(30))
        color = db.Column(db.Enum("green", "red", name="color"))
        is_active = db.Column(db.Boolean)
        level = db.Column(db.String(5))
        nickname = db.Column(db.String(20))
        email = db.Column(db.String(20))


    class Orders(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        account_id = db.Column(db.ForeignKey("account.id", name="orders_account"))
        note = db.Column(db.String(20), server_default="none")
        amount = db.Column(db.Float)


    class Untouched(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        orders_id = db.Column(db.ForeignKey("orders.id"), index=True)
"""
# What the models say today.
NEW = """
    class Account(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(50), nullable=False, unique=True)
        color = db.Column(db.Enum("red", "blue", "green", name="color"), server_default="blue")
        is_active = db.Column(db.Boolean, server_default=sa.true(), nullable=False)
        level = db.Column(db.Integer)
        nick = db.Column(db.String(20))
        email = db.Column(db.String(20), nullable=False)
        born = db.Column(db.Integer, nullable=False)

        __table_args__ = (db.CheckConstraint("name <> ''", name="name_is_given"),)


    class Orders(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        account_id = db.Column(
            db.ForeignKey("account.id", ondelete="CASCADE", name="orders_account"), index=True
        )
        note = db.Column(db.Text)
        amount = db.Column(db.Numeric(10, 2))


    class Untouched(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        orders_id = db.Column(db.ForeignKey("orders.id"), index=True)


    class Tag(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        text = db.Column(db.String(20), unique=True)
"""
# And all the kinds of difference of the drift zoo, as what events of the models send.
ZOO = """
    from drifts import ROWS

    sa.Table("p", db.metadata, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False))
    for row in ROWS:
        for statement in row.was if row.engine == os.environ["ENGINE"] else ():
            sa.event.listen(db.metadata, "after_create", sa.DDL(statement.replace("%", "%%")))
"""
MAKE = """
from app import Account, Orders, Untouched, app, db

with app.app_context():
    db.create_all()
    db.session.add_all([
        Account(id=1, name="one", color="red", is_active=False, level="7", nickname="uno", email="a@b"),
        Account(id=2, name="two", color="green", is_active=None, level=None, nickname="due"),
    ])
    db.session.flush()
    db.session.add(Orders(id=1, account_id=1, note="first", amount=2.5))
    db.session.flush()
    db.session.add(Untouched(id=1, orders_id=1))
    db.session.execute(db.text("CREATE INDEX by_hand ON orders (amount)"))
    db.session.commit()
"""
STAYS = {
    "changed-column-nullable:account.born",
    "changed-column-nullable:account.email",
    "extra-column:account.nickname",
    "extra-index:orders.by_hand",
}


def drifted(project: Project, url: str) -> Project:
    """Make a database by the older models, with rows, and give the app with those of today."""
    project.environment["DATABASE"] = url
    project.write("app.py", HEAD + OLD)
    project.python(MAKE)
    project.write("app.py", HEAD + NEW)
    return project


def with_zoo(shop: Project, engine: str) -> Counts:
    """Put all rows of the zoo into the database, and count what is in its tables."""
    shop.environment |= {"ENGINE": engine, "PYTHONPATH": os.pathsep.join(sys.path)}
    shop.write("app.py", HEAD + NEW + ZOO)
    real = sa.create_engine(shop.environment["DATABASE"], isolation_level="AUTOCOMMIT")
    with real.connect() as connection:
        make((row for row in ROWS if row.engine == engine), connection, is_real=True)
        there = take_snapshot(connection).where(lambda each: each.name.startswith(("of_", "p")))
        fill(connection, there, there)
    real.dispose()
    return {each.name: count(shop, each.name) for each in there.tables}


def count(shop: Project, table: str) -> int:
    return query(shop, f"SELECT count(*) FROM {table}")[0][0]


def query(shop: Project, text: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(shop.environment["DATABASE"])
    with engine.connect() as connection:
        rows = [tuple(each) for each in connection.exec_driver_sql(text)]
    engine.dispose()
    return rows


def structural(ended: Ended) -> set[str]:
    """Give the differences that a db-diff told of, those of surroundings apart."""
    found = json.loads(ended.stdout)["findings"]
    changes = ("missing", "extra", "changed")
    return {
        f"{each['code']}:{each['subject']}"
        for each in found
        if each["severity"] == "warning" and each["code"].startswith(changes)
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_a_database_that_drifted_is_adopted_and_then_taken_to_its_models(
    engine: str, project: Project, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The baseline is what is there; the second revision keeps the rows, and names what it does not do.

    Every kind of difference is there at once, in tables with rows.
    """
    url = f"sqlite:///{tmp_path / 'shop.db'}" if engine == SQLITE else request.getfixturevalue(engine)
    shop = drifted(project, url)
    counts = with_zoo(shop, engine)

    adopted = shop.adopt("--reconcile", "--rev-id", "first")
    assert adopted.code == 0, adopted.stderr
    assert query(shop, "SELECT version_num FROM alembic_version") == [("first",)]
    assert query(shop, "SELECT nickname FROM account ORDER BY id") == [("uno",), ("due",)]
    (file,) = (each for each in (shop.path / "migrations/versions").glob("*.py") if "first" not in each.name)
    text = file.read_text()
    assert "reconcile with the models" in text
    assert "in 2 rows" in text
    assert "--accept drop-column:account.nickname" in text
    assert "renamed to nick?" in text or "nick may be account.nickname under another name" in text

    upgraded = shop.safe_upgrade()
    assert upgraded.code == 0, upgraded.stderr
    assert query(shop, "SELECT id, name, color, level, nickname, nick FROM account ORDER BY id") == [
        (1, "one", "red", 7, "uno", None),
        (2, "two", "green", None, "due", None),
    ]
    assert [bool(each[0]) for each in query(shop, "SELECT is_active FROM account ORDER BY id")] == [
        False,
        True,
    ]
    orders = query(shop, "SELECT id, note, amount FROM orders")
    assert [(each[0], each[1], float(each[2])) for each in orders] == [(1, "first", 2.5)]
    assert query(shop, "SELECT * FROM untouched") == [(1, 1)]
    assert {name: count(shop, name) for name in counts} == counts

    differing = structural(shop.flask("db-diff", "--from", "database", "--to", "models", "--json"))
    named = {each["subject"] for each in adopted.document["findings"] if each["hint"].startswith("Stays: ")}
    assert {each for each in differing if ":of_" not in each} == STAYS
    assert {each.partition(":")[2] for each in differing} <= named | {"account.born"}

    back = shop.flask("db", "downgrade")
    assert back.code == 0, back.stderr
    assert query(shop, "SELECT id, name, color, level, nickname FROM account ORDER BY id") == [
        (1, "one", "red", "7", "uno"),
        (2, "two", "green", None, "due"),
    ]
    assert {name: count(shop, name) for name in counts} == counts


def test_what_is_accepted_is_dropped_and_nothing_else(project: Project, tmp_path: Path) -> None:
    """A column goes with its values if it was named, once; a dry run writes nothing; wrong names are told."""
    shop = drifted(project, f"sqlite:///{tmp_path / 'shop.db'}")

    for wrong in (
        "drop-column:account.name",
        "drop-column:account.nothing",
        "changed-column-type:account.name",
    ):
        refused = shop.adopt("--reconcile", "--accept", wrong)
        assert (refused.code, wrong in refused.verdict) == (2, True)
    planned = shop.adopt("--reconcile", "--dry-run")
    assert (planned.code, planned.document["outcome"]) == (0, "planned")
    assert any("CREATE TABLE tag" in each for each in planned.document["plan"][0]["statements"])
    assert not (shop.path / "migrations").exists()

    assert shop.adopt("--reconcile", "--accept", "drop-column:account.nickname").code == 0
    upgraded = shop.safe_upgrade()
    assert upgraded.code == 0, upgraded.stderr
    differing = shop.flask("db-diff", "--from", "database", "--to", "models", "--json")
    assert structural(differing) == STAYS - {"extra-column:account.nickname"}
    again = shop.adopt("--reconcile")
    assert (again.code, "flask db-diff" in again.verdict) == (3, True)


def test_a_database_without_drift_needs_no_second_revision(project: Project, tmp_path: Path) -> None:
    """Where nothing differs, the baseline is all."""
    shop = drifted(project, f"sqlite:///{tmp_path / 'shop.db'}")
    shop.write("app.py", HEAD + OLD)

    assert shop.adopt("--reconcile", "--accept", "extra-index:orders.by_hand").code == 0

    assert len(list((shop.path / "migrations/versions").glob("*.py"))) == 1


TWO = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
    app.config["SQLALCHEMY_BINDS"] = {"log": "sqlite:///log.db"}
    db = SQLAlchemy(app)
    SchemaFlow(app, db)


    class Item(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(LENGTH), nullable=False)


    class Entry(db.Model):
        __bind_key__ = "log"

        id = db.Column(db.Integer, primary_key=True)
        text = db.Column(db.String(LENGTH), index=True)
"""


def test_two_databases_are_reconciled_by_one_revision(project: Project) -> None:
    """Each has its own part; on an engine where only the models were ever made, the revision does nothing."""
    project.write("app.py", TWO.replace("LENGTH", "10"))
    project.create_all()
    project.write("app.py", TWO.replace("LENGTH", "20"))

    adopted = project.adopt("--reconcile", "--rev-id", "first", "--engine", "postgresql")
    assert adopted.code == 0, adopted.stderr
    assert {each["revision_after"] for each in adopted.document["databases"]} == {"first"}
    (file,) = (
        each for each in (project.path / "migrations/versions").glob("*.py") if "first" not in each.name
    )
    for name in ("upgrade_", "upgrade_log", "downgrade_", "downgrade_log"):
        body = file.read_text().partition(f"def {name}():")[2].partition("def ")[0]
        assert body.strip().startswith("if op.get_context().dialect.name == 'sqlite':")
    upgraded = project.safe_upgrade()
    assert upgraded.code == 0, upgraded.stderr
    differing = project.flask("db-diff", "--from", "database", "--to", "models", "--json")
    assert structural(differing) == set()


IN_SCHEMA = """

    class Item(db.Model):
        __tablename__ = "Item"
        __table_args__ = (sa.Index("Item name", "Name"), {"schema": "shop"})

        id = db.Column(db.Integer, primary_key=True)
        Name = db.Column(db.String(LENGTH))
        kind = db.Column(sa.Enum(KINDS, name="kind", schema="shop"))


    class Part(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        item_id = db.Column(db.ForeignKey("shop.Item.id"ACTION))
"""


def test_schemas_are_reconciled(project: Project, postgresql: str) -> None:
    """Tables and types of another schema than the default one change with all that leads there."""
    project.environment["DATABASE"] = postgresql
    old = {"LENGTH": "10", "KINDS": "'a', 'c'", "ACTION": ""}
    new = {"LENGTH": "20", "KINDS": "'c', 'b', 'a'", "ACTION": ", ondelete='CASCADE'"}
    for words in (old, new):
        text = IN_SCHEMA
        for word, value in words.items():
            text = text.replace(word, value)
        project.write("app.py", HEAD + text)
        if words is old:
            project.python(
                "from app import Item, Part, app, db\n"
                "with app.app_context():\n"
                "    db.session.execute(db.text('CREATE SCHEMA shop'))\n"
                "    db.session.commit()\n"
                "    db.create_all()\n"
                "    db.session.add_all([Item(id=1, Name='x', kind='c'), Part(id=1, item_id=1)])\n"
                "    db.session.commit()\n"
            )

    adopted = project.adopt("--reconcile", "--rev-id", "first")
    assert adopted.code == 0, adopted.stderr
    upgraded = project.safe_upgrade()
    assert upgraded.code == 0, upgraded.stderr

    assert query(project, 'SELECT id, "Name", kind FROM shop."Item"') == [(1, "x", "c")]
    differing = project.flask("db-diff", "--from", "database", "--to", "models", "--json")
    assert structural(differing) == set()
