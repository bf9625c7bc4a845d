"""Find what may be a wanted table under another name: offered to a person, never taken for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..snapshot import Object
    from .changes import Task


def likely_tables(table: Object, task: Task) -> list[Object]:
    """Give the tables with the same columns that only the database has, those of others too."""
    wanted = {each.key for each in task.after.tables}
    known = {each.key: each for each in (*task.before.tables, *task.others) if each.kind == "table"}
    columns = _columns(table)
    return [
        each for key, each in known.items() if columns and key not in wanted and _columns(each) == columns
    ]


def _columns(table: Object) -> frozenset[tuple[str | None, str | None]]:
    return frozenset((each.name, each.facts.get("type")) for each in table.parts if each.kind == "column")
