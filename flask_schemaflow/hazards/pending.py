"""What each revision of a plan meets: effects, with the real tables and columns behind their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from ..revisions import TableName
from ..snapshot import Object, Part, Snapshot, folded
from .effect import (
    AddsColumn,
    CreatesTable,
    DropsColumn,
    DropsTable,
    Effect,
    RenamesColumn,
    RenamesTable,
)
from .effects import effects_of

if TYPE_CHECKING:
    from ..recording import RecordedRevision

E = TypeVar("E", bound=Effect)
ByName = dict[tuple[str | None, str], Object]


@dataclass(frozen=True)
class Met:
    """An effect, its line, and the table and column that it meets; None: made by the plan, or gone.

    ``columns`` are those that it meets where it is about several.
    """

    effect: Effect
    line: int | None
    table: TableName | None
    column: str | None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Structures:
    """What is known of structures around a plan; ``real`` is the database's as it is now.

    ``before`` and ``after`` are those of each revision, by its id; what is not known is not there.
    """

    family: str
    real: Snapshot
    default_schema: str | None = None
    before: Mapping[str, Snapshot] = field(default_factory=dict)
    after: Mapping[str, Snapshot] = field(default_factory=dict)
    _names: dict[int, tuple[ByName, ByName]] = field(default_factory=dict, init=False, compare=False)

    def names_in(self, snapshot: Snapshot) -> tuple[ByName, ByName]:
        """Give the tables of one of these structures by schema and name, and with all case ignored."""
        if id(snapshot) not in self._names:
            tables = snapshot.tables
            self._names[id(snapshot)] = (
                {(each.schema, folded(each.name, self.family)): each for each in tables},
                {(each.schema, each.name.lower()): each for each in tables},
            )
        return self._names[id(snapshot)]


@dataclass(frozen=True, kw_only=True)
class Pending:
    """One revision of a plan, as rules see it."""

    recorded: RecordedRevision
    structures: Structures
    met: tuple[Met, ...]

    @property
    def before(self) -> Snapshot | None:
        """The structure before the revision."""
        return self.structures.before.get(self.recorded.revision)

    @property
    def after(self) -> Snapshot | None:
        """The structure after the revision."""
        return self.structures.after.get(self.recorded.revision)

    def of(self, kind: type[E]) -> Iterator[tuple[E, Met]]:
        """Give the effects of one kind."""
        for each in self.met:
            if isinstance(each.effect, kind):
                yield each.effect, each

    def is_same(self, one: str, other: str) -> bool:
        """Compare names as the engine does."""
        family = self.structures.family
        return folded(one, family) == folded(other, family)

    def table(self, snapshot: Snapshot | None, name: TableName) -> Object | None:
        """Find a table in a structure."""
        return find_table(snapshot, name, self.structures)

    def real_column(self, met: Met) -> Part | None:
        """Find the column of the real database behind an effect."""
        table = self.table(self.structures.real, met.table) if met.table is not None else None
        parts = table.parts if table is not None else ()
        wanted = met.column or ""
        return next((p for p in parts if p.kind == "column" and self.is_same(p.name or "", wanted)), None)


def label(table: TableName, column: str | None = None) -> str:
    """Write a name as findings do."""
    parts = (table.schema, table.name, column)
    return ".".join(part for part in parts if part is not None)


def pending_revisions(recorded: Iterable[RecordedRevision], structures: Structures) -> tuple[Pending, ...]:
    """Say what each revision meets, given those before it."""
    origins = _Origins(structures)
    found = []
    for each in recorded:
        met = tuple(
            origins.meet(placed.effect, placed.line) for placed in effects_of(each.operations, each.dialect)
        )
        found.append(Pending(recorded=each, structures=structures, met=met))
    return tuple(found)


def find_table(snapshot: Snapshot | None, name: TableName, structures: Structures) -> Object | None:
    """Find a table by its name as the engine compares it; without quotes PostgreSQL does not see case."""
    if snapshot is None:
        return None
    wanted = _spelled(name, structures)
    exact, loose = structures.names_in(snapshot)
    key = (wanted.schema, folded(wanted.name, structures.family))
    return exact.get(key) or loose.get((wanted.schema, wanted.name.lower()))


def _spelled(name: TableName, structures: Structures) -> TableName:
    default = "main" if structures.family == "sqlite" else structures.default_schema
    return TableName(None if name.schema == default else name.schema, name.name)


class _Origins:
    """Follows names through a plan: which real table, and which real column, is behind each."""

    def __init__(self, structures: Structures) -> None:
        self.structures = structures
        self._tables: dict[TableName, TableName | None] = {}
        self._columns: dict[tuple[TableName, str], str | None] = {}

    def meet(self, effect: Effect, line: int | None) -> Met:
        """Say what an effect meets, and go on behind it."""
        table = self._table(effect.table)
        column: str | None = getattr(effect, "column", None)
        several = (self._column(table, each) for each in getattr(effect, "columns", ()))
        columns = tuple(each for each in several if each is not None)
        met = Met(effect, line, table, self._column(table, column), columns)
        self._follow(effect, table)
        return met

    def _follow(self, effect: Effect, table: TableName | None) -> None:
        match effect:
            case CreatesTable():
                if not (effect.if_not_exists and table is not None and self._is_real(table)):
                    self._tables[self._key(effect.table)] = None
            case DropsTable():
                self._tables[self._key(effect.table)] = None
            case RenamesTable():
                self._tables[self._key(effect.to)] = table
                self._tables[self._key(effect.table)] = None
            case AddsColumn() | DropsColumn() if table is not None:
                self._columns[table, self._folded(effect.column)] = None
            case RenamesColumn() if table is not None:
                self._columns[table, self._folded(effect.to)] = self._column(table, effect.column)
                self._columns[table, self._folded(effect.column)] = None

    def _table(self, name: TableName) -> TableName | None:
        key = self._key(name)
        if key in self._tables:
            return self._tables[key]
        there = find_table(self.structures.real, name, self.structures)
        return _spelled(name, self.structures) if there is None else TableName(there.schema, there.name)

    def _is_real(self, table: TableName) -> bool:
        return find_table(self.structures.real, table, self.structures) is not None

    def _column(self, table: TableName | None, column: str | None) -> str | None:
        if table is None or column is None:
            return None
        return self._columns.get((table, self._folded(column)), column)

    def _key(self, name: TableName) -> TableName:
        spelled = _spelled(name, self.structures)
        return TableName(spelled.schema, self._folded(spelled.name))

    def _folded(self, name: str) -> str:
        return folded(name, self.structures.family)
