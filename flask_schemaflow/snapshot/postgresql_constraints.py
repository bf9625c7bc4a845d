"""Keys, checks, exclusions and indexes of PostgreSQL tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .postgresql_catalog import Catalog, yes
from .postgresql_names import is_made_up
from .postgresql_texts import normal_expression, normal_statement, read_index
from .structure import Part, facts_of

_KINDS = {"p": "primary-key", "u": "unique", "f": "foreign-key", "c": "check", "x": "exclude"}
_LABELS = {"p": "pkey", "u": "key", "f": "fkey", "c": "check", "x": "excl"}
_ACTIONS = {"r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


@dataclass(frozen=True)
class _Constraint:
    """A row of ``pg_constraint``."""

    oid: int
    table: int
    domain: int
    name: str
    kind: str
    columns: Sequence[int] | None
    target: int
    target_columns: Sequence[int] | None
    on_update: str
    on_delete: str
    match: str
    set_columns: Sequence[int] | None
    deferrable: bool
    deferred: bool
    validated: bool
    enforced: bool
    no_inherit: bool
    period: bool
    index: int
    expression: str | None
    definition: str


@dataclass(frozen=True)
class _Index:
    """A row of ``pg_index``; ``definition`` and ``where`` only where it belongs to no constraint.

    ``named_after`` has its columns' names, which for expressions the server makes up.
    """

    oid: int
    table: int
    name: str
    unique: bool
    valid: bool
    nulls_not_distinct: bool
    clustered: bool
    replica_identity: bool
    storage: str | None
    tablespace: str | None
    definition: str | None
    where: str | None
    named_after: Sequence[str] | None
    keys: int
    columns: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class ConstraintsRead:
    """Constraints and indexes by table, checks by domain, and facts of tables that name an index."""

    parts: Mapping[int, list[Part]]
    of_domains: Mapping[int, list[Part]]
    facts: Mapping[int, dict[str, str]]


def read_constraints(catalog: Catalog) -> ConstraintsRead:
    """Make a part of each constraint and of each index that serves none. Never touches a database."""
    indexes = {row[0]: _Index(*row) for row in catalog.rows["indexes"]}
    parts: dict[int, list[Part]] = defaultdict(list)
    of_domains: dict[int, list[Part]] = defaultdict(list)
    facts: dict[int, dict[str, str]] = defaultdict(dict)
    domains = {row[0]: row[2] for row in catalog.rows["types"]}
    for row in catalog.rows["constraints"]:
        found = _Constraint(*row)
        if found.domain in domains:
            of_domains[found.domain].append(_domain_check(catalog, found, domains[found.domain]))
        elif found.table:
            parts[found.table].append(_constraint(catalog, found, indexes.get(found.index)))
    for index in indexes.values():
        if index.definition is not None:
            parts[index.table].append(_index(catalog, index))
        facts[index.table].update(_table_facts(index))
    return ConstraintsRead(parts=parts, of_domains=of_domains, facts=facts)


def _table_facts(index: _Index) -> dict[str, str]:
    return facts_of(
        {
            "clustered-on": index.name if index.clustered else None,
            "replica-identity": f"index {index.name}" if index.replica_identity else None,
        }
    )


# -- constraints -----------------------------------------------------------------------------------


def _constraint(catalog: Catalog, found: _Constraint, index: _Index | None) -> Part:
    facts = _FACTS[found.kind](catalog, found, index)
    if found.deferrable:
        facts["deferrable"] = f"DEFERRABLE INITIALLY {'DEFERRED' if found.deferred else 'IMMEDIATE'}"
    return Part(
        kind=_KINDS[found.kind],
        name=found.name,
        named=not _is_made_up(catalog, found, index),
        facts=facts_of({**facts, **_state(catalog, found)}),
        definition=found.definition,
    )


def _state(catalog: Catalog, found: _Constraint) -> dict[str, str | None]:
    return {
        "not-enforced": yes(not found.enforced),
        "not-valid": yes(found.enforced and not found.validated),
        "comment": catalog.comments.get((found.oid, 0)),
    }


def _is_made_up(catalog: Catalog, found: _Constraint, index: _Index | None) -> bool:
    columns = [catalog.column(found.table, number) for number in found.columns or ()]
    candidates: dict[str, list[Sequence[str]]] = {
        "p": [()],
        "u": [index.named_after if index and index.named_after else columns],
        "x": [index.named_after if index and index.named_after else columns],
        "f": [columns, columns[:1]],  # after the first one only, before PostgreSQL 12
        "c": [columns if len(columns) == 1 else ()],
    }
    table = catalog.relations.get(found.table)
    name = "" if table is None else table.name
    return is_made_up(found.name, name, _LABELS[found.kind], candidates[found.kind])


def _key(catalog: Catalog, found: _Constraint, index: _Index | None) -> dict[str, str | None]:
    facts: dict[str, str | None] = {"columns": catalog.listed(found.table, found.columns)}
    if found.period:
        facts["without-overlaps"] = "yes"
    return {**facts, **_index_facts(catalog, index)} if index else facts


def _exclusion(catalog: Catalog, found: _Constraint, index: _Index | None) -> dict[str, str | None]:
    text = found.definition
    for words in _STATES:
        text = text.removesuffix(words)
    facts: dict[str, str | None] = {"definition": normal_statement(text)}
    return facts | (_index_facts(catalog, index) if index else {})


# What may follow an exclusion's elements, from the end.
_STATES = (" NOT VALID", " NOT ENFORCED", " INITIALLY DEFERRED", " DEFERRABLE")


def _index_facts(catalog: Catalog, index: _Index) -> dict[str, str | None]:
    return {
        "include": catalog.listed(index.table, index.columns[index.keys :]) or None,
        "nulls-not-distinct": yes(index.nulls_not_distinct),
        "invalid": yes(not index.valid),
        "storage": index.storage,
        "tablespace": index.tablespace,
    }


def _foreign_key(catalog: Catalog, found: _Constraint, _index: _Index | None) -> dict[str, str | None]:
    on_delete = _ACTIONS.get(found.on_delete)
    if on_delete and found.set_columns:
        on_delete += f" ({catalog.listed(found.table, found.set_columns)})"
    return {
        "columns": catalog.listed(found.table, found.columns),
        "table": catalog.table(found.target),
        "references": catalog.listed(found.target, found.target_columns),
        "on-delete": on_delete,
        "on-update": _ACTIONS.get(found.on_update),
        "match": "FULL" if found.match == "f" else None,
        "period": yes(found.period),
    }


def _check(_catalog: Catalog, found: _Constraint, _index: _Index | None) -> dict[str, str | None]:
    return {
        "expression": normal_expression(found.expression or ""),
        "no-inherit": yes(found.no_inherit),
    }


_FACTS = {"p": _key, "u": _key, "f": _foreign_key, "c": _check, "x": _exclusion}


def _domain_check(catalog: Catalog, found: _Constraint, domain: str) -> Part:
    return Part(
        kind="check",
        name=found.name,
        named=not is_made_up(found.name, domain, "check", [()]),
        facts=facts_of({**_check(catalog, found, None), **_state(catalog, found)}),
        definition=found.definition,
    )


# -- indexes ---------------------------------------------------------------------------------------


def _index(catalog: Catalog, index: _Index) -> Part:
    assert index.definition is not None
    return Part(
        kind="index", name=index.name, facts=dict(_facts(catalog, index)), definition=index.definition
    )


def _facts(catalog: Catalog, index: _Index) -> Iterator[tuple[str, str]]:
    text = read_index(index.definition or "")
    yield "columns", ", ".join(text.elements)
    if text.method != "btree":
        yield "method", text.method
    if index.unique:
        yield "unique", "yes"
    if index.where is not None:
        yield "where", normal_expression(index.where)
    if (index.oid, 0) in catalog.comments:
        yield "comment", catalog.comments[index.oid, 0]
    yield from facts_of(_index_facts(catalog, index)).items()
