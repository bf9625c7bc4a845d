"""Indexes and triggers of SQLite: what stands beside a table's own text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .changes import Action, Change, Outcome, Phase, Task, left
from .sqlite_words import in_rows, lower, mentions, quoted

if TYPE_CHECKING:
    from ..snapshot import Object, Part


def mend_triggers(
    there: Object | None, changes: Iterable[Change], *, is_made_anew: bool
) -> Iterator[Outcome]:
    """Make and replace triggers; those that a person made stay.

    :param is_made_anew: the table or view is dropped and made again, and its triggers with it.
    """
    dropped = set()
    for change in changes:
        if change.part is None:
            yield from left(change, "A trigger that a person made stays.", kept=True)
            continue
        if change.part_there is not None:
            dropped.add(change.part_there.name)
            drop = f"DROP TRIGGER {quoted(change.part_there.name or '')}"
            yield Action(phase=Phase.DROP_VIEWS, statements=(drop,))
        yield Action(phase=Phase.TRIGGERS, statements=(change.part.definition,), mends=change.keys)
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


def duplicates(part: Part, there: Object, task: Task) -> int:
    """Count the rows that have the same values as another one; 0 where nobody knows."""
    columns = part.facts.get("columns", "")
    names = {lower(each.name) for each in there.parts if each.kind == "column"}
    if not columns or " COLLATE " in columns or "(" in columns or not mentions(part) & names:
        return 0
    elements = ", ".join(each.removesuffix(" DESC") for each in columns.split(", "))
    where = f" WHERE {part.facts['where']}" if "where" in part.facts else ""
    among = f"SELECT {elements} FROM {quoted(there.name)}{where} GROUP BY {elements} HAVING count(*) > 1"
    condition = f"({elements}) IN ({among})"
    if where:
        condition = f"({part.facts['where']}) AND {condition}"
    return task.rows(there, condition) or 0


def same_values(part: Part, rows: int) -> str:
    """Say why something unique cannot be made."""
    return f"{in_rows(rows)} have the same {part.facts['columns']} as another one: correct them first."


def orphans(key: Part, there: Object, task: Task) -> int:
    """Count the rows whose foreign key would lead to nothing; 0 where nobody knows."""
    columns = key.facts.get("columns", "").split(", ")
    references = key.facts.get("references", "").split(", ")
    if mentions(key) - {lower(each.name) for each in there.parts if each.kind == "column"}:
        return 0
    is_set = " AND ".join(f"{each} IS NOT NULL" for each in columns)
    parent = next((t for t in task.before.tables if lower(t.name) == lower(key.facts["table"])), None)
    if parent is None:
        return task.rows(there, is_set) or 0
    pairs = zip(columns, references, strict=False)
    same = " AND ".join(f"the_parent.{to} = {quoted(there.name)}.{own}" for own, to in pairs)
    among = f"SELECT 1 FROM {quoted(parent.name)} AS the_parent WHERE {same}"
    return task.rows(there, f"{is_set} AND NOT EXISTS ({among})") or 0
