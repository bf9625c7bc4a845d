"""Read and write the version table."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from .errors import UnadoptableState
from .history import JOURNAL_TABLE, OWN_TABLES, TABLE, history_table

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

DEFAULT_TABLE = "alembic_version"


def read_versions(connection: Connection, table: str, schema: str | None = None) -> tuple[str, ...] | None:
    """Give the revisions in the version table, sorted; None where there is no such table. Read-only.

    :raises UnadoptableState: the table has no column ``version_num``.
    """
    inspector = sa.inspect(connection)
    if not inspector.has_table(table, schema):
        return None
    columns = [column["name"] for column in inspector.get_columns(table, schema)]
    if "version_num" not in columns:
        raise UnadoptableState(
            f"The version table {table!r} has the columns {', '.join(columns)} and no version_num, so "
            "it is not Alembic's. Name another one: Migrate(app, db, version_table=…)."
        )
    version = sa.table(table, sa.column("version_num"), schema=schema)
    rows = connection.execute(sa.select(version.c.version_num)).scalars()
    return tuple(sorted(str(row) for row in rows))


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What one query says of a database: its revisions, and how the newest entry of its history ended."""

    versions: tuple[str, ...]
    last_outcome: str | None = None


def glance_at(
    connection: Connection,
    table: str,
    schema: str | None = None,
    *,
    with_history: bool,
    at_work: str = "FALSE",
) -> Glance | None:
    """Read version rows and the newest entry of the history with one query; None if anything is odd.

    Odd is also a database that has no other table, or where a revision was begun and not ended: it has a
    journal. Read-only.

    :param with_history: there may be a history; where there is none, or none that this user may read, a
        second query is needed.
    :param at_work: what says in MariaDB's SQL that a revision runs now; then its journal is not odd.
    :raises DBAPIError: the version table cannot be read, or the session is gone.
    """
    for asked in (True, False) if with_history else (False,):
        try:
            asking = _glance(connection, table, schema, with_history=asked, at_work=at_work)
            rows = connection.execute(asking).all()
        except sa.exc.DBAPIError as error:
            connection.rollback()
            if _is_about(error, _NOT_THERE) or (asked and _is_about(error, _NOT_ALLOWED)):
                continue
            raise
        if not all(others for _, others, *_ in rows):
            return None
        versions = tuple(sorted(str(row[0]) for row in rows))
        return Glance(versions=versions, last_outcome=rows[0][2] if rows and asked else None)
    return None


# SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), and MariaDB's numbers
# (https://mariadb.com/kb/en/mariadb-error-code-reference/); SQLite has words.
_NOT_THERE = ("42P01", "42703", "3F000", "1146", "1054", "1049")
_NOT_ALLOWED = ("42501", "1142", "1143")


def _is_about(error: sa.exc.DBAPIError, codes: tuple[str, ...]) -> bool:
    """Say whether a query failed for one of these reasons."""
    raised: Any = error.orig
    if isinstance(raised, sqlite3.Error):
        return codes is _NOT_THERE and str(raised).startswith("no such ")
    named = (*raised.args[:1], getattr(raised, "sqlstate", None), getattr(raised, "pgcode", None))
    return any(str(code) in codes for code in named)


def newest_entry_id(connection: Connection, schema: str | None = None) -> int:
    """Give the id of the newest entry of the history; 0 where there is none. Read-only."""
    if not sa.inspect(connection).has_table(TABLE, schema):
        return 0
    return connection.execute(sa.select(sa.func.max(history_table(schema).c.id))).scalar() or 0


def _glance(
    connection: Connection, table: str, schema: str | None, *, with_history: bool, at_work: str
) -> sa.Select[tuple[Any, ...]]:
    version = sa.table(table, sa.column("version_num"), schema=schema)
    own: sa.BindParameter[Any] = sa.bindparam("own", (table, *OWN_TABLES), expanding=True)
    others = sa.text(_OTHER_TABLES[connection.dialect.name].format(at_work=at_work)).bindparams(own)
    columns: list[Any] = [version.c.version_num, others]
    if with_history:
        history = history_table(schema)
        newest = sa.select(history.c.outcome).order_by(history.c.id.desc()).limit(1)
        columns.append(newest.scalar_subquery())
    return sa.select(*columns)


_IN_SCHEMA = (
    f"(SELECT SUM(table_name NOT IN :own) * (SUM(table_name = '{JOURNAL_TABLE}') = 0 OR {{at_work}}) "
    "FROM information_schema.tables WHERE table_schema = DATABASE())"
)
_OTHER_TABLES = {
    "sqlite": "(SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT IN :own)",
    "postgresql": "(SELECT count(*) FROM (SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n "
    "ON n.oid = relnamespace WHERE relkind IN ('r', 'p') AND relname NOT IN :own AND nspname NOT IN "
    "('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)' LIMIT 1) AS others)",
    "mysql": _IN_SCHEMA,
    "mariadb": _IN_SCHEMA,
}


def create_version_table(
    connection: Connection, table: str, schema: str | None = None, *, pk: bool = True
) -> None:
    """Make an empty version table where there is none, as Alembic does (``DefaultImpl.version_table_impl``).

    Writes nothing else.
    """
    version = sa.Table(
        table, sa.MetaData(), sa.Column("version_num", sa.String(32), nullable=False), schema=schema
    )
    if pk:
        version.append_constraint(sa.PrimaryKeyConstraint("version_num", name=f"{table}_pkc"))
    version.create(connection, checkfirst=True)


def drop_version_table(connection: Connection, table: str, schema: str | None = None) -> None:
    """Take a version table away again that we made and nobody filled."""
    if read_versions(connection, table, schema) == ():
        sa.Table(table, sa.MetaData(), schema=schema).drop(connection)


def clear_versions(connection: Connection, table: str, schema: str | None = None) -> None:
    """Take all revisions out of the version table. Writes the version table only."""
    connection.execute(sa.table(table, schema=schema).delete())


def write_version(connection: Connection, revision: str, table: str, schema: str | None = None) -> None:
    """Put one revision into an empty version table. Writes the version table only."""
    version = sa.table(table, sa.column("version_num"), schema=schema)
    connection.execute(version.insert().values(version_num=revision))
