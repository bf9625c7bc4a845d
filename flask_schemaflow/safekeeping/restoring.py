"""The ``db-restore`` pipeline: find out of which database it is, and bring it back."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..backup import families_of, policy_of, read_manifest, restore_backup
from ..config import read_settings
from ..discovery import find_binds
from ..errors import ConfigurationError
from ..results import Progress, Result
from ..session import database_exists
from ..survey import Notify, tell_nobody
from ..version_tables import VersionTable
from .backing_up import revision_of
from .choosing import bind_of, only_bind

if TYPE_CHECKING:
    from flask import Flask

    from ..discovery import Bind


@dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """What ``db-restore`` was asked for.

    ``into`` is the database to fill on a server; ``bind`` a bind key, "" for the default database, None for
    the one of which the backup is; ``wait`` is in seconds; ``flask`` is how the ``flask`` command is called.
    """

    file: Path
    into: str | None = None
    bind: str | None = None
    wait: float = 60.0
    flask: str = "flask"


def restore(app: Flask, options: RestoreOptions, *, notify: Notify = tell_nobody) -> Result:
    """Bring a backup back: a SQLite file in its place, a server's database beside the real one.

    Writes a SQLite file in one transaction, after what it replaces was kept. Never writes to the real
    database's tables on a server.

    :param notify: gets a line for each step.
    :raises SchemaFlowError: it could not be done.
    """
    progress = Progress("db-restore")
    with progress.told_on_failure(), app.app_context():
        settings = read_settings(app.config, os.environ)
        metadata = getattr(app.extensions.get("schemaflow"), "metadata", None)
        binds = find_binds(app, metadata=metadata, import_string=settings.metadata)
        file = options.file.absolute()
        bind = _bind_for(binds, file, options.bind)
        progress.note_targets((bind,))
        notify(f"Restoring   {file} for {bind.target}")
        before = revision_of(bind, VersionTable()) if database_exists(bind.engine) else None
        policy = policy_of(app, settings, flask=options.flask, notify=notify)
        restored = restore_backup(bind, file, policy, into=options.into, revision=before, wait=options.wait)
        if restored.kept is not None:
            progress.backups.append(restored.kept)
        progress.findings.extend(restored.findings)
        progress.details.extend(restored.advice)
        progress.end("restored", f"Restored: {file.name} is in {restored.place}.")
    return progress.reached()


def _bind_for(binds: tuple[Bind, ...], file: Path, key: str | None) -> Bind:
    if key is not None:
        return bind_of(binds, key)
    manifest = read_manifest(file)
    if manifest is not None:
        try:
            return bind_of(binds, manifest.bind or "")
        except ConfigurationError:
            pass
    families = families_of(file)
    return only_bind((bind for bind in binds if bind.family in families), f"a {families[0]} backup")
