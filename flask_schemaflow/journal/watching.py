"""Stand between a driver's connection and its cursors, so that nothing is sent unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

Send = Callable[..., Any]


class Watcher(Protocol):
    """Somebody who sees what is sent, and sends it or not."""

    def sending(self, sql: str, source: str | None, send: Send) -> Any:
        """See a statement before it goes, and call ``send``, which takes another one to go in its place.

        :param source: the statement before its parameters were put in; None from a cursor of the driver.
        """

    def sent(self, context: Any) -> None:
        """See that SQLAlchemy has the result of a statement; ``context`` is its execution context."""

    def committing(self) -> None:
        """See a commit before it goes."""

    def rolled_back(self) -> None:
        """See a rollback after it went."""


class Wire:
    """The driver's connection; what we send on it ourselves is seen by no watcher.

    Cursors of PyMySQL and mysqlclient send by the connection's ``query``; commits and rollbacks go by
    methods of their own.
    """

    def __init__(self, connection: Connection, watcher: Watcher) -> None:
        self.raw: Any = connection.connection.dbapi_connection
        self._dialect = connection.dialect
        self._watcher = watcher
        self._is_ours = False
        self._source: str | None = None
        # It may be watched already, by a fence around a scratch database.
        self._outer = {name: vars(self.raw)[name] for name in _SENDING if name in vars(self.raw)}
        self._original = {name: getattr(self.raw, name) for name in _SENDING}

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Let what is sent inside the block be seen by no watcher."""
        before, self._is_ours = self._is_ours, True
        try:
            yield
        finally:
            self._is_ours = before

    def execute(self, sql: str, parameters: Iterable[Any] = ()) -> tuple[tuple[Any, ...], ...]:
        """Send a statement of ours on a cursor of its own, and give the rows.

        An error is SQLAlchemy's, as if it had sent the statement. Not between a statement and the moment
        when its cursor has the result: drivers keep that with the connection.
        """
        try:
            with self.unseen(), closing(self.raw.cursor()) as cursor:
                cursor.execute(sql, tuple(parameters) or None)
                return tuple(cursor.fetchall()) if cursor.description else ()
        except self._dialect.loaded_dbapi.Error as error:
            is_lost = self._dialect.is_disconnect(error, self.raw, None)
            raise DBAPIError(sql, None, error, connection_invalidated=is_lost) from error

    def commit(self) -> None:
        """Commit."""
        self._original["commit"]()

    def rollback(self) -> None:
        """Roll back."""
        self._original["rollback"]()

    def attach(self) -> None:
        """Begin to show the watcher what is sent."""
        for name, replacement in zip(_SENDING, (self._query, self._commit, self._rollback), strict=True):
            setattr(self.raw, name, replacement)

    def detach(self) -> None:
        """Leave the driver's connection as it was."""
        for name in _SENDING:
            delattr(self.raw, name)
        for name, outer in self._outer.items():
            setattr(self.raw, name, outer)

    def _query(self, sql: Any, *args: Any, **options: Any) -> Any:
        query = self._original["query"]
        if self._is_ours:
            return query(sql, *args, **options)
        is_bytes = isinstance(sql, bytes | bytearray)
        text = sql.decode(errors="surrogateescape") if is_bytes else str(sql)

        def send(other: str | None = None) -> Any:
            if other is None:
                return query(sql, *args, **options)
            return query(other.encode(errors="surrogateescape") if is_bytes else other, *args, **options)

        return self._watcher.sending(text, self._source, send)

    def _commit(self) -> None:
        if not self._is_ours:
            self._watcher.committing()
        self.commit()

    def _rollback(self) -> None:
        self.rollback()
        if not self._is_ours:
            self._watcher.rolled_back()

    # -- what SQLAlchemy says of it ------------------------------------------------------------------

    def before(self, _conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """Hear what the next statement was before its parameters were put in."""
        self._source = statement

    def after(self, _conn: Any, _cursor: Any, _sql: str, _parameters: Any, context: Any, _many: Any) -> None:
        """Hear that a cursor has its result."""
        self._source = None
        if not self._is_ours:
            self._watcher.sent(context)

    def failed(self, _context: Any) -> None:
        """Hear that a statement failed."""
        self._source = None


_SENDING = ("query", "commit", "rollback")


@contextmanager
def statements_watched(connection: Connection, watcher: Watcher) -> Iterator[Wire]:
    """Show a watcher all that is sent on a connection to MariaDB or MySQL, inside the block."""
    wire = Wire(connection, watcher)
    listeners: dict[str, Callable[..., None]] = {
        "before_cursor_execute": wire.before,
        "after_cursor_execute": wire.after,
        "handle_error": wire.failed,
    }
    for name, listener in listeners.items():
        event.listen(connection.engine, name, listener)
    wire.attach()
    try:
        yield wire
    finally:
        wire.detach()
        for name, listener in listeners.items():
            event.remove(connection.engine, name, listener)
