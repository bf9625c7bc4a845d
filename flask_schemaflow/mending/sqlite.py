"""Mend SQLite databases: by ALTER TABLE where it has the words, else by copying tables into new ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .changes import Action, Change, Outcome, Phase, Task, left
from .likely import likely_tables
from .rows import in_rows
from .sqlite_parts import mend_triggers
from .sqlite_table import mend_table
from .sqlite_words import lower, quoted

if TYPE_CHECKING:
    from ..snapshot import Object


def mend_sqlite(task: Task) -> Iterator[Outcome]:
    """Give what mends each table and view. Read-only."""
    by_object: dict[object, list[Change]] = defaultdict(list)
    for change in task.changes:
        by_object[change.object.key].append(change)
    for changes in by_object.values():
        first = changes[0]
        if first.object.kind == "view":
            yield from _view(changes, task)
        elif first.wanted is None:
            yield from _extra_table(first, task)
        elif first.there is None:
            yield from _missing_table(first, first.wanted, task)
        else:
            yield from mend_table(changes, task)


def _view(changes: list[Change], task: Task) -> Iterator[Outcome]:
    whole = next((each for each in changes if each.part is None and each.part_there is None), None)
    triggers = [each for each in changes if each is not whole]
    if whole is not None and whole.wanted is None:
        yield from _extra_view(whole, task)
        return
    if whole is not None:
        assert whole.wanted is not None
        if whole.there is not None:
            drop = f"DROP VIEW {quoted(whole.there.name)}"
            yield Action(phase=Phase.DROP_VIEWS, statements=(drop,), after=1)
        yield Action(phase=Phase.VIEWS, statements=(whole.wanted.definition,), mends=whole.keys)
        if whole.there is None:
            yield from _parts_of(whole.wanted)
    yield from mend_triggers(changes[0].there, triggers, task, is_made_anew=whole is not None)


def _extra_view(change: Change, task: Task) -> Iterator[Outcome]:
    view = change.there
    assert view is not None
    if task.may_drop(change) or any(lower(each.name) == lower(view.name) for each in task.after.objects):
        drop = f"DROP VIEW {quoted(view.name)}"
        yield Action(phase=Phase.DROP_VIEWS, statements=(drop,), mends=change.keys, after=1)
    else:
        yield from left(change, "A view that a person made stays.", kept=True)


def _extra_table(change: Change, task: Task) -> Iterator[Outcome]:
    table = change.there
    assert table is not None
    drop = f"DROP TABLE {quoted(table.name)}"
    key = f"drop-table:{table.label}"
    if key in task.accepted:
        yield Action(phase=Phase.DROPS, statements=(drop,), mends=change.keys, after=1)
        return
    rows = in_rows(task.rows(table))
    yield Action(
        phase=Phase.DROPS,
        notes=(f"The table {table.label} stays, with {rows}. To drop it, say --accept {key}.",),
        disabled=(drop,),
        after=1,
    )
    yield from left(change, f"It has {rows}; to drop it, say --accept {key}.", kept=True)


def _missing_table(change: Change, table: Object, task: Task) -> Iterator[Outcome]:
    if not table.definition:
        yield from left(change, "The text of the table is not known here.")
        return
    alike = likely_tables(table, task)
    notes = tuple(
        f"{table.label} may be the table {each.label} under another name ({in_rows(task.rows(each))}). If "
        "so, take out what makes it, and rename instead:"
        for each in alike
    )
    yield Action(
        phase=Phase.TABLES,
        statements=(table.definition,),
        mends=change.keys,
        notes=notes,
        disabled=tuple(f"ALTER TABLE {quoted(each.name)} RENAME TO {quoted(table.name)}" for each in alike),
    )
    yield from _parts_of(table)


def _parts_of(thing: Object) -> Iterator[Outcome]:
    """Make the indexes and triggers of a new table or view."""
    phases = {"index": Phase.INDEXES, "trigger": Phase.TRIGGERS}
    for part in thing.parts:
        if part.kind in phases:
            yield Action(phase=phases[part.kind], statements=(part.definition,))
