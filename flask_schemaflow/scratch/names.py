"""How a scratch database on a server is known: by its name and a mark inside, never by the name alone."""

from __future__ import annotations

import re
import time
from uuid import uuid4

PREFIX = "schemaflow_scratch_"
STALE_AFTER = 3600.0  # seconds
_MARK = re.compile(r"flask-schemaflow scratch database, made at (\d+)$")


def new_name() -> str:
    """Make up a name."""
    return f"{PREFIX}{uuid4().hex[:16]}"


def mark() -> str:
    """Give the comment that a scratch database gets."""
    return f"flask-schemaflow scratch database, made at {int(time.time())}"


def is_stale(comment: str | None) -> bool:
    """Say whether a comment is our mark, and so old that a process was killed before it could tidy up."""
    match = _MARK.match(comment or "")
    return match is not None and time.time() - int(match[1]) > STALE_AFTER
