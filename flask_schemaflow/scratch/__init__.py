"""A throw-away database of the same kind as a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .mysql import mysql_database
from .postgresql import postgresql_database
from .sqlite import sqlite_in_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection, Engine

__all__ = ["scratch_database", "scratch_databases"]


@contextmanager
def scratch_database(engine: Engine) -> Iterator[Connection]:
    """Give a connection to a new, empty database of the engine's kind, gone after the block.

    SQLite: in memory, with the app's connect listeners, since indexes and checks may need their functions
    and collations, and no way to other files. PostgreSQL and MariaDB: a database of its own on the same
    server, with the real one's encoding, collation and extensions. Never touches the real database.

    :raises ConfigurationError: none can be made.
    """
    make = _MAKERS.get(engine.dialect.name)
    if make is None:
        raise ConfigurationError(f"There is no way to make a scratch database for {engine.dialect.name}.")
    with make(engine) as connection:
        yield connection


@contextmanager
def scratch_databases(
    engines: Mapping[str | None, Engine],
) -> Iterator[dict[str | None, Connection]]:
    """Give a scratch database for each bind key. Never touches the real databases."""
    with ExitStack() as stack:
        yield {key: stack.enter_context(scratch_database(engine)) for key, engine in engines.items()}


_MAKERS: dict[str, Callable[[Engine], AbstractContextManager[Connection]]] = {
    "sqlite": sqlite_in_memory,
    "postgresql": postgresql_database,
    "mysql": mysql_database,
    "mariadb": mysql_database,
}
