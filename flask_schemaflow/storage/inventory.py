"""Compare the stored snapshots with the revisions: which are there, which are wanting, which are too many."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import ENGINE_FAMILIES
from ..revisions import Revision, below, concerns, parents_first
from ..snapshot import FOLDER, StoredFile, chain_hashes, read_file, series_of, stored_path

if TYPE_CHECKING:
    from ..survey import Project

BindKey = str | None
Version = tuple[int, ...]

# For each family its databases, by bind key, with their servers' versions; None where nobody asked.
Wanted = Mapping[str, Mapping[BindKey, Version | None]]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A revision without a snapshot that can be used; ``code`` and ``why`` say why it cannot."""

    revision: Revision
    family: str
    code: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What there is; ``fresh`` are, by revision and family, the files that can stay."""

    fresh: Mapping[tuple[str, str], StoredFile]
    gaps: tuple[Gap, ...]
    orphans: tuple[Path, ...]


def databases_needed(project: Project) -> dict[str, frozenset[BindKey]]:
    """Say for which databases each revision, or one below it, has something to run. Read-only."""
    by_id = {revision.id: revision for revision in project.revisions}
    needed: dict[str, frozenset[BindKey]] = {}
    for revision in parents_first(by_id, by_id):
        own = frozenset(
            bind.stored_as
            for bind in project.binds
            if any(concerns(revision, each.key) for each in bind.members)
        )
        needed[revision.id] = own.union(*(needed[each] for each in below(revision, by_id)))
    return needed


def take_inventory(project: Project, needed: Mapping[str, frozenset[BindKey]], wanted: Wanted) -> Inventory:
    """Look through the folder. Read-only; opens no database.

    :param needed: what :func:`databases_needed` gave.
    :raises ConfigurationError: a file is there and is not one of ours.
    """
    chains = chain_hashes(project.revisions)
    fresh: dict[tuple[str, str], StoredFile] = {}
    gaps: list[Gap] = []
    for family, versions in wanted.items():
        for revision in project.revisions:
            file = project.migrations.directory / stored_path(revision.id, family)
            stored = read_file(file) if file.exists() else None
            keys = needed[revision.id] & versions.keys()
            code, why = _judged(stored, (revision.id, family, chains[revision.id]), keys, versions)
            if stored is None or code:
                gaps.append(Gap(revision=revision, family=family, code=code, why=why))
            else:
                fresh[revision.id, family] = stored
    return Inventory(fresh=fresh, gaps=tuple(gaps), orphans=tuple(_orphans(project)))


def _judged(
    stored: StoredFile | None,
    of: tuple[str, str, str],
    keys: frozenset[BindKey],
    versions: Mapping[BindKey, Version | None],
) -> tuple[str, str]:
    """Give code and reason of what is wrong with a file; nothing where it can be used."""
    if stored is None:
        return "snapshot-missing", "it has none"
    if not stored.is_of(*of):
        return "snapshot-stale", "the revision, or an earlier one, was changed since it was made"
    absent = sorted(key or "default" for key in keys - stored.databases.keys())
    if absent:
        return "snapshot-stale", f"it lacks the database {', '.join(absent)}"
    for key, version in versions.items():
        if version is not None and key in stored.databases:
            here, there = (series_of(stored.family, each) for each in (version, stored.version(key)))
            if here != there:
                numbers = (".".join(map(str, each)) for each in (there, here))
                return "snapshot-from-other-version", "it was made on {}, the server is {}".format(*numbers)
    return "", ""


_NAME = re.compile(rf"(?P<revision>[^.].*)\.(?:{'|'.join(ENGINE_FAMILIES)})\.json")


def _orphans(project: Project) -> Iterator[Path]:
    """Find the snapshots of revisions that are no more, of whatever family."""
    known = {revision.id for revision in project.revisions}
    for file in sorted((project.migrations.directory / FOLDER).glob("*.json")):
        match = _NAME.fullmatch(file.name)
        if match and match["revision"] not in known and read_file(file).revision == match["revision"]:
            yield file
