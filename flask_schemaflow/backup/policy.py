"""Where backups go, how many are kept, and how one is told of."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..session import sqlite_path

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.engine import Engine

    from ..config import Settings

Tables = tuple[tuple[str | None, str], ...]


@dataclass(frozen=True, kw_only=True)
class Backup:
    """One backup that was taken and verified.

    ``bind`` is the key of the database, ``path`` the file, or what a provider's command printed last.
    ``restore`` is the command that brings it back. Where a provider's command took it, ``bytes`` and
    ``sha256`` are None and ``restore`` is empty.
    """

    bind: str | None
    path: str
    bytes: int | None
    sha256: str | None
    restore: str


@dataclass(frozen=True, kw_only=True)
class BackupPolicy:
    """What the settings say of backups.

    ``folder`` is None for: beside a SQLite file, else ``default_folder``. ``keep`` is how many are kept of
    a database, 0 for all; ``max_bytes`` how large one may be; ``command`` takes a backup in our place.
    ``wait`` is how many seconds to wait for who keeps a SQLite file locked. ``flask`` is how the ``flask``
    command is called, for the commands that are printed.
    """

    default_folder: Path
    folder: Path | None = None
    keep: int = 5
    max_bytes: int | None = None
    command: str | None = None
    wait: float = 60.0
    flask: str = "flask"

    def folder_for(self, engine: Engine) -> Path:
        """Give the folder for the backups of one database, by its absolute path."""
        if self.folder is not None:
            return self.folder.absolute()
        if engine.dialect.name == "sqlite":
            return sqlite_path(engine).parent
        return self.default_folder.absolute()

    def restore_command(self, file: Path, *, into: str | None = None) -> str:
        """Give the command that brings a backup back, quoted for a shell."""
        target = f" --into {shlex.quote(into)}" if into is not None else ""
        return f"{self.flask} db-restore {shlex.quote(str(file))}{target}"


def policy_of(app: Flask, settings: Settings, *, flask: str = "flask") -> BackupPolicy:
    """Read the policy from an app's settings.

    :param flask: how the ``flask`` command is called.
    """
    return BackupPolicy(
        default_folder=Path(app.instance_path) / "schemaflow-backups",
        folder=settings.backup_dir,
        keep=settings.backup_keep,
        max_bytes=settings.backup_max_bytes,
        command=settings.backup_command,
        flask=flask,
    )
