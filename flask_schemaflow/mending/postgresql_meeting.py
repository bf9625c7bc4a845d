"""Ask whether the rows of a PostgreSQL table meet a constraint before it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .postgresql_words import columns_of, names_in, quoted, written

if TYPE_CHECKING:
    from ..snapshot import Object, Part
    from .changes import Change, Task


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


def _check(_table: Object, part: Part, _task: Task) -> str | None:
    return f"NOT ({part.facts['expression']})"


def _unique(table: Object, part: Part, _task: Task) -> str | None:
    names = names_in(part.facts.get("columns"))
    if not names or not columns_of(table).keys() >= set(names) or "nulls-not-distinct" in part.facts:
        return None
    listed = ", ".join(map(quoted, names))
    return f"({listed}) IN (SELECT {listed} FROM {written(table)} GROUP BY {listed} HAVING count(*) > 1)"


def _foreign_key(table: Object, part: Part, task: Task) -> str | None:
    label = part.facts["table"]
    target = next((each for each in task.before.tables if each.label == label), None)
    if target is None:
        return None
    names, others = (names_in(part.facts.get(fact)) for fact in ("columns", "references"))
    pairs = list(zip(names, others, strict=True))
    own = f"{written(table)}."
    alone = " AND ".join(f"{own}{quoted(name)} IS NOT NULL" for name in names)
    same = " AND ".join(f"target_.{quoted(other)} = {own}{quoted(name)}" for name, other in pairs)
    return f"{alone} AND NOT EXISTS (SELECT FROM {written(target)} AS target_ WHERE {same})"


_CONDITIONS: Mapping[str, Callable[[Object, Part, Task], str | None]] = {
    "check": _check,
    "primary-key": _unique,
    "unique": _unique,
    "foreign-key": _foreign_key,
}
