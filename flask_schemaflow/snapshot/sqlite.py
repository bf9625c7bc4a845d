"""Read the structure of a SQLite database: two catalog queries, however many tables."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from .sqlite_grammar import Clause, TableText, read_index, read_table
from .sqlite_tokens import UnreadableText, element_of, names_in, normal_text, tokens_of
from .structure import Object, Part, Snapshot, folded

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_MASTER = (
    "SELECT type, name, tbl_name, sql FROM sqlite_master "
    "WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
)
_COLUMNS = (
    'SELECT m.name, c.name, c."notnull", c.pk FROM sqlite_master AS m '
    "JOIN pragma_table_xinfo(m.name) AS c "
    "WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%' AND c.hidden <> 1 "
    "ORDER BY m.name, c.cid"
)
_VIRTUAL = re.compile(r"\s*CREATE\s+VIRTUAL\s", re.IGNORECASE)
_FTS3 = "content segments segdir stat docsize".split()
_RTREE = "node rowid parent".split()
# The tables behind virtual tables, by module (https://sqlite.org/fts3.html, fts5.html, rtree.html).
_SHADOWS = {
    "fts3": _FTS3,
    "fts4": _FTS3,
    "fts5": "data idx content docsize config".split(),
    "rtree": _RTREE,
    "rtree_i32": _RTREE,
    "geopoly": _RTREE,
}


class _Entry(NamedTuple):
    """A row of ``sqlite_master``."""

    type: str
    name: str
    table: str
    sql: str


class _Seen(NamedTuple):
    """What SQLite itself says of a column."""

    name: str
    not_null: bool
    in_key: bool


def snapshot_sqlite(connection: Connection) -> Snapshot:
    """Read all tables, indexes, triggers and views. Read-only."""
    entries = [_Entry(*row) for row in connection.exec_driver_sql(_MASTER).all()]
    seen: dict[str, list[_Seen]] = defaultdict(list)
    for table, name, not_null, key in connection.exec_driver_sql(_COLUMNS).all():
        seen[table].append(_Seen(name, bool(not_null), bool(key)))
    belonging: dict[str, list[Part]] = defaultdict(list)
    for entry in entries:
        if entry.type in ("index", "trigger"):
            belonging[_folded(entry.table)].append(
                _index(entry) if entry.type == "index" else _trigger(entry)
            )
    shadows = set(_shadow_names(entries))
    objects = [
        _table(entry, seen[entry.name], belonging[_folded(entry.name)])
        for entry in entries
        if entry.type == "table" and _folded(entry.name) not in shadows
    ]
    objects += [
        Object(
            kind="view",
            name=entry.name,
            facts={"definition": normal_text(entry.sql)},
            parts=tuple(belonging[_folded(entry.name)]),
            definition=entry.sql,
            uses=frozenset((None, name) for name in names_in(entry.sql)),
        )
        for entry in entries
        if entry.type == "view"
    ]
    return Snapshot(
        family="sqlite",
        server_version=sqlite3.sqlite_version_info,
        objects=tuple(_with_resolved_keys(objects)),
    )


def _shadow_names(entries: Iterable[_Entry]) -> Iterator[str]:
    for entry in entries:
        if _VIRTUAL.match(entry.sql):
            words = [token.text for token in tokens_of(entry.sql) if token.kind in ("word", "name")]
            module = words[words.index("USING") + 1].lower()
            yield from (_folded(f"{entry.name}_{suffix}") for suffix in _SHADOWS.get(module, ()))


def _folded(name: str) -> str:
    return folded(name, "sqlite")


def _index(entry: _Entry) -> Part:
    try:
        text = read_index(entry.sql)
    except UnreadableText:
        facts = {"definition": normal_text(entry.sql)}
    else:
        facts = {"columns": ", ".join(text.elements)}
        if text.unique:
            facts["unique"] = "yes"
        if text.where is not None:
            facts["where"] = text.where
    return Part(kind="index", name=entry.name, facts=facts, definition=entry.sql)


def _trigger(entry: _Entry) -> Part:
    return Part(
        kind="trigger",
        name=entry.name,
        facts={"definition": normal_text(entry.sql)},
        definition=entry.sql,
    )


def _table(entry: _Entry, seen: list[_Seen], belonging: list[Part]) -> Object:
    text = _read_as_sqlite_does(entry, seen)
    if text is None:
        facts, parts = {"definition": normal_text(entry.sql)}, belonging
    else:
        facts = {"options": ", ".join(text.options)} if text.options else {}
        parts = [*_parts(text), *belonging]
    return Object(kind="table", name=entry.name, facts=facts, parts=tuple(parts), definition=entry.sql)


def _read_as_sqlite_does(entry: _Entry, seen: list[_Seen]) -> TableText | None:
    """Read a table's text; None where it is compared as a whole, since it reads otherwise."""
    if _VIRTUAL.match(entry.sql):
        return None
    try:
        text = read_table(entry.sql)
    except UnreadableText:
        return None
    return text if _agrees(text, seen) else None


def _agrees(text: TableText, seen: list[_Seen]) -> bool:
    """Say whether our reading of the text is SQLite's: names, NOT NULL and key of each column."""
    key = _with_beginnings(element for clause in _clauses(text, "primary-key") for element in clause.columns)
    ours = [
        _Seen(
            column.name,
            any(clause.kind == "not-null" for clause in column.clauses),
            element_of(column.name) in key,
        )
        for column in text.columns
    ]
    if "WITHOUT ROWID" in text.options:  # key columns are NOT NULL there without being written so
        ours, seen = ([_Seen(n, not_null or key, key) for n, not_null, key in each] for each in (ours, seen))
    return ours == seen


def _with_beginnings(elements: Iterable[str]) -> frozenset[str]:
    """Give the elements of a key, and what each begins with: a column may have an order there."""
    return frozenset(
        element[:end]
        for element in elements
        for end in (*(at for at, letter in enumerate(element) if letter == " "), len(element))
    )


def _clauses(text: TableText, kind: str) -> Iterator[Clause]:
    for column in text.columns:
        yield from (clause for clause in column.clauses if clause.kind == kind)
    yield from (clause for clause in text.clauses if clause.kind == kind)


def _parts(text: TableText) -> Iterator[Part]:
    implied = _columns_never_null(text)
    for position, column in enumerate(text.columns):
        facts = {"type": column.type, "position": str(position)}
        if column.name in implied:
            facts["nullable"] = "no"
        for clause in column.clauses:
            if clause.kind in ("default", "collate", "generated"):
                facts.update(clause.words)
            elif clause.kind == "not-null" and column.name not in implied:
                facts["nullable"] = "no"
                facts.update(clause.words)
        yield Part(kind="column", name=column.name, facts=facts)
    for kind in ("primary-key", "unique", "foreign-key", "check"):
        for clause in _clauses(text, kind):
            yield _constraint(clause)


def _constraint(clause: Clause) -> Part:
    facts = dict(clause.words)
    if clause.columns:
        facts["columns"] = ", ".join(clause.columns)
    return Part(kind=clause.kind, name=clause.name, facts=facts)


def _columns_never_null(text: TableText) -> frozenset[str]:
    """Columns for which NOT NULL says nothing: a rowid alias, and the key of a table WITHOUT ROWID.

    (https://sqlite.org/lang_createtable.html#rowid)
    """
    for clause in _clauses(text, "primary-key"):
        elements = _with_beginnings(clause.columns)
        in_key = {column.name for column in text.columns if element_of(column.name) in elements}
        if "WITHOUT ROWID" in text.options:
            return frozenset(in_key)
        types = {column.name: column.type for column in text.columns}
        alias = len(clause.columns) == 1 and "inline-desc" not in clause.words
        if alias and all(types[name] == "INTEGER" for name in in_key):
            return frozenset(in_key)
    return frozenset()


def _with_resolved_keys(objects: list[Object]) -> Iterator[Object]:
    """Write out what foreign keys say: the parent as it is spelled, and its key where none is named."""
    parents = {_folded(each.name): each for each in objects}
    for each in objects:
        if any(part.kind == "foreign-key" for part in each.parts):
            yield replace(each, parts=tuple(_resolved(part, parents) for part in each.parts))
        else:
            yield each


def _resolved(part: Part, parents: Mapping[str, Object]) -> Part:
    if part.kind != "foreign-key":
        return part
    parent = parents.get(_folded(part.facts["table"]))
    if parent is None:
        return part
    facts = {**part.facts, "table": parent.name}
    keys = [each.facts.get("columns", "") for each in parent.parts if each.kind == "primary-key"]
    if "references" not in facts and keys:
        facts["references"] = keys[0]
    return replace(part, facts=facts)
