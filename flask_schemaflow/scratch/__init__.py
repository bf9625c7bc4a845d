"""A throw-away database of the same kind as a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

from .given import given_database
from .mysql import mysql_database
from .postgresql import postgresql_database
from .source import NoScratch, Source
from .sqlite import sqlite_in_memory
from .temporary import CHECK, temporary_schema

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["CHECK", "NoScratch", "Source", "scratch_database", "scratch_databases"]

Way = Callable[[Source], AbstractContextManager["Connection"]]


@contextmanager
def scratch_database(source: Source, *, ours: bool = False) -> Iterator[Connection]:
    """Give a connection to a new, empty database of the source's kind, gone after the block.

    SQLite: in memory, with the app's connect listeners, since indexes and checks may need their functions
    and collations, and no way to other files. Servers: a database of its own on the same server, with the
    real one's encoding, collation and extensions; where the role may not make one, the database that
    ``SCHEMAFLOW_SCRATCH_URI`` names; at last, on PostgreSQL and for what is ours, the schema of temporary
    objects, in a transaction that is never committed. Never touches the real database's tables.

    :param ours: what runs there was written by us, and names no schema.
    :raises NoScratch: none can be made.
    :raises ConfigurationError: ``SCHEMAFLOW_SCRATCH_URI`` leads to something that cannot be used.
    """
    problems: list[str] = []
    for way in _ways(source, ours=ours):
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(way(source))
            except NoScratch as error:
                problems.append(error.message)
                continue
            yield connection
            return
    raise NoScratch(
        f"No scratch database can be made ({'; '.join(problems)}). Grant the right to make one, or name an "
        "empty database of the same kind in SCHEMAFLOW_SCRATCH_URI."
    )


@contextmanager
def scratch_databases(
    sources: Mapping[str | None, Source], *, ours: bool = False
) -> Iterator[dict[str | None, Connection]]:
    """Give a scratch database for each bind key. Never touches the real databases."""
    with ExitStack() as stack:
        yield {
            key: stack.enter_context(scratch_database(source, ours=ours)) for key, source in sources.items()
        }


def _ways(source: Source, *, ours: bool) -> Iterator[Way]:
    dialect = source.engine.dialect.name
    if dialect in _MAKERS:
        yield _MAKERS[dialect]
    if source.uri is not None:
        yield given_database
    if ours and dialect == "postgresql":
        yield temporary_schema


_MAKERS: dict[str, Way] = {
    "sqlite": sqlite_in_memory,
    "postgresql": postgresql_database,
    "mysql": mysql_database,
    "mariadb": mysql_database,
}
