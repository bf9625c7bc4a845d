"""Mend PostgreSQL databases: one function for each kind of thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from .postgresql_parts import mend_constraint, mend_index

if TYPE_CHECKING:
    from .changes import Change, Outcome, Task


def mend_postgresql(task: Task) -> Iterator[Outcome]:
    """Give what mends each change; what no function knows is left. Read-only."""
    for change in task.changes:
        write = _BY_KIND.get(change.kind)
        if write is not None and change.object.kind == "table":
            yield from write(change, task)


_BY_KIND: Mapping[str, Callable[[Change, Task], Iterator[Outcome]]] = {
    "check": mend_constraint,
    "exclude": mend_constraint,
    "foreign-key": mend_constraint,
    "index": mend_index,
    "primary-key": mend_constraint,
    "unique": mend_constraint,
}
