"""The session in which MariaDB and MySQL are read: what they print depends on its settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# For how long a reader waits behind another session's ALTER TABLE, in seconds.
LOCK_WAIT = 30

_STATE = (
    "SELECT DATABASE(), @@max_allowed_packet, @@sql_mode, @@sql_quote_show_create, @@time_zone, "
    "@@lock_wait_timeout, @@character_set_results, (SELECT default_collation_name "
    "FROM information_schema.schemata WHERE schema_name = DATABASE())"
)


@dataclass(frozen=True)
class Session:
    """What a server says of a connection: the database, its collation, the longest statement in bytes."""

    database: str
    collation: str
    longest_statement: int


@contextmanager
def reading_session(connection: Connection) -> Iterator[Session]:
    """Set what the printed texts depend on, and set it back after the block. Writes nothing else.

    Quotes and backslashes mean what they mean by default, times are in UTC (the default of a TIMESTAMP is
    printed in the session's zone), and nobody waits for a lock for a day.

    :raises ConfigurationError: the connection has no database.
    """
    row = connection.exec_driver_sql(_STATE).one()
    database, packet, mode, quotes, zone, wait, results, collation = row
    if database is None:
        raise ConfigurationError("The database's URL names no database.")
    wide = "utf8mb4" if str(results) in ("utf8", "utf8mb3") else results
    _set(connection, "", 1, "+00:00", min(wait, LOCK_WAIT), wide)
    try:
        yield Session(database, collation, packet)
    except BaseException:
        with suppress(sa.exc.SQLAlchemyError):  # the connection itself may be what failed
            _set(connection, mode, quotes, zone, wait, results)
        raise
    _set(connection, mode, quotes, zone, wait, results)


def _set(connection: Connection, mode: str, quotes: int, zone: str, wait: int, results: str | None) -> None:
    connection.execute(
        sa.text(
            "SET SESSION sql_mode = :mode, sql_quote_show_create = :quotes, time_zone = :zone, "
            "lock_wait_timeout = :wait, character_set_results = :results"
        ),
        {"mode": mode, "quotes": quotes, "zone": zone, "wait": wait, "results": results},
    )
