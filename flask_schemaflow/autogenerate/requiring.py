"""Add a column that must have a value to a table that has rows: what the model gives, else say so."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

from .operations import Written

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation

    from ..baseline import Writer

Tell = Callable[[str], None]
_LITERALS = (bool, int, float, str)


class Fill(Written):
    """What gives new columns of a table, by (schema, name), their values."""

    def __init__(
        self, code: str, imports: Iterable[str], key: tuple[str | None, str], columns: list[str]
    ) -> None:
        super().__init__(code, imports=imports)
        self.key = key
        self.columns = columns

    def reverse(self) -> Written:
        """Give nothing: the columns go."""
        return Written("")


def with_values(table: ops.ModifyTableOps, writer: Writer, tell: Tell) -> Iterator[MigrateOperation]:
    """Have new columns that must have a value get that of the model's ``default`` in the rows that are there.

    Without such a constant it is told: no revision can know it.
    """
    required = [each for each in table.ops if isinstance(each, ops.AddColumnOp) and _is_required(each.column)]
    filled = {id(each): value for each in required if (value := _value_of(each.column)) is not None}
    for each in required:
        if id(each) not in filled:
            tell(
                f"{table.table_name}.{each.column.name} is NOT NULL and has no server_default, so the "
                "revision fails where the table has rows: give the column a server_default or a constant "
                "default in the model, or add it nullable and fill it in the revision."
            )
    if not filled:
        yield table
        return
    for each in required:
        if id(each) in filled:
            each.column = each.column._copy()  # it is the model's own
            each.column.nullable = True
    yield table
    wanted = [each.column for each in required if id(each) in filled]
    values = {each.column.name: filled[id(each)] for each in required if id(each) in filled}
    yield _fill(table, wanted, values, writer)
    yield ops.ModifyTableOps(
        table.table_name, [_require(table, column) for column in wanted], schema=table.schema
    )


def _is_required(column: sa.Column[Any]) -> bool:
    return not column.nullable and column.server_default is None and not column.primary_key


def _value_of(column: sa.Column[Any]) -> Any:
    """Give the constant that the model gives, as the database stores it; None where it is not known."""
    if not type(column.type).__module__.startswith("sqlalchemy."):
        return None  # a type of the app may store something else
    default = column.default
    value = default.arg if default is not None and default.is_scalar else None  # type: ignore[attr-defined]
    if isinstance(column.type, sa.Enum) and isinstance(value, enum.Enum):
        value = column.type._db_value_for_elem(value)  # type: ignore[no-untyped-call]
    return value if type(value) in _LITERALS else None


def _fill(
    table: ops.ModifyTableOps, columns: list[sa.Column[Any]], values: dict[str, Any], writer: Writer
) -> Fill:
    names = [f"sa.column({each.name!r}, {writer.type(each.type)})" for each in columns]
    schema = f", schema={table.schema!r}" if table.schema else ""
    made = f"sa.table({table.table_name!r}, {', '.join(names)}{schema})"
    code = f"op.execute(\n    sa.update({made})\n    .values({values!r})\n)"
    return Fill(code, writer.names.imports, (table.schema, table.table_name), list(values))


def _require(table: ops.ModifyTableOps, column: sa.Column[Any]) -> ops.AlterColumnOp:
    return ops.AlterColumnOp(
        table.table_name,
        column.name,
        schema=table.schema,
        existing_type=column.type,
        existing_nullable=True,
        modify_nullable=False,
    )
