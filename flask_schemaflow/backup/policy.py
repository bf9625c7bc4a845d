"""Where backups go, how many are kept, and how one is told of."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ..session import sqlite_path

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.engine import Engine

    from ..config import Settings


@runtime_checkable
class ShowsCopies(Protocol):
    """A ``notify`` that is not only told lines, but also how much of a long copy is made."""

    def show_copy(self, done: int, total: int) -> None:
        """Hear it; when both are equal the copy is whole."""


def _show_nobody(_done: int, _total: int) -> None:
    """Be the ``show_copy`` of whoever does not want to see."""


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
    command is called, for the commands that are printed; ``show_copy`` is told of a SQLite file how much
    is copied.
    """

    default_folder: Path
    folder: Path | None = None
    keep: int = 5
    max_bytes: int | None = None
    command: str | None = None
    wait: float = 60.0
    flask: str = "flask"
    show_copy: Callable[[int, int], None] = _show_nobody

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


def policy_of(
    app: Flask, settings: Settings, *, flask: str = "flask", notify: Callable[[str], None] | None = None
) -> BackupPolicy:
    """Read the policy from an app's settings.

    :param flask: how the ``flask`` command is called.
    :param notify: who is told of steps, and of copies too if it shows them.
    """
    return BackupPolicy(
        default_folder=Path(app.instance_path) / "schemaflow-backups",
        folder=settings.backup_dir,
        keep=settings.backup_keep,
        max_bytes=settings.backup_max_bytes,
        command=settings.backup_command,
        flask=flask,
        show_copy=notify.show_copy if isinstance(notify, ShowsCopies) else _show_nobody,
    )
