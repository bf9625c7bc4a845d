"""Where the templates of one database are kept, and its copies are made."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


@dataclass(frozen=True, kw_only=True)
class Folders:
    """A project's own, the one for templates that are files, kept for the next session, and for copies."""

    root: Path
    kept: Path
    copies: Path


class Place(Protocol):
    """One database's place; ``facts`` are what its templates depend on besides the revisions."""

    @property
    def facts(self) -> tuple[str, ...]:
        """What templates depend on besides the revisions: engine and version."""

    def has(self, template: str) -> bool:
        """Say whether there is such a template. Read-only, but that it notes the use."""

    def building(self, template: str) -> AbstractContextManager[Connection]:
        """Give a connection to an empty database, which is the template after the block if that ends well."""

    def copied(self, template: str) -> AbstractContextManager[str]:
        """Give the URL of a new copy, with the password in it; it is gone after the block."""
