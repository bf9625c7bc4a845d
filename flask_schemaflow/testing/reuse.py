"""Use a copy on PostgreSQL again, where the test before changed rows only: much faster than a new one.

What a test changed is found out exactly. Every version of a row has the number of the transaction that wrote
it (``xmin``), and numbers only rise. So rows, those of the system catalogs too, are the same as before if and
only if there are as many, and the sum of their numbers is the same
(https://www.postgresql.org/docs/current/ddl-system-columns.html; freezing does not change what is shown).
Whatever is not as it was afterwards is not used again.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_WAIT = 5.0  # seconds for the sessions of a test to end, and for their locks

# What planning and vacuuming write there is no structure.
_CATALOGS = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND NOT relisshared
    AND relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject')
"""
_OF_USERS = (
    "relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) "
    "AND relpersistence <> 't' AND relnamespace::regnamespace::text !~ '^pg_toast'"
)
_TABLES = f"SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND {_OF_USERS}"
_SEQUENCES = f"SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S' AND {_OF_USERS}"
# Their content is none of the tables above.
_OUT_OF_SIGHT = (
    f"SELECT EXISTS (SELECT 1 FROM pg_class WHERE relkind IN ('m', 'f') AND {_OF_USERS}) "
    "OR EXISTS (SELECT 1 FROM pg_largeobject_metadata)"
)
_SETTINGS = (
    "SELECT count(*), coalesce(sum(xmin::text::bigint), 0) FROM pg_db_role_setting "
    "WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_PREPARED = "SELECT EXISTS (SELECT 1 FROM pg_prepared_xacts WHERE database = current_database())"
_OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend'"
)

_COUNTED = "count(*), coalesce(sum(xmin::text::bigint), 0)"

Row = tuple[Any, ...]


class Reusable:
    """A new copy that nobody has used yet, and a session of ours in it.

    :param connection: to the copy, in autocommit.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tables = self._names(_TABLES)
        self._sequences = self._names(_SEQUENCES)
        catalogs = " UNION ALL ".join(f"SELECT xmin FROM {name}" for name in self._names(_CATALOGS))
        self._structure_query = f"SELECT {_COUNTED} FROM ({catalogs}) AS rows UNION ALL {_SETTINGS}"
        self._before: tuple[list[Row], list[Row], list[Row]] | None = None
        with suppress(DBAPIError):
            # So that neither keys nor triggers are in the way; it takes a superuser, or the right to set it.
            self._run("SET session_replication_role = replica")
            self._run(f"SET lock_timeout = {int(_WAIT * 1000)}")
            if not self._ask(_OUT_OF_SIGHT)[0][0]:
                self._before = self._ask(self._structure_query), self._rows(), self._positions()

    def is_as_before(self) -> bool:
        """Put the rows back, and say whether everything is as it was; if not, nobody must use it again.

        Ends the sessions that are still there.
        """
        try:
            return self._before is not None and self._put_back(*self._before)
        except DBAPIError:
            return False

    def _put_back(self, structure: list[Row], rows: list[Row], positions: list[Row]) -> bool:
        if not self._alone() or self._ask(_PREPARED)[0][0] or self._ask(self._structure_query) != structure:
            return False
        now, at = self._rows(), self._positions()
        changed = [
            (table, was) for table, was, is_ in zip(self._tables, rows, now, strict=True) if was != is_
        ]
        if any(was[0] for _, was in changed):
            return False  # rows of the template's: a new copy has them
        for table, _ in changed:
            self._run(f"DELETE FROM ONLY {table}")
        for name, was, is_ in zip(self._sequences, positions, at, strict=True):
            if was != is_:
                literal = "'{}'".format(name.replace("'", "''"))
                self._run(f"SELECT setval({literal}, {was[0]}, {was[1]})")
        return (not changed or self._rows() == rows) and (at == positions or self._positions() == positions)

    def _alone(self) -> bool:
        """End the other sessions, and say whether they are gone."""
        deadline = time.monotonic() + _WAIT
        self._run(f"SELECT pg_terminate_backend(pid) {_OTHERS}")
        while self._ask(f"SELECT EXISTS (SELECT 1 {_OTHERS})")[0][0]:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def _rows(self) -> list[Row]:
        """Give number and sum of every table's rows."""
        return self._each(f"SELECT {_COUNTED} FROM ONLY", self._tables)

    def _positions(self) -> list[Row]:
        """Give where every sequence is."""
        return self._each("SELECT last_value, is_called FROM", self._sequences)

    def _each(self, query: str, names: list[str]) -> list[Row]:
        return self._ask(" UNION ALL ".join(f"({query} {name})" for name in names)) if names else []

    def _names(self, query: str) -> list[str]:
        return [row[0] for row in self._ask(query)]

    def _ask(self, query: str) -> list[Row]:
        return [tuple(row) for row in self._connection.exec_driver_sql(query.replace("%", "%%"))]

    def _run(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement.replace("%", "%%"))
