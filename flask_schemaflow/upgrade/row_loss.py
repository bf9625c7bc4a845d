"""Notice rows that are gone although no statement of a revision deletes from their table.

A DELETE takes the rows of other tables along by ON DELETE CASCADE, a TRUNCATE … CASCADE whole tables, a
trigger or a rebuilt table whatever it says. What other sessions do meanwhile does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from ..acceptable import UNEXPLAINED
from ..errors import Undone
from ..findings import Finding, Severity

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from .run import Run

BindKey = str | None


@dataclass(frozen=True)
class _Table:
    """A table at one moment: its names (its own, and of what it is a part of), its file, its counts."""

    names: frozenset[str]
    subject: str
    file: int = 0
    deleted: int = 0
    rows: float = 0


Tables = Mapping[object, _Table]


@dataclass
class _Watched:
    """What was seen of one database since the last point."""

    before: Tables = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)


class RowWatch:
    """Looks at the rows of databases before and after revisions."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._watched: dict[BindKey, _Watched] = {}

    @contextmanager
    def watching(self, key: BindKey, connection: Connection) -> Iterator[None]:
        """Note the statements of a connection inside the block."""
        watched = self._watched.setdefault(key, _Watched())

        def noted(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
            watched.statements.append(statement)

        event.listen(connection.engine, "before_cursor_execute", noted)
        try:
            yield
        finally:
            event.remove(connection.engine, "before_cursor_execute", noted)

    def begin(self, key: BindKey, connection: Connection) -> None:
        """Look at the rows before a revision (SQLite: before all of them). Read-only."""
        if key in self._watched:
            self._watched[key].before = self._tables(key, connection)
            self._watched[key].statements.clear()

    def check(self, key: BindKey, connection: Connection, what: str) -> None:
        """Look at the rows afterwards. Read-only.

        :param what: what ran, for the message.
        :raises Undone: rows are gone that no statement deleted; see ``--accept``.
        """
        if key not in self._watched:
            return
        watched = self._watched[key]
        statements = [*watched.statements]
        losses = _LOSSES[connection.dialect.name](watched.before, self._tables(key, connection), statements)
        accepted = {*self._run.options.accept, *self._run.survey.settings.accept}
        # What was undone to a savepoint counts as deleted all the same.
        is_sure = not any(_TO_SAVEPOINT.match(each) for each in statements)
        found = tuple(_finding(subject, says, what) for subject, says in losses)
        refused = tuple(each for each in found if is_sure and each.key not in accepted)
        self._run.progress.findings.extend(_warning(each) for each in found if each not in refused)
        if refused:
            raise Undone(f"{refused[0].message} {refused[0].hint}", findings=refused)

    def _tables(self, key: BindKey, connection: Connection) -> Tables:
        books = {name.name for name in self._run.survey.bookkeeping[key]}
        found = _TABLES[connection.dialect.name](connection)
        return {each: table for each, table in found.items() if not books & table.names}


def _finding(subject: str, says: str, what: str) -> Finding:
    return Finding(
        code=UNEXPLAINED,
        subject=subject,
        severity=Severity.ERROR,
        message=f"{what} lost rows of {subject} that no statement of it deletes: {says}.",
        hint="If that is meant, delete them by a statement of their own, or say "
        f"--accept {UNEXPLAINED}:{subject}.",
    )


def _warning(finding: Finding) -> Finding:
    return Finding(**{**vars(finding), "severity": Severity.WARNING})


# -- what statements say ---------------------------------------------------------------------------

_WORD = r'(?:"(?:[^"]|"")+"|`[^`]+`|\[[^\]]+\]|[\w$]+)'
_NAME = rf"{_WORD}(?:\s*\.\s*{_WORD})?"
_DELETES = re.compile(
    r"\b(?:DELETE\s+FROM(?:\s+ONLY)?|MERGE\s+INTO(?:\s+ONLY)?|REPLACE\s+INTO|INSERT\s+OR\s+REPLACE\s+INTO"
    rf"|UPDATE\s+OR\s+REPLACE)\s+({_NAME})",
    re.IGNORECASE,
)
_TRUNCATES = re.compile(
    rf"\bTRUNCATE\s+(?:TABLE\s+)?(?:ONLY\s+)?({_NAME}(?:\s*\*?\s*,\s*(?:ONLY\s+)?{_NAME})*)", re.IGNORECASE
)
_DROPS = re.compile(rf"\bDROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?({_NAME})", re.IGNORECASE)
_RENAMES_TO = re.compile(rf"\bRENAME\s+TO\s+({_NAME})", re.IGNORECASE)
_TO_SAVEPOINT = re.compile(r"\s*ROLLBACK\s+TO\b", re.IGNORECASE)
_MOVES_ROWS = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)


def _named(pattern: re.Pattern[str], statements: Iterable[str]) -> set[str]:
    """Give the tables that statements name in one place, without their schemas, in lower case."""
    lists = (found for each in statements for found in pattern.findall(each))
    names = (name for found in lists for name in re.findall(_NAME, found))
    return {re.findall(_WORD, name)[-1].strip('"`[]').replace('""', '"').lower() for name in names}


# -- PostgreSQL ------------------------------------------------------------------------------------

# The counts are of this session's transaction, and of those before that were not told the others yet
# (https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-VIEWS).
_POSTGRESQL = """
WITH RECURSIVE above (oid, ancestor) AS (
    SELECT inhrelid, inhparent FROM pg_inherits
    UNION SELECT above.oid, inhparent FROM above JOIN pg_inherits ON inhrelid = ancestor
)
SELECT c.oid, c.relname, CASE WHEN n.nspname = current_schema() THEN c.relname
    ELSE n.nspname || '.' || c.relname END AS subject, c.relfilenode AS file,
    pg_stat_get_xact_tuples_deleted(c.oid) AS deleted, pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
    greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)) AS rows,
    CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::regclass::text END AS root,
    ARRAY(SELECT p.relname::text FROM above JOIN pg_class AS p ON p.oid = ancestor WHERE above.oid = c.oid)
        AS ancestors
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind = 'r' AND relpersistence <> 't' AND nspname NOT IN ('pg_catalog', 'information_schema')
    AND nspname !~ '^pg_(toast|temp)'
"""


def _tables_of_postgresql(connection: Connection) -> dict[object, _Table]:
    found: dict[object, _Table] = {}
    for row in connection.exec_driver_sql(_POSTGRESQL.replace("%", "%%")):
        names = frozenset(name.lower() for name in (row.relname, *row.ancestors))
        if row.root is None:
            found[row.oid] = _Table(names, row.subject, row.file, row.deleted, row.rows)
            continue
        # An UPDATE moves rows between partitions, as deletions here and insertions there.
        found[row.oid] = _Table(names, row.subject, row.file, rows=row.rows)
        whole = found.get(row.root, _Table(frozenset(), row.root))
        found[row.root] = _Table(
            whole.names | names, row.root, deleted=whole.deleted + row.deleted - row.inserted
        )
    return found


def _losses_on_postgresql(before: Tables, after: Tables, statements: list[str]) -> Iterator[tuple[str, str]]:
    deleted_from = _named(_DELETES, statements) | _named(_TRUNCATES, statements)
    changed = " ".join(each for each in statements if not _MOVES_ROWS.match(each)).lower()
    for oid, now in after.items():
        then = before.get(oid)
        if then is None or deleted_from & (then.names | now.names):
            continue
        if now.deleted > then.deleted:
            yield now.subject, f"{now.deleted - then.deleted} rows, by ON DELETE CASCADE or a trigger"
        elif now.file != then.file and then.rows > 0 and not _mentions(changed, then.names | now.names):
            yield now.subject, "it was emptied or written anew, by TRUNCATE … CASCADE or a function"


def _mentions(text: str, names: Iterable[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in names)


# -- SQLite ----------------------------------------------------------------------------------------


def _tables_of_sqlite(connection: Connection) -> dict[object, _Table]:
    found: dict[object, _Table] = {}
    names = connection.exec_driver_sql(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"
    ).scalars()
    for name in [*names]:
        quoted = connection.dialect.identifier_preparer.quote_identifier(name)
        with suppress(DBAPIError):  # a virtual table whose module is not here
            rows = connection.exec_driver_sql(f"SELECT count(*) FROM {quoted}").scalar_one()
            found[name.lower()] = _Table(frozenset({name.lower()}), name, rows=rows)
    return found


def _losses_on_sqlite(before: Tables, after: Tables, statements: list[str]) -> Iterator[tuple[str, str]]:
    """Find the tables with fewer rows; one that was rebuilt under its own name was dropped for that only."""
    dropped = _named(_DROPS, statements) - _named(_RENAMES_TO, statements)
    explained = _named(_DELETES, statements) | dropped
    for name, now in after.items():
        then = before.get(name)
        if then is not None and now.rows < then.rows and name not in explained:
            yield now.subject, f"{then.rows - now.rows} of {then.rows} rows"


def _no_losses(_before: Tables, _after: Tables, _statements: list[str]) -> Iterator[tuple[str, str]]:
    return iter(())


def _no_tables(_connection: Connection) -> dict[object, _Table]:
    return {}


_TABLES = {
    "postgresql": _tables_of_postgresql,
    "sqlite": _tables_of_sqlite,
    "mysql": _no_tables,
    "mariadb": _no_tables,
}
_LOSSES = {
    "postgresql": _losses_on_postgresql,
    "sqlite": _losses_on_sqlite,
    "mysql": _no_losses,
    "mariadb": _no_losses,
}
