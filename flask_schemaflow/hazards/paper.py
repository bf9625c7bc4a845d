"""Tables as operations leave them one after the other, on paper, beginning with the real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..snapshot import Object, Part, Snapshot, folded
from ..snapshot.structure import facts_of
from .effect import (
    AddsColumn,
    AddsKey,
    ChangesType,
    Column,
    CreatesTable,
    DropsColumn,
    DropsPart,
    DropsTable,
    Effect,
    Key,
    MakesIndex,
    RenamesColumn,
    RenamesTable,
    SetsDefault,
    SetsNullable,
    Validates,
)
from .parts import bare, columns_of

if TYPE_CHECKING:
    from ..revisions import TableName

Name = tuple[str | None, str]


class Paper:
    """What is known of tables while revisions are read.

    :param spelled: gives a name without the default schema.
    """

    def __init__(self, snapshot: Snapshot, spelled: Callable[[TableName], TableName]) -> None:
        self.family, self._start, self._spelled = snapshot.family, snapshot, spelled
        self._tables: dict[Name, Object] = {self._key_of(each): each for each in snapshot.tables}
        self._loose = {(schema, name.lower()): (schema, name) for schema, name in self._tables}

    def find(self, name: TableName) -> Object | None:
        """Give a table as it is now; None where nothing is known of it."""
        return self._tables.get(self._key(name))

    def snapshot(self) -> Snapshot:
        """Give all tables as they are now."""
        others = tuple(each for each in self._start.objects if each.kind != "table")
        return replace(self._start, objects=(*others, *self._tables.values()))

    def note(self, effect: Effect) -> None:
        """Go on behind an operation."""
        key = self._key(effect.table)
        table = self._tables.get(key)
        if isinstance(effect, CreatesTable):
            if table is None or not effect.if_not_exists:
                self._put(key, _made(effect))
        elif isinstance(effect, DropsPart | Validates) and table is None:
            for other, found in list(self._tables.items()):
                self._tables[other] = self._changed(found, effect)
        elif table is not None:
            if isinstance(effect, DropsTable):
                del self._tables[key]
            elif isinstance(effect, RenamesTable):
                del self._tables[key]
                to = self._spelled(effect.to)
                self._put(self._key(to), replace(table, schema=to.schema, name=to.name))
            else:
                self._tables[key] = self._changed(table, effect)

    def _put(self, key: Name, table: Object) -> None:
        self._tables[key] = table
        self._loose[key[0], key[1].lower()] = key

    def _key(self, name: TableName) -> Name:
        spelled = self._spelled(name)
        key = (spelled.schema, folded(spelled.name, self.family))
        return key if key in self._tables else self._loose.get((spelled.schema, spelled.name.lower()), key)

    def _key_of(self, table: Object) -> Name:
        return table.schema, folded(table.name, self.family)

    def _changed(self, table: Object, effect: Effect) -> Object:
        way = _WAYS.get(type(effect))
        return table if way is None else replace(table, parts=way(table.parts, effect))


Parts = tuple[Part, ...]


def _made(effect: CreatesTable) -> Object:
    columns = tuple(map(_column, effect.columns_said))
    parts = (*columns, *map(_key_part, effect.keys))
    return Object(kind="table", schema=effect.table.schema, name=effect.table.name, parts=parts)


def _column(said: Column) -> Part:
    facts = {
        "type": said.type,
        "nullable": None if said.nullable else "no",
        "default": said.default,
        "generated": said.generated,
        "autoincrement": "yes" if said.counts else None,
    }
    return Part(kind="column", name=said.name, facts=facts_of(facts))


def _key_part(key: Key) -> Part:
    facts = {
        "columns": ", ".join(key.columns) or None,
        "expression": key.expression or None,
        "table": key.refers.name if key.refers else None,
        "references": ", ".join(key.refers_columns) or None,
        "not-valid": "yes" if key.not_valid else None,
    }
    return Part(kind=key.kind, name=key.name, named=key.name is not None, facts=facts_of(facts))


def _column_added(parts: Parts, effect: AddsColumn) -> Parts:
    return (*parts, _column(effect.said), *map(_key_part, effect.said.keys))


def _column_dropped(parts: Parts, effect: DropsColumn) -> Parts:
    return tuple(
        part
        for part in parts
        if not (part.kind == "column" and part.name == effect.column)
        and effect.column not in (columns_of(part) or ())
    )


def _column_renamed(parts: Parts, effect: RenamesColumn) -> Parts:
    def renamed(part: Part) -> Part:
        if part.kind == "column":
            return replace(part, name=effect.to) if part.name == effect.column else part
        columns = columns_of(part)
        if columns is None or effect.column not in columns:
            return part
        names = (effect.to if each == effect.column else each for each in columns)
        return replace(part, facts={**part.facts, "columns": ", ".join(names)})

    return tuple(map(renamed, parts))


def _with_facts(parts: Parts, column: str, facts: Mapping[str, str | None]) -> Parts:
    return tuple(
        replace(part, facts=facts_of({**part.facts, **facts}))
        if part.kind == "column" and part.name == column
        else part
        for part in parts
    )


def _index_made(parts: Parts, effect: MakesIndex) -> Parts:
    facts = {
        "columns": None if effect.columns is None else ", ".join(effect.columns),
        "unique": "yes" if effect.unique else None,
        "where": effect.where,
    }
    return (*parts, Part(kind="index", name=effect.name, facts=facts_of(facts)))


def _key_added(parts: Parts, effect: AddsKey) -> Parts:
    key = effect.key
    if key.using is None:
        return (*parts, _key_part(key))
    index = next((part for part in parts if part.kind == "index" and part.name == key.using), None)
    columns = (columns_of(index) or ()) if index is not None else ()
    left = tuple(part for part in parts if part is not index)
    return (*left, _key_part(replace(key, name=key.name or key.using, columns=columns)))


def _part_dropped(parts: Parts, effect: DropsPart) -> Parts:
    return tuple(part for part in parts if part.kind == "column" or part.name != bare(effect.name))


def _validated(parts: Parts, effect: Validates) -> Parts:
    return tuple(
        replace(part, facts={k: v for k, v in part.facts.items() if k != "not-valid"})
        if part.kind != "column" and part.name == effect.name
        else part
        for part in parts
    )


_WAYS: dict[type[Effect], Callable[[Parts, Any], Parts]] = {
    AddsColumn: _column_added,
    DropsColumn: _column_dropped,
    RenamesColumn: _column_renamed,
    ChangesType: lambda parts, e: _with_facts(parts, e.column, {"type": e.to}),
    SetsNullable: lambda parts, e: _with_facts(parts, e.column, {"nullable": None if e.nullable else "no"}),
    SetsDefault: lambda parts, e: _with_facts(parts, e.column, {"default": e.default}),
    MakesIndex: _index_made,
    AddsKey: _key_added,
    DropsPart: _part_dropped,
    Validates: _validated,
}
