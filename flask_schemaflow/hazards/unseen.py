"""The rule for what cannot be read in a revision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .effect import Unreadable
from .hazard import Hazard, Kind

if TYPE_CHECKING:
    from .pending import Pending


_KIND = Kind(
    "uninspectable-operation",
    ("uninspectable",),
    "Read it yourself: it may lose rows without being noticed here.",
)


def uninspectable_operation(pending: Pending) -> Iterator[Hazard]:
    """Find what asks the database, fails without one, or is SQL that cannot be read."""
    for each in pending.recorded.unseen:
        yield _unseen(pending, f"The revision {each.reason}.", each.line)
    for effect, met in pending.of(Unreadable):
        sql = " ".join(effect.sql.split())
        shown = sql if len(sql) <= 80 else f"{sql[:77]}..."
        yield _unseen(pending, f"What this does to rows cannot be read: {shown}", met.line)


def _unseen(pending: Pending, message: str, line: int | None) -> Hazard:
    return Hazard(
        code=_KIND.code,
        subject=pending.recorded.revision,
        classes=_KIND.classes,
        message=message,
        hint=_KIND.hint,
        revision=pending.recorded.revision,
        file=str(pending.recorded.file),
        line=line,
    )


RULES = (uninspectable_operation,)
KINDS = (_KIND,)
