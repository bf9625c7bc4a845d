"""A throw-away database of the same kind as a real one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError
from .session import connect_with
from .sqlite_file import driver_connect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection, Engine


@contextmanager
def scratch_database(engine: Engine) -> Iterator[Connection]:
    """Give a connection to a new, empty database of the engine's kind, gone after the block.

    SQLite: in memory, with the app's connect listeners, since indexes and checks may need their functions
    and collations, and no way to other files. Never touches the real database.

    :raises ConfigurationError: none can be made.
    """
    make = _MAKERS.get(engine.dialect.name)
    if make is None:
        raise ConfigurationError(f"There is no way yet to make a scratch database for {engine.dialect.name}.")
    with make(engine) as connection:
        yield connection


@contextmanager
def scratch_databases(
    engines: Mapping[str | None, Engine],
) -> Iterator[dict[str | None, Connection]]:
    """Give a scratch database for each bind key. Never touches the real databases."""
    with ExitStack() as stack:
        yield {key: stack.enter_context(scratch_database(engine)) for key, engine in engines.items()}


@contextmanager
def _sqlite_in_memory(engine: Engine) -> Iterator[Connection]:
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


_MAKERS: dict[str, Callable[[Engine], AbstractContextManager[Connection]]] = {"sqlite": _sqlite_in_memory}
