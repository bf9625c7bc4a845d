"""Join what ``create_all`` sends to several dialects into the things that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from .column_types import NAMED_TYPES

if TYPE_CHECKING:
    from .recording import Recording, Statement


@dataclass
class Unit:
    """Something that is made by one operation.

    ``about`` is the table, index, constraint, sequence or type, None for what an event sends; ``wanted`` are
    the statements for each target, by its position.
    """

    about: Any
    wanted: dict[int, list[str]] = field(default_factory=dict)

    @property
    def first(self) -> str:
        """Give the statement that makes the thing, as the first target has it."""
        return next(iter(self.wanted.values()))[0]

    @property
    def is_created(self) -> bool:
        """Say whether a statement creates it; others only change what is there."""
        return any(sql.startswith("CREATE") for sqls in self.wanted.values() for sql in sqls)

    @property
    def is_type(self) -> bool:
        """Say whether this makes a type with a name of its own."""
        if self.about is None:
            return self.first.startswith(("CREATE TYPE", "CREATE DOMAIN"))
        return isinstance(self.about, NAMED_TYPES)

    def after(self, others: Sequence[Unit]) -> Unit:
        """Give a unit that makes all of this, after what others make."""
        positions = {position for unit in (*others, self) for position in unit.wanted}
        wanted = {
            position: [sql for unit in (*others, self) for sql in unit.wanted.get(position, ())]
            for position in sorted(positions)
        }
        return Unit(about=self.about, wanted=wanted)


def join_units(recordings: Sequence[Recording]) -> list[Unit]:
    """Give the units in an order that keeps the order of the statements of every recording.

    Two targets share a unit unless they make its thing at different places.
    """
    units: list[Unit] = []
    places: dict[Any, Unit] = {}
    for position, recording in enumerate(recordings):
        last = -1
        for statement in recording.statements:
            key = _key(statement)
            shared = places.get(key)
            at = -1 if shared is None else _index(units, shared)
            if shared is None or at < last or (at > last and position in shared.wanted):
                at = last + 1 if position else len(units)
                shared = places[key] = Unit(about=statement.about if _is_ours(statement) else None)
                units.insert(at, shared)
            shared.wanted.setdefault(position, []).append(statement.sql)
            last = at
    return units


def _index(units: Sequence[Unit], unit: Unit) -> int:
    return next(i for i, each in enumerate(units) if each is unit)


def _is_ours(statement: Statement) -> bool:
    return isinstance(statement.about, (sa.Table, sa.Index, sa.Constraint, sa.Sequence, *NAMED_TYPES))


def _key(statement: Statement) -> Any:
    """Give what joins statements to one unit: the thing they make or describe, else their own text."""
    return id(statement.about) if _is_ours(statement) else statement.sql
