"""Read the structure of a PostgreSQL database: a fixed number of catalog queries, however many tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import filterfalse
from typing import TYPE_CHECKING

from .postgresql_behaviour import read_behaviour
from .postgresql_catalog import Catalog, Relation, read_catalog
from .postgresql_columns import read_columns, read_sequences
from .postgresql_constraints import read_constraints
from .postgresql_objects import function_name, read_extensions, read_functions, read_schemas, read_types
from .postgresql_texts import normal_statement
from .structure import VIEWS, Object, Part, Snapshot, facts_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_KINDS = {
    "r": "table",
    "p": "table",
    "f": "foreign-table",
    "v": "view",
    "m": "materialized-view",
    "c": "composite-type",
}
_LOCKABLE = frozenset({*_KINDS.values(), "sequence", "function", "procedure"})
_REPLICA_IDENTITY = {"f": "full", "n": "nothing"}


def snapshot_postgresql(connection: Connection) -> Snapshot:
    """Read everything in the database but the server's own schemas and what belongs to extensions.

    Names are without schema in the first schema of the connection's search path. Read-only.
    """
    return _snapshot(read_catalog(connection))


def _snapshot(catalog: Catalog) -> Snapshot:
    columns = read_columns(catalog)
    constraints = read_constraints(catalog)
    objects = [
        *_relations(
            catalog,
            (columns.parts, constraints.parts, read_behaviour(catalog)),
            constraints.facts,
        ),
        *read_sequences(catalog, columns.sequences),
        *read_types(catalog, constraints.of_domains),
        *read_functions(catalog),
        *read_schemas(catalog),
        *read_extensions(catalog),
    ]
    return Snapshot(
        family="postgresql",
        server_version=divmod(catalog.version, 10000),
        objects=_sorted(objects),
    )


def _sorted(objects: Iterable[Object]) -> tuple[Object, ...]:
    return tuple(sorted(objects, key=lambda each: (each.kind, each.label)))


# -- around locks ----------------------------------------------------------------------------------

# Reading the text of an index, a check, a default, a view waits for whoever has locked the table, or is the
# next to do so; what reads such a table in its own text as well. Of those to which we hold a lock nobody else
# has such a one (https://www.postgresql.org/docs/current/explicit-locking.html; tried with version 15).
_LOCKED_ELSEWHERE = """
WITH RECURSIVE locks AS (
    SELECT relation, mode, pid IS NOT DISTINCT FROM pg_backend_pid() AS is_ours FROM pg_catalog.pg_locks
    WHERE locktype = 'relation'
        AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
), locked (oid) AS (
    SELECT relation FROM locks WHERE mode = 'AccessExclusiveLock' AND NOT is_ours
        AND relation NOT IN (SELECT relation FROM locks WHERE is_ours)
    UNION
    SELECT coalesce(r.ev_class, p.polrelid, f.oid) FROM locked
    JOIN pg_catalog.pg_depend AS d
        ON d.refobjid = locked.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
    LEFT JOIN pg_catalog.pg_rewrite AS r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_catalog.pg_policy AS p ON d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
    LEFT JOIN pg_catalog.pg_proc AS f ON d.classid = 'pg_catalog.pg_proc'::regclass AND f.oid = d.objid
    WHERE coalesce(r.ev_class, p.polrelid, f.oid) IS NOT NULL
)
SELECT oid FROM locked
"""


def snapshot_around_locks(connection: Connection, last: Snapshot) -> Snapshot | None:
    """Read everything but what waits for a lock of another session, which is taken from ``last``.

    None where nothing does. What our own transaction has used cannot be locked so by others: it holds its
    own locks to its end. Read-only.
    """
    locked = frozenset(connection.exec_driver_sql(_LOCKED_ELSEWHERE).scalars())
    if not locked:
        return None
    catalog = read_catalog(connection, without=locked)
    sequences = {row[0] for row in catalog.rows["sequences"] if row[-2] in locked}
    there = (catalog.relations.get(oid) for oid in locked | sequences)
    names = {(each.schema, each.name) for each in there if each is not None}
    names |= {function_name(catalog, row) for row in catalog.rows["functions"] if row[0] in locked}

    def is_locked(each: Object) -> bool:
        return (each.schema, each.name) in names and each.kind in _LOCKABLE

    read = _snapshot(catalog)
    objects = [*filterfalse(is_locked, read.objects), *filter(is_locked, last.objects)]
    return replace(read, objects=_sorted(objects))


# -- relations -------------------------------------------------------------------------------------


def _relations(
    catalog: Catalog,
    parts: Sequence[Mapping[int, list[Part]]],
    more_facts: Mapping[int, dict[str, str]],
) -> Iterator[Object]:
    uses = _uses(catalog)
    for found in catalog.relations.values():
        if found.kind not in _KINDS or found.of_extension:
            continue
        facts = _FACTS.get(_KINDS[found.kind], _no_facts)(catalog, found)
        facts["comment"] = catalog.comments.get((found.oid, 0))
        facts["grants"] = found.grants
        yield Object(
            kind=_KINDS[found.kind],
            name=found.name,
            schema=found.schema,
            facts={**facts_of(facts), **more_facts.get(found.oid, {})},
            parts=tuple(part for kind in parts for part in kind.get(found.oid, ())),
            surrounding=found.is_partition,
            definition=_definition(found),
            uses=frozenset(uses[found.oid]) if _KINDS[found.kind] in VIEWS else frozenset(),
            partition_of=_parent(catalog, found),
        )


def _uses(catalog: Catalog) -> Mapping[int, set[tuple[str | None, str]]]:
    uses: dict[int, set[tuple[str | None, str]]] = defaultdict(set)
    for view, schema, name in catalog.rows["uses"]:
        uses[view].add((catalog.schema(schema), name))
    return uses


def _parent(catalog: Catalog, found: Relation) -> tuple[str | None, str] | None:
    """Say of which table it is a partition; a partition has exactly one parent."""
    if not found.is_partition or not found.parents:
        return None
    parent = catalog.relations[found.parents[0]]
    return parent.schema, parent.name


def _definition(found: Relation) -> str:
    if found.query is None:
        return ""
    kind = "MATERIALIZED VIEW" if found.kind == "m" else "VIEW"
    return f"CREATE {kind} {found.written} AS\n{found.query}"


# -- facts -----------------------------------------------------------------------------------------

_Values = dict[str, str | None]


def _no_facts(_catalog: Catalog, _found: Relation) -> _Values:
    return {}


def _table(catalog: Catalog, found: Relation) -> _Values:
    parents = ", ".join(catalog.table(each) for each in found.parents or ()) or None
    security = "forced" if found.row_security_forced else "enabled"
    return {
        **_stored(found),
        "inherits": None if found.is_partition else parents,
        "partition-of": parents if found.is_partition else None,
        "partition-bounds": found.partition_bounds,
        "partition-by": None if found.partition_by is None else normal_statement(found.partition_by),
        "row-security": security if found.row_security else None,
        "of-type": found.of_type,
        "replica-identity": _REPLICA_IDENTITY.get(found.replica_identity),
    }


def _stored(found: Relation) -> _Values:
    return {
        "persistence": "unlogged" if found.persistence == "u" else None,
        "storage": found.options,
        "tablespace": found.tablespace,
        "access-method": found.access_method if found.access_method != "heap" else None,
    }


def _foreign_table(catalog: Catalog, found: Relation) -> _Values:
    here = {"server": found.server, "options": found.server_options, "replica-identity": None}
    return {**_table(catalog, found), **here}


def _view(_catalog: Catalog, found: Relation) -> _Values:
    return {"definition": _query(found), "options": found.options}


def _materialized_view(_catalog: Catalog, found: Relation) -> _Values:
    return {**_stored(found), "definition": _query(found)}


def _query(found: Relation) -> str:
    return normal_statement((found.query or "").removesuffix(";"))


_FACTS = {
    "table": _table,
    "foreign-table": _foreign_table,
    "view": _view,
    "materialized-view": _materialized_view,
}
