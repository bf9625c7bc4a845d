"""Rules for what changes or deletes every row."""

from __future__ import annotations

from collections.abc import Iterator

from ..probes import Question
from .effect import ChangesEveryRow, EmptiesTable
from .hazard import ROWS, Hazard, Kind
from .pending import Pending, label

_TRUNCATE = Kind(
    "truncate-table",
    ("destructive", "blocking"),
    "Delete what has to go by a DELETE with a condition, or accept it.",
)
_UNFILTERED = Kind("unfiltered-data-change", ("destructive", "blocking"), "Give it a WHERE, or accept it.")


def truncate_table(pending: Pending) -> Iterator[Hazard]:
    """Find tables that are emptied, and that the plan has not made."""
    for effect, met in pending.of(EmptiesTable):
        if met.table is not None:
            message = f"Empties the table {label(effect.table)} of {ROWS}."
            yield pending.found(_TRUNCATE, met, label(effect.table), message, question=Question(met.table))


def unfiltered_data_change(pending: Pending) -> Iterator[Hazard]:
    """Find what deletes every row, or overwrites every value of a column that the plan has not made."""
    for effect, met in pending.of(ChangesEveryRow):
        if met.table is not None and (effect.deletes or met.columns or not effect.columns):
            what = "Deletes" if effect.deletes else f"Overwrites {', '.join(met.columns) or 'values'} in"
            message = f"{what} every row of {label(effect.table)}: {ROWS}."
            yield pending.found(_UNFILTERED, met, label(effect.table), message, question=Question(met.table))


RULES = (truncate_table, unfiltered_data_change)
KINDS = (_TRUNCATE, _UNFILTERED)
