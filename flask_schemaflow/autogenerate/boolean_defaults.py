"""Say truth values as every engine does, where a default was read from one that has only 0 and 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation

_VALUES = {"1": sa.true(), "true": sa.true(), "0": sa.false(), "false": sa.false()}


def spell_boolean_defaults(operation: MigrateOperation) -> None:
    """Write in the way back of an operation ``sa.true()`` for 1: PostgreSQL takes no number for it."""
    if isinstance(operation, ops.AlterColumnOp):
        before = _spelled(operation.existing_server_default, operation.existing_type)
        operation.existing_server_default = before
    for column in _columns_that_come_back(operation):
        column.server_default = _spelled(column.server_default, column.type)


def _columns_that_come_back(operation: MigrateOperation) -> Iterator[sa.Column[Any]]:
    if isinstance(operation, ops.DropColumnOp) and operation._reverse is not None:
        yield operation._reverse.column
    if isinstance(operation, ops.DropTableOp) and operation._reverse is not None:
        yield from (each for each in operation._reverse.columns if isinstance(each, sa.Column))


def _spelled(default: Any, type_: Any) -> Any:
    if not isinstance(type_, sa.Boolean) or not isinstance(default, sa.DefaultClause):
        return default
    value = _VALUES.get(str(default.arg).strip("()'").lower())
    return default if value is None else sa.DefaultClause(value)
