"""Say what a database is: adopted or not, behind, ahead, or something else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from .findings import Finding, Severity
from .foreign import NOTHING_NAMED, ForeignNames, said_of
from .revisions import Revision, Rows, TableName, heads_of, lineage, newest_rows
from .snapshot import folded

if TYPE_CHECKING:
    from .snapshot import Object, Snapshot


class State(str, Enum):
    """The states of the table in the documentation."""

    EMPTY = "empty"
    UNMANAGED = "unmanaged"
    ORPHANED = "orphaned"
    NOT_OURS = "not-ours"
    BEHIND = "behind"
    CURRENT = "current"
    HOLLOW = "hollow"
    AHEAD = "ahead"
    UNKNOWN = "unknown"
    BRANCHED = "branched"
    TORN = "torn"


@dataclass(frozen=True, kw_only=True)
class DatabaseState:
    """What one database is, and why.

    ``versions`` are the rows of the version table, None where there is no such table. ``ours`` and
    ``foreign`` split the tables that the database has; ``expected`` are all tables of ours, there or not;
    ``newest`` are the rows where all heads are reached; ``never_ours`` are names that are foreign whatever
    else says.
    """

    state: State
    versions: tuple[str, ...] | None
    ours: frozenset[TableName]
    foreign: frozenset[TableName]
    expected: frozenset[TableName]
    heads: tuple[str, ...]
    newest: Rows
    never_ours: ForeignNames = NOTHING_NAMED

    def ours_with(self, *made: Snapshot) -> frozenset[TableName]:
        """Give the names that are ours, counting in whatever revisions or models made on scratch."""
        names = {TableName(each.schema, each.name) for snapshot in made for each in snapshot.objects}
        return self.never_ours.without(self.expected | names)

    @property
    def revision(self) -> str | None:
        """The revision in the version table, if there is exactly one."""
        return self.versions[0] if self.versions and len(self.versions) == 1 else None

    @property
    def at(self) -> str | None:
        """The revisions in the version table, if there are any, for people."""
        return ", ".join(self.versions) if self.versions else None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a database before it is judged.

    ``tables`` are those that it has; ``in_models`` and ``in_revisions`` make a table ours; ``never_ours``
    are names that are foreign whatever else says. ``partitions`` are those tables that belong
    to another one, whoever's that is; ``applied`` are revisions that the database was once brought to, be
    they in this code or not. ``branches_named`` says that several heads are what was asked for.
    """

    revisions: tuple[Revision, ...]
    versions: tuple[str, ...] | None
    tables: frozenset[TableName]
    in_models: frozenset[TableName]
    in_revisions: frozenset[TableName]
    never_ours: ForeignNames = NOTHING_NAMED
    bookkeeping: frozenset[TableName] = frozenset()
    partitions: frozenset[TableName] = frozenset()
    family: str = ""
    applied: frozenset[str] = frozenset()
    branches_named: bool = False


def table_names(snapshot: Snapshot | None) -> frozenset[TableName]:
    """Give the names of the tables in a snapshot."""
    objects = snapshot.tables if snapshot is not None else ()
    return frozenset(TableName(each.schema, each.name) for each in objects)


def others_in(snapshot: Snapshot | None, *known: frozenset[TableName]) -> tuple[Object, ...]:
    """Give the tables of a database that have none of these names."""
    names = frozenset().union(*known)
    tables = snapshot.tables if snapshot is not None else ()
    return tuple(each for each in tables if TableName(each.schema, each.name) not in names)


def partition_names(snapshot: Snapshot | None) -> frozenset[TableName]:
    """Give the names of the tables in a snapshot that are partitions of others."""
    objects = snapshot.tables if snapshot is not None else ()
    return frozenset(TableName(each.schema, each.name) for each in objects if each.partition_of)


def foreign_tables(
    names: Iterable[TableName], state: DatabaseState, snapshot: Snapshot | None
) -> Iterator[Finding]:
    """Tell of tables that are not ours, by name, and of what they are."""
    read = {TableName(each.schema, each.name): each for each in snapshot.tables} if snapshot else {}
    for name in sorted(names, key=lambda each: (each.schema or "", each.name)):
        yield Finding(
            code="foreign-table",
            subject=name.name if name.schema is None else f"{name.schema}.{name.name}",
            severity=Severity.INFO,
            message=said_of(name, read.get(name), state.never_ours),
        )


def classify(facts: Facts) -> DatabaseState:
    """Judge a database by its version rows, its tables and the revisions at hand. Read-only."""
    expected = facts.never_ours.without(facts.in_models | facts.in_revisions)
    expected = _spelled_as(facts.tables, expected, facts.family)
    tables = facts.tables - facts.bookkeeping
    ours = tables & expected
    foreign = tables - expected - facts.partitions
    heads = heads_of(facts.revisions)
    newest = newest_rows(facts.revisions)
    return DatabaseState(
        state=_state(facts, ours, foreign, newest),
        versions=facts.versions,
        ours=ours,
        foreign=foreign,
        expected=expected,
        heads=heads,
        newest=newest,
        never_ours=facts.never_ours,
    )


def _spelled_as(
    tables: frozenset[TableName], names: Iterable[TableName], family: str
) -> frozenset[TableName]:
    """Spell names as the database does, where the engine ignores their case."""
    there = {(each.schema, folded(each.name, family)): each for each in tables}
    return frozenset(there.get((each.schema, folded(each.name, family)), each) for each in names)


def _state(
    facts: Facts,
    ours: frozenset[TableName],
    foreign: frozenset[TableName],
    newest: Rows,
) -> State:
    if not facts.revisions:
        if facts.versions:
            return State.ORPHANED
        return State.UNMANAGED if ours else State.EMPTY
    if len(heads_of(facts.revisions)) > 1 and not facts.branches_named:
        return State.BRANCHED
    if not facts.versions:
        if ours:
            return State.UNMANAGED
        return State.NOT_OURS if foreign else State.EMPTY
    return _state_of_managed(facts, ours, newest)


def _state_of_managed(facts: Facts, ours: frozenset[TableName], newest: Rows) -> State:
    assert facts.versions
    by_id = {revision.id: revision for revision in facts.revisions}
    if any(version not in by_id for version in facts.versions):
        if len(facts.versions) > 1:
            return State.TORN
        return State.AHEAD if facts.applied.issuperset(facts.versions) else State.UNKNOWN
    if _is_torn(facts.versions, by_id):
        return State.TORN
    if not ours and facts.in_revisions:
        return State.HOLLOW
    return State.CURRENT if facts.versions == newest else State.BEHIND


def _is_torn(versions: Iterable[str], by_id: Mapping[str, Revision]) -> bool:
    """Say whether one row is below another: two rows are sound only on two branches, before a merge."""
    rows = set(versions)
    return any(rows & lineage(by_id[row].parents, by_id) for row in rows)
