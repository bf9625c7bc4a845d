"""The codes of findings that a person can let an upgrade pass."""

from __future__ import annotations

from .hazards import CODES
from .preflight import OF_SERVERS
from .rights import MISSING_RIGHT

NOT_OURS = "not-our-database"
REVISION_FAILS = "revision-fails"
UNEXPLAINED = "unexplained-row-loss"
NOT_DURABLE = "backup-not-durable"
LEFTOVER = "leftover-table"

IN_UPGRADES = (
    NOT_OURS,
    REVISION_FAILS,
    *OF_SERVERS,
    UNEXPLAINED,
    NOT_DURABLE,
    MISSING_RIGHT,
    *CODES,
    LEFTOVER,
)
