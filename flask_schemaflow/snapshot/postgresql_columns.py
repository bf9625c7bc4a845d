"""Columns of PostgreSQL tables, with the sequences that belong to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .postgresql_texts import normal_expression
from .structure import Object, Part, facts_of

if TYPE_CHECKING:
    from .postgresql_catalog import Catalog

_IDENTITY = {"a": "identity always", "d": "identity by default"}
_GENERATED = {"s": "STORED", "v": "VIRTUAL"}
_STORAGE = {"p": "plain", "e": "external", "m": "main", "x": "extended"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}


@dataclass(frozen=True)
class _Sequence:
    """A sequence that belongs to a column: the default that takes its values, and its options."""

    oid: int
    default: str
    type: str
    options: str | None


@dataclass(frozen=True, kw_only=True)
class ColumnsRead:
    """The columns by table; ``sequences`` are those in use by the columns that own them."""

    parts: dict[int, list[Part]]
    sequences: frozenset[int]


def read_columns(catalog: Catalog) -> ColumnsRead:
    """Make a part of each column. Never touches a database."""
    owned = _owned_sequences(catalog)
    parts: dict[int, list[Part]] = defaultdict(list)
    used: set[int] = set()
    owners = {sequence.default: owner for owner, sequence in owned.items()}
    for row in catalog.rows["columns"]:
        table, number, name, type_, not_null, default, identity, generated, *rare = row
        of_table = parts[table]
        facts: dict[str, str] = {"type": type_, "position": str(len(of_table))}
        if not_null:
            facts["nullable"] = "no"
        sequence = owned.get((table, number))
        if sequence is not None and (identity or default == sequence.default):
            used.add(sequence.oid)
            facts["autoincrement"] = _IDENTITY.get(identity, "serial")
            facts.update(_sequence_facts(sequence, type_))
        elif default is not None:
            text = normal_expression(default)
            if generated:
                facts["generated"] = f"({text}) {_GENERATED[generated]}"
            elif default in owners:  # of another column: a table that inherits its parent's
                facts["default"] = f"nextval({_column(catalog, *owners[default])})"
            else:
                facts["default"] = text
        if any(each is not None for each in rare):
            facts.update(_rare_facts(rare))
        if (table, number) in catalog.comments:
            facts["comment"] = catalog.comments[table, number]
        # The default as the server writes it: it alone names the sequence of a serial column.
        of_table.append(Part(kind="column", name=name, facts=facts, definition=default or ""))
    return ColumnsRead(parts=parts, sequences=frozenset(used))


def _column(catalog: Catalog, table: int, number: int) -> str:
    return f"{catalog.table(table)}.{catalog.column(table, number)}"


def _rare_facts(rare: list[Any]) -> dict[str, str]:
    collation, statistics, storage, compression, options = rare
    return facts_of(
        {
            "collation": collation,
            "statistics-target": None if statistics is None else str(statistics),
            "storage": _STORAGE.get(storage),
            "compression": _COMPRESSION.get(compression),
            "options": _known_options(options),
        }
    )


def _known_options(options: str | None) -> str | None:
    """Keep the options that the manual knows; some servers keep marks of their own there."""
    known = [each for each in (options or "").split(", ") if each.startswith("n_distinct")]
    return ", ".join(sorted(known)) or None


# -- sequences -------------------------------------------------------------------------------------

_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


def _owned_sequences(catalog: Catalog) -> dict[tuple[int, int], _Sequence]:
    owned = {}
    for oid, written, type_, *options, table, column in catalog.rows["sequences"]:
        if table is not None:
            text = written.replace("'", "''")
            owned[table, column] = _Sequence(
                oid, f"nextval('{text}'::regclass)", type_, _options(type_, options)
            )
    return owned


def _sequence_facts(sequence: _Sequence, column_type: str) -> dict[str, str]:
    """Give what is not usual; before PostgreSQL 10 the sequence of a serial column was always bigint."""
    type_ = sequence.type if sequence.type != column_type else None
    return facts_of({"sequence": sequence.options, "sequence-type": type_})


def read_sequences(catalog: Catalog, in_use: frozenset[int]) -> list[Object]:
    """Make an object of each sequence that is not a fact of its column. Never touches a database."""
    sequences = {row[0]: row for row in catalog.rows["sequences"]}
    objects = []
    for found in catalog.relations.values():
        if found.kind != "S" or found.oid in in_use or found.of_extension:
            continue
        _, _, type_, *options, table, column = sequences[found.oid]
        owner = None if table is None else _column(catalog, table, column)
        facts = {
            "type": type_,
            "options": _options(type_, options),
            "owned-by": owner,
            "persistence": "unlogged" if found.persistence == "u" else None,
            "grants": found.grants,
            "comment": catalog.comments.get((found.oid, 0)),
        }
        objects.append(Object(kind="sequence", name=found.name, schema=found.schema, facts=facts_of(facts)))
    return objects


def _options(type_: str, values: Sequence[Any]) -> str | None:
    """Write the options that are not the defaults for a sequence of this type and direction.

    (https://www.postgresql.org/docs/current/sql-createsequence.html)
    """
    start, increment, lowest, highest, cache, cycles = values
    largest = _LARGEST[type_]
    rising = increment > 0
    usual_lowest, usual_highest = (1, largest) if rising else (-largest - 1, -1)
    usual_start = lowest if rising else highest
    options = {
        "INCREMENT BY": None if increment == 1 else increment,
        "MINVALUE": None if lowest == usual_lowest else lowest,
        "MAXVALUE": None if highest == usual_highest else highest,
        "START WITH": None if start == usual_start else start,
        "CACHE": None if cache == 1 else cache,
    }
    written = [f"{word} {value}" for word, value in options.items() if value is not None]
    return " ".join([*written, *(["CYCLE"] if cycles else [])]) or None
