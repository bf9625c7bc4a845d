"""Put what differs about one thing together, and say in which order things are mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..drift import Difference, Drift
    from ..snapshot import Object, Part, Snapshot
    from .rows import Rows


class Phase(IntEnum):
    """When a statement runs: what depends on others goes first and comes last."""

    DROP_VIEWS = 0  # with triggers, rules and policies that name what changes
    DROP_FOREIGN_KEYS = 1
    DROP_INDEXES = 2  # with uniques, primary keys, exclusions and checks
    TYPES = 3  # schemas, extensions, types, functions, sequences: what columns are made of
    TABLES = 4  # whole new ones
    COLUMNS = 5  # and what is copied into a new table as a whole
    KEYS = 6  # primary keys and uniques, to which foreign keys lead
    INDEXES = 7  # with checks and exclusions
    FOREIGN_KEYS = 8
    OPTIONS = 9  # of tables
    VIEWS = 10
    TRIGGERS = 11  # with rules and policies
    COMMENTS = 12
    DROPS = 13  # of what held data, and was accepted; and what nothing needs any more


@dataclass(frozen=True, kw_only=True)
class Change:
    """All differences about one thing: an object where ``part`` and ``part_there`` are None, else a part.

    ``wanted`` and ``there`` are the object, or the one that the part is in; None on the side without it.
    """

    wanted: Object | None
    there: Object | None
    part: Part | None = None
    part_there: Part | None = None
    drifts: tuple[Drift, ...]

    @property
    def kind(self) -> str:
        """What it is about: table, column, index, …."""
        thing = self.part or self.part_there or self.wanted or self.there
        assert thing is not None
        return thing.kind

    @property
    def object(self) -> Object:
        """The object, as it is wanted if it is."""
        found = self.wanted or self.there
        assert found is not None
        return found

    @property
    def is_missing(self) -> bool:
        """Say whether the thing has to be made."""
        return self.drifts[0].code.startswith("missing-")

    @property
    def is_extra(self) -> bool:
        """Say whether only the database has it."""
        return self.drifts[0].code.startswith("extra-")

    @property
    def facts(self) -> frozenset[str]:
        """The facts that differ, ``name`` for another name; none where the thing is missing or extra."""
        start = f"changed-{self.kind}-"
        return frozenset(each.code.removeprefix(start) for each in self.drifts if each.code.startswith(start))

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its differences."""
        return tuple(each.key for each in self.drifts)

    def keys_of(self, *facts: str) -> tuple[str, ...]:
        """Give the keys of the differences in some facts."""
        codes = {f"changed-{self.kind}-{fact}" for fact in facts}
        return tuple(each.key for each in self.drifts if each.code in codes)

    def drift_of(self, fact: str) -> Drift:
        """Give the difference in one fact."""
        return next(each for each in self.drifts if each.code == f"changed-{self.kind}-{fact}")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a family is asked: the differences, one change for each thing, and what may be asked or dropped.

    ``accepted`` are keys (``drop-column:TABLE.COLUMN``, ``drop-table:TABLE``, and so on for what else only
    the database has); ``others`` are tables of others, which are never touched, but may be ours under another
    name.
    """

    before: Snapshot
    after: Snapshot
    changes: tuple[Change, ...]
    accepted: frozenset[str]
    rows: Rows
    others: tuple[Object, ...] = ()

    def may_drop(self, change: Change) -> bool:
        """Say whether it was accepted that something goes which is not wanted."""
        return change.is_extra and change.drifts[0].key.replace("extra-", "drop-", 1) in self.accepted


@dataclass(frozen=True, kw_only=True)
class Action:
    """Statements for one phase; see :class:`Step` for the rest. Of one phase, ``after`` decides the order."""

    phase: Phase
    statements: tuple[str, ...] = ()
    mends: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    after: int = 0


@dataclass(frozen=True, kw_only=True)
class Left:
    """A difference that stays: ``kept`` on purpose, else because nothing that can run takes it away."""

    drift: Drift
    reason: str
    kept: bool = False

    @property
    def told(self) -> Drift:
        """The drift with the reason as its hint."""
        return replace(self.drift, hint=self.reason)


Outcome = Action | Left
Mend = Callable[[Task], Iterable[Outcome]]


def changes_of(differences: Iterable[Difference]) -> tuple[Change, ...]:
    """Put the differences about one thing together, in their order."""
    found: dict[object, list[Difference]] = {}
    for each in differences:
        owner = each.wanted or each.there
        assert owner is not None
        part = each.wanted_part or each.part_there
        key = owner.key if part is None else (owner.key, id(part))
        found.setdefault(key, []).append(each)
    return tuple(_change(each) for each in found.values())


def _change(differences: list[Difference]) -> Change:
    first = differences[0]
    return Change(
        wanted=first.wanted,
        there=first.there,
        part=first.wanted_part,
        part_there=first.part_there,
        drifts=tuple(each.drift for each in differences),
    )


def left(change: Change, reason: str, *, kept: bool = False) -> Iterator[Left]:
    """Leave everything about a thing as it is."""
    for each in change.drifts:
        yield Left(drift=each, reason=reason, kept=kept)
