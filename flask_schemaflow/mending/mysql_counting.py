"""Count the rows of a MariaDB or MySQL table that a key would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .mysql_words import bare, columns_of, names_of, quoted

if TYPE_CHECKING:
    from ..snapshot import Object, Part
    from .changes import Task

Values = Mapping[str, str]
"""What columns will have, by their names in lower case; what is not here stays."""


def duplicates(part: Part, there: Object, task: Task, values: Values | None = None) -> int:
    """Count the rows that have the same values as another one; 0 where nobody knows."""
    names = names_of(part.facts.get("columns"))
    if not {*names} <= columns_of(there).keys():
        return 0
    listed = ", ".join(_value(name, values) for name in names)
    among = f"SELECT {listed} FROM {quoted(there.name)} GROUP BY {listed} HAVING count(*) > 1"
    return task.rows(there, f"({listed}) IN ({among})") or 0


def orphans(key: Part, there: Object, task: Task, values: Values | None = None) -> int:
    """Count the rows whose foreign key would lead to nothing; 0 where nobody knows."""
    names, references = (names_of(key.facts.get(fact)) for fact in ("columns", "references"))
    if not {*names} <= columns_of(there).keys():
        return 0
    columns = [_value(name, values, there) for name in names]
    is_set = " AND ".join(f"{each} IS NOT NULL" for each in columns)
    parent = bare(key.facts["table"])
    if all(each.name != parent for each in task.before.tables):
        return task.rows(there, is_set) or 0
    pairs = zip(columns, references, strict=False)
    same = " AND ".join(f"the_parent.{quoted(to)} = {own}" for own, to in pairs)
    among = f"SELECT 1 FROM {quoted(parent)} AS the_parent WHERE {same}"
    return task.rows(there, f"{is_set} AND NOT EXISTS ({among})") or 0


def _value(name: str, values: Values | None, table: Object | None = None) -> str:
    if values is not None and name in values:
        return values[name]
    return quoted(name) if table is None else f"{quoted(table.name)}.{quoted(name)}"
