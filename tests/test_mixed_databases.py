"""One app with a database on each engine."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from projects import Project

APP = """
    import os

    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    app.config["SQLALCHEMY_BINDS"] = {"logs": os.environ["LOGS"], "archive": os.environ["ARCHIVE"]}
    db = SQLAlchemy(app)
    SchemaFlow(app, db)


    class Item(db.Model):
        id = db.Column(db.Integer, primary_key=True)


    class Old(db.Model):
        __bind_key__ = "archive"
        id = db.Column(db.Integer, primary_key=True)


    class Entry(db.Model):
        __bind_key__ = "logs"
        id = db.Column(db.Integer, primary_key=True)
"""
SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "second"
down_revision = "first"


def upgrade(engine_name):
    globals()["upgrade_%s" % engine_name]()


def upgrade_():
    op.add_column("item", sa.Column("size", sa.Integer()))


def upgrade_archive():
    op.add_column("old", sa.Column("size", sa.Integer()))
    if op.get_bind().execute(sa.text("SELECT count(*) FROM old")).scalar():
        op.execute("UPDATE nowhere SET size = 1")


def upgrade_logs():
    op.add_column("entry", sa.Column("size", sa.Integer()))
"""


def test_one_after_the_other_and_the_worst_counts(
    project: Project, postgresql: str, mariadb: str, tmp_path: Path
) -> None:
    """Default first, then by name: what is in before the failure stays, what comes after it does not run."""
    urls = {"DATABASE": postgresql, "ARCHIVE": mariadb, "LOGS": f"sqlite:///{tmp_path / 'logs.db'}"}
    project.environment |= urls
    project.write("app.py", APP)
    project.python(
        "from app import Old, app, db\nwith app.app_context():\n    db.create_all()\n"
        "    db.session.add(Old(id=1))\n    db.session.commit()\n"
    )
    assert project.flask("db", "init", "--multidb").code == 0
    adopted = project.adopt("--rev-id", "first")
    assert adopted.code == 0, adopted.stderr
    assert adopted.document["proof"]["engines"] == ["mariadb", "postgresql", "sqlite"]
    second = project.write("migrations/versions/second.py", SECOND)

    ended = project.safe_upgrade()

    assert ended.code == 6, ended.stderr
    told = {each["bind"]: each for each in ended.document["databases"]}
    assert {key: each["revision_after"] for key, each in told.items()} == {
        None: "second",
        "archive": "first",
        "logs": "first",
    }
    assert {key: each["applied"] for key, each in told.items()} == {
        None: ["second"],
        "archive": [],
        "logs": [],
    }
    assert [line for line in ended.stderr.splitlines() if line.startswith("Applied")] == [
        "Applied     second  (default)"
    ]
    assert "ALTER TABLE old ADD COLUMN size INTEGER) is in" in ended.verdict
    assert columns(urls["DATABASE"], "item") == ["id", "size"]
    assert columns(urls["LOGS"], "entry") == ["id"]

    second.write_text(SECOND.replace("UPDATE nowhere", "UPDATE old"))
    resumed = project.safe_upgrade("--resume", "--accept", "unfiltered-data-change:old")

    assert resumed.code == 0, resumed.stderr
    assert {each["revision_after"] for each in resumed.document["databases"]} == {"second"}
    assert columns(urls["ARCHIVE"], "old") == columns(urls["LOGS"], "entry") == ["id", "size"]


def columns(url: str, table: str) -> list[str]:
    engine = sa.create_engine(url)
    names = [each["name"] for each in sa.inspect(engine).get_columns(table)]
    engine.dispose()
    return names
