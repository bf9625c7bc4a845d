"""Find columns, keys and indexes in what is known of a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..snapshot import folded

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_NAMES = re.compile(
    r'\s*(?:"((?:[^"]|"")+)"|`((?:[^`]|``)+)`|([\w$]+))(?:\(\d+\))?(?:\s+(?:ASC|DESC))?\s*(,|\Z)'
)


def bare(name: str) -> str:
    """Take the quotes of a name in a fact away."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def columns_of(part: Part) -> tuple[str, ...] | None:
    """Give the columns of a key or an index; None where it is on expressions, or on nothing."""
    text, at, found = part.facts.get("columns", ""), 0, []
    while at < len(text):
        match = _NAMES.match(text, at)
        if match is None:
            return None
        found.append(match[1] or match[2] or match[3])
        at = match.end()
    return tuple(found) or None


def column_in(table: Object | None, name: str, family: str) -> Part | None:
    """Find a column of a table."""
    wanted = folded(name, family)
    parts = table.parts if table is not None else ()
    return next((p for p in parts if p.kind == "column" and folded(p.name or "", family) == wanted), None)


def parts_of(table: Object | None, *kinds: str) -> Iterator[Part]:
    """Give the parts of some kinds."""
    yield from (part for part in (table.parts if table is not None else ()) if part.kind in kinds)


def is_required_by_check(table: Object | None, column: str) -> bool:
    """Say whether a validated check keeps NULL out of a column (PostgreSQL then scans no row again).

    (https://www.postgresql.org/docs/current/sql-altertable.html, SET NOT NULL)
    """
    said = re.compile(rf'\(*\s*["`]?{re.escape(column)}["`]?\s+IS\s+NOT\s+NULL\s*\)*', re.IGNORECASE)
    return any(
        said.fullmatch(part.facts.get("expression", "")) is not None
        for part in parts_of(table, "check")
        if "not-valid" not in part.facts
    )
