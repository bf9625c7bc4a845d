"""One of us at a time in a server's database, whatever the number of replicas."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import Busy, LockGivenUp
from .blockers import session_of
from .connecting import server_connection
from .explaining import explained, pooled
from .identity import in_order
from .targets import target_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from .patience import Patience

_EVERY = 0.25  # seconds
TELL_EVERY = 15.0  # seconds, between two lines that say who is waited for


@dataclass(frozen=True)
class _Lock:
    """The statements of one engine: take it or not, ask who has it, ask whether this session has it.

    Polled, never waited for inside the server: a waiting session would stand in the way of CREATE INDEX
    CONCURRENTLY. It is the session's own and ends with it.
    """

    take: str
    holder: str
    is_ours: str


# The lock of a pair of numbers has objsubid 2 (https://www.postgresql.org/docs/current/view-pg-locks.html).
_HELD = (
    "FROM pg_locks WHERE locktype = 'advisory' AND classid = 1936090726 AND objid = 0 AND objsubid = 2 "
    "AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_POSTGRESQL = _Lock(
    take="SELECT pg_try_advisory_lock(1936090726, 0)",
    holder=f"SELECT pid {_HELD}",
    is_ours=f"SELECT EXISTS (SELECT 1 {_HELD} AND pid = pg_backend_pid())",
)
# It is the whole server's, so the database's name is in it; of 192 characters at most, hence the hash. The
# session keeps it, since a revision may USE another database.
_NAME = "CONCAT('schemaflow ', MD5(DATABASE()))"
AT_WORK = f"IS_USED_LOCK({_NAME}) IS NOT NULL"
"""What says in MariaDB's SQL that one of us has the lock."""
_MYSQL = _Lock(
    take=f"SELECT GET_LOCK(@schemaflow_lock := {_NAME}, 0)",
    holder=f"SELECT IS_USED_LOCK({_NAME})",
    is_ours="SELECT IS_USED_LOCK(@schemaflow_lock) = CONNECTION_ID()",
)
_LOCKS = {"postgresql": _POSTGRESQL, "mysql": _MYSQL, "mariadb": _MYSQL}


@contextmanager
def nobody_else(engines: Iterable[Engine], patience: Patience) -> Iterator[None]:
    """Keep others of us from writing on servers inside the block, so that nothing half done is seen.

    :raises Busy: another process is at work for longer.
    """
    servers = [engine for engine in engines if engine.dialect.name in _LOCKS]
    with ExitStack() as stack:
        for engine in in_order(servers):
            connection = stack.enter_context(server_connection(engine))
            take_lock(engine, connection, patience)
        yield


def take_lock(engine: Engine, connection: Connection, patience: Patience) -> None:
    """Take the lock that every command of ours takes before it writes; it is held until the session ends.

    Whoever holds it is told at once, and then every quarter of a minute.

    :raises Busy: another process has it for longer.
    :raises ConfigurationError: the session changes from statement to statement, so that it holds nothing.
    """
    lock = _LOCKS[engine.dialect.name]
    deadline = time.monotonic() + patience.lock_wait
    next_line = 0.0
    while not connection.exec_driver_sql(lock.take).scalar():
        connection.commit()
        now = time.monotonic()
        holder = _holder(connection, lock) if now > deadline or now >= next_line else ""
        if now > deadline:
            raise Busy(
                f"{target_of(engine)} is being adopted or upgraded by another process, for more than "
                f"{patience.lock_wait:g} seconds{_by(holder)}. A process that was killed holds it until its "
                "running statement ends. Nothing was changed; try again."
            )
        if now >= next_line:
            patience.tell(f"Waiting     for the lock of {target_of(engine)}{_by(holder)}")
            next_line = now + TELL_EVERY
        time.sleep(min(_EVERY, max(0.0, deadline - now) + 0.01))
    connection.commit()
    for _ in range(3):
        if not _is_ours(connection):
            raise pooled(target_of(engine))
        connection.commit()


def check_held(engine: Engine, connection: Connection) -> None:
    """Check that a session still has the lock that it took. Read-only.

    :raises Busy: the session is gone.
    :raises LockGivenUp: it has not.
    """
    with explained(engine):
        if not _is_ours(connection):
            raise LockGivenUp(
                f"The lock of {target_of(engine)} was given up by something that a revision or env.py did "
                "(DISCARD ALL, pg_advisory_unlock_all(), RELEASE_ALL_LOCKS()). Take that out."
            )


def _is_ours(connection: Connection) -> bool:
    return bool(connection.exec_driver_sql(_LOCKS[connection.dialect.name].is_ours).scalar())


def _holder(connection: Connection, lock: _Lock) -> str:
    process = connection.exec_driver_sql(lock.holder).scalar()
    found = "" if process is None else str(session_of(connection, process))
    connection.commit()
    return found


def _by(holder: str) -> str:
    return f": held by {holder}" if holder else ""
