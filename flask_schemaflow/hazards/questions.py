"""What the real rows are asked before constraints are laid on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..probes import Question, named

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from ..revisions import TableName

_INNER = "_schemaflow_other"  # the same table, or the one that is named, inside a question


def all_of(table: TableName) -> Question:
    """Ask for all rows."""
    return Question(table)


def size_of(table: TableName) -> Question:
    """Ask whether there are more rows than a small table has."""
    return Question(table, size=True)


def nulls_in(table: TableName, column: str) -> Question:
    """Ask for rows that have NULL in a column."""
    return Question(table, named(column).is_(None))


def duplicates_of(table: TableName, elements: Sequence[Any], where: str | None = None) -> Question:
    """Ask for rows that are equal in these columns or expressions; NULL equals nothing."""
    limits = [each.is_not(None) for each in elements]
    if where is not None:
        limits.append(_written(where))
    several = sa.select(*elements).select_from(_table(table)).where(*limits).group_by(*elements)
    several = several.having(sa.func.count() > 1)
    key = elements[0] if len(elements) == 1 else sa.tuple_(*elements)
    return Question(table, sa.and_(*limits, key.in_(several)))


def orphans_of(
    table: TableName, columns: Sequence[str], to: TableName, keys: Sequence[str], dialect: Dialect
) -> Question:
    """Ask for rows that point at no row of another table."""
    outer = _formatted(table, dialect)
    inner = _table(to, *keys).alias(_INNER)
    quote = dialect.identifier_preparer.quote_identifier
    meets = [
        inner.c[key] == sa.literal_column(f"{outer}.{quote(column)}")
        for column, key in zip(columns, keys, strict=True)
    ]
    there = sa.select(sa.literal_column("1")).select_from(inner).where(*meets).exists()
    return Question(table, sa.and_(*(named(each).is_not(None) for each in columns), sa.not_(there)))


def beyond(table: TableName, column: str, bits: int) -> Question:
    """Ask for rows whose number does not fit into so many bits."""
    return Question(table, named(column) >= sa.literal_column(str(1 << (bits - 1))))


def breaking(table: TableName, expression: str) -> Question:
    """Ask for rows for which an expression is false; one that is neither true nor false breaks nothing."""
    return Question(table, _written(f"NOT ({expression})"))


def overlapping(
    table: TableName, columns: Sequence[str], operators: Sequence[str], dialect: Dialect
) -> Question:
    """Ask for rows that an exclusion constraint would not let stand beside another one; PostgreSQL only."""
    outer, quote = _formatted(table, dialect), dialect.identifier_preparer.quote_identifier
    meets = " AND ".join(
        f"{_INNER}.{quote(column)} {operator} {outer}.{quote(column)}"
        for column, operator in zip(columns, operators, strict=True)
    )
    other = f"SELECT 1 FROM {outer} AS {_INNER} WHERE {_INNER}.ctid <> {outer}.ctid AND {meets}"
    return Question(table, _written(f"EXISTS ({other})"))


def _written(text: str) -> sa.ColumnElement[bool]:
    return sa.literal_column(f"({text})", sa.Boolean)


def _table(table: TableName, *columns: str) -> sa.TableClause:
    name = sa.sql.quoted_name(table.name, quote=True)
    schema = None if table.schema is None else sa.sql.quoted_name(table.schema, quote=True)
    return sa.table(name, *(named(each) for each in columns), schema=schema)


def _formatted(table: TableName, dialect: Dialect) -> str:
    quote = dialect.identifier_preparer.quote_identifier
    return ".".join(quote(each) for each in (table.schema, table.name) if each is not None)
