"""The pipeline: look through the folder, make what is wanting on scratch, write it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Refused
from ..findings import Finding, Severity
from ..interrupts import uninterrupted
from ..migrations import replace_files
from ..results import Progress, Result
from ..session import server_connection
from ..snapshot import FOLDER, stored_path
from ..survey import Notify, Project, Where, open_project, tell_nobody
from ..version_tables import find_version_tables
from .building import Scratch, build_files
from .inventory import Gap, Inventory, Version, Wanted, databases_needed, take_inventory

if TYPE_CHECKING:
    from flask import Flask

    from ..discovery import Bind

BindKey = str | None


@dataclass(frozen=True, kw_only=True)
class SnapshotOptions:
    """What ``db-snapshot`` was asked for; with ``check`` it writes nothing."""

    directory: str | None = None
    x_args: tuple[str, ...] = ()
    check: bool = False


@dataclass(frozen=True, kw_only=True)
class SnapshotResult(Result):
    """What was found out and done: the snapshots that were written, and those that were removed."""

    written: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()


DEFAULTS = SnapshotOptions()


def store_snapshots(
    app: Flask,
    options: SnapshotOptions = DEFAULTS,
    *,
    notify: Notify = tell_nobody,
) -> SnapshotResult:
    """Write the snapshot of every revision that has none, or a stale one; remove those of no revision.

    Writes files in the migrations folder only, and all of them or none. Never touches the real databases:
    a server is asked for its version and for a scratch database. With ``check`` nothing is written and no
    database is connected to.

    :param notify: gets a line for each step.
    :raises Refused: with ``check`` a snapshot is missing or stale; else a revision does not run on scratch.
    :raises SchemaFlowError: it could not be done.
    """
    progress = Progress("db-snapshot")
    with progress.told_on_failure(), app.app_context():
        project = open_project(app, Where(directory=options.directory, x_args=options.x_args), notify)
        if not project.revisions:
            raise Refused(
                f"There are no revisions in {project.migrations.directory}. `flask db-adopt` writes the "
                "first one."
            )
        storing = _Storing(project, options, progress, notify)
        if options.check:
            _check(storing)
        else:
            _store(storing)
    return SnapshotResult(
        **vars(progress.reached()),
        written=_files(progress, "snapshot-written"),
        removed=_files(progress, "snapshot-removed"),
    )


def _files(progress: Progress, code: str) -> tuple[Path, ...]:
    return tuple(Path(each.file) for each in progress.findings if each.code == code and each.file)


@dataclass(frozen=True)
class _Storing:
    """One run: what there is, what was asked for, and where to tell of it."""

    project: Project
    options: SnapshotOptions
    progress: Progress
    notify: Notify

    @property
    def folder(self) -> Path:
        return self.project.migrations.directory

    @property
    def command(self) -> str:
        """What makes the snapshots."""
        directory = self.options.directory
        return "flask db-snapshot" + (f" -d {shlex.quote(directory)}" if directory else "")


def _relevant(project: Project, keys: Iterable[BindKey]) -> tuple[Bind, ...]:
    """Give the databases for which there is a revision; the default one where there is none at all."""
    wanted = frozenset(keys)
    if not wanted:
        return project.binds[:1]
    return tuple(bind for bind in project.binds if bind.stored_as in wanted)


# -- checking --------------------------------------------------------------------------------------


def _check(storing: _Storing) -> None:
    project, progress = storing.project, storing.progress
    needed = databases_needed(project)
    binds = _relevant(project, frozenset().union(*needed.values()))
    progress.note_targets(binds)
    wanted: dict[str, dict[BindKey, Version | None]] = {}
    for bind in binds:
        for family in _possible_families(bind, storing.folder):
            wanted.setdefault(family, {})[bind.stored_as] = None
    inventory = take_inventory(project, needed, wanted)
    progress.findings.extend(_orphaned(each, storing) for each in inventory.orphans)
    if inventory.gaps:
        raise Refused(
            f"{_named(inventory.gaps)}. Make what is missing: {storing.command}",
            findings=tuple(_wanting(gap, storing) for gap in inventory.gaps),
        )
    progress.end("nothing-to-do", _nothing_to_do(project, wanted))


def _possible_families(bind: Bind, folder: Path) -> tuple[str, ...]:
    """Say of which family a database is, without a connection.

    A ``mysql://`` URL may lead to either server; then those count of which there are snapshots.
    """
    dialect = bind.engine.dialect
    if dialect.name != "mysql" or dialect.server_version_info is not None:
        return (bind.family,)
    found = (each for each in ("mariadb", "mysql") if any((folder / FOLDER).glob(f"*.{each}.json")))
    return tuple(found) or ("mysql",)


def _named(gaps: Iterable[Gap]) -> str:
    """Name the revisions, the first ten of many."""
    codes: dict[str, str] = {}
    for gap in gaps:
        codes.setdefault(gap.revision.id, gap.code.removeprefix("snapshot-"))
    number = f"{len(codes)} revisions have" if len(codes) > 1 else "1 revision has"
    named = ", ".join(f"{revision} ({code})" for revision, code in list(codes.items())[:10])
    return f"{number} no snapshot that can be used: {named}" + (", …" if len(codes) > 10 else "")


def _nothing_to_do(project: Project, wanted: Wanted) -> str:
    number = len(project.revisions)
    whose = (
        f"each of the {number} revisions has its snapshot" if number > 1 else "the revision has its snapshot"
    )
    return f"Nothing to do: {whose} ({', '.join(sorted(wanted))})."


# -- making ----------------------------------------------------------------------------------------


def _store(storing: _Storing) -> None:
    project, progress = storing.project, storing.progress
    needed = databases_needed(project)
    binds = _relevant(project, frozenset().union(*needed.values()))
    progress.note_targets(binds)
    wanted = _ask(binds)
    progress.note_targets(binds)  # a server has told of which family it is
    inventory = take_inventory(project, needed, wanted)
    files: dict[Path, str] = {}
    if inventory.gaps:
        number = len({gap.revision.id for gap in inventory.gaps})
        storing.notify(f"Replaying   revisions on scratch, for the snapshots of {number}")
        tables = find_version_tables(project.migrations, project.binds)
        scratch = Scratch(
            project=project,
            bookkeeping={
                bind.key: tables[bind.key].tables(bind.engine.dialect.default_schema_name)
                for bind in project.binds
            },
            required=frozenset(bind.key for bind in binds),
        )
        files = build_files(scratch, inventory, wanted)
    if files or inventory.orphans:
        _write(storing, files, inventory)
    else:
        progress.end("nothing-to-do", _nothing_to_do(project, wanted))


def _ask(binds: Iterable[Bind]) -> dict[str, dict[BindKey, Version | None]]:
    """Ask the servers what they are; a SQLite file is not opened."""
    wanted: dict[str, dict[BindKey, Version | None]] = {}
    for bind in binds:
        version: Version | None = None
        if bind.family != "sqlite":
            with server_connection(bind.engine) as connection:
                numbers = connection.dialect.server_version_info or ()
                version = tuple(each for each in numbers if isinstance(each, int))
        wanted.setdefault(bind.family, {})[bind.stored_as] = version
    return wanted


def _write(storing: _Storing, files: dict[Path, str], inventory: Inventory) -> None:
    for path in files:
        storing.notify(f"Writing     {storing.folder / path}")
    for file in inventory.orphans:
        storing.notify(f"Removing    {file}")
    told = [_written(path, storing, inventory) for path in files]
    told.extend(
        replace(_orphaned(each, storing), code="snapshot-removed", severity=Severity.INFO, hint="")
        for each in inventory.orphans
    )
    with uninterrupted():
        replace_files(storing.folder, files, inventory.orphans)
        storing.progress.findings.extend(told)
        storing.progress.end("written", _verdict(files, inventory))


def _verdict(files: Iterable[Path], inventory: Inventory) -> str:
    families = Counter(_of(path)[1] for path in files)
    number = families.total()
    said = [f"wrote {_counted(number)} ({', '.join(sorted(families))})"] if number else []
    if inventory.orphans:
        said.append(f"removed {_counted(len(inventory.orphans))} of revisions that are no more")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _counted(number: int) -> str:
    return f"{number} snapshot" + ("s" if number > 1 else "")


def _of(path: Path) -> tuple[str, str]:
    """Give revision and family of a file; a revision's id may have dots."""
    revision, _, family = path.stem.rpartition(".")
    return revision, family


# -- telling ---------------------------------------------------------------------------------------


def _wanting(gap: Gap, storing: _Storing) -> Finding:
    return Finding(
        code=gap.code,
        subject=gap.revision.id,
        severity=Severity.ERROR,
        message=f"The snapshot of {gap.revision.id} for {gap.family} cannot be used: {gap.why}.",
        hint=storing.command,
        revision=gap.revision.id,
        file=str(storing.folder / stored_path(gap.revision.id, gap.family)),
    )


def _written(path: Path, storing: _Storing, inventory: Inventory) -> Finding:
    reasons = {stored_path(gap.revision.id, gap.family): gap.why for gap in inventory.gaps}
    revision, family = _of(path)
    return Finding(
        code="snapshot-written",
        subject=revision,
        severity=Severity.INFO,
        message=f"The snapshot for {family} was made: {reasons.get(path, 'an earlier one was made anew')}.",
        revision=revision,
        file=str(storing.folder / path),
    )


def _orphaned(file: Path, storing: _Storing) -> Finding:
    return Finding(
        code="snapshot-orphaned",
        subject=_of(file)[0],
        message="This is the snapshot of a revision that does not exist any more.",
        hint=f"{storing.command} removes it.",
        file=str(file),
    )
