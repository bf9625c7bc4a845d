"""Scratch for SQLite: a database in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..session import connect_with
from ..sqlite_file import driver_connect

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from .source import Source


@contextmanager
def sqlite_in_memory(source: Source) -> Iterator[Connection]:
    """Give an empty database in memory, which no ATTACH leaves."""
    engine = source.engine

    def create() -> sqlite3.Connection:
        return driver_connect(":memory:", sqlite3.Connection, check_same_thread=False)

    connection = connect_with(engine, create, app_listeners=True)
    raw: Any = connection.connection.dbapi_connection
    try:
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.set_authorizer(_stay_inside)
        yield connection
    finally:
        connection.close()
        connection.engine.dispose()


def _stay_inside(action: int, *_: str | None) -> int:
    """Refuse ATTACH, which would reach other files; VACUUM INTO uses it too."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK
