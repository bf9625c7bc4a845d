"""Read recorded revisions: which rights on which tables their statements need.

What cannot be read needs nothing, for all that is known. What each statement needs was tried on PostgreSQL 15
and MariaDB 10.11, with every right taken away in turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from alembic.operations.ops import BulkInsertOp

from ..revisions import TableName

if TYPE_CHECKING:
    from ..recording import RecordedOperation, RecordedRevision

OWN = "own"
"""To be the owner, which is what PostgreSQL asks of whoever alters something."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """A right that a statement needs: :data:`OWN`, or a privilege by its name.

    On PostgreSQL ``CREATE`` is about the schema in which ``table`` is or will be, and ``DROP`` is for owners.
    ``revision``, ``file`` and ``line`` say where the statement stands.
    """

    right: str
    table: TableName
    revision: str | None = None
    file: str | None = None
    line: int | None = None


def needs_of(recorded: Iterable[RecordedRevision], family: str) -> tuple[Need, ...]:
    """Give what revisions need on a server, in order, each right on each table once. Read-only.

    It ends where a revision changes who it is, or what that one may.

    :param family: postgresql, mariadb or mysql; SQLite knows no rights on tables.
    """
    found: dict[tuple[str, TableName], Need] = {}
    temporary: set[TableName] = set()
    dropped: set[TableName] = set()  # another one of the name is the plan's own
    for revision in recorded:
        for operation in revision.operations:
            for sql in _texts(operation):
                if _CHANGES_RIGHTS.search(sql):
                    return tuple(found.values())
                for need in _needs(sql, family, temporary):
                    is_own = need.table in temporary or (need.table in dropped and need.right != "CREATE")
                    if family == "postgresql" and need.right == "DROP":
                        dropped.add(need.table)
                    if not is_own:
                        file = str(revision.file)
                        placed = replace(need, revision=revision.revision, file=file, line=operation.line)
                        found.setdefault((need.right, need.table), placed)
    return tuple(found.values())


# -- texts -----------------------------------------------------------------------------------------

_HIDDEN = re.compile(
    r"(?P<text>'(?:[^'\\]|\\.|'')*'|\$(\w*)\$.*?\$\2\$)|--[^\n]*|/\*.*?\*/|(?P<name>\"[^\"]*\"|`[^`]*`)",
    re.DOTALL,
)


def _texts(operation: RecordedOperation) -> Iterator[str]:
    """Give the statements in one line each, without comments and what is in quotes."""
    if isinstance(operation.action, BulkInsertOp):  # of which no statement is recorded
        table = operation.action.table
        parts = (each.replace('"', '""') for each in (table.schema, table.name) if each)
        yield "INSERT INTO " + ".".join(f'"{each}"' for each in parts)
    for sql in operation.statements:
        yield " ".join(_HIDDEN.sub(_shown, sql).split())


def _shown(found: re.Match[str]) -> str:
    return found["name"] or ("''" if found["text"] else " ")


# -- statements ------------------------------------------------------------------------------------

_NAME = r"(?:\"(?:[^\"]|\"\")+\"|`(?:[^`]|``)+`|[^\s\"`.,();']+)"
_DOTTED = rf"{_NAME}(?:\.{_NAME})?"
_TABLE = rf"(?P<table>{_DOTTED})"
_TABLES = rf"(?P<table>{_DOTTED}(?: ?, ?{_DOTTED})*)"
_IF = r"(?:IF (?:NOT )?EXISTS )?"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_CHANGES_RIGHTS = _pattern(
    r"^(?:SET (?:SESSION |LOCAL )?(?:ROLE|SESSION AUTHORIZATION|AUTHORIZATION|SEARCH_PATH)"
    r"|RESET (?:ROLE|SESSION|SEARCH_PATH|ALL)|GRANT|REVOKE|USE|REASSIGN)\b|\bset_config ?\(|\bOWNER TO\b"
)
_TEMPORARY = _pattern(rf"^CREATE (?:OR REPLACE )?(?:GLOBAL |LOCAL )?TEMP(?:ORARY)? TABLE {_IF}{_TABLE}")
_REFERENCES = _pattern(rf"\bREFERENCES {_TABLE}")
_PAIRS = _pattern(rf"{_TABLE} TO (?P<to>{_DOTTED})")
_CREATE_INDEX = (
    r"^CREATE (?:OR REPLACE )?(?:UNIQUE |FULLTEXT |SPATIAL )?INDEX (?:CONCURRENTLY )?"
    rf"{_IF}(?:{_NAME} )?ON (?:ONLY )?{_TABLE}"
)
_OF_BOTH = (
    (rf"^CREATE (?:OR REPLACE )?(?:UNLOGGED )?TABLE {_IF}{_TABLE}", ("CREATE",)),
    (rf"^DROP TABLE {_IF}{_TABLES}", ("DROP",)),
    (rf"^(?:INSERT|REPLACE)(?: IGNORE)?(?: INTO)? {_TABLE}", ("INSERT",)),
    (rf"^UPDATE (?:ONLY )?{_TABLE} (?:AS )?(?:{_NAME} )?SET\b", ("UPDATE",)),
    (rf"^DELETE FROM (?:ONLY )?{_TABLE}", ("DELETE",)),
)
_OF_POSTGRESQL = (
    (rf"^ALTER TABLE {_IF}(?:ONLY )?{_TABLE}", (OWN,)),
    # What makes a name, an index or a sequence needs the schema as well.
    (
        rf"^ALTER TABLE {_IF}(?:ONLY )?{_TABLE} (?:RENAME TO |ADD (?:CONSTRAINT {_NAME} )?"
        r"(?:UNIQUE|PRIMARY KEY|EXCLUDE)\b(?! USING INDEX)"
        rf"|ADD (?:COLUMN )?{_IF}(?!COLUMN ){_NAME} (?:SMALL|BIG)?SERIAL\b)",
        ("CREATE",),
    ),
    (_CREATE_INDEX, (OWN, "CREATE")),
    (rf"^ALTER (?:INDEX|SEQUENCE|(?:MATERIALIZED )?VIEW) {_IF}{_TABLE}", (OWN,)),
    (rf"^DROP (?:INDEX(?: CONCURRENTLY)?|SEQUENCE|(?:MATERIALIZED )?VIEW) {_IF}{_TABLES}", ("DROP",)),
    (rf"^CREATE (?:OR REPLACE )?(?:TYPE|SEQUENCE|(?:MATERIALIZED )?VIEW) {_IF}{_TABLE}", ("CREATE",)),
    (rf"^COMMENT ON TABLE {_TABLE}", (OWN,)),
    (rf"^TRUNCATE (?:TABLE )?(?:ONLY )?{_TABLES}", ("TRUNCATE",)),
)
_OF_MARIADB = (
    (rf"^ALTER (?:ONLINE )?(?:IGNORE )?TABLE {_IF}{_TABLE}", ("ALTER",)),
    (_CREATE_INDEX, ("INDEX",)),
    (rf"^DROP INDEX {_IF}{_NAME} ON {_TABLE}", ("INDEX",)),
    (rf"^TRUNCATE (?:TABLE )?{_TABLE}", ("DROP",)),
    (rf"^CREATE (?:OR REPLACE )?VIEW {_IF}{_TABLE}", ("CREATE VIEW",)),
)
_RENAMES = (r"^RENAME TABLES? (.*)$", rf"^ALTER TABLE ({_DOTTED} )RENAME (TO .*)$")

Patterns = tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]
_MYSQL: Patterns = tuple((_pattern(text), rights) for text, rights in (*_OF_BOTH, *_OF_MARIADB))
_PATTERNS: dict[str, Patterns] = {
    "postgresql": tuple((_pattern(text), rights) for text, rights in (*_OF_BOTH, *_OF_POSTGRESQL)),
    "mariadb": _MYSQL,
    "mysql": _MYSQL,
}


def _needs(sql: str, family: str, temporary: set[TableName]) -> Iterator[Need]:
    made = _TEMPORARY.match(sql)
    if made is not None:
        temporary.add(_name(made["table"], family))
        return
    for pattern, rights in _PATTERNS.get(family, ()):
        found = pattern.match(sql)
        for table in re.findall(_DOTTED, found["table"]) if found is not None else ():
            yield from (Need(right=right, table=_name(table, family)) for right in rights)
    if family in _PATTERNS and sql.upper().startswith(("CREATE TABLE", "ALTER TABLE")):
        for named in _REFERENCES.finditer(sql):
            yield Need(right="REFERENCES", table=_name(named["table"], family))
    if family in ("mariadb", "mysql"):
        yield from _renaming(sql, family)


def _renaming(sql: str, family: str) -> Iterator[Need]:
    """Give what renaming needs on MariaDB and MySQL: as if the table were dropped, and another one made."""
    for text in _RENAMES:
        renames = _pattern(text).match(sql)
        for pair in _PAIRS.finditer("".join(renames.groups()) if renames is not None else ""):
            old, new = _name(pair["table"], family), _name(pair["to"], family)
            yield from (Need(right=right, table=old) for right in ("ALTER", "DROP"))
            yield from (Need(right=right, table=new) for right in ("CREATE", "INSERT"))


def _name(text: str, family: str) -> TableName:
    parts = [_unquoted(each, family) for each in re.findall(_NAME, text)]
    return TableName(parts[-2] if len(parts) > 1 else None, parts[-1])


def _unquoted(name: str, family: str) -> str:
    if name[0] in '"`':
        return name[1:-1].replace(name[0] * 2, name[0])
    return name.lower() if family == "postgresql" else name
