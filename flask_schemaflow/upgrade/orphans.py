"""Find rows that point at nothing, after revisions ran with SQLite's foreign keys off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from ..errors import Undone
from ..findings import Finding, Severity
from ..session import reading_connection

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..discovery import Bind
    from .run import Run


def check_foreign_keys(run: Run, bind: Bind, connection: Connection) -> None:
    """Check that no row points at nothing; SQLite's keys are off while revisions run.

    What was broken before, seen through a second connection, stays what it was.
    """
    if connection.dialect.name != "sqlite":
        return
    try:
        now = _violations(connection)
    except DBAPIError as error:
        run.progress.findings.append(_mismatch(bind, error))
        return
    new = dict(_new_violations(now, _violations_before(bind))) if now else {}
    if new:
        (child, parent), number = next(iter(new.items()))
        findings = tuple(_orphans(*tables, rows) for tables, rows in new.items())
        raise Undone(
            f"After the revisions {number} rows of {child} point at rows of {parent} that are not there. "
            "While revisions run foreign keys are off, so ON DELETE CASCADE does nothing: delete the rows "
            "of the child table first.",
            findings=findings,
        )


def _violations(connection: Connection) -> Counter[tuple[str, str]]:
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check")
    return Counter((child, parent) for child, _rowid, parent, _key in rows)


def _violations_before(bind: Bind) -> Counter[tuple[str, str]]:
    try:
        with reading_connection(bind.engine) as connection:
            return _violations(connection)
    except DBAPIError:
        return Counter()


def _new_violations(
    now: Counter[tuple[str, str]], before: Counter[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], int]]:
    if now.total() <= before.total() and not now.keys() & before.keys():
        return  # the tables were renamed
    yield from ((tables, rows - before[tables]) for tables, rows in now.items() if rows > before[tables])


def _orphans(child: str, parent: str, rows: int) -> Finding:
    return Finding(
        code="orphaned-rows",
        subject=child,
        severity=Severity.ERROR,
        message=f"{rows} rows point at rows of {parent} that are not there.",
    )


def _mismatch(bind: Bind, error: DBAPIError) -> Finding:
    return Finding(
        code="foreign-keys-not-checked",
        subject=bind.label,
        message=f"SQLite cannot check the foreign keys: {error.orig}.",
        hint="A foreign key names columns that are no key of the other table.",
    )
