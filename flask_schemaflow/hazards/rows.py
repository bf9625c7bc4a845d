"""Rules for what changes or deletes every row."""

from __future__ import annotations

from collections.abc import Iterator

from ..probes import Question
from .effect import ChangesEveryRow, EmptiesTable
from .hazard import ROWS, Hazard
from .pending import Met, Pending, label


def truncate_table(pending: Pending) -> Iterator[Hazard]:
    """Find tables that are emptied, and that the plan has not made."""
    for effect, met in pending.of(EmptiesTable):
        if met.table is not None:
            yield Hazard(
                code="truncate-table",
                subject=label(effect.table),
                classes=("destructive", "blocking"),
                message=f"Empties the table {label(effect.table)} of {ROWS}.",
                hint="Delete what has to go by a DELETE with a condition, or accept it.",
                revision=pending.recorded.revision,
                file=str(pending.recorded.file),
                line=met.line,
                question=Question(met.table),
            )


def unfiltered_data_change(pending: Pending) -> Iterator[Hazard]:
    """Find what deletes every row, or overwrites every value of a column that the plan has not made."""
    for effect, met in pending.of(ChangesEveryRow):
        if met.table is not None and (effect.deletes or met.columns or not effect.columns):
            yield _changes(pending, effect, met)


def _changes(pending: Pending, effect: ChangesEveryRow, met: Met) -> Hazard:
    what = "Deletes" if effect.deletes else f"Overwrites {', '.join(met.columns) or 'values'} in"
    return Hazard(
        code="unfiltered-data-change",
        subject=label(effect.table),
        classes=("destructive", "blocking"),
        message=f"{what} every row of {label(effect.table)}: {ROWS}.",
        hint="Give it a WHERE, or accept it.",
        revision=pending.recorded.revision,
        file=str(pending.recorded.file),
        line=met.line,
        question=Question(met.table) if met.table is not None else None,
    )


RULES = (truncate_table, unfiltered_data_change)
CODES = ("truncate-table", "unfiltered-data-change")
