"""Write names and lines as MariaDB and MySQL take them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..snapshot import elements_of, end_of_word, names_read

if TYPE_CHECKING:
    from ..snapshot import Object, Part

NO_DEFAULT = "none, not even NULL"
"""What a column's default is where somebody took it away."""

_AFTER_NAME = re.compile(r"(?:\(\d+\)| DESC| ASC)+\Z")
_IN_WORDS = re.compile(r"[\w$]+|`(?:[^`]|``)*`")
_TEXT = re.compile(r"(?:var)?char|(?:tiny|medium|long)?text|enum|set\b", re.IGNORECASE)


def quoted(name: str | None) -> str:
    """Write a name."""
    return "`" + (name or "").replace("`", "``") + "`"


def alter(table: Object, *clauses: str) -> str:
    """Write ``ALTER TABLE``."""
    return f"ALTER TABLE {quoted(table.name)} {', '.join(clauses)}"


def bare(name: str) -> str:
    """Take the backticks of a name away."""
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def names_of(listed: str | None) -> tuple[str, ...]:
    """Read a list of columns as snapshots write it; the server compares their names without case."""
    return tuple(bare(_AFTER_NAME.sub("", each)).lower() for each in elements_of(listed or "") if each)


def columns_of(table: Object) -> dict[str, Part]:
    """Give the columns of a table by their names in lower case."""
    return {(part.name or "").lower(): part for part in table.parts if part.kind == "column"}


def mentions(part: Part) -> frozenset[str]:
    """Give the names that a key, constraint or index may be about, in lower case."""
    found = set(names_of(part.facts.get("columns")))
    found |= words_in(part.facts.get("expression", ""))
    return frozenset(found)


def words_in(text: str) -> set[str]:
    """Give the names and words of an expression, in lower case."""
    return {bare(each).lower() for each in (*_IN_WORDS.findall(text), *names_read(text))}


def is_text(column: Part) -> bool:
    """Say whether a column has a character set."""
    return _TEXT.match(column.facts.get("type", "")) is not None


def is_null_default(default: str | None) -> bool:
    """Say whether there is no value to put in."""
    return default is None or default.upper() == "NULL" or default == NO_DEFAULT


def fills_itself(column: Part) -> bool:
    """Say whether a new column has a value in each row by itself."""
    is_made = bool(column.facts.keys() & {"generated", "autoincrement"})
    return is_made or not is_null_default(column.facts.get("default"))


def nullable_line(column: Part) -> str:
    """Write the line of a column that may be NULL."""
    words, at = [], 0
    line = column.definition
    while at <= len(line):
        end = end_of_word(line, at)
        words.append(line[at:end])
        at = end + 1
    for place in range(len(words) - 1):
        if words[place : place + 2] == ["NOT", "NULL"]:
            return " ".join((*words[:place], "NULL", *words[place + 2 :]))
    return line


def without_check(column: Part, expression: str) -> str | None:
    """Write the line of a column without this check; None where it is not found in it."""
    for text in (f" CHECK ({expression})", f" CHECK (({expression}))"):
        if text in column.definition:
            return column.definition.replace(text, "")
    return None
