"""Record what ``create_all`` would send, and what a piece of a revision would send."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import ForeignKeyConstraint, MetaData, Table, event
from sqlalchemy import Sequence as DatabaseSequence
from sqlalchemy.dialects.postgresql import CreateDomainType, CreateEnumType
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import (
    AddConstraint,
    CreateIndex,
    CreateTable,
    SetColumnComment,
    SetConstraintComment,
    SetTableComment,
)
from sqlalchemy.sql.expression import TextClause
from sqlalchemy.sql.expression import UpdateBase as Dml

from ..errors import Refused, SchemaFlowError
from ..loading import origin_of_error
from ..session import code_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Dialect


@dataclass(frozen=True)
class Statement:
    """A statement as the driver would get it, and the element it was compiled from.

    ``about`` is the table, index, constraint, sequence or type that it makes or says something of, None for
    what an event of the app sends.
    """

    sql: str
    element: Any
    about: Any


@dataclass(frozen=True)
class Recording:
    """All that ``create_all`` sends, in order; ``row_statements`` counts what inserts or changes rows."""

    statements: tuple[Statement, ...]
    row_statements: int


class CannotRecord(Refused):
    """What ``create_all`` sends cannot be known."""


Tables = Sequence[Table] | None
"""Which tables of a metadata count; None for all of them, and for whatever else it has."""


def record_create_all(metadata: MetaData, dialect: Dialect, tables: Tables = None) -> Recording:
    """Record what ``create_all`` would send to an empty database. Never touches a database.

    :raises CannotRecord: an event of the app asks the database while tables are created, or a table
        cannot be compiled for the dialect; the message names table and reason.
    """
    elements: list[Any] = []
    connection = MockConnection(dialect, lambda element, *_: elements.append(element))
    try:
        metadata.create_all(connection, tables, checkfirst=False)
        return _recording(elements, dialect)
    except SQLAlchemyError as error:
        raise CannotRecord(
            f"create_all() itself fails for {dialect.name}: {' '.join(str(error).split())}"
        ) from error
    except Exception as error:
        origin = origin_of_error(error)
        raise CannotRecord(
            f"{origin or 'An event'}: an event of the models asks the database while tables are "
            f"created ({type(error).__name__}: {error})."
        ) from error


def record_create_all_on(metadata: MetaData, scratch: Connection, tables: Tables = None) -> Recording:
    """Record what ``create_all`` sends while it really runs, on a scratch database.

    :raises CannotRecord: it fails.
    """
    elements: list[Any] = []

    def before(_conn: Any, element: Any, *_: Any) -> None:
        elements.append(element)

    event.listen(scratch, "before_execute", before)
    try:
        create_all_on(metadata, scratch, tables)
    finally:
        event.remove(scratch, "before_execute", before)
    return _recording([e for e in elements if not _only_reads(e)], scratch.dialect)


def create_all_on(metadata: MetaData, scratch: Connection, tables: Tables = None) -> None:
    """Run ``create_all`` on a scratch database.

    :raises CannotRecord: it fails, by itself or in an event of the app.
    """
    at, schema = "", None

    def before(_conn: Any, element: Any, *_: Any) -> None:
        nonlocal at, schema
        made = getattr(element, "element", None)
        name, schema = getattr(made, "name", None), getattr(made, "schema", None)
        at = f", at {name}" if name else ""

    event.listen(scratch, "before_execute", before)
    try:
        metadata.create_all(scratch, tables, checkfirst=False)
    except SchemaFlowError:
        raise
    except Exception as error:
        origin = origin_of_error(error)
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        raise CannotRecord(
            f"{origin or 'The models'}: create_all() fails on an empty database{at}: "
            f"{type(error).__name__}: {reason}{_without_schema(error, schema)}"
        ) from error
    finally:
        event.remove(scratch, "before_execute", before)


def _without_schema(error: Exception, schema: str | None) -> str:
    """Say what to do where PostgreSQL has no such schema (invalid_schema_name)."""
    if schema is None or not isinstance(error, DBAPIError) or code_of(error.orig or error) != "3F000":
        return ""
    return (
        f". create_all() makes no schema, and the app's database has no {schema}: `CREATE SCHEMA {schema}` "
        'there, or have the models make it: sa.event.listen(db.metadata, "before_create", '
        f'sa.DDL("CREATE SCHEMA IF NOT EXISTS {schema}")).'
    )


def _only_reads(element: Any) -> bool:
    return bool(getattr(element, "is_select", False)) or (
        isinstance(element, TextClause) and re.match(r"\s*(SELECT|PRAGMA)\b", element.text, re.I) is not None
    )


def _recording(elements: Iterable[Any], dialect: Dialect) -> Recording:
    statements = []
    row_statements = 0
    for element in elements:
        if isinstance(element, Dml):
            row_statements += 1
        else:
            statements.append(Statement(compile_sql(element, dialect), element, _about(element)))
    return Recording(tuple(_in_fixed_order(_comments_first(statements))), row_statements)


def compile_sql(element: Any, dialect: Dialect) -> str:
    """Compile as the engine would send it: what a driver un-doubles is un-doubled here."""
    if isinstance(element, str):
        return element.strip()
    return _as_engine_gets_it(str(element.compile(dialect=dialect)), dialect)


def _as_engine_gets_it(sql: str, dialect: Dialect) -> str:
    doubled = getattr(dialect.identifier_preparer, "_double_percents", False)
    return sql.strip().replace("%%", "%") if doubled else sql.strip()


def _about(element: Any) -> Any:
    if isinstance(element, SetConstraintComment):
        return None
    if isinstance(element, CreateTable | CreateIndex | AddConstraint | CreateEnumType | CreateDomainType):
        return element.element
    inner = getattr(element, "element", None)
    if isinstance(inner, Table | DatabaseSequence):
        return inner
    return getattr(inner, "table", None)


def _comments_first(statements: list[Statement]) -> list[Statement]:
    """Put comments behind their table: create_all sends its indexes before them, an operation after them."""
    comments: dict[int, list[Statement]] = defaultdict(list)
    for each in statements:
        if isinstance(each.element, SetTableComment | SetColumnComment):
            comments[id(each.about)].append(each)
    ordered: list[Statement] = []
    for each in statements:
        if isinstance(each.element, CreateTable):
            ordered += [each, *comments.pop(id(each.about), ())]
        elif not isinstance(each.element, SetTableComment | SetColumnComment):
            ordered.append(each)
    return [*ordered, *(each for late in comments.values() for each in late)]


def _in_fixed_order(statements: list[Statement]) -> Iterator[Statement]:
    """Sort what SQLAlchemy keeps in sets: the indexes of one table, and the keys that are added late."""
    for group, found in groupby(statements, key=_set_of):
        members = list(found)
        yield from members if group is None else sorted(members, key=lambda each: each.sql)


def _set_of(statement: Statement) -> tuple[type, int] | None:
    if isinstance(statement.element, CreateIndex):
        return (CreateIndex, id(statement.about.table))
    is_late = isinstance(statement.element, AddConstraint) and isinstance(
        statement.about, ForeignKeyConstraint
    )
    return (AddConstraint, 0) if is_late else None


class OfflineOperations:
    """Run pieces of a revision without a database, and see what they would send to one dialect."""

    def __init__(self, dialect: Dialect, metadata: MetaData) -> None:
        self.dialect = dialect
        self._sent: list[Any] = []
        connection = MockConnection(dialect, lambda element, *_: self._sent.append(element))
        # env.py passes the metadata too, and its naming convention names what a revision leaves unnamed.
        options = {"target_metadata": metadata}
        self._context = MigrationContext(dialect, connection, options)  # type: ignore[arg-type]

    def run(self, code: str, namespace: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Give the statements that a piece of code sends; None where it fails."""
        self._sent.clear()
        # It remembers which enum types it has created; each piece begins anew.
        self._context.impl.memo.clear()
        try:
            exec(code, {**namespace, "op": Operations(self._context)})
            return tuple(compile_sql(element, self.dialect) for element in self._sent)
        except Exception:
            # Whatever goes wrong in a rendered operation: the statement itself is written instead.
            return None


_CONSTRAINT_LINE = re.compile(r"(?:CONSTRAINT|PRIMARY KEY|UNIQUE|CHECK|FOREIGN KEY|EXCLUDE)\b")


def same_statements(left: Iterable[str], right: Iterable[str]) -> bool:
    """Say whether two sequences send the same, the order of constraints inside a table apart."""
    return [_constraints_sorted(sql) for sql in left] == [_constraints_sorted(sql) for sql in right]


def was_sent(wanted: Iterable[str], sent: Iterable[str], dialect: Dialect) -> bool:
    """Say whether a driver was given just these statements, the order of constraints inside a table apart.

    :param wanted: as :func:`compile_sql` gives them.
    :param sent: as the driver got them.
    """
    return same_statements(wanted, (_as_engine_gets_it(sql, dialect) for sql in sent))


def _constraints_sorted(sql: str) -> str:
    lines = [line.removesuffix(", ") for line in sql.split("\n\t")]
    if not sql.startswith("CREATE") or len(lines) < 3:
        return sql
    last, _, tail = lines[-1].rpartition("\n)")
    lines[-1] = last
    columns = [line for line in lines if not _CONSTRAINT_LINE.match(line)]
    constraints = sorted(line for line in lines if _CONSTRAINT_LINE.match(line))
    return "\n\t".join((*columns, *constraints, tail))
