"""While an app loads under our commands it cannot touch its database."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from projects import Project, contents_of

from flask_schemaflow import ConfigurationError
from flask_schemaflow.loading import guarded_loading, sqlite_copies

APP = """
    import os
    import sqlite3
    import sys
    import threading
    import time

    import sqlalchemy as sa
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    import flask_schemaflow

    db = SQLAlchemy()


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(50))


    def create_app():
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("URI", "sqlite:///shop.db")
        db.init_app(app)
        if "MAKING" in os.environ:
            return app
        file = os.path.join(app.instance_path, "shop.db")
        with app.app_context():
            {on_load}
        return app
"""

WAYS = {
    "create_all": "db.create_all()",
    "drop_all and create_all": "db.drop_all(); db.create_all()",
    "rows": "db.create_all(); db.session.add(User(name='seed')); db.session.commit()",
    "an update": "db.create_all(); db.session.execute(sa.text(\"UPDATE user SET name = 'y'\")); db.session.commit()",
    "own tables": "db.session.execute(sa.text('CREATE TABLE extra (a)')); db.session.commit()",
    "the driver itself": "c = sqlite3.connect(file); c.execute('DROP TABLE IF EXISTS user'); c.commit(); c.close()",
    "the driver by a URI": "c = sqlite3.connect(f'file:{{file}}?mode=rwc', uri=True); c.execute('CREATE TABLE x (a)')",
    "the driver with a keyword": "c = sqlite3.connect(database=file); c.execute('CREATE TABLE x (a)'); c.close()",
    "an engine of its own": "sa.create_engine(f'sqlite:///{{file}}').connect().exec_driver_sql('CREATE TABLE x (a)')",
    "a connection left open": "globals().update(kept=db.engine.connect()); kept.exec_driver_sql('CREATE TABLE x (a)')",
}


def on_load(project: Project, statements: str) -> Project:
    """Make an app that does this while it loads."""
    text = APP.replace("{on_load}", statements.replace("{{", "{").replace("}}", "}"))
    project.write("shop.py", text)
    project.app = "shop"
    return project


@pytest.mark.parametrize("way", WAYS)
def test_nothing_reaches_a_database_that_is_there(project: Project, way: str) -> None:
    """Whatever the app does to its SQLite file while it loads, the file stays byte for byte as it was."""
    on_load(project, WAYS[way]).create_all()
    (file,) = project.databases()
    before = file.read_bytes()

    ended = project.adopt("--dry-run")

    assert ended.code == 0, ended.stderr
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir()] == ["shop.db"]
    kinds = {each["code"] for each in ended.findings()} & {
        "creates-on-load",
        "drops-on-load",
        "writes-on-load",
    }
    assert kinds
    assert all(each["file"].endswith("shop.py") for each in ended.findings() if each["code"] in kinds)


NAMED_BY_A_SETTING = {
    "SCHEMAFLOW_METADATA": "models:db.metadata",
    "SCHEMAFLOW_MODELS": "past.models",
}


@pytest.mark.parametrize("setting", NAMED_BY_A_SETTING)
def test_what_only_a_setting_names_is_kept_away_too(project: Project, setting: str) -> None:
    """A module or package that is imported for a setting cannot reach the database either."""
    on_load(project, "pass").create_all()
    writes = "import sqlite3\nsqlite3.connect('instance/shop.db').execute('CREATE TABLE x (a)').connection.commit()\n"
    project.write("past/__init__.py", writes)
    project.write("past/models.py", "")
    project.write("models.py", f"{writes}from shop import db\n")
    (file,) = project.databases()
    before = file.read_bytes()

    ended = project.adopt("--dry-run", **{f"FLASK_{setting}": NAMED_BY_A_SETTING[setting]})

    assert ended.code == 0, ended.stderr
    assert file.read_bytes() == before


@pytest.mark.parametrize("setting", NAMED_BY_A_SETTING)
@pytest.mark.parametrize("fails", ["raise KeyError('no')", "import sys; sys.exit('no')"])
def test_what_only_a_setting_names_may_fail(project: Project, setting: str, fails: str) -> None:
    """A module that fails when it is imported for a setting is named with its line."""
    on_load(project, "pass").create_all()
    project.write("past/__init__.py", f"\n{fails}\n")
    project.write("models.py", f"\n{fails}\n")

    ended = project.adopt("--dry-run", **{f"FLASK_{setting}": NAMED_BY_A_SETTING[setting]})

    assert ended.code == 2, ended.stderr
    assert setting in ended.verdict
    assert ".py:2" in ended.verdict or ".py:1" in ended.verdict


@pytest.mark.parametrize("way", [way for way in WAYS if "create_all" in WAYS[way]])
def test_no_database_is_made_where_there_is_none(project: Project, way: str) -> None:
    """An app that creates its tables while it loads finds none afterwards."""
    on_load(project, WAYS[way])

    ended = project.adopt("--dry-run")

    assert ended.code == 0, ended.stderr
    assert project.databases() == []
    assert ended.document["databases"][0]["state_before"] == "empty"


def test_the_app_sees_its_rows_while_it_loads(project: Project) -> None:
    """The copy has the real content, so an app that needs its rows at load finds them."""
    on_load(project, "assert db.session.query(User).one().name == 'x'").create_all()

    assert project.adopt("--dry-run").code == 0


def test_a_wal_database_leaves_no_files_behind(project: Project) -> None:
    """Reading a database in WAL mode leaves neither -wal nor -shm where there was none."""
    on_load(project, "db.session.query(User).all()").create_all()
    (file,) = project.databases()
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    before = file.read_bytes()

    assert project.adopt("--dry-run").code == 0

    assert [each.name for each in file.parent.iterdir()] == ["shop.db"]
    assert file.read_bytes() == before


def test_a_listener_that_sets_the_journal_mode_changes_nothing(project: Project) -> None:
    """A connect listener for every engine that sends pragmas does not change the file."""
    listener = """
            @sa.event.listens_for(sa.engine.Engine, "connect")
            def pragmas(connection, _record):
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA foreign_keys=ON")
    """
    on_load(project, listener.strip()).create_all()
    (file,) = project.databases()
    before = file.read_bytes()

    ended = project.adopt("--dry-run")

    assert ended.code == 0, ended.stderr
    assert file.read_bytes() == before


def test_a_missing_table_names_itself_and_the_way_out(project: Project) -> None:
    """Loading that needs a table which is not there ends in 2 with table, line and mend."""
    on_load(project, "db.session.query(User).all()")

    ended = project.adopt()

    assert ended.code == 2
    assert "shop.py:29: While it loads, the app uses its database, and needs the table user." in ended.verdict
    assert "if flask_schemaflow.in_command(): return app" in ended.verdict
    assert project.databases() == []


HELPER = """
from shop import User, db


def ask():
    return db.session.query(User).all()


def seed():
    db.session.execute(db.text("INSERT INTO user VALUES (1, 'x')"))
    db.session.commit()
"""


def test_the_line_to_leave_before_is_in_the_factory(project: Project) -> None:
    """What the factory calls may be far away; the advice is about the factory's own line."""
    on_load(project, "import helper; helper.ask()")
    project.write("helper.py", HELPER)

    ended = project.adopt()

    assert ended.code == 2
    assert "shop.py:29: While it loads, the app uses its database" in ended.verdict
    assert re.search(r"helper\.py:5\b", ended.verdict), ended.verdict
    assert "Leave the factory before that line" in ended.verdict


def test_a_finding_of_loading_names_the_line_in_the_factory(project: Project) -> None:
    """The finding stands where it is written; its hint says where to leave."""
    on_load(project, "import helper; db.create_all(); helper.seed()").create_all()
    project.write("helper.py", HELPER)

    ended = project.adopt("--dry-run")

    (found,) = ended.findings("writes-on-load")
    assert (found["file"].endswith("helper.py"), found["line"]) == (True, 9)
    assert re.search(r"leave the factory before .*shop\.py:29 while a command runs", found["hint"]), found[
        "hint"
    ]


def test_a_module_that_uses_the_database_has_no_factory_to_leave(project: Project) -> None:
    """Then the line itself is to be left out."""
    on_load(project, "pass")
    with (project.path / "shop.py").open("a") as file:
        file.write("\n\napp = create_app()\nwith app.app_context():\n    db.session.query(User).all()\n")

    ended = project.adopt()

    assert ended.code == 2
    assert "Leave that line out while a command runs: if not flask_schemaflow.in_command():" in ended.verdict


@pytest.mark.parametrize("command", [["db-adopt", "--dry-run"], ["db", "list-templates"]])
def test_in_command_is_true_while_the_app_loads(project: Project, command: list[str]) -> None:
    """A factory that asks in_command() can leave before it needs the database."""
    register = (
        "flask_schemaflow.SchemaFlow(app, db)\n            if flask_schemaflow.in_command(): return app"
    )
    on_load(project, f"{register}\n            db.session.query(User).all()")

    assert project.flask(*command).code == 0


def test_in_command_is_false_elsewhere(project: Project) -> None:
    """flask routes, a program and a web worker are no commands of ours."""
    on_load(project, "assert not flask_schemaflow.in_command()")

    assert project.flask("routes").code == 0


def test_what_the_app_prints_stays_out_of_the_result(project: Project) -> None:
    """Prints of Python and writes to the file descriptor go to stderr."""
    on_load(project, "print('loud'); os.write(1, b'louder')").create_all()

    ended = project.adopt("--dry-run")

    assert ended.document["outcome"] == "planned"
    assert "loud" in ended.stderr
    assert "louder" in ended.stderr


def test_a_thread_that_never_ends_does_not_keep_the_command(project: Project) -> None:
    """A scheduler thread that loading started does not keep the command from ending."""
    on_load(project, "threading.Thread(target=time.sleep, args=(600,)).start()").create_all()

    assert project.adopt("--dry-run").code == 0


ROUND_ABOUT = {
    "the class": "sqlite3.Connection(file).execute('CREATE TABLE x (a)').connection.commit()",
    "a class of its own": "type('Own', (sqlite3.Connection,), {})(file).execute('CREATE TABLE x (a)')",
    "a function from before": "from early import connect; connect(file).execute('CREATE TABLE x (a)')",
    "a function from before, by a URI": "from early import connect; connect(f'file:{file}', uri=True)",
}


@pytest.mark.parametrize("way", ROUND_ABOUT)
def test_a_connection_that_goes_round_about_is_refused(project: Project, way: str) -> None:
    """What opens the real file by another way than sqlite3.connect is refused, with its line and the mend."""
    project.write("early.py", "from sqlite3 import connect\n")
    project.write("run.py", "import early\nfrom flask.cli import main\n\nmain()\n")
    on_load(project, ROUND_ABOUT[way]).create_all()
    (file,) = project.databases()
    before = file.read_bytes()

    ended = run_program(project, "run.py", "--app", "shop", "db-adopt")

    assert ended.returncode == 2, ended.stderr
    verdict = ended.stderr.splitlines()[-1]
    assert re.search(rf"shop.py:29: While it loads, the app opens {file} by sqlite3.Connection, or", verdict)
    assert "if flask_schemaflow.in_command(): return app" in verdict
    assert file.read_bytes() == before


def run_program(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the project in a new interpreter."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", [":memory:", "", "file::memory:?cache=shared", "file:x?mode=memory"])
def test_a_database_in_memory_is_open_to_every_way(name: str) -> None:
    """Only files are kept away; and after the block every way is open again."""
    with guarded_loading(every_thread=True):
        sqlite3.Connection(name, uri=True).close()


def test_every_way_is_open_again_afterwards(tmp_path: Path) -> None:
    """The hook of the driver does nothing once loading is over."""
    with guarded_loading(every_thread=True), pytest.raises(ConfigurationError):
        sqlite3.Connection(tmp_path / "shop.db")
    sqlite3.Connection(tmp_path / "shop.db").close()
    with guarded_loading(every_thread=False):
        sqlite3.Connection(tmp_path / "shop.db").close()


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (
            "raise ValueError('no colour set')",
            "shop.py:29: The app fails while it loads: ValueError: no colour set",
        ),
        ("sys.exit('no licence')", "shop.py:29: The app fails while it loads: ends the process: no licence"),
        ("import not_installed", "shop.py:29: The app"),
        (
            "db.create_all(); raise FileNotFoundError('shop.db')",
            "FileNotFoundError: shop.db. What it made in its database before is not there: it is kept out. Leave",
        ),
    ],
)
def test_an_app_that_fails_is_one_error(project: Project, statements: str, says: str) -> None:
    """An app that raises or exits while it loads ends in 2, with its line and without a traceback."""
    on_load(project, statements)

    ended = project.flask("db-adopt")

    assert ended.code == 2
    assert says in ended.verdict
    assert "Traceback" not in ended.stderr


def test_a_large_file_is_copied_without_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit the copy has the tables and not the rows."""
    file = tmp_path / "large.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE t (a)")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5(word)")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.commit()
    connection.close()
    monkeypatch.setattr(sqlite_copies, "COPY_CONTENT_UP_TO", 1)

    with guarded_loading(every_thread=True):
        copy = sqlite3.connect(file)
        assert copy.execute("SELECT * FROM t").fetchall() == []
        assert copy.execute("SELECT * FROM words").fetchall() == []
        copy.close()

    assert contents_of(file)[1]["t"] == [(1,)]


def test_another_thread_keeps_its_database(tmp_path: Path) -> None:
    """Inside a running app, only the thread that imports is guarded."""
    file = tmp_path / "shop.db"
    done: list[None] = []

    def write() -> None:
        """Make a table."""
        connection = sqlite3.connect(file)
        connection.execute("CREATE TABLE t (a)")
        connection.close()
        done.append(None)

    with guarded_loading(every_thread=False):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()

    assert done
    assert contents_of(file)[0] == ["CREATE TABLE t (a)"]


# -- servers ---------------------------------------------------------------------------------------


def test_create_all_does_nothing_on_a_server(server_database: str) -> None:
    """On a server create_all and drop_all are recorded and do nothing while an app loads."""
    metadata = sa.MetaData()
    sa.Table("kept", metadata, sa.Column("id", sa.Integer, primary_key=True))
    engine = sa.create_engine(server_database)
    metadata.create_all(engine)
    sa.Table("unwanted", metadata, sa.Column("id", sa.Integer, primary_key=True))

    with guarded_loading(every_thread=True) as record:
        metadata.drop_all(engine)
        metadata.create_all(engine)

    assert sa.inspect(engine).get_table_names() == ["kept"]
    assert [(each.kind, each.kept_out) for each in record.attempts] == [("drops", True), ("creates", True)]
    assert [each.severity.value for each in record.findings()] == ["error", "warning"]
    engine.dispose()


def test_writes_on_a_server_are_recorded_without_their_values(server_database: str) -> None:
    """A writing statement is told with its verb and table, and with no value."""
    engine = sa.create_engine(server_database)

    with guarded_loading(every_thread=True) as record, engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE secrets (word varchar(40))")
        connection.exec_driver_sql("INSERT INTO secrets VALUES ('open sesame')")

    assert [each.what for each in record.attempts] == ["CREATE TABLE secrets", "INSERT INTO secrets"]
    assert not any(each.kept_out for each in record.attempts)
    engine.dispose()


def test_a_module_that_only_we_import_cannot_reach_a_server(server_database: str) -> None:
    """Discovery's own imports are refused every connection to a server."""
    engine = sa.create_engine(server_database)

    with guarded_loading(every_thread=True, servers_too=True), pytest.raises(ConnectionRefusedError):
        engine.connect()

    engine.dispose()


def test_a_skipped_drop_all_on_a_server_refuses(project: Project, server_database: str) -> None:
    """An app that drops all its tables on a server while it loads is refused, with the line."""
    on_load(project, "db.drop_all()")

    ended = project.adopt(URI=server_database)

    assert ended.code == 3
    assert re.search(r"^Refused: .*shop\.py:29: Loading the app runs drop_all\(\)", ended.verdict)
    assert [each["severity"] for each in ended.findings("drops-on-load")] == ["error"]
