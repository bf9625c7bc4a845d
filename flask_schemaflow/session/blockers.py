"""Who holds what we wait for, in words: process, user and application; more where we may see it.

What a user without ``pg_read_all_stats``, or without ``PROCESS``, does not see of other users is left out
(https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW,
https://mariadb.com/kb/en/information-schema-processlist-table/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

_LONGEST = 120  # characters of a query


@dataclass(frozen=True, kw_only=True)
class Session:
    """Another session of a server; ``seconds`` is how long it has been at what ``state`` says."""

    process: int
    user: str | None = None
    application: str | None = None
    host: str | None = None
    state: str | None = None
    seconds: float | None = None
    query: str | None = None

    def __str__(self) -> str:
        """Describe it in one line."""
        details = [f"user {self.user}"] if self.user else []
        if self.application:
            details.append(f"application {self.application}")
        if self.host:
            details.append(f"at {self.host}")
        if self.state:
            details.append(self.state)
        if self.seconds is not None:
            details.append(f"since {max(0, round(self.seconds))} s")
        words = f"process {self.process}" + (f" ({', '.join(details)})" if details else "")
        query = " ".join((self.query or "").split())
        if not query or query == "<insufficient privilege>":
            return words
        return f"{words}: {query[:_LONGEST]}{'…' if len(query) > _LONGEST else ''}"


def blockers_of(connection: Connection, process: int) -> tuple[Session, ...]:
    """Give the sessions that a waiting one waits for. Read-only; call it on another connection."""
    return _BLOCKERS[connection.dialect.name](connection, process)


def session_of(connection: Connection, process: int) -> Session:
    """Give what is to be seen of a session. Read-only."""
    return next(iter(_SESSIONS[connection.dialect.name](connection, [process])), Session(process=process))


# -- PostgreSQL ------------------------------------------------------------------------------------

_ACTIVITY = (
    "SELECT pid AS process, usename AS user, application_name AS application, state, "
    "extract(epoch FROM clock_timestamp() - coalesce(xact_start, backend_start)) AS seconds, query "
    "FROM pg_stat_activity WHERE pid = ANY(:processes) ORDER BY xact_start NULLS LAST, pid"
)


def _of_postgresql(connection: Connection, processes: Iterable[int]) -> tuple[Session, ...]:
    rows = connection.execute(text(_ACTIVITY), {"processes": list(processes)}).all()
    return tuple(_session(row) for row in rows)


def _blockers_on_postgresql(connection: Connection, process: int) -> tuple[Session, ...]:
    found: Any = connection.execute(text("SELECT pg_blocking_pids(:pid)"), {"pid": process}).scalar()
    # 0 is a prepared transaction (https://www.postgresql.org/docs/current/functions-info.html).
    prepared = (Session(process=0, state="a prepared transaction"),) if 0 in (found or ()) else ()
    return prepared + (_of_postgresql(connection, sorted(set(found) - {0})) if found else ())


# -- MariaDB and MySQL -----------------------------------------------------------------------------

_PROCESSES = (
    "SELECT id AS process, user, host, LOWER(command) AS state, time AS seconds, info AS query "
    "FROM information_schema.processlist WHERE id IN ({processes}) ORDER BY time DESC, id"
)
_WAITS = "SELECT state FROM information_schema.processlist WHERE id = :id"
_TRANSACTIONS = (
    "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx JOIN information_schema.processlist "
    "ON id = trx_mysql_thread_id WHERE id <> :id AND db = DATABASE()"
)


def _of_mysql(connection: Connection, processes: Iterable[int]) -> tuple[Session, ...]:
    numbers = ", ".join(str(int(each)) for each in processes)
    if not numbers:
        return ()
    rows = connection.exec_driver_sql(_PROCESSES.format(processes=numbers)).all()
    return tuple(_session(row) for row in rows)


def _blockers_on_mysql(connection: Connection, process: int) -> tuple[Session, ...]:
    """Give the open transactions, any of which it may be: nothing says which holds a metadata lock."""
    state = connection.execute(text(_WAITS), {"id": process}).scalar()
    if "lock" not in (state or "").lower():
        return ()
    found = connection.execute(text(_TRANSACTIONS), {"id": process}).scalars().all()
    return _of_mysql(connection, found)


def _session(row: Row[Any]) -> Session:
    facts = dict(row._mapping)
    seconds = facts.pop("seconds")
    return Session(**facts, seconds=None if seconds is None else float(seconds))


_SESSIONS: dict[str, Callable[[Connection, Iterable[int]], tuple[Session, ...]]] = {
    "postgresql": _of_postgresql,
    "mysql": _of_mysql,
    "mariadb": _of_mysql,
}
_BLOCKERS: dict[str, Callable[[Connection, int], tuple[Session, ...]]] = {
    "postgresql": _blockers_on_postgresql,
    "mysql": _blockers_on_mysql,
    "mariadb": _blockers_on_mysql,
}
