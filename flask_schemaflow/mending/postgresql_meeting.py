"""Ask whether the rows of a PostgreSQL table meet a constraint before it is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .postgresql_words import columns_of, names_in, quoted, written

if TYPE_CHECKING:
    from ..snapshot import Object, Part
    from .changes import Change, Task


Values = Mapping[str, str]
"""What columns will have in the place of NULL, by their names."""
NO_VALUES: Values = {}


def meeting(change: Change, task: Task) -> str | None:
    """Say which rows do not meet a constraint; None where all do, or nobody knows.

    Where nobody knows, the statement itself will say: it fails, and the transaction takes all back.
    """
    part, there = change.part, change.there
    if part is None or there is None or part.kind not in _CONDITIONS:
        return None
    condition = _CONDITIONS[part.kind](there, part, task)
    number = None if condition is None else task.rows(there, condition)
    if not number:
        return None
    what = "row does" if number == 1 else "rows do"
    return f"{number} {what} not meet the {part.kind.replace('-', ' ')} {part.name or ''} of {there.label}."


def breaks_a_key(change: Change, default: str, task: Task) -> str | None:
    """Name the key that rows do not meet once NULLs of a column have become its default; None for none."""
    column, there = change.part, change.there
    assert column is not None
    assert there is not None
    name = column.name or ""
    for part in change.object.parts:
        write = _KEYS.get(part.kind)
        if write is None or name not in names_in(part.facts.get("columns")):
            continue
        before, after = (write(there, part, task, values) for values in (NO_VALUES, {name: default}))
        if after is not None and (task.rows(there, after) or 0) > (task.rows(there, before) or 0):
            return f"{part.kind.replace('-', ' ')} {part.name or ''}".strip()
    return None


def _check(_table: Object, part: Part, _task: Task) -> str | None:
    return f"NOT ({part.facts['expression']})"


def _unique(table: Object, part: Part, _task: Task, values: Values = NO_VALUES) -> str | None:
    names = names_in(part.facts.get("columns"))
    if not names or not columns_of(table).keys() >= set(names) or "nulls-not-distinct" in part.facts:
        return None
    if part.kind == "index" and ("unique" not in part.facts or "where" in part.facts):
        return None
    listed = ", ".join(_value(quoted(name), values.get(name)) for name in names)
    return f"({listed}) IN (SELECT {listed} FROM {written(table)} GROUP BY {listed} HAVING count(*) > 1)"


def _foreign_key(table: Object, part: Part, task: Task, values: Values = NO_VALUES) -> str | None:
    label = part.facts["table"]
    target = next((each for each in task.before.tables if each.label == label), None)
    if target is None:
        return None
    names, others = (names_in(part.facts.get(fact)) for fact in ("columns", "references"))
    pairs = list(zip(names, others, strict=True))
    own = {name: _value(f"{written(table)}.{quoted(name)}", values.get(name)) for name in names}
    alone = " AND ".join(f"{own[name]} IS NOT NULL" for name in names)
    same = " AND ".join(f"target_.{quoted(other)} = {own[name]}" for name, other in pairs)
    return f"{alone} AND NOT EXISTS (SELECT FROM {written(target)} AS target_ WHERE {same})"


def _value(column: str, default: str | None) -> str:
    return column if default is None else f"coalesce({column}, {default})"


_EXCLUDING = re.compile(r"EXCLUDE USING \w+ \((?P<elements>[^()]*)\)\Z")
_ELEMENT = re.compile(r"(?P<column>\"[^\"]+\"|\w+) WITH (?P<operator>\S+)\Z")


def _exclusion(table: Object, part: Part, _task: Task) -> str | None:
    """Compare each row with every other one; only where it is about columns alone."""
    found = _EXCLUDING.match(part.facts.get("definition", ""))
    elements = [_ELEMENT.match(each.strip()) for each in found["elements"].split(",")] if found else []
    pairs = [(each["column"], each["operator"]) for each in elements if each is not None]
    if not pairs or len(pairs) < len(elements):
        return None
    own = f"{written(table)}."
    meets = " AND ".join(f"{own}{column} {operator} other_.{column}" for column, operator in pairs)
    return f"EXISTS (SELECT FROM {written(table)} AS other_ WHERE other_.ctid <> {own}ctid AND {meets})"


def was_met(change: Change, task: Task) -> tuple[str, ...]:
    """Accept an exclusion that all rows were seen to meet: an upgrade cannot ask for that by itself."""
    part, there = change.part, change.there
    if part is None or there is None or part.kind != "exclude":
        return ()
    condition = _exclusion(there, part, task)
    if condition is None or task.rows(there, condition) != 0:
        return ()
    key = f"add-exclusion-constraint:{there.label}.{part.name}"
    return (f"schemaflow: accept {key} -- no row excluded another one when this was written",)


_CONDITIONS: Mapping[str, Callable[[Object, Part, Task], str | None]] = {
    "check": _check,
    "exclude": _exclusion,
    "primary-key": _unique,
    "unique": _unique,
    "foreign-key": _foreign_key,
}

_KEYS: Mapping[str, Callable[[Object, Part, Task, Values], str | None]] = {
    "primary-key": _unique,
    "unique": _unique,
    "index": _unique,
    "foreign-key": _foreign_key,
}
