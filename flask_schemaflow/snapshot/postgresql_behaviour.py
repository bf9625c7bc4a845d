"""What PostgreSQL tables do by themselves: triggers, rules, policies; and their extended statistics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from .postgresql_catalog import Catalog, yes
from .postgresql_texts import normal_expression, normal_statement
from .structure import Part, facts_of

_ENABLED = {"D": "disabled", "R": "on replicas only", "A": "always"}
_COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}


def read_behaviour(catalog: Catalog) -> dict[int, list[Part]]:
    """Make a part of each trigger, rule, policy and extended statistics. Never touches a database."""
    parts: dict[int, list[Part]] = defaultdict(list)
    for read in (_triggers, _rules, _policies, _statistics):
        for table, part in read(catalog):
            parts[table].append(part)
    return parts


def _triggers(catalog: Catalog) -> Iterator[tuple[int, Part]]:
    for oid, table, name, enabled, definition in catalog.rows["triggers"]:
        yield table, _statement(catalog, "trigger", oid, table, name, enabled, definition)


def _rules(catalog: Catalog) -> Iterator[tuple[int, Part]]:
    for oid, table, name, enabled, definition in catalog.rows["rules"]:
        yield table, _statement(catalog, "rule", oid, table, name, enabled, definition)


def _statement(
    catalog: Catalog, kind: str, oid: int, table: int, name: str, enabled: str, definition: str
) -> Part:
    facts = {
        "definition": normal_statement(_of_default_schema(catalog, table, definition)),
        "enabled": _ENABLED.get(enabled),
        "comment": catalog.comments.get((oid, 0)),
    }
    return Part(kind=kind, name=name, facts=facts_of(facts), definition=definition)


def _of_default_schema(catalog: Catalog, table: int, definition: str) -> str:
    """Take the schema away that these texts name even where it is the default one."""
    relation = catalog.relations.get(table)
    if relation is None:
        return definition
    for word in ("ON", "TO"):
        definition = definition.replace(
            f" {word} {relation.written_in_full} ", f" {word} {relation.written} ", 1
        )
    return definition


def _policies(catalog: Catalog) -> Iterator[tuple[int, Part]]:
    secured = {each.oid for each in catalog.relations.values() if each.row_security}
    for oid, table, name, command, permissive, roles, using, check in catalog.rows["policies"]:
        facts = {
            "command": _COMMANDS.get(command),
            "restrictive": yes(not permissive),
            "roles": roles if roles != "PUBLIC" else None,
            "using": None if using is None else normal_expression(using),
            "with-check": None if check is None else normal_expression(check),
            "comment": catalog.comments.get((oid, 0)),
        }
        yield (
            table,
            Part(kind="policy", name=name, surrounding=table not in secured, facts=facts_of(facts)),
        )


def _statistics(catalog: Catalog) -> Iterator[tuple[int, Part]]:
    for table, name, written, definition in catalog.rows["statistics"]:
        _, _, content = definition.partition(f"{written} ")
        yield (
            table,
            Part(
                kind="statistics",
                name=name,
                surrounding=True,
                facts={"definition": normal_statement(content)},
                definition=definition,
            ),
        )
