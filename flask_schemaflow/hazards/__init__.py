"""Rules over what pending revisions do, one file a family."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from . import (
    adding,
    domains,
    dropping,
    indexes,
    keys,
    lineage,
    narrowing,
    rebuilding,
    renaming,
    requiring,
    rows,
    sources,
    sqlite_alter,
    statements,
    transactions,
    types,
    unseen,
)
from .accepting import Acceptances
from .effect import Rebuilds
from .effects import effects_of
from .hazard import Hazard, Kind
from .lineage import edited_applied_revision, non_linear_history
from .narrowing import does_not_fit
from .pending import Pending, Structures, find_table, pending_revisions, structure_after

if TYPE_CHECKING:
    from ..recording import RecordedRevision

__all__ = [
    "CODES",
    "DUPLICATE",
    "KINDS",
    "RULES",
    "RULES_FOR_FILES",
    "Acceptances",
    "Hazard",
    "Kind",
    "Structures",
    "does_not_fit",
    "edited_applied_revision",
    "find_hazards",
    "find_table",
    "non_linear_history",
    "rebuilt_tables",
    "structure_after",
]

Rule = Callable[[Pending], Iterator[Hazard]]
_FAMILIES = (
    dropping,
    rows,
    narrowing,
    requiring,
    adding,
    keys,
    types,
    indexes,
    domains,
    statements,
    transactions,
    sqlite_alter,
    rebuilding,
    renaming,
    unseen,
)
RULES: tuple[Rule, ...] = tuple(rule for family in _FAMILIES for rule in family.RULES)
RULES_FOR_FILES: tuple[Rule, ...] = sources.RULES
"""Rules for those who still write a revision; when it runs it is too late for them."""
KINDS: tuple[Kind, ...] = tuple(kind for family in (*_FAMILIES, sources, lineage) for kind in family.KINDS)
DUPLICATE = adding.DUPLICATE.code
CODES: tuple[str, ...] = tuple(kind.code for kind in KINDS)


def find_hazards(
    recorded: Iterable[RecordedRevision], structures: Structures, *, rules: tuple[Rule, ...] = RULES
) -> tuple[Hazard, ...]:
    """Say what is dangerous in the revisions of one plan, oldest first.

    What the rows say is asked afterwards: ``Hazard.question``. Read-only.

    :param structures: the real structure, and what is known of it around each revision.
    """
    return tuple(
        hazard
        for pending in pending_revisions(recorded, structures)
        for rule in rules
        for hazard in rule(pending)
    )


def rebuilt_tables(recorded: RecordedRevision) -> tuple[str, ...]:
    """Give the names of the tables that a revision copies into new ones."""
    effects = (each.effect for each in effects_of(recorded.operations, recorded.dialect))
    return tuple(dict.fromkeys(each.table.name for each in effects if isinstance(each, Rebuilds)))
