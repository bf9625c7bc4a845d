"""A throw-away database of the same kind as a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import StaticPool, create_engine

from ..errors import Busy
from ..session import ConnectionClosed, target_of
from .given import first_content, given_database
from .mysql import DROPS_MEANWHILE, mysql_database
from .mysql import create_statement as create_mysql_statement
from .names import mark as database_mark
from .names import new_name as new_scratch_name
from .postgresql import connected_to as connected_to_postgresql
from .postgresql import create_statement as create_postgresql_statement
from .postgresql import postgresql_database
from .schemas import lent_schemas
from .source import NoScratch, Source
from .sqlite import sqlite_in_memory
from .temporary import CHECKED, temporary_schema

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = [
    "CHECKED",
    "DROPS_MEANWHILE",
    "WAY",
    "NoScratch",
    "Source",
    "connected_to_postgresql",
    "create_mysql_statement",
    "create_postgresql_statement",
    "database_mark",
    "first_content",
    "inert_database",
    "lent_schemas",
    "new_scratch_name",
    "scratch_database",
    "scratch_databases",
]

WAY = "schemaflow_way"
"""What a scratch connection's ``info`` has to say of what it leads to."""

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
    :raises Busy: its session was lost while it was used.
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
            connection.info[WAY] = _WAYS[way]
            with _lost_or_not(source, connection):
                yield connection
            return
    raise NoScratch(
        f"No scratch database can be made ({'; '.join(problems)}). Grant the right to make one, or name an "
        "empty database of the same kind in SCHEMAFLOW_SCRATCH_URI."
    )


@contextmanager
def _lost_or_not(source: Source, connection: Connection) -> Iterator[None]:
    """Say of whatever failed that the session was lost, where it was: no revision is wrong for that."""
    try:
        yield
    except Exception as error:
        if (connection.closed or connection.invalidated) and not _was_closed(error):
            raise Busy(
                f"The connection to the scratch database beside {target_of(source.engine)} was lost. "
                "Nothing was changed; try again."
            ) from error
        raise


def _was_closed(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ConnectionClosed):
        error = error.__cause__
    return error is not None


@contextmanager
def scratch_databases(
    sources: Mapping[str | None, Source], *, ours: bool = False
) -> Iterator[dict[str | None, Connection]]:
    """Give a scratch database for each bind key. Never touches the real databases."""
    with ExitStack() as stack:
        yield {
            key: stack.enter_context(scratch_database(source, ours=ours)) for key, source in sources.items()
        }


@contextmanager
def inert_database(source: Source) -> Iterator[Connection]:
    """Give a connection in the place of a database in which nothing is to run, as ``scratch_database`` does.

    Where none can be made it leads to an empty SQLite database in memory: ``env.py`` wants a connection for
    every bind, and Alembic only its version table.
    """
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(scratch_database(source, ours=True))
        except NoScratch:
            engine = create_engine("sqlite://", poolclass=StaticPool)
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
        yield connection


def _ways(source: Source, *, ours: bool) -> Iterator[Way]:
    dialect = source.engine.dialect.name
    if dialect in _MAKERS:
        yield _MAKERS[dialect]
    if source.uri is not None:
        yield given_database
    if ours and dialect == "postgresql":
        yield temporary_schema


_WAYS: dict[Way, str] = {
    sqlite_in_memory: "scratch database",
    postgresql_database: "scratch database",
    mysql_database: "scratch database",
    given_database: "the given scratch database",
    temporary_schema: "temporary tables",
}
_MAKERS: dict[str, Way] = {
    "sqlite": sqlite_in_memory,
    "postgresql": postgresql_database,
    "mysql": mysql_database,
    "mariadb": mysql_database,
}
