"""What each revision of a plan meets: effects, with the real tables and columns behind their names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from ..revisions import TableName
from ..snapshot import Object, Part, Snapshot, folded
from .effect import (
    AddsColumn,
    AddsKey,
    CreatesTable,
    DropsColumn,
    DropsTable,
    Effect,
    Key,
    RenamesColumn,
    RenamesTable,
)
from .effects import effects_of
from .hazard import Hazard, Kind
from .paper import Paper
from .parts import column_in

if TYPE_CHECKING:
    from ..probes import Question
    from ..recording import RecordedOperation, RecordedRevision

E = TypeVar("E", bound=Effect)
ByName = dict[tuple[str | None, str], Object]


@dataclass(frozen=True)
class Met:
    """An effect, its operation, and the table and column that it meets; None: made by the plan, or gone.

    ``columns`` are those that it meets where it is about several. ``there`` is what is known of the table
    as it is just before, by whatever name it has then; ``refers`` and ``refers_there`` the same of the table
    that a foreign key names, ``named`` one of these for each constraint that comes with a table or column.
    """

    effect: Effect
    operation: RecordedOperation
    table: TableName | None
    column: str | None
    columns: tuple[str, ...] = ()
    there: Object | None = None
    refers: TableName | None = None
    refers_there: Object | None = None
    named: tuple[Met | None, ...] = ()

    @property
    def line(self) -> int | None:
        """The line of the revision."""
        return self.operation.line


@dataclass(frozen=True, kw_only=True)
class Structures:
    """What is known of structures around a plan; ``real`` is the database's as it is now.

    ``before`` and ``after`` are those of each revision, by its id; what is not known is not there.
    ``volatile`` are the functions that give another value for each row, as the server says; None where it
    was not asked.
    """

    family: str
    real: Snapshot
    default_schema: str | None = None
    before: Mapping[str, Snapshot] = field(default_factory=dict)
    after: Mapping[str, Snapshot] = field(default_factory=dict)
    volatile: Collection[str] | None = None
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
    """One revision of a plan, as rules see it; ``so_far`` are those before it."""

    recorded: RecordedRevision
    structures: Structures
    met: tuple[Met, ...]
    so_far: tuple[Pending, ...] = ()

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

    @property
    def family(self) -> str:
        """The engine: sqlite, postgresql, mariadb or mysql."""
        return self.structures.family

    @property
    def is_mysql(self) -> bool:
        """Say whether the engine is MariaDB or MySQL."""
        return self.family in ("mariadb", "mysql")

    def serves_no(self, *version: int) -> bool:
        """Say whether the server is older than this version, or not known."""
        known = self.structures.real.server_version
        return not known or known < version

    def real_column(self, met: Met) -> Part | None:
        """Find the column of the real database behind an effect."""
        table = self.table(self.structures.real, met.table) if met.table is not None else None
        return column_in(table, met.column or "", self.family)

    def column_there(self, met: Met, name: str) -> Part | None:
        """Find a column in what is known of the table just before an effect."""
        return column_in(met.there, name, self.family)

    def found(
        self,
        kind: Kind,
        met: Met,
        subject: str,
        message: str,
        *,
        question: Question | None = None,
        without: Collection[str] = (),
        hint: str = "",
    ) -> Hazard:
        """Give a finding of one kind at an operation.

        :param without: classes that it does not have here.
        """
        return Hazard(
            code=kind.code,
            subject=subject,
            classes=tuple(each for each in kind.classes if each not in without),
            message=message,
            hint=hint or kind.hint,
            revision=self.recorded.revision,
            file=str(self.recorded.file),
            line=met.line,
            question=question,
        )

    def averted(
        self, kind: Kind, met: Met, subject: str, message: str, *, question: Question | None = None
    ) -> Hazard:
        """Give a finding that our own run takes care of."""
        return replace(self.found(kind, met, subject, message, question=question), averted=True)


def label(table: TableName, column: str | None = None) -> str:
    """Write a name as findings do."""
    parts = (table.schema, table.name, column)
    return ".".join(part for part in parts if part is not None)


def pending_revisions(recorded: Iterable[RecordedRevision], structures: Structures) -> tuple[Pending, ...]:
    """Say what each revision meets, given those before it."""
    return tuple(_pending(recorded, structures, _Origins(structures)))


def structure_after(recorded: RecordedRevision, structures: Structures) -> Snapshot:
    """Give the structure after a revision as far as its operations say, on paper."""
    origins = _Origins(structures)
    tuple(_pending([recorded], structures, origins))
    return origins.paper.snapshot()


def _pending(
    recorded: Iterable[RecordedRevision], structures: Structures, origins: _Origins
) -> Iterator[Pending]:
    so_far: tuple[Pending, ...] = ()
    for each in recorded:
        met = tuple(
            origins.meet(placed.effect, placed.operation)
            for placed in effects_of(each.operations, each.dialect)
        )
        pending = Pending(recorded=each, structures=structures, met=met, so_far=so_far)
        so_far = (*so_far, pending)
        yield pending


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


def _keys_with(effect: Effect) -> tuple[Key, ...]:
    if isinstance(effect, AddsColumn):
        return effect.said.keys
    return effect.keys if isinstance(effect, CreatesTable) else ()


class _Origins:
    """Follows names through a plan: which real table, and which real column, is behind each."""

    def __init__(self, structures: Structures) -> None:
        self.structures = structures
        self._tables: dict[TableName, TableName | None] = {}
        self._columns: dict[tuple[TableName, str], str | None] = {}
        self.paper = Paper(structures.real, lambda name: _spelled(name, structures))

    def meet(self, effect: Effect, operation: RecordedOperation) -> Met:
        """Say what an effect meets, and go on behind it."""
        table = self._table(effect.table)
        column: str | None = getattr(effect, "column", None)
        key = effect.key if isinstance(effect, AddsKey) else None
        several = (self._column(table, each) for each in (key or effect).__dict__.get("columns") or ())
        columns = tuple(each for each in several if each is not None)
        there = self.paper.find(effect.table)
        met = Met(effect, operation, table, self._column(table, column), columns, there)
        if key is not None:
            met = self._naming(met, key) or met
        named = tuple(self._naming(met, each) for each in _keys_with(effect))
        met = replace(met, named=named)
        self._follow(effect, table)
        self.paper.note(effect)
        return met

    def _naming(self, met: Met, key: Key) -> Met | None:
        """Add the table that a foreign key names; None for any other constraint."""
        if key.refers is None:
            return None
        return replace(met, refers=self._table(key.refers), refers_there=self.paper.find(key.refers))

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
