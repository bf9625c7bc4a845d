"""Read and write the version table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from .errors import UnadoptableState

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


def read_version_rows(
    connection: Connection, table: str, schema: str | None = None
) -> tuple[str, ...] | None:
    """Give the revisions with one query, and None for whatever is not as it should be. Read-only.

    Not as it should be is also a database that has no other table.
    """
    version = sa.table(table, sa.column("version_num"), schema=schema)
    others = sa.text(_OTHER_TABLES[connection.dialect.name]).bindparams(version_table=table)
    try:
        rows = connection.execute(sa.select(version.c.version_num, others)).all()
    except sa.exc.DBAPIError:
        connection.rollback()
        return None
    if not all(number for _, number in rows):
        return None
    return tuple(sorted(str(revision) for revision, _ in rows))


_IN_SCHEMA = (
    "(SELECT count(*) FROM information_schema.tables WHERE table_name <> :version_table "
    "AND table_schema = DATABASE())"
)
_OTHER_TABLES = {
    "sqlite": "(SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name <> :version_table)",
    "postgresql": "(SELECT count(*) FROM (SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n "
    "ON n.oid = relnamespace WHERE relkind IN ('r', 'p') AND relname <> :version_table AND nspname NOT IN "
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


def write_version(connection: Connection, revision: str, table: str, schema: str | None = None) -> None:
    """Put one revision into an empty version table. Writes the version table only."""
    version = sa.table(table, sa.column("version_num"), schema=schema)
    connection.execute(version.insert().values(version_num=revision))
