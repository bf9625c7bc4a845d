"""Draft the first revision, in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from .column_types import Names, namespace
from .recording import (
    CannotRecord,
    OfflineOperations,
    Recording,
    Statement,
    record_create_all,
    record_create_all_on,
    same_statements,
)
from .rendering import INDENT, CannotWrite, Writer, write_execute

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Dialect

    from ..drift import Drift
    from ..snapshot import Object, Snapshot


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The bodies of ``upgrade`` and ``downgrade`` for one database, indented, and what they import.

    ``operations`` and ``statements`` count how much could be written as operations and how much is raw
    SQL; ``row_statements`` counts what ``create_all`` does to rows, which is left out.
    """

    upgrade: str
    downgrade: str
    imports: frozenset[str]
    operations: int
    statements: int
    row_statements: int


@dataclass
class Unit:
    """Something that is made by one operation.

    ``about`` is the table, index or constraint, None for what an event sends; ``wanted`` are the
    statements for each target, by its position.
    """

    about: Any
    wanted: dict[int, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A dialect for which the baseline is written; ``scratch`` only for the database at hand."""

    dialect: Dialect
    scratch: Connection | None = None


def draft_baseline(
    metadata: sa.MetaData,
    targets: Sequence[Target],
    *,
    differing: Iterable[Drift] = (),
    real: Snapshot | None = None,
) -> Baseline:
    """Write the revision that makes what ``create_all`` makes, for every target.

    Each operation is kept only if, compiled without a database, it sends what ``create_all`` sends;
    otherwise the statement itself is written. Never touches the real database.

    :param differing: accepted differences: there the baseline makes what ``real`` has instead.
    :param real: the structure of the real database; needed with ``differing``.
    :raises CannotRecord: what ``create_all`` sends cannot be known.
    """
    recordings = [_record(metadata, target) for target in targets]
    units = _units(recordings)
    names = Names()
    dialects = [target.dialect for target in targets]
    renderer = _Renderer(dialects, metadata, names)
    pieces = [renderer.piece(unit) for unit in units]
    accepted = tuple(differing)
    if accepted and real is not None:
        pieces = list(_with_real(pieces, accepted, real, renderer))
    return Baseline(
        upgrade=_body(piece.upgrade for piece in pieces),
        downgrade=_body(piece.downgrade for piece in reversed(pieces)),
        imports=frozenset(names.imports),
        operations=sum(piece.is_operation for piece in pieces),
        statements=sum(not piece.is_operation for piece in pieces),
        row_statements=recordings[0].row_statements,
    )


def _record(metadata: sa.MetaData, target: Target) -> Recording:
    try:
        return record_create_all(metadata, target.dialect)
    except CannotRecord:
        if target.scratch is None:
            raise
        return record_create_all_on(metadata, target.scratch)


def _body(pieces: Iterable[str]) -> str:
    text = "\n".join(piece for piece in pieces if piece)
    return text.replace("\n", f"\n{INDENT}") or "pass"


# -- units -----------------------------------------------------------------------------------------


def _units(recordings: Sequence[Recording]) -> list[Unit]:
    """Join what is recorded for each target into units, in the order of the first target."""
    units: list[Unit] = []
    places: dict[Any, Unit] = {}
    for position, recording in enumerate(recordings):
        after = -1
        for statement in recording.statements:
            key = _key(statement)
            unit = places.get(key)
            if unit is None:
                unit = places[key] = Unit(about=statement.about if _is_ours(statement) else None)
                units.insert(len(units) if position == 0 else after + 1, unit)
            unit.wanted.setdefault(position, []).append(statement.sql)
            after = next(i for i, each in enumerate(units) if each is unit)
    return units


def _is_ours(statement: Statement) -> bool:
    return isinstance(statement.about, sa.Table | sa.Index | sa.Constraint)


def _key(statement: Statement) -> Any:
    """Give what joins statements to one unit: the thing they make or describe, else their own text."""
    return id(statement.about) if _is_ours(statement) else statement.sql


# -- rendering -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """A rendered unit; ``thing`` is (kind, table, name) in the terms of a snapshot."""

    upgrade: str
    downgrade: str = ""
    is_operation: bool
    thing: tuple[str, str, str] = ("", "", "")


class _Renderer:
    def __init__(self, dialects: Sequence[Dialect], metadata: sa.MetaData, names: Names) -> None:
        self.dialects = dialects
        self.writer = Writer(dialects, names)
        self.namespace = namespace()
        self.offline = [OfflineOperations(dialect, metadata) for dialect in dialects]

    def piece(self, unit: Unit) -> _Piece:
        branches: dict[str, list[int]] = {}
        operations = True
        for position, wanted in unit.wanted.items():
            code = self._operation(unit, position, wanted)
            if code is None:
                operations = False
                code = self.raw(wanted, position)
            branches.setdefault(code, []).append(position)
        return _Piece(
            upgrade=self._branched(branches, len(self.dialects)),
            downgrade=self._undo(unit),
            is_operation=operations,
            thing=_thing(unit),
        )

    def _operation(self, unit: Unit, position: int, wanted: Sequence[str]) -> str | None:
        for code in self._candidates(unit):
            sent = self.offline[position].run(code, self.namespace)
            if sent is not None and same_statements(sent, wanted):
                return code
        return None

    def _candidates(self, unit: Unit) -> Iterator[str]:
        about = unit.about
        try:
            if isinstance(about, sa.Table):
                alone = [key for key in about.foreign_key_constraints if _is_late(key)]
                for late, conditional in (((), True), ((), False), (alone, True), (alone, False)):
                    yield self.writer.create_table(about, late=late, conditional=conditional)
            elif isinstance(about, sa.Index):
                yield self.writer.create_index(about)
            elif isinstance(about, sa.ForeignKeyConstraint):
                yield self.writer.create_foreign_key(about)
        except CannotWrite:
            return

    def raw(self, statements: Sequence[str], position: int) -> str:
        """Write statements as they are, in the first way that sends exactly them."""
        codes = []
        for sql in statements:
            ways = list(write_execute(sql))
            exact = (c for c in ways if self.offline[position].run(c, self.namespace) == (sql,))
            codes.append(next(exact, ways[-1]))
        return "\n".join(codes)

    def _undo(self, unit: Unit) -> str:
        """Write what takes a unit back; indexes and triggers go with their table."""
        made = _MADE.match(next(iter(unit.wanted.values()))[0])
        kind = " ".join(made["kind"].upper().split()) if made is not None else ""
        if isinstance(unit.about, sa.Table) and _is_created(unit) and kind in ("TABLE", ""):
            schema = f", schema={unit.about.schema!r}" if unit.about.schema else ""
            return f"op.drop_table({str(unit.about.name)!r}{schema})"
        if made is None or kind == "TRIGGER" or isinstance(unit.about, sa.Index | sa.Constraint):
            return ""
        drop = next(write_execute(f"DROP {kind} {made['name']}"))
        return self._branched({drop: list(unit.wanted)}, len(self.dialects))

    def _branched(self, branches: Mapping[str, Sequence[int]], everywhere: int) -> str:
        """Put what differs between targets under a check of the dialect."""
        if len(branches) == 1 and len(next(iter(branches.values()))) == everywhere:
            return next(iter(branches))
        lines = []
        for code, positions in branches.items():
            names = sorted({name for p in positions for name in _names_of(self.dialects[p])})
            test = f"== {names[0]!r}" if len(names) == 1 else f"in {tuple(names)!r}"
            inner = code.replace("\n", f"\n{INDENT}")
            lines.append(f"if op.get_context().dialect.name {test}:\n{INDENT}{inner}")
        return "\n".join(lines)


def _is_late(key: sa.ForeignKeyConstraint) -> bool:
    return key.use_alter or key.referred_table is not key.table


def _names_of(dialect: Dialect) -> tuple[str, ...]:
    return ("mysql", "mariadb") if dialect.name in ("mysql", "mariadb") else (dialect.name,)


_MADE = re.compile(
    r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP\w*\s+)?(?P<kind>MATERIALIZED\s+VIEW|VIEW|TRIGGER|SEQUENCE|"
    r"TYPE|DOMAIN|FUNCTION|PROCEDURE|EXTENSION|SCHEMA|TABLE)\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r"(?P<name>(?:\"[^\"]+\"|`[^`]+`|[\w.]+)+)",
    re.IGNORECASE,
)


def _is_created(unit: Unit) -> bool:
    return any(sql.startswith("CREATE") for sqls in unit.wanted.values() for sql in sqls)


def _thing(unit: Unit) -> tuple[str, str, str]:
    about = unit.about
    if isinstance(about, sa.Table):
        return ("table", about.name, about.name)
    if isinstance(about, sa.Index) and about.table is not None:
        return ("index", about.table.name, str(about.name))
    if isinstance(about, sa.Constraint):
        return ("key", str(about.table.name), str(about.name))
    sql = next(iter(unit.wanted.values()))[0]
    made = _MADE.match(sql)
    if made is None:
        return ("", "", "")
    name = made["name"].strip('"`')
    table = re.search(r"\bON\s+[\"`]?(\w+)", sql, re.IGNORECASE)
    is_trigger = made["kind"].upper() == "TRIGGER" and table is not None
    return (made["kind"].lower(), table[1] if is_trigger and table else name, name)


# -- accepted differences --------------------------------------------------------------------------

_BELONGING = ("index", "trigger")


def _with_real(
    pieces: Sequence[_Piece], accepted: Sequence[Drift], real: Snapshot, renderer: _Renderer
) -> Iterator[_Piece]:
    """Put the database's own definition in the place of each thing that differs."""
    there = {each.label: each for each in real.objects}
    parts = {drift.subject: drift for drift in accepted if _kind_of(drift) in _BELONGING}
    whole = {drift.table for drift in accepted if _kind_of(drift) not in _BELONGING}
    for piece in pieces:
        kind, table, name = piece.thing
        drift = parts.get(f"{table}.{name}")
        if kind in _BELONGING:
            if drift is None and (table not in whole or table in there):
                yield piece
            elif drift is not None and not drift.code.startswith("missing-"):
                yield _real_part(there[table], drift, renderer)
        elif table not in whole:
            yield piece
        elif kind in ("table", "view") and table in there:
            raw = renderer.raw([there[table].definition], 0)
            yield replace(piece, upgrade=raw, is_operation=False)
    for drift in accepted:
        if drift.code in ("extra-index", "extra-trigger"):
            yield _real_part(there[drift.table], drift, renderer)
        elif drift.code == "extra-view":
            yield _Piece(
                upgrade=renderer.raw([there[drift.table].definition], 0),
                downgrade=next(write_execute(f"DROP VIEW {there[drift.table].name}")),
                is_operation=False,
            )


def _kind_of(drift: Drift) -> str:
    """Give the kind of the thing that a drift is about: ``changed-index-where`` is about an index."""
    return drift.code.split("-")[1]


def _real_part(table: Object, drift: Drift, renderer: _Renderer) -> _Piece:
    name = drift.subject.removeprefix(f"{table.label}.")
    if drift.code.endswith("-name"):
        name = drift.actual or name
    kind = _kind_of(drift)
    part = next(each for each in table.parts if each.kind == kind and each.name == name)
    return _Piece(upgrade=renderer.raw([part.definition], 0), is_operation=False)
