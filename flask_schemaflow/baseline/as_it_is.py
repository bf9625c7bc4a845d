"""Where a difference was accepted, write what the database has instead of what the models say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .pieces import Piece, Renderer

if TYPE_CHECKING:
    from ..drift import Drift
    from ..snapshot import Object, Snapshot

_BELONGING = ("index", "trigger")
_HERE = 0
"""The position of the dialect in use: only there is the database known."""


def with_real(
    pieces: Sequence[Piece], accepted: Sequence[Drift], real: Snapshot, renderer: Renderer
) -> Iterator[Piece]:
    """Put the database's own definition in the place of each thing that differs, for the dialect in use.

    The other targets keep what ``create_all`` makes.
    """
    there = {each.label: each for each in real.objects}
    parts = {drift.subject: drift for drift in accepted if _kind_of(drift) in _BELONGING}
    whole = {drift.table for drift in accepted if _kind_of(drift) not in _BELONGING}
    for piece in pieces:
        kind, table, name = piece.thing
        drift = parts.get(f"{table}.{name}")
        if kind in _BELONGING and drift is not None:
            is_missing = drift.code.startswith("missing-")
            yield _instead(piece, None if is_missing else _real_part(there[table], drift), renderer)
        elif table in whole and (kind not in _BELONGING or table not in there):
            is_made_here = kind in ("table", "view") and table in there
            yield _instead(piece, there[table].definition if is_made_here else None, renderer)
        else:
            yield piece
    for drift in accepted:
        if drift.code in ("extra-index", "extra-trigger"):
            raw = renderer.raw([_real_part(there[drift.table], drift)], _HERE)
            yield Piece(upgrade={_HERE: raw}, is_operation=False)
        elif drift.code == "extra-view":
            view = there[drift.table]
            name = renderer.dialects[_HERE].identifier_preparer.quote(view.name)
            yield Piece(
                upgrade={_HERE: renderer.raw([view.definition], _HERE)},
                downgrade={_HERE: renderer.raw([f"DROP VIEW {name}"], _HERE)},
                is_operation=False,
            )


def _instead(piece: Piece, definition: str | None, renderer: Renderer) -> Piece:
    """Write a definition for the dialect in use, nothing where it is None."""
    upgrade = {position: code for position, code in piece.upgrade.items() if position != _HERE}
    downgrade = {position: code for position, code in piece.downgrade.items() if position != _HERE}
    if definition is None:
        return replace(piece, upgrade=upgrade, downgrade=downgrade)
    upgrade = {_HERE: renderer.raw([definition], _HERE), **upgrade}
    return replace(piece, upgrade=upgrade, is_operation=False)


def _kind_of(drift: Drift) -> str:
    """Give the kind of the thing that a drift is about: ``changed-index-where`` is about an index."""
    return drift.code.split("-")[1]


def _real_part(table: Object, drift: Drift) -> str:
    name = drift.subject.removeprefix(f"{table.label}.")
    if drift.code.endswith("-name"):
        name = drift.actual or name
    kind = _kind_of(drift)
    return next(each for each in table.parts if each.kind == kind and each.name == name).definition
