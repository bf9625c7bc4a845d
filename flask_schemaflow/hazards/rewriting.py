"""Which changes of a type make a server write every row anew."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORDS = re.compile(
    r"\s*([A-Za-z_]\w*(?:\s+(?!with|without|unsigned|zerofill|collate|character\s+set)[A-Za-z_]\w*)*)"
    r"\s*(?:\(([^)]*)\))?\s*((?:with|without)\s+time\s+zone)?\s*(.*)",
    re.DOTALL | re.IGNORECASE,
)
_SAME = {
    "character varying": "varchar",
    "character": "char",
    "bpchar": "char",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "int2": "smallint",
    "serial": "integer",
    "bigserial": "bigint",
    "decimal": "numeric",
    "dec": "numeric",
    "float8": "double precision",
    "double": "double precision",
    "float": "double precision",
    "float4": "real",
    "bool": "boolean",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "time without time zone": "time",
}
_MYSQL_SAME = {
    "boolean": "tinyint",
    "bool": "tinyint",
    "integer": "int",
    "numeric": "decimal",
    "dec": "decimal",
}
_ROW_BYTES = 255  # up to which a VARCHAR has one byte for its length
_UTF8 = 4  # bytes of a character at most


@dataclass(frozen=True)
class _Type:
    """A type by its usual name, with the numbers in its brackets."""

    name: str
    numbers: tuple[int, ...]
    rest: str


def is_rewritten(was: str | None, to: str, family: str) -> bool:
    """Say whether a change of type writes every row anew; it does where the old one is not known.

    :param family: postgresql, mariadb or mysql.
    """
    if was is None:
        return True
    if family == "postgresql":
        return _is_rewritten_by_postgresql(_read(was), _read(to))
    return _is_copied_by_mysql(_read_mysql(was), _read_mysql(to))


def _read(text: str) -> _Type:
    match = _WORDS.match(text)
    if match is None:
        return _Type(text.strip().lower(), (), "")
    name = " ".join(match[1].lower().split())
    if match[3]:
        name = f"{name} {match[3].lower()}"
    numbers = tuple(int(each) for each in re.findall(r"\d+", match[2] or ""))
    return _Type(_SAME.get(name, name), numbers, match[4].strip().lower())


def _is_rewritten_by_postgresql(was: _Type, to: _Type) -> bool:
    """Seen on PostgreSQL 15 by the file of the table (relfilenode)."""
    if was == to:
        return False
    if "[" in was.rest or "[" in to.rest:  # an array: each of its elements is cast
        return True
    texts = ("varchar", "text", "citext")
    if was.name in texts and to.name in texts:
        return _is_shorter(was, to)
    if was.name == to.name == "numeric":
        return bool(to.numbers) and not _is_wider_numeric(was.numbers, to.numbers)
    if was.name == to.name and was.name in ("timestamp", "timestamptz", "time", "timetz", "interval"):
        return _is_less_exact(was.numbers, to.numbers)
    if was.name == to.name == "varbit":
        return _is_shorter(was, to)
    return (was.name, to.name) != ("cidr", "inet")


def _is_shorter(was: _Type, to: _Type) -> bool:
    return bool(to.numbers) and (not was.numbers or to.numbers[0] < was.numbers[0])


def _is_wider_numeric(was: tuple[int, ...], to: tuple[int, ...]) -> bool:
    (digits, places), (more, same) = ((*each, 0)[:2] for each in (was or (10**6,), to))
    return bool(was) and more >= digits and same == places


def _is_less_exact(was: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return (to or (6,))[0] < (was or (6,))[0]


def _read_mysql(text: str) -> _Type:
    plain = re.sub(r"\s*\b(?:COLLATE|CHARACTER SET)\s+\S+", "", text, flags=re.IGNORECASE)
    read = _read(plain)
    name = _MYSQL_SAME.get(read.name, read.name)
    # The width of an integer is for display alone; datetime has no fraction unless it says so.
    whole = name in ("tinyint", "smallint", "mediumint", "int", "bigint")
    numbers = () if whole else read.numbers
    if name == "decimal":
        numbers = (*numbers, 0)[:2] if numbers else (10, 0)
    return _Type("integer" if name == "int" else name, numbers, read.rest)


def _is_copied_by_mysql(was: _Type, to: _Type) -> bool:
    """Seen on MariaDB 10.11, which refuses ALGORITHM=INPLACE, LOCK=NONE for what it would copy."""
    if was == to:
        return False
    if was.name == to.name == "varchar" and was.numbers and to.numbers:
        old, new = was.numbers[0] * _UTF8, to.numbers[0] * _UTF8
        return new < old or (old <= _ROW_BYTES < new)
    return True


_VALUES = re.compile(r"\s*(?:enum|set)\s*\((.*)\)\s*", re.IGNORECASE | re.DOTALL)


def enum_values(type_: str) -> tuple[str, ...]:
    """Give the values of an ENUM or SET; none where it is another type."""
    match = _VALUES.match(type_)
    if match is None:
        return ()
    return tuple(each.replace("''", "'") for each in re.findall(r"'((?:[^']|'')*)'", match[1]))


def is_appended(old: tuple[str, ...], new: tuple[str, ...]) -> bool:
    """Say whether values were added at the end only, and their numbers still fit into as many bytes.

    (https://mariadb.com/kb/en/innodb-online-ddl-operations-with-the-instant-alter-algorithm/)
    """
    return new[: len(old)] == old and (len(old) <= 255) == (len(new) <= 255)
