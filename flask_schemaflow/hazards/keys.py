"""Rules for constraints and unique indexes that are laid on rows which are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..probes import Question, named
from ..revisions import TableName
from .effect import (
    AddsColumn,
    AddsKey,
    ChangesEveryRow,
    ChangesRows,
    CreatesTable,
    Key,
    MakesIndex,
    Validates,
)
from .hazard import ROWS, Hazard, Kind
from .parts import bare, columns_of, parts_of
from .pending import Met, Pending, label
from .questions import all_of, beyond, breaking, duplicates_of, orphans_of, overlapping, size_of

if TYPE_CHECKING:
    from ..snapshot import Part

_UNIQUE = Kind(
    "add-unique-constraint",
    ("data-dependent", "blocking", "incompatible"),
    "Look for the duplicates first. On PostgreSQL: CREATE UNIQUE INDEX CONCURRENTLY in a revision of its "
    "own, then "
    "ADD CONSTRAINT ... UNIQUE USING INDEX.",
)
_UNIQUE_INDEX = Kind(
    "add-unique-index", ("data-dependent",), "Look for the duplicates first, and mend or delete them."
)
_PRIMARY = Kind(
    "add-primary-key",
    ("data-dependent", "blocking"),
    "On PostgreSQL: CREATE UNIQUE INDEX CONCURRENTLY on columns that are NOT NULL, then ADD PRIMARY KEY "
    "USING INDEX.",
)
_FOREIGN = Kind(
    "add-foreign-key",
    ("data-dependent", "blocking"),
    "On PostgreSQL: create_foreign_key(..., postgresql_not_valid=True), and ALTER TABLE ... VALIDATE "
    "CONSTRAINT in "
    "the next revision. Elsewhere mend the rows first.",
)
_MISMATCHED = Kind(
    "mismatched-foreign-key-type",
    ("data-dependent",),
    "Give the column the type of the key that it names.",
)
_CHECK = Kind(
    "add-check-constraint",
    ("data-dependent", "blocking"),
    "On PostgreSQL: create_check_constraint(..., postgresql_not_valid=True), and ALTER TABLE ... VALIDATE "
    "CONSTRAINT "
    "in the next revision. Elsewhere mend the rows first.",
)
_EXCLUSION = Kind(
    "add-exclusion-constraint",
    ("data-dependent", "blocking"),
    "It cannot be made NOT VALID: make a new table with it, and copy.",
)
_LOCKS = {
    "postgresql": " It is built under ACCESS EXCLUSIVE: nobody reads or writes the table meanwhile.",
    "mariadb": "",
    "mysql": "",
    "sqlite": "",
}


def _keys(pending: Pending, *kinds: str) -> Iterator[tuple[Key, Met, str]]:
    """Give the constraints that are laid on tables which the plan has not made."""
    for effect, met in pending.of(AddsKey):
        if effect.key.kind in kinds and met.table is not None:
            yield (
                effect.key,
                met,
                label(effect.table, effect.key.name or "+".join(effect.key.columns) or None),
            )
    if pending.family == "postgresql":
        yield from _keys_with_columns(pending, *kinds)


def _keys_with_columns(pending: Pending, *kinds: str) -> Iterator[tuple[Key, Met, str]]:
    """Give the constraints in a column that is added, those that PostgreSQL holds against the rows.

    A foreign key without a default is not: it has NULL in every row.
    """
    for added, met in pending.of(AddsColumn):
        for key, naming in zip(added.said.keys, met.named, strict=True):
            is_held = key.kind == "check" or added.said.default not in (None, "NULL")
            if (
                key.kind in kinds
                and key.kind in ("check", "foreign-key")
                and is_held
                and met.table is not None
            ):
                yield key, naming or met, label(added.table, key.name or added.column)


def add_unique_constraint(pending: Pending) -> Iterator[Hazard]:
    """Find unique constraints on rows that may be equal."""
    for key, met, subject in _keys(pending, "unique"):
        if key.using is None and met.table is not None:
            without = [] if pending.family == "postgresql" else ["blocking"]
            question = _duplicates(met, key.columns)
            if question is None and pending.family != "postgresql":
                continue
            if question is None:
                without.append("data-dependent")
                question = size_of(met.table)
            message = (
                f"Makes {', '.join(key.columns)} of {label(met.effect.table)} unique: {ROWS}"
                f"{'' if 'data-dependent' in without else ' with a value that another one has'}."
                f"{_LOCKS[pending.family]}"
            )
            yield pending.found(_UNIQUE, met, subject, message, question=question, without=without)


def add_unique_index(pending: Pending) -> Iterator[Hazard]:
    """Find unique indexes on rows that may be equal."""
    for effect, met in pending.of(MakesIndex):
        if not effect.unique or met.table is None:
            continue
        if effect.columns is None:
            question: Question | None = duplicates_of(
                met.table, [sa.literal_column(f"({each})") for each in effect.elements], effect.where
            )
        else:
            question = _duplicates(met, effect.columns, effect.where)
        if question is not None:
            message = (
                f"Makes a unique index on {', '.join(effect.elements)} of {label(effect.table)}: {ROWS} "
                "with a value "
                "that another one has."
            )
            found = pending.found(
                _UNIQUE_INDEX, met, label(effect.table, effect.name or None), message, question=question
            )
            # Concurrently it locks nothing and changes nothing: without a database there is nothing to say.
            yield replace(found, only_with_rows=effect.concurrently)


def _duplicates(met: Met, columns: Sequence[str], where: str | None = None) -> Question | None:
    """Ask for duplicates; None where there can be none, or where a column is made by this plan."""
    assert met.table is not None
    if len(met.columns) < len(columns) or _is_unique_already(met, columns):
        return None
    elements: list[Any] = [named(each) for each in met.columns]
    return duplicates_of(met.table, elements, where)


def _is_unique_already(met: Met, columns: Sequence[str]) -> bool:
    """Say whether some of the columns are unique by themselves."""
    for part in parts_of(met.there, "unique", "primary-key", "index"):
        alone = part.kind != "index" or ("unique" in part.facts and "where" not in part.facts)
        if alone and set(columns_of(part) or ("",)) <= set(columns):
            return True
    return False


def add_primary_key(pending: Pending) -> Iterator[Hazard]:
    """Find primary keys on rows that are there."""
    for key, met, subject in _keys(pending, "primary-key"):
        if key.using is None and met.table is not None and pending.family != "sqlite":
            question = _duplicates(met, key.columns)
            without = () if question is not None else ("data-dependent",)
            equal = " with a value that another one has" if question is not None else ""
            message = (
                f"Makes {', '.join(key.columns)} the primary key of {label(met.effect.table)}: {ROWS}{equal}."
                f"{_LOCKS[pending.family]}"
            )
            yield pending.found(
                _PRIMARY, met, subject, message, question=question or size_of(met.table), without=without
            )


def add_exclusion_constraint(pending: Pending) -> Iterator[Hazard]:
    """Find exclusion constraints on rows that are there."""
    for key, met, subject in _keys(pending, "exclude"):
        assert met.table is not None
        asked = bool(key.operators) and len(met.columns) == len(key.columns)
        question = (
            overlapping(met.table, met.columns, key.operators, pending.recorded.dialect)
            if asked
            else all_of(met.table)
        )
        has = f"{ROWS} that overlap others" if asked else f"{ROWS} that may overlap"
        message = f"Adds the exclusion constraint {subject}: {has}.{_LOCKS['postgresql']}"
        yield pending.found(_EXCLUSION, met, subject, message, question=question)


# -- foreign keys ----------------------------------------------------------------------------------


def add_foreign_key(pending: Pending) -> Iterator[Hazard]:
    """Find foreign keys over rows that may point at nothing, and that lock two tables while they look."""
    for key, met, subject in _keys(pending, "foreign-key"):
        if key.not_valid or met.table is None or key.refers is None:
            continue
        orphans = _orphans(pending, key, met)
        without = [] if orphans is not None else ["data-dependent"]
        if pending.family == "sqlite":
            if orphans is None:
                continue
            without.append("blocking")
        points = f"{ROWS} that point at nothing" if orphans is not None else ROWS
        yield pending.found(
            _FOREIGN,
            met,
            subject,
            f"Adds a foreign key from {label(met.effect.table)} to {label(key.refers)}: {points}."
            f"{_FOREIGN_LOCKS[pending.family].format(two=_both(met, key))}",
            question=orphans or size_of(met.table),
            without=without,
        )


_FOREIGN_LOCKS = {
    "postgresql": " Rows are looked up under SHARE ROW EXCLUSIVE on {two}: nobody writes there meanwhile.",
    "mariadb": " The server copies the table (ALGORITHM=COPY): nobody writes it meanwhile.",
    "mysql": " The server copies the table (ALGORITHM=COPY): nobody writes it meanwhile.",
    "sqlite": "",
}


def _both(met: Met, key: Key) -> str:
    """Name what is locked: a table that the plan has made blocks nobody."""
    assert key.refers is not None
    table = label(met.effect.table)
    return table if met.refers is None or met.refers == met.table else f"{table} and {label(key.refers)}"


def _orphans(pending: Pending, key: Key, met: Met) -> Question | None:
    """Ask for orphans; None where the columns or the table that they name are made by this plan."""
    if met.table is None or met.refers is None or len(met.columns) < len(key.columns):
        return None
    keys = key.refers_columns
    if not keys:
        primary = next(parts_of(met.refers_there, "primary-key"), None)
        keys = (columns_of(primary) if primary is not None else None) or ()
    if len(keys) != len(met.columns):
        return None
    return orphans_of(met.table, met.columns, met.refers, keys, pending.recorded.dialect)


def mismatched_foreign_key_type(pending: Pending) -> Iterator[Hazard]:
    """Find foreign keys from a smaller integer to a larger one: some ids will not fit."""
    for columns, key, met in _named_keys(pending):
        for column, target in zip(key.columns, key.refers_columns, strict=False):
            mine = columns.get(column)
            other = next((p for p in parts_of(met.refers_there, "column") if p.name == target), None)
            if mine is None or other is None or key.refers is None:
                continue
            small, large = _bits(mine), _bits(other.facts.get("type", ""))
            if small and large and small < large:
                subject = label(met.effect.table, column)
                message = (
                    f"The column {subject} ({mine}) refers to {label(key.refers, target)} "
                    f"({other.facts['type']}), where {ROWS} have an id that does not fit into it."
                )
                question = beyond(met.refers or key.refers, target, small)
                yield pending.found(_MISMATCHED, met, subject, message, question=question)


def _named_keys(pending: Pending) -> Iterator[tuple[dict[str, str], Key, Met]]:
    """Give the foreign keys that are made, with the types of the columns that they are on."""
    for effect, met in pending.of(AddsKey):
        if effect.key.kind == "foreign-key":
            there = {p.name or "": p.facts.get("type", "") for p in parts_of(met.there, "column")}
            yield there, effect.key, met
    for made, met in pending.of(CreatesTable):
        types = {each.name: each.type or "" for each in made.columns_said}
        for key, refers in zip(made.keys, met.named, strict=True):
            if refers is not None:
                yield types, key, refers
    for added, met in pending.of(AddsColumn):
        for key, refers in zip(added.said.keys, met.named, strict=True):
            if refers is not None:
                yield {added.column: added.said.type or ""}, key, refers


_BITS = {"smallint": 16, "int2": 16, "integer": 32, "int": 32, "int4": 32, "bigint": 64, "int8": 64}


def _bits(type_: str) -> int | None:
    return _BITS.get(type_.lower().partition("(")[0].strip())


# -- checks ----------------------------------------------------------------------------------------


def add_check_constraint(pending: Pending) -> Iterator[Hazard]:
    """Find checks over rows that may break them, and that are looked through under a lock."""
    for key, met, subject in _keys(pending, "check"):
        if key.not_valid or met.table is None:
            continue
        without = [] if pending.family != "sqlite" else ["blocking"]
        question = breaking(met.table, key.expression)
        has = f"{ROWS} that break it"
        if _is_about_new(pending, met, key.expression):
            question, has = size_of(met.table), f"{ROWS} to look through"
            without.append("data-dependent")
        message = (
            f"Adds the check {key.expression} to {label(met.effect.table)}: "
            f"{has}.{_CHECK_LOCKS[pending.family]}"
        )
        yield pending.found(_CHECK, met, subject, message, question=question, without=without)


_CHECK_LOCKS = {
    "postgresql": " Every row is read under ACCESS EXCLUSIVE: nobody reads or writes the table meanwhile.",
    "mariadb": " The server copies the table (ALGORITHM=COPY): nobody writes it meanwhile.",
    "mysql": " The server copies the table (ALGORITHM=COPY): nobody writes it meanwhile.",
    "sqlite": "",
}


def _is_about_new(pending: Pending, met: Met, expression: str) -> bool:
    """Say whether a check speaks of a column that the real table has not got."""
    assert met.table is not None
    real = pending.table(pending.structures.real, met.table)
    if real is None:
        return False
    known = {part.name for part in parts_of(real, "column")}
    now = {part.name for part in parts_of(met.there, "column")}
    return any(name is not None and name in expression for name in now - known)


# -- validated later -------------------------------------------------------------------------------


def validated_constraint(pending: Pending) -> Iterator[Hazard]:
    """Find constraints that were made NOT VALID before, and are held against rows which may break them."""
    for effect, met in pending.of(Validates):
        table = pending.table(pending.structures.real, met.table) if met.table is not None else None
        part = next(
            (each for each in parts_of(table, "check", "foreign-key") if each.name == effect.name), None
        )
        if part is None or met.table is None or "not-valid" not in part.facts or _is_mended(pending, met):
            continue
        question = _broken_by(pending, part, met.table)
        if question is not None:
            found = pending.found(
                _CHECK if part.kind == "check" else _FOREIGN,
                met,
                label(effect.table, effect.name),
                f"Validates {effect.name} of {label(effect.table)}, which {ROWS} break.",
                question=question,
                without=("blocking",),
                hint="Mend these rows first.",
            )
            # It is the second step of the safe way: without a database there is nothing to say.
            yield replace(found, only_with_rows=True)


def _is_mended(pending: Pending, met: Met) -> bool:
    """Say whether the plan changes rows of the table before, so that they cannot be asked now."""
    earlier = (*(each for one in pending.so_far for each in one.met), *pending.met)
    changes = (each for each in earlier if isinstance(each.effect, ChangesRows | ChangesEveryRow))
    return any(each.table == met.table for each in changes)


def _broken_by(pending: Pending, part: Part, table: TableName) -> Question | None:
    if part.kind == "check":
        return breaking(table, part.facts["expression"])
    columns, keys = columns_of(part), columns_of(replace(part, facts={"columns": part.facts["references"]}))
    if columns is None or keys is None:
        return None
    *schema, name = (bare(each) for each in part.facts["table"].split("."))
    to = TableName(schema[0] if schema else None, name)
    return orphans_of(table, columns, to, keys, pending.recorded.dialect)


RULES = (
    add_unique_constraint,
    add_unique_index,
    add_primary_key,
    add_exclusion_constraint,
    add_foreign_key,
    mismatched_foreign_key_type,
    add_check_constraint,
    validated_constraint,
)
KINDS = (_UNIQUE, _UNIQUE_INDEX, _PRIMARY, _EXCLUSION, _FOREIGN, _MISMATCHED, _CHECK)
