"""Names that PostgreSQL makes up for constraints which nobody named.

(makeObjectName, ChooseConstraintName and ChooseIndexNameAddition in PostgreSQL's source.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_LIMIT = 63  # bytes: NAMEDATALEN - 1
_NUMBER = re.compile(r"[1-9][0-9]*\Z")
_FEW = 2 * (_LIMIT + 1)


def is_made_up(name: str, table: str, label: str, columns: Iterable[Sequence[str]]) -> bool:
    """Say whether the server would give this name by itself. Never touches a database.

    A name that is taken already gets a number behind its label, so any number will do.

    :param label: pkey, key, excl, fkey or check.
    :param columns: the lists of columns after which it may be called; an empty one is no columns.
    """
    number = _NUMBER.search(name)
    labels = [label] if number is None else [label, label + number.group()]
    return any(name == _made_up(table, _joined(each), full) for each in columns for full in labels)


def _joined(columns: Sequence[str]) -> bytes | None:
    """Join names of columns by underscores, until there are more bytes than any name has."""
    if not columns:
        return None
    joined = b""
    for column in columns:
        joined += (b"_" if joined else b"") + column.encode()
        if len(joined) > _LIMIT:
            break
    return joined[:_FEW]


def _made_up(table: str, columns: bytes | None, label: str) -> str:
    """Put the pieces together; of the first two the longer one is cut until it fits."""
    first, second = table.encode(), columns or b""
    room = _LIMIT - len(label) - 1 - (columns is not None)
    length, other = len(first), len(second)
    while length + other > room:
        if length > other:
            length -= 1
        else:
            other -= 1
    pieces = [_clipped(first, length)]
    if columns is not None:
        pieces.append(_clipped(second, other))
    return "_".join([*pieces, label])


def _clipped(text: bytes, length: int) -> str:
    """Cut after so many bytes, but never within a character."""
    return text[:length].decode(errors="ignore")
