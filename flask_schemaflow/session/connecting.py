"""Connect as the app does, but on connections of our own."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

from .explaining import explained

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.engine.interfaces import DBAPIConnection


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
    own = Engine(pool, dialect, engine.url)
    translations = engine.get_execution_options().get("schema_translate_map")
    if translations is not None:
        own.update_execution_options(schema_translate_map=translations)
    connection = own.connect()
    if getattr(dialect, "server_version_info", None) is None:
        dialect.initialize(connection)
        connection.rollback()
    return connection


def _connect_listeners(engine: Engine) -> list[Callable[..., Any]]:
    listeners = getattr(engine.pool.dispatch.connect, "listeners", ())
    # SQLAlchemy's own ones initialise the dialect; that has been done.
    return [fn for fn in listeners if not (fn.__module__ or "").startswith("sqlalchemy.")]


def close(connection: Connection) -> None:
    """Close a connection made by :func:`connect_with`, whatever state it is in."""
    with suppress(Exception):
        connection.close()
    connection.engine.dispose()


KEEPS_TRANSACTION = "schemaflow_keeps_transaction"
"""What a connection's ``info`` says where its transaction is never to be committed."""


SEARCH_PATH = "schemaflow_search_path"
"""Where a connection's ``info`` says in which schemas PostgreSQL looked for names when it was made."""


CONNECT_TIMEOUT = 10.0  # seconds


# -- servers ---------------------------------------------------------------------------------------


@contextmanager
def server_connection(
    engine: Engine,
    *,
    isolation_level: str | None = None,
    database: str | None = None,
    once: bool = False,
    timeout: float = CONNECT_TIMEOUT,
) -> Iterator[Connection]:
    """Open a new connection to a server as the app does, with its arguments and its listeners.

    It is none of the app's pool, and it is closed after the block, which rolls back.

    :param isolation_level: the transactions' level, else what the app's engine has.
    :param database: another database of the same server; whoever asks for it has to check that it is there
        where the connection leads, since an app may make connections by a function of its own.
    :param once: when the session is gone, do not open another one in silence: what it held is gone too.
    :param timeout: seconds until the server has to have answered, unless the app or its URL says it.
    :raises Busy: the server does not answer.
    :raises ConfigurationError: it refuses the connection.
    """
    own = Engine(engine.pool.recreate(), engine.dialect, engine.url)
    own.update_execution_options(**engine.get_execution_options())
    with explained(engine):
        with _led_to(engine, database, timeout):
            # The one argument of SQLAlchemy's Connection that says so (2.0 and 2.1).
            connection = Connection(own, _allow_revalidate=not once)
        # The dialect remembers the default schema, which is another one in another database.
        own.dialect = connection.dialect = _copied(engine.dialect)
        try:
            # What a listener of the app's set when it connected would go with a rollback.
            cast("DBAPIConnection", connection.connection.dbapi_connection).commit()
            note_default_schema(connection)
            if isolation_level is not None:
                connection.execution_options(isolation_level=isolation_level)
            yield connection
        finally:
            close(connection)


def note_default_schema(connection: Connection) -> None:
    """Tell the dialect, which asked before any listener ran, what the default schema of this session is.

    Where it searches for names is noted for snapshots too: a revision may change that for itself.
    """
    if connection.dialect.name == "postgresql":
        asked = connection.exec_driver_sql("SELECT current_schema(), current_setting('search_path')")
        connection.dialect.default_schema_name, connection.info[SEARCH_PATH] = asked.one()
        connection.rollback()


def schemas_searched(connection: Connection) -> tuple[str, ...]:
    """Give the schemas in which PostgreSQL looks for names without one; none on the others. Read-only."""
    if connection.dialect.name != "postgresql":
        return ()
    return tuple(connection.exec_driver_sql("SELECT unnest(current_schemas(false))").scalars())


def _copied(dialect: Dialect) -> Dialect:
    """Copy a dialect together with what writes its names, which asks it for the default schema."""
    made = copy(dialect)
    made.identifier_preparer = copy(dialect.identifier_preparer)
    made.identifier_preparer.dialect = made
    return made


@contextmanager
def _led_to(engine: Engine, database: str | None, timeout: float) -> Iterator[None]:
    """Change database and timeout in the arguments that the driver gets, whatever else the app puts there.

    Only in this thread: an app that runs on may connect meanwhile.
    """
    thread = threading.get_ident()
    changed: dict[str, Any] = {}
    if database is not None:
        _, arguments = engine.dialect.create_connect_args(engine.url.set(database=database))
        (keyword,) = (key for key, value in arguments.items() if value == database)
        changed[keyword] = database

    def lead(dialect: Any, _record: Any, args: list[Any], options: dict[str, Any]) -> DBAPIConnection | None:
        if threading.get_ident() != thread:
            return None
        return _connect_in_time(dialect, args, {**options, **changed}, math.ceil(max(2.0, timeout)))

    event.listen(engine, "do_connect", lead)
    try:
        yield
    finally:
        event.remove(engine, "do_connect", lead)


def _connect_in_time(dialect: Any, args: list[Any], options: dict[str, Any], seconds: int) -> DBAPIConnection:
    """Connect, and give up when the server has not answered in time.

    What the user says counts, as ``connect_timeout`` or for libpq in the environment; libpq takes whole
    seconds, two at least (https://www.postgresql.org/docs/current/libpq-connect.html). PyMySQL's is about the
    network only, so that a server which takes the connection and is silent needs another one.
    """
    if dialect.name != "postgresql" or "PGCONNECT_TIMEOUT" not in os.environ:
        options.setdefault("connect_timeout", seconds)
    is_unlimited = dialect.driver == "pymysql" and options.get("read_timeout") is None
    if is_unlimited:
        options["read_timeout"] = float(options["connect_timeout"])
    made: Any = dialect.connect(*args, **options)
    if is_unlimited:
        made._read_timeout = None  # statements may take their time
    return cast("DBAPIConnection", made)
