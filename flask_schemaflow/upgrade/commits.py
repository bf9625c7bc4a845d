"""Notice what a revision commits by itself, which no rollback takes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from ..errors import SchemaFlowError
from ..session import server_connection

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_COMMIT = re.compile(r"\s*(?:COMMIT|END)\b", re.IGNORECASE)
# What ends a transaction by itself (https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/).
_IMPLICIT = re.compile(
    r"\s*(?:ALTER|CREATE|DROP|RENAME|TRUNCATE|ANALYZE|OPTIMIZE|REPAIR|GRANT|REVOKE|LOCK|UNLOCK)\b",
    re.IGNORECASE,
)

_READS = re.compile(r"\s*(?:SELECT|SHOW|SET|EXPLAIN|DESCRIBE|DESC)\b", re.IGNORECASE)


class Commits:
    """Whether the revision that runs, or was running last, has committed anything by itself."""

    def __init__(self) -> None:
        self._seen = self._inside = self._dirty = self._rolled_back = False
        self._transaction: tuple[Engine, int] | None = None

    def begin(self, connection: Connection) -> None:
        """Begin a revision, in the transaction that is to be its only one."""
        self._seen = self._dirty = self._rolled_back = False
        self._inside, self._transaction = True, None
        if connection.dialect.name == "postgresql":
            number = connection.exec_driver_sql("SELECT txid_current()").scalar_one()
            self._transaction = connection.engine, number

    def end(self) -> None:
        """End a revision that did not fail; its own transaction may be committed now."""
        self._seen, self._inside, self._transaction = False, False, None

    def found(self) -> bool:
        """Say whether it has. Read-only.

        PostgreSQL is asked what became of the transaction in which the revision began: a COMMIT may stand
        in the middle of a text with many statements, or go past SQLAlchemy.
        """
        return self._seen or self._is_committed()

    def rolled_back(self, connection: Connection) -> bool:
        """Say whether the revision took back what it did itself, in whatever way. Read-only.

        :param connection: the one on which it ran.
        """
        if self._transaction is None:
            return self._rolled_back
        return _status(connection, self._transaction[1]) == "aborted"

    def is_open(self, connection: Connection) -> bool:
        """Say whether PostgreSQL can still take back all that the revision did. Read-only.

        :param connection: the one on which it ran.
        """
        if self._seen or self._transaction is None:
            return False
        return _status(connection, self._transaction[1]) == "in progress"

    def _is_committed(self) -> bool:
        if self._transaction is None:
            return False
        engine, number = self._transaction
        with suppress(SchemaFlowError, SQLAlchemyError), server_connection(engine) as connection:
            return _status(connection, number) == "committed"
        return False

    @contextmanager
    def watching(self, connection: Connection) -> Iterator[None]:
        """Watch a connection inside the block."""
        commits_tables = connection.dialect.name != "postgresql"

        def committed(_conn: Any) -> None:
            self._seen = self._seen or self._inside

        def rolled_back(_conn: Any) -> None:
            self._rolled_back = self._rolled_back or self._inside

        def begins(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
            # Even one that fails commits what was before it.
            if commits_tables and self._dirty and _IMPLICIT.match(statement):
                self._seen = self._seen or self._inside

        def executed(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
            self._dirty = self._dirty or not _READS.match(statement)
            if _COMMIT.match(statement) or (commits_tables and _IMPLICIT.match(statement)):
                self._seen = self._seen or self._inside

        listeners: dict[str, Callable[..., None]] = {
            "commit": committed,
            "rollback": rolled_back,
            "before_cursor_execute": begins,
            "after_cursor_execute": executed,
        }
        for name, listener in listeners.items():
            event.listen(connection.engine, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners.items():
                event.remove(connection.engine, name, listener)


def _status(connection: Connection, number: int) -> str | None:
    # https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
    status: str | None = connection.exec_driver_sql(f"SELECT txid_status({number})").scalar()
    return status
