"""Keep an index for each foreign key on MariaDB, which drops none that a key needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.operations import ops

from .operations import Written

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Dialect

_MYSQL = ("mysql", "mariadb")


def keep_indexes_of_keys(
    table: ops.ModifyTableOps, model: sa.Table, targets: Sequence[Dialect]
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    """Give what to write before and after operations that drop or create the only index of a foreign key.

    Where there is none, MariaDB makes one by itself, and lets it go as soon as another can take its place;
    when that one is dropped, it makes no new one but fails. The way back of a new index is such a drop.
    """
    if not any(each.name in _MYSQL for each in targets):
        return [], []
    added = [tuple(each.local_cols) for each in table.ops if isinstance(each, ops.CreateForeignKeyOp)]
    keys = [key for key in model.foreign_key_constraints if tuple(key.column_keys) not in added]
    before: list[MigrateOperation] = []
    after: list[MigrateOperation] = []
    for each in table.ops:
        if isinstance(each, ops.DropIndexOp):
            before += (Written(_create(key), _drop(key)) for key in _only(each.to_index(), model, keys))
        elif isinstance(each, ops.CreateIndexOp):
            after += (Written("", _create(key)) for key in _only(each.to_index(), model, keys))
    return before, after


def _only(
    index: sa.Index, model: sa.Table, keys: Sequence[sa.ForeignKeyConstraint]
) -> Iterator[sa.ForeignKeyConstraint]:
    """Give the foreign keys for which a table has this index only."""
    unique = (
        each for each in model.constraints if isinstance(each, sa.PrimaryKeyConstraint | sa.UniqueConstraint)
    )
    others = [each for each in (*model.indexes, *unique) if each.name != index.name]
    for key in keys:
        if _leads(index, key) and not any(_leads(each, key) for each in others):
            yield key


def _leads(
    index: sa.Index | sa.PrimaryKeyConstraint | sa.UniqueConstraint, key: sa.ForeignKeyConstraint
) -> bool:
    return [each.name for each in index.columns][: len(key.columns)] == list(key.column_keys)


def _create(key: sa.ForeignKeyConstraint) -> str:
    """Write the index as MariaDB itself would make it; an earlier way back may have left it."""
    arguments = f"{_name(key)!r}, {key.table.name!r}, {list(key.column_keys)!r}, if_not_exists=True"
    return f"{_WHERE}\n    op.create_index({arguments}{_schema(key)})"


def _drop(key: sa.ForeignKeyConstraint) -> str:
    return f"{_WHERE}\n    op.drop_index({_name(key)!r}, table_name={key.table.name!r}{_schema(key)})"


def _name(key: sa.ForeignKeyConstraint) -> str:
    return str(key.name) if isinstance(key.name, str) else key.column_keys[0]


def _schema(key: sa.ForeignKeyConstraint) -> str:
    return f", schema={key.table.schema!r}" if key.table.schema else ""


_WHERE = "if op.get_context().dialect.name in ('mariadb', 'mysql'):"
