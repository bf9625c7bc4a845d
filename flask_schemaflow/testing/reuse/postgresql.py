"""Find out exactly what a test changed in a copy on PostgreSQL, and put rows back.

Every version of a row has the number of the transaction that wrote it (``xmin``), and numbers only rise. So
rows, those of the system catalogs too, are the same as before if and only if there are as many, and none has
the number of a later transaction (https://www.postgresql.org/docs/current/ddl-system-columns.html; freezing
does not change what is shown). Whatever is not as it was is not used again.
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
    "SELECT xmin FROM pg_db_role_setting "
    "WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_PREPARED = "SELECT count(*), 0 FROM pg_prepared_xacts WHERE database = current_database()"
_OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend'"
)
_NEXT = "SELECT mod(txid_snapshot_xmax(txid_current_snapshot()), 4294967296)::text"
# The age of a row is how many transactions ago it was written.
_COUNTED = "count(*), coalesce(min(age(xmin)) <= age(CAST('{since}' AS xid)), false)::integer"

Row = tuple[Any, ...]


class Reusable:
    """A new copy that nobody has used yet, and a session of ours in it.

    :param connection: to the copy, in autocommit.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tables = self._names(_TABLES)
        self._sequences = self._names(_SEQUENCES)
        self._counted = _COUNTED.format(since=self._names(_NEXT)[0])
        self._before: tuple[list[Row], list[Row]] | None = None
        with suppress(DBAPIError):
            # So that neither keys nor triggers are in the way; it takes a superuser, or the right to set it.
            self._run("SET session_replication_role = replica")
            self._run(f"SET lock_timeout = {int(_WAIT * 1000)}")
            self._run(f"PREPARE schemaflow_content AS {self._content_query()}")
            self._run(f"PREPARE schemaflow_structure AS {self._structure_query()}")
            if not self._ask(_OUT_OF_SIGHT)[0][0]:
                self._before = self._content(), self._structure()

    def put_back(self) -> bool:
        """Put the rows back, and say whether everything is as it was; if not, nobody must use it again.

        Ends the sessions that are still there.
        """
        try:
            return self._before is not None and self._alone() and self._is_put_back(*self._before)
        except DBAPIError:
            return False

    def _is_put_back(self, content: list[Row], structure: list[Row]) -> bool:
        now = self._content()
        names = (*self._tables, *self._sequences)
        for number, (name, was, is_) in enumerate(zip(names, content, now, strict=True)):
            if was != is_ and number < len(self._tables):
                if was[0]:
                    return False  # rows of the template's: a new copy has them
                self._run(f"DELETE FROM ONLY {name}")
            elif was != is_:
                literal = "'{}'".format(name.replace("'", "''"))
                self._run(f"SELECT setval({literal}, {was[0]}, {bool(was[1])})")
        return (now == content or self._content() == content) and self._structure() == structure

    def _content(self) -> list[Row]:
        """Give how many rows each table has and whether any is later, and where each sequence is."""
        return self._ask("EXECUTE schemaflow_content")

    def _content_query(self) -> str:
        return " UNION ALL ".join(
            (
                *(f"SELECT {self._counted} FROM ONLY {name}" for name in self._tables),
                *(f"SELECT last_value, is_called::integer FROM {name}" for name in self._sequences),
            )
        )

    def _structure(self) -> list[Row]:
        """Give the same of the catalogs together, and how many transactions are prepared."""
        return self._ask("EXECUTE schemaflow_structure")

    def _structure_query(self) -> str:
        catalogs = " UNION ALL ".join(f"SELECT xmin FROM {name}" for name in self._names(_CATALOGS))
        return f"SELECT {self._counted} FROM ({catalogs} UNION ALL {_SETTINGS}) AS rows UNION ALL {_PREPARED}"

    def _alone(self) -> bool:
        """End the other sessions, and say whether they are gone."""
        deadline = time.monotonic() + _WAIT
        while self._ask(f"SELECT EXISTS (SELECT 1 {_OTHERS})")[0][0]:
            if time.monotonic() > deadline:
                return False
            self._run(f"SELECT pg_terminate_backend(pid) {_OTHERS}")
            time.sleep(0.002)
        return True

    def _names(self, query: str) -> list[str]:
        return [row[0] for row in self._ask(query)]

    def _ask(self, query: str) -> list[Row]:
        return [tuple(row) for row in self._connection.exec_driver_sql(query.replace("%", "%%"))]

    def _run(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement.replace("%", "%%"))
