"""One migration at a time, on the right database, and who is waited for."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from anyshop import open_shop
from projects import Project
from shops import ADD_AGE, add, columns, execute, is_postgresql, shop_at, url_of, versions

from flask_schemaflow.errors import Busy
from flask_schemaflow.session import CONNECT_TIMEOUT, server_connection

TAKE = {
    "postgresql": "SELECT pg_try_advisory_lock(1936090726, 0)",
    "mysql": "SELECT GET_LOCK(CONCAT('schemaflow ', MD5(DATABASE())), 0)",
}


@pytest.fixture
def shop(project: Project, server_database: str) -> Project:
    """Give an adopted shop."""
    return shop_at(project, server_database)


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, connect_args={} if "mysql" in url else {"application_name": "the other"})
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@contextmanager
def locked(shop: Project) -> Iterator[sa.Connection]:
    """Hold the lock as another process of ours does."""
    with connected(url_of(shop)) as connection:
        assert connection.exec_driver_sql(TAKE[connection.dialect.name]).scalar() in (1, True)
        connection.commit()
        yield connection


def process_of(connection: sa.Connection) -> int:
    query = "SELECT pg_backend_pid()" if connection.dialect.name == "postgresql" else "SELECT CONNECTION_ID()"
    number: int = connection.exec_driver_sql(query).scalar_one()
    connection.commit()
    return number


# -- letting go ------------------------------------------------------------------------------------

IN_PROCESS = """
from app import Item, app, db
from flask_schemaflow import AdoptOptions, SchemaFlowError, adopt, safe_upgrade

try:
    WORK
except SchemaFlowError as error:
    assert error.outcome in ("undone", "broken"), error
with app.app_context():
    db.session.add(Item(name="three"))
    db.session.commit()
"""


def test_nothing_stays_locked_in_the_process(project: Project, any_database: str) -> None:
    """The app writes on, in the same process, after the functions have ended, however they did."""
    shop = open_shop(project, any_database)

    project.python(IN_PROCESS.replace("WORK", "adopt(app, AdoptOptions(revision_id='first'))"))
    shop.add("second", "first", "op.execute('nonsense')")
    project.python(
        IN_PROCESS.replace("WORK", "safe_upgrade(app)"), FLASK_SCHEMAFLOW_ACCEPT="revision-fails:second"
    )
    shop.add("second", "first", "op.add_column('item', sa.Column('size', sa.Integer()))")
    project.python(IN_PROCESS.replace("WORK", "safe_upgrade(app)"))

    assert shop.versions() == ["second"]
    assert len(shop.execute("SELECT id FROM item")) == 5


# -- waiting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["db-safe-upgrade", "db-adopt"])
def test_the_holder_is_named(shop: Project, command: str) -> None:
    """Whoever waits says for whom, and ends with 4 when it is over; nothing was changed."""
    if command == "db-safe-upgrade":
        add(shop, "second", "first", ADD_AGE)
    else:
        execute(shop, "DROP TABLE alembic_version")
    with locked(shop) as holder:
        ended = shop.flask(command, FLASK_SCHEMAFLOW_LOCK_WAIT="0.6")
        process = process_of(holder)

    assert ended.code == 4, ended.stderr
    assert f"held by process {process} (user " in ended.verdict
    if command == "db-safe-upgrade":
        assert ended.verdict.endswith("When it was read, the database was at first.")
    assert len(re.findall(rf"^Waiting .*process {process}", ended.stderr, re.MULTILINE)) == 1
    if is_postgresql(shop):
        assert "application the other" in ended.verdict


def test_the_lock_is_waited_for(shop: Project) -> None:
    """When the other process has finished, this one goes on."""
    add(shop, "second", "first", ADD_AGE)
    with locked(shop) as holder:
        threading.Timer(1.0, holder.close).start()
        holder.detach()  # or the pool keeps the session, and the lock with it
        ended = shop.safe_upgrade("--lock-wait", "30")

    assert ended.code == 0, ended.stderr
    assert versions(shop) == ["second"]


def test_a_locked_file_is_waited_for(project: Project) -> None:
    """SQLite cannot name the holder, and says so."""
    file = project.path / "shop.db"
    shop = shop_at(project, f"sqlite:///{file}")
    add(shop, "second", "first", ADD_AGE)
    with sqlite3.connect(file, isolation_level=None, check_same_thread=False) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = shop.safe_upgrade("--lock-wait", "0.5")
        threading.Timer(1.0, other.rollback).start()
        ended = shop.safe_upgrade("--lock-wait", "30")
    other.close()

    assert refused.code == 4, refused.stderr
    assert "locked by another process (SQLite cannot say which)" in refused.verdict
    assert ended.code == 0, ended.stderr
    assert f"Waiting     for {file}, which is locked (SQLite cannot say by whom)" in ended.stderr


def test_what_another_release_did_meanwhile_is_told(project: Project) -> None:
    """The database is not where it was when it was read, and the last line says where it is."""
    file = project.path / "shop.db"
    shop = shop_at(project, f"sqlite:///{file}")
    add(shop, "second", "first", ADD_AGE)
    add(shop, "third", "second")
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        shop.start("db-safe-upgrade", "--json", "--lock-wait", "60")
        deadline = time.monotonic() + 60
        while "Waiting " not in (shop.zygote.folder / "stderr").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        other.execute("ALTER TABLE user ADD COLUMN age INTEGER")
        other.execute("UPDATE alembic_version SET version_num = 'second'")
        other.execute("COMMIT")
        ended = shop.zygote.wait()
    other.close()

    assert ended.code == 4, ended.stderr
    assert ended.verdict.endswith("(it is at second now). Nothing was written; run this again.")
    (database,) = ended.document["databases"]
    assert (database["revision_before"], database["revision_after"]) == ("first", "second")
    assert shop.safe_upgrade().code == 0


PROCESSES, ROUNDS = 32, 20


@pytest.mark.soak
@pytest.mark.skipif("SCHEMAFLOW_SOAK" not in os.environ, reason="test_replicas.py tries a few")
def test_many_replicas(shop: Project) -> None:
    """All end well, and each revision ran once."""
    parent = "first"
    for number in range(1, ROUNDS + 1):
        name = f"r{number}"
        once = "op.execute(\"INSERT INTO orders (note) VALUES ('once')\")"
        add(shop, name, parent, once, "import time; time.sleep(0.3)")
        parent = name
        for each, talk in at_once(shop, PROCESSES):
            assert each == 0, talk
        assert versions(shop) == [name]
        assert execute(shop, "SELECT count(*) FROM orders WHERE note = 'once'") == [(number,)]


def at_once(shop: Project, processes: int) -> list[tuple[int, str]]:
    """Run db-safe-upgrade in several processes at the same time, and give their codes and talk."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "app", "db-safe-upgrade"],
            cwd=shop.path,
            env={**os.environ, **shop.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    talks = [each.communicate(timeout=300)[1] for each in running]
    return [(each.returncode, talk) for each, talk in zip(running, talks, strict=True)]


# -- the right database ----------------------------------------------------------------------------


def test_another_database_than_expected(shop: Project) -> None:
    """A name that is not the database's stops everything, also where nothing is to be done."""
    name = str(sa.make_url(url_of(shop)).database)
    assert shop.safe_upgrade("--expect-database", name).code == 0
    ended = shop.safe_upgrade("--expect-database", "production")
    assert ended.code == 2
    assert f"The database is '{name}'" in ended.verdict


def test_another_file_than_expected(project: Project) -> None:
    """Of SQLite it is the file's name."""
    shop = shop_at(project, f"sqlite:///{project.path / 'shop.db'}")

    assert shop.safe_upgrade("--expect-database", "shop.db").code == 0
    assert shop.safe_upgrade("--expect-database", "other.db").code == 2


def test_a_server_that_does_not_answer_is_waited_for(shop: Project) -> None:
    """As long as was asked for, and no longer; a wrong password or name is not tried again."""
    right = sa.make_url(url_of(shop))
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        for change, wait, code, says in (
            ({"port": 1}, "1", 4, "tried for 1 seconds"),
            ({"port": silent.getsockname()[1], "host": "127.0.0.1"}, "1", 4, "tried for 1 seconds"),
            ({"username": "nobody_at_all", "password": "wrong"}, "300", 2, "refuses the user"),
        ):
            shop.environment["DATABASE"] = right.set(**change).render_as_string(hide_password=False)
            started = time.monotonic()
            ended = shop.safe_upgrade("--wait", wait)
            assert (ended.code, says in ended.verdict) == (code, True), ended.stderr
            assert time.monotonic() - started < 200


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+psycopg2", "mysql+pymysql"])
def test_a_server_that_takes_connections_and_is_silent(driver: str) -> None:
    """It is given up in time, by whatever the URL says of that; what answers may be slow afterwards."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"{driver}://shop@127.0.0.1:{silent.getsockname()[1]}/shop"
        for engine, options in (
            (sa.create_engine(url), {"timeout": 0.5}),
            (sa.create_engine(f"{url}?connect_timeout=2"), {}),
        ):
            started = time.monotonic()
            with pytest.raises(Busy, match="does not answer"), server_connection(engine, **options):
                pass
            assert time.monotonic() - started < CONNECT_TIMEOUT


def test_an_answer_may_take_longer_than_to_connect(mariadb: str) -> None:
    """PyMySQL knows one timeout for both."""
    with server_connection(sa.create_engine(mariadb), timeout=1) as connection:
        assert connection.exec_driver_sql("SELECT SLEEP(2.5)").scalar() == 0


LISTENER = """

with app.app_context():

    @sa.event.listens_for(db.engine, "connect")
    def says(connection, _record):
        with open("connections", "a") as file:
            file.write("connected\\n")
"""


def test_another_way_to_the_same_database(shop: Project) -> None:
    """The direct URL is used, with the app's own listeners."""
    app = shop.path / "app.py"
    app.write_text(app.read_text() + LISTENER)
    add(shop, "second", "first", ADD_AGE)
    direct = sa.make_url(url_of(shop)).set(host="localhost")
    log = shop.path / "connections"
    log.unlink(missing_ok=True)

    ended = shop.safe_upgrade(FLASK_SCHEMAFLOW_DATABASE_URI=direct.render_as_string(hide_password=False))

    assert ended.code == 0, ended.stderr
    assert "@localhost" in ended.document["databases"][0]["target"]
    assert len(log.read_text().splitlines()) > 3
    assert "age" in columns(shop, "user")


def test_another_way_to_another_database(shop: Project, tmp_path: Path) -> None:
    """A direct URL of another database is refused before anything is read, one of another engine too."""
    server = sa.make_url(url_of(shop))
    other = server.set(database="postgres" if is_postgresql(shop) else "mysql")
    for url in (other.render_as_string(hide_password=False), f"sqlite:///{tmp_path / 'other.db'}"):
        for ended in (
            shop.safe_upgrade(FLASK_SCHEMAFLOW_DATABASE_URI=url),
            shop.adopt(FLASK_SCHEMAFLOW_DATABASE_URI=url),
        ):
            assert ended.code == 2, ended.stderr
            assert "SCHEMAFLOW_DATABASE_URI" in ended.verdict


def test_two_binds_on_one_database(project: Project, postgresql: str) -> None:
    """Two URLs of one database are found out before any lock is waited for."""
    project.write("app.py", TWO_BINDS)
    project.environment["DATABASE"] = postgresql
    project.environment["OTHER"] = (
        sa.make_url(postgresql).set(host="localhost").render_as_string(hide_password=False)
    )
    project.python("from app import app, db\nwith app.app_context():\n    db.create_all('__all__')\n")
    assert project.flask("db", "init", "--multidb").code == 0

    ended = project.adopt()

    assert ended.code == 2, ended.stderr
    assert "The binds default and audit lead to one database by different URLs" in ended.verdict


TWO_BINDS = """
    import os

    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    app.config["SQLALCHEMY_BINDS"] = {"audit": os.environ["OTHER"]}
    db = SQLAlchemy(app)
    SchemaFlow(app, db)


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)


    class Event(db.Model):
        __bind_key__ = "audit"
        id = db.Column(db.Integer, primary_key=True)
"""


def test_two_processes_that_name_two_databases_in_two_orders(
    project: Project, postgresql: str, mariadb: str
) -> None:
    """They lock them in one order, so that neither waits for the other for ever."""
    project.write("app.py", TWO_BINDS)
    project.environment |= {"DATABASE": postgresql, "OTHER": mariadb}
    project.python("from app import app, db\nwith app.app_context():\n    db.create_all('__all__')\n")
    ended = project.adopt("--rev-id", "first")
    assert ended.code == 0, ended.stderr
    execute(project, "DROP TABLE alembic_version")

    for code, talk in at_once(project, 3):
        assert code == 0, talk
