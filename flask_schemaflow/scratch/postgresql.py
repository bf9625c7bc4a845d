"""Scratch for PostgreSQL: a database on the same server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ..interrupts import uninterrupted
from ..session import note_default_schema, server_connection
from .fence import fenced
from .names import PREFIX, is_stale, mark, new_name
from .schemas import lend_schemas, lent_until_made
from .source import NoScratch

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from .source import Source


@contextmanager
def postgresql_database(source: Source) -> Iterator[Connection]:
    """Make an empty database with the real one's encoding, locale, extensions and search path.

    What a killed process left is dropped first: databases with our mark, older than an hour, with nobody
    connected.

    :raises NoScratch: the role may not create databases, or an extension.
    """
    engine = source.engine
    with server_connection(engine, isolation_level="AUTOCOMMIT") as real:
        _drop_stale(real)
        name = new_name()
        try:
            with uninterrupted(stop_afterwards=True):
                _create(real, name)
            with connected_to(engine, real, name) as connection:
                yield connection
        finally:
            _drop(engine, real, name)


def _create(real: Connection, name: str) -> None:
    try:
        real.exec_driver_sql(create_statement(real, name))
    except DBAPIError as error:
        raise NoScratch(f"{_message(error)}: grant the role CREATEDB") from error
    real.exec_driver_sql(f"COMMENT ON DATABASE {name} IS '{mark()}'")


@contextmanager
def connected_to(engine: Engine, real: Connection, name: str) -> Iterator[Connection]:
    """Connect to a new database, make there what the real one has around its tables, and fence it in.

    :raises NoScratch: it is led elsewhere, or an extension cannot be made.
    """
    with server_connection(engine, database=name, once=True) as connection:
        there = connection.exec_driver_sql("SELECT current_database()").scalar()
        if there != name:
            raise NoScratch(f"the app makes its connections by a function of its own, which leads to {there}")
        prepare(real, connection)
        connection.commit()
        note_default_schema(connection)
        with fenced(connection), lent_until_made(connection):
            yield connection


# pg_database has the locale's provider from 15 on, and its name in two columns
# (https://www.postgresql.org/docs/current/catalog-pg-database.html).
_LOCALE = (
    "SELECT pg_encoding_to_char(encoding) AS encoding, datcollate, datctype, "
    "to_jsonb(d) ->> 'datlocprovider' AS provider, "
    "coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale "
    "FROM pg_database AS d WHERE datname = current_database()"
)


def create_statement(real: Connection, name: str) -> str:
    """Write what makes a database of this name, quoted where it has to be, that is like the real one."""
    found = real.exec_driver_sql(_LOCALE).one()
    options = {"ENCODING": found.encoding, "LC_COLLATE": found.datcollate, "LC_CTYPE": found.datctype}
    if found.provider == "i":
        options |= {"LOCALE_PROVIDER": "icu", "ICU_LOCALE": found.locale}
    settings = " ".join(f"{key} {_quoted(value)}" for key, value in options.items())
    return f"CREATE DATABASE {name} TEMPLATE template0 {settings}".replace("%", "%%")


def _quoted(value: Any) -> str:
    return "'{}'".format(str(value).replace("'", "''"))


_EXTENSIONS = (
    "SELECT quote_ident(extname) AS name, quote_ident(nspname) AS schema "
    "FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace WHERE extname <> 'plpgsql' "
    "ORDER BY pg_extension.oid"
)


def prepare(real: Connection, connection: Connection) -> None:
    """Make the schemas, the extensions and the search path of the real database.

    :raises NoScratch: an extension cannot be made.
    """
    path = real.exec_driver_sql("SHOW search_path").scalar_one()
    lend_schemas(real, connection)
    for each in real.exec_driver_sql(_EXTENSIONS).all():
        _create_extension(connection, each.name, each.schema)
    connection.execute(text("SELECT set_config('search_path', :path, false)"), {"path": path})


def _create_extension(connection: Connection, name: str, schema: str) -> None:
    try:
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}".replace("%", "%%"))
        statement = f"CREATE EXTENSION IF NOT EXISTS {name} SCHEMA {schema} CASCADE"
        connection.exec_driver_sql(statement.replace("%", "%%"))
    except DBAPIError as error:
        raise NoScratch(f"the extension {name} cannot be made: {_message(error)}") from error


def _drop(engine: Engine, real: Connection, name: str) -> None:
    # 13 and newer end what is still connected; it is ours alone.
    statement = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    with uninterrupted(stop_afterwards=True):
        try:
            real.exec_driver_sql(statement)
        except Exception:
            # An interrupt may have closed the connection, and the server may not be done with making it.
            _drop_again(engine, statement)


def _drop_again(engine: Engine, statement: str) -> None:
    for _ in range(20):
        with suppress(Exception), server_connection(engine, isolation_level="AUTOCOMMIT") as other:
            other.exec_driver_sql(statement)
            return
        time.sleep(0.25)


def _drop_stale(real: Connection) -> None:
    found = real.execute(
        text(
            "SELECT datname, shobj_description(oid, 'pg_database') AS comment FROM pg_database "
            "WHERE starts_with(datname::text, :prefix)"
        ),
        {"prefix": PREFIX},
    )
    for each in found.all():
        if is_stale(each.comment):
            # Without FORCE it fails while anybody is connected.
            with suppress(DBAPIError):
                real.exec_driver_sql(f"DROP DATABASE IF EXISTS {each.datname}")


def _message(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split()).rstrip(".")
