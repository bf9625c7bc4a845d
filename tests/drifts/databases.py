"""The zoo in real databases: all rows of an engine in one, with rows in the tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import sqlalchemy as sa

from flask_schemaflow.snapshot import Facts, Object, Part, Snapshot

from . import Row

SETUP = "CREATE TABLE p (id INTEGER PRIMARY KEY)"


@contextmanager
def two_databases(server: sa.URL) -> Iterator[list[sa.Engine]]:
    """Give engines of two new databases."""
    root = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    names = [f"sf_{os.getpid()}_drift_{which}" for which in ("models", "real")]
    force = " WITH (FORCE)" if root.dialect.name == "postgresql" else ""
    with ExitStack() as after:
        after.callback(root.dispose)
        connection = after.enter_context(root.connect())
        for name in names:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
            after.callback(connection.exec_driver_sql, f"DROP DATABASE {name}{force}")
        engines = [
            sa.create_engine(server.set(database=name), isolation_level="AUTOCOMMIT") for name in names
        ]
        for engine in engines:
            after.callback(engine.dispose)
        yield engines


def make(rows: Iterable[Row], connection: sa.Connection, *, is_real: bool) -> None:
    """Make what the rows say: in the real database the changes have happened."""
    connection.exec_driver_sql(SETUP)
    for row in rows:
        for statement in (*row.was, *(row.change if is_real else ())):
            connection.exec_driver_sql(statement)


def case_of(name: str) -> str:
    """Say of which case a table is."""
    return name.removeprefix("of_").partition("__")[0].replace("_", "-")


# -- rows in the tables ----------------------------------------------------------------------------

_NUMBERS = (2, 3, 4)
"""Any check of the zoo holds for them, and so do the keys to ``p``."""


def fill(connection: sa.Connection, there: Snapshot, wanted: Snapshot) -> None:
    """Put rows into all tables, the last of which has NULL wherever that may stay."""
    tables = {each.key: each for each in wanted.tables}
    connection.execute(sa.text("INSERT INTO p VALUES (2), (3), (4), (5)"))
    for table in there.tables:
        if table.name != "p":
            _fill(connection, table, tables.get(table.key))


def _fill(connection: sa.Connection, table: Object, wanted: Object | None) -> None:
    quote = connection.dialect.identifier_preparer.quote
    columns = [each for each in _columns(table) if "generated" not in each.facts]
    names = ", ".join(quote(each.name or "") for each in columns)
    for number in (*_NUMBERS, None):
        values = [_value(each, table, wanted, number) for each in columns]
        if number is None and all(value is not None for value in values[1:]):
            return
        connection.execute(
            sa.text(f"INSERT INTO {quote(table.name)} ({names}) VALUES ({_cast(columns, connection)})"),
            {f"v{place}": value for place, value in enumerate(values)},
        )


def _cast(columns: list[Part], connection: sa.Connection) -> str:
    """Write the places of the values; PostgreSQL has to be told what a text is meant to be."""
    if connection.dialect.name != "postgresql":
        return ", ".join(f":v{place}" for place in range(len(columns)))
    return ", ".join(
        f"CAST(CAST(:v{place} AS text) AS {each.facts['type']})" for place, each in enumerate(columns)
    )


def _columns(table: Object) -> list[Part]:
    return [each for each in table.parts if each.kind == "column"]


def _value(column: Part, table: Object, wanted: Object | None, number: int | None) -> Any:
    if number is None:
        if _may_be_null(column, table) and (wanted is None or _may_be_null_in(column, wanted)):
            return None
        number = _NUMBERS[-1] + 1
    return str(_of_type(column.facts, number))


def _may_be_null_in(column: Part, wanted: Object) -> bool:
    same = next((each for each in _columns(wanted) if each.name == column.name), None)
    return same is None or _may_be_null(same, wanted)


def _may_be_null(column: Part, table: Object) -> bool:
    keys = [each.facts.get("columns", "") for each in table.parts if each.kind == "primary-key"]
    in_key = any(column.name in key.split(", ") for key in keys)
    return not in_key and column.facts.get("nullable") != "no"


def _of_type(facts: Facts, number: int) -> Any:
    type_ = facts.get("type", "").lower()
    for start, value in _VALUES:
        if type_.startswith(start) or (start.startswith("*") and type_.endswith(start[1:])):
            return value(number)
    return "x"


_VALUES: tuple[tuple[str, Any], ...] = (
    ("*[]", lambda n: f"{{{n}, {n + 10}}}"),
    ("int4range", lambda n: f"[{n},{n + 1})"),
    ("interval", lambda n: f"{n} days 02:03:04"),
    ("bool", lambda n: n % 2),
    ("tinyint(1)", lambda n: n % 2),
    ("int", lambda n: n),
    ("bigint", lambda n: n),
    ("smallint", lambda n: n),
    ("numeric", lambda n: f"{n}.25"),
    ("decimal", lambda n: f"{n}.25"),
    ("float", lambda n: f"{n}.25"),
    ("double", lambda n: f"{n}.25"),
    ("timestamp", lambda n: f"2024-05-0{n} 10:11:12"),
    ("datetime", lambda n: f"2024-05-0{n} 10:11:12"),
    ("json", lambda n: f'{{"n": {n}}}'),
)
