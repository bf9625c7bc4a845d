"""Tables that go over from one database to another, whose rows no revision takes along."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from alembic.operations import ops

from .tables import Key, key_of


@dataclass(frozen=True)
class Moves:
    """The tables that are new, and those that are gone, in each database that was compared so far."""

    new: dict[Key, str] = field(default_factory=dict)
    gone: dict[Key, str] = field(default_factory=dict)

    def note(self, label: str, upgrade: ops.UpgradeOps, tell: Callable[[str], None]) -> None:
        """Note what Alembic found in one more database, and tell of each table that has gone over."""
        new, gone = _named(upgrade.ops, ops.CreateTableOp), _named(upgrade.ops, ops.DropTableOp)
        for key in new:
            if key in self.gone:
                tell(_told(key, self.gone[key], label))
        for key in gone:
            if key in self.new:
                tell(_told(key, label, self.new[key]))
        self.new.update(dict.fromkeys(new, label))
        self.gone.update(dict.fromkeys(gone, label))


def _named(operations: Iterable[ops.MigrateOperation], kind: type[ops.MigrateOperation]) -> list[Key]:
    keys = (key_of(each) for each in operations if isinstance(each, kind))
    return [key for key in keys if key is not None]


def _told(key: Key, old: str, new: str) -> str:
    table = ".".join(filter(None, key))
    return (
        f"The table {table} goes over from the database {old} to {new}, and its rows stay behind: the "
        f"revision drops them with it. Copy them before it is dropped in {old}, in a revision of its own."
    )
