"""Where a difference was accepted, write what the database has instead of what the models say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import DriftFound
from .pieces import Piece, Renderer
from .undo import write_drops

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from ..drift import Drift
    from ..snapshot import Object, Part, Snapshot

_BELONGING = ("index", "trigger")
_VIEWS = ("extra-view", "extra-materialized-view")
_HERE = 0
"""The position of the dialect in use: only there is the database known."""


def with_real(
    pieces: Sequence[Piece], accepted: Sequence[Drift], real: Snapshot, renderer: Renderer
) -> Iterator[Piece]:
    """Put the database's own definition in the place of each thing that differs, for the dialect in use.

    The other targets keep what ``create_all`` makes.

    :raises DriftFound: the engine has no statement for what differs.
    """
    check_sayable(accepted, real)
    there = {each.label: each for each in real.objects}
    parts = {drift.subject: drift for drift in accepted if _kind_of(drift) in _BELONGING}
    whole = {drift.table for drift in accepted if _kind_of(drift) not in _BELONGING}
    dialect = renderer.dialects[_HERE]
    for piece in pieces:
        kind, table, name = piece.thing
        drift = parts.get(f"{table}.{name}")
        if kind in _BELONGING and drift is not None:
            is_missing = drift.code.startswith("missing-")
            yield _instead(piece, None if is_missing else _real_part(there[table], drift, dialect), renderer)
        elif table in whole and (kind not in _BELONGING or table not in there):
            is_made_here = kind in ("table", "view") and table in there
            yield _instead(piece, there[table].definition if is_made_here else None, renderer)
        else:
            yield piece
    for drift in accepted:
        if drift.code in ("extra-index", "extra-trigger"):
            yield _added(_real_part(there[drift.table], drift, dialect), renderer)
        elif drift.code in _VIEWS:
            yield _added_view(there[drift.table], renderer)


def check_sayable(accepted: Iterable[Drift], real: Snapshot) -> None:
    """Check that the database's own definitions can say what was accepted.

    SQLite keeps the text of each table. A server has statements for what is beside its tables only.

    :raises DriftFound: it is about the inside of a table on a server.
    """
    if real.family == "sqlite":
        return
    there = {each.label for each in real.objects}
    not_sayable = sorted(
        drift.key
        for drift in accepted
        if _kind_of(drift) not in _BELONGING
        and drift.code not in _VIEWS
        and not (drift.code.startswith("missing-") and drift.table not in there)
    )
    if not_sayable:
        raise DriftFound(
            f"On {real.family} a baseline can keep indexes, triggers and views as the database has them, "
            f"but not {', '.join(not_sayable)}. "
            "Make the models say what is there, then adopt; change it afterwards."
        )


def _added(statement: str, renderer: Renderer) -> Piece:
    """Write what only the database has; what belongs to a table goes with it, unless more depends on it."""
    drops = write_drops([statement], renderer.dialects[_HERE])
    return Piece(
        upgrade={_HERE: renderer.raw([statement], _HERE)},
        downgrade={_HERE: drops} if drops else {},
        is_operation=False,
    )


def _added_view(view: Object, renderer: Renderer) -> Piece:
    preparer = renderer.dialects[_HERE].identifier_preparer
    name = ".".join(preparer.quote(each) for each in (view.schema, view.name) if each)
    kind = view.kind.replace("-", " ").upper()
    return Piece(
        upgrade={_HERE: renderer.raw([view.definition], _HERE)},
        downgrade={_HERE: renderer.raw([f"DROP {kind} {name}"], _HERE)},
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


def _real_part(table: Object, drift: Drift, dialect: Dialect) -> str:
    """Give the statement that makes a part of a real table."""
    name = drift.subject.removeprefix(f"{table.label}.")
    if drift.code.endswith("-name"):
        name = drift.actual or name
    kind = _kind_of(drift)
    part = next(each for each in table.parts if each.kind == kind and each.name == name)
    return _statement(table, part, dialect)


def _statement(table: Object, part: Part, dialect: Dialect) -> str:
    preparer = dialect.identifier_preparer
    if not part.definition.upper().startswith("CREATE"):
        # MariaDB and MySQL have it as a line of CREATE TABLE.
        return f"ALTER TABLE {preparer.quote(table.name)} ADD {part.definition}"
    if dialect.name == "postgresql" and table.schema is None:
        # PostgreSQL qualifies the table; in a baseline the default schema is the one of the connection.
        return _QUALIFIED.sub(r"\g<on>", part.definition, count=1)
    return part.definition


_QUALIFIED = re.compile(r"(?P<on> ON (?:ONLY )?)(?:\"(?:[^\"]|\"\")+\"|\w+)\.")
