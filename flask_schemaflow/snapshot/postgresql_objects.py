"""Types, functions, schemas and extensions of a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .postgresql_catalog import Catalog, yes
from .postgresql_texts import normal_expression, normal_statement
from .structure import Object, Part, facts_of

_TYPES = {"e": "enum", "d": "domain", "r": "range"}
_FUNCTIONS = {"f": "function", "w": "function", "p": "procedure", "a": "aggregate"}
_VOLATILITY = {"i": "immutable", "s": "stable"}
_PARALLEL = {"s": "safe", "r": "restricted"}


def read_types(catalog: Catalog, checks: Mapping[int, Sequence[Part]]) -> Iterator[Object]:
    """Make an object of each enum, domain and range. Never touches a database.

    :param checks: those of the domains, by number.
    """
    for row in catalog.rows["types"]:
        oid, schema, name, kind, base, not_null, default, collation, labels, subtype, *of_range = row
        opclass, canonical, difference = of_range
        facts = {
            "labels": None if labels is None else ", ".join(map(_literal, labels)),
            "type": base,
            "nullable": "no" if not_null else None,
            "default": None if default is None else normal_expression(default),
            "collation": collation,
            "subtype": subtype,
            "operator-class": opclass,
            "canonical": canonical,
            "difference": difference,
            "comment": catalog.comments.get((oid, 0)),
        }
        yield Object(
            kind=_TYPES[kind],
            name=name,
            schema=catalog.schema(schema),
            facts=facts_of(facts),
            parts=tuple(checks.get(oid, ())),
        )


def _literal(label: str) -> str:
    return "'" + label.replace("'", "''") + "'"


def read_functions(catalog: Catalog) -> Iterator[Object]:
    """Make an object of each function; the types of its arguments are in its name.

    Never touches a database.
    """
    for row in catalog.rows["functions"]:
        oid, _, _, kind, _, *rest, definition = row
        schema, name = function_name(catalog, row)
        yield Object(
            kind=_FUNCTIONS[kind],
            name=name,
            schema=schema,
            facts=_function_facts(catalog, oid, kind, rest),
            definition=definition,
        )


def function_name(catalog: Catalog, row: Any) -> tuple[str | None, str]:
    """Give a function's schema, None for the default one, and its name with the types of its arguments."""
    _, schema, name, _, types, *_ = row
    return catalog.schema(schema), f"{name}({types})"


def _function_facts(catalog: Catalog, oid: int, kind: str, row: Sequence[Any]) -> dict[str, str]:
    arguments, result, language, source, statements, volatility, strict, definer, *rest = row
    leakproof, parallel, settings, cost, rows, aggregate = rest
    body = source if statements is None else normal_statement(statements)
    return facts_of(
        {
            "arguments": normal_statement(arguments) or None,
            "returns": result,
            "language": language,
            "body": aggregate if kind == "a" else body,
            "window": yes(kind == "w"),
            "volatility": _VOLATILITY.get(volatility),
            "strict": yes(strict),
            "security-definer": yes(definer),
            "leakproof": yes(leakproof),
            "parallel": _PARALLEL.get(parallel),
            "settings": settings,
            "cost": cost if cost not in ("1", "100") else None,
            "rows": rows if rows not in ("0", "1000") else None,
            "comment": catalog.comments.get((oid, 0)),
        }
    )


def read_schemas(catalog: Catalog) -> Iterator[Object]:
    """Make an object of each schema but the default ones. Never touches a database."""
    for oid, name in catalog.rows["schemas"]:
        if name not in ("public", catalog.default_schema):
            comment = catalog.comments.get((oid, 0))
            yield Object(kind="schema", name=name, facts=facts_of({"comment": comment}))


def read_extensions(catalog: Catalog) -> Iterator[Object]:
    """Make an object of each extension. Never touches a database."""
    for name, schema, version in catalog.rows["extensions"]:
        facts = {"schema": catalog.schema(schema), "version": version}
        yield Object(kind="extension", name=name, facts=facts_of(facts))
