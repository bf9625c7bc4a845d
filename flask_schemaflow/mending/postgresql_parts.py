"""Keys, checks, exclusions and indexes of PostgreSQL tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .changes import Action, Change, Outcome, Phase, Task, left
from .postgresql_words import in_default_schema, quoted, written

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_MADE_IN = {
    "primary-key": Phase.KEYS,
    "unique": Phase.KEYS,
    "check": Phase.INDEXES,
    "exclude": Phase.INDEXES,
    "foreign-key": Phase.FOREIGN_KEYS,
}


def mend_constraint(change: Change, _task: Task) -> Iterator[Outcome]:
    """Make, drop or replace a constraint: it holds no data."""
    table = change.object
    if change.facts == {"name"}:
        assert change.part is not None
        assert change.part_there is not None
        rename = (
            f"RENAME CONSTRAINT {quoted(change.part_there.name or '')} TO {quoted(change.part.name or '')}"
        )
        yield Action(
            phase=Phase.COLUMNS, statements=(f"ALTER TABLE {written(table)} {rename}",), mends=change.keys
        )
        return
    if change.part_there is not None:
        yield drop_constraint(table, change.part_there, () if change.part else change.keys)
    if change.part is not None:
        yield add_constraint(table, change.part, change.keys)


def drop_constraint(table: Object, part: Part, mends: tuple[str, ...] = ()) -> Action:
    """Write what drops a constraint."""
    phase = Phase.DROP_FOREIGN_KEYS if part.kind == "foreign-key" else Phase.DROP_INDEXES
    statement = f"ALTER TABLE {written(table)} DROP CONSTRAINT {quoted(part.name or '')}"
    return Action(phase=phase, statements=(statement,), mends=mends)


def add_constraint(table: Object, part: Part, mends: tuple[str, ...] = ()) -> Action:
    """Write what adds a constraint; one that nobody named is named by the engine."""
    name = f"CONSTRAINT {quoted(part.name)} " if part.name and part.named else ""
    statement = f"ALTER TABLE {written(table)} ADD {name}{part.definition}"
    return Action(phase=_MADE_IN[part.kind], statements=(statement,), mends=mends)


def mend_index(change: Change, _task: Task) -> Iterator[Outcome]:
    """Make, rename or replace an index; one that a person made stays."""
    table, part, there = change.object, change.part, change.part_there
    if part is None:
        yield from left(change, "An index that a person made stays.", kept=True)
        return
    schema = "" if table.schema is None else f"{quoted(table.schema)}."
    if change.facts == {"name"} and there is not None:
        rename = f"ALTER INDEX {schema}{quoted(there.name or '')} RENAME TO {quoted(part.name or '')}"
        yield Action(phase=Phase.COLUMNS, statements=(rename,), mends=change.keys)
        return
    if there is not None:
        yield Action(phase=Phase.DROP_INDEXES, statements=(f"DROP INDEX {schema}{quoted(there.name or '')}",))
    made = in_default_schema(part.definition, table)
    yield Action(phase=Phase.INDEXES, statements=(made,), mends=change.keys)
