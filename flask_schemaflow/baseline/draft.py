"""Draft the first revision, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from ..errors import ProofFailed
from .as_it_is import with_real
from .column_types import Names, namespace
from .layout import INDENT
from .pieces import Code, Piece, Renderer
from .recording import (
    CannotRecord,
    OfflineOperations,
    Recording,
    Tables,
    record_create_all,
    record_create_all_on,
    same_statements,
)
from .units import join_units

if TYPE_CHECKING:
    from sqlalchemy import MetaData
    from sqlalchemy.engine import Connection, Dialect

    from ..drift import Drift
    from ..snapshot import Snapshot


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


@dataclass(frozen=True, kw_only=True)
class Target:
    """A dialect for which the baseline is written; ``scratch`` only for the database at hand."""

    dialect: Dialect
    scratch: Connection | None = None


def draft_baseline(
    metadata: MetaData,
    targets: Sequence[Target],
    *,
    tables: Tables = None,
    differing: Iterable[Drift] = (),
    real: Snapshot | None = None,
) -> Baseline:
    """Write the revision that makes what ``create_all`` makes, for every target.

    Each operation is kept only if, compiled without a database, it sends what ``create_all`` sends;
    otherwise the statement itself is written. Never touches the real database.

    :param targets: first the dialect in use, then those for which it is proved on paper only.
    :param tables: leave out what is not among these.
    :param differing: accepted differences: there the baseline makes what ``real`` has instead.
    :param real: the structure of the real database; needed with ``differing``.
    :raises CannotRecord: what ``create_all`` sends cannot be known.
    :raises ProofFailed: as a whole it would send something else to one of the further targets.
    """
    recordings = [_record(metadata, target, tables) for target in targets]
    names = Names()
    renderer = Renderer([target.dialect for target in targets], metadata, names)
    pieces = list(renderer.pieces(join_units(recordings)))
    accepted = tuple(differing)
    if accepted and real is not None:
        pieces = list(with_real(pieces, accepted, real, renderer))
    upgrade = _body(renderer, (piece.upgrade for piece in pieces))
    for target, recording in list(zip(targets, recordings, strict=True))[1:]:
        _check_on_paper(upgrade, metadata, target.dialect, recording)
    downgrade = _body(renderer, (piece.downgrade for piece in _backwards(pieces)))
    return Baseline(
        upgrade=_indented(upgrade),
        downgrade=_indented(downgrade),
        imports=names.imports_of(upgrade),
        operations=sum(piece.is_operation for piece in pieces if piece.upgrade),
        statements=sum(not piece.is_operation for piece in pieces if piece.upgrade),
        row_statements=recordings[0].row_statements,
    )


def _record(metadata: MetaData, target: Target, tables: Tables) -> Recording:
    try:
        return record_create_all(metadata, target.dialect, tables)
    except CannotRecord:
        if target.scratch is None:
            raise
        return record_create_all_on(metadata, target.scratch, tables)


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


def _check_on_paper(upgrade: str, metadata: MetaData, dialect: Dialect, recording: Recording) -> None:
    """Compare all that the revision would send to a dialect with all that ``create_all`` sends.

    :raises ProofFailed: they differ.
    """
    wanted = [statement.sql for statement in recording.statements]
    sent = OfflineOperations(dialect, metadata).run(upgrade, namespace()) or ()
    for ours, theirs in zip_longest(sent, wanted, fillvalue=""):
        if not same_statements((ours,), (theirs,)):
            raise ProofFailed(
                f"For {dialect.name} the baseline would send {ours or 'nothing'!r} where create_all() "
                f"sends {theirs or 'nothing'!r}. Nothing was written. Please report this."
            )
