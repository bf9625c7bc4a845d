"""A transaction that only we can end."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import Busy, ConfigurationError
from ..interrupts import uninterrupted
from ..sqlite_file import check_file, driver_connect
from .connecting import close, connect_with, server_connection
from .explaining import explained
from .locking import take_lock
from .targets import sqlite_path, target_of, way_for

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine


LOCK_WAIT = 300.0  # seconds, for another process of ours
Tables = Iterable[tuple[str | None, str]]


@dataclass
class HeldTransaction:
    """A connection inside a transaction that nobody but :meth:`commit` can end well.

    ``lock`` keeps others from changing the structure of tables, given by (schema, name), until the end;
    ``rollbacks`` counts how often somebody inside tried to roll back, which did nothing.
    ``commits_tables`` says that making a table ends the transaction that it is in (MariaDB, MySQL);
    ``is_one`` that it is one transaction from the beginning to :meth:`commit`.
    """

    connection: Connection
    commit: Callable[[], None]
    lock: Callable[[Tables], None]
    rollbacks: Callable[[], int] = lambda: 0
    commits_tables: bool = False
    is_one: bool = True


@contextmanager
def held_transaction(engine: Engine, *, app_listeners: bool, wait: float = 5.0) -> Iterator[HeldTransaction]:
    """Open a transaction that writes, and hold it against everything that runs inside.

    SQLite: ``BEGIN IMMEDIATE`` with foreign keys off; ``BEGIN``, commits and rollbacks from inside do
    nothing, ``ATTACH`` and ``DETACH`` are refused. Left without :meth:`HeldTransaction.commit`,
    everything is rolled back.

    :param wait: seconds to wait for another writer, and for readers when it commits.
    :raises Busy: another process is writing, or (on commit) reading; nothing was changed.
    """
    with explained(engine), way_for(engine, _HOLDING)(engine, app_listeners, wait) as held:
        yield held


@contextmanager
def migrating_transaction(engine: Engine, *, wait: float = 5.0) -> Iterator[HeldTransaction]:
    """Open a connection for revisions, which run the app's own listeners.

    SQLite: :func:`held_transaction`. Servers: revisions end their own transactions, one each.

    :param wait: seconds to wait for a lock.
    :raises Busy: another process is writing; nothing was changed.
    """
    if engine.dialect.name == "sqlite":
        with held_transaction(engine, app_listeners=True, wait=wait) as held:
            yield held
        return
    with server_connection(engine) as connection:
        # Whatever the app says of its engine: AUTOCOMMIT would leave nothing to be undone.
        connection.execution_options(isolation_level=connection.default_isolation_level)
        take_lock(engine, connection, wait=LOCK_WAIT)
        for statement in _TIMEOUTS[engine.dialect.name]:
            connection.exec_driver_sql(statement.format(seconds=max(1, int(wait))))
        connection.commit()
        is_mysql = engine.dialect.name != "postgresql"
        yield HeldTransaction(
            connection, lambda: None, lambda _tables: None, commits_tables=is_mysql, is_one=False
        )


_MYSQL_TIMEOUTS = (
    "SET SESSION lock_wait_timeout = {seconds}",
    "SET SESSION innodb_lock_wait_timeout = {seconds}",
    "SET SESSION wait_timeout = 28800",
)
_TIMEOUTS = {
    "postgresql": (
        "SET lock_timeout = '{seconds}s'",
        "SET statement_timeout = 0",
        "SET idle_in_transaction_session_timeout = 0",
    ),
    "mysql": _MYSQL_TIMEOUTS,
    "mariadb": _MYSQL_TIMEOUTS,
}


class _HeldConnection(sqlite3.Connection):
    """A driver connection whose transaction is ours: a commit or rollback from inside does nothing."""

    held = False
    rollbacks = 0

    def commit(self) -> None:
        if not self.held:
            super().commit()

    def rollback(self) -> None:
        if self.held:
            self.rollbacks += 1
        else:
            super().rollback()

    def close(self) -> None:
        """Stay open while held.

        SQLAlchemy closes a connection that was interrupted in a statement; SQLite would keep the transaction
        and its journal until that statement is forgotten.
        """
        if not self.held:
            super().close()

    def guard(self, action: int, what: str | None, *_: str | None) -> int:
        """Answer SQLite's authorizer; an ignored BEGIN, COMMIT or ROLLBACK compiles to nothing."""
        if not self.held:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_TRANSACTION:
            self.rollbacks += what == "ROLLBACK"
            return sqlite3.SQLITE_IGNORE
        return sqlite3.SQLITE_DENY if action in _LEAVES else sqlite3.SQLITE_OK


_LEAVES = (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)


@contextmanager
def _hold_sqlite(engine: Engine, app_listeners: bool, wait: float) -> Iterator[HeldTransaction]:  # noqa: FBT001 -- called through the table below
    file = sqlite_path(engine)
    check_file(file)
    if not os.access(file, os.W_OK) or not os.access(file.parent, os.W_OK):
        raise ConfigurationError(f"{file} and its folder must be writable for this.")

    def create() -> _HeldConnection:
        made = driver_connect(
            f"file:{quote(str(file))}?mode=rw",
            _HeldConnection,
            uri=True,
            timeout=wait,
            isolation_level=None,
            check_same_thread=False,
        )
        if not app_listeners:
            made.set_authorizer(_ignore_pragmas)
        return made

    before = _identity(file)
    connection = connect_with(engine, create, app_listeners=app_listeners)
    raw: Any = connection.connection.dbapi_connection

    def commit() -> None:
        with explained(engine):
            _end(raw, raw.commit)

    try:
        _begin(raw, file)
        if _identity(file) != before:
            # Whoever had the lock before us took the file away, or put another in its place.
            raise Busy(f"{target_of(engine)} was replaced by another process meanwhile; try again.")
        raw.held = True
        yield HeldTransaction(connection, commit, lambda _tables: None, lambda: raw.rollbacks)
    finally:
        # A second interrupt must not leave the journal behind.
        with uninterrupted(stop_afterwards=True):
            with suppress(sqlite3.ProgrammingError):
                _end(raw, raw.rollback)
            close(connection)
            raw.close()


def _begin(raw: _HeldConnection, file: Path) -> None:
    raw.set_authorizer(_allow_all)
    if raw.in_transaction:  # a listener of the app's began one
        raw.rollback()
    raw.execute("PRAGMA foreign_keys=OFF")
    if raw.execute("PRAGMA foreign_keys").fetchone() != (0,):
        raise ConfigurationError(f"Foreign keys of {file} cannot be switched off.")
    raw.execute("BEGIN IMMEDIATE")
    raw.set_authorizer(raw.guard)


def _identity(file: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = file.stat()
        return found.st_dev, found.st_ino
    return None


def _allow_all(*_: object) -> int:
    return sqlite3.SQLITE_OK  # Python 3.10 cannot take an authorizer away


def _ignore_pragmas(action: int, _name: str | None, value: str | None, *_: str | None) -> int:
    ignored = action == sqlite3.SQLITE_PRAGMA and value is not None
    return sqlite3.SQLITE_IGNORE if ignored else sqlite3.SQLITE_OK


def _end(raw: _HeldConnection, how: Callable[[], None]) -> None:
    raw.held = False
    try:
        how()
    finally:
        raw.held = raw.in_transaction


@contextmanager
def _hold_postgresql(engine: Engine, _app_listeners: bool, wait: float) -> Iterator[HeldTransaction]:  # noqa: FBT001 -- called through the table below
    with server_connection(engine, isolation_level="READ COMMITTED") as connection:
        take_lock(engine, connection, wait=LOCK_WAIT)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(wait * 1000)}")

        def lock(tables: Tables) -> None:
            # ACCESS SHARE is what reading takes; it stands against every ALTER and DROP
            # (https://www.postgresql.org/docs/current/explicit-locking.html).
            names = ", ".join(_quoted(connection, *each) for each in tables)
            if names:
                connection.exec_driver_sql(f"LOCK TABLE {names} IN ACCESS SHARE MODE")

        yield HeldTransaction(connection, _committing(engine, connection), lock)


@contextmanager
def _hold_mysql(engine: Engine, _app_listeners: bool, wait: float) -> Iterator[HeldTransaction]:  # noqa: FBT001 -- called through the table below
    with server_connection(engine, isolation_level="READ COMMITTED") as connection:
        take_lock(engine, connection, wait=LOCK_WAIT)
        connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {max(1, int(wait))}")
        connection.exec_driver_sql(f"SET SESSION innodb_lock_wait_timeout = {max(1, int(wait))}")

        def lock(tables: Tables) -> None:
            # Whoever has read a table keeps its metadata lock until the transaction ends
            # (https://mariadb.com/kb/en/metadata-locking/).
            selects = [f"(SELECT 1 FROM {_quoted(connection, *each)} LIMIT 0)" for each in tables]
            for chunk in (selects[i : i + 50] for i in range(0, len(selects), 50)):
                connection.exec_driver_sql(" UNION ALL ".join(chunk)).close()

        yield HeldTransaction(connection, _committing(engine, connection), lock, commits_tables=True)


def _quoted(connection: Connection, schema: str | None, name: str) -> str:
    # It doubles percent signs too, where the driver wants that.
    quote = connection.dialect.identifier_preparer.quote_identifier
    return ".".join(quote(part) for part in (schema, name) if part is not None)


def _committing(engine: Engine, connection: Connection) -> Callable[[], None]:
    def commit() -> None:
        with explained(engine):
            connection.commit()

    return commit


_HOLDING: dict[str, Callable[..., Any]] = {
    "sqlite": _hold_sqlite,
    "postgresql": _hold_postgresql,
    "mysql": _hold_mysql,
    "mariadb": _hold_mysql,
}
