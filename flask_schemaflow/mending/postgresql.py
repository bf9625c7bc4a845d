"""Mend PostgreSQL databases: one function for each kind of thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..snapshot import VIEWS
from .postgresql_columns import mend_column
from .postgresql_disturbed import Disturbed
from .postgresql_objects import mend_object
from .postgresql_parts import becomes_constraint, mend_part
from .postgresql_tables import mend_table
from .postgresql_views import Views

if TYPE_CHECKING:
    from .changes import Change, Outcome, Task


def mend_postgresql(task: Task) -> Iterator[Outcome]:
    """Give what mends each change, and what has to be made anew around it. Read-only."""
    disturbed = Disturbed(task)
    views = Views(task, disturbed.relations)
    yield from disturbed.made_anew()
    yield from views.made_anew()
    for change in task.changes:
        if change.object.kind in VIEWS:
            yield from views.mend(change)
        elif change.object.kind != "table":
            yield from mend_object(change, task)
        elif change.kind in _OF_TABLES:
            yield from _OF_TABLES[change.kind](change, task)


def _mend_index(change: Change, task: Task) -> Iterator[Outcome]:
    if not becomes_constraint(change, task):
        yield from mend_part(change, task)


_OF_TABLES: Mapping[str, Callable[[Change, Task], Iterator[Outcome]]] = {
    "table": mend_table,
    "column": mend_column,
    "index": _mend_index,
    **dict.fromkeys(
        "check exclude foreign-key policy primary-key rule statistics trigger unique".split(), mend_part
    ),
}
