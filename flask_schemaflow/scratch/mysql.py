"""Scratch for MariaDB and MySQL: a database on the same server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ..interrupts import uninterrupted
from ..session import server_connection
from .fence import fenced
from .names import PREFIX, is_stale, mark, new_name
from .source import NoScratch

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from .source import Source


@contextmanager
def mysql_database(source: Source) -> Iterator[Connection]:
    """Make an empty database with the real one's character set and collation.

    What a killed process left is dropped first: databases with our mark, older than an hour, whose lock is
    free (MariaDB; MySQL keeps no comment of a database).

    :raises NoScratch: the user may not create databases.
    """
    engine = source.engine
    with server_connection(engine, once=True) as connection:
        is_marked = bool(connection.dialect.is_mariadb)  # type: ignore[attr-defined]
        if is_marked:
            _drop_stale(connection)
        name = new_name()
        connection.execute(text("SELECT GET_LOCK(:name, 0)"), {"name": name})
        try:
            with uninterrupted(stop_afterwards=True):
                connection.exec_driver_sql(create_statement(connection, name, is_marked=is_marked))
        except DBAPIError as error:
            raise NoScratch(f"{_message(error)}: grant the user ALL on `{PREFIX}%`.*") from error
        try:
            connection.exec_driver_sql(f"USE {name}")
            connection.dialect.default_schema_name = name
            connection.commit()
            with fenced(connection, other_databases(connection, name)):
                yield connection
        finally:
            _unlock_tables(connection)
            if not _drops_meanwhile(engine, connection, name):
                _drop(engine, connection, name)


def other_databases(connection: Connection, name: str) -> list[str]:
    """Give the databases that a statement could write to besides this one."""
    found = connection.exec_driver_sql("SHOW DATABASES").scalars()
    return [each for each in found if each not in (name, "information_schema", "performance_schema")]


def create_statement(connection: Connection, name: str, *, is_marked: bool = False) -> str:
    """Write what makes a database of this name, quoted where it has to be, that is like the real one."""
    charset, collation = connection.exec_driver_sql(
        "SELECT @@character_set_database, @@collation_database"
    ).one()
    comment = f" COMMENT '{mark()}'" if is_marked else ""
    return f"CREATE DATABASE {name} CHARACTER SET {charset} COLLATE {collation}{comment}"


DROPS_MEANWHILE = "schemaflow_drops_meanwhile"
"""Where a connection's ``info`` has a stack, its scratch database is dropped while other work goes on.

Leaving the stack waits for the end. Dropping a thousand tables takes the server seconds.
"""


def _drops_meanwhile(engine: Engine, connection: Connection, name: str) -> bool:
    """Begin to drop where that is wanted and can be done."""
    with suppress(Exception):
        stack: ExitStack | None = connection.info.get(DROPS_MEANWHILE)
        if stack is not None:
            stack.enter_context(_dropped_meanwhile(engine, name))
            return True
    return False


@contextmanager
def _dropped_meanwhile(engine: Engine, name: str) -> Iterator[None]:
    with server_connection(engine) as other:

        def drop() -> None:
            # Whatever fails here is done again below.
            with suppress(Exception):
                other.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")

        thread = Thread(target=drop, name="schemaflow-scratch")
        thread.start()
        try:
            yield
        finally:
            thread.join()
            _drop(engine, other, name)


def _unlock_tables(connection: Connection) -> None:
    """Let go what a revision locked: whoever drops the database would wait for that for a day."""
    with suppress(Exception):
        connection.rollback()
        connection.exec_driver_sql("UNLOCK TABLES")


def _drop(engine: Engine, connection: Connection, name: str) -> None:
    statement = f"DROP DATABASE IF EXISTS {name}"
    try:
        connection.rollback()
        connection.exec_driver_sql(statement)
    except Exception:
        # The connection may be gone, or in the middle of a statement: another one drops it.
        with suppress(Exception), server_connection(engine) as other:
            other.exec_driver_sql(statement)


def _drop_stale(connection: Connection) -> None:
    found = connection.execute(
        text(
            "SELECT SCHEMA_NAME AS name, SCHEMA_COMMENT AS comment, IS_FREE_LOCK(SCHEMA_NAME) AS free "
            "FROM information_schema.SCHEMATA WHERE LEFT(SCHEMA_NAME, :length) = :prefix"
        ),
        {"length": len(PREFIX), "prefix": PREFIX},
    )
    for each in found.all():
        if each.free and is_stale(each.comment):
            with suppress(DBAPIError):
                connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {each.name}")


def _message(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())
