"""A right that is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..revisions import TableName
    from .needs import Need


@dataclass(frozen=True, kw_only=True)
class Lack:
    """A right that somebody has not; ``grant`` is what gives it, ``need`` the statement that needs it."""

    subject: str
    message: str
    grant: str
    need: Need | None = None


def label(table: TableName) -> str:
    """Name a table for people."""
    return table.name if table.schema is None else f"{table.schema}.{table.name}"
