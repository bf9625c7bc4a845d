"""SQLite files that a run makes, and takes away again if it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..session import database_exists, sqlite_path

if TYPE_CHECKING:
    from pathlib import Path

    from .run import Run


class MadeFiles:
    """SQLite files that were not there and are made for this run.

    They are taken away again only while we hold them: another process may wait for the same file, and it
    sees afterwards that the file is gone.
    """

    def __init__(self) -> None:
        self.files: list[Path] = []

    def keep_only_empty(self) -> None:
        """Forget those in which somebody else wrote before we held them."""
        self.files = [file for file in self.files if file.stat().st_size == 0]

    def remove(self) -> None:
        """Take them away."""
        for file in self.files:
            file.unlink(missing_ok=True)


@contextmanager
def files_made(run: Run) -> Iterator[MadeFiles]:
    """Make the SQLite files that are not there, empty, for a run that may (``--create``)."""
    made = MadeFiles()
    for bind in run.survey.relevant:
        if bind.engine.dialect.name == "sqlite" and not database_exists(bind.engine):
            file = sqlite_path(bind.engine)
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
                made.files.append(file)
    yield made
