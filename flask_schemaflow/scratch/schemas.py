"""The schemas of the real PostgreSQL database, which have to be there before anything runs on scratch.

Alembic makes its version table before the first revision, and ``create_all`` makes no schema: both need
what somebody made by hand. A revision that makes a schema itself finds none in its way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, event, text

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_LENT = "schemaflow_lent_schemas"

# Those of extensions come with them.
_THERE = """
SELECT quote_ident(nspname) FROM pg_namespace AS n
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT EXISTS (SELECT 1 FROM pg_depend AS e WHERE e.classid = 'pg_namespace'::regclass
        AND e.objid = n.oid AND e.deptype = 'e')
ORDER BY nspname
"""
_MADE = text("SELECT oid, nspname FROM pg_namespace WHERE oid IN :oids").bindparams(
    bindparam("oids", expanding=True)
)
_EMPTY = (
    "SELECT 1 FROM pg_namespace AS n WHERE nspname = {name} AND oid = ANY ('{{{oids}}}'::oid[]) "
    "AND NOT EXISTS (SELECT 1 FROM pg_depend "
    "WHERE refclassid = 'pg_namespace'::regclass AND refobjid = n.oid)"
)
_CREATE = re.compile(
    r"\s*CREATE\s+SCHEMA\s+(?:IF\s+NOT\s+EXISTS\s+)?(?!AUTHORIZATION\b)(?P<name>\"(?:[^\"]|\"\")+\"|[\w$]+)",
    re.IGNORECASE,
)


def lend_schemas(real: Connection, scratch: Connection) -> None:
    """Make the real database's schemas, empty, on a scratch database."""
    before = set(scratch.exec_driver_sql("SELECT oid FROM pg_namespace").scalars())
    for schema in real.exec_driver_sql(_THERE).scalars():
        scratch.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}".replace("%", "%%"))
    after = set(scratch.exec_driver_sql("SELECT oid FROM pg_namespace").scalars())
    scratch.info[_LENT] = frozenset(after - before)


def lent_schemas(scratch: Connection) -> frozenset[str]:
    """Name the schemas that are there because the real database has them: no revision made them."""
    oids = scratch.info.get(_LENT)
    if not oids:
        return frozenset()
    return frozenset(name for _, name in scratch.execute(_MADE, {"oids": sorted(oids)}))


@contextmanager
def lent_until_made(scratch: Connection) -> Iterator[None]:
    """Drop a lent schema as long as it is empty, when a statement inside the block is to make it."""

    def before(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        found = _CREATE.match(statement)
        if found is not None:
            _give_way(connection, found["name"], scratch.info.get(_LENT, frozenset()))

    event.listen(scratch.engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(scratch.engine, "before_cursor_execute", before)


def _give_way(connection: Connection, written: str, oids: frozenset[int]) -> None:
    name = written[1:-1].replace('""', '"') if written.startswith('"') else written.lower()
    literal = "'{}'".format(name.replace("'", "''"))
    is_empty = _EMPTY.format(name=literal, oids=",".join(map(str, sorted(oids)))).replace("%", "%%")
    if oids and connection.exec_driver_sql(is_empty).scalar():
        connection.exec_driver_sql(f"DROP SCHEMA {written}".replace("%", "%%"))
