"""Foreign keys of MariaDB and MySQL: by themselves, before and after all else.

A column cannot change its type, nor an index go, while a foreign key leads from it or to it
(https://mariadb.com/kb/en/foreign-keys/#constraints-in-alter-table).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..snapshot import read_key, read_lines
from .changes import Action, Change, Outcome, Phase, Task, left
from .mysql_counting import orphans
from .mysql_words import alter, bare, names_of, quoted
from .rows import in_rows

if TYPE_CHECKING:
    from ..snapshot import Object, Part
    from .mysql_table import Table

_LEADS_TO = frozenset(("columns", "table", "references"))


def mend_foreign_key(change: Change, table: Table, task: Task) -> Iterator[Outcome]:
    """Make, drop or replace a foreign key."""
    part, old = change.part, change.part_there
    if table.is_kept(change):
        yield from left(change, "It is about a column that stays.", kept=True)
        return
    if part is not None and (change.is_missing or change.facts & _LEADS_TO):
        rows = orphans(part, table.there, task, table.columns.rows.fills)
        if rows:
            yield from left(change, f"{in_rows(rows)} lead to no row: correct them first.")
            return
    if old is not None:
        clauses = [f"DROP FOREIGN KEY {quoted(old.name)}"]
        if part is None or part.name != old.name:
            clauses += [f"DROP INDEX {quoted(each)}" for each in _indexes_made_for(old, table)]
        mends = () if part is not None else change.keys
        yield Action(phase=Phase.DROP_FOREIGN_KEYS, statements=(alter(table.there, *clauses),), mends=mends)
    if part is not None:
        text = (
            part.definition
            if part.named
            else part.definition.replace(f"CONSTRAINT {quoted(part.name)} ", "", 1)
        )
        yield Action(
            phase=Phase.FOREIGN_KEYS, statements=(alter(table.there, f"ADD {text}"),), mends=change.keys
        )


def _indexes_made_for(key: Part, table: Table) -> Iterator[str]:
    """Give the index that the server made for a key that goes: it would stay as one of its own."""
    columns = key.facts["columns"]
    others = [each for each in table.there.parts if each.kind == "foreign-key" and each is not key]
    if any(each.facts["columns"].startswith(columns) for each in others):
        return
    listed = {each.name for each in table.there.parts if each.kind in ("index", "unique")}
    for line in read_lines(table.there.definition):
        index = read_key(line)
        is_unlisted = index is not None and index.kind == "index" and index.name not in listed
        if index is not None and is_unlisted and index.facts.get("columns") == columns:
            yield index.name or ""


class ForeignKeys:
    """The foreign keys that stay as they are, but are in the way of what changes."""

    def __init__(self, task: Task, tables: Iterable[Table]) -> None:
        self._task = task
        self._tables = {each.there.name: each for each in tables}

    def out_of_the_way(self) -> Iterator[Outcome]:
        """Drop them first, and add them again at the end."""
        for table in self._task.before.tables:
            if f"drop-table:{table.label}" in self._task.accepted:
                continue
            mine = self._tables.get(table.name)
            for key in table.parts:
                if key.kind != "foreign-key" or self._goes(key, mine):
                    continue
                if self._is_in_the_way(key, table):
                    drop = alter(table, f"DROP FOREIGN KEY {quoted(key.name)}")
                    yield Action(phase=Phase.DROP_FOREIGN_KEYS, statements=(drop,))
                    add = alter(table, f"ADD {key.definition}")
                    yield Action(phase=Phase.FOREIGN_KEYS, statements=(add,))

    def _goes(self, key: Part, table: Table | None) -> bool:
        """Say whether a key is dropped or replaced anyway."""
        changes = table.of("foreign-key") if table is not None else []
        change = next((each for each in changes if each.part_there is key), None)
        return change is not None and table is not None and not table.is_kept(change)

    def _is_in_the_way(self, key: Part, table: Object) -> bool:
        ends = ((table.name, key.facts["columns"]), (bare(key.facts["table"]), key.facts["references"]))
        for name, listed in ends:
            found, columns = self._tables.get(name), names_of(listed)
            if found is None:
                continue
            indexes = (each[: len(columns)] for each in found.dropped_keys)
            if {*columns} & found.columns.remade or columns in indexes:
                return True
        return False
