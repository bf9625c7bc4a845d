"""Keep what runs on a server's scratch database inside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from ..errors import Refused
from ..findings import Finding, Severity
from .qualified import named_database

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

CODE = "leaks-into-real-database"

# Texts, and names in double quotes; what is between $$ may be run, and stays.
_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"]|\"\")*\"", re.DOTALL)
_COMMENT = re.compile(r"/\*(?!M?!).*?\*/|--[^\n]*|\#[^\n]*", re.DOTALL)
_TEXT_OR_COMMENT = re.compile(f"(?P<text>{_LITERAL.pattern})|(?P<comment>{_COMMENT.pattern})", re.DOTALL)
# What is the whole server's and not one database's, and what is run without being seen here.
_SERVER_WIDE = re.compile(
    r"\b(?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+)?"
    r"(?:ROLE|USER(?!\s+MAPPING)|GROUP|TABLESPACE|DATABASE|SUBSCRIPTION|SERVER|PUBLICATION|EVENT\s+TRIGGER)\b"
    r"|\bALTER\s+SYSTEM\b|\bSET\s+(?:GLOBAL|PERSIST)\b|@@(?:global|persist)\b"
    r"|\bCOPY\b.*\bPROGRAM\b|\bdblink\w*\s*\(|^\s*USE\b"
    r"|\bCOMMENT\s+ON\s+(?:DATABASE|ROLE|TABLESPACE)\b|\b(?:REASSIGN|DROP)\s+OWNED\b"
    r"|\b(?:GRANT|REVOKE)\b(?:(?!\bON\b).)*\Z|\b(?:GRANT|REVOKE)\b.*\bON\s+(?:DATABASE|TABLESPACE|\*\s*\.)"
    r"|\bpg_(?:terminate_backend|cancel_backend|create_\w*replication_slot|drop_replication_slot)\b"
    r"|^\s*DO\b.*\bEXECUTE\b|\bEXECUTE\s+IMMEDIATE\b|^\s*PREPARE\b|/\*M?!|\bINTO\s+OUTFILE\b|\bLOAD\s+DATA\b",
    re.IGNORECASE | re.DOTALL,
)
_MYSQL_SCHEMA = re.compile(r"\b(?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+)?SCHEMA\b", re.IGNORECASE)
_READS = re.compile(r"\s*(?:SELECT|SHOW|DESCRIBE|DESC|EXPLAIN)\b", re.IGNORECASE)


class LeavesScratch(Refused):
    """Something that ran on a scratch database wanted to reach out of it."""


@contextmanager
def fenced(connection: Connection, others: Iterable[str] = ()) -> Iterator[None]:
    """Refuse statements that name another database or are the whole server's, before they are sent.

    It reads statements, and is no wall: whoever wants to hide one can. Cursors of the driver are fenced too.

    :param others: databases that a statement could write to by their names.
    :raises LeavesScratch: there was such a statement.
    """
    check = _checking(connection.dialect.name, others)

    def before(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        check(statement)

    event.listen(connection.engine, "before_cursor_execute", before)
    with ExitStack() as stack:
        stack.callback(event.remove, connection.engine, "before_cursor_execute", before)
        stack.enter_context(_driver_fenced(connection.connection.dbapi_connection, check))
        yield


def _checking(dialect: str, others: Iterable[str]) -> Callable[[str], None]:
    names = frozenset(others)

    # A statement comes here by its engine's event, and again by the driver.
    @lru_cache(maxsize=1)
    def check(statement: str) -> None:
        bare = _TEXT_OR_COMMENT.sub(lambda found: "''" if found["text"] else " ", statement)
        match = _SERVER_WIDE.search(bare)
        if dialect != "postgresql":
            match = match or _MYSQL_SCHEMA.search(bare)
        found = match[0] if match else None
        if names and found is None and not _READS.match(bare):
            found = named_database(bare, names)
        if found is not None:
            raise _refusal(statement, found)

    return check


@contextmanager
def _driver_fenced(raw: Any, check: Callable[[str], None]) -> Iterator[None]:
    """Check what cursors of the driver itself execute, where the driver has a place for it."""
    if hasattr(raw, "cursor_factory"):  # psycopg, psycopg2
        before = raw.cursor_factory
        raw.cursor_factory = _fenced_cursor(before or _cursor_class(raw), check)
        try:
            yield
        finally:
            raw.cursor_factory = before
    elif hasattr(raw, "query"):  # PyMySQL, mysqlclient
        original = raw.query

        def query(sql: Any, *args: Any, **options: Any) -> Any:
            check(_text(sql))
            return original(sql, *args, **options)

        raw.query = query
        try:
            yield
        finally:
            del raw.query
    else:
        yield


def _cursor_class(raw: Any) -> type:
    with raw.cursor() as cursor:
        return type(cursor)


def _fenced_cursor(base: type, check: Callable[[str], None]) -> type:
    def execute(self: Any, query: Any, *args: Any, **options: Any) -> Any:
        check(_text(query))
        return base.execute(self, query, *args, **options)  # type: ignore[attr-defined]

    return type("FencedCursor", (base,), {"execute": execute})


def _text(query: Any) -> str:
    return query.decode(errors="replace") if isinstance(query, bytes | bytearray) else str(query)


def _refusal(statement: str, found: str) -> LeavesScratch:
    shown = " ".join(statement.split())
    shown = shown if len(shown) <= 80 else f"{shown[:79]}…"
    what = " ".join(found.split())
    what = what if len(what) <= 40 else f"{what[:39]}…"
    message = f"{what!r} reaches out of a scratch database, so this cannot run there: {shown}"
    finding = Finding(code=CODE, subject=what.strip(" .`"), severity=Severity.ERROR, message=message)
    return LeavesScratch(message, findings=(finding,))
