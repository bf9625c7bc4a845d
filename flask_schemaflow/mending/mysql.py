"""Mend MariaDB and MySQL databases: one ALTER TABLE for each table, and foreign keys by themselves.

No statement is undone when a later one fails, so that each leaves the tables whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from ..snapshot import read_key
from .changes import Action, Change, Outcome, Phase, Task, left
from .likely import likely_tables
from .mysql_keys import ForeignKeys, mend_foreign_key
from .mysql_table import Table
from .mysql_words import quoted
from .rows import in_rows

if TYPE_CHECKING:
    from ..snapshot import Object


def mend_mysql(task: Task) -> Iterator[Outcome]:
    """Give what mends each table, view, sequence and routine. Read-only."""
    by_object: dict[object, list[Change]] = defaultdict(list)
    for change in task.changes:
        by_object[change.object.key].append(change)
    tables = []
    for changes in by_object.values():
        first = changes[0]
        if first.object.kind != "table":
            yield from _BY_KIND.get(first.object.kind, _other)(first, task)
        elif first.wanted is None:
            yield from _extra_table(first, task)
        elif first.there is None:
            yield from _missing_table(first, first.wanted, task)
        else:
            tables.append(Table(first.wanted, first.there, changes, task))
    for table in tables:
        yield from table.outcomes()
    keys = ForeignKeys(task, tables)
    for table in tables:
        for change in table.of("foreign-key") if table.is_readable else ():
            yield from mend_foreign_key(change, table, task)
    yield from keys.out_of_the_way()


# -- tables ----------------------------------------------------------------------------------------


def _extra_table(change: Change, task: Task) -> Iterator[Outcome]:
    table = change.object
    drop = f"DROP TABLE {quoted(table.name)}"
    key = f"drop-table:{table.label}"
    if key in task.accepted:
        for part in table.parts:  # so that tables which lead to each other can go in any order
            if part.kind == "foreign-key":
                text = f"ALTER TABLE {quoted(table.name)} DROP FOREIGN KEY {quoted(part.name)}"
                yield Action(phase=Phase.DROP_FOREIGN_KEYS, statements=(text,))
        yield Action(phase=Phase.DROPS, statements=(drop,), mends=change.keys, after=1)
        return
    reason = f"The table stays ({in_rows(task.rows(table))}); --accept {key} drops it."
    yield Action(phase=Phase.DROPS, notes=(f"{table.label}: {reason}",), disabled=(drop,), after=1)
    yield from left(change, reason, kept=True)


def _missing_table(change: Change, table: Object, task: Task) -> Iterator[Outcome]:
    if not table.definition:
        yield from left(change, "The text of the table is not known here.")
        return
    alike = likely_tables(table, task)
    yield Action(
        phase=Phase.TABLES,
        statements=(_without_foreign_keys(table),),
        mends=change.keys,
        notes=tuple(
            f"Or was {each.label} ({in_rows(task.rows(each))}) renamed to {table.label}? Then, instead:"
            for each in alike
        ),
        disabled=tuple(f"RENAME TABLE {quoted(each.name)} TO {quoted(table.name)}" for each in alike),
    )
    keys = [part.definition for part in table.parts if part.kind == "foreign-key"]
    if keys:
        added = ", ".join(f"ADD {each}" for each in keys)
        text = f"ALTER TABLE {quoted(table.name)} {added}"
        yield Action(phase=Phase.FOREIGN_KEYS, statements=(text,))
    for part in table.parts:
        if part.kind == "trigger":
            yield Action(phase=Phase.TRIGGERS, statements=(part.definition,))


def _without_foreign_keys(table: Object) -> str:
    """Write the table; its foreign keys are added when all tables are there, and make their indexes.

    An index that is written stays when its key goes, one that the server has made does not.
    """
    gone = {part.definition for part in table.parts if part.kind == "foreign-key"}
    listed = {part.name for part in table.parts if part.kind in ("index", "unique")}
    kept: list[str] = []
    for line in table.definition.split("\n"):
        item = line.strip().removesuffix(",")
        if item in gone or (gone and _is_unlisted(item, listed)):
            continue
        if line.startswith(")") and kept:
            kept[-1] = kept[-1].removesuffix(",")
        kept.append(line)
    return "\n".join(kept)


def _is_unlisted(item: str, listed: Collection[str | None]) -> bool:
    """Say whether a line of a table makes an index that only a foreign key asked for."""
    index = read_key(item)
    return index is not None and index.kind == "index" and index.name not in listed


# -- what is no table ------------------------------------------------------------------------------


def _extra(change: Change, task: Task) -> Iterator[Outcome]:
    kind = change.object.kind.replace("-", " ")
    if task.may_drop(change):
        text = f"DROP {kind.upper()} {quoted(change.object.name)}"
        phase = Phase.DROP_VIEWS if kind == "view" else Phase.DROPS
        yield Action(phase=phase, statements=(text,), mends=change.keys, after=2)
    else:
        yield from left(change, f"The {kind} that a person made stays.", kept=True)


def _view(change: Change, task: Task) -> Iterator[Outcome]:
    view = change.wanted
    if view is None:
        yield from _extra(change, task)
        return
    text = view.definition.replace("CREATE ", "CREATE OR REPLACE ", 1)
    yield Action(phase=Phase.VIEWS, statements=(text,), mends=change.keys, after=_depth(view, task))


def _depth(view: Object, task: Task) -> int:
    """Count the views below a view: they have to be there before it."""
    views = {each.name: each for each in task.after.objects if each.kind == "view"}
    below = (views[name] for _, name in view.uses if name in views and name != view.name)
    return 1 + max((_depth(each, task) for each in below), default=0)


def _sequence(change: Change, task: Task) -> Iterator[Outcome]:
    wanted = change.wanted
    if wanted is None:
        yield from _extra(change, task)
        return
    text = wanted.definition.rpartition(" ENGINE=")[0] or wanted.definition
    if change.there is not None:
        text = text.replace("CREATE ", "ALTER ", 1)
    yield Action(phase=Phase.TYPES, statements=(text,), mends=change.keys)


def _other(change: Change, task: Task) -> Iterator[Outcome]:
    """Make or replace a routine or an event."""
    wanted, kind = change.wanted, change.object.kind.replace("-", " ")
    if wanted is None:
        yield from _extra(change, task)
    elif "syntax" in wanted.facts or not wanted.definition:
        yield from left(
            change, f"It was made under the sql_mode {wanted.facts.get('syntax', '?')}: do it so."
        )
    else:
        name = quoted(wanted.name)
        drop = (f"DROP {kind.upper()} {name}",) if change.there is not None else ()
        yield Action(phase=Phase.TYPES, statements=(*drop, wanted.definition), mends=change.keys)


_BY_KIND = {"view": _view, "sequence": _sequence}
