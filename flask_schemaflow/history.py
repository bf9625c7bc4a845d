"""What was done to a database, when and by whom: the table ``schemaflow_history``.

It stands beside the version table. Rows are only added, always under the lock, so that ``id`` is the order
in which things happened, whatever the clocks say. Times are UTC by the clock of the process that wrote.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

TABLE = "schemaflow_history"
JOURNAL_TABLE = "schemaflow_journal"
OWN_TABLES = (TABLE, JOURNAL_TABLE)
"""Our tables in a database; they are nobody's structure."""


class Event(str, Enum):
    """What happened."""

    ADOPTED = "adopted"
    STAMPED = "stamped"
    APPLIED = "applied"
    FAILED = "failed"
    VERIFIED = "verified"


OPEN_OUTCOMES = ("broken", "unverified")
"""Outcomes after which nothing runs until a person has looked; the newest entry says whether it is so."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that happened to one database.

    ``outcome`` is done, undone, interrupted, busy, broken or unverified. ``plan`` identifies the revisions
    that were to run, by ids and sources; ``structure_hash`` is of our tables as they were afterwards, None
    where nobody read them. ``id`` and ``at`` (UTC, without a zone) are set when it is written.
    """

    event: str
    outcome: str = "done"
    revision: str | None = None
    title: str = ""
    message: str = ""
    plan: str | None = None
    duration_ms: int | None = None
    source_hash: str | None = None
    structure_hash: str | None = None
    app_release: str | None = None
    server_version: str = ""
    host: str = ""
    at: datetime | None = None
    id: int = 0

    @property
    def is_open(self) -> bool:
        """Say whether it left the database in a state that a person has to look at."""
        return self.outcome in OPEN_OUTCOMES

    @property
    def when(self) -> str:
        """The time for people."""
        return f"{self.at:%Y-%m-%d %H:%M:%S} UTC" if self.at is not None else "an unknown time"

    @property
    def what(self) -> str:
        """The event, and how it ended unless well."""
        return self.event if self.outcome == "done" else f"{self.event} ({self.outcome})"

    @property
    def took(self) -> str:
        """The duration for people; empty where it was not measured."""
        return "" if self.duration_ms is None else f"{self.duration_ms / 1000:.1f} s"

    @property
    def words(self) -> str:
        """Everything but the message, in one line."""
        parts = [self.when, self.event, self.revision or "", self.title]
        parts.append("" if self.outcome == "done" else f"({self.outcome})")
        parts.append(f"in {self.took}" if self.took else "")
        parts.append(f"on {self.host}")
        parts.append(f"by release {self.app_release}" if self.app_release else "")
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, kw_only=True)
class History:
    """The newest entries of one database, the newest last; none where there is no table."""

    entries: tuple[Entry, ...] = ()

    @property
    def last(self) -> Entry | None:
        """The newest entry."""
        return self.entries[-1] if self.entries else None

    @property
    def open(self) -> Entry | None:
        """The failure that nobody has mended yet."""
        return self.last if self.last is not None and self.last.is_open else None

    @property
    def revisions(self) -> frozenset[str]:
        """The revisions that the database was brought to."""
        return frozenset(each.revision for each in self.entries if each.revision and each.outcome == "done")

    def reached(self, revision: str) -> Entry | None:
        """Give the newest entry by which the database came to a revision."""
        done = (each for each in reversed(self.entries) if each.outcome == "done")
        return next((each for each in done if each.revision == revision), None)

    def failure_since(self, last_id: int, plan: str) -> Entry | None:
        """Give the newest failure of a plan that was recorded after an entry."""
        return next(
            (e for e in reversed(self.entries) if e.id > last_id and e.plan == plan and e.outcome != "done"),
            None,
        )


def history_table(schema: str | None = None) -> sa.Table:
    """Describe the table. Its key is no sequence: whoever writes an entry has the lock."""
    return sa.Table(
        TABLE,
        sa.MetaData(),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column(
            "at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False
        ),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("revision", sa.String(255)),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("plan", sa.String(64)),
        sa.Column("duration_ms", sa.BigInteger),
        sa.Column("source_hash", sa.String(64)),
        sa.Column("structure_hash", sa.String(64)),
        sa.Column("app_release", sa.String(255)),
        sa.Column("server_version", sa.String(50), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        schema=schema,
    )


def read_history(
    connection: Connection, schema: str | None = None, *, revisions: Iterable[str] = (), newest: int = 50
) -> History:
    """Read the newest entries, and all of some revisions, from a table that is there. Read-only."""
    table = history_table(schema)
    last = sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0)).scalar_subquery()
    wanted = sa.or_(table.c.id > last - newest, table.c.revision.in_(tuple(revisions)))
    rows = connection.execute(sa.select(table).where(wanted).order_by(table.c.id)).mappings()
    return History(entries=tuple(Entry(**row) for row in rows))


def create_history_table(connection: Connection, schema: str | None = None) -> bool:
    """Make the table where there is none, and say whether there is one now. Writes nothing else.

    A role that may not make tables goes without.
    """
    with _tolerated(connection) as failed:
        history_table(schema).create(connection, checkfirst=True)
    return not failed


def drop_history_table(connection: Connection, schema: str | None = None) -> None:
    """Take an empty table away again that we made."""
    table = history_table(schema)
    if not connection.execute(sa.select(sa.exists().select_from(table))).scalar():
        table.drop(connection)


def record(connection: Connection, entry: Entry, schema: str | None = None) -> bool:
    """Add an entry, and do not commit; False if it could not be written, which stops nothing.

    Writes the history table only.
    """
    table = history_table(schema)
    with _tolerated(connection) as failed:
        last = connection.execute(sa.select(sa.func.max(table.c.id))).scalar()
        connection.execute(table.insert().values(**_values(connection, entry, table), id=(last or 0) + 1))
    return not failed


def _values(connection: Connection, entry: Entry, table: sa.Table) -> dict[str, Any]:
    values = {each.name: getattr(entry, each.name) for each in fields(Entry) if each.name != "id"}
    version = (part for part in connection.dialect.server_version_info or () if isinstance(part, int))
    values |= {
        "at": datetime.now(timezone.utc).replace(tzinfo=None),
        "host": socket.gethostname(),
        "server_version": ".".join(map(str, version)),
    }
    return {name: _fitting(value, table.c[name].type) for name, value in values.items()}


def _fitting(value: Any, column_type: sa.types.TypeEngine[Any]) -> Any:
    length = getattr(column_type, "length", None)
    return value[:length] if isinstance(value, str) and length else value


@contextmanager
def _tolerated(connection: Connection) -> Iterator[list[DBAPIError]]:
    """Let a statement fail without the transaction that it is in (PostgreSQL ends one by an error)."""
    failed: list[DBAPIError] = []
    savepoint = connection.begin_nested() if connection.dialect.name == "postgresql" else None
    try:
        yield failed
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        failed.append(error)
        if savepoint is not None:
            savepoint.rollback()
    else:
        if savepoint is not None:
            savepoint.commit()
