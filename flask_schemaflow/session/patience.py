"""How long the work on a database may wait for others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _tell_nobody(_line: str) -> None:
    """Be the ``tell`` of whoever does not want to hear."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for what others hold, in seconds, and who hears of it meanwhile.

    ``lock_wait`` is for another process of ours, or for SQLite's one writer; ``lock_timeout`` for each lock
    that a statement needs; ``statement_timeout`` for a whole statement (None: as long as it takes).
    ``retries`` is how often a revision, or on MariaDB a statement, that got no lock is tried again.
    """

    lock_wait: float = 300.0
    lock_timeout: float = 2.0
    statement_timeout: float | None = None
    retries: int = 10
    tell: Callable[[str], None] = _tell_nobody
