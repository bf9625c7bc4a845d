"""Find out whether something between us and PostgreSQL gives a session to several clients.

Behind such a pooler two clients both get the same lock, a lock stays when its client has gone, and what one
sets another one meets.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from .connecting import server_connection
from .explaining import code_of, pooled
from .targets import target_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_LOOKS = 4
_TIMEOUT = 10.0  # seconds, for each step: a pool of one session never answers a second client
_PROCESS = "SELECT pg_backend_pid()"


# psycopg prepares what it sends often: invalid_sql_statement_name, duplicate_prepared_statement
# (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_PREPARED_ELSEWHERE = ("26000", "42P05")


class _NotOurs(Exception):
    """A statement got no answer in time, or one that shows that the session is another one."""


def check_no_pooler(engine: Engine) -> None:
    """Check that a connection to PostgreSQL keeps its session. Sets nothing, since that would leak.

    One connection that commits every statement must stay in one server process; another one, inside a
    transaction, must be in another process. Read-only.

    :raises ConfigurationError: it is not so: a pooler in transaction or statement mode.
    :raises Busy: the server does not answer, or ends a session.
    """
    if _is_pooled(engine):
        raise pooled(target_of(engine))


def _is_pooled(engine: Engine) -> bool:
    try:
        with server_connection(engine, isolation_level="AUTOCOMMIT") as first:
            before = {_process(first) for _ in range(_LOOKS)}
            if len(before) > 1:
                return True
            # The first is not touched while the second is inside a transaction: it might wait for it.
            with server_connection(engine, isolation_level="READ COMMITTED") as second:
                if _process(second) in before:
                    return True
            return {_process(first) for _ in range(_LOOKS)} != before
    except _NotOurs:
        return True


def _process(connection: Connection) -> int:
    with _limited(connection) as is_cut:
        try:
            return int(connection.exec_driver_sql(_PROCESS).scalar_one())
        except DBAPIError as error:
            if is_cut.is_set() or code_of(error.orig or error) in _PREPARED_ELSEWHERE:
                raise _NotOurs from error
            raise


@contextmanager
def _limited(connection: Connection) -> Iterator[threading.Event]:
    """Cut the connection if a statement takes too long, and say so; no limit is set on the server."""
    raw: Any = connection.connection.dbapi_connection
    is_cut = threading.Event()
    timer = threading.Timer(_TIMEOUT, _cut, [raw.fileno(), is_cut])
    timer.daemon = True
    timer.start()
    try:
        yield is_cut
    finally:
        timer.cancel()


def _cut(descriptor: int, is_cut: threading.Event) -> None:
    is_cut.set()
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connected:
        connected.shutdown(socket.SHUT_RDWR)
