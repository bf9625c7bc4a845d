"""A shop whose upgrades are stopped at a boundary of our choice, and a witness of what is left."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from anyshop import Shop
from projects import Ended, Project, contents_of

APP = """
    import os

    import sqlalchemy as sa
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    if "STOP_HOW" in os.environ or "STOP_LOG" in os.environ:
        import stop

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db = SQLAlchemy(app)
    SchemaFlow(app, db)


    @sa.event.listens_for(sa.engine.Engine, "connect")
    def connected(connection, record):
        if os.environ["DATABASE"].startswith("sqlite"):
            connection.execute("PRAGMA foreign_keys=ON")


    class Author(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(50), nullable=False, unique=True)
        note = db.Column(db.String(20), server_default="none")


    class Book(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        author_id = db.Column(db.ForeignKey("author.id", ondelete="CASCADE"), nullable=False, index=True)
        title = db.Column(db.String(50), nullable=False)
        pages = db.Column(db.Integer)
"""
# Counts what happens in the main thread: statements and ends of transactions on every connection, and files
# and programs of the backup; and stops at the one with the number that it is told.
STOP = """
    import json
    import os
    import signal
    import subprocess
    import sys
    import threading

    import sqlalchemy as sa
    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import Pool

    AT = int(os.environ.get("STOP_AT", 0))
    HOW = os.environ.get("STOP_HOW", "")
    LOG = os.environ.get("STOP_LOG")
    AFTER = float(os.environ.get("STOP_AFTER", 0))  # seconds
    URL = sa.make_url(os.environ["DATABASE"])
    seen = {"count": 0, "inside": False, "all": 0}


    def session_of(raw):
        if raw is None:
            return "", 0
        if hasattr(raw, "info"):
            return raw.info.dbname, raw.info.backend_pid
        if hasattr(raw, "thread_id"):
            return raw.db.decode() if isinstance(raw.db, bytes) else str(raw.db), raw.thread_id()
        return type(raw).__name__, id(raw)


    def stop(raw):
        if HOW == "drop":
            drop(session_of(raw)[1])
        elif AFTER:
            parent = os.getpid()
            if os.fork() == 0:
                import time

                time.sleep(AFTER)
                os.kill(parent, getattr(signal, HOW))
                os._exit(0)
        else:
            os.kill(os.getpid(), getattr(signal, HOW))


    def drop(process):
        # In a process of its own: this one may not connect while revisions are tried on scratch.
        if URL.drivername.startswith("postgresql"):
            host = ["-h", URL.host or "", "-p", str(URL.port or 5432), "-U", URL.username or "postgres"]
            say = ["-qc", f"SELECT pg_terminate_backend({process}, 5000)", "postgres"]
            subprocess.run(["psql", *host, *say], check=True, stdout=subprocess.DEVNULL)
        else:
            host = ["-h", URL.host or "localhost", "-P", str(URL.port or 3306), "-u", URL.username or "root"]
            subprocess.run(["mariadb", *host, "-e", f"KILL {process}"], check=True)


    def note(what, raw, text):
        if seen["inside"] or threading.current_thread() is not threading.main_thread():
            return
        seen["count"] += 1
        seen["inside"] = True
        try:
            if LOG:
                with open(LOG, "a") as log:
                    text = " ".join(str(text).split())[:300]
                    log.write(json.dumps([seen["count"], what, *session_of(raw), text]) + chr(10))
            if seen["count"] == AT:
                stop(raw)
        finally:
            seen["inside"] = False


    def raw_of(connection):
        return None if connection.closed or connection.invalidated else connection.connection.dbapi_connection


    @sa.event.listens_for(Engine, "before_cursor_execute")
    def before(connection, cursor, statement, *_):
        note("before", raw_of(connection), statement)


    @sa.event.listens_for(Engine, "after_cursor_execute")
    def after(connection, cursor, statement, *_):
        note("after", raw_of(connection), statement)


    @sa.event.listens_for(Engine, "commit")
    def commit(connection):
        note("end", raw_of(connection), "COMMIT")


    @sa.event.listens_for(Engine, "rollback")
    def rollback(connection):
        note("end", raw_of(connection), "ROLLBACK")


    @sa.event.listens_for(Pool, "connect")
    def connect(raw, record):
        if type(raw).__name__ == "_HeldConnection":
            raw.set_trace_callback(
                lambda text: note("end", raw, text) if text.startswith(("BEGIN", "COMMIT", "ROLLBACK")) else None
            )


    FILES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "sqlite3.connect"}
    PROGRAMS = ("pg_dump", "pg_restore", "mariadb-dump", "mysqldump")


    def audit(event, args):
        if event in FILES and "backups" in str(args[0]):
            note("file", None, f"{event} {args[0]}")
        elif event == "subprocess.Popen" and any(each in str(args[:2]) for each in PROGRAMS):
            note("program", None, args[0])


    sys.addaudithook(audit)
"""

AUTHORS, BOOKS = 100, 300
METADATA = sa.MetaData()
AUTHOR = sa.Table(
    "author",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(50), nullable=False, unique=True),
    sa.Column("note", sa.String(20), server_default="none"),
)
BOOK = sa.Table(
    "book",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("author_id", sa.ForeignKey("author.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("title", sa.String(50), nullable=False),
    sa.Column("pages", sa.Integer),
)
REVISIONS = {
    "r1": (
        "op.create_table('shelf', sa.Column('id', sa.Integer(), primary_key=True),"
        " sa.Column('author_id', sa.Integer(), nullable=False), sa.Column('label', sa.String(60)))",
        "op.create_index('ix_shelf_author_id', 'shelf', ['author_id'])",
        "op.execute('INSERT INTO shelf (id, author_id, label) SELECT id, id, name FROM author')",
    ),
    "r2": (
        "op.execute(\"UPDATE book SET title = 'new' WHERE id <= 10\")",
        "with op.batch_alter_table('author') as batch:",
        "    batch.alter_column('name', existing_type=sa.String(50), type_=sa.String(80), existing_nullable=False)",
        "    batch.add_column(sa.Column('rank', sa.Integer(), nullable=False, server_default='0'))",
        "op.execute('UPDATE author SET `rank` = id * 2')",
    ),
    "r3": (
        "op.execute('DELETE FROM book WHERE id > 250')",
        "with op.batch_alter_table('book') as batch:",
        "    batch.drop_column('pages')",
        "    batch.create_check_constraint('titled', sa.text(\"title <> ''\"))",
        "op.execute(\"INSERT INTO book (id, author_id, title) SELECT 1000 + id, id, 'late' FROM author WHERE id < 6\")",
        "with op.batch_alter_table('author') as batch:",
        "    batch.drop_column('note')",
    ),
}
HEAD = "r3"
_BOOKKEEPING = ("alembic_version", "schemaflow_history", "schemaflow_journal")

Picture = Any


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """One moment of a run: its number there, what happens, in which session, and the text."""

    number: int
    what: str
    is_real: bool
    session: int
    text: str

    @property
    def reads(self) -> bool:
        return self.text.startswith(("SELECT", "SHOW", "PRAGMA", "SET ", "DESCRIBE", "WITH", "LOCK"))


@dataclass
class StoppedShop:
    """The shop, with what it looks like at each revision."""

    shop: Shop
    pictures: dict[str, Picture] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return self.shop.family

    @property
    def file(self) -> Path:
        return Path(sa.make_url(self.shop.url).database or "")

    def begin_again(self) -> None:
        """Put the database back to its first revision, as it was adopted."""
        engine = sa.create_engine(self.shop.url)
        if self.family == "sqlite":
            self.file.unlink(missing_ok=True)
        with engine.begin() as connection:
            _EMPTY[self.family](connection)
            METADATA.create_all(connection)
            authors = [{"id": n, "name": f"author {n}", "note": f"n{n}"} for n in range(1, AUTHORS + 1)]
            connection.execute(AUTHOR.insert(), authors)
            books = [
                {"id": n, "author_id": n % AUTHORS + 1, "title": f"book {n}", "pages": n}
                for n in range(1, BOOKS + 1)
            ]
            connection.execute(BOOK.insert(), books)
            connection.exec_driver_sql(
                "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
                "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
            )
            connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('first')")
        engine.dispose()

    def version(self) -> str:
        (version,) = self.shop.versions()
        return version

    def picture(self) -> Picture:
        """What is in the database, but for the bookkeeping; an open journal is seen."""
        if self.family == "sqlite":
            return contents_of(self.file)
        engine = sa.create_engine(self.shop.url)
        with engine.connect() as connection:
            found = _picture(connection)
        engine.dispose()
        return found

    def boundaries(self, *arguments: str) -> list[Boundary]:
        """Run once without a stop, and give all moments; the same for every shop on an engine."""
        known = (self.family, *arguments)
        if known not in _boundaries:
            _boundaries[known] = self._run_without_stop(*arguments)
        return _boundaries[known]

    def _run_without_stop(self, *arguments: str) -> list[Boundary]:
        self.begin_again()
        log = self.shop.project.path / "moments.log"
        ended = self.shop.upgrade(*arguments, STOP_LOG=str(log))
        assert ended.code == 0, ended.stderr
        real = "_HeldConnection" if self.family == "sqlite" else sa.make_url(self.shop.url).database
        return [
            Boundary(number=number, what=what, is_real=database == real, session=session, text=text)
            for number, what, database, session, text in map(json.loads, log.read_text().splitlines())
        ]

    def stop(self, how: str, boundary: Boundary, *arguments: str, **environment: str) -> Ended:
        return self.shop.upgrade(*arguments, STOP_AT=str(boundary.number), STOP_HOW=how, **environment)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock as another process of ours does."""
        engine = sa.create_engine(self.shop.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(_TAKING[self.family])
            yield
        engine.dispose()

    def lock_problem(self) -> str:
        """Say what keeps another writer out for more than a second; empty if nothing does."""
        deadline = time.monotonic() + 1.0
        while True:
            problem = self._lock_problem()
            if not problem or time.monotonic() > deadline:
                return problem
            time.sleep(0.05)

    def _lock_problem(self) -> str:
        arguments = {"timeout": 0} if self.family == "sqlite" else {}
        engine = sa.create_engine(self.shop.url, isolation_level="AUTOCOMMIT", connect_args=arguments)
        try:
            with engine.connect() as connection:
                for statement in _WRITING[self.family]:
                    result = connection.exec_driver_sql(statement)
                    if result.returns_rows and result.scalar() not in (1, True):
                        return f"{statement} is refused"
        except sa.exc.DBAPIError as error:
            return str(error.orig)
        finally:
            engine.dispose()
        return ""


def moments_of(boundaries: list[Boundary]) -> list[Boundary]:
    """Give the boundaries of the session that runs revisions; what it only reads in a row counts once."""
    sessions = [
        each.session
        for each in boundaries
        if each.is_real and each.text.startswith("UPDATE alembic_version SET version_num='r1'")
    ]
    session = sessions[-1]  # others may be of scratch databases
    return list(_without_repeated_reads(each for each in boundaries if each.session == session))


def _without_repeated_reads(boundaries: Iterator[Boundary]) -> Iterator[Boundary]:
    was_reading = False
    for each in boundaries:
        if not (each.reads and was_reading):
            yield each
        was_reading = each.reads


def _picture(connection: sa.Connection) -> Picture:
    inspector = sa.inspect(connection)
    parts = {
        "columns": inspector.get_multi_columns(),
        "indexes": inspector.get_multi_indexes(),
        "uniques": inspector.get_multi_unique_constraints(),
        "keys": inspector.get_multi_foreign_keys(),
        "checks": inspector.get_multi_check_constraints(),
    }
    tables = sorted(name for name in inspector.get_table_names() if name not in _BOOKKEEPING)
    structure = {
        name: {
            part: sorted(repr(sorted(each.items(), key=str)) for each in found[None, name])
            for part, found in parts.items()
        }
        for name in tables
    }
    rows = {
        name: sorted(map(tuple, connection.exec_driver_sql(f"SELECT * FROM {name}")), key=repr)
        for name in tables
    }
    return structure, rows


def _empty_sqlite(_connection: sa.Connection) -> None:
    """Leave the new file as it is."""


def _empty_postgresql(connection: sa.Connection) -> None:
    connection.exec_driver_sql("DROP SCHEMA public CASCADE")
    connection.exec_driver_sql("CREATE SCHEMA public")


def _empty_mariadb(connection: sa.Connection) -> None:
    connection.exec_driver_sql("SET foreign_key_checks = 0")
    for name in sa.inspect(connection).get_table_names():
        connection.exec_driver_sql(f"DROP TABLE {name}")
    connection.exec_driver_sql("SET foreign_key_checks = 1")


_EMPTY = {"sqlite": _empty_sqlite, "postgresql": _empty_postgresql, "mariadb": _empty_mariadb}
_TAKING = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "SELECT pg_try_advisory_lock(1936090726, 0)",
    "mariadb": "SELECT GET_LOCK(CONCAT('schemaflow ', MD5(DATABASE())), 0)",
}
_WRITING = {
    "sqlite": ("BEGIN EXCLUSIVE", "ROLLBACK"),
    "postgresql": (
        _TAKING["postgresql"],
        "SET lock_timeout = 500",
        "BEGIN",
        "LOCK TABLE author, book, alembic_version IN ACCESS EXCLUSIVE MODE",
        "ROLLBACK",
    ),
    "mariadb": (
        _TAKING["mariadb"],
        "SET lock_wait_timeout = 1",
        "LOCK TABLES author WRITE, book WRITE, alembic_version WRITE",
        "UNLOCK TABLES",
    ),
}


_folders: dict[str, dict[str, bytes]] = {}
"""The migrations folder that adopting wrote, by engine."""
_boundaries: dict[tuple[str, ...], list[Boundary]] = {}
_pictures: dict[str, dict[str, Picture]] = {}
"""What the database is at each revision, by engine."""


def stopped_shop(project: Project, url: str) -> StoppedShop:
    """Make the shop, adopted, with three pending revisions, and take its pictures at each of them."""
    project.write("app.py", APP)
    project.write("stop.py", STOP)
    project.environment |= {
        "DATABASE": url,
        "FLASK_SCHEMAFLOW_FAIL_ON": "failing",
        "FLASK_SCHEMAFLOW_BACKUP_DIR": str(project.path / "backups"),
    }
    shop = Shop(project, url)
    made = StoppedShop(shop, _pictures.get(shop.family, {}))
    made.begin_again()
    if shop.family not in _folders:
        shop.execute("DROP TABLE alembic_version")
        ended = shop.adopt()
        assert ended.code == 0, ended.stderr
        _folders[shop.family] = {
            name: content for name, content in project.files().items() if name.startswith("migrations")
        }
    for name, content in _folders[shop.family].items():
        (project.path / name).parent.mkdir(parents=True, exist_ok=True)
        (project.path / name).write_bytes(content)
    for (name, body), parent in zip(REVISIONS.items(), ("first", "r1", "r2"), strict=True):
        lines = [line if shop.family == "mariadb" else line.replace("`", '"') for line in body]
        shop.add(name, parent, *lines)
    if not made.pictures:
        _pictures[shop.family] = made.pictures
        made.pictures["first"] = made.picture()
        for name in REVISIONS:
            ended = shop.upgrade(name, "--backup", "never")
            assert ended.code == 0, ended.stderr
            made.pictures[name] = made.picture()
    return made
