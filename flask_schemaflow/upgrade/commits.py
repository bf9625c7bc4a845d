"""Notice what a revision commits by itself, which no rollback takes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

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
        self.seen = False
        self._inside = self._dirty = False

    def begin(self) -> None:
        """Begin a revision."""
        self.seen, self._inside, self._dirty = False, True, False

    def end(self) -> None:
        """End a revision that did not fail; its own transaction may be committed now."""
        self.seen = self._inside = False

    @contextmanager
    def watching(self, connection: Connection) -> Iterator[None]:
        """Watch a connection inside the block."""
        commits_tables = connection.dialect.name != "postgresql"

        def committed(_conn: Any) -> None:
            self.seen = self.seen or self._inside

        def begins(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
            # Even one that fails commits what was before it.
            if commits_tables and self._dirty and _IMPLICIT.match(statement):
                self.seen = self.seen or self._inside

        def executed(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
            self._dirty = self._dirty or not _READS.match(statement)
            if _COMMIT.match(statement) or (commits_tables and _IMPLICIT.match(statement)):
                self.seen = self.seen or self._inside

        listeners: dict[str, Callable[..., None]] = {
            "commit": committed,
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
