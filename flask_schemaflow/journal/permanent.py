"""Tables of engines without transactions, as MyISAM and Aria: what is done to their rows stays done.

https://mariadb.com/kb/en/choosing-the-right-storage-engine/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Execute = Callable[[str], tuple[tuple[Any, ...], ...]]

_TABLES = (
    "SELECT t.TABLE_NAME FROM information_schema.TABLES t JOIN information_schema.ENGINES e USING (ENGINE) "
    "WHERE t.TABLE_SCHEMA = DATABASE() AND e.TRANSACTIONS = 'NO'"
)
_NAMES_AN_ENGINE = re.compile(r"\bENGINE\b", re.IGNORECASE)
# Of the statement itself, or its locks: no row was touched. Whatever else goes wrong may do so at the second
# row (https://mariadb.com/kb/en/mariadb-error-code-reference/).
_BEFORE_ANY_ROW = frozenset((1054, 1064, 1109, 1136, 1142, 1143, 1146, 1205, 1213))


class PermanentRows:
    """The tables whose rows no rollback brings back."""

    def __init__(self) -> None:
        self._names: re.Pattern[str] | None = None

    def read(self, execute: Execute) -> None:
        """Ask the server for them. Read-only."""
        names = [re.escape(str(row[0])) for row in execute(_TABLES)]
        self._names = re.compile(rf"(?<!\w)(?:{'|'.join(names)})(?!\w)", re.IGNORECASE) if names else None

    def may_change_by(self, sql: str) -> bool:
        """Say whether a statement names an engine, so that they are to be read again."""
        return _NAMES_AN_ENGINE.search(sql) is not None

    def are_named_in(self, sql: str) -> bool:
        """Say whether a statement names one of them."""
        return self._names is not None and self._names.search(sql) is not None

    def are_untouched_after(self, number: int | None) -> bool:
        """Say whether a statement that failed with this number has changed no row."""
        return number in _BEFORE_ANY_ROW
