"""Rules for domains: the tables that use one are read, or written anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..revisions import TableName
from .effect import AddsColumn, Does
from .hazard import ROWS, Hazard, Kind
from .parts import bare, parts_of
from .pending import Pending, label
from .questions import size_of

if TYPE_CHECKING:
    from ..snapshot import Object

_KIND = Kind(
    "domain-with-constraint",
    ("blocking",),
    "Put the check on the column, with NOT VALID, and validate it in the next revision. ALTER DOMAIN ... ADD "
    "CONSTRAINT ... NOT VALID locks nobody out either; its VALIDATE CONSTRAINT does before PostgreSQL 18.",
)
# What statements do: a check is added to a domain, is held against what is there, comes with a new domain.
_ADDS, _VALIDATES, _MAKES = "domain-with-constraint", "validated-domain", "checked-domain"


def checked_domain(pending: Pending) -> Iterator[Hazard]:
    """Find domains that get a check: PostgreSQL holds it against every table that uses them."""
    if pending.family != "postgresql":
        return
    locking = (_ADDS, _VALIDATES) if pending.serves_no(18) else (_ADDS,)
    for effect, met in pending.of(Does):
        if effect.what not in locking:
            continue
        tables = pending.structures.real.tables
        for table in (table for table in tables if _uses(table, effect.name)):
            name = TableName(table.schema, table.name)
            message = (
                f"Holds a check of the domain {effect.name} against {label(name)} under SHARE: nobody "
                f"writes {ROWS} meanwhile."
            )
            yield pending.found(_KIND, met, effect.name, message, question=size_of(name))
        if not tables:
            message = (
                f"Holds a check of the domain {effect.name} against every table that uses it, under SHARE."
            )
            yield pending.found(_KIND, met, effect.name, message)


def column_of_checked_domain(pending: Pending) -> Iterator[Hazard]:
    """Find new columns of a domain with a check: PostgreSQL writes the table anew."""
    if pending.family != "postgresql":
        return
    checked = set(_with_a_check(pending))
    for effect, met in pending.of(AddsColumn):
        if met.table is not None and _plain(effect.said.type or "") in checked:
            subject = label(effect.table, effect.column)
            message = (
                f"Adds the column {subject} of the domain {effect.said.type}, which has a check: the table "
                f"is written anew under ACCESS EXCLUSIVE, nobody reads or writes {ROWS} meanwhile."
            )
            yield pending.found(_KIND, met, subject, message, question=size_of(met.table))


def _with_a_check(pending: Pending) -> Iterator[str]:
    for each in pending.structures.real.objects:
        if each.kind == "domain" and (each.facts.get("nullable") == "no" or any(parts_of(each, "check"))):
            yield each.name
    for one in (*pending.so_far, pending):
        yield from (effect.name for effect, _ in one.of(Does) if effect.what in (_ADDS, _MAKES))


def _uses(table: Object, domain: str) -> bool:
    return any(_plain(column.facts.get("type", "")) == domain for column in parts_of(table, "column"))


def _plain(type_: str) -> str:
    """Give the name of a type without its schema and brackets."""
    return bare(type_.removesuffix("[]").rpartition(".")[2])


RULES = (checked_domain, column_of_checked_domain)
KINDS = (_KIND,)
