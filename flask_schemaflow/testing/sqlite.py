"""Test databases on SQLite: files."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import URL

from ..scratch import Source, scratch_database
from ..sqlite_file import driver_connect

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from .place import Folders


@contextmanager
def sqlite_place(engine: Engine, folders: Folders) -> Iterator[SqlitePlace]:
    """Keep templates and copies as files."""
    yield SqlitePlace(engine=engine, kept=folders.kept, copies=folders.copies)


@dataclass(frozen=True, kw_only=True)
class SqlitePlace:
    """Where they are."""

    engine: Engine
    kept: Path
    copies: Path
    _numbers: count[int] = field(default_factory=count)

    @property
    def facts(self) -> tuple[str, ...]:
        """What templates depend on besides the revisions."""
        return "sqlite", sqlite3.sqlite_version

    def _file(self, template: str) -> Path:
        return self.kept / f"{template}.db"

    def has(self, template: str) -> bool:
        """Say whether there is such a template."""
        if not self._file(template).is_file():
            return False
        self._file(template).touch()
        return True

    @contextmanager
    def building(self, template: str) -> Iterator[Connection]:
        """Give an empty database in memory, which is written to the template's file afterwards."""
        part = self.kept / f"{uuid4().hex}.part"
        with scratch_database(Source(engine=self.engine)) as connection:
            yield connection
            raw: Any = connection.connection.dbapi_connection
            target = driver_connect(part, sqlite3.Connection)
            try:
                raw.backup(target)
            finally:
                target.close()
        part.replace(self._file(template))

    @contextmanager
    def copied(self, template: str) -> Iterator[str]:
        """Copy the file."""
        name = Path(self.engine.url.database or "").stem.partition(":")[0] or "test"
        file = self.copies / f"{next(self._numbers)}-{name}.db"
        shutil.copyfile(self._file(template), file)
        kept = {key: value for key, value in self.engine.url.query.items() if key not in _OF_A_FILE_URI}
        url = URL.create(self.engine.url.drivername, database=str(file), query=kept)
        try:
            yield url.render_as_string(hide_password=False)
        finally:
            for each in (file, *(Path(f"{file}{end}") for end in ("-wal", "-shm", "-journal"))):
                # Where open files cannot be removed, pytest does it later.
                with suppress(OSError):
                    each.unlink()


_OF_A_FILE_URI = ("uri", "mode", "cache", "vfs", "immutable", "nolock")
