"""One of us at a time in a server's database, whatever the number of replicas."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ..errors import Busy
from .connecting import server_connection
from .targets import target_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_EVERY = 0.25  # seconds

# Polled, never waited for inside the server: a waiting session would stand in the way of CREATE INDEX
# CONCURRENTLY. Both are the session's own and end with it.
_MYSQL = "SELECT GET_LOCK(CONCAT('schemaflow ', MD5(DATABASE())), 0)"
_TRY = {
    "postgresql": "SELECT pg_try_advisory_lock(1936090726, 0)",
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}


@contextmanager
def nobody_else(engines: Iterable[Engine], *, wait: float) -> Iterator[None]:
    """Keep others of us from writing on servers inside the block, so that nothing half done is seen.

    :raises Busy: another process is at work for longer.
    """
    with ExitStack() as stack:
        for engine in engines:
            if engine.dialect.name in _TRY:
                connection = stack.enter_context(server_connection(engine))
                take_lock(engine, connection, wait=wait)
        yield


def take_lock(engine: Engine, connection: Connection, *, wait: float) -> None:
    """Take the lock that every command of ours takes before it writes; it is held until the session ends.

    :param wait: seconds to wait for another process.
    :raises Busy: another process has it for longer.
    """
    deadline = time.monotonic() + wait
    while not connection.exec_driver_sql(_TRY[engine.dialect.name]).scalar():
        connection.commit()
        if time.monotonic() > deadline:
            raise Busy(
                f"{target_of(engine)} is being adopted or upgraded by another process, for more than "
                f"{wait:g} seconds. Nothing was changed; try again."
            )
        time.sleep(_EVERY)
    connection.commit()
