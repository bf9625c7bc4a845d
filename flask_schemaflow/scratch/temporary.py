"""Scratch for a PostgreSQL role that may do nothing but make temporary tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from ..session import KEEPS_TRANSACTION, server_connection
from .fence import fenced
from .source import NoScratch

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from .source import Source


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
        with fenced(connection):
            yield connection
