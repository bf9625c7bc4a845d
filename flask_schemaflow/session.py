"""The connections on which we work: one that only reads, and one that holds a single transaction.

They share the app's dialect, so that what its engine options say of values holds, and run the app's own
connect listeners where revisions need them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from .errors import Busy, ConfigurationError, SchemaFlowError
from .sqlite_file import (
    check_file,
    driver_connect,
    file_of_name,
    file_of_url,
    open_readonly,
    replace_driver_connect,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Dialect
    from sqlalchemy.engine.interfaces import DBAPIConnection


def target_of(engine: Engine) -> str:
    """Name the database for people: no password, a SQLite file by its absolute path."""
    file = file_of_url(engine.url) if engine.dialect.name == "sqlite" else None
    if file is not None:
        return f"sqlite:///{file}"
    if engine.dialect.name == "sqlite":
        return "sqlite (in memory)"
    return engine.url.render_as_string(hide_password=True)


def family_of(dialect: Dialect) -> str:
    """Say which engine family it is: sqlite, postgresql, mariadb or mysql."""
    return "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name


def sqlite_path(engine: Engine) -> Path:
    """Give the file of a SQLite engine.

    :raises ConfigurationError: it is in memory, so that nothing can be kept.
    """
    file = file_of_url(engine.url)
    if file is None:
        raise ConfigurationError(
            "The app's database is SQLite in memory, which is gone when the command ends. Set "
            "SQLALCHEMY_DATABASE_URI to the real database."
        )
    return file


def database_exists(engine: Engine) -> bool:
    """Say whether there is a database to look at, without making one. Read-only.

    A SQLite file that is missing or has zero bytes is none, nor is a database in memory; whether a
    server's database is there is found out by connecting.

    :raises ConfigurationError: the file cannot be a database.
    """
    if engine.dialect.name != "sqlite":
        return True
    file = file_of_url(engine.url)
    if file is None or not file.exists():
        return False
    check_file(file)
    return file.stat().st_size > 0


@contextmanager
def reading_connection(engine: Engine) -> Iterator[Connection]:
    """Connect so that nothing can be written, and read in one transaction. Read-only.

    On SQLite the app's own connect listeners do not run, and those registered for every engine cannot
    set a pragma: a listener that sends ``journal_mode=WAL`` would change the file.

    :raises SchemaFlowError: the database cannot be reached or read.
    """
    with explained(engine):
        connection = _way_for(engine, _reading)(engine)
        try:
            yield connection
        finally:
            _close(connection)


def _read_sqlite(engine: Engine) -> Connection:
    file = sqlite_path(engine)
    connection = connect_with(engine, lambda: open_readonly(file), app_listeners=False)
    connection.exec_driver_sql("BEGIN")
    return connection


_reading: dict[str, Callable[[Engine], Connection]] = {"sqlite": _read_sqlite}


def connect_with(engine: Engine, creator: Callable[[], Any], *, app_listeners: bool) -> Connection:
    """Connect through ``creator`` with an engine's dialect, on a pool of our own.

    :param app_listeners: run the ``connect`` listeners of this engine: functions, collations.
    """
    dialect = engine.dialect
    prepare = dialect.on_connect_url(engine.url)

    def create() -> DBAPIConnection:
        made = creator()
        if prepare is not None:
            prepare(made)
        return cast("DBAPIConnection", made)

    pool = StaticPool(create)
    if app_listeners:
        for listener in _connect_listeners(engine):
            event.listen(pool, "connect", listener)
    connection = Engine(pool, dialect, engine.url).connect()
    if getattr(dialect, "server_version_info", None) is None:
        dialect.initialize(connection)
        connection.rollback()
    return connection


def _connect_listeners(engine: Engine) -> list[Callable[..., Any]]:
    listeners = getattr(engine.pool.dispatch.connect, "listeners", ())
    # SQLAlchemy's own ones initialise the dialect; that has been done.
    return [fn for fn in listeners if not (fn.__module__ or "").startswith("sqlalchemy.")]


def _close(connection: Connection) -> None:
    with suppress(Exception):
        connection.close()
    connection.engine.dispose()


# -- nobody else -----------------------------------------------------------------------------------


@contextmanager
def engines_replaced(connect: Callable[..., Any], files: Callable[[], bool]) -> Iterator[None]:
    """Give ``connect(engine)`` in the place of whatever any engine would open, inside the block.

    :param files: asked whether SQLite files may be opened by the driver itself just now.
    """
    connect_, raw_connection, open_ = Engine.connect, Engine.raw_connection, sqlite3.connect

    def open_file(database: Any, *args: Any, **kwargs: Any) -> Any:
        file = file_of_name(database, uri=bool(kwargs.get("uri", args[6] if len(args) > 6 else False)))
        if file is not None and not files():
            raise AppSessionUsed(f"it opens {file} by itself")
        return open_(database, *args, **kwargs)

    setattr(Engine, "connect", lambda engine, **_: connect(engine))  # noqa: B010 -- mypy knows the method
    setattr(Engine, "raw_connection", lambda engine, **_: connect(engine))  # noqa: B010
    replace_driver_connect(open_file)
    try:
        yield
    finally:
        setattr(Engine, "connect", connect_)  # noqa: B010
        setattr(Engine, "raw_connection", raw_connection)  # noqa: B010
        replace_driver_connect(open_)


@contextmanager
def sealed() -> Iterator[None]:
    """Refuse every further connection inside the block, while something runs on scratch.

    :raises AppSessionUsed: something tried.
    """

    def refuse(engine: Engine) -> None:
        raise AppSessionUsed(f"it opens its own connection to {target_of(engine)}")

    with engines_replaced(refuse, lambda: False):
        yield


class AppSessionUsed(Exception):
    """Something opened its own way to a database while it had to use the connection it was given."""


# -- one transaction that only we can end ----------------------------------------------------------


@dataclass
class HeldTransaction:
    """A connection inside a transaction that nobody but :meth:`commit` can end well."""

    connection: Connection
    commit: Callable[[], None]


@contextmanager
def held_transaction(engine: Engine, *, app_listeners: bool, wait: float = 5.0) -> Iterator[HeldTransaction]:
    """Open a transaction that writes, and hold it against everything that runs inside.

    SQLite: ``BEGIN IMMEDIATE`` with foreign keys off; commits, rollbacks, ``BEGIN``, ``ATTACH`` and
    ``DETACH`` from inside are inert or refused. Left without :meth:`HeldTransaction.commit`, everything
    is rolled back.

    :param wait: seconds to wait for another writer.
    :raises Busy: another process is writing.
    """
    with explained(engine), _way_for(engine, _holding)(engine, app_listeners, wait) as held:
        yield held


class _HeldConnection(sqlite3.Connection):
    """A driver connection whose transaction is ours: a commit or rollback from inside does nothing."""

    held = False

    def commit(self) -> None:
        if not self.held:
            super().commit()

    def rollback(self) -> None:
        if not self.held:
            super().rollback()

    def guard(self, action: int, *_: str | None) -> int:
        if self.held and action in _ENDS_OR_LEAVES:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK


_ENDS_OR_LEAVES = (sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)


@contextmanager
def _hold_sqlite(engine: Engine, app_listeners: bool, wait: float) -> Iterator[HeldTransaction]:  # noqa: FBT001 -- called through the table below
    file = sqlite_path(engine)
    check_file(file)
    if not os.access(file, os.W_OK) or not os.access(file.parent, os.W_OK):
        raise ConfigurationError(f"{file} and its folder must be writable for this.")

    def create() -> _HeldConnection:
        made = driver_connect(
            file,
            timeout=wait,
            isolation_level=None,
            check_same_thread=False,
            factory=_HeldConnection,
        )
        if not app_listeners:
            made.set_authorizer(_ignore_pragmas)
        return made

    connection = connect_with(engine, create, app_listeners=app_listeners)
    raw: Any = connection.connection.dbapi_connection
    try:
        raw.set_authorizer(_allow_all)
        raw.execute("PRAGMA foreign_keys=OFF")
        if raw.execute("PRAGMA foreign_keys").fetchone() != (0,):
            raise ConfigurationError(f"Foreign keys of {file} cannot be switched off.")
        raw.execute("BEGIN IMMEDIATE")
        raw.set_authorizer(raw.guard)
        raw.held = True
        yield HeldTransaction(connection, lambda: _end(raw, raw.commit))
    finally:
        # An interrupt makes SQLAlchemy close the connection, which rolls back as well.
        with suppress(sqlite3.ProgrammingError):
            _end(raw, raw.rollback)
        _close(connection)


def _allow_all(*_: object) -> int:
    return sqlite3.SQLITE_OK  # Python 3.10 cannot take an authorizer away


def _ignore_pragmas(action: int, _name: str | None, value: str | None, *_: str | None) -> int:
    ignored = action == sqlite3.SQLITE_PRAGMA and value is not None
    return sqlite3.SQLITE_IGNORE if ignored else sqlite3.SQLITE_OK


def _end(raw: _HeldConnection, how: Callable[[], None]) -> None:
    raw.held = False
    how()


_holding: dict[str, Callable[..., Any]] = {"sqlite": _hold_sqlite}


def _way_for(engine: Engine, ways: dict[str, Callable[..., Any]]) -> Callable[..., Any]:
    way = ways.get(engine.dialect.name)
    if way is None:
        raise ConfigurationError(
            f"{target_of(engine)} is a {engine.dialect.name} database; this version works on "
            f"{', '.join(ways)} only."
        )
    return way


# -- errors ----------------------------------------------------------------------------------------


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Turn the errors of a database that cannot be reached or read into ours.

    :raises Busy: it is locked or does not answer.
    :raises ConfigurationError: it is damaged, or cannot be opened.
    """
    try:
        yield
    except (sqlite3.Error, DBAPIError) as error:
        raise _explain(engine, getattr(error, "orig", None) or error) from error


def _explain(engine: Engine, error: BaseException) -> SchemaFlowError:
    text = " ".join(str(error).split())
    if "locked" in text or "busy" in text:
        return Busy(
            f"{target_of(engine)} is locked by another process (SQLite cannot say which). "
            "Nothing was changed; try again."
        )
    if "not a database" in text:
        return ConfigurationError(
            f"{target_of(engine)} is not a SQLite database. Check SQLALCHEMY_DATABASE_URI, or restore the "
            "file from a backup."
        )
    if "malformed" in text:
        return ConfigurationError(f"{target_of(engine)} is damaged ({text}). Restore it from a backup.")
    return ConfigurationError(f"{target_of(engine)} cannot be read: {text}.")
