"""The ``db-backup`` pipeline: choose, check all, then take one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..backup import BackupPolicy, check_backup_possible, policy_of, tables_of, take_backup
from ..errors import BackupFailed, ConfigurationError, SchemaFlowError
from ..findings import Finding
from ..results import Progress, Result
from ..session import database_exists, is_same_database, reading_connection
from ..survey import (
    Notify,
    Project,
    Where,
    open_project,
    tell_nobody,
)
from ..version_tables import VersionTable, find_version_tables, version_table_of_migrate
from ..versions import read_versions
from .choosing import bind_of, only_bind
from .trying import try_restore

if TYPE_CHECKING:
    from flask import Flask

    from ..discovery import Bind

Names = tuple[tuple[str | None, str], ...]


@dataclass(frozen=True, kw_only=True)
class BackupOptions:
    """What ``db-backup`` was asked for.

    ``bind`` is a bind key, "" for the default database, None for all of them; ``tables`` are names with or
    without their schema; ``flask`` is how the ``flask`` command is called.
    """

    bind: str | None = None
    tables: tuple[str, ...] = ()
    output: Path | None = None
    restore_test: bool = False
    directory: str | None = None
    x_args: tuple[str, ...] = ()
    flask: str = "flask"


DEFAULTS = BackupOptions()


def back_up(app: Flask, options: BackupOptions = DEFAULTS, *, notify: Notify = tell_nobody) -> Result:
    """Take a verified backup of an app's databases. Read-only.

    :param notify: gets a line for each step.
    :raises BackupFailed: one cannot be taken; those before it are there.
    :raises SchemaFlowError: it could not be done.
    """
    progress = Progress("db-backup")
    with progress.told_on_failure(), app.app_context():
        where = Where(directory=options.directory, x_args=options.x_args)
        project = open_project(app, where, notify)
        binds = _chosen(project.binds, options, progress)
        progress.note_targets(binds)
        policy = policy_of(app, project.settings, flask=options.flask, notify=notify)
        _check_testable(options, policy)
        tables = {bind.key: _named(bind, options.tables) for bind in binds}
        for bind in binds:
            progress.findings.extend(
                check_backup_possible(bind, policy, tables=tables[bind.key], output=options.output)
            )
        for bind in binds:
            notify(f"Backing up  {bind.target}")
            revision = revision_of(bind, _version_table(project, bind))
            # A server has told by now of which family it is.
            progress.update(bind.key, engine=bind.family, revision_before=revision, revision_after=revision)
            backup = take_backup(
                bind,
                policy,
                revision=revision,
                tables=tables[bind.key],
                output=options.output,
                notify=notify,
            )
            progress.backups.append(backup)
            if options.restore_test:
                notify(f"Restoring   {backup.path} to a scratch database")
                progress.findings.extend(try_restore(bind, backup))
        number = len(progress.backups)
        several = f"{number} databases" if number > 1 else binds[0].target
        tested = ", and restored for a test" if options.restore_test else ""
        progress.end("backed-up", f"Backed up: {several}, verified{tested}.")
    return progress.reached()


def _check_testable(options: BackupOptions, policy: BackupPolicy) -> None:
    """Check that what is asked for can be tested.

    :raises ConfigurationError: it is a part, or somebody else takes it.
    """
    if options.restore_test and options.tables:
        raise ConfigurationError("--restore-test needs the whole database: leave --table out.")
    if policy.command is not None and (options.restore_test or options.output is not None):
        raise ConfigurationError(
            "SCHEMAFLOW_BACKUP_COMMAND takes the backup, so there is no file for --restore-test or --output."
        )


def _chosen(binds: tuple[Bind, ...], options: BackupOptions, progress: Progress) -> tuple[Bind, ...]:
    """Give the databases to back up: those asked for that are there, each once."""
    if options.bind is not None:
        return (bind_of(binds, options.bind),)
    if options.tables or options.output is not None:
        return (only_bind(binds, "--table or --output"),)
    found: list[Bind] = []
    for bind in binds:
        if not database_exists(bind.engine):
            progress.findings.append(_not_there(bind))
        elif not any(is_same_database(bind.engine, each.engine) for each in found):
            found.append(bind)
    if not found:
        raise BackupFailed("There is no database yet, so there is nothing to back up.")
    return tuple(found)


def _not_there(bind: Bind) -> Finding:
    return Finding(
        code="no-database",
        subject=bind.label,
        message=f"There is no database at {bind.target} yet; it was left out.",
    )


def _named(bind: Bind, tables: Iterable[str]) -> Names | None:
    """Find tables by their names as a person writes them.

    :raises ConfigurationError: there is no such table, or a SQLite file cannot be backed up in part.
    """
    if not tables:
        return None
    if bind.family == "sqlite":
        raise ConfigurationError("A SQLite file is backed up as a whole: leave --table out.")
    by_label = tables_of(bind)
    for name in tables:
        if name not in by_label:
            raise ConfigurationError(f"There is no table {name} in {bind.target}.")
    return tuple(by_label[name] for name in tables)


def _version_table(project: Project, bind: Bind) -> VersionTable:
    """Say where the revision stands, for a name; a role that may make no scratch database gets one too."""
    try:
        return find_version_tables(project.migrations, (bind,))[bind.key]
    except SchemaFlowError:
        return version_table_of_migrate(project.migrations)


def revision_of(bind: Bind, table: VersionTable) -> str | None:
    """Give the revision that a database is at, or several with a plus; None where it has none. Read-only."""
    try:
        with reading_connection(bind.engine) as connection:
            return "+".join(read_versions(connection, table.name, table.schema) or ()) or None
    except SchemaFlowError:
        return None
