"""Scratch for a PostgreSQL role that may do nothing but make temporary tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from ..findings import Finding, Severity
from ..session import KEEPS_TRANSACTION, server_connection
from .fence import CODE, LeavesScratch, fenced
from .source import NoScratch

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from .source import Source


CHECK = "schemaflow_check"
"""What a scratch connection's ``info`` has where its structure is to be checked before it is believed."""

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

    No other schema is in the search path, so that a name that was forgotten is not found elsewhere.

    :raises NoScratch: not even that is allowed.
    """
    with server_connection(source.engine, isolation_level="READ COMMITTED") as connection:
        connection.exec_driver_sql("SET LOCAL search_path = pg_temp")
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
        connection.info[CHECK] = lambda: _check_inside(connection)
        with fenced(connection):
            yield connection
