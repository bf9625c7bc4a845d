"""A transaction that only we can end."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import Busy, ConfigurationError
from ..interrupts import uninterrupted
from ..sqlite_file import check_file, driver_connect
from .companion import Companion, companion
from .connecting import close, connect_with, server_connection
from .explaining import explained
from .locking import TELL_EVERY, check_held, take_lock
from .patience import Patience
from .preparing import patient_in_autocommit, prepare
from .targets import sqlite_path, target_of, way_for
from .trying import statements_tried_again

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine

    from .blockers import Session

DEFAULT = Patience()
Tables = Iterable[tuple[str | None, str]]


@dataclass
class HeldTransaction:
    """A connection inside a transaction that nobody but :meth:`commit` can end well.

    ``lock`` keeps others from changing the structure of tables, given by (schema, name), until the end;
    ``rollbacks`` counts how often somebody inside tried to roll back, which did nothing. ``commits_tables``
    says that making a table ends the transaction that it is in (MariaDB, MySQL); ``is_one`` that it is one
    transaction from the beginning to :meth:`commit`. ``undo`` rolls back what is not committed and goes on
    holding. ``check_held`` raises :class:`LockGivenUp` where the session no longer has the lock. ``blockers``
    are the sessions that a statement has just waited for; ``cancel`` stops the one that runs, from any
    thread.
    """

    connection: Connection
    commit: Callable[[], None]
    lock: Callable[[Tables], None]
    rollbacks: Callable[[], int] = lambda: 0
    commits_tables: bool = False
    is_one: bool = True
    undo: Callable[[], None] = lambda: None
    check_held: Callable[[], None] = lambda: None
    blockers: Callable[[], tuple[Session, ...]] = lambda: ()
    cancel: Callable[[], None] = lambda: None


@contextmanager
def held_transaction(
    engine: Engine, *, app_listeners: bool, patience: Patience = DEFAULT, has_lock: bool = False
) -> Iterator[HeldTransaction]:
    """Open a transaction that writes, and hold it against everything that runs inside.

    SQLite: ``BEGIN IMMEDIATE`` with foreign keys off; ``BEGIN``, commits and rollbacks from inside do
    nothing, ``ATTACH`` and ``DETACH`` are refused. Left without :meth:`HeldTransaction.commit`,
    everything is rolled back.

    :param has_lock: another session of ours holds the lock of this server's database.
    :raises Busy: another process is writing, or (on commit) reading; nothing was changed.
    """
    with explained(engine), way_for(engine, _HOLDING)(engine, app_listeners, patience, has_lock) as held:
        yield held


@contextmanager
def migrating_transaction(
    engine: Engine, patience: Patience = DEFAULT, *, locked: HeldTransaction | None = None
) -> Iterator[HeldTransaction]:
    """Open a connection for revisions, which run the app's own listeners.

    SQLite: :func:`held_transaction`. Servers: revisions end their own transactions, one each; the session
    has the lock, and when it is lost no other one takes its place.

    :param locked: the session of ours that holds the lock of the same database already.
    :raises Busy: another process is writing; nothing was changed.
    """
    if engine.dialect.name == "sqlite":
        with held_transaction(engine, app_listeners=True, patience=patience) as held:
            yield held
        return
    with server_connection(engine, once=True) as connection:
        # Whatever the app says of its engine: AUTOCOMMIT would leave nothing to be undone.
        connection.execution_options(isolation_level=connection.default_isolation_level)
        if locked is None:
            take_lock(engine, connection, patience)
        prepare(connection, patience)
        with companion(engine, connection, patience) as beside, _waiting(connection, patience, beside):
            yield HeldTransaction(
                connection,
                connection.commit,
                lambda _tables: None,
                commits_tables=engine.dialect.name != "postgresql",
                is_one=False,
                undo=lambda: _undo(connection),
                check_held=locked.check_held if locked else lambda: check_held(engine, connection),
                blockers=beside.blockers if beside else lambda: (),
                cancel=beside.cancel if beside else lambda: None,
            )


def _undo(connection: Connection) -> None:
    with suppress(Exception):  # the session is gone, and with it what it did
        connection.rollback()
        # Where a signal came inside commit(), SQLAlchemy counts its transaction as ended and sends nothing.
        if not connection.invalidated:
            connection.connection.rollback()


def _waiting(
    connection: Connection, patience: Patience, beside: Companion | None
) -> AbstractContextManager[None]:
    if connection.dialect.name == "postgresql":
        return patient_in_autocommit(connection, patience)

    def blocked_by() -> str:
        found = beside.blockers() if beside else ()
        return (
            f" blocked by {' or '.join(map(str, found))}"
            if found
            else " blocked by a session that this user cannot see"
        )

    return statements_tried_again(connection, patience, blocked_by)


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
def _hold_sqlite(
    engine: Engine,
    app_listeners: bool,  # noqa: FBT001 -- called through the table below
    patience: Patience,
    _has_lock: bool,  # noqa: FBT001 -- called through the table below
) -> Iterator[HeldTransaction]:
    file = sqlite_path(engine)
    check_file(file)
    if engine.url.query.get("mode") == "ro":
        raise ConfigurationError(
            f"{target_of(engine)} is opened for reading only: take mode=ro out of its URL."
        )
    if not os.access(file, os.W_OK) or not os.access(file.parent, os.W_OK):
        raise ConfigurationError(f"{file} and its folder must be writable for this.")

    def create() -> _HeldConnection:
        made = driver_connect(
            f"file:{quote(str(file))}?mode=rw",
            _HeldConnection,
            uri=True,
            timeout=_READERS,
            isolation_level=None,
            check_same_thread=False,
        )
        if not app_listeners:
            made.set_authorizer(_ignore_pragmas)
        return made

    before = _identity(file)
    connection = connect_with(engine, create, app_listeners=app_listeners)
    raw: Any = connection.connection.dbapi_connection

    def check_there() -> None:
        if _identity(file) != before:
            # Whoever took the file away, or put another in its place, did so past every lock.
            raise Busy(f"{target_of(engine)} was replaced by another process meanwhile; try again.")

    def commit() -> None:
        check_there()  # what is committed to a file without a name is gone
        with explained(engine):
            _end(raw, raw.commit)

    def undo() -> None:
        with suppress(sqlite3.Error):
            _end(raw, lambda: _begin_anew(raw))
        if held.connection.invalidated:
            # It was interrupted in a statement, and would go on with another session, which holds nothing.
            close(held.connection)
            held.connection = connect_with(engine, lambda: raw, app_listeners=False)

    held = HeldTransaction(
        connection, commit, lambda _tables: None, lambda: raw.rollbacks, undo=undo, cancel=raw.interrupt
    )
    try:
        _begin(raw, file, patience)
        check_there()
        raw.held = True
        yield held
    finally:
        # A second interrupt must not leave the journal behind.
        with uninterrupted(stop_afterwards=True):
            _end_for_ever(raw)
            close(held.connection)
            raw.close()


_READERS = 5.0  # seconds, for those who read while it commits
_EVERY = 0.1  # seconds


def _begin(raw: _HeldConnection, file: Path, patience: Patience) -> None:
    raw.set_authorizer(_allow_all)
    if raw.in_transaction:  # a listener of the app's began one
        raw.rollback()
    raw.execute("PRAGMA foreign_keys=OFF")
    if raw.execute("PRAGMA foreign_keys").fetchone() != (0,):
        raise ConfigurationError(f"Foreign keys of {file} cannot be switched off.")
    # Not waited for inside SQLite, where no signal arrives.
    timeout = raw.execute("PRAGMA busy_timeout").fetchone()[0]
    raw.execute("PRAGMA busy_timeout = 0")
    _begin_immediately(raw, file, patience)
    raw.set_authorizer(_allow_all)
    raw.execute(f"PRAGMA busy_timeout = {timeout}")
    raw.set_authorizer(raw.guard)


def _begin_anew(raw: _HeldConnection) -> None:
    # Not executescript(), which commits before it begins.
    raw.rollback()
    raw.execute("BEGIN IMMEDIATE")


def _end_for_ever(raw: _HeldConnection) -> None:
    """Roll back and let go now: whoever keeps the error that ended us keeps this session too."""
    raw.held = False
    with suppress(sqlite3.Error):
        raw.rollback()


def _begin_immediately(raw: _HeldConnection, file: Path, patience: Patience) -> None:
    deadline = time.monotonic() + patience.lock_wait
    next_line = 0.0
    while not _has_begun(raw, is_last=time.monotonic() > deadline):
        if time.monotonic() >= next_line:
            patience.tell(f"Waiting     for {file}, which is locked (SQLite cannot say by whom)")
            next_line = time.monotonic() + TELL_EVERY
        time.sleep(_EVERY)


def _has_begun(raw: _HeldConnection, *, is_last: bool) -> bool:
    try:
        raw.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if is_last or "locked" not in str(error):
            raise
        return False
    return True


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
def _hold_postgresql(
    engine: Engine,
    _app_listeners: bool,  # noqa: FBT001 -- called through the table below
    patience: Patience,
    has_lock: bool,  # noqa: FBT001 -- called through the table below
) -> Iterator[HeldTransaction]:
    with server_connection(engine, isolation_level="READ COMMITTED") as connection:
        if not has_lock:
            take_lock(engine, connection, patience)
        prepare(connection, patience)

        def lock(tables: Tables) -> None:
            # ACCESS SHARE is what reading takes; it stands against every ALTER and DROP
            # (https://www.postgresql.org/docs/current/explicit-locking.html).
            names = ", ".join(_quoted(connection, *each) for each in tables)
            if names:
                connection.exec_driver_sql(f"LOCK TABLE {names} IN ACCESS SHARE MODE")

        yield HeldTransaction(connection, _committing(engine, connection), lock, undo=connection.rollback)


@contextmanager
def _hold_mysql(
    engine: Engine,
    _app_listeners: bool,  # noqa: FBT001 -- called through the table below
    patience: Patience,
    has_lock: bool,  # noqa: FBT001 -- called through the table below
) -> Iterator[HeldTransaction]:
    with server_connection(engine, isolation_level="READ COMMITTED") as connection:
        if not has_lock:
            take_lock(engine, connection, patience)
        prepare(connection, patience)

        def lock(tables: Tables) -> None:
            # Whoever has read a table keeps its metadata lock until the transaction ends
            # (https://mariadb.com/kb/en/metadata-locking/).
            selects = [f"(SELECT 1 FROM {_quoted(connection, *each)} LIMIT 0)" for each in tables]
            for chunk in (selects[i : i + 50] for i in range(0, len(selects), 50)):
                connection.exec_driver_sql(" UNION ALL ".join(chunk)).close()

        commit = _committing(engine, connection)
        yield HeldTransaction(connection, commit, lock, undo=connection.rollback, commits_tables=True)


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
