"""How revisions follow one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .files import Revision


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
            waiting.extend(by_id[current].parents)
    return found


def parents_first(ids: Iterable[str], by_id: Mapping[str, Revision]) -> list[Revision]:
    """Give these revisions and all below them in an order in which they can run."""
    ordered: dict[str, Revision] = {}
    for start in ids:
        waiting = [start]
        while waiting:
            revision = by_id[waiting[-1]]
            missing = [parent for parent in revision.parents if parent not in ordered]
            if missing:
                waiting.extend(missing)
            else:
                waiting.pop()
                ordered.setdefault(revision.id, revision)
    return list(ordered.values())


def circle_in(revisions: Iterable[Revision]) -> tuple[str, ...]:
    """Give revisions that follow one another in a circle; nothing where there is no such circle."""
    try:
        TopologicalSorter({revision.id: revision.parents for revision in revisions}).prepare()
    except CycleError as error:
        return tuple(dict.fromkeys(error.args[1]))
    return ()
