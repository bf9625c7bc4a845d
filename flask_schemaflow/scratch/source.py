"""What a scratch database is made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import Refused

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


@dataclass(frozen=True, kw_only=True)
class Source:
    """The real database's engine, and what ``SCHEMAFLOW_SCRATCH_URI`` says for it."""

    engine: Engine
    uri: str | None = None


class NoScratch(Refused):
    """A scratch database cannot be made."""
