"""Rules for columns that are added."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .effect import AddsColumn, Does, NamesTwice
from .hazard import ROWS, Hazard, Kind
from .pending import Met, Pending, label
from .questions import all_of, size_of

_REQUIRED = Kind(
    "add-required-column",
    ("data-dependent", "incompatible"),
    "Add it with nullable=True, fill it, and set NOT NULL in a later revision; or give it a server_default.",
)
DUPLICATE = Kind(
    "duplicate-column", ("failing",), "Leave it out, or say op.add_column(..., if_not_exists=True)."
)
_UNIQUE = Kind(
    "add-unique-column",
    ("blocking",),
    "Add the column without it, create a unique index concurrently, and attach it with ADD CONSTRAINT ... "
    "UNIQUE USING INDEX.",
)
_VOLATILE = Kind(
    "add-column-volatile-default",
    ("blocking",),
    "Add the column without a default, set the default in a second step, and fill the old rows in batches.",
)
_EXPRESSION = Kind(
    "add-column-expression-default",
    ("blocking", "failing"),
    "Add the column without a default, set the default afterwards, and fill the old rows.",
)
_STORED = Kind(
    "add-stored-generated-column",
    ("blocking",),
    "Use a virtual column (Computed(..., persisted=False)) where the engine has them, or a plain column that "
    "is filled in batches.",
)
_COUNTING = Kind(
    "add-auto-increment-column",
    ("blocking",),
    "Make a new table with it and copy in batches, or do it in a quiet hour and accept it.",
)


def _added(pending: Pending) -> Iterator[tuple[AddsColumn, Met, str]]:
    """Give the columns that are added to tables which the plan has not made."""
    for effect, met in pending.of(AddsColumn):
        if met.table is not None and not (effect.if_not_exists and pending.column_there(met, effect.column)):
            yield effect, met, label(effect.table, effect.column)


def add_required_column(pending: Pending) -> Iterator[Hazard]:
    """Find columns without a value for the rows that are there, and that take no NULL."""
    for effect, met, subject in _added(pending):
        said = effect.said
        if said.nullable or said.default not in (None, "NULL") or said.counts or said.generated:
            continue
        assert met.table is not None
        does = "gives 0, '' or 0000-00-00 to" if pending.is_mysql else "fails on"
        message = f"Adds the column {subject} NOT NULL without a server_default, which {does} {ROWS}."
        yield pending.found(_REQUIRED, met, subject, message, question=all_of(met.table))


def duplicate_column(pending: Pending) -> Iterator[Hazard]:
    """Find columns that the table has already, and those that a statement names twice."""
    for effect, met in pending.of(AddsColumn):
        if not effect.if_not_exists and pending.column_there(met, effect.column) is not None:
            subject = label(effect.table, effect.column)
            message = f"Adds the column {subject}, which is there already."
            yield pending.found(DUPLICATE, met, subject, message)
    for named, met in pending.of(NamesTwice):
        # The other engines take the last value of an UPDATE.
        if pending.family == "postgresql" or named.declares:
            subject = label(named.table, named.column)
            yield pending.found(DUPLICATE, met, subject, f"Names the column {subject} twice.")


def add_unique_column(pending: Pending) -> Iterator[Hazard]:
    """Find columns that come with an index which is built while the table is locked."""
    if pending.family != "postgresql":
        return
    for effect, met, subject in _added(pending):
        if met.table is not None and any(key.kind in ("unique", "primary-key") for key in effect.said.keys):
            message = (
                f"Adds the column {subject} with a unique index, which is built under ACCESS EXCLUSIVE: "
                "nobody "
                f"reads or writes {ROWS} meanwhile."
            )
            yield pending.found(_UNIQUE, met, subject, message, question=size_of(met.table))


def add_column_volatile_default(pending: Pending) -> Iterator[Hazard]:
    """Find defaults that give another value for each row, so that PostgreSQL writes the whole table anew."""
    if pending.family != "postgresql":
        return
    for effect, met, subject in _added(pending):
        name = _volatile_in(effect.said.default, pending)
        if name is not None and met.table is not None:
            message = (
                f"Adds the column {subject} with the default {effect.said.default}; {name}() gives another "
                "value "
                f"for each row: the table is written anew under ACCESS EXCLUSIVE, {ROWS}."
            )
            yield pending.found(_VOLATILE, met, subject, message, question=size_of(met.table))


# What PostgreSQL and its usual extensions have among functions that fit a default, and is not volatile.
_STEADY = frozenset(
    """now transaction_timestamp statement_timestamp current_setting current_database current_schema
    date_trunc to_char to_date to_timestamp make_date make_timestamp make_interval timezone lower upper trim
    btrim ltrim rtrim concat concat_ws coalesce nullif greatest least replace substring substr left right lpad
    rpad repeat md5 sha256 sha512 encode decode abs ceil ceiling floor round trunc power mod array_append
    array_cat array_fill jsonb_build_object jsonb_build_array json_build_object json_build_array to_json
    to_jsonb to_tsvector hstore cast row array date extract date_part format length char_length""".split()
)
_CALL = re.compile(r"([A-Za-z_][\w$]*)\s*\(")
_TEXT = re.compile(r"'(?:[^']|'')*'")
# A type with its length, as in a cast, looks like a call.
_TYPES = frozenset(
    "varchar char character varying numeric decimal timestamp timestamptz time bit varbit".split()
)


def _volatile_in(default: str | None, pending: Pending) -> str | None:
    """Give a volatile function that a default calls; one that is not known is taken for volatile."""
    for name in _CALL.findall(_TEXT.sub("''", default or "")):
        known = pending.structures.volatile
        plain = name.lower()
        if plain not in _TYPES and (plain in known if known is not None else plain not in _STEADY):
            return str(name)
    return None


_INSTANT = re.compile(
    r"(?:now|current_timestamp|localtime|localtimestamp|sysdate)\s*(?:\(\s*\d*\s*\))?(?:\s+on\s+update\b.*)?",
    re.IGNORECASE,
)
_CONSTANT = re.compile(r"\(*\s*(?:[-+]?\s*[\d.]+(?:e[-+]?\d+)?|[xXbBnN]?'.*'|\w+)\s*\)*", re.DOTALL)


def add_column_expression_default(pending: Pending) -> Iterator[Hazard]:
    """Find defaults that MariaDB works out for each row, and that SQLite refuses where there are rows."""
    if pending.family == "postgresql":
        return
    for effect, met, subject in _added(pending):
        default = effect.said.default
        if default is None or met.table is None or met.operation.rebuilt:
            continue
        if pending.is_mysql:
            if _CONSTANT.fullmatch(default) or _INSTANT.fullmatch(default.strip("()")):
                continue
            message = (
                f"Adds the column {subject} with the default {default}, which makes the server copy the "
                "table "
                f"(ALGORITHM=COPY): nobody writes {ROWS} meanwhile."
            )
            yield pending.found(
                _EXPRESSION, met, subject, message, question=size_of(met.table), without=("failing",)
            )
        elif not _CONSTANT.fullmatch(default) or default.strip("( ").upper().startswith("CURRENT_"):
            message = (
                f"Adds the column {subject} with the default {default}, which is not constant: SQLite "
                "refuses "
                f"that in a table with {ROWS}."
            )
            yield pending.found(
                _EXPRESSION, met, subject, message, question=all_of(met.table), without=("blocking",)
            )


def add_stored_generated_column(pending: Pending) -> Iterator[Hazard]:
    """Find generated columns whose values are stored: the whole table is written anew."""
    if pending.family == "sqlite":
        return
    for effect, met, subject in _added(pending):
        if effect.said.generated == "STORED" and met.table is not None:
            message = f"Adds the stored generated column {subject}: {_rewritten(pending)}, {ROWS}."
            yield pending.found(_STORED, met, subject, message, question=size_of(met.table))


def add_auto_increment_column(pending: Pending) -> Iterator[Hazard]:
    """Find columns that number the rows by themselves: the whole table is written anew."""
    if pending.family == "sqlite":
        return
    found = [(effect.table, effect.column, met) for effect, met, _ in _added(pending) if effect.said.counts]
    found += [
        (effect.table, effect.name, met)
        for effect, met in pending.of(Does)
        if effect.what == "add-auto-increment-column"
    ]
    for table, column, met in found:
        if met.table is not None:
            subject = label(table, column)
            message = f"Makes the column {subject} number its rows: {_rewritten(pending)}, {ROWS}."
            yield pending.found(_COUNTING, met, subject, message, question=size_of(met.table))


def _rewritten(pending: Pending) -> str:
    if pending.family == "postgresql":
        return "the table is written anew under ACCESS EXCLUSIVE, nobody reads or writes it meanwhile"
    return "the server copies the table (ALGORITHM=COPY), nobody writes it meanwhile"


RULES = (
    add_required_column,
    duplicate_column,
    add_unique_column,
    add_column_volatile_default,
    add_column_expression_default,
    add_stored_generated_column,
    add_auto_increment_column,
)
KINDS = (_REQUIRED, DUPLICATE, _UNIQUE, _VOLATILE, _EXPRESSION, _STORED, _COUNTING)
