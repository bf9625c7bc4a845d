"""Say whether a backup can be taken, and take it: verified before it has its name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BackupFailed, ConfigurationError
from ..interrupts import uninterrupted
from ..session import sqlite_path
from . import mysql, postgresql, sqlite
from .durability import durability_findings
from .manifest import Manifest, moment, name_for, remove_old, write_manifest
from .policy import Backup, BackupPolicy, Tables
from .provider import run_command
from .server import size_of
from .workspace import digest, new_file, publish, secrets_folder, sync, workspace

if TYPE_CHECKING:
    from ..discovery import Bind
    from ..findings import Finding

Names = Iterable[tuple[str | None, str]]


def check_backup_possible(
    bind: Bind, policy: BackupPolicy, *, tables: Names | None = None, output: Path | None = None
) -> tuple[Finding, ...]:
    """Check that a backup could be taken now, and give what a person should know of it. Read-only.

    What a provider's command needs is not known, so nothing is checked then.

    :param tables: those that are to be dumped, by (schema, name), on a server; by default everything.
    :param output: the file to write; by default one in the policy's folder.
    :returns: the finding ``backup-not-durable`` where the folder is in memory or in a container's layer.
    :raises BackupFailed: a client program is missing or too old, the folder cannot be written, has too
        little space, or the backup would be too large; or there is no URL to connect with.
    :raises Refused: there is no such table.
    """
    if policy.command is not None:
        return ()
    folder = _folder(bind, policy, output)
    _check_folder(folder)
    _check_size(_way(bind).measure(bind, policy, tables), folder, policy)
    return durability_findings(bind.label, folder)


def take_backup(
    bind: Bind,
    policy: BackupPolicy,
    *,
    revision: str | None = None,
    tables: Names | None = None,
    output: Path | None = None,
    notify: Callable[[str], None] = lambda _line: None,
) -> Backup:
    """Take a backup of one database, verify it, and remove those that are too many. Read-only.

    A SQLite file is copied whole whatever ``tables`` says. What others write while a server is dumped is
    not in it. However it ends, no half file is left.

    :param revision: at which the database is, for the name and for a provider's command.
    :param tables: those to be dumped, by (schema, name), on a server; by default everything.
    :param output: the file to write, which must not be there; it is kept for ever.
    :param notify: gets a line for each old backup that is removed.
    :raises BackupFailed: it cannot be taken.
    :raises Busy: somebody else has the database, or a table, locked for too long.
    """
    if policy.command is not None:
        return run_command(policy.command, bind, revision)
    folder = _folder(bind, policy, output)
    try:
        manifest = _write(bind, policy, folder, revision, tables, output)
    except OSError as error:
        raise BackupFailed(f"The backup cannot be written to {folder}: {error.strerror}.") from error
    if output is None:
        for file in remove_old(folder, manifest, policy.keep):
            notify(f"Removed     {file} (the newest {policy.keep} are kept)")
    file = folder / manifest.file
    return Backup(
        bind=bind.key,
        path=str(file),
        bytes=manifest.bytes,
        sha256=manifest.sha256,
        restore=policy.restore_command(file, into=_into(bind, manifest)),
    )


def _folder(bind: Bind, policy: BackupPolicy, output: Path | None) -> Path:
    if output is None:
        return policy.folder_for(bind.engine)
    if output.exists():
        raise BackupFailed(f"{output} is there already. Name a file that does not exist.")
    return output.absolute().parent


def _into(bind: Bind, manifest: Manifest) -> str | None:
    if bind.family == "sqlite" or manifest.tables:
        return None
    return f"{manifest.target.rpartition('/')[2]}_restored"


def _write(
    bind: Bind,
    policy: BackupPolicy,
    folder: Path,
    revision: str | None,
    tables: Names | None,
    output: Path | None,
) -> Manifest:
    with workspace(folder) as own:
        part = new_file(own / "backup")
        dumped = _way(bind).dump(bind, policy, tables, part)
        sync(part)
        name = name_for(dumped.database, revision, bind.family)
        manifest = Manifest(
            file=name,
            bind=bind.key,
            family=bind.family,
            target=bind.target,
            revision=revision,
            made=moment(),
            bytes=part.stat().st_size,
            sha256=digest(part),
            tables=dumped.tables,
        )
        with uninterrupted(stop_afterwards=True):
            file = publish(part, folder / (name if output is None else output.name))
            manifest = replace(manifest, file=file.name)
            try:
                write_manifest(folder, manifest)
            except (OSError, BackupFailed):
                file.unlink()
                raise
    return manifest


def tables_of(bind: Bind) -> dict[str, tuple[str | None, str]]:
    """Give the tables of a server's database by what a person may call them: with and without a schema.

    Read-only.

    :raises SchemaFlowError: it cannot be reached.
    """
    server = (postgresql if bind.engine.dialect.name == "postgresql" else mysql).ask(bind.engine)
    named = {f"{each.schema}.{each.name}": (each.schema, each.name) for each in server.tables if each.schema}
    return named | {each.label: (each.schema, each.name) for each in server.tables}


# -- checking --------------------------------------------------------------------------------------


def _check_folder(folder: Path) -> None:
    """Check that a folder can be written, or made, without making it."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        raise BackupFailed(f"The folder {folder} for backups cannot be made: {there} is a file.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise BackupFailed(
            f"The folder {there} for backups cannot be written. Grant the right, or set "
            "SCHEMAFLOW_BACKUP_DIR."
        )


def _check_size(size: int, folder: Path, policy: BackupPolicy) -> None:
    if policy.max_bytes is not None and size > policy.max_bytes:
        raise BackupFailed(
            f"The backup would have about {size:,} bytes, and SCHEMAFLOW_BACKUP_MAX_BYTES allows "
            f"{policy.max_bytes:,}. Raise it, or set SCHEMAFLOW_BACKUP_COMMAND to what takes a snapshot."
        )
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free
    if size > free:
        raise BackupFailed(
            f"The backup needs about {size:,} bytes, and {folder} has {free:,} free. Make room, or set "
            "SCHEMAFLOW_BACKUP_DIR."
        )


# -- what differs between the engines --------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Dumped:
    """What was dumped: the database's name, and the tables that were chosen."""

    database: str
    tables: Tables = ()


@dataclass(frozen=True, kw_only=True)
class _Way:
    """One engine's way: ``measure`` checks what it needs, and gives the size in bytes."""

    measure: Callable[[Bind, BackupPolicy, Names | None], int]
    dump: Callable[[Bind, BackupPolicy, Names | None, Path], _Dumped]


def _measure_sqlite(bind: Bind, policy: BackupPolicy, _tables: Names | None) -> int:
    sqlite.check(bind.engine)
    return sqlite.size(bind.engine, wait=policy.wait)


def _dump_sqlite(bind: Bind, policy: BackupPolicy, _tables: Names | None, part: Path) -> _Dumped:
    sqlite.check(bind.engine)
    sqlite.dump(bind.engine, part, show=policy.show_copy, wait=policy.wait)
    return _Dumped(database=sqlite_path(bind.engine).stem)


def _measure_postgresql(bind: Bind, _policy: BackupPolicy, tables: Names | None) -> int:
    server = postgresql.ask(bind.engine)
    with secrets_folder() as own:
        postgresql.check(postgresql.client_for(bind.engine, own), server)
    return size_of(server.chosen(tables))


def _dump_postgresql(bind: Bind, _policy: BackupPolicy, tables: Names | None, part: Path) -> _Dumped:
    server = postgresql.ask(bind.engine)
    chosen = None if tables is None else server.chosen(tables)
    with secrets_folder() as own:
        client = postgresql.client_for(bind.engine, own)
        postgresql.check(client, server)
        postgresql.dump(client, server, chosen, part)
    return _Dumped(database=server.database, tables=tuple((each.schema, each.name) for each in chosen or ()))


def _measure_mysql(bind: Bind, _policy: BackupPolicy, tables: Names | None) -> int:
    server = mysql.ask(bind.engine)
    with secrets_folder() as own:
        mysql.check(mysql.client_for(bind.engine, bind.family, own), server)
    return size_of(server.chosen(tables))


def _dump_mysql(bind: Bind, _policy: BackupPolicy, tables: Names | None, part: Path) -> _Dumped:
    server = mysql.ask(bind.engine)
    chosen = None if tables is None else server.chosen(tables)
    with secrets_folder() as own:
        client = mysql.client_for(bind.engine, bind.family, own)
        mysql.check(client, server)
        mysql.dump(client, server, chosen, part)
    return _Dumped(database=server.database, tables=tuple((each.schema, each.name) for each in chosen or ()))


def _way(bind: Bind) -> _Way:
    way = _WAYS.get(bind.engine.dialect.name)
    if way is None:
        raise ConfigurationError(f"{bind.target} is of a kind that cannot be backed up.")
    return way


_MYSQL = _Way(measure=_measure_mysql, dump=_dump_mysql)
_WAYS = {
    "sqlite": _Way(measure=_measure_sqlite, dump=_dump_sqlite),
    "postgresql": _Way(measure=_measure_postgresql, dump=_dump_postgresql),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}
