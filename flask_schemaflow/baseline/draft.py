"""Draft the first revision, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from sqlalchemy import Sequence as DatabaseSequence
from sqlalchemy import Table

from ..errors import ProofFailed
from .as_it_is import with_real
from .column_types import NAMED_TYPES, Names, named_type, namespace
from .layout import INDENT
from .pieces import Code, Piece, Renderer
from .recording import (
    CannotRecord,
    OfflineOperations,
    Recording,
    Statement,
    Tables,
    record_create_all,
    record_create_all_on,
    same_statements,
    was_sent,
)
from .undo import made_by
from .units import join_units

if TYPE_CHECKING:
    from sqlalchemy import MetaData
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.engine import Connection, Dialect

    from ..drift import Drift
    from ..snapshot import Snapshot


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The bodies of ``upgrade`` and ``downgrade`` for one database, indented, and what they import.

    ``operations`` and ``statements`` count how much could be written as operations and how much is raw
    SQL; ``row_statements`` counts what ``create_all`` does to rows, which is left out. ``untried`` are the
    statements that ``upgrade`` has to send, where it was not seen yet that it does.
    """

    upgrade: str
    downgrade: str
    imports: frozenset[str]
    operations: int
    statements: int
    row_statements: int
    untried: tuple[str, ...] | None = None

    def sends(self, statements: Iterable[str], dialect: Dialect) -> bool:
        """Say whether ``upgrade`` is right, having seen what the driver got while it ran."""
        return self.untried is None or was_sent(self.untried, statements, dialect)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A dialect for which the baseline is written; ``scratch`` only for the database at hand.

    ``translated`` are schemas in whose place the engine sends others.
    """

    dialect: Dialect
    scratch: Connection | None = None
    translated: frozenset[str | None] = frozenset()


def draft_baseline(
    metadata: MetaData,
    targets: Sequence[Target],
    *,
    tables: Tables = None,
    there: Tables = None,
    differing: Iterable[Drift] = (),
    real: Snapshot | None = None,
    tries_later: bool = False,
) -> Baseline:
    """Write the revision that makes what ``create_all`` makes, for every target.

    Each operation is kept only if, compiled without a database, it sends what ``create_all`` sends;
    otherwise the statement itself is written. Never touches the real database.

    :param targets: first the dialect in use, then those for which it is proved on paper only.
    :param tables: leave out what is not among these.
    :param there: tables that are there already, with all that is made besides tables when they are.
    :param differing: accepted differences: there the baseline makes what ``real`` has instead.
    :param real: the structure of the real database; needed with ``differing``.
    :param tries_later: leave it to who runs the baseline to ask :meth:`Baseline.sends`, for the first target;
        not with ``differing``.
    :raises CannotRecord: what ``create_all`` sends cannot be known.
    :raises ProofFailed: as a whole it would send something else to one of the further targets.
    """
    recordings = [_record(metadata, target, tables) for target in targets]
    if there:
        recordings = [
            _beyond(recording, _record(metadata, target, there), tables or (), there, target.dialect)
            for recording, target in zip(recordings, targets, strict=True)
        ]
    names = Names()
    renderer = Renderer([target.dialect for target in targets], metadata, names, tries_later=tries_later)
    schemas = [_schemas(*each) for each in zip(recordings, targets, strict=True)]
    units = join_units(recordings)
    pieces = [*_schema_pieces(schemas, renderer), *renderer.pieces(units)]
    accepted = tuple(differing)
    if accepted and real is not None:
        pieces = list(with_real(pieces, accepted, real, renderer))
    upgrade = _body(renderer, (piece.upgrade for piece in pieces))
    for position, target in list(enumerate(targets))[1:]:
        wanted = [*schemas[position], *(each.sql for each in recordings[position].statements)]
        _check_on_paper(upgrade, metadata, target.dialect, wanted)
    downgrade = _body(renderer, (piece.downgrade for piece in _backwards(pieces)))
    return Baseline(
        upgrade=_indented(upgrade),
        downgrade=_indented(downgrade),
        imports=names.imports_of(upgrade),
        operations=sum(piece.is_operation for piece in pieces if piece.upgrade),
        statements=sum(not piece.is_operation for piece in pieces if piece.upgrade),
        row_statements=recordings[0].row_statements,
        untried=(*schemas[0], *(sql for unit in units for sql in unit.wanted.get(0, ())))
        if tries_later
        else None,
    )


def _record(metadata: MetaData, target: Target, tables: Tables) -> Recording:
    try:
        return record_create_all(metadata, target.dialect, tables)
    except CannotRecord:
        if target.scratch is None:
            raise
        return record_create_all_on(metadata, target.scratch, tables)


def _beyond(
    recording: Recording, known: Recording, tables: Sequence[Table], there: Sequence[Table], dialect: Dialect
) -> Recording:
    """Leave out sequences, types and events of the metadata that other tables have brought before."""
    made = {each.sql for each in known.statements if not isinstance(each.about, (Table, *NAMED_TYPES))}
    types = _types_of(tables, dialect) - _types_of(there, dialect)

    def is_new(statement: Statement) -> bool:
        if isinstance(statement.about, NAMED_TYPES):
            return _name_of(statement.about) in types
        return statement.sql not in made

    return replace(recording, statements=tuple(filter(is_new, recording.statements)))


def _types_of(tables: Sequence[Table], dialect: Dialect) -> set[tuple[str | None, str]]:
    columns = (column for table in tables for column in table.columns)
    return {_name_of(type_) for column in columns if (type_ := named_type(column.type, dialect))}


def _name_of(type_: postgresql.ENUM | postgresql.DOMAIN) -> tuple[str | None, str]:
    return type_.schema, str(type_.name)


def _schemas(recording: Recording, target: Target) -> list[str]:
    """Give what makes the schemas that ``create_all`` expects to be there.

    Whoever starts from the baseline has nobody to make them by hand.
    """
    if target.dialect.name != "postgresql":
        return []
    preparer = target.dialect.identifier_preparer
    abouts = (each.about for each in recording.statements if isinstance(each.about, Table | DatabaseSequence))
    named = (each.schema for each in abouts if each.schema and each.schema not in target.translated)
    needed = dict.fromkeys(preparer.quote_schema(each) for each in named)
    made = {each.name for each in made_by(each.sql for each in recording.statements) if each.kind == "SCHEMA"}
    return [f"CREATE SCHEMA IF NOT EXISTS {name}" for name in needed if name not in {"public", *made}]


def _schema_pieces(schemas: Sequence[Sequence[str]], renderer: Renderer) -> Iterator[Piece]:
    for sql in dict.fromkeys(sql for each in schemas for sql in each):
        positions = [position for position, each in enumerate(schemas) if sql in each]
        upgrade = {position: renderer.raw([sql], position) for position in positions}
        yield Piece(upgrade=upgrade, is_operation=False)


def _body(renderer: Renderer, codes: Iterable[Code]) -> str:
    return "\n".join(renderer.branched(code) for code in codes if code) or "pass"


def _backwards(pieces: Sequence[Piece]) -> list[Piece]:
    """Give the pieces in the order in which they are taken back: sequences only after all tables."""
    backwards = list(reversed(pieces))
    tables = [place for place, piece in enumerate(backwards) if piece.thing[0] == "table"]
    until = tables[-1] + 1 if tables else 0
    before = sorted(backwards[:until], key=lambda piece: piece.thing[0] == "sequence")
    return before + backwards[until:]


def _indented(body: str) -> str:
    return body.replace("\n", f"\n{INDENT}")


def _check_on_paper(upgrade: str, metadata: MetaData, dialect: Dialect, wanted: Iterable[str]) -> None:
    """Compare all that the revision would send to a dialect with all that ``create_all`` sends.

    :raises ProofFailed: they differ.
    """
    sent = OfflineOperations(dialect, metadata).run(upgrade, namespace()) or ()
    for ours, theirs in zip_longest(sent, wanted, fillvalue=""):
        if not same_statements((ours,), (theirs,)):
            raise ProofFailed(
                f"For {dialect.name} the baseline would send {ours or 'nothing'!r} where create_all() "
                f"sends {theirs or 'nothing'!r}. Nothing was written. Please report this."
            )
