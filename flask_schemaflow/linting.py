"""Look for hazards in revision files: the ``db-lint`` pipeline, without a database and without the app."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import MetaData

from .acceptable import IN_UPGRADES
from .config import ENGINE_FAMILIES, Settings, read_settings
from .drift import check_accepted
from .errors import ConfigurationError, HazardsFound
from .findings import Finding, Severity
from .hazards import (
    CODES,
    RULES,
    RULES_FOR_FILES,
    Acceptances,
    Hazard,
    Structures,
    edited_applied_revision,
    find_hazards,
    non_linear_history,
    structure_after,
)
from .migrations import environment_in, revisions_in
from .recording import RecordedRevision, paper_dialect, record_revisions
from .results import Progress, Result
from .revisions import Revision, heads_of, lineage, parents_first, source_of
from .snapshot import FOLDER, Snapshot

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext


@dataclass(frozen=True, kw_only=True)
class LintOptions:
    """What ``db-lint`` was asked for.

    ``revisions`` are ids, beginnings of ids, files, or ``A:B`` for those after A up to B; none are all.
    ``since`` is a git ref: only files that differ from it. ``engines`` are families; by default those of
    which the folder has snapshots.
    """

    revisions: tuple[str, ...] = ()
    since: str | None = None
    engines: tuple[str, ...] = ()
    directory: str | None = None


@dataclass(frozen=True, kw_only=True)
class LintResult(Result):
    """What was found; nothing of it stops."""


DEFAULTS = LintOptions()


def lint(options: LintOptions = DEFAULTS) -> LintResult:
    """Say what is dangerous in revision files. Never touches a database.

    Each revision is looked at as a deployment of its own, with what the files before it say of the
    structure. What depends on rows is unknown, and counts. Settings are read from the environment.

    :raises HazardsFound: something stops; the findings name each.
    :raises ConfigurationError: there is no such folder, revision or git ref, or the engine or a code that a
        setting accepts is not known.
    """
    progress = Progress("db-lint")
    with progress.told_on_failure():
        settings = read_settings({}, os.environ)
        check_accepted(settings.accept, *IN_UPGRADES, said_by="FLASK_SCHEMAFLOW_ACCEPT")
        folder = _folder(options)
        revisions = revisions_in(folder)
        chosen = _chosen(options, folder, revisions)
        families = _families(options, settings, folder)
        findings = [each for revision in chosen for each in _mistakes(revision)]
        if options.since is not None:
            findings += _about_the_history(revisions, _changes_since(options.since, folder), settings)
        for family in families if chosen else ():
            findings += _found(folder, revisions, chosen, family, settings)
        findings = list(dict.fromkeys(findings))
        _end(progress, findings, f"{len(chosen)} of {len(revisions)} revisions, for {', '.join(families)}")
    return LintResult(**vars(progress.reached()))


def _end(progress: Progress, findings: list[Finding], looked_at: str) -> None:
    stopping = tuple(each for each in findings if each.severity is Severity.ERROR)
    progress.findings.extend(each for each in findings if each not in stopping)
    if stopping:
        raise HazardsFound(f"{_first_of(stopping)} Looked at: {looked_at}.", findings=stopping)
    warnings = sum(each.severity is Severity.WARNING for each in findings)
    progress.end(
        "nothing-to-do",
        f"Nothing stops ({warnings} warning{'s' if warnings != 1 else ''}). Looked at: {looked_at}.",
    )


def _first_of(stopping: tuple[Finding, ...]) -> str:
    """Say the first finding, how many more there are, and how it can be accepted."""
    first, more = stopping[0], len(stopping) - 1
    accept = (
        f" Accept it there: # schemaflow: accept {first.code} -- reason." if isinstance(first, Hazard) else ""
    )
    return f"{first.place}: {first.message}{f' And {more} more.' if more else ''}{accept}"


# -- what is looked at -----------------------------------------------------------------------------


def _folder(options: LintOptions) -> Path:
    """Give the migrations folder: the one that was named, that of a file that was named, or the usual one."""
    if options.directory is None:
        for each in options.revisions:
            if each.endswith(".py"):
                for parent in Path(each).absolute().parents:
                    if (parent / "env.py").is_file():
                        return parent
    folder = Path(options.directory or "migrations").absolute()
    if not (folder / "env.py").is_file():
        raise ConfigurationError(f"{folder} is not a migrations folder: it has no env.py. Name it with -d.")
    return folder


def _families(options: LintOptions, settings: Settings, folder: Path) -> tuple[str, ...]:
    stored = {each.name.split(".")[-2] for each in (folder / FOLDER).glob("*.*.json")}
    unknown = [each for each in options.engines if each not in ENGINE_FAMILIES]
    if unknown:
        raise ConfigurationError(f"--engine {unknown[0]}: say one of {', '.join(ENGINE_FAMILIES)}.")
    families = options.engines or settings.engines or tuple(sorted(stored & {*ENGINE_FAMILIES}))
    if not families:
        raise ConfigurationError(
            "For which engine? Say --engine postgresql (or sqlite, mariadb, mysql), or set "
            "FLASK_SCHEMAFLOW_ENGINES."
        )
    return tuple(dict.fromkeys(families))


def _chosen(options: LintOptions, folder: Path, revisions: tuple[Revision, ...]) -> tuple[Revision, ...]:
    """Give the revisions that were asked for, parents first."""
    by_id = {each.id: each for each in revisions}
    chosen = set(by_id)
    if options.revisions:
        chosen = {each for said in options.revisions for each in _resolved(said, by_id)}
    if options.since is not None:
        changes = _changes_since(options.since, folder)
        chosen = {each for each in chosen if by_id[each].file.resolve() in {*changes.new, *changes.changed}}
    return tuple(each for each in parents_first(heads_of(revisions), by_id) if each.id in chosen)


def _resolved(said: str, by_id: dict[str, Revision]) -> Iterator[str]:
    if said.endswith(".py"):
        file = Path(said).resolve()
        # A hook names every file of the folder that changes; what is no revision is no matter of ours.
        yield from (each.id for each in by_id.values() if each.file.resolve() == file)
    elif ":" in said:
        after, _, until = said.partition(":")
        last = [_one(until, by_id)] if until else list(heads_of(by_id.values()))
        yield from lineage(last, by_id) - (lineage([_one(after, by_id)], by_id) if after else set())
    else:
        yield _one(said, by_id)


def _one(said: str, by_id: dict[str, Revision]) -> str:
    found = [said] if said in by_id else [each for each in by_id if each.startswith(said)]
    if said in ("head", "heads") and len(heads := heads_of(by_id.values())) == 1:
        found = list(heads)
    if len(found) != 1:
        problem = "several revisions begin" if found else "no revision begins"
        raise ConfigurationError(f"There is no revision {said!r}: {problem} with it.")
    return found[0]


@dataclass(frozen=True)
class _Changes:
    """The files of a folder that a git ref does not have, and the earlier texts of those that differ."""

    new: frozenset[Path]
    changed: Mapping[Path, str]


def _changes_since(ref: str, folder: Path) -> _Changes:
    """Give the files that differ from a git ref, and those that git does not know yet.

    The two trees are compared, not their histories: a shallow clone has no more.
    """
    differ = _git(folder, "diff", "--name-status", "-z", "--no-renames", "--relative", ref, "--", ".")
    if differ is None:
        raise ConfigurationError(
            f"git does not know {ref!r} in {folder}. In a shallow clone, fetch it first: "
            f"git fetch --depth 1 origin {ref.removeprefix('origin/')}:{ref}"
        )
    unknown = _git(folder, "ls-files", "--others", "--exclude-standard", "-z") or ""
    words = differ.split("\0")
    status = {name: how for how, name in zip(words[::2], words[1::2], strict=False) if name}
    new = {name for name, how in status.items() if how == "A"} | set(unknown.split("\0")) - {""}
    old = {name: _git(folder, "show", f"{ref}:./{name}") or "" for name, how in status.items() if how != "A"}
    return _Changes(
        frozenset((folder / name).resolve() for name in new),
        {(folder / name).resolve(): text for name, text in old.items()},
    )


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigurationError(f"--since needs git: {error}.") from None
    return done.stdout if done.returncode == 0 else None


# -- what is found ---------------------------------------------------------------------------------


def _mistakes(revision: Revision) -> Iterator[Finding]:
    yield from Acceptances(revision.file).mistakes(revision.id, CODES)


def _about_the_history(
    revisions: tuple[Revision, ...], changes: _Changes, settings: Settings
) -> Iterator[Hazard]:
    found = (
        *edited_applied_revision(revisions, changes.changed),
        *non_linear_history(revisions, changes.changed, changes.new),
    )
    for hazard in found:
        yield hazard.weighed(
            None, settings.fail_on, lambda each: each.key in settings.accept, small=0, asked=False
        )


def _found(
    folder: Path,
    revisions: tuple[Revision, ...],
    chosen: tuple[Revision, ...],
    family: str,
    settings: Settings,
) -> Iterator[Hazard]:
    by_id = {each.id: each for each in revisions}
    needed = parents_first([each.id for each in chosen], by_id)
    wanted = {each.id for each in chosen}
    environment = environment_in(folder)
    for key in _binds(needed):
        real = Snapshot(family=family)
        for recorded in _recorded(environment, needed, key, family):
            structures = Structures(family=family, real=real)
            if recorded.revision in wanted:
                yield from _weighed(
                    find_hazards([recorded], structures, rules=(*RULES, *RULES_FOR_FILES)), recorded, settings
                )
            real = structure_after(recorded, structures)


def _recorded(
    environment: EnvironmentContext, needed: Iterable[Revision], key: str | None, family: str
) -> tuple[RecordedRevision, ...]:
    with _importable(Path(environment.script.dir).parent, Path.cwd()):
        return record_revisions(environment, needed, (key,), paper_dialect(family), MetaData())


@contextmanager
def _importable(*folders: Path) -> Iterator[None]:
    """Let revisions import what lies there, such as types of the app, as they can when the app is loaded."""
    before = list(sys.path)
    sys.path[:0] = [str(each) for each in dict.fromkeys(folders)]
    try:
        yield
    finally:
        sys.path[:] = before


def _binds(revisions: Iterable[Revision]) -> tuple[str | None, ...]:
    """Give the bind keys for which revisions have functions of their own; the default one first."""
    found: dict[str | None, None] = {None: None}
    for revision in revisions:
        source = source_of(revision.file)
        if "def upgrade_" in source:
            for node in ast.parse(source).body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith("upgrade_"):
                    found[node.name.removeprefix("upgrade_") or None] = None
    return tuple(found)


def _weighed(hazards: Iterable[Hazard], recorded: RecordedRevision, settings: Settings) -> Iterator[Hazard]:
    notes = Acceptances(recorded.file)
    for hazard in hazards:
        if not hazard.only_with_rows:
            yield hazard.weighed(
                None,
                settings.fail_on,
                lambda each: each.key in settings.accept or notes.accept(each),
                small=settings.small_table_rows,
                asked=False,
            )
