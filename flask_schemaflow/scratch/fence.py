"""Keep what runs on a server's scratch database inside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from ..errors import Refused
from ..findings import Finding, Severity

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

CODE = "leaks-into-real-database"

_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'|/\*.*?\*/|--[^\n]*", re.DOTALL)
# What is the whole server's, not one database's.
_SERVER_WIDE = re.compile(
    r"\b(?:CREATE|ALTER|DROP)\s+(?:ROLE|USER|TABLESPACE|DATABASE|SUBSCRIPTION|SERVER)\b"
    r"|\bALTER\s+SYSTEM\b|\bSET\s+(?:GLOBAL|PERSIST)\b|\bCOPY\b.*\bPROGRAM\b|\bdblink\w*\s*\(|^\s*USE\b",
    re.IGNORECASE | re.DOTALL,
)


class LeavesScratch(Refused):
    """Something that ran on a scratch database wanted to reach out of it."""


@contextmanager
def fenced(connection: Connection, others: Iterable[str] = ()) -> Iterator[None]:
    """Refuse statements that name another database or are the whole server's, before they are sent.

    :param others: databases that a statement could reach by their names.
    :raises LeavesScratch: there was such a statement.
    """
    names = "|".join(re.escape(name) for name in others)
    qualified = re.compile(rf"(?<![\w`.])(?:`(?:{names})`|(?:{names}))\s*\.") if names else None

    def check(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        bare = _LITERAL.sub("''", statement)
        found = _SERVER_WIDE.search(bare) or (qualified and qualified.search(bare))
        if found:
            raise _refusal(statement, found[0])

    event.listen(connection.engine, "before_cursor_execute", check)
    try:
        yield
    finally:
        event.remove(connection.engine, "before_cursor_execute", check)


def _refusal(statement: str, found: str) -> LeavesScratch:
    shown = " ".join(statement.split())
    shown = shown if len(shown) <= 80 else f"{shown[:79]}…"
    message = (
        f"{' '.join(found.split())!r} reaches out of a scratch database, so this cannot run there: {shown}"
    )
    finding = Finding(code=CODE, subject=found.strip(" .`"), severity=Severity.ERROR, message=message)
    return LeavesScratch(message, findings=(finding,))
