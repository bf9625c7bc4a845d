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

from sqlalchemy.exc import SQLAlchemyError

from ..errors import Busy
from .connecting import server_connection
from .explaining import pooled
from .targets import target_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_LOOKS = 4
_TIMEOUT = 10.0  # seconds, for each step: a pool of one session never answers a second client
_PROCESS = "SELECT pg_backend_pid()"


def check_no_pooler(engine: Engine) -> None:
    """Check that a connection to PostgreSQL keeps its session. Sets nothing, since that would leak.

    One connection that commits every statement must stay in one server process; another one, inside a
    transaction, must be in another process. Read-only.

    :raises ConfigurationError: it is not so: a pooler in transaction or statement mode.
    """
    if _is_pooled(engine):
        raise pooled(target_of(engine))


def _is_pooled(engine: Engine) -> bool:
    with server_connection(engine, isolation_level="AUTOCOMMIT") as first:
        try:
            before = {_process(first) for _ in range(_LOOKS)}
            if len(before) > 1:
                return True
            # The first is not touched while the second is inside a transaction: it might wait for it.
            with server_connection(engine, isolation_level="READ COMMITTED") as second:
                if _process(second) in before:
                    return True
            return {_process(first) for _ in range(_LOOKS)} != before
        except (SQLAlchemyError, Busy):
            return True  # no answer in time, or no transaction at all


def _process(connection: Connection) -> int:
    with _limited(connection):
        return int(connection.exec_driver_sql(_PROCESS).scalar_one())


@contextmanager
def _limited(connection: Connection) -> Iterator[None]:
    """Cut the connection if a statement takes too long; no limit is set on the server."""
    raw: Any = connection.connection.dbapi_connection
    timer = threading.Timer(_TIMEOUT, _cut, [raw.fileno()])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connected:
        connected.shutdown(socket.SHUT_RDWR)
