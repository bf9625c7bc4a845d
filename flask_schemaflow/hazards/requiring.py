"""The rule for columns that take no NULL any more."""

from __future__ import annotations

from collections.abc import Iterator

from .effect import AddsColumn, ChangesEveryRow, ChangesRows, SetsNullable
from .hazard import ROWS, Hazard, Kind
from .parts import is_required_by_check
from .pending import Met, Pending, label
from .questions import all_of, nulls_in

_KIND = Kind("set-not-null", ("data-dependent", "blocking", "incompatible"))
_ON_POSTGRESQL = (
    "Fill the NULLs; add CHECK ({column} IS NOT NULL) NOT VALID, validate it in the next revision, then set "
    "NOT "
    "NULL (no row is read again), and drop the check."
)
_ELSEWHERE = (
    "Fill the NULLs first: UPDATE {table} SET {column} = ... WHERE {column} IS NULL, in an earlier revision."
)


def set_not_null(pending: Pending) -> Iterator[Hazard]:
    """Find columns that get NOT NULL, and may have NULLs, or are looked through under a lock."""
    for effect, met in pending.of(SetsNullable):
        if effect.nullable or met.table is None or _is_required(pending, met, effect.column):
            continue
        subject = label(effect.table, effect.column)
        hint = _ON_POSTGRESQL if pending.family == "postgresql" else _ELSEWHERE
        without = () if pending.family == "postgresql" else ("blocking",)
        if met.column is not None:
            question, has = nulls_in(met.table, met.column), f"which is NULL in {ROWS}"
            if _is_filled(pending, met):
                # What is filled before cannot be asked now; the scan under the lock stays.
                question, has = all_of(met.table), "which this plan fills before"
                without = (*without, "data-dependent")
        elif _is_added_empty(pending, met, effect.column):
            question, has = all_of(met.table), f"which is NULL in {ROWS}: this plan adds it without a value"
        else:
            continue
        yield pending.found(
            _KIND,
            met,
            subject,
            f"Sets {subject} NOT NULL, {has}.{_scan(pending)}",
            question=question,
            without=without,
            hint=hint.format(table=label(effect.table), column=effect.column),
        )


def _scan(pending: Pending) -> str:
    if pending.family != "postgresql":
        return ""
    return " Every row is read under ACCESS EXCLUSIVE: nobody reads or writes the table meanwhile."


def _is_required(pending: Pending, met: Met, column: str) -> bool:
    there = pending.column_there(met, column)
    return (there is not None and there.facts.get("nullable") == "no") or (
        pending.family == "postgresql" and is_required_by_check(met.there, column)
    )


def _before(pending: Pending, met: Met) -> Iterator[Met]:
    """Give what the plan does before an operation."""
    for earlier in pending.so_far:
        yield from earlier.met
    for each in pending.met:
        if each is met:
            return
        yield each


def _is_filled(pending: Pending, met: Met) -> bool:
    changes = (
        each for each in _before(pending, met) if isinstance(each.effect, ChangesRows | ChangesEveryRow)
    )
    return any(each.table == met.table for each in changes)


def _is_added_empty(pending: Pending, met: Met, column: str) -> bool:
    """Say whether the plan has added the column, with no value for the rows that are there."""
    added = [
        each.effect.said
        for each in _before(pending, met)
        if isinstance(each.effect, AddsColumn) and each.table == met.table and each.effect.column == column
    ]
    return any(said.default is None and not said.generated for said in added) and not _is_filled(pending, met)


RULES = (set_not_null,)
KINDS = (_KIND,)
