"""Which values of a MariaDB or MySQL column do not fit into another type: some go without a word.

In strict mode a text that is no number is refused, but a moment loses its fractions, a number its digits and
an ENUM becomes its position (https://mariadb.com/kb/en/sql-mode/#strict-mode).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy.dialects import mysql

from ..hazards import does_not_fit
from .mysql_words import is_text, quoted

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_DIALECT = mysql.dialect()
_GROUPS = {
    "text": "char varchar tinytext text mediumtext longtext",
    "number": "tinyint smallint mediumint int bigint decimal float double",
    "moment": "datetime timestamp",
    "enum": "enum set",
    "bytes": "binary varbinary tinyblob blob mediumblob longblob",
}
_GROUP_OF = {word: group for group, words in _GROUPS.items() for word in words.split()}
_SHAPES = frozenset(
    "geometry point linestring polygon multipoint multilinestring multipolygon geometrycollection".split()
)
_OWN = frozenset(("uuid", "inet4", "inet6"))
_CHARSET = re.compile(r"CHARSET=(\w+)")
_NUMBER = r"'^[[:space:]]*[-+]?[0-9]+([.][0-9]*)?[[:space:]]*$'"


def cannot_become(old: Part, new: Part) -> bool:
    """Say whether the engine has no conversion at all, not even for a table without rows."""
    groups = _group(old.facts.get("type", "")), _group(new.facts.get("type", ""))
    if groups[0] == groups[1]:
        return False
    has_shape, is_own = ({*groups} & kinds for kinds in (_SHAPES, _OWN))
    return bool(has_shape) or (bool(is_own) and "text" not in groups)


def what_does_not_fit(old: Part, new: Part) -> str | None:
    """Say which values are lost or refused, as a condition; None where all fit."""
    was, to = old.facts.get("type", ""), new.facts.get("type", "")
    name = quoted(old.name)
    if was == to:
        return not_in_charset(old, new.facts.get("collation", "").partition("_")[0])
    groups = _group(was), _group(to)
    if groups[1] == "enum":
        return f"CAST({name} AS CHAR) NOT IN {to[to.index('(') :]}"
    if groups[1] == "text":
        return _too_long(name, was, to) if groups[0] != "bytes" else f"{name} IS NOT NULL"
    if groups == ("bytes", "bytes"):
        length = _length(to)
        return None if length is None else f"LENGTH({name}) > {length}"
    if groups == ("number", "number"):
        return _known(old, was, to)
    if groups == ("text", "number"):
        return _known(old, was, to) or f"NOT ({name} REGEXP {_NUMBER})"
    if groups[0] == "text" and groups[1] in ("moment", "date", "time"):
        word = "DATETIME" if groups[1] == "moment" else groups[1].upper()
        return f"{name} IS NOT NULL AND CAST({name} AS {word}) IS NULL"
    return _of_moments(name, old, was, to)


def _of_moments(name: str, old: Part, was: str, to: str) -> str | None:
    groups = _group(was), _group(to)
    if groups == ("moment", "date"):
        return _known(old, was, to)
    if groups[0] == groups[1] and groups[1] in ("moment", "time"):
        return f"MICROSECOND({name}) <> 0" if "(" in was and "(" not in to else None
    return None if groups in (("date", "moment"), (_group(to), _group(was))) else f"{name} IS NOT NULL"


def _group(type_: str) -> str:
    word = re.split(r"[( ]", type_.lower(), maxsplit=1)[0]
    return _GROUP_OF.get(word, word)


def _length(type_: str) -> int | None:
    found = re.search(r"\((\d+)\)", type_)
    return int(found[1]) if found else None


def _too_long(name: str, was: str, to: str) -> str | None:
    length = _length(to) or {"tinytext": 63, "text": 16_383, "mediumtext": 4_194_303}.get(to)
    had = _length(was) if _group(was) == "text" else None
    if length is None or (had is not None and had <= length):
        return None
    return f"CHAR_LENGTH({name}) > {length}"


def _known(old: Part, was: str, to: str) -> str | None:
    condition = does_not_fit(old.name or "", was, to, "mysql")
    if condition is None:
        return None
    compiled = condition.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
    return str(compiled).replace("%%", "%")


def not_in_charset(column: Part, charset: str) -> str | None:
    """Say which values have characters that a character set has not; None where it has all."""
    name = quoted(column.name)
    if not is_text(column) or charset in ("", "utf8mb4"):
        return None
    converted = f"CONVERT(CONVERT({name} USING {charset}) USING utf8mb4)"
    return f"{converted} <> CONVERT({name} USING utf8mb4)"


def charset_of(table: Object) -> str:
    """Give the character set that the text of a table says; empty where it says none."""
    found = _CHARSET.search(table.definition.rpartition("\n)")[2])
    return found[1] if found else ""
