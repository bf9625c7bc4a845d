"""The commands at the terminal: one document, one verdict, one clear error, the right exit code."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import click
import pytest
from privileges import flask_without_privileges
from projects import Project

from flask_schemaflow import ExitCode, commands

APP = """
    import os

    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    db = SQLAlchemy()


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(50))


    def create_app():
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("URI", "sqlite:///shop.db")
        db.init_app(app)
        return app
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.write("shop.py", APP)
    project.app = "shop"
    return project


@pytest.fixture
def filled(shop: Project) -> Project:
    """Give a shop with a database."""
    shop.create_all()
    return shop


# -- output ----------------------------------------------------------------------------------------

KEYS = "schema command outcome exit_code message databases plan findings proof discovery backups elapsed_ms".split()
COMMANDS = ["db-adopt", "db-backup", "db-safe-upgrade", "db-snapshot"]
READING = ["db-adopt", "db-safe-upgrade"]  # those that look into the database


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("arguments", [[], ["-x", "a=b"], ["-d", "elsewhere"]])
def test_every_key_is_always_there(shop: Project, command: str, arguments: list[str]) -> None:
    """Whether it ends well or not, stdout is one document with every key."""
    ended = shop.flask(command, "--json", *arguments)

    assert list(ended.document) == KEYS
    assert ended.document["schema"] == "schemaflow/1"
    assert ended.document["command"] == command
    assert ended.document["exit_code"] == ended.code
    assert ended.verdict.endswith(ended.document["message"])


def test_the_keys_inside(filled: Project) -> None:
    """Databases, findings, modules and plan have their documented keys."""
    filled.write(
        "extra.py",
        "from shop import db\n\n\nclass Extra(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n",
    )
    document = filled.adopt().document
    planned = filled.path / "instance" / "shop.db"
    planned.unlink()
    plan = filled.safe_upgrade("--create", "--plan").document["plan"]

    keys = "bind engine target state_before state_after revision_before revision_after applied verified"
    assert list(document["databases"][0]) == keys.split()
    assert set(document["findings"][0]) == set(
        "code classes severity subject message hint revision file line".split()
    )
    assert list(document["discovery"]["modules"][0]) == "module file tables why".split()
    assert list(plan[0]) == "bind revision title operations statements".split()


def test_the_long_form_of_json(filled: Project) -> None:
    """--format json is --json."""
    assert (
        json.loads(filled.flask("db-adopt", "--dry-run", "--format", "json").stdout)["outcome"] == "planned"
    )


def test_text_without_a_terminal_is_plain(filled: Project) -> None:
    """A deploy log gets no escape sequences, the target first, and the verdict last."""
    ended = filled.flask("db-adopt")

    assert "\x1b" not in ended.stdout + ended.stderr
    assert ended.stderr.startswith(f"Database    sqlite:///{filled.path}/instance/shop.db (default)\n")
    assert ended.verdict.startswith("Adopted at ")


def test_a_closed_stdout_changes_nothing(filled: Project) -> None:
    """With stdout closed the work is done and the exit code is right."""
    ended = filled.flask("db-adopt", "--json", closed=(1,))

    assert ended.code == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert filled.adopt().document["outcome"] == "already-adopted"


@pytest.mark.parametrize(
    ("command", "code"),
    [(["db-adopt", "--json"], 0), (["db-diff", "--from", "base", "--to", "models", "--format", "sql"], 2)],
)
def test_a_full_disk_behind_stdout_changes_nothing(filled: Project, command: list[str], code: int) -> None:
    """The verdict is told, and the code says what the database is; 2 where a script was all that was wanted."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "shop", *command],
            cwd=filled.path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    warning, verdict = ended.stderr.splitlines()[-2:]
    assert warning.startswith("Warning     the result cannot be written to stdout: ")
    assert verdict.startswith("Adopted at " if code == 0 else "Base and the models differ")


@pytest.mark.parametrize("command", [["db-adopt"], ["db-adopt", "--json"]])
def test_a_reader_that_goes_away_changes_nothing(filled: Project, command: list[str]) -> None:
    """A pipe that nobody reads does not end in a traceback or another exit code."""
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "shop", *command, "-v"],
        cwd=filled.path,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)

    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr


def test_help_tells_of_every_option(shop: Project) -> None:
    """Every option is in the help of its command, with a sentence."""
    for command in commands.COMMANDS:
        text = " ".join(shop.flask(str(command.name), "--help").stdout.split())
        for option in command.params:
            if isinstance(option, click.Option):
                assert all(name in text for name in option.opts)
                assert option.help
                assert option.help.rstrip(").").replace("  ", " ") in text, option.name


# -- bad input -------------------------------------------------------------------------------------


def ends(
    project: Project, code: int, says: str, *arguments: str, command: str = "db-adopt", **environment: str
) -> None:
    """Check that a command ends with this code and one clear error, and leaves every byte."""
    before = project.files()

    ended = project.flask(command, *arguments, **environment)

    assert ended.code == code, ended.stderr
    assert re.search(says, ended.verdict), ended.verdict
    assert "Traceback" not in ended.stderr
    assert "bug in" not in ended.stderr
    assert project.files() == before


def test_no_app(project: Project) -> None:
    """A folder without an app."""
    project.app = ""
    ends(project, 2, "^Error: There is no app to load: Could not locate a Flask application")


def test_an_app_that_is_not_there(project: Project) -> None:
    """An import string that leads nowhere."""
    project.app = "nowhere:create_app"
    ends(project, 2, "The app cannot be imported: No module named 'nowhere'")


def test_no_flask_sqlalchemy(project: Project) -> None:
    """An app without a database extension."""
    project.write("app.py", "from flask import Flask\n\napp = Flask(__name__)\n")
    ends(project, 2, "has no Flask-SQLAlchemy")


@pytest.mark.parametrize(
    ("name", "module", "says"),
    [
        ("alchemical", "alchemical.flask", "Alchemical"),
        ("sqlalchemy", "flask_sqlalchemy_lite._extension", "Flask-SQLAlchemy-Lite"),
    ],
)
def test_another_library_is_refused_by_name(project: Project, name: str, module: str, says: str) -> None:
    """Libraries that we do not work with are named."""
    project.write(
        "app.py",
        f"""
        from flask import Flask

        app = Flask(__name__)
        Other = type("Other", (), {{"__module__": "{module}"}})
        app.extensions["{name}"] = Other()
        """,
    )
    ends(project, 2, says)


def test_an_asynchronous_engine_is_refused(shop: Project) -> None:
    """An engine that Flask-Migrate cannot use is named."""
    shop.write(
        "aiosqlite.py",
        "from sqlite3 import *\nfrom sqlite3 import dbapi2\nparamstyle = 'qmark'\nsqlite_version_info = (3, 40, 0)\n",
    )
    ends(shop, 2, "is asynchronous", URI="sqlite+aiosqlite:///shop.db", PYTHONPATH=str(shop.path))


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_in_memory(shop: Project, uri: str, command: str) -> None:
    """SQLite in memory is refused, since nothing of it would stay."""
    ends(shop, 2, "SQLite in memory", command=command, URI=uri)


def with_cache_in_memory(shop: Project) -> Project:
    """Give the shop two more databases: an audit, and one in memory that has no model yet."""
    file = shop.path / "shop.py"
    binds = 'app.config["SQLALCHEMY_BINDS"] = {"audit": "sqlite:///audit.db", "cache": "sqlite://"}'
    event = (
        "class Event(db.Model):\n    __bind_key__ = 'audit'\n    id = db.Column(db.Integer, primary_key=True)"
    )
    text = file.read_text().replace("    db.init_app(app)", f"    {binds}\n    db.init_app(app)")
    file.write_text(text.replace("def create_app", f"{event}\n\n\ndef create_app"))
    return shop


def test_a_database_in_memory_that_has_no_tables(shop: Project) -> None:
    """A second database in memory without a table disturbs nobody."""
    with_cache_in_memory(shop).create_all()

    ended = shop.adopt()

    assert ended.code == 0, ended.stderr
    assert shop.adopt().document["outcome"] == "already-adopted"
    assert shop.safe_upgrade().document["outcome"] == "nothing-to-do"
    for file in shop.databases():
        file.unlink()
    assert shop.safe_upgrade("--create").document["outcome"] == "upgraded"


@pytest.mark.parametrize("imported", [True, False])
def test_a_second_database_in_memory_is_named(shop: Project, imported: bool) -> None:
    """A database in memory that has tables is refused by its bind key, whoever imports its models."""
    with_cache_in_memory(shop).create_all()
    model = "class Entry(db.Model):\n    __bind_key__ = 'cache'\n    id = db.Column(db.Integer, primary_key=True)\n"
    shop.write("entries.py", f"from shop import db\n\n\n{model}")
    environment = {} if imported else {"FLASK_SCHEMAFLOW_MODELS": "entries"}
    if imported:
        file = shop.path / "shop.py"
        file.write_text(f"{file.read_text()}\n\nimport entries\n")

    says = r"The app's database 'cache' is SQLite in memory.*Set SQLALCHEMY_BINDS\['cache'\]"
    ends(shop, 2, says, **environment)


def test_a_missing_file_is_not_made(shop: Project) -> None:
    """safe-upgrade makes no database where there is none, unless it is told to."""
    shop.write("migrations/alembic.ini", "[alembic]\n")
    shop.write("migrations/env.py", "")
    ends(shop, 2, "There is no database at sqlite:///.*shop.db.*--create", command="db-safe-upgrade")


def test_an_empty_file(shop: Project) -> None:
    """A file of zero bytes is no database."""
    (shop.path / "instance").mkdir()
    (shop.path / "instance" / "shop.db").touch()

    ends(shop, 2, "There is no database at", command="db-safe-upgrade")
    assert shop.adopt("--dry-run").document["databases"][0]["state_before"] == "empty"


@pytest.mark.parametrize("command", READING)
def test_a_corrupt_file(shop: Project, command: str) -> None:
    """A file that is something else."""
    shop.write("instance/shop.db", "this is not a database, but quite long enough to be one")
    ends(shop, 2, "shop.db is not a SQLite database", command=command)


def test_a_damaged_file(filled: Project) -> None:
    """A database whose pages are damaged."""
    file = filled.path / "instance" / "shop.db"
    data = bytearray(file.read_bytes())
    data[100:180] = b"\xff" * 80
    file.write_bytes(bytes(data))

    ends(filled, 2, "shop.db is damaged")


def test_a_folder_in_the_place_of_the_file(shop: Project) -> None:
    """A folder with the database's name."""
    (shop.path / "instance" / "shop.db").mkdir(parents=True)
    ends(shop, 2, "shop.db is a folder, not a SQLite database")


def test_a_locked_file(filled: Project) -> None:
    """A database that another process writes to for long is busy, not broken."""
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    program += "c.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
    file = str(filled.path / "instance" / "shop.db")
    holder = subprocess.Popen(
        [sys.executable, "-c", program, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    ends(filled, 4, "shop.db is locked by another process")
    holder.communicate()


def test_changes_in_a_wal_that_cannot_be_read_are_not_left_out(filled: Project) -> None:
    """Where only the main file can be read, and the rest is in its -wal, nothing is said at all."""
    file = filled.path / "instance" / "shop.db"
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE in_wal (a)")
        writer.commit()
        Path(f"{file}-shm").unlink()
        file.parent.chmod(0o555)
        try:
            ended = flask_without_privileges(filled, "db-adopt", "--dry-run")
        finally:
            file.parent.chmod(0o755)

    assert ended.returncode == 2, ended.stderr
    assert "cannot be read" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("what", ["file", "folder", "project"])
def test_what_cannot_be_written(filled: Project, what: str) -> None:
    """A read-only file, database folder or project is refused before anything is written."""
    file = filled.path / "instance" / "shop.db"
    target, mode = {"file": (file, 0o444), "folder": (file.parent, 0o555), "project": (filled.path, 0o555)}[
        what
    ]
    before = filled.files()
    target.chmod(mode)
    try:
        ended = flask_without_privileges(filled, "db-adopt")
    finally:
        target.chmod(0o755)

    assert ended.returncode == 2, ended.stderr
    assert re.search(r"must be writable|cannot be written", ended.stderr.splitlines()[-1])
    assert "Traceback" not in ended.stderr
    assert filled.files() == before


def test_a_file_that_cannot_be_read(filled: Project) -> None:
    """A database that may not be read is named with the reason."""
    file = filled.path / "instance" / "shop.db"
    file.chmod(0)
    ended = flask_without_privileges(filled, "db-adopt")
    file.chmod(0o644)

    assert ended.returncode == 2, ended.stderr
    assert "shop.db cannot be read: permission denied" in ended.stderr.splitlines()[-1]


def test_a_read_only_database_is_looked_at_all_the_same(filled: Project) -> None:
    """A dry run needs no right to write."""
    file = filled.path / "instance" / "shop.db"
    file.chmod(0o444)
    file.parent.chmod(0o555)
    ended = flask_without_privileges(filled, "db-adopt", "--dry-run")
    file.parent.chmod(0o755)

    assert ended.returncode == 0, ended.stderr


FOLDERS = {
    "foreign files": ({"migrations/001_init.sql": "CREATE TABLE x (a int);"}, "is not a migrations folder"),
    "half a folder": ({"migrations/env.py": ""}, "is not whole: alembic.ini missing"),
    "the folder of Alembic alone": (
        {"alembic.ini": "[alembic]\n", "migrations/env.py": "", "migrations/script.py.mako": ""},
        "cp .*/alembic.ini .*/migrations$",
    ),
    "a file": ({"migrations": "notes"}, "is a file and should be the migrations folder"),
    "half an alembic.ini": (
        {"migrations/alembic.ini": "file_template = x\n", "migrations/env.py": "", "migrations/script.py.mako": ""},
        "alembic.ini is wrong: File contains no section headers",
    ),
    "an open value": (
        {"migrations/alembic.ini": "[alembic]\nfile_template = %(nowhere)s\n", "migrations/env.py": "", "migrations/script.py.mako": ""},
        "alembic.ini is wrong: .*nowhere",
    ),
    "no template": (
        {"migrations/alembic.ini": "[alembic]\n", "migrations/env.py": ""},
        "has no script.py.mako",
    ),
    "a broken template": (
        {"migrations/alembic.ini": "[alembic]\n", "migrations/env.py": "ENV", "migrations/script.py.mako": "${nothing.of.the.kind}"},
        "script.py.mako failed: AttributeError",
    ),
    "an env.py that raises": (
        {"migrations/alembic.ini": "[alembic]\n", "migrations/env.py": "x = 1\nraise ValueError('no')\n", "migrations/script.py.mako": ""},
        "env.py:2: env.py failed with ValueError: no",
    ),
    "an env.py that does nothing": (
        {"migrations/alembic.ini": "[alembic]\n", "migrations/env.py": "", "migrations/script.py.mako": ""},
        "env.py does not cover the database default",
    ),
    "a revision that cannot be loaded": (
        {
            "migrations/alembic.ini": "[alembic]\n",
            "migrations/env.py": "ENV",
            "migrations/script.py.mako": "",
            "migrations/versions/a.py": "revision = 'a'\ndown_revision = None\nimport os\nos.environ['NOWHERE']\n",
        },
        "a.py:4: a revision cannot be loaded: KeyError: 'NOWHERE'",
    ),
    "a file that is no revision": (
        {"migrations/alembic.ini": "[alembic]\n", "migrations/env.py": "", "migrations/versions/notes.py": "x = 1\n"},
        "notes.py is in the versions folder but sets no revision id",
    ),
    "a revision whose parent is gone": (
        {"migrations/alembic.ini": "[alembic]\n", "migrations/env.py": "", "migrations/versions/b.py": "revision = 'b'\ndown_revision = 'a'\n"},
        "b.py follows revision 'a', which no file has",
    ),
    "revisions in a circle": (
        {
            "migrations/alembic.ini": "[alembic]\n",
            "migrations/env.py": "",
            "migrations/versions/a.py": "revision = 'a'\ndown_revision = 'b'\n",
            "migrations/versions/b.py": "revision = 'b'\ndown_revision = 'a'\n",
        },
        "in a circle: a, b",
    ),
}  # fmt: skip

WORKING_ENV = """
from alembic import context
from flask import current_app

with current_app.extensions["migrate"].db.engine.connect() as connection:
    context.configure(connection=connection, target_metadata=current_app.extensions["migrate"].db.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.mark.parametrize("what", FOLDERS)
def test_a_migrations_folder_that_is_wrong(filled: Project, what: str) -> None:
    """A folder that is foreign, half or broken is named with what is wrong."""
    files, says = FOLDERS[what]
    for name, text in files.items():
        filled.write(name, WORKING_ENV if text == "ENV" else text)

    ends(filled, 2, says)


def test_an_empty_folder_is_used(filled: Project) -> None:
    """A folder with nothing in it but hidden files becomes the migrations folder."""
    filled.write("migrations/.gitkeep", "")

    assert filled.adopt().code == 0
    assert (filled.path / "migrations" / "env.py").is_file()
    assert (filled.path / "migrations" / ".gitkeep").is_file()


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("LOKC_WAIT", "1", "Did you mean FLASK_SCHEMAFLOW_LOCK_WAIT"),
        ("RETRIES", "many", "must be a whole number"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_setting(filled: Project, command: str, key: str, value: str, says: str) -> None:
    """An unknown or wrong setting stops our commands, and nothing else."""
    environment = {f"FLASK_SCHEMAFLOW_{key}": value}
    ends(filled, 2, says, command=command, **environment)
    assert filled.flask("routes", **environment).code == 0


def test_a_wrong_option_is_clicks_own_error(filled: Project) -> None:
    """Usage errors are click's: exit code 2 and its text."""
    ended = filled.flask("db-adopt", "--accpet", "x")

    assert ended.code == 2
    assert "No such option" in ended.stderr


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "soon"])
def test_seconds_are_a_number_that_ends(filled: Project, seconds: str) -> None:
    """What is no number of seconds is a usage error too."""
    ended = filled.flask("db-adopt", "--search-time", seconds)

    assert ended.code == 2
    assert "--search-time" in ended.stderr


def test_no_password_is_ever_shown(shop: Project) -> None:
    """A password in the URL appears nowhere, whatever fails."""
    uri = "postgresql+psycopg://shop:topsecret@127.0.0.1:1/shop"
    for command in COMMANDS:
        ended = shop.flask(command, "--json", "-v", URI=uri)
        assert ended.code != 0
        assert "topsecret" not in ended.stdout + ended.stderr


def test_strange_names_are_adopted(project: Project) -> None:
    """Tables and columns with dots, quotes, percent signs and unicode are adopted as they are."""
    names = ["a.b", "it's", 'say "hi"', "100%", "größe 日本", "select"]
    tables = "\n".join(
        f"sa.Table({name!r}, db.metadata, sa.Column('id', sa.Integer, primary_key=True), sa.Column({name!r}, sa.String(9), index=True))"
        for name in names
    )
    app = "import sqlalchemy as sa\nfrom flask import Flask\nfrom flask_sqlalchemy import SQLAlchemy\n\napp = Flask(__name__)\n"
    app += 'app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"\ndb = SQLAlchemy(app)\n'
    project.write("app.py", app + tables)
    project.create_all()
    before = project.contents()

    ended = project.adopt()

    assert ended.code == 0, ended.stderr
    assert project.contents() == before
    assert sorted(ended.document["discovery"]["modules"][0]["tables"]) == sorted(names)


def test_exit_codes_are_those_of_the_table() -> None:
    """The numbers never change."""
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0, "UNEXPECTED": 1, "USAGE": 2, "REFUSED": 3, "BUSY": 4, "UNDONE": 5, "BROKEN": 6, "UNVERIFIED": 7,
    }  # fmt: skip


def test_the_project_is_found_from_a_subfolder(filled: Project) -> None:
    """The database's path is absolute in what is told, wherever the command runs."""
    ended = filled.adopt("--dry-run")

    assert (
        ended.document["databases"][0]["target"]
        == f"sqlite:///{Path(filled.path).resolve()}/instance/shop.db"
    )
