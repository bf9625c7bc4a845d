"""Where a difference was accepted, write what the database has instead of what the models say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .from_database import FromDatabase, texts_of
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
    labels = frozenset(
        drift.table for drift in accepted if _kind_of(drift) not in _BELONGING and drift.code not in _VIEWS
    )
    if real.family == "sqlite":
        yield from _on_sqlite(pieces, labels, accepted, real, renderer)
    else:
        yield from _on_server(pieces, labels, accepted, real, renderer)


def _on_sqlite(
    pieces: Sequence[Piece],
    labels: frozenset[str],
    accepted: Sequence[Drift],
    real: Snapshot,
    renderer: Renderer,
) -> Iterator[Piece]:
    """SQLite keeps the text of each table, and its indexes and triggers apart from it."""
    there = {each.label: each for each in real.objects}
    for piece in pieces:
        kind, table, _ = piece.thing
        if table in labels and (kind not in _BELONGING or table not in there):
            is_made_here = kind in ("table", "view") and table in there
            yield _instead(piece, (there[table].definition,) if is_made_here else (), renderer)
        else:
            yield _belonging(piece, accepted, there, renderer)
    yield from _extra(accepted, there, renderer, frozenset())


def _on_server(
    pieces: Sequence[Piece],
    labels: frozenset[str],
    accepted: Sequence[Drift],
    real: Snapshot,
    renderer: Renderer,
) -> Iterator[Piece]:
    """Make a server's tables from the snapshot, with all that belongs to them."""
    there = {each.label: each for each in real.objects}
    makes = {table for kind, table, _ in (piece.thing for piece in pieces) if kind not in _OF_TABLES}
    types_of = _types_made_with(pieces)
    found = FromDatabase(real=real, labels=labels)
    joined = {name for table in found.labels for name in types_of.get(table, ())}
    found.made = {each for each in there if each.partition("(")[0] in makes - (joined - found.labels)}

    def needed(*texts: str) -> Iterator[Piece]:
        for label, statements in found.needs(texts):
            # The piece of a type that a table's operation makes takes it back already.
            yield _added(statements, renderer, is_undone=label not in joined)

    for piece in pieces:
        kind, table, _ = piece.thing
        if table not in found.labels:
            yield _belonging(piece, accepted, there, renderer)
        elif kind in _OF_TABLES or table not in there:
            yield _instead(piece, (), renderer)
        else:
            yield from needed(*texts_of(there[table]))
            yield _instead(piece, found.made_of(table), renderer)
    for thing, statements in found.last():
        yield from needed(*statements)
        yield _late(thing, statements, renderer)
    for drift in accepted:
        if drift.code == "extra-trigger" and drift.table not in found.labels:
            yield from needed(_real_part(there[drift.table], drift, renderer.dialects[_HERE]))
    yield from _extra(accepted, there, renderer, found.labels)


_OF_TABLES = ("index", "trigger", "key")


def _types_made_with(pieces: Iterable[Piece]) -> dict[str, list[str]]:
    """Say which types the operation of a table makes: their own pieces before it make nothing."""
    found: dict[str, list[str]] = {}
    waiting: list[str] = []
    for piece in pieces:
        kind, name, _ = piece.thing
        if kind == "type" and _HERE not in piece.upgrade:
            waiting.append(name)
        elif kind == "table":
            found[name], waiting = waiting, []
    return found


def _belonging(
    piece: Piece, accepted: Sequence[Drift], there: Mapping[str, Object], renderer: Renderer
) -> Piece:
    """Put the real index or trigger in the place of one that differs, in a table that does not."""
    kind, table, name = piece.thing
    drift = next((each for each in accepted if each.subject == f"{table}.{name}"), None)
    if kind not in _BELONGING or drift is None or _kind_of(drift) not in _BELONGING:
        return piece
    if drift.code.startswith("missing-"):
        return _instead(piece, (), renderer)
    return _instead(piece, (_real_part(there[table], drift, renderer.dialects[_HERE]),), renderer)


def _extra(
    accepted: Iterable[Drift], there: Mapping[str, Object], renderer: Renderer, made: frozenset[str]
) -> Iterator[Piece]:
    """Add what only the database has, but in tables that are made as a whole."""
    for drift in accepted:
        if drift.code in ("extra-index", "extra-trigger") and drift.table not in made:
            yield _added([_real_part(there[drift.table], drift, renderer.dialects[_HERE])], renderer)
        elif drift.code in _VIEWS:
            yield _added_view(there[drift.table], renderer)


def _late(thing: Object, statements: Sequence[str], renderer: Renderer) -> Piece:
    """Write what has to wait for other tables; its keys are in the way when these are dropped."""
    preparer = renderer.dialects[_HERE].identifier_preparer
    table = ".".join(preparer.quote(each) for each in (thing.schema, thing.name) if each)
    word = "CONSTRAINT" if renderer.dialects[_HERE].name == "postgresql" else "FOREIGN KEY"
    drops = [
        f"ALTER TABLE {table} DROP {word} {preparer.quote(part.name)}"
        for part in thing.parts
        if part.kind == "foreign-key" and part.name
    ]
    others = write_drops(statements, renderer.dialects[_HERE])
    downgrade = "\n".join(each for each in (others, renderer.raw(drops, _HERE)) if each)
    return Piece(
        upgrade={_HERE: renderer.raw(statements, _HERE)} if statements else {},
        downgrade={_HERE: downgrade} if downgrade and statements else {},
        is_operation=False,
    )


def _added(statements: Sequence[str], renderer: Renderer, *, is_undone: bool = True) -> Piece:
    """Write what only the database has; what belongs to a table goes with it, unless more depends on it."""
    drops = write_drops(statements, renderer.dialects[_HERE]) if is_undone else ""
    return Piece(
        upgrade={_HERE: renderer.raw(statements, _HERE)},
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


def _instead(piece: Piece, statements: Sequence[str], renderer: Renderer) -> Piece:
    """Write statements for the dialect in use; where there are none, it gets nothing."""
    upgrade = {position: code for position, code in piece.upgrade.items() if position != _HERE}
    downgrade = {position: code for position, code in piece.downgrade.items() if position != _HERE}
    if not statements:
        return replace(piece, upgrade=upgrade, downgrade=downgrade)
    upgrade = {_HERE: renderer.raw(statements, _HERE), **upgrade}
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
