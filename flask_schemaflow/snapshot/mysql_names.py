"""Names that MariaDB and MySQL make up, and indexes that they make for foreign keys."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .structure import Part

# MariaDB: t_ibfk_1, since 12.1 only 1 (https://mariadb.com/kb/en/foreign-keys/); MySQL: t_ibfk_1.
_FOREIGN_KEY = re.compile(r"(?:.*_ibfk_)?\d+\Z", re.DOTALL)
# MariaDB: CONSTRAINT_1; MySQL: t_chk_1.
_CHECK = re.compile(r"CONSTRAINT_\d+\Z|.*_chk_\d+\Z", re.DOTALL)
_NUMBERED = re.compile(r"(.*?)(?:_\d+)?\Z", re.DOTALL)


def with_made_up_names(parts: Iterable[Part]) -> list[Part]:
    """Mark the names that nobody gave, and leave out the indexes that only a foreign key asked for.

    InnoDB has an index for every foreign key: it makes one, named like the key or its first column, and
    drops it again when another index covers it. So it belongs to the key, as nothing of its own
    (https://mariadb.com/kb/en/foreign-keys/#indexes).
    """
    marked = [replace(each, named=False) if _is_made_up(each) else each for each in parts]
    keys = [each for each in marked if each.kind == "foreign-key"]
    return [each for each in marked if not any(_is_made_for(each, key) for key in keys)]


def _is_made_up(part: Part) -> bool:
    if part.name is None:
        return False
    if part.kind == "foreign-key":
        return _FOREIGN_KEY.match(part.name) is not None
    if part.kind == "check":
        return not part.named or _CHECK.match(part.name) is not None
    return part.kind == "unique" and _is_named_after(part.name, part.facts["columns"])


def _is_named_after(name: str, columns: str) -> bool:
    """Say whether a key has the name that it gets without one: its first column's, or that and a number."""
    first = re.sub(r"(?: DESC|\(\d+\))+\Z", "", columns.split(", ")[0]).strip("`")
    if name == first:
        return True
    match = _NUMBERED.match(name)
    return match is not None and match[1] == first


def _is_made_for(index: Part, key: Part) -> bool:
    if index.kind != "index" or index.facts != {"columns": key.facts["columns"]}:
        return False
    name = index.name or ""
    return name == key.name or _is_named_after(name, index.facts["columns"])
