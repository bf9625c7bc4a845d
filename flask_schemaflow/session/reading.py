"""A connection on which nothing can be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

from ..sqlite_file import open_readonly
from .explaining import explained
from .targets import sqlite_path, way_for

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection


@contextmanager
def reading_connection(engine: Engine) -> Iterator[Connection]:
    """Connect so that nothing can be written, and read in one transaction. Read-only.

    On SQLite the app's own connect listeners do not run, and those registered for every engine can
    neither set a pragma nor begin or end a transaction: a listener that sends ``journal_mode=WAL`` would
    change the file.

    :raises SchemaFlowError: the database cannot be reached or read.
    """
    with explained(engine):
        connection = way_for(engine, _READING)(engine)
        try:
            yield connection
        finally:
            close(connection)


def _read_sqlite(engine: Engine) -> Connection:
    file = sqlite_path(engine)
    return connect_with(engine, lambda: open_readonly(file), app_listeners=False)


_READING: dict[str, Callable[[Engine], Connection]] = {"sqlite": _read_sqlite}


def connect_with(engine: Engine, creator: Callable[[], Any], *, app_listeners: bool) -> Connection:
    """Connect through ``creator`` with an engine's dialect, on a pool of our own.

    :param app_listeners: run the ``connect`` listeners of this engine: functions, collations.
    """
    dialect = engine.dialect
    prepare = dialect.on_connect_url(engine.url)

    def create() -> DBAPIConnection:
        made = creator()
        if prepare is not None:
            prepare(made)
        return cast("DBAPIConnection", made)

    pool = StaticPool(create)
    if app_listeners:
        for listener in _connect_listeners(engine):
            event.listen(pool, "connect", listener)
    connection = Engine(pool, dialect, engine.url).connect()
    if getattr(dialect, "server_version_info", None) is None:
        dialect.initialize(connection)
        connection.rollback()
    return connection


def _connect_listeners(engine: Engine) -> list[Callable[..., Any]]:
    listeners = getattr(engine.pool.dispatch.connect, "listeners", ())
    # SQLAlchemy's own ones initialise the dialect; that has been done.
    return [fn for fn in listeners if not (fn.__module__ or "").startswith("sqlalchemy.")]


def close(connection: Connection) -> None:
    """Close a connection made by :func:`connect_with`, whatever state it is in."""
    with suppress(Exception):
        connection.close()
    connection.engine.dispose()
