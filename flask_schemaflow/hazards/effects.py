"""What operations do to tables and rows, whether they are Alembic's or raw SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import True_
from sqlalchemy.sql.expression import Delete, Insert, TableClause, Update

from ..recording import Rebuild, Sent
from ..revisions import TableName
from .effect import (
    AddsColumn,
    AddsKey,
    AltersColumn,
    ChangesEveryRow,
    ChangesRows,
    ChangesType,
    CopiesRows,
    CreatesTable,
    DropsColumn,
    DropsPart,
    DropsTable,
    Effect,
    MakesIndex,
    Rebuilds,
    RenamesColumn,
    RenamesTable,
    SetsDefault,
    SetsNullable,
)
from .written import column_said, constraints_said, default_text, name_said, sql_text, type_text

if TYPE_CHECKING:
    import sqlalchemy as sa
    from alembic.operations import ops
    from sqlalchemy.engine import Dialect

    from ..recording import RecordedOperation


@dataclass(frozen=True)
class Placed:
    """An effect, and the operation of the revision that it comes from."""

    effect: Effect
    operation: RecordedOperation


def effects_of(operations: Iterable[RecordedOperation], dialect: Dialect) -> tuple[Placed, ...]:
    """Say what operations do, in order; tables that are copied by hand count as rebuilt."""
    found = [
        Placed(effect, operation)
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
    if isinstance(element, Insert | Update | Delete):
        table: Any = element.table
        name = TableName(getattr(table, "schema", None), str(table.name))
        yield ChangesRows(name, inserts=isinstance(element, Insert))
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
    way = _OPERATIONS.get(type(action).__name__)
    if way is not None:
        values = vars(action)
        table = TableName(values.get("schema"), str(values.get("table_name", "")))
        # What SQLAlchemy cannot build, Alembic could not run: the recording has noted it.
        with suppress(SQLAlchemyError):
            yield from way(action, table, dialect)


def _created(action: ops.CreateTableOp, table: TableName, dialect: Dialect) -> Iterator[Effect]:
    # The table that the operation was recorded with: foreign keys are not copied a second time.
    attached = (getattr(each, "table", None) for each in action.columns)
    made: Any = next((each for each in attached if each is not None), None)
    made = action.to_table() if made is None else made
    columns = (column_said(each, dialect) for each in made.columns)
    yield CreatesTable(
        table,
        if_not_exists=bool(action.if_not_exists),
        columns_said=tuple(replace(each, keys=()) for each in columns),
        keys=tuple(constraints_said(made.constraints, dialect)),
    )
    for index in made.indexes:
        yield _index(index, table, dialect)


def _column_added(action: ops.AddColumnOp, table: TableName, dialect: Dialect) -> Iterator[Effect]:
    exists = bool(action.if_not_exists)
    said = column_said(action.column, dialect)
    # Alembic adds foreign keys and checks by statements of their own, which SQLite does not have. Only newer
    # versions know inline_references.
    is_inline = dialect.name == "sqlite" or getattr(action, "inline_references", False)
    apart = () if is_inline else ("foreign-key", "check")
    keys = tuple(each for each in said.keys if each.kind not in apart)
    yield AddsColumn(table, said.name, said=replace(said, keys=keys), if_not_exists=exists)
    yield from (AddsKey(table, each) for each in said.keys if each.kind in apart)


def _altered(action: ops.AlterColumnOp, table: TableName, dialect: Dialect) -> Iterator[Effect]:
    column = action.column_name
    yield AltersColumn(table, column)
    if action.modify_type is not None:
        to, was = (type_text(each, dialect) for each in (action.modify_type, action.existing_type))
        yield ChangesType(table, column, to=to, was=was)
    if action.modify_nullable is not None:
        yield SetsNullable(table, column, nullable=action.modify_nullable)
    if action.modify_server_default is not False:
        yield SetsDefault(table, column, default=default_text(action.modify_server_default, dialect))
    if action.modify_name is not None:
        yield RenamesColumn(table, column, action.modify_name)


def _key_added(action: Any, _table: TableName, dialect: Dialect) -> Iterator[Effect]:
    constraint = action.to_constraint()
    for key in constraints_said([constraint], dialect):
        made_on = constraint.table
        yield AddsKey(TableName(made_on.schema, str(made_on.name)), key)


def _index_made(action: ops.CreateIndexOp, table: TableName, dialect: Dialect) -> Iterator[Effect]:
    yield _index(action.to_index(), table, dialect)


def _index(index: sa.Index, table: TableName, dialect: Dialect) -> Effect:
    names = tuple(getattr(each, "name", None) for each in index.expressions)
    options = index.dialect_kwargs
    where = options.get(f"{dialect.name}_where")
    return MakesIndex(
        table,
        "index",
        name_said(index.name, dialect),
        columns=tuple(map(str, names)) if all(isinstance(each, str) for each in names) else None,
        elements=tuple(sql_text(each, dialect) for each in index.expressions),
        unique=bool(index.unique),
        where=None if where is None else sql_text(where, dialect),
        concurrently=bool(options.get("postgresql_concurrently")) and dialect.name == "postgresql",
    )


def _index_dropped(action: ops.DropIndexOp, table: TableName, dialect: Dialect) -> Iterator[Effect]:
    concurrently = bool(action.kw.get("postgresql_concurrently"))
    yield DropsPart(table, "index", name_said(action.index_name, dialect), concurrently=concurrently)


def _rows_inserted(action: ops.BulkInsertOp, *_: object) -> Iterator[Effect]:
    # There is no table where the revision got it from an operation that could not be written.
    if isinstance(action.table, TableClause):
        yield ChangesRows(TableName(action.table.schema, str(action.table.name)), inserts=True)


_KINDS = {"foreignkey": "foreign-key", "primary": "primary-key", "unique": "unique", "check": "check"}
_OPERATIONS: dict[str, Callable[[Any, TableName, Dialect], Iterator[Effect]]] = {
    "CreateTableOp": _created,
    "DropTableOp": lambda a, table, _: iter((DropsTable(table, if_exists=bool(a.if_exists)),)),
    "RenameTableOp": lambda a, table, _: iter((RenamesTable(table, TableName(a.schema, a.new_table_name)),)),
    "AddColumnOp": _column_added,
    "DropColumnOp": lambda a, table, _: iter((DropsColumn(table, a.column_name),)),
    "AlterColumnOp": _altered,
    "CreateIndexOp": _index_made,
    "DropIndexOp": _index_dropped,
    "DropConstraintOp": lambda a, table, dialect: iter(
        (
            DropsPart(
                table, _KINDS.get(a.constraint_type, "constraint"), name_said(a.constraint_name, dialect)
            ),
        )
    ),
    "CreateUniqueConstraintOp": _key_added,
    "CreateForeignKeyOp": _key_added,
    "CreatePrimaryKeyOp": _key_added,
    "CreateCheckConstraintOp": _key_added,
    "CreateExcludeConstraintOp": _key_added,
    "BulkInsertOp": _rows_inserted,
}


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
            yield Placed(replacement, each.operation)


def _dropped_before(earlier: list[Placed], *, copied_to: TableName, named: TableName) -> int | None:
    effects = [each.effect for each in earlier]
    if CopiesRows(named, copied_to) not in effects or DropsTable(named) not in effects:
        return None
    return effects.index(DropsTable(named))
