"""The rule for columns whose values may not fit their new type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from ..probes import Question, named
from .effect import ChangesType
from .hazard import ROWS, Hazard, Kind
from .pending import Pending, label

Condition = sa.ColumnElement[bool]
_ARRAY = "[]"
_KIND = Kind(
    "narrow-column-type",
    ("destructive", "data-dependent"),
    "Correct these values first, or add a new column, copy, and switch over.",
)


def narrow_column_type(pending: Pending) -> Iterator[Hazard]:
    """Find columns that get a type into which not every value of the old one goes."""
    for effect, met in pending.of(ChangesType):
        real = pending.real_column(met)
        was = real.facts.get("type") if real is not None else effect.was
        if met.table is None or met.column is None or effect.to is None or was is None:
            continue
        condition = does_not_fit(met.column, was, effect.to, pending.structures.family)
        if condition is not None:
            subject = label(effect.table, effect.column)
            message = (
                f"Changes the type of {subject} from {was} to {effect.to}: {ROWS} with a value that does "
                "not fit."
            )
            yield pending.found(_KIND, met, subject, message, question=Question(met.table, condition))


def does_not_fit(column: str, was: str, to: str, family: str) -> Condition | None:
    """Say which values are lost or refused; None where the new type takes all, or where it is not known.

    :param was: the old type in the engine's words.
    """
    are_arrays = was.endswith(_ARRAY) and to.endswith(_ARRAY)
    if are_arrays:
        was, to = (each.removesuffix(_ARRAY) for each in (was, to))
    old, new = _read(was, family), _read(to, family)
    if family == "sqlite":
        return _does_not_survive_cast(column, old, new, to)
    way = _WAYS.get((old.kind, new.kind))
    if way is None:
        return None
    if are_arrays:
        element = sa.func.unnest(named(column)).column_valued("element")
        of_one = way(element, old, new)
        return None if of_one is None else sa.exists(sa.select(sa.literal_column("1")).where(of_one))
    return way(named(column), old, new)


# -- types -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Type:
    """A type as far as it limits values: a text by its length, a number by its digits or its range."""

    kind: str
    length: int | None = None
    low: int = 0
    high: int = 0
    digits: tuple[int, int] | None = None


_TEXT = re.compile(r"(?:N?VAR)?CHAR|N?CHAR|CHARACTER|BPCHAR|(?:TINY|MEDIUM|LONG)?TEXT|CLOB|STRING|CITEXT")
_TEXT_BYTES = {"TINYTEXT": 255, "TEXT": 65_535, "MEDIUMTEXT": 16_777_215}
_BITS = {
    **dict.fromkeys(("TINYINT",), 8),
    **dict.fromkeys(("SMALLINT", "INT2", "SMALLSERIAL"), 16),
    "MEDIUMINT": 24,
    **dict.fromkeys(("INT", "INTEGER", "INT4", "SERIAL"), 32),
    **dict.fromkeys(("BIGINT", "INT8", "BIGSERIAL"), 64),
}
_OTHERS = {
    "float": ("FLOAT", "DOUBLE", "REAL", "FLOAT4", "FLOAT8"),
    "moment": ("DATETIME", "TIMESTAMP", "TIMESTAMPTZ"),
    "date": ("DATE",),
    "time": ("TIME",),
    "bool": ("BOOLEAN", "BOOL"),
    "json": ("JSON", "JSONB"),
}


def _read(text: str, family: str) -> _Type:
    match = re.match(r"\s*([A-Za-z0-9]+)[A-Za-z ]*(?:\(([^)]*)\))?(.*)", text)
    if match is None or "[" in text:  # an array
        return _Type("other")
    word, inside, rest = match[1].upper(), match[2] or "", match[3].upper()
    numbers = [int(each) for each in re.findall(r"\d+", inside)]
    if _TEXT.fullmatch(word):
        limit = _TEXT_BYTES.get(word) if family in ("mysql", "mariadb") else None
        fixed = 1 if word in ("CHAR", "CHARACTER", "NCHAR") and "VARYING" not in text.upper() else None
        return _Type("text", length=numbers[0] if numbers else limit or fixed)
    if word in _BITS:
        half = 1 << (_BITS[word] - 1)
        unsigned = "UNSIGNED" in rest or "UNSIGNED" in text.upper()
        return _Type("int", low=0 if unsigned else -half, high=(2 * half if unsigned else half) - 1)
    if word in ("NUMERIC", "DECIMAL", "DEC"):
        return _Type(
            "numeric", digits=(numbers[0], numbers[1] if len(numbers) > 1 else 0) if numbers else None
        )
    kind = next((kind for kind, words in _OTHERS.items() if word in words), "other")
    return _Type(kind)


# -- values that do not fit ------------------------------------------------------------------------

Column = sa.ColumnElement[Any]


def _number(value: int) -> sa.ColumnClause[Any]:
    """Write a number into the statement: a driver would send a parameter of the column's own type."""
    return sa.literal_column(str(value))


def _too_long(column: Column, old: _Type, new: _Type) -> Condition | None:
    if new.length is None or (old.kind == "text" and old.length is not None and old.length <= new.length):
        return None
    text: Any = column if old.kind == "text" else sa.cast(column, sa.String)
    too_long: Condition = sa.func.char_length(text) > new.length
    return too_long


def _too_large(column: Column, old: _Type, new: _Type) -> Condition | None:
    if new.low <= old.low and old.high <= new.high:
        return None
    return sa.not_(column.between(_number(new.low), _number(new.high)))


def _no_whole_number(column: Column, _old: _Type, new: _Type) -> Condition:
    in_range = column.between(_number(new.low), _number(new.high))
    return sa.or_(sa.func.round(column) != column, sa.not_(in_range))


def _too_many_digits(column: Column, old: _Type, new: _Type) -> Condition | None:
    if new.digits is None:
        return None
    whole, places = new.digits[0] - new.digits[1], new.digits[1]
    had = old.digits if old.kind == "numeric" else None
    if had is not None and had[0] - had[1] <= whole and had[1] <= places:
        return None
    too_large = sa.func.abs(column) >= _number(10**whole)
    if old.kind != "numeric":
        return too_large
    return sa.or_(too_large, sa.func.round(column, _number(places)) != column)


def _no_number(column: Column, _old: _Type, _new: _Type) -> Condition:
    return sa.not_(column.regexp_match("^[[:space:]]*[-+]?[0-9]+[[:space:]]*$"))


def _has_a_time(column: Column, _old: _Type, _new: _Type) -> Condition:
    return sa.cast(column, sa.Date) != column


Way = Callable[[Column, _Type, _Type], Condition | None]
_WAYS: dict[tuple[str, str], Way] = {
    ("text", "text"): _too_long,
    ("int", "text"): _too_long,
    ("numeric", "text"): _too_long,
    ("float", "text"): _too_long,
    ("date", "text"): _too_long,
    ("moment", "text"): _too_long,
    ("int", "int"): _too_large,
    ("numeric", "int"): _no_whole_number,
    ("float", "int"): _no_whole_number,
    ("numeric", "numeric"): _too_many_digits,
    ("int", "numeric"): _too_many_digits,
    ("float", "numeric"): _too_many_digits,
    ("text", "int"): _no_number,
    ("moment", "date"): _has_a_time,
}


# -- SQLite ----------------------------------------------------------------------------------------


class _Written(UserDefinedType[Any]):
    """A type by its name."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        """Give the name."""
        return self.name


def _does_not_survive_cast(column: str, old: _Type, new: _Type, to: str) -> Condition | None:
    """Say which values are others after the CAST that Alembic copies with when the kind changes.

    SQLite itself takes any value of any length into any column. But CAST('abc' AS INTEGER) is 0, and
    CAST('2024-05-01' AS DATE) is 2024 (https://sqlite.org/lang_expr.html#castexpr).
    """
    numbers = ("int", "numeric", "float")
    alike = old.kind == new.kind or (old.kind in numbers and new.kind in ("numeric", "float"))
    if alike or "other" in (old.kind, new.kind) or new.kind == "json":
        return None
    return sa.cast(named(column), _Written(to)) != named(column)


RULES = (narrow_column_type,)
KINDS = (_KIND,)
