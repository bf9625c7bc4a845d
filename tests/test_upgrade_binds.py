"""``flask db-safe-upgrade`` with several databases."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from projects import Project, reading, versions_of

APP = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
    app.config["SQLALCHEMY_BINDS"] = {"logs": "sqlite:///logs.db"}
    db = SQLAlchemy(app)
    SchemaFlow(app, db)


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)


    class Entry(db.Model):
        __bind_key__ = "logs"
        id = db.Column(db.Integer, primary_key=True)
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """Give a shop with two adopted databases."""
    project.write("app.py", APP)
    project.create_all()
    ended = project.adopt("--rev-id", "first")
    assert ended.code == 0, ended.stderr
    return project


def file_of(project: Project, name: str) -> Path:
    return project.path / "instance" / name


def add(project: Project, name: str, parent: str, default: str, logs: str) -> None:
    """Write a revision with a function for each database, as Flask-Migrate's template does."""
    project.write(
        f"migrations/versions/{name}.py",
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f'revision = "{name}"\ndown_revision = "{parent}"\n\n\n'
        'def upgrade(engine_name):\n    globals()["upgrade_%s" % engine_name]()\n\n\n'
        f"def upgrade_():\n    {default}\n\n\ndef upgrade_logs():\n    {logs}\n",
    )


def columns(file: Path, table: str) -> list[str]:
    with reading(file) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


ADD_AGE = "op.add_column('user', sa.Column('age', sa.Integer()))"
ADD_TEXT = "op.add_column('entry', sa.Column('text', sa.Text()))"


def test_both_are_upgraded_and_verified(shop: Project) -> None:
    """Each database runs its own function and is told of on its own."""
    add(shop, "second", "first", ADD_AGE, ADD_TEXT)

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    told = {each["bind"]: each for each in ended.document["databases"]}
    assert {key: each["verified"] for key, each in told.items()} == {None: True, "logs": True}
    assert "age" in columns(file_of(shop, "shop.db"), "user")
    assert "text" in columns(file_of(shop, "logs.db"), "entry")


def test_the_default_database_may_be_one_of_the_mapping(shop: Project) -> None:
    """Its key is None there, of which the stock ``env.py`` can make no section."""
    text = (shop.path / "app.py").read_text()
    binds = 'app.config["SQLALCHEMY_BINDS"] = {None: app.config.pop("SQLALCHEMY_DATABASE_URI"), '
    shop.write("app.py", text.replace('app.config["SQLALCHEMY_BINDS"] = {', binds))
    add(shop, "second", "first", ADD_AGE, ADD_TEXT)

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded"), ended.stderr
    assert [each["revision_after"] for each in ended.document["databases"]] == ["second", "second"]


def test_a_failure_in_the_second_undoes_the_first(shop: Project) -> None:
    """While nothing is committed everything goes back."""
    add(shop, "second", "first", ADD_AGE, "op.execute('ALTER TABLE nowhere ADD COLUMN x INT')")
    before = shop.contents()

    ended = shop.safe_upgrade()

    assert ended.code == 5, ended.stderr
    assert "default is at first; logs is at first" in ended.verdict
    assert shop.contents() == before


def test_a_commit_that_fails_after_another_is_told_for_each(shop: Project) -> None:
    """There is no commit over two files: the one is in, the other is not, and the next run ends it."""
    add(shop, "second", "first", ADD_AGE, ADD_TEXT)
    logs = file_of(shop, "logs.db")
    with reading(logs) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM entry").fetchone()
        ended = shop.safe_upgrade()

    assert ended.code == 4, ended.stderr
    assert "Committed before: default is at second. Undone: logs is at first." in ended.verdict
    told = {each["bind"]: each["revision_after"] for each in ended.document["databases"]}
    assert told == {None: "second", "logs": "first"}

    again = shop.safe_upgrade()
    assert again.code == 0, again.stderr
    assert versions_of(logs) == versions_of(file_of(shop, "shop.db")) == ["second"]


def test_a_revision_without_a_function_for_it_is_not_the_second_databases(shop: Project) -> None:
    """What a revision for the default database makes is not looked for in the other one."""
    execute = sqlite3.connect(file_of(shop, "logs.db"))
    execute.execute("DROP TABLE alembic_version")
    execute.execute("ALTER TABLE entry RENAME TO other")
    execute.execute("CREATE TABLE user (id INTEGER NOT NULL, PRIMARY KEY (id))")
    execute.commit()
    execute.close()

    ended = shop.safe_upgrade()

    assert ended.code == 3, ended.stderr
    told = {each["bind"]: each["state_before"] for each in ended.document["databases"]}
    assert told["logs"] == "not-ours"


@pytest.mark.parametrize(
    ("expected", "code"),
    [("shop.db", 0), ("logs=logs.db", 0), ("=shop.db", 0), ("logs=shop.db", 2), ("lgos=logs.db", 2)],
)
def test_each_database_may_be_expected_by_name(shop: Project, expected: str, code: int) -> None:
    """The bind key stands before the name; a key that the app has not is part of a name."""
    ended = shop.safe_upgrade("--expect-database", "shop.db", "--expect-database", expected)

    assert ended.code == code, ended.stderr
    assert ("as --expect-database says" in ended.verdict) is (code == 2)


def test_a_second_bind_without_tables_may_lead_to_the_same_file(project: Project) -> None:
    """Only tables make it matter."""
    app = APP.replace("sqlite:///logs.db", "sqlite:///shop.db").partition("    class Entry")[0]
    project.write("app.py", app)
    project.create_all()

    ended = project.adopt()

    assert ended.code == 0, ended.stderr
    assert project.safe_upgrade().code == 0


@pytest.mark.parametrize(("old", "new"), [("default", "logs"), ("logs", "default")])
def test_of_a_table_that_goes_over_the_rows_stay_behind(shop: Project, old: str, new: str) -> None:
    """A revision drops it here and makes it there; whoever writes the revision is told."""
    text, key = (shop.path / "app.py").read_text(), '    __bind_key__ = "logs"\n'
    if old == "logs":
        shop.write("app.py", text.replace(key, ""))
    else:
        shop.write("app.py", text.replace("class User(db.Model):\n", f"class User(db.Model):\n{key}"))
    table = {"default": "user", "logs": "entry"}[old]

    ended = shop.flask("db", "migrate", "--rev-id", "second")

    assert ended.code == 0, ended.stderr
    said = f"The table {table} goes over from the database {old} to {new}, and its rows stay behind"
    assert ended.stderr.count(said) == 1, ended.stderr
