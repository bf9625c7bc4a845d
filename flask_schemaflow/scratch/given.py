"""Scratch in a database that was given for it (``SCHEMAFLOW_SCRATCH_URI``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine
from sqlalchemy.exc import ArgumentError

from ..errors import Busy, ConfigurationError
from ..session import family_of, identity_on, note_default_schema, server_connection, target_of
from .fence import fenced
from .mysql import other_databases
from .postgresql import prepare
from .schemas import lent_until_made

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from .source import Source

_WAIT = 30  # seconds, for another process that uses the same database


@contextmanager
def given_database(source: Source) -> Iterator[Connection]:
    """Use a database that must be empty, and empty it again. Never the real one.

    :raises ConfigurationError: it is the real one, is not empty, or is of another kind or major version.
    :raises Busy: another process uses it.
    """
    engine = _engine(source)
    if _family(engine) != _family(source.engine):
        raise ConfigurationError(
            f"SCHEMAFLOW_SCRATCH_URI is a {engine.dialect.name} database, the app's is "
            f"{source.engine.dialect.name}."
        )
    kind = _KINDS["postgresql" if engine.dialect.name == "postgresql" else "mysql"]
    with (
        server_connection(source.engine) as real,
        server_connection(engine, isolation_level="AUTOCOMMIT") as keeper,
        server_connection(engine, once=True) as connection,
    ):
        _check(engine, real, keeper)
        if [keeper.exec_driver_sql(each.format(wait=_WAIT)).scalar() for each in kind.lock][-1] != 1:
            raise Busy(f"{target_of(engine)} (SCHEMAFLOW_SCRATCH_URI) is used by another process.")
        _check_empty(engine, keeper)
        try:
            kind.prepare(real, connection)
            others = kind.others(connection)
            connection.commit()
            note_default_schema(connection)
            with fenced(connection, others), lent_until_made(connection):
                yield connection
        finally:
            connection.rollback()
            connection.close()
            kind.empty(keeper)


def _engine(source: Source) -> Engine:
    assert source.uri is not None
    try:
        return create_engine(source.uri)
    except (ArgumentError, ImportError, ValueError) as error:
        raise ConfigurationError(f"SCHEMAFLOW_SCRATCH_URI cannot be used: {type(error).__name__}.") from None


def _family(engine: Engine) -> str:
    return "mysql" if engine.dialect.name == "mariadb" else engine.dialect.name


def _check(engine: Engine, real: Connection, given: Connection) -> None:
    if identity_on(real) == identity_on(given):
        raise ConfigurationError(
            f"SCHEMAFLOW_SCRATCH_URI ({target_of(engine)}) is the app's own database. Name an empty one."
        )
    wanted, found = _version(real), _version(given)
    if wanted != found:
        raise ConfigurationError(
            f"SCHEMAFLOW_SCRATCH_URI ({target_of(engine)}) is {found}, the app's database {wanted}: "
            "structures of different versions cannot be compared."
        )


def _version(connection: Connection) -> str:
    family = family_of(connection.dialect)
    numbers: Any = connection.dialect.server_version_info
    return ".".join(str(each) for each in (family, *numbers[: 1 if family == "postgresql" else 2]))


def first_content(connection: Connection) -> str | None:
    """Name something that is in a server's database; None where it is empty. Read-only."""
    kind = _KINDS["postgresql" if connection.dialect.name == "postgresql" else "mysql"]
    found: str | None = connection.exec_driver_sql(kind.content).scalar()
    return found


def _check_empty(engine: Engine, given: Connection) -> None:
    found = first_content(given)
    if found is not None:
        raise ConfigurationError(
            f"SCHEMAFLOW_SCRATCH_URI ({target_of(engine)}) is not empty: it has {found}. Name an empty one."
        )


# -- what differs between the engines --------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """The statements of one engine: ``content`` names something that is there, or gives nothing.

    ``lock`` waits for ``{wait}`` seconds; the last one gives 1 where it has the lock.
    """

    lock: tuple[str, ...]
    content: str
    prepare: Callable[[Connection, Connection], None]
    empty: Callable[[Connection], None]
    others: Callable[[Connection], Iterable[str]]


_OF_USERS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"


def _of_nobody(catalog: str, oid: str) -> str:
    """Leave out what belongs to an extension."""
    return (
        f"NOT EXISTS (SELECT 1 FROM pg_depend AS e WHERE e.classid = '{catalog}'::regclass "
        f"AND e.objid = {oid} AND e.deptype = 'e')"
    )


# Everything in a database, with the statement that drops it, by name.
_CONTENT = f"""
SELECT kind || ' ' || name, 'DROP ' || kind || ' IF EXISTS ' || name || ' CASCADE' FROM (
    SELECT 1 AS rank, 'SCHEMA' AS kind, quote_ident(nspname) AS name FROM pg_namespace AS n
    WHERE {_OF_USERS} AND nspname <> 'public' AND {_of_nobody("pg_namespace", "n.oid")}
        AND NOT EXISTS (SELECT 1 FROM pg_extension WHERE extnamespace = n.oid)
    UNION ALL
    SELECT 2, CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
        WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, c.oid::regclass::text
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE {_OF_USERS} AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND {_of_nobody("pg_class", "c.oid")}
    UNION ALL
    SELECT 3, CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, t.oid::regtype::text
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = typnamespace
    WHERE {_OF_USERS} AND typtype IN ('e', 'd', 'r') AND {_of_nobody("pg_type", "t.oid")}
    UNION ALL
    SELECT 4, 'ROUTINE', p.oid::regprocedure::text
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = pronamespace
    WHERE {_OF_USERS} AND {_of_nobody("pg_proc", "p.oid")}
) AS content ORDER BY rank, name
"""


def _empty_postgresql(connection: Connection) -> None:
    """Drop everything but the schema itself, which may be somebody else's."""
    connection.exec_driver_sql("SET search_path = ''")
    for _name, statement in connection.exec_driver_sql(_CONTENT).all():
        connection.exec_driver_sql(statement.replace("%", "%%"))


def _empty_mysql(connection: Connection) -> None:
    name, charset, collation = connection.exec_driver_sql(
        "SELECT DATABASE(), @@character_set_database, @@collation_database"
    ).one()
    quoted = connection.dialect.identifier_preparer.quote_identifier(name)
    connection.exec_driver_sql(f"DROP DATABASE {quoted}")
    connection.exec_driver_sql(f"CREATE DATABASE {quoted} CHARACTER SET {charset} COLLATE {collation}")


def _others_mysql(connection: Connection) -> list[str]:
    name = connection.exec_driver_sql("SELECT DATABASE()").scalar_one()
    return other_databases(connection, name)


_KINDS = {
    "postgresql": _Kind(
        lock=(
            "SELECT set_config('lock_timeout', '{wait}s', false)",
            "SELECT 1 FROM (SELECT pg_advisory_lock(7236833)) AS held",
        ),
        content=_CONTENT,
        prepare=prepare,
        empty=_empty_postgresql,
        others=lambda _connection: (),
    ),
    "mysql": _Kind(
        lock=("SELECT GET_LOCK(CONCAT('schemaflow_scratch ', DATABASE()), {wait})",),
        content="SELECT MIN(name) FROM ("
        "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() "
        "UNION SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() "
        "UNION SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()) AS content",
        prepare=lambda _real, _connection: None,
        empty=_empty_mysql,
        others=_others_mysql,
    ),
}
