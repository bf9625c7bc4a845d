"""How revisions follow one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .files import Revision

Rows = tuple[str, ...]
"""What a version table says, sorted: one revision, or one of each branch before they are joined."""


def below(revision: Revision, by_id: Mapping[str, Revision]) -> tuple[str, ...]:
    """Give what has to run before a revision: its parents, and what it depends on, by id or label."""
    if not revision.depends_on:
        return revision.parents
    labels = {label: each.id for each in by_id.values() for label in each.branch_labels}
    dependencies = (each if each in by_id else labels.get(each, each) for each in revision.depends_on)
    return tuple(dict.fromkeys((*revision.parents, *dependencies)))


def heads_of(revisions: Iterable[Revision]) -> tuple[str, ...]:
    """Say which revisions no other one follows, sorted."""
    revisions = tuple(revisions)
    parents = {parent for revision in revisions for parent in revision.parents}
    return tuple(sorted(revision.id for revision in revisions if revision.id not in parents))


def lineage(ids: Iterable[str], by_id: Mapping[str, Revision]) -> set[str]:
    """Give these revisions and all below them."""
    found: set[str] = set()
    waiting = list(ids)
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(below(by_id[current], by_id))
    return found


def newest_rows(revisions: Iterable[Revision]) -> Rows:
    """Give the rows of the version table where all revisions have run.

    A row goes when a revision comes that has to run after it, so a head on which another branch depends has
    none (Alembic's ``HeadMaintainer``).
    """
    by_id = {revision.id: revision for revision in revisions}
    return tuple(sorted(set(by_id).difference(*(below(each, by_id) for each in by_id.values()))))


def rows_after(rows: Rows, revision: Revision, by_id: Mapping[str, Revision]) -> Rows:
    """Give the rows of the version table when one more revision has run."""
    return tuple(sorted({*rows, revision.id}.difference(below(revision, by_id))))


def in_words(rows: Rows) -> str:
    """Say for people where a database is."""
    return ", ".join(rows) or "no revision"


def parents_first(ids: Iterable[str], by_id: Mapping[str, Revision]) -> list[Revision]:
    """Give these revisions and all below them in an order in which they can run."""
    ordered: dict[str, Revision] = {}
    for start in ids:
        waiting = [start]
        while waiting:
            revision = by_id[waiting[-1]]
            missing = [each for each in below(revision, by_id) if each not in ordered]
            if missing:
                waiting.extend(missing)
            else:
                waiting.pop()
                ordered.setdefault(revision.id, revision)
    return list(ordered.values())


def circle_in(revisions: Iterable[Revision]) -> tuple[str, ...]:
    """Give revisions that follow one another in a circle; nothing where there is no such circle."""
    by_id = {revision.id: revision for revision in revisions}
    try:
        TopologicalSorter({each.id: below(each, by_id) for each in by_id.values()}).prepare()
    except CycleError as error:
        return tuple(dict.fromkeys(error.args[1]))
    return ()
