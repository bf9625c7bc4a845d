"""Write names and values as SQLite takes them, and say what texts are about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy.dialects import sqlite

from ..snapshot import folded, names_in_sqlite

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_PREPARER = sqlite.dialect().identifier_preparer
_WORD = re.compile(r"[A-Za-z_]\w*\Z")
_VALUES = frozenset("CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP FALSE NULL TRUE".split())


def quoted(name: str) -> str:
    """Write a name, with quotes where it needs them."""
    return str(_PREPARER.quote(name))


def lower(name: str | None) -> str:
    """Give a name as SQLite compares it."""
    return folded(name or "", "sqlite")


def value_of(default: str) -> str:
    """Write a default as an expression: a word without quotes is a text there.

    (https://sqlite.org/lang_createtable.html#the_default_clause)
    """
    if default.startswith('"') or (_WORD.match(default) and default.upper() not in _VALUES):
        return "'" + default.strip('"').replace("'", "''") + "'"
    return f"({default})" if " " in default else default


def names_in(*texts: str) -> frozenset[str]:
    """Give the names that SQL texts may be about, as SQLite compares them."""
    return frozenset(lower(name) for text in texts for name in names_in_sqlite(text))


def mentions(part: Part) -> frozenset[str]:
    """Give the names that a key, constraint or index is about."""
    facts = ("columns", "expression", "where", "definition")
    return names_in(*(part.facts[fact] for fact in facts if fact in part.facts))


def columns_of(table: Object) -> dict[str, Part]:
    """Give the columns of a table by their names as SQLite compares them."""
    return {lower(part.name): part for part in table.parts if part.kind == "column"}


def listed(names: Iterable[str]) -> str:
    """Put names into a list."""
    return ", ".join(map(quoted, names))
