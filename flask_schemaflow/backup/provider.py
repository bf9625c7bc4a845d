"""Let a command of the operator's take the backup: a provider's snapshot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .policy import Backup
from .programs import run

if TYPE_CHECKING:
    from ..discovery import Bind


def run_command(command: str, bind: Bind, revision: str | None) -> Backup:
    """Run the command in a shell; it must end with 0.

    It learns from its environment what to take: ``SCHEMAFLOW_BACKUP_BIND`` (empty for the default
    database), ``_ENGINE``, ``_TARGET`` (the URL without its password), ``_DATABASE`` (the name, or the
    SQLite file) and ``_REVISION`` (empty for none). What it prints last names the backup.

    :raises BackupFailed: it ends with another code.
    """
    url = bind.engine.url
    told = {
        "BIND": bind.key or "",
        "ENGINE": bind.family,
        "TARGET": bind.target,
        "DATABASE": bind.target.removeprefix("sqlite:///") if bind.family == "sqlite" else url.database or "",
        "REVISION": revision or "",
    }
    environment = os.environ | {f"SCHEMAFLOW_BACKUP_{key}": value for key, value in told.items()}
    name = "SCHEMAFLOW_BACKUP_COMMAND"
    said = run(["/bin/sh", "-c", command], environment=environment, name=name).split("\n")
    last = next((line.strip() for line in reversed(said) if line.strip()), "")
    return Backup(
        bind=bind.key,
        path=last or name,
        bytes=None,
        sha256=None,
        restore="",
    )
