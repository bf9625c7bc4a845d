"""What is set for a session in which revisions run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from .patience import Patience


def prepare(connection: Connection, patience: Patience) -> None:
    """Set timeouts and modes for the whole session, and commit: what a rollback ends would be lost.

    Needs a connection without an open transaction.
    """
    _PREPARE[connection.dialect.name](connection, patience)


# -- PostgreSQL ------------------------------------------------------------------------------------


def _prepare_postgresql(connection: Connection, patience: Patience) -> None:
    """Set what https://www.postgresql.org/docs/current/runtime-config-client.html describes.

    A session that does nothing while a revision works elsewhere must not be ended for it, and one whose
    client is gone must end, or its lock would stay.
    """
    version = connection.dialect.server_version_info or ()
    settings = {
        "lock_timeout": milliseconds(patience.lock_timeout),
        "statement_timeout": milliseconds(patience.statement_timeout or 0),
        "idle_in_transaction_session_timeout": "0",
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
    }
    if version >= (14,):
        settings["idle_session_timeout"] = "0"
    if version >= (17,):
        settings["transaction_timeout"] = "0"
    for name, value in settings.items():
        connection.exec_driver_sql(f"SET {name} = '{value}'")
    connection.commit()
    if version >= (14,):
        # Some operating systems cannot tell that a client is gone.
        try:
            connection.exec_driver_sql("SET client_connection_check_interval = '1s'")
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
        connection.commit()


def milliseconds(seconds: float) -> str:
    """Write a time as PostgreSQL reads it: no shorter one is 0, and no longer one more than it can count."""
    return f"{min(math.ceil(seconds * 1000), 2**31 - 1)}ms"


@contextmanager
def patient_in_autocommit(connection: Connection, patience: Patience) -> Iterator[None]:
    """Wait for locks as long as it takes wherever PostgreSQL commits every statement, inside the block.

    CREATE INDEX CONCURRENTLY waits for others without standing in anybody's way, and leaves an invalid
    index behind if it is stopped.
    """

    def changed(_conn: Any, options: dict[str, Any]) -> None:
        level = options.get("isolation_level")
        if level is not None:
            timeout = 0.0 if level == "AUTOCOMMIT" else patience.lock_timeout
            raw: Any = connection.connection.dbapi_connection
            with raw.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = '{milliseconds(timeout)}'")
            raw.commit()

    event.listen(connection.engine, "set_connection_execution_options", changed)
    try:
        yield
    finally:
        event.remove(connection.engine, "set_connection_execution_options", changed)


# -- MariaDB and MySQL -----------------------------------------------------------------------------


def _prepare_mysql(connection: Connection, patience: Patience) -> None:
    """Set timeouts and a strict ``sql_mode``, under which no value is changed in silence.

    https://mariadb.com/kb/en/sql-mode/: without NO_ZERO_DATE a new NOT NULL date column gets 0000-00-00.
    """
    seconds = max(1, math.ceil(patience.lock_timeout))  # whole ones; 0 would not wait at all
    statements = [
        f"SET SESSION lock_wait_timeout = {seconds}",
        f"SET SESSION innodb_lock_wait_timeout = {seconds}",
        "SET SESSION wait_timeout = 28800",
        "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), "
        "'STRICT_TRANS_TABLES', 'NO_ZERO_DATE', 'NO_ZERO_IN_DATE', 'ERROR_FOR_DIVISION_BY_ZERO')",
    ]
    if patience.statement_timeout and getattr(connection.dialect, "is_mariadb", False):
        longest = math.ceil(patience.statement_timeout * 1000) / 1000  # 0 would be as long as it takes
        statements.append(f"SET SESSION max_statement_time = {longest}")
    for statement in statements:
        connection.exec_driver_sql(statement)
    connection.commit()


_PREPARE: dict[str, Callable[[Connection, Patience], None]] = {
    "postgresql": _prepare_postgresql,
    "mysql": _prepare_mysql,
    "mariadb": _prepare_mysql,
}
