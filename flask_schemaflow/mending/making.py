"""Write the statements that make one thing of a database, as a snapshot has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..drift import find_differences
from ..snapshot import Snapshot
from .changes import Action, Phase, Task, changes_of
from .mend import FAMILIES
from .rows import NO_ROWS

if TYPE_CHECKING:
    from ..snapshot import Object


@dataclass(frozen=True, kw_only=True)
class Making:
    """The statements that make a thing, and those that can only run when all other things are there."""

    made: tuple[str, ...]
    last: tuple[str, ...]


def make(thing: Object, family: str) -> Making | None:
    """Write what makes a table, a type, a sequence, …; None where there is no statement for it. Pure."""
    before, after = Snapshot(family=family), Snapshot(family=family, objects=(thing,))
    differences = find_differences(after, before, "the database")
    task = Task(
        before=before, after=after, changes=changes_of(differences), accepted=frozenset(), rows=NO_ROWS
    )
    write = FAMILIES.get(family)
    outcomes = [] if write is None else list(write(task))
    actions = [each for each in outcomes if isinstance(each, Action)]
    if not any(each.mends for each in actions):
        return None
    actions.sort(key=lambda each: (each.phase, each.after))
    return Making(
        made=tuple(s for each in actions if not _is_late(each) for s in each.statements),
        last=tuple(s for each in actions if _is_late(each) for s in each.statements),
    )


def _is_late(action: Action) -> bool:
    return action.phase in (Phase.FOREIGN_KEYS, Phase.TRIGGERS)
