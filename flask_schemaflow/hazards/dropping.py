"""Rules for what goes with its rows: tables and columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..probes import Question, named
from ..revisions import TableName
from .effect import DropsColumn, DropsTable, Rebuilds, RenamesColumn, RenamesTable
from .hazard import ROWS, Hazard, Kind
from .pending import Pending, label
from .statements import is_made_again

_CLASSES = ("destructive", "incompatible", "irreversible")
_TABLE = Kind(
    "drop-table",
    _CLASSES,
    "Stop using it and deploy; rename it in the next release, and drop it in a later one. To drop it now, "
    "accept it.",
)
_COLUMN = Kind(
    "drop-column",
    _CLASSES,
    "Stop mapping it and deploy; drop it in the next release. To drop it now, accept it.",
)


def drop_table(pending: Pending) -> Iterator[Hazard]:
    """Find tables that are dropped, and that the plan has not made."""
    seen = set()
    for effect, met in pending.of(DropsTable):
        if met.table is None:
            continue
        seen.add(met.table)
        if not (effect.if_exists and is_made_again(pending, met)):  # recreate-table-force says it
            yield _table_goes(pending, effect.table, met.table, met.line)
    for name in _tables_gone(pending):
        if name not in seen:
            yield _table_goes(pending, name, name, None)


def drop_column(pending: Pending) -> Iterator[Hazard]:
    """Find columns that are dropped, and that the plan has not made."""
    seen = set()
    for effect, met in pending.of(DropsColumn):
        if met.table is not None and met.column is not None and not _is_computed(pending, met):
            seen.add((effect.table.name, effect.column))
            yield _column_goes(pending, effect.table, effect.column, met.table, met.column, met.line)
    for table, column, new in _columns_gone(pending):
        if (table.name, column) not in seen:
            goes = _column_goes(pending, table, column, table, column, None)
            yield _perhaps_renamed(goes, new) if new and pending.recorded.unseen else goes


def _table_goes(pending: Pending, name: TableName, real: TableName, line: int | None) -> Hazard:
    return Hazard(
        code=_TABLE.code,
        subject=label(name),
        classes=_CLASSES,
        message=f"Drops the table {label(name)} with {ROWS}.",
        hint=_TABLE.hint,
        revision=pending.recorded.revision,
        file=str(pending.recorded.file),
        line=line,
        question=Question(real),
    )


def _column_goes(
    pending: Pending, table: TableName, column: str, real: TableName, real_column: str, line: int | None
) -> Hazard:
    return Hazard(
        code=_COLUMN.code,
        subject=label(table, column),
        classes=_CLASSES,
        message=f"Drops the column {label(table, column)}, which has a value in {ROWS}.",
        hint=_COLUMN.hint,
        revision=pending.recorded.revision,
        file=str(pending.recorded.file),
        line=line,
        question=Question(real, named(real_column).is_not(None)),
    )


def _perhaps_renamed(goes: Hazard, new: list[str]) -> Hazard:
    """Say of a column that is gone, and of others that are new, that nobody saw how."""
    return replace(
        goes,
        message=f"The column {goes.subject}, which has a value in {ROWS}, is gone afterwards, and "
        f"{', '.join(new)} {'are' if len(new) > 1 else 'is'} new: renamed or dropped, that was not seen.",
        hint="Accept it if it is renamed. A revision that does not ask what is in the database is seen.",
    )


def _is_computed(pending: Pending, met: object) -> bool:
    part = pending.real_column(met)  # type: ignore[arg-type]
    return part is not None and part.facts.get("generated", "").endswith("VIRTUAL")


# -- what structures say of operations that were not seen -----------------------------------------


def _tables_gone(pending: Pending) -> Iterator[TableName]:
    """Give the tables that a revision takes away by operations that cannot be read."""
    if pending.before is None or pending.after is None:
        return
    renamed = {effect.table.name for effect, _ in pending.of(RenamesTable)}
    for each in pending.before.tables:
        name = TableName(each.schema, each.name)
        made = pending.table(pending.structures.real, name) is None
        if pending.table(pending.after, name) is None and each.name not in renamed and not made:
            yield name


def _columns_gone(pending: Pending) -> Iterator[tuple[TableName, str, list[str]]]:
    """Give the columns that a revision takes away by operations that cannot be read, and those it adds."""
    if pending.before is None or pending.after is None:
        return
    renamed = {(effect.table.name, effect.column) for effect, _ in pending.of(RenamesColumn)}
    dropped = {effect.table.name for effect, _ in pending.of(DropsTable)}
    rebuilt = {effect.table.name for effect, _ in pending.of(Rebuilds)}
    for each in pending.before.tables:
        name = TableName(each.schema, each.name)
        after = pending.table(pending.after, name)
        real = pending.table(pending.structures.real, name)
        if after is None or real is None or (each.name in dropped and each.name not in rebuilt):
            continue
        left = [part.name for part in after.parts if part.kind == "column"]
        had = {part.name for part in each.parts if part.kind == "column"}
        new = [added for added in left if added is not None and added not in had]
        there = {part.name for part in real.parts if part.kind == "column"}
        for part in each.parts:
            gone = part.kind == "column" and part.name not in left and part.name in there
            if gone and part.name is not None and (each.name, part.name) not in renamed:
                yield name, part.name, new


RULES = (drop_table, drop_column)
KINDS = (_TABLE, _COLUMN)
