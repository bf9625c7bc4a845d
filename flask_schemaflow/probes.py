"""Ask the real rows what a pending operation will meet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from .session import reading_connection

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from .revisions import TableName

EACH = 10.0  # seconds
ALL = 60.0  # seconds
_STEPS = 10_000  # of SQLite's machine between two looks at the clock, some 0.1 ms


@dataclass(frozen=True, eq=False)
class Question:
    """How many rows a table has, and how many of them meet a condition; None: all of them.

    With ``size`` it is enough to know whether there are more than a small table has.
    """

    table: TableName
    condition: sa.ColumnElement[bool] | None = None
    size: bool = False


@dataclass(frozen=True)
class Answer:
    """Numbers of rows: those that were asked for, and all; with ``more`` there are at least so many."""

    rows: int
    of: int
    more: bool = False


def named(name: str) -> sa.ColumnClause[Any]:
    """Give a column by its exact name, whatever characters it has."""
    return sa.column(sa.sql.quoted_name(name, quote=True))


def ask(
    engine: Engine,
    questions: Iterable[Question],
    *,
    small: int = 10_000,
    each: float = EACH,
    together: float = ALL,
) -> tuple[Answer | None, ...]:
    """Ask one question after the other; None where there was no answer in time, or none at all.

    Read-only, in one transaction in which nothing can be written.

    :param small: the rows of a small table.
    :param each: seconds for one question.
    :param together: seconds for all of them.
    :raises SchemaFlowError: the database cannot be reached.
    """
    questions = tuple(questions)
    if not questions:
        return ()
    end = time.monotonic() + together
    given: dict[object, Answer | None] = {}
    with reading_connection(engine) as connection:
        for question in questions:
            if _key(question) not in given:
                seconds = min(each, end - time.monotonic())
                given[_key(question)] = _answer(connection, question, seconds, small)
    return tuple(given[_key(question)] for question in questions)


def _key(question: Question) -> object:
    """Tell questions apart: how large a table is need not be asked twice."""
    return question if question.condition is not None else (question.table, question.size)


def volatile_functions(engine: Engine) -> frozenset[str]:
    """Name the functions that may give another value for each row; PostgreSQL only. Read-only.

    (https://www.postgresql.org/docs/current/xfunc-volatility.html)

    :raises SchemaFlowError: the database cannot be reached.
    """
    with reading_connection(engine) as connection:
        names = "SELECT proname FROM pg_catalog.pg_proc WHERE provolatile = 'v' AND prokind = 'f'"
        return frozenset(connection.exec_driver_sql(names).scalars())


def _answer(connection: Connection, question: Question, seconds: float, small: int) -> Answer | None:
    if seconds <= 0:
        return None
    try:
        # A question that fails on PostgreSQL would end the transaction for those after it.
        with connection.begin_nested(), _LIMITS[connection.dialect.name](connection, seconds):
            rows, of = connection.execute(_counting(question, small)).one()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return None
    return Answer(int(rows or 0), int(of), more=question.size and of > small)


def _counting(question: Question, small: int) -> Any:
    name, schema = question.table.name, question.table.schema
    table = sa.table(
        sa.sql.quoted_name(name, quote=True),
        schema=None if schema is None else sa.sql.quoted_name(schema, quote=True),
    )
    everything: sa.ColumnElement[int] = sa.func.count()
    if question.size:
        some: sa.Select[Any] = (
            sa.select(sa.literal_column("1").label("one")).select_from(table).limit(small + 1)
        )
        return sa.select(everything, everything).select_from(some.subquery())
    if question.condition is None:
        return sa.select(everything, everything).select_from(table)
    met = sa.func.sum(sa.case((question.condition, 1), else_=0))
    return sa.select(met, everything).select_from(table)


# -- limits ----------------------------------------------------------------------------------------


@contextmanager
def _limited_sqlite(connection: Connection, seconds: float) -> Iterator[None]:
    """Interrupt by the progress handler (https://sqlite.org/c3ref/progress_handler.html)."""
    raw: Any = connection.connection.dbapi_connection
    end = time.monotonic() + seconds
    raw.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def _limited_postgresql(connection: Connection, seconds: float) -> AbstractContextManager[None]:
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, round(seconds * 1000))}")
    return nullcontext()


def _limited_mysql(connection: Connection, seconds: float) -> AbstractContextManager[None]:
    # MariaDB counts seconds (https://mariadb.com/kb/en/aborting-statements/), MySQL milliseconds.
    if getattr(connection.dialect, "is_mariadb", False):
        connection.exec_driver_sql(f"SET SESSION max_statement_time = {max(0.001, seconds):.3f}")
    else:
        connection.exec_driver_sql(f"SET SESSION max_execution_time = {max(1, round(seconds * 1000))}")
    return nullcontext()


Limit = Callable[["Connection", float], AbstractContextManager[None]]
_LIMITS: dict[str, Limit] = {
    "sqlite": _limited_sqlite,
    "postgresql": _limited_postgresql,
    "mysql": _limited_mysql,
    "mariadb": _limited_mysql,
}
