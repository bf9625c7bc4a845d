"""Decide which tables that discovery brought are the app's: the databases and the revisions judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..revisions import TableName
from ..snapshot import folded
from .importing import Declared, Imported, dangling_key

if TYPE_CHECKING:
    from sqlalchemy import Table

    from .binds import Bind
    from .declarations import DeclaredTable

TablesPerBind = Mapping[str | None, frozenset[TableName]]


@dataclass(frozen=True)
class Judges:
    """What the databases and the revisions have."""

    in_database: TablesPerBind
    in_revisions: frozenset[TableName]

    def know(self, table: Table, bind: Bind) -> bool:
        """Say whether this database or a revision has the table."""

        def same(each: TableName) -> TableName:
            return TableName(each.schema, folded(each.name, bind.family))

        known = self.in_revisions | self.in_database.get(bind.key, frozenset())
        return same(TableName(table.schema, table.name)) in set(map(same, known))

    def miss(self, table: DeclaredTable, declared: Declared) -> bool:
        """Say whether any of them has a table of the source that is not declared."""
        names = {each for _, each in declared.tables}
        wanted = declared.name_of(table)
        if not table.is_placed:
            everywhere = ((key, each) for key, tables in self.in_database.items() for each in tables)
            known = any(
                each.name == table.name and (key, each) not in declared.tables for key, each in everywhere
            )
        else:
            there = self.in_database.get(table.bind_key, frozenset())
            known = wanted in there and (table.bind_key, wanted) not in declared.tables
        return known or (wanted in self.in_revisions and wanted not in names)

    def have_name(self, name: str) -> bool:
        """Say whether any of them has a table of this name."""
        known = self.in_revisions.union(*self.in_database.values())
        return any(each.name == name for each in known)


def judge(
    imported: Imported,
    binds: tuple[Bind, ...],
    judges: Judges,
    named: set[Path],
) -> tuple[list[Table], list[Table]]:
    """Split what was imported into tables that are ours and tables that are left out."""
    by_metadata = {id(bind.metadata): bind for bind in binds}
    brought = list(imported.tables)
    before = sum(len(bind.metadata.tables) for bind in binds) - len(brought)
    kept = {
        table
        for table in brought
        if imported.tables[table] in named or judges.know(table, by_metadata[id(table.metadata)])
    }
    if not before and not kept:
        kept = set(brought)
    wanted = kept | {table for bind in binds for table in bind.metadata.tables.values()} - set(brought)
    while more := {t for w in wanted for t in _referenced(w) if t in imported.tables} - kept:
        kept |= more
        wanted |= more
    return [t for t in brought if t in kept], [t for t in brought if t not in kept]


def _referenced(table: Table) -> Iterator[Table]:
    return (key.column.table for key in table.foreign_keys if dangling_key(table) is None)
