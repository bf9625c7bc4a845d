"""A second session beside the one in which revisions run: it sees who blocks that one, and stops it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from ..errors import SchemaFlowError
from .blockers import Session, blockers_of
from .connecting import server_connection

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from .patience import Patience

_PROCESS = {"postgresql": "SELECT pg_backend_pid()"}
_CANCEL = 5.0  # seconds


class Companion:
    """Looks, in a thread of its own, for whom a session waits for.

    Asked after a lock timeout it would be too late: then nobody waits any more.
    """

    def __init__(self, connection: Connection, side: Connection, every: float) -> None:
        query = _PROCESS.get(connection.dialect.name, "SELECT CONNECTION_ID()")
        self._raw: Any = connection.connection.dbapi_connection
        self._process: int = connection.exec_driver_sql(query).scalar_one()
        connection.commit()
        self._side, self._every = side, every
        self._using = threading.Lock()
        self._over = threading.Event()
        self._seen: tuple[float, tuple[Session, ...]] = (0.0, ())
        self._thread = threading.Thread(target=self._look, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def blockers(self) -> tuple[Session, ...]:
        """Give whom the session has been waiting for a moment ago."""
        seen_at, blockers = self._seen
        return blockers if time.monotonic() - seen_at < 4 * self._every + 1 else ()

    def cancel(self) -> None:
        """Stop the statement that the session runs; call it from any thread.

        PostgreSQL takes that on a connection of the driver's own, MariaDB and MySQL on ours.
        """
        cancel = getattr(self._raw, "cancel_safe", None)
        with suppress(Exception):  # it is over already, or the server is gone
            if cancel is not None:
                cancel(timeout=_CANCEL)
            elif hasattr(self._raw, "cancel"):
                self._raw.cancel()
            else:
                with self._using:
                    self._side.exec_driver_sql(f"KILL QUERY {self._process}")

    def _look(self) -> None:
        while not self._over.wait(self._every):
            try:
                with self._using:
                    found = blockers_of(self._side, self._process)
            except DBAPIError:
                return  # the server is gone, or shows nothing to this user
            if found:
                self._seen = (time.monotonic(), found)


@contextmanager
def companion(engine: Engine, connection: Connection, patience: Patience) -> Iterator[Companion | None]:
    """Open the second session; None where the server gives no more sessions.

    It commits every statement and holds nothing.
    """
    every = min(0.25, max(0.02, patience.lock_timeout / 4))
    opened = server_connection(engine, isolation_level="AUTOCOMMIT")
    try:
        side = opened.__enter__()
    except SchemaFlowError:
        yield None
        return
    try:
        made = Companion(connection, side, every)
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        opened.__exit__(None, None, None)


Blockers = Callable[[], tuple[Session, ...]]
