"""Take out of Alembic's operations what would change nothing: its comparison is of texts, and errs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from alembic.operations import ops

from .tables import Key, key_of

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation

    from ..drift import Difference

Names = frozenset[str]


def leave_out_false_alarms(
    upgrade: ops.UpgradeOps, tables: Iterable[Key], differences: Iterable[Difference]
) -> None:
    """Leave out operations on tables that are there, for things that the models make no other.

    Alembic makes such an index again and again: it takes ``title DESC`` on SQLite for ``title``.

    :param tables: the models' tables that were compared.
    :param differences: what the models make, and the database has not.
    """
    differing = _names_by_table(differences)
    compared = frozenset(tables)
    for table in [each for each in upgrade.ops if isinstance(each, ops.ModifyTableOps)]:
        key = key_of(table)
        if key not in compared:
            continue
        names = differing.get(key)
        table.ops[:] = _true(table.ops, names) if names is not None else _of_others(table.ops)
        if not table.ops:
            upgrade.ops.remove(table)


def _of_others(operations: Iterable[MigrateOperation]) -> list[MigrateOperation]:
    """Keep what an addition to Alembic made, which may see what nobody else does."""
    return [each for each in operations if type(each).__module__ != ops.__name__]


def _names_by_table(differences: Iterable[Difference]) -> dict[Key, Names]:
    """Give the names of what differs in each table."""
    found: dict[Key, Names] = {}
    for each in differences:
        owner = each.wanted or each.there
        # Alembic knows nothing of the order of columns.
        if owner is None or each.drift.code == "changed-column-position":
            continue
        key = (owner.schema, owner.name)
        parts = (each.wanted_part, each.part_there)
        names = {part.name for part in parts if part is not None and part.name is not None}
        found[key] = found.get(key, frozenset()) | names
    return found


def _true(operations: Iterable[MigrateOperation], differing: Names) -> list[MigrateOperation]:
    operations = list(operations)
    made_again = set(_indexes(operations, ops.DropIndexOp)) & set(_indexes(operations, ops.CreateIndexOp))
    return [each for each in operations if _index_name(each) not in made_again - differing]


def _indexes(operations: Iterable[MigrateOperation], kind: type[MigrateOperation]) -> Iterator[str]:
    return (name for each in operations if isinstance(each, kind) and (name := _index_name(each)))


def _index_name(operation: MigrateOperation) -> str | None:
    if isinstance(operation, ops.DropIndexOp | ops.CreateIndexOp):
        return str(operation.index_name)
    return None
