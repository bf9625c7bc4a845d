"""Count the rows of a SQLite table that a key would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .rows import in_rows
from .sqlite_words import lower, mentions, quoted

if TYPE_CHECKING:
    from ..snapshot import Object, Part
    from .changes import Task

Values = Mapping[str, str]
"""What columns will have, by their names as SQLite compares them; what is not here stays."""


def duplicates(part: Part, there: Object, task: Task, values: Values | None = None) -> int:
    """Count the rows that have the same values as another one; 0 where nobody knows."""
    columns = part.facts.get("columns", "")
    names = {lower(each.name) for each in there.parts if each.kind == "column"}
    if not columns or " COLLATE " in columns or "(" in columns or not mentions(part) & names:
        return 0
    each_value = (_value(each.removesuffix(" DESC"), values) for each in columns.split(", "))
    elements = ", ".join(each_value)
    where = f" WHERE {part.facts['where']}" if "where" in part.facts else ""
    among = f"SELECT {elements} FROM {quoted(there.name)}{where} GROUP BY {elements} HAVING count(*) > 1"
    condition = f"({elements}) IN ({among})"
    if where:
        condition = f"({part.facts['where']}) AND {condition}"
    return task.rows(there, condition) or 0


def same_values(part: Part, rows: int) -> str:
    """Say why something unique cannot be made."""
    return f"{in_rows(rows)} have the same {part.facts['columns']} as another one: correct them first."


def orphans(key: Part, there: Object, task: Task, values: Values | None = None) -> int:
    """Count the rows whose foreign key would lead to nothing; 0 where nobody knows."""
    columns = [_value(each, values, there) for each in key.facts.get("columns", "").split(", ")]
    references = key.facts.get("references", "").split(", ")
    if mentions(key) - {lower(each.name) for each in there.parts if each.kind == "column"}:
        return 0
    is_set = " AND ".join(f"{each} IS NOT NULL" for each in columns)
    parent = next((t for t in task.before.tables if lower(t.name) == lower(key.facts["table"])), None)
    if parent is None:
        return task.rows(there, is_set) or 0
    pairs = zip(columns, references, strict=False)
    same = " AND ".join(f"the_parent.{to} = {own}" for own, to in pairs)
    among = f"SELECT 1 FROM {quoted(parent.name)} AS the_parent WHERE {same}"
    return task.rows(there, f"{is_set} AND NOT EXISTS ({among})") or 0


def _value(element: str, values: Values | None, table: Object | None = None) -> str:
    name = lower(element.strip('"').replace('""', '"'))
    if values is not None and name in values:
        return values[name]
    return element if table is None else f"{quoted(table.name)}.{element}"
