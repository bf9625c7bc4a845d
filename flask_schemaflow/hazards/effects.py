"""What operations do to tables and rows, whether they are Alembic's or raw SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alembic.operations import ops
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import True_
from sqlalchemy.sql.expression import Delete, Insert, Update
from sqlalchemy.types import to_instance

from ..recording import Rebuild, Sent
from ..revisions import TableName
from .effect import (
    AddsColumn,
    AltersColumn,
    ChangesEveryRow,
    ChangesType,
    CopiesRows,
    CreatesTable,
    DropsColumn,
    DropsPart,
    DropsTable,
    Effect,
    MakesPart,
    Rebuilds,
    RenamesColumn,
    RenamesTable,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from ..recording import RecordedOperation


@dataclass(frozen=True)
class Placed:
    """An effect, and the line of the revision that it comes from."""

    effect: Effect
    line: int | None


def effects_of(operations: Iterable[RecordedOperation], dialect: Dialect) -> tuple[Placed, ...]:
    """Say what operations do, in order; tables that are copied by hand count as rebuilt."""
    found = [
        Placed(effect, operation.line)
        for operation in operations
        for effect in _effects(operation.action, operation.statements, dialect)
    ]
    return tuple(_with_rebuilds(found))


def _effects(action: Any, statements: tuple[str, ...], dialect: Dialect) -> Iterator[Effect]:
    if isinstance(action, Rebuild):
        yield Rebuilds(action.table)
    elif isinstance(action, Sent):
        yield from _sent(action.element, statements, dialect)
    else:
        yield from _of_operation(action, dialect)


def _sent(element: Any, statements: tuple[str, ...], dialect: Dialect) -> Iterator[Effect]:
    if isinstance(element, Update | Delete):
        if all(isinstance(each, True_) for each in element._where_criteria):
            yield _every_row(element)
    elif not isinstance(element, Insert) or element.select is not None:
        from .raw_sql import effects_of_sql  # loads the parser, when there is something to parse only

        for statement in statements:
            yield from effects_of_sql(statement, dialect.name)


def _every_row(element: Update | Delete) -> Effect:
    table: Any = element.table
    values = getattr(element, "_values", None) or {}
    columns = tuple(str(getattr(each, "name", each)) for each in values)
    name = TableName(getattr(table, "schema", None), str(table.name))
    return ChangesEveryRow(name, isinstance(element, Delete), columns)


# -- Alembic's own operations ----------------------------------------------------------------------


def _of_operation(action: ops.MigrateOperation, dialect: Dialect) -> Iterator[Effect]:
    values = vars(action)
    table = TableName(values.get("schema"), str(values.get("table_name", "")))
    match action:
        case ops.CreateTableOp():
            yield CreatesTable(table, if_not_exists=bool(action.if_not_exists))
        case ops.DropTableOp():
            yield DropsTable(table)
        case ops.RenameTableOp():
            yield RenamesTable(table, TableName(action.schema, action.new_table_name))
        case ops.AddColumnOp():
            yield AddsColumn(table, str(action.column.name))
        case ops.DropColumnOp():
            yield DropsColumn(table, action.column_name)
        case ops.AlterColumnOp():
            yield from _altered(action, table, dialect)
        case ops.DropIndexOp():
            yield DropsPart(table, "index", str(action.index_name))
        case ops.DropConstraintOp():
            yield DropsPart(table, "constraint", str(action.constraint_name))
        case ops.CreateIndexOp():
            yield MakesPart(table, "index", str(action.index_name))


def _altered(action: ops.AlterColumnOp, table: TableName, dialect: Dialect) -> Iterator[Effect]:
    yield AltersColumn(table, action.column_name)
    if action.modify_type is not None:
        yield ChangesType(
            table,
            action.column_name,
            to=type_text(action.modify_type, dialect),
            was=type_text(action.existing_type, dialect),
        )
    if action.modify_name is not None:
        yield RenamesColumn(table, action.column_name, action.modify_name)


def type_text(type_: Any, dialect: Dialect) -> str | None:
    """Write a type as the engine does; None where it cannot be written."""
    if type_ is None:
        return None
    try:
        return str(to_instance(type_).compile(dialect=dialect))
    except SQLAlchemyError:
        return None


# -- rebuilt by hand -------------------------------------------------------------------------------


def _with_rebuilds(found: list[Placed]) -> Iterator[Placed]:
    """Take "create new, copy, drop old, rename new" for what it is: the table is there all the time."""
    rebuilt: dict[int, Effect | None] = {}
    for number, each in enumerate(found):
        effect = each.effect
        if isinstance(effect, RenamesTable):
            dropped = _dropped_before(found[:number], copied_to=effect.table, named=effect.to)
            if dropped is not None:
                rebuilt[number] = Rebuilds(effect.to)
                rebuilt[dropped] = None
    for number, each in enumerate(found):
        replacement = rebuilt.get(number, each.effect)
        if replacement is not None:
            yield Placed(replacement, each.line)


def _dropped_before(earlier: list[Placed], *, copied_to: TableName, named: TableName) -> int | None:
    effects = [each.effect for each in earlier]
    if CopiesRows(named, copied_to) not in effects or DropsTable(named) not in effects:
        return None
    return effects.index(DropsTable(named))
