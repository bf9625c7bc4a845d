"""Several binds that lead to one database: one connection, one lock, one version table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from projects import Ended, Project

APP = """
    import os

    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    app.config["SQLALCHEMY_BINDS"] = {"logs": os.environ["LOGS"], "audit": os.environ["AUDIT"]}
    db = SQLAlchemy(app)
    SchemaFlow(app, db)


    class User(db.Model):
        __tablename__ = "users"
        id = db.Column(db.Integer, primary_key=True)


    class Entry(db.Model):
        __bind_key__ = "logs"
        id = db.Column(db.Integer, primary_key=True)


    class Event(db.Model):
        __bind_key__ = "audit"
        id = db.Column(db.Integer, primary_key=True)
"""
MAKE = "from app import app, db\nwith app.app_context():\n    db.create_all()\n"
KEYS = ("", "audit", "logs")
FAILS = "op.execute('ALTER TABLE nowhere ADD COLUMN x INT')"


@pytest.fixture
def shop(project: Project, any_database: str) -> Project:
    """Give an app whose three binds lead to one database, with its tables."""
    project.environment |= dict.fromkeys(("DATABASE", "LOGS", "AUDIT"), any_database)
    project.write("app.py", APP)
    project.python(MAKE)
    return project


def add_column(table: str, name: str) -> str:
    return f"op.add_column('{table}', sa.Column('{name}', sa.Integer()))"


def add(project: Project, name: str, parent: str, **bodies: str) -> None:
    """Write a revision with a function for each bind."""
    functions = "".join(
        f"\n\ndef {way}_{key}():\n    {bodies.get(key or 'default', 'pass') if way == 'upgrade' else 'pass'}\n"
        for key in KEYS
        for way in ("upgrade", "downgrade")
    )
    project.write(
        f"migrations/versions/{name}.py",
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f'revision = "{name}"\ndown_revision = "{parent}"\n\n\n'
        'def upgrade(engine_name):\n    globals()["upgrade_%s" % engine_name]()\n\n\n'
        'def downgrade(engine_name):\n    globals()["downgrade_%s" % engine_name]()\n' + functions,
    )


def look(project: Project, url: str | None = None) -> tuple[list[str], dict[str, list[str]]]:
    """Give the version rows and the tables with their columns."""
    engine = sa.create_engine(url or project.environment["DATABASE"])
    inspector = sa.inspect(engine)
    tables = {name: [c["name"] for c in inspector.get_columns(name)] for name in inspector.get_table_names()}
    with engine.connect() as connection:
        rows = [row[0] for row in connection.exec_driver_sql("SELECT version_num FROM alembic_version")]
    engine.dispose()
    own = {name: columns for name, columns in tables.items() if name in ("users", "entry", "event")}
    return rows, own


def execute(project: Project, *statements: str, url: str | None = None) -> None:
    engine = sa.create_engine(url or project.environment["DATABASE"])
    with engine.begin() as connection:
        for each in statements:
            connection.exec_driver_sql(each)
    engine.dispose()


def told(ended: Ended, field: str) -> dict[str | None, object]:
    return {each["bind"]: each[field] for each in ended.document["databases"]}


def test_they_are_adopted_and_upgraded_as_one(shop: Project) -> None:
    """One row says where all are; a revision is in with the functions of all binds, or with none."""
    adopted = shop.adopt("--rev-id", "first")

    assert adopted.code == 0, adopted.stderr
    assert told(adopted, "revision_after") == dict.fromkeys((None, "audit", "logs"), "first")
    (baseline,) = (shop.path / "migrations" / "versions").glob("*.py")
    parts = baseline.read_text().split("def upgrade_")
    assert [(part.split("(")[0], part.count("create_table")) for part in parts[1:]] == [
        ("", 1),
        ("logs", 1),
        ("audit", 1),
    ]
    assert shop.adopt().document["outcome"] == "already-adopted"
    assert shop.safe_upgrade().document["outcome"] == "nothing-to-do"
    migrated = shop.flask("db", "migrate")
    assert (migrated.code, "No changes in schema detected" in migrated.stderr) == (0, True), migrated.stderr

    add(shop, "second", "first", default=add_column("users", "age"), logs=add_column("entry", "text"))
    upgraded = shop.safe_upgrade()
    assert upgraded.code == 0, upgraded.stderr
    assert told(upgraded, "verified") == dict.fromkeys((None, "audit", "logs"), True)
    assert look(shop) == (["second"], {"users": ["id", "age"], "entry": ["id", "text"], "event": ["id"]})

    stored = shop.flask("db-snapshot", "--json")
    assert stored.code == 0, stored.stderr
    (file,) = (shop.path / "migrations" / "snapshots").glob("second.*")
    assert list(json.loads(file.read_text())["databases"]) == ["+audit+logs"]
    execute(shop, "DROP TABLE alembic_version")
    assert shop.safe_upgrade().document["outcome"] == "upgraded"
    assert look(shop)[0] == ["second"]
    execute(shop, *(f"DROP TABLE {name}" for name in ("alembic_version", "schemaflow_history")))
    execute(shop, *(f"DROP TABLE {name}" for name in ("users", "entry", "event")))
    assert shop.safe_upgrade().code == 0
    assert look(shop) == (["second"], {"users": ["id", "age"], "entry": ["id", "text"], "event": ["id"]})


def test_a_failure_for_one_bind_undoes_the_revision_for_all(shop: Project) -> None:
    """The second revision fails for the last bind: nothing of it is in, or the journal says what."""
    assert shop.adopt("--rev-id", "first").code == 0
    add(shop, "second", "first", default=add_column("users", "age"))
    real = "op.get_bind().execute(sa.text('SELECT count(*) FROM users')).scalar()"
    add(
        shop,
        "third",
        "second",
        default=add_column("users", "size"),
        logs=add_column("entry", "text"),
        audit=f"{FAILS} if {real} else None",
    )
    execute(shop, "INSERT INTO users (id) VALUES (1)")

    ended = shop.safe_upgrade()

    if shop.environment["DATABASE"].startswith("mysql"):
        assert ended.code == 6, ended.stderr
        third = (shop.path / "migrations" / "versions" / "third.py").read_text()
        shop.write("migrations/versions/third.py", third.replace(FAILS, "None"))
        ended = shop.safe_upgrade("--resume")
        assert ended.code == 0, ended.stderr
        assert look(shop) == (
            ["third"],
            {"users": ["id", "age", "size"], "entry": ["id", "text"], "event": ["id"]},
        )
        return
    at = "first" if shop.environment["DATABASE"].startswith("sqlite") else "second"
    assert ended.code == 5, ended.stderr
    assert told(ended, "revision_after") == dict.fromkeys((None, "audit", "logs"), at)
    users = ["id"] if at == "first" else ["id", "age"]
    assert look(shop) == ([at], {"users": users, "entry": ["id"], "event": ["id"]})


def test_two_of_three_share(project: Project, tmp_path: Path) -> None:
    """The bind that has a database of its own is upgraded on its own; dropping what one holds is told with its table."""
    alone, shared = (f"sqlite:///{tmp_path / name}" for name in ("alone.db", "shared.db"))
    project.environment |= {"DATABASE": alone, "LOGS": shared, "AUDIT": shared}
    project.write("app.py", APP)
    project.python(MAKE)
    assert project.adopt("--rev-id", "first").code == 0
    execute(project, "INSERT INTO event (id) VALUES (1)", url=shared)
    add(project, "second", "first", default=add_column("users", "age"), audit="op.drop_table('event')")

    refused = project.safe_upgrade()
    ended = project.safe_upgrade("--accept", "drop-table:event", "--backup", "never")

    assert (refused.code, [each["subject"] for each in refused.findings("drop-table")]) == (3, ["event"])
    assert ended.code == 0, ended.stderr
    assert look(project, alone)[0] == ["second"]
    assert look(project, shared) == (["second"], {"entry": ["id"]})


def test_what_is_stored_for_shared_databases_is_not_used_for_separate_ones(
    project: Project, tmp_path: Path
) -> None:
    """Developers may have one database where production has several: each is compared with its own tables."""
    project.environment |= dict.fromkeys(("DATABASE", "LOGS", "AUDIT"), f"sqlite:///{tmp_path / 'one.db'}")
    project.write("app.py", APP)
    project.python(MAKE)
    assert project.adopt("--rev-id", "first").code == 0
    separate = {"LOGS": f"sqlite:///{tmp_path / 'two.db'}", "AUDIT": f"sqlite:///{tmp_path / 'three.db'}"}
    project.environment |= {"DATABASE": f"sqlite:///{tmp_path / 'other.db'}", **separate}
    project.python(MAKE)

    ended = project.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert told(ended, "revision_after") == dict.fromkeys((None, "audit", "logs"), "first")
    assert look(project, separate["LOGS"]) == (["first"], {"entry": ["id"]})


def test_binds_with_schemas_of_their_own_share_the_lock_only(project: Project, postgresql: str) -> None:
    """Their search paths lead to different schemas of one database, each with its own version table."""
    one, two = (f"{postgresql}?options=-csearch_path%3D{schema}" for schema in ("one", "two"))
    project.environment |= {"DATABASE": one, "LOGS": two, "AUDIT": two}
    execute(project, "CREATE SCHEMA one", "CREATE SCHEMA two", url=postgresql)
    project.write("app.py", APP)
    project.python(MAKE)

    adopted = project.adopt("--rev-id", "first")
    add(project, "second", "first", default=add_column("users", "age"), logs=add_column("entry", "text"))
    execute(project, "DROP TABLE two.alembic_version")
    upgraded = project.safe_upgrade("--lock-wait", "0")

    assert adopted.code == 0, adopted.stderr
    assert upgraded.code == 0, upgraded.stderr
    assert told(upgraded, "verified") == dict.fromkeys((None, "audit", "logs"), True)
    assert look(project, one) == (["second"], {"users": ["id", "age"]})
    assert look(project, two) == (["second"], {"entry": ["id", "text"], "event": ["id"]})


def test_two_ways_of_writing_one_database(project: Project, mariadb: str) -> None:
    """Which of two URLs is meant cannot be chosen for the app: both are named, and nothing is written."""
    other = mariadb.replace("127.0.0.1", "localhost")
    project.environment |= {"DATABASE": mariadb, "LOGS": other, "AUDIT": other}
    project.write("app.py", APP)
    project.python(MAKE)

    ended = project.adopt()

    assert ended.code == 2, ended.stderr
    assert "lead to one database by different URLs" in ended.verdict
    assert "localhost" in ended.verdict
    assert not (project.path / "migrations").exists()
