"""Read raw SQL: what a statement does to tables and rows.

DDL is read word by word, what can lose no row is recognised by its first words; the rest is parsed by
sqlglot, which is loaded only then, and whose trees name things differently from version to version.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..revisions import TableName
from .ddl import effects_of_ddl
from .effect import (
    NOWHERE,
    ChangesEveryRow,
    ChangesRows,
    CopiesRows,
    CreatesTable,
    Effect,
    MakesPart,
    NamesTwice,
    RenamesTable,
    Unreadable,
    twice,
)
from .words import statements_in

_COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)+", re.DOTALL)
# The body of a routine or trigger has statements of its own, which do not run now.
_DEFINES = re.compile(
    r"CREATE\s+(?:OR\s+REPLACE\s+|TEMP\s+|TEMPORARY\s+|CONSTRAINT\s+|DEFINER\s*=\s*\S+\s+)*"
    r"(?:(TRIGGER)\s+(?:IF\s+NOT\s+EXISTS\s+)?(\"[^\"]+\"|`[^`]+`|\[[^\]]+\]|\w+)|FUNCTION|PROCEDURE|EVENT\b)",
    re.IGNORECASE,
)
# Such a body is in no quotes (https://www.postgresql.org/docs/current/sql-createfunction.html).
_UNQUOTED_BODY = re.compile(r"\bBEGIN\s+ATOMIC\b", re.IGNORECASE)
_HARMLESS = re.compile(
    r"(?:SELECT|SHOW|SET|RESET|PRAGMA|ANALYZE|REINDEX|VACUUM|COMMENT|GRANT|REVOKE|LOCK|EXPLAIN"
    r"|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|START|NOTIFY"
    r"|CREATE\s+(?:EXTENSION|TYPE|DOMAIN|SEQUENCE|SCHEMA|VIEW|OR\s+REPLACE\s+VIEW|MATERIALIZED|STATISTICS|POLICY|ROLE)"
    r"|ALTER\s+(?:INDEX|SEQUENCE|VIEW|TYPE|FUNCTION|DEFAULT|EXTENSION|POLICY|ROLE|DATABASE)"
    r"|DROP\s+(?:VIEW|MATERIALIZED|FUNCTION|PROCEDURE|TYPE|SEQUENCE|POLICY|EXTENSION))\b",
    re.IGNORECASE,
)
_RENAMES = re.compile(r"RENAME\s+TABLES?\s+(.*)", re.IGNORECASE | re.DOTALL)
_PAIR = re.compile(r"\s*`?([^`\s]+)`?\s+TO\s+`?([^`\s]+)`?\s*", re.IGNORECASE)
_DIALECTS = {"postgresql": "postgres", "mariadb": "mysql"}


def effects_of_sql(sql: str, dialect: str) -> Iterator[Effect]:
    """Say what raw SQL does; what cannot be read is an effect too.

    :param dialect: SQLAlchemy's name of the engine.
    """
    text = sql[m.end() :] if (m := _COMMENTS.match(sql)) else sql
    bodies_are_quoted = dialect == "postgresql" and not _UNQUOTED_BODY.search(text)
    if not bodies_are_quoted and (defines := _DEFINES.match(text)) is not None:
        yield from _defined(defines)
        return
    for tokens, statement in statements_in(text):
        defines = _DEFINES.match(statement) if bodies_are_quoted else None
        known = effects_of_ddl(tokens)
        if defines is not None:
            yield from _defined(defines)
        else:
            yield from known if known is not None else _others(statement, dialect)


def _defined(defines: re.Match[str]) -> Iterator[Effect]:
    """Give the trigger that is made; a routine does nothing by itself."""
    if defines[1]:
        yield MakesPart(NOWHERE, "trigger", _unquoted(defines[2]))


def _others(sql: str, dialect: str) -> Iterator[Effect]:
    renames = _RENAMES.match(sql)
    if renames is not None:
        yield from _renamed(renames[1], sql)
    elif not _HARMLESS.match(sql):
        for tree in _parsed(sql, dialect):
            yield from (Unreadable(NOWHERE, sql),) if tree is None else _effects(tree, sql)


def _unquoted(name: str) -> str:
    return name[1:-1] if name[0] in '"`[' else name


def _renamed(text: str, sql: str) -> Iterator[Effect]:
    for part in text.rstrip("; \n").split(","):
        pair = _PAIR.fullmatch(part)
        if pair is None:
            yield Unreadable(NOWHERE, sql)
        else:
            yield RenamesTable(TableName(None, pair[1]), TableName(None, pair[2]))


def _parsed(text: str, dialect: str) -> list[Any]:
    import sqlglot
    from sqlglot.errors import SqlglotError

    with _quiet():
        try:
            trees = sqlglot.parse(text, dialect=_DIALECTS.get(dialect, dialect))
        except (SqlglotError, RecursionError):
            return [None]
    return [tree for tree in trees if tree is not None]


@contextmanager
def _quiet() -> Iterator[None]:
    # It warns of what it does not know, which is a finding of ours.
    logger = logging.getLogger("sqlglot")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


# -- trees -----------------------------------------------------------------------------------------


def _effects(tree: Any, sql: str) -> Iterator[Effect]:
    from sqlglot import exp

    inner = tree.args.get("with_") or tree.args.get("with")
    for each in inner.expressions if inner is not None else ():
        if isinstance(each.this, exp.Update | exp.Delete | exp.Insert):
            yield from _effects(each.this, sql)
    way = _WAYS.get(type(tree).__name__)
    if way is not None:
        yield from way(tree, sql)
    elif not isinstance(tree, exp.Query):
        yield Unreadable(NOWHERE, sql)


def _created(tree: Any, sql: str) -> Iterator[Effect]:
    kind = str(tree.args.get("kind") or "").upper()
    if kind == "TABLE":
        table = _table(tree.this)
        yield CreatesTable(table, if_not_exists=bool(tree.args.get("exists")))
        yield from _copied(tree, table)
    else:
        yield Unreadable(NOWHERE, sql)


def _inserted(tree: Any, _sql: str) -> Iterator[Effect]:
    yield from _copied(tree, _table(tree.this))
    yield ChangesRows(_table(tree.this), inserts=True)
    yield from _named_twice(tree, getattr(tree.this, "expressions", ()))


def _copied(tree: Any, target: TableName) -> Iterator[Effect]:
    from sqlglot import exp

    source = tree.args.get("expression")
    if source is not None and not isinstance(source, exp.Values):
        yield from (CopiesRows(_table(each), target) for each in source.find_all(exp.Table))


def _updated(tree: Any, _sql: str) -> Iterator[Effect]:
    from sqlglot import exp

    sides = [each.this for each in tree.expressions if isinstance(each, exp.EQ)]
    yield ChangesRows(_table(tree.this))
    # A part of a column (a.x, a[1]) may be named beside another one.
    whole = [each for side in sides for each in (side.expressions if isinstance(side, exp.Tuple) else [side])]
    yield from _named_twice(
        tree, (each.this for each in whole if isinstance(each, exp.Column) and not each.table)
    )
    if _is_unfiltered(tree):
        columns = (column.name for side in sides for column in side.find_all(exp.Column))
        yield ChangesEveryRow(_table(tree.this), deletes=False, columns=tuple(columns))


def _named_twice(tree: Any, identifiers: Iterable[Any]) -> Iterator[Effect]:
    names = (each.name if each.args.get("quoted") else each.name.lower() for each in identifiers)
    yield from (NamesTwice(_table(tree.this), each) for each in twice(names))


def _deleted(tree: Any, _sql: str) -> Iterator[Effect]:
    yield ChangesRows(_table(tree.this))
    if _is_unfiltered(tree):
        yield ChangesEveryRow(_table(tree.this), deletes=True, columns=())


def _is_unfiltered(tree: Any) -> bool:
    from sqlglot import exp

    where = tree.args.get("where")
    if tree.args.get("using") or tree.args.get("limit") or tree.this.args.get("joins"):
        return False
    # "WHERE 1 = 1" asks no row anything.
    return where is None or where.find(exp.Column, exp.Query, exp.Placeholder, exp.Parameter) is None


def _table(tree: Any) -> TableName:
    from sqlglot import exp

    found = tree if isinstance(tree, exp.Table) else tree.find(exp.Table)
    if found is None:
        return TableName(None, tree.name)
    return TableName(found.db or None, found.name)


_WAYS: dict[str, Any] = {
    "Create": _created,
    "Insert": _inserted,
    "Update": _updated,
    "Delete": _deleted,
    "Pragma": lambda _tree, _sql: iter(()),
    "Comment": lambda _tree, _sql: iter(()),
    "Set": lambda _tree, _sql: iter(()),
}
