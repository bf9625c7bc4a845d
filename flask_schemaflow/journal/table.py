"""The table of the journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from ..history import JOURNAL_TABLE
from ..session import reading_connection

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine


class EntryState(str, Enum):
    """How far a statement came: ``INTENT`` without more is in doubt, ``FAILED`` is not in."""

    INTENT = "intent"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One statement of one revision.

    ``position`` counts the statements of the revision that change something, from 1. ``rows`` is how many
    rows it changed. ``text`` has no literal and no parameter.
    """

    run: str
    bind: str
    revision: str
    position: int
    kind: str
    state: EntryState
    sql_hash: str
    parameters_hash: str
    text: str
    rows: int | None
    source_hash: str


_COLUMNS = (
    "run",
    "bind",
    "revision",
    "position",
    "kind",
    "state",
    "sql_hash",
    "parameters_hash",
    "text",
    "rows",
    "source_hash",
)
_NAMES = ", ".join(f"`{name}`" for name in _COLUMNS)

# No AUTO_INCREMENT: LAST_INSERT_ID() of the session is the revision's.
CREATE = (
    "CREATE TABLE IF NOT EXISTS {table} (run CHAR(32) NOT NULL, bind VARCHAR(100) NOT NULL, "
    "revision VARCHAR(191) NOT NULL, `position` INT NOT NULL, kind VARCHAR(10) NOT NULL, "
    "state VARCHAR(10) NOT NULL, sql_hash CHAR(64) NOT NULL, parameters_hash CHAR(64) NOT NULL, "
    "`text` VARCHAR(250) NOT NULL, `rows` BIGINT, source_hash VARCHAR(64) NOT NULL, "
    "noted TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), PRIMARY KEY (revision, `position`)) "
    "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
)
DROP = "DROP TABLE IF EXISTS {table}"
EMPTY = "DELETE FROM {table}"
READ = f"SELECT {_NAMES} FROM {{table}} ORDER BY revision, `position`"
WRITE = (
    f"INSERT INTO {{table}} ({_NAMES}) VALUES {{values}} "
    "ON DUPLICATE KEY UPDATE state = VALUES(state), `rows` = VALUES(`rows`)"
)
_ROW = f"({', '.join(['%s'] * len(_COLUMNS))})"


def write_statement(table: str, entries: Iterable[Entry]) -> tuple[str, list[Any]]:
    """Give the statement that writes entries, and its parameters for the driver."""
    entries = tuple(entries)
    values = [_value(entry, name) for entry in entries for name in _COLUMNS]
    return WRITE.format(table=table, values=", ".join([_ROW] * len(entries))), values


def _value(entry: Entry, name: str) -> Any:
    value = getattr(entry, name)
    if isinstance(value, EntryState):
        return value.value
    # Whatever the session's character set is, it can say this.
    return value.encode("ascii", "replace").decode() if name == "text" else value


def entries_of(rows: Iterable[Iterable[Any]]) -> tuple[Entry, ...]:
    """Give what was read."""
    named = (dict(zip(_COLUMNS, row, strict=True)) for row in rows)
    return tuple(Entry(**{**each, "state": EntryState(each["state"])}) for each in named)


def read_journal(engine: Engine) -> tuple[Entry, ...] | None:
    """Read the journal of a database; None where it has none. Read-only."""
    if engine.dialect.name not in ("mysql", "mariadb"):
        return None
    with reading_connection(engine) as connection:
        there = connection.exec_driver_sql(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() "
            f"AND table_name = '{JOURNAL_TABLE}'"
        ).scalar()
        if not there:
            return None
        return entries_of(connection.exec_driver_sql(READ.format(table=f"`{JOURNAL_TABLE}`")).all())


def drop_journal(connection: Connection) -> None:
    """Drop the journal; the caller holds the lock. Writes nothing else."""
    connection.exec_driver_sql(DROP.format(table=f"`{JOURNAL_TABLE}`"))
