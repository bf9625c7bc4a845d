"""Values of PostgreSQL's enum types: new ones at their places, all others by a type made anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .changes import Action, Change, Left, Outcome, Phase, Task
from .postgresql_words import alter, columns_of, default_of, literal, quoted, written

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_LABEL = re.compile(r"'((?:[^']|'')*)'")


def labels_of(enum: Object) -> list[str]:
    """Give the values of an enum type in their order."""
    return [each.replace("''", "'") for each in _LABEL.findall(enum.facts["labels"])]


def mend_labels(change: Change, task: Task) -> Iterator[Outcome]:
    """Add values at their places; for anything else make the type anew and cast to it."""
    keys = change.keys_of("labels")
    if is_only_added(change, task):
        yield Action(phase=Phase.TYPES, statements=tuple(_additions(change)), mends=keys)
        return
    wanted, there = labels_of(change.object), labels_of(_there(change))
    reasons = list(_in_use([each for each in there if each not in wanted], change, task))
    statements = tuple(_made_anew(change, task))
    if not reasons:
        yield Action(phase=Phase.COLUMNS, after=-2, statements=statements, mends=keys)
        return
    reason = f"{' '.join(reasons)} Give the rows another value first."
    yield Action(phase=Phase.COLUMNS, notes=(f"{reason} Then run this:",), disabled=statements)
    yield Left(drift=change.drift_of("labels"), reason=reason)


def is_only_added(change: Change, task: Task) -> bool:
    """Say whether values are only added, and none is used in the transaction that adds it.

    (https://www.postgresql.org/docs/current/sql-altertype.html: a new value cannot be used before.)
    """
    wanted, there = labels_of(change.object), labels_of(_there(change))
    if [each for each in wanted if each in there] != there:
        return False
    new = [f"{literal(each)}::{written(change.object)}" for each in wanted if each not in there]
    texts = (
        text
        for thing in task.after.objects
        for facts in (thing.facts, *(part.facts for part in thing.parts))
        for fact, text in facts.items()
        if fact in ("default", "expression", "where", "generated", "columns", "definition", "using")
    )
    return not any(value in text for text in texts for value in new)


def _there(change: Change) -> Object:
    assert change.there is not None
    return change.there


def _additions(change: Change) -> Iterator[str]:
    wanted, there = labels_of(change.object), labels_of(_there(change))
    for place, label in enumerate(wanted):
        if label in there:
            continue
        before = wanted[place - 1] if place else None
        if before is None:
            where = f" BEFORE {literal(there[0])}" if there else ""
        else:
            where = "" if before == there[-1] else f" AFTER {literal(before)}"
        there.insert(place, label)
        yield f"ALTER TYPE {written(change.object)} ADD VALUE {literal(label)}{where}"


@dataclass(frozen=True)
class Using:
    """A column of an enum type, or of an array of it."""

    table: Object
    column: Part

    @property
    def is_array(self) -> bool:
        """Say whether it is an array."""
        return self.column.facts["type"].endswith("[]")


def users_of(enum: Object, task: Task) -> list[Using]:
    """Give the columns of a type, of all tables that are there."""
    names = {written(enum), f"{written(enum)}[]"}
    return [
        Using(table, column)
        for table in task.before.tables
        for column in columns_of(table).values()
        if column.facts["type"] in names and "generated" not in column.facts
    ]


def _in_use(gone: list[str], change: Change, task: Task) -> Iterator[str]:
    for label in gone:
        for each in users_of(_there(change), task):
            name = quoted(each.column.name)
            condition = f"{name}::text = {literal(label)}"
            if each.is_array:
                condition = f"{literal(label)} = ANY ({name}::text[])"
            number = task.rows(each.table, condition)
            if number:
                rows = "1 row has" if number == 1 else f"{number} rows have"
                yield f"{rows} {literal(label)} in {each.table.label}.{each.column.name}."


def _made_anew(change: Change, task: Task) -> Iterator[str]:
    enum = change.object
    old = f"{enum.name[:56]}__old"
    yield f"ALTER TYPE {written(enum)} RENAME TO {quoted(old)}"
    yield f"CREATE TYPE {written(enum)} AS ENUM ({enum.facts['labels']})"
    for each in users_of(_there(change), task):
        yield from _cast(each, task)
    schema = "" if enum.schema is None else f"{quoted(enum.schema)}."
    yield f"DROP TYPE {schema}{quoted(old)}"


def _cast(each: Using, task: Task) -> Iterator[str]:
    """Cast a column; where its own type or default changes too, that comes later."""
    name, type_ = quoted(each.column.name), each.column.facts["type"]
    if default_of(each.column) is not None:
        yield alter(each.table, f"ALTER COLUMN {name} DROP DEFAULT")
    through = "text[]" if each.is_array else "text"
    yield alter(each.table, f"ALTER COLUMN {name} TYPE {type_} USING {name}::{through}::{type_}")
    wanted = next((table for table in task.after.tables if table.key == each.table.key), each.table)
    column = columns_of(wanted).get(each.column.name or "", each.column)
    default = default_of(column)
    is_same = column.facts.get("default") == each.column.facts.get("default")
    if default is not None and is_same and column.facts["type"] == type_:
        yield alter(each.table, f"ALTER COLUMN {name} SET DEFAULT {default}")
