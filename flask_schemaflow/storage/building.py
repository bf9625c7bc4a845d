"""Make the snapshots that are wanting, by running the revisions on scratch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..proof import replay
from ..revisions import Revision, TableName, below, lineage, parents_first
from ..snapshot import Snapshot, chain_hashes, render_stored, stored_path

if TYPE_CHECKING:
    from ..survey import Project
    from .inventory import Inventory

BindKey = str | None
Structures = dict[str, dict[BindKey, Snapshot]]


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """How revisions run on scratch: the version tables, and the databases that ``env.py`` has to cover."""

    project: Project
    bookkeeping: Mapping[BindKey, frozenset[TableName]]
    required: frozenset[BindKey]


def build_files(scratch: Scratch, inventory: Inventory, families: Iterable[str]) -> dict[Path, str]:
    """Give the files to be written, by path in the migrations folder. Never touches the real databases.

    A file that is there stays, as long as it says the same on top of those below it.

    :raises Refused: a revision fails on an empty database, or uses a connection of its own.
    """
    project = scratch.project
    by_id = {revision.id: revision for revision in project.revisions}
    ordered = parents_first(by_id, by_id)
    chains = chain_hashes(ordered)
    made = _make(scratch, _above({gap.revision.id for gap in inventory.gaps}, ordered), by_id)
    files: dict[Path, str] = {}
    for family in families:
        after: Structures = {}
        for revision in ordered:
            before = after[revision.parents[0]] if revision.parents else {}
            stored = inventory.fresh.get((revision.id, family))
            there = stored.applied_to(before) if stored is not None else {}
            if stored is None or (revision.id in made and not stored.gives(there)):
                own = {key: each for key, each in made[revision.id].items() if each.family == family}
                there = {**before, **own}
                text = render_stored(revision.id, chains[revision.id], own, before)
                files[stored_path(revision.id, family)] = text
            after[revision.id] = there
    return files


def _above(gaps: Collection[str], ordered: Iterable[Revision]) -> set[str]:
    """Give these revisions and all above them: their files are on top of what is made anew."""
    ordered = tuple(ordered)
    by_id = {revision.id: revision for revision in ordered}
    found: set[str] = set()
    for revision in ordered:
        if revision.id in gaps or found.intersection(below(revision, by_id)):
            found.add(revision.id)
    return found


# -- running ---------------------------------------------------------------------------------------


def _make(scratch: Scratch, wanted: set[str], by_id: Mapping[str, Revision]) -> Structures:
    """Make the structure after each of these revisions.

    One pass over all of them; where another branch had run before a revision, a further pass over its own
    branch.
    """
    newest = [revision.id for revision in reversed(parents_first(sorted(wanted), by_id))]
    made = _run(scratch, _tops(newest, wanted, by_id), wanted, by_id)
    for revision in newest:
        if revision in wanted and revision not in made:
            made |= _run(scratch, (revision,), wanted - made.keys(), by_id)
    return made


def _tops(newest: Iterable[str], wanted: set[str], by_id: Mapping[str, Revision]) -> tuple[str, ...]:
    """Give those that are below no other one."""
    tops: list[str] = []
    covered: set[str] = set()
    for revision in newest:
        if revision in wanted and revision not in covered:
            tops.append(revision)
            covered |= lineage([revision], by_id)
    return tuple(tops)


def _run(
    scratch: Scratch, targets: tuple[str, ...], wanted: Collection[str], by_id: Mapping[str, Revision]
) -> Structures:
    """Run the revisions up to the targets, and give the structures that are of one lineage only."""
    made: Structures = defaultdict(dict)
    ran: dict[BindKey, set[str]] = defaultdict(set)
    last: dict[BindKey, Snapshot] = {}
    project = scratch.project
    stored_as = {bind.key: bind.stored_as for bind in project.binds}

    def observe(key: BindKey, revision: str, read: Callable[[], Snapshot]) -> None:
        ran[key].add(revision)
        if revision in wanted and ran[key] == lineage([revision], by_id):
            last[key] = made[revision][stored_as[key]] = _sharing(read(), last.get(key))

    replay(
        project.migrations,
        project.binds,
        targets,
        scratch.bookkeeping,
        required=scratch.required,
        observe=observe,
    )
    return dict(made)


def _sharing(snapshot: Snapshot, other: Snapshot | None) -> Snapshot:
    """Take the objects that are equal from another snapshot, so that many snapshots need little memory."""
    known = {each.key: each for each in other.objects} if other is not None else {}
    objects = (known[each.key] if known.get(each.key) == each else each for each in snapshot.objects)
    return replace(snapshot, objects=tuple(objects))
