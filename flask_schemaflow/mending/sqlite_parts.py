"""Indexes and triggers of SQLite: what stands beside a table's own text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .changes import Action, Change, Outcome, Phase, Task, left
from .sqlite_counting import duplicates, same_values
from .sqlite_words import lower, mentions, quoted

if TYPE_CHECKING:
    from ..snapshot import Object, Part


def mend_triggers(
    there: Object | None, changes: Iterable[Change], task: Task, *, is_made_anew: bool
) -> Iterator[Outcome]:
    """Make and replace triggers; those that a person made stay.

    :param is_made_anew: the table or view is dropped and made again, and its triggers with it.
    """
    dropped = set()
    for change in changes:
        part, old = change.part, change.part_there
        if part is None and not task.may_drop(change):
            yield from left(change, "A trigger that a person made stays.", kept=True)
            continue
        if old is not None:
            dropped.add(old.name)
            drop = f"DROP TRIGGER {quoted(old.name or '')}"
            mends = change.keys if part is None else ()
            yield Action(phase=Phase.DROP_VIEWS, statements=(drop,), mends=mends)
        if part is not None:
            yield Action(phase=Phase.TRIGGERS, statements=(part.definition,), mends=change.keys)
    for part in there.parts if there is not None and is_made_anew else ():
        if part.kind == "trigger" and part.name not in dropped:
            yield Action(phase=Phase.TRIGGERS, statements=(part.definition,))


@dataclass
class Indexes:
    """What happens to the indexes of a table: ``stay`` are those that a copy of the table has again."""

    outcomes: list[Outcome] = field(default_factory=list)
    stay: list[Part] = field(default_factory=list)


def mend_indexes(
    changes: Iterable[Change],
    there: Object,
    task: Task,
    superseded: Collection[str],
    dropped: Collection[str],
) -> Indexes:
    """Make and replace indexes; those that a person made stay, unless they are in the way.

    :param superseded: the columns of uniques that are made: a unique index on them is the same.
    :param dropped: columns that go, as SQLite compares their names.
    """
    found = Indexes()
    gone = set()
    for change in changes:
        part, old = change.part, change.part_there
        if part is None:
            assert old is not None
            if task.may_drop(change) or _is_in_the_way(old, task, superseded, dropped):
                gone.add(old.name)
                found.outcomes.append(_drop(old, change.keys))
            else:
                found.outcomes += left(change, "An index that a person made stays.", kept=True)
            continue
        twice = duplicates(part, there, task) if "unique" in part.facts else 0
        if twice:
            found.outcomes += left(change, same_values(part, twice))
            continue
        if old is not None:
            gone.add(old.name)
            found.outcomes.append(_drop(old))
        found.outcomes.append(Action(phase=Phase.INDEXES, statements=(part.definition,), mends=change.keys))
    found.stay = [each for each in there.parts if each.kind == "index" and each.name not in gone]
    return found


def _drop(index: Part, mends: tuple[str, ...] = ()) -> Action:
    statement = f"DROP INDEX {quoted(index.name or '')}"
    return Action(phase=Phase.DROP_INDEXES, statements=(statement,), mends=mends)


def _is_in_the_way(index: Part, task: Task, superseded: Collection[str], dropped: Collection[str]) -> bool:
    """Say whether an index has to go: its column does, its name is wanted, or a unique says the same."""
    if mentions(index) & set(dropped):
        return True
    is_same = (
        "unique" in index.facts and "where" not in index.facts and index.facts.get("columns") in superseded
    )
    names = (lower(part.name) for each in task.after.objects for part in each.parts if part.kind == "index")
    return is_same or lower(index.name) in names
