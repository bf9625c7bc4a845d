"""A connection on which nothing can be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from ..sqlite_file import open_readonly
from .connecting import close, connect_with, server_connection
from .explaining import explained
from .targets import sqlite_path, way_for

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine


@contextmanager
def reading_connection(engine: Engine) -> Iterator[Connection]:
    """Connect so that nothing can be written, and read in one transaction. Read-only.

    On SQLite the app's own connect listeners do not run, and those registered for every engine can
    neither set a pragma nor begin or end a transaction: a listener that sends ``journal_mode=WAL`` would
    change the file.

    :raises SchemaFlowError: the database cannot be reached or read.
    """
    with explained(engine), way_for(engine, _READING)(engine) as connection:
        yield connection


@contextmanager
def _read_sqlite(engine: Engine) -> Iterator[Connection]:
    file = sqlite_path(engine)
    connection = connect_with(engine, lambda: open_readonly(file), app_listeners=False)
    try:
        yield connection
    finally:
        close(connection)


@contextmanager
def _read_postgresql(engine: Engine) -> Iterator[Connection]:
    with server_connection(engine, isolation_level="REPEATABLE READ") as connection:
        connection.execution_options(postgresql_readonly=True)
        # What role or database say of statements is for the app's, which are small.
        connection.exec_driver_sql(
            "SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '0', true)"
        )
        yield connection


@contextmanager
def _read_mysql(engine: Engine) -> Iterator[Connection]:
    with server_connection(engine, isolation_level="REPEATABLE READ") as connection:
        connection.exec_driver_sql("SET SESSION lock_wait_timeout = 5")
        # For all transactions to come: a statement that commits implicitly would end a single one.
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        yield connection


Reading = Callable[["Engine"], AbstractContextManager["Connection"]]
_READING: dict[str, Reading] = {
    "sqlite": _read_sqlite,
    "postgresql": _read_postgresql,
    "mysql": _read_mysql,
    "mariadb": _read_mysql,
}
