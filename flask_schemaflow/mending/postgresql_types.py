"""How values of PostgreSQL become those of another type."""

from __future__ import annotations

import re

_ARGUMENTS = re.compile(r"\([\d, ]*\)")
_NUMBERS = frozenset("smallint integer bigint numeric real money".split()) | {"double precision"}
_TEXTS = frozenset(["character varying", "character", "text", "bpchar", "name", "citext"])
_MOMENTS = frozenset(["timestamp without time zone", "timestamp with time zone", "date"])
_TIMES = frozenset(["time without time zone", "time with time zone"])
_JSON = frozenset(["json", "jsonb"])
_BITS = frozenset(["bit", "bit varying"])
_FAMILIES = (_NUMBERS, _TEXTS, _TIMES, _JSON, _BITS, frozenset(["inet", "cidr"]), frozenset(["interval"]))
# What a text can be read as; the ones that are no texts have a form that each of these reads.
_READ_FROM_TEXT = (
    _NUMBERS | _MOMENTS | _TIMES | _JSON | _BITS | frozenset(["boolean", "uuid", "interval", "inet", "cidr"])
)


def base_type(type_: str) -> str:
    """Give a type without its length, precision or fields."""
    bare = " ".join(_ARGUMENTS.sub("", type_).split())
    return "interval" if bare.startswith("interval") else bare


def is_same_base(one: str, other: str) -> bool:
    """Say whether two types differ in length, precision or fields only."""
    return base_type(one) == base_type(other)


def using(column: str, old: str, new: str, own_types: frozenset[str]) -> str | None:
    """Write the value in its new type; empty where the engine converts it by itself.

    What the engine does by itself refuses a text that is too long, and a cast would cut it off.

    :param column: its name, in quotes where it needs them.
    :param own_types: enums and domains of the database, which a text can be read as.
    :return: None where no conversion is known.
    """
    if old.endswith("[]") and new.endswith("[]"):
        inner = using(column, old[:-2], new[:-2], own_types)
        return inner if not inner else f"{column}::{new}"
    before, after = base_type(old), base_type(new)
    zones = {before, after} & {"timestamp without time zone", "timestamp with time zone"}
    if len(zones) == 2:
        return f"{column} AT TIME ZONE 'UTC'"
    if before == after or after in _TEXTS or _is_by_itself(before, after):
        return ""
    if before in _TEXTS or before in own_types:
        return _read_as(column, before, after, new, own_types)
    if before == "boolean" and after in _NUMBERS:
        return f"{column}::integer" if after == "integer" else f"{column}::integer::{new}"
    if before in _NUMBERS and after == "boolean":
        return f"{column} <> 0"
    if before == "bytea" or after == "bytea":
        return None
    return f"{column}::text::{new}" if before in _JSON and after in _READ_FROM_TEXT - _JSON else None


def _is_by_itself(before: str, after: str) -> bool:
    if before in _MOMENTS and after in _MOMENTS:
        return True
    return any(before in family and after in family for family in _FAMILIES)


def _read_as(column: str, before: str, after: str, new: str, own_types: frozenset[str]) -> str | None:
    if before in own_types:
        return f"{column}::text::{new}"
    is_known = after in _READ_FROM_TEXT or after in own_types or new.endswith("[]")
    return f"{column}::{new}" if is_known else None


_LENGTH = re.compile(r"character varying\((\d+)\)\Z|character\((\d+)\)\Z")
_WHOLE = r"^\s*[-+]?[0-9]+\s*$"
_NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"
_TRUTHS = "'t', 'true', 'y', 'yes', 'on', '1', 'f', 'false', 'n', 'no', 'off', '0'"


def misfits(column: str, old: str, new: str, labels: str | None) -> str | None:
    """Write which values cannot be converted; None where all can, or nobody can say.

    :param column: its name, in quotes where it needs them.
    :param labels: those of the new type, where it is an enum.
    """
    before, after = base_type(old), base_type(new)
    if old.endswith("[]") or new.endswith("[]") or before not in _TEXTS:
        return None
    length = _LENGTH.match(new)
    if length is not None:
        return f"char_length({column}) > {length[1] or length[2]}"
    if labels is not None:
        return f"{column}::text NOT IN ({labels})"
    if after in ("smallint", "integer", "bigint"):
        return f"{column} !~ '{_WHOLE}'"
    if after in _NUMBERS - {"money"}:
        return f"{column} !~ '{_NUMBER}'"
    return f"lower(trim({column})) NOT IN ({_TRUTHS})" if after == "boolean" else None
