"""What stands in the way of a change of PostgreSQL columns, and has to be made anew around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from .changes import Action, Change, Phase, Task
from .postgresql_columns import FIRST, LAST, accepting
from .postgresql_enums import is_only_added, users_of
from .postgresql_parts import CONSTRAINTS, drop_part, goes_with_column, make_part
from .postgresql_types import is_same_base
from .postgresql_words import alter, column_line, columns_of, mentions, names_in, quoted, texts_of

if TYPE_CHECKING:
    from ..snapshot import Object, Part

Key = tuple[str, str | None, str]
_BEHAVIOUR = frozenset(["policy", "trigger", "rule"])


class Depth(IntEnum):
    """How much a column changes."""

    RESIZED = 1  # the same type with another length: keys, checks and indexes stay
    RETYPED = 2  # plain indexes stay
    REMADE = 3  # it is dropped and added


@dataclass
class Disturbed:
    """The columns that change, by table and name, and what has to be made anew because of them."""

    task: Task
    columns: dict[Key, dict[str, Depth]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.changed_parts = {
            id(each.part_there)
            for each in self.task.changes
            if each.part_there is not None and (not each.is_extra or self._goes(each))
        }
        for change in self.task.changes:
            self._note(change)
        self._note_generated()

    @property
    def relations(self) -> frozenset[tuple[str | None, str]]:
        """The tables with such columns, by (schema, name)."""
        return frozenset((schema, name) for _, schema, name in self.columns)

    def _goes(self, change: Change) -> bool:
        """Say whether a part that only the database has is dropped."""
        part = change.part_there
        if part is None:
            return False
        is_accepted = self.task.may_drop(change) or goes_with_column(change.object, part, self.task)
        return is_accepted or part.kind in CONSTRAINTS

    def _note(self, change: Change) -> None:
        if change.kind == "enum" and "labels" in change.facts and not is_only_added(change, self.task):
            assert change.there is not None
            for each in users_of(change.there, self.task):
                self._mark(each.table, each.column, Depth.RETYPED)
        if change.kind != "column" or change.object.kind != "table" or change.part_there is None:
            return
        column, there = change.part, change.part_there
        if column is None:
            if f"drop-column:{change.object.label}.{there.name}" in self.task.accepted:
                self._mark(change.object, there, Depth.REMADE)
        elif "generated" in change.facts and "generated" in column.facts:
            self._mark(change.object, there, Depth.REMADE)
        elif change.facts & {"type", "collation"}:
            same = is_same_base(column.facts["type"], there.facts["type"])
            self._mark(change.object, there, Depth.RESIZED if same else Depth.RETYPED)

    def _mark(self, table: Object, column: Part, depth: Depth) -> None:
        of_table = self.columns.setdefault(table.key, {})
        name = column.name or ""
        of_table[name] = max(depth, of_table.get(name, depth))

    def _note_generated(self) -> None:
        """Mark the computed columns that read a column whose type changes."""
        for table in self.task.before.tables:
            marked = dict(self.columns.get(table.key, {}))
            for name, column in columns_of(table).items():
                text = column.facts.get("generated")
                if text and name not in marked and any(mentions(text, each) for each in marked):
                    self._mark(table, column, Depth.REMADE)

    # what is made anew

    def made_anew(self) -> Iterator[Action]:
        """Drop what is in the way, and make it again."""
        tables = {each.key: each for each in self.task.before.tables}
        wanted = {each.key: each for each in self.task.after.tables}
        keys: set[tuple[str, str]] = set()
        for key, of_table in self.columns.items():
            table = tables[key]
            yield from self._columns(table, wanted.get(key, table))
            for part in table.parts:
                if self._is_in_the_way(part, of_table) and id(part) not in self.changed_parts:
                    yield from _again(table, part)
                    keys.add((table.label, part.facts.get("columns", "")))
        yield from self._foreign_keys(keys)

    def _columns(self, table: Object, wanted: Object) -> Iterator[Action]:
        """Make computed columns anew that did not change themselves."""
        changed = {
            each.part_there.name
            for each in self.task.changes
            if each.kind == "column" and each.part_there is not None and each.object.key == table.key
            if each.facts & {"generated", "type", "collation"}
        }
        for name, depth in self.columns[table.key].items():
            column = columns_of(wanted).get(name)
            was = columns_of(table)[name]
            if depth is Depth.REMADE and "generated" in was.facts and name not in changed and column:
                drop, add = f"DROP COLUMN {quoted(name)}", f"ADD COLUMN {column_line(column)}"
                notes = (accepting(table, was),)
                yield Action(phase=Phase.COLUMNS, after=FIRST, statements=(alter(table, drop),), notes=notes)
                yield Action(phase=Phase.COLUMNS, after=LAST, statements=(alter(table, add),))

    def _is_in_the_way(self, part: Part, of_table: dict[str, Depth]) -> bool:
        if part.kind in ("column", "foreign-key"):
            return False
        texts = texts_of(part)
        mentioned = [depth for name, depth in of_table.items() if any(mentions(each, name) for each in texts)]
        if not mentioned:
            return False
        return part.kind in _BEHAVIOUR or max(mentioned) >= _bears(part)

    def _foreign_keys(self, made_anew: set[tuple[str, str]]) -> Iterator[Action]:
        """Make keys anew that lead from or to what changes, or to a key that is dropped meanwhile."""
        labels = {each.key: each.label for each in self.task.before.tables}
        retyped = {
            labels[key]: {name for name, depth in of_table.items() if depth > Depth.RESIZED}
            for key, of_table in self.columns.items()
        }
        dropped = made_anew | {
            (each.object.label, each.part_there.facts.get("columns", ""))
            for each in self.task.changes
            if each.part_there is not None and each.kind in ("primary-key", "unique")
            if each.facts != {"name"}
        }
        goes = {each.object.key for each in self.task.changes if each.kind == "table" and each.is_extra}
        for table in (*self.task.before.tables, *self.task.others):
            for part in table.parts:
                if part.kind != "foreign-key" or id(part) in self.changed_parts or table.key in goes:
                    continue
                target, references = part.facts["table"], part.facts["references"]
                ends = ((table.label, part.facts["columns"]), (target, references))
                touched = any(retyped.get(label, set()) & set(names_in(listed)) for label, listed in ends)
                if touched or (target, references) in dropped:
                    is_theirs = table in self.task.others
                    yield from _in_the_way(table, part) if is_theirs else _again(table, part)


def _in_the_way(table: Object, key: Part) -> Iterator[Action]:
    """Tell of a key of others, which is never touched."""
    note = (
        f"The table {table.label} is not ours, and its foreign key {key.name} leads to what changes; this "
        "fails, and changes nothing, while it is there. Drop it before, and make it again:"
    )
    disabled = (
        *drop_part(table, key).statements,
        *(s for each in make_part(table, key) for s in each.statements),
    )
    yield Action(phase=Phase.DROP_FOREIGN_KEYS, notes=(note,), disabled=disabled)


def _bears(part: Part) -> Depth:
    """Say from which depth on a part has to be made anew."""
    if part.kind in ("check", "exclude"):
        return Depth.RETYPED
    is_plain = part.kind in CONSTRAINTS or (
        "where" not in part.facts and "(" not in part.facts.get("columns", "")
    )
    return Depth.REMADE if is_plain else Depth.RETYPED


def _again(table: Object, part: Part) -> Iterator[Action]:
    yield drop_part(table, part)
    yield from make_part(table, part)
