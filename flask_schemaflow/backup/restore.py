"""Bring a backup back: a SQLite file into its place, a server's database beside the real one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BackupFailed, ConfigurationError, SchemaFlowError, Unverified
from ..findings import Finding, Severity
from ..session import sqlite_path
from . import sqlite
from .beside import restore_database, restore_tables
from .manifest import Manifest, manifest_path, read_manifest
from .take import take_backup
from .workspace import digest

if TYPE_CHECKING:
    from ..discovery import Bind
    from .policy import Backup, BackupPolicy

# Before it is connected to, a server of MariaDB may look like one of MySQL.
_SCRIPT = ("mariadb", "mysql")
_MAGIC = {
    b"SQLite format 3\0": ("sqlite",),
    b"PGDMP": ("postgresql",),
    b"/*M!999999": _SCRIPT,
    b"-- MariaDB dump": _SCRIPT,
    b"-- MySQL dump": _SCRIPT,
}


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was brought back: where it is now, and what was kept of what was there before.

    ``advice`` are lines that say what a person does next; ``findings`` what a person should know.
    """

    place: str
    kept: Backup | None = None
    advice: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def families_of(file: Path) -> tuple[str, ...]:
    """Say of which engine families a backup may be, by its manifest or its first bytes. Read-only.

    :raises ConfigurationError: it is not there, cannot be read, or is no backup.
    """
    manifest = read_manifest(file)
    if manifest is not None:
        return _SCRIPT if manifest.family in _SCRIPT else (manifest.family,)
    try:
        with file.open("rb") as opened:
            first = opened.read(32)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from error
    for magic, families in _MAGIC.items():
        if first.startswith(magic):
            return families
    raise ConfigurationError(f"{file} is not a backup: neither a SQLite file nor a dump.")


def restore_backup(
    bind: Bind,
    file: Path,
    policy: BackupPolicy,
    *,
    into: str | None = None,
    revision: str | None = None,
    wait: float = sqlite.WAIT,
) -> Restored:
    """Bring a backup back.

    SQLite: the file's content is replaced in one transaction, and kept as a backup before. Servers: a new or
    empty database is filled, or for a dump of single tables new tables are made beside the real ones. Never
    touches the real database's own tables on a server.

    :param into: the database to fill, on a server.
    :param revision: at which the database is that is replaced, for the name of what is kept.
    :param wait: seconds to wait for other processes.
    :raises ConfigurationError: it cannot be asked for in this way.
    :raises Refused: the backup is damaged, or the place for it is not empty.
    :raises Busy: other processes are at work.
    :raises Unverified: what was brought back is not what the backup has.
    """
    if bind.family not in families_of(file):
        raise ConfigurationError(f"{file} is a {families_of(file)[0]} backup, and {bind.target} is not.")
    manifest = read_manifest(file)
    if manifest is not None:
        _check_whole(file, manifest)
    if bind.family == "sqlite":
        if into is not None:
            raise ConfigurationError("--into is for servers; a SQLite file is brought back to its place.")
        restored = _into_place(bind, file, replace(policy, command=None, keep=0, wait=wait), revision, wait)
    elif into is not None:
        restored = _beside(bind, file, into)
    elif manifest is not None and manifest.tables:
        restored = _tables_beside(bind, file, manifest)
    else:
        raise ConfigurationError(
            "On a server a backup is brought back into a new database, beside the real one: --into NAME."
        )
    return replace(restored, findings=_unknown(bind, file, manifest))


def _check_whole(file: Path, manifest: Manifest) -> None:
    try:
        is_whole = file.stat().st_size == manifest.bytes and digest(file) == manifest.sha256
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from error
    if not is_whole:
        raise BackupFailed(
            f"{file} is not what it was when it was made (SHA-256 differs). Nothing was changed."
        )


def _unknown(bind: Bind, file: Path, manifest: Manifest | None) -> tuple[Finding, ...]:
    if manifest is not None and manifest.target == bind.target:
        return ()
    whose = "of which nothing is known" if manifest is None else f"of {manifest.target}"
    return (
        Finding(
            code="backup-from-elsewhere",
            subject=bind.label,
            severity=Severity.WARNING,
            message=f"{file.name} is a backup {whose}; it was brought back for {bind.target}.",
        ),
    )


# -- SQLite ----------------------------------------------------------------------------------------


def _into_place(bind: Bind, file: Path, policy: BackupPolicy, revision: str | None, wait: float) -> Restored:
    live = sqlite_path(bind.engine)
    if file.resolve() == live.resolve():
        raise ConfigurationError(f"{file} is the database itself.")
    kept: list[Backup] = []
    try:
        keep = _keeping(bind, policy, revision, kept)
        sqlite.restore(bind.engine, file, keep, show=policy.show_copy, wait=wait)
    except Unverified:
        raise
    except (SchemaFlowError, KeyboardInterrupt):
        _forget(kept)  # it was not replaced
        raise
    first = kept[0] if kept else None
    advice = () if first is None else (f"To take this back: {first.restore}",)
    return Restored(place=bind.target, kept=first, advice=advice)


def _keeping(
    bind: Bind, policy: BackupPolicy, revision: str | None, kept: list[Backup]
) -> Callable[[], None]:
    def keep() -> None:
        live = sqlite_path(bind.engine)
        if not live.exists() or live.stat().st_size == 0:
            return
        _forget(kept)
        try:
            kept.append(take_backup(bind, policy, revision=revision))
        except BackupFailed as error:
            raise BackupFailed(
                f"What is there cannot be kept, and nothing was changed: {error.message} If it is damaged, "
                f"stop the app, move {live} away with its -wal and -journal, and restore again."
            ) from error

    return keep


def _forget(kept: list[Backup]) -> None:
    """Remove what was kept of a try that was given up."""
    while kept:
        path = Path(kept.pop().path)
        path.unlink(missing_ok=True)
        manifest_path(path).unlink(missing_ok=True)


# -- servers ---------------------------------------------------------------------------------------


def _beside(bind: Bind, file: Path, into: str) -> Restored:
    notes = restore_database(bind, file, into)
    return Restored(
        place=f"{bind.target.rpartition('/')[0]}/{into}",
        advice=(
            *notes,
            f"Nothing uses {into} yet. Look at it; then stop the app, and point it there "
            "(SQLALCHEMY_DATABASE_URI) or exchange the names of the two databases.",
        ),
    )


def _tables_beside(bind: Bind, file: Path, manifest: Manifest) -> Restored:
    made = restore_tables(bind, file, manifest)
    advice = [f"{_label(table)} is now in {new}" for table, new in made.items()]
    advice.append(
        "The real tables are as they were. Copy from the new ones what is missing (INSERT … SELECT, UPDATE), "
        "then drop them."
    )
    return Restored(place=bind.target, advice=tuple(advice))


def _label(table: tuple[str | None, str]) -> str:
    return ".".join(part for part in table if part)
