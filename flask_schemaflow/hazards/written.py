"""What columns and constraints of SQLAlchemy say, in the engine's words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import conv
from sqlalchemy.types import to_instance

from ..revisions import TableName
from .effect import Column, Key

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect


def type_text(type_: Any, dialect: Dialect) -> str | None:
    """Write a type as the engine does; None where it cannot be written."""
    if type_ is None:
        return None
    try:
        return str(to_instance(type_).compile(dialect=dialect))
    except (SQLAlchemyError, NotImplementedError):
        return None


def name_said(name: object, dialect: Dialect) -> str:
    """Write the name of an index or constraint as the engine gets it; nothing where it has none.

    SQLAlchemy shortens what a naming convention has made, and refuses other names that are too long.
    """
    longest = dialect.max_index_name_length or dialect.max_identifier_length
    if isinstance(name, conv) and len(name) > longest:
        return dialect.identifier_preparer.truncate_and_render_index_name(name).strip('"`')
    return "" if name is None else str(name)


def sql_text(element: Any, dialect: Dialect) -> str:
    """Write an expression as the engine reads it; as much as can be written."""
    if isinstance(element, str):
        return element
    try:
        return str(element.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    except (SQLAlchemyError, NotImplementedError, TypeError, AttributeError):
        return str(element)


def default_text(default: Any, dialect: Dialect) -> str | None:
    """Write what a server default is given as; None where there is none."""
    if default is None or isinstance(default, sa.Computed | sa.Identity):
        return None
    argument = default.arg if isinstance(default, sa.DefaultClause) else default
    if isinstance(argument, str):
        # SQLAlchemy puts quotes around what is given as text.
        return "'" + argument.replace("'", "''") + "'"
    return sql_text(argument, dialect)


def column_said(column: sa.Column[Any], dialect: Dialect) -> Column:
    """Say what a column is, with the constraints that come with it."""
    computed, name = column.computed, str(column.name)
    stored = computed is not None and (computed.persisted is True or dialect.name == "postgresql")
    return Column(
        name=name,
        type=type_text(column.type, dialect),
        nullable=bool(column.nullable),
        default=default_text(column.server_default, dialect),
        generated=None if computed is None else "STORED" if stored else "VIRTUAL",
        counts=column.identity is not None or column.autoincrement is True,
        keys=tuple(_keys_of(column, dialect)),
    )


def _keys_of(column: sa.Column[Any], dialect: Dialect) -> Iterator[Key]:
    name = str(column.name)
    if column.primary_key:
        yield Key(kind="primary-key", columns=(name,))
    table = column.table if column.table is not None else sa.Table("t", sa.MetaData(), _copied(column))
    for each in constraints_said(table.constraints, dialect):
        if each.kind != "primary-key":
            yield each


def _copied(column: sa.Column[Any]) -> sa.Column[Any]:
    copy: sa.Column[Any] = column._copy()
    return copy


def constraints_said(constraints: Iterable[sa.Constraint], dialect: Dialect) -> Iterator[Key]:
    """Say what constraints are, those that say something."""
    found = (_constraint(each, dialect) for each in constraints)
    # A table has its constraints in a set: in another order each time.
    yield from sorted((key for key in found if key is not None), key=str)


def _constraint(each: sa.Constraint, dialect: Dialect) -> Key | None:
    name = name_said(each.name, dialect) or None
    options = each.dialect_kwargs
    not_valid = bool(options.get("postgresql_not_valid")) and dialect.name == "postgresql"
    match each:
        case sa.ForeignKeyConstraint():
            return _foreign_key(each, name, not_valid=not_valid)
        case ExcludeConstraint():
            return _exclusion(each, name)
        case sa.PrimaryKeyConstraint():
            columns = tuple(str(column.name) for column in each.columns)
            return Key(kind="primary-key", name=name, columns=columns) if columns else None
        case sa.UniqueConstraint():
            columns = tuple(str(column.name) for column in each.columns)
            return Key(kind="unique", name=name, columns=columns)
        case sa.CheckConstraint():
            text = sql_text(each.sqltext, dialect)
            return Key(kind="check", name=name, expression=text, not_valid=not_valid)
    return None


def _exclusion(each: ExcludeConstraint, name: str | None) -> Key:
    elements = [
        (column, operator)
        for column, _, operator in each._render_exprs
        if isinstance(column, sa.Column | sa.ColumnClause)
    ]
    if len(elements) < len(each._render_exprs) or each.where is not None:
        return Key(kind="exclude", name=name)
    columns = tuple(str(column.name) for column, _ in elements)
    operators = tuple(str(operator) for _, operator in elements)
    return Key(kind="exclude", name=name, columns=columns, operators=operators)


def _foreign_key(each: sa.ForeignKeyConstraint, name: str | None, *, not_valid: bool) -> Key:
    targets = [_target(element) for element in each.elements]
    schema, table, _ = targets[0]
    return Key(
        kind="foreign-key",
        name=name,
        columns=tuple(str(key) for key in each.column_keys),
        refers=TableName(schema, table),
        refers_columns=tuple(target[-1] for target in targets),
        not_valid=not_valid,
    )


def _target(element: sa.ForeignKey) -> tuple[str | None, str, str]:
    """Give schema, table and column; SQLAlchemy 2.0 has them as one text."""
    tokens: Any = getattr(element, "target_tokens", None)
    if tokens is not None:
        schema, table, column = tokens
        return schema, table, column or ""
    *schemas, table, column = element.target_fullname.rsplit(".", 2)
    return (schemas[0] if schemas else None), table, column
