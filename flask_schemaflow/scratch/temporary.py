"""Scratch for a PostgreSQL role that may do nothing but make temporary tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from ..findings import Finding, Severity
from ..session import KEEPS_TRANSACTION, SEARCH_PATH, server_connection
from .fence import CODE, LeavesScratch, fenced
from .source import NoScratch

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from .source import Source


CHECKED = "schemaflow_checked"
"""What a scratch connection's ``info`` has where its structure is to be checked before it is believed.

A context manager, inside of which it is read.
"""

# What anything of the session's own depends on, but for itself, the server and extensions.
_OUTSIDE = """
WITH mine AS (
    SELECT 'pg_class'::regclass AS catalog, oid FROM pg_class WHERE relnamespace = pg_my_temp_schema()
    UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = pg_my_temp_schema()
    UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint
        WHERE connamespace = pg_my_temp_schema()
    UNION ALL SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef AS a JOIN pg_class AS c ON c.oid = adrelid
        WHERE relnamespace = pg_my_temp_schema()
    UNION ALL SELECT 'pg_rewrite'::regclass, r.oid FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = ev_class
        WHERE relnamespace = pg_my_temp_schema()
)
SELECT min(pg_describe_object(d.refclassid, d.refobjid, 0))
FROM pg_depend AS d JOIN mine ON mine.catalog = d.classid AND mine.oid = d.objid
WHERE d.refobjid >= 16384 AND d.refclassid <> 'pg_namespace'::regclass
    AND NOT EXISTS (SELECT 1 FROM mine AS m WHERE m.catalog = d.refclassid AND m.oid = d.refobjid)
    AND NOT EXISTS (SELECT 1 FROM pg_depend AS e WHERE e.classid = d.refclassid AND e.objid = d.refobjid
        AND e.deptype = 'e')
"""


def _check_inside(connection: Connection) -> None:
    found = connection.exec_driver_sql(_OUTSIDE).scalar()
    if found is not None:
        raise LeavesScratch(
            f"What was made in temporary tables depends on {found} of the real database, so it would not be "
            "the same anywhere else. Grant the role CREATEDB, or name an empty database in "
            "SCHEMAFLOW_SCRATCH_URI.",
            findings=(_finding(found),),
        )


def _finding(found: str) -> Finding:
    return Finding(code=CODE, subject=found, severity=Severity.ERROR, message=f"It needs {found}.")


@contextmanager
def temporary_schema(source: Source) -> Iterator[Connection]:
    """Give a connection on which everything is made in ``pg_temp``, in a transaction that is rolled back.

    No other schema is in the search path, so that a name that was forgotten is not found elsewhere; but
    for those of extensions, as long as a statement makes a table, or changes one that was made here.

    :raises NoScratch: not even that is allowed.
    """
    with server_connection(source.engine, isolation_level="READ COMMITTED", once=True) as connection:
        found = connection.exec_driver_sql(_OF_EXTENSIONS).scalars()
        wide = ", ".join(["pg_temp", *found]).replace("%", "%%")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
        connection.exec_driver_sql(_NARROW)
        try:
            # The schema is there from the first temporary table on.
            connection.exec_driver_sql("CREATE TEMPORARY TABLE schemaflow_scratch ()")
            connection.exec_driver_sql("DROP TABLE pg_temp.schemaflow_scratch")
        except DBAPIError as error:
            raise NoScratch(" ".join(str(error.orig).split())) from error
        connection.dialect.default_schema_name = connection.exec_driver_sql(
            "SELECT current_schema()"
        ).scalar()
        connection.info[KEEPS_TRANSACTION] = True
        del connection.info[SEARCH_PATH]  # what is made here is not looked for there
        connection.info[CHECKED] = lambda: _checked(connection, wide)
        with fenced(connection), _extensions_found(connection, wide):
            yield connection


@contextmanager
def _checked(connection: Connection, wide: str) -> Iterator[None]:
    _check_inside(connection)
    # Names are written as they are in the real database: those of extensions without their schema.
    connection.exec_driver_sql(f"SET LOCAL search_path = {wide}")
    yield
    connection.exec_driver_sql(_NARROW)


@contextmanager
def _extensions_found(connection: Connection, wide: str) -> Iterator[None]:
    """Let statements about tables that are made here name what extensions have."""

    def before(conn: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if _CREATES.match(statement) or _is_about_ours(conn, statement):
            conn.exec_driver_sql(f"SET LOCAL search_path = {wide}")

    def after(conn: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if _CREATES.match(statement) or _CHANGES.match(statement):
            conn.exec_driver_sql(_NARROW)

    event.listen(connection.engine, "before_cursor_execute", before)
    event.listen(connection.engine, "after_cursor_execute", after)
    try:
        yield
    finally:
        event.remove(connection.engine, "before_cursor_execute", before)
        event.remove(connection.engine, "after_cursor_execute", after)


def _is_about_ours(connection: Connection, statement: str) -> bool:
    found = _CHANGES.match(statement)
    if found is None:
        return False
    name = "pg_temp.{}".format(found["name"]).replace("'", "''").replace("%", "%%")
    return connection.exec_driver_sql(f"SELECT to_regclass('{name}')").scalar() is not None


_NARROW = "SET LOCAL search_path = pg_temp"
# Only those that are in the search path: what is elsewhere is named with its schema.
_OF_EXTENSIONS = """
SELECT quote_ident(name) FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, place)
WHERE name !~ '^pg_' AND EXISTS (
    SELECT 1 FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace WHERE nspname = name)
ORDER BY place
"""
_CREATES = re.compile(r"\s*CREATE\s+(?:TABLE|DOMAIN|TYPE)\b", re.IGNORECASE)
_CHANGES = re.compile(
    r"\s*(?:CREATE\s+(?:UNIQUE\s+)?INDEX\s.*?\sON\s+|ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?)(?:ONLY\s+)?"
    r"(?P<name>\"(?:[^\"]|\"\")+\"|[\w$]+)(?!\s*\.)",
    re.IGNORECASE | re.DOTALL,
)
