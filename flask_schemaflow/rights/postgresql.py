"""Ask PostgreSQL what the role may: https://www.postgresql.org/docs/current/ddl-priv.html."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from .lack import Lack, label
from .needs import OWN, Need

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# "USAGE" of a role is what counts for owners: a member that does not inherit may not. An index belongs to the
# owner of its table. Without a table's name in a catalog nothing is asked: it is made meanwhile.
_RELATIONS = """
SELECT w.schema AS wanted_schema, w.name AS wanted_name, n.nspname AS schema, c.relname AS name,
    coalesce(i.indrelid, c.oid)::regclass::text AS of_table, pg_get_userbyid(c.relowner) AS owner,
    pg_has_role(c.relowner, 'USAGE') AS owns, pg_has_role(n.nspowner, 'USAGE') AS owns_schema,
    has_table_privilege(c.oid, 'DELETE') AS "may_DELETE",
    has_table_privilege(c.oid, 'TRUNCATE') AS "may_TRUNCATE",
    has_any_column_privilege(c.oid, 'INSERT') AS "may_INSERT",
    has_any_column_privilege(c.oid, 'UPDATE') AS "may_UPDATE",
    has_any_column_privilege(c.oid, 'REFERENCES') AS "may_REFERENCES"
FROM unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) AS w (schema, name)
JOIN pg_class AS c ON c.relname = w.name JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
WHERE CASE WHEN w.schema IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = w.schema END
"""
_SCHEMAS = "SELECT nspname, has_schema_privilege(oid, 'CREATE'), nspname = current_schema() FROM pg_namespace"
_MEANS = {
    "INSERT": "may not insert into",
    "UPDATE": "may not update",
    "DELETE": "may not delete from",
    "TRUNCATE": "may not truncate",
    "REFERENCES": "may not refer to",
}


@dataclass(frozen=True)
class _Asked:
    role: str
    relations: dict[tuple[str | None, str], Any]
    schemas: dict[str, bool]
    current_schema: str | None


def lacks(connection: Connection, needs: Sequence[Need]) -> Iterator[Lack]:
    """Give what the role of a session lacks. Read-only.

    A superuser lacks nothing; a member of a role has what that one has, if it inherits.
    """
    asked = _ask(connection, needs)
    told = set()
    for need in needs:
        lack = _lack(need, asked, connection.dialect.identifier_preparer.quote)
        if lack is not None and lack.grant not in told:
            told.add(lack.grant)
            yield lack


def _ask(connection: Connection, needs: Sequence[Need]) -> _Asked:
    tables = list(dict.fromkeys(need.table for need in needs))
    wanted = {"schemas": [each.schema for each in tables], "names": [each.name for each in tables]}
    found = connection.execute(text(_RELATIONS), wanted).all()
    schemas = connection.exec_driver_sql(_SCHEMAS).all()
    return _Asked(
        role=connection.exec_driver_sql("SELECT current_user").scalar_one(),
        relations={(row.wanted_schema, row.wanted_name): row._mapping for row in found},
        schemas={name: may_create for name, may_create, _ in schemas},
        current_schema=next((name for name, _, is_current in schemas if is_current), None),
    )


def _lack(need: Need, asked: _Asked, quote: Any) -> Lack | None:
    there = asked.relations.get((need.table.schema, need.table.name))
    role = quote(asked.role)
    if need.right == "CREATE":
        schema = there["schema"] if there is not None else need.table.schema or asked.current_schema
        if asked.schemas.get(schema or "", True):
            return None
        return Lack(
            subject=str(schema),
            message=f"The role {asked.role} may not create anything in the schema {schema}, which "
            f"{label(need.table)} needs.",
            grant=f"GRANT CREATE ON SCHEMA {quote(schema)} TO {role}",
            need=need,
        )
    if there is None or there["owns"]:
        return None
    table = f"{quote(there['schema'])}.{quote(there['name'])}"
    if need.right in (OWN, "DROP"):
        if need.right == "DROP" and there["owns_schema"]:
            return None
        return Lack(
            subject=label(need.table),
            message=f"The role {asked.role} is not the owner of {label(need.table)} (that is "
            f"{there['owner']}), and only the owner may {'drop' if need.right == 'DROP' else 'alter'} it.",
            grant=f"ALTER TABLE {there['of_table']} OWNER TO {role}",
            need=need,
        )
    if there[f"may_{need.right}"]:
        return None
    return Lack(
        subject=label(need.table),
        message=f"The role {asked.role} {_MEANS[need.right]} {label(need.table)}.",
        grant=f"GRANT {need.right} ON {table} TO {role}",
        need=need,
    )
