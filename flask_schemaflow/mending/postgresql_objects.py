"""Types, sequences, functions, schemas and extensions of PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from .changes import Action, Change, Left, Outcome, Phase, Task, left
from .postgresql_counting import all_options
from .postgresql_enums import mend_labels
from .postgresql_parts import constraint_line
from .postgresql_words import called, comment_on, comments, quoted, written

if TYPE_CHECKING:
    from ..snapshot import Object

_EXTRA = "Others may use it; it stays."


def mend_object(change: Change, task: Task) -> Iterator[Outcome]:
    """Make or change what is no table and no view; what only the database has stays."""
    if change.part is not None or change.part_there is not None:
        yield from _mend_part(change)
    elif change.is_extra and task.may_drop(change) and change.kind in _DROPPING:
        statement = f"DROP {_DROPPING[change.kind]} {called(change.object)}"
        yield Action(phase=Phase.DROPS, statements=(statement,), mends=change.keys, after=1)
    elif change.is_extra:
        yield from left(change, _EXTRA, kept=True)
    elif change.is_missing:
        make = _MAKING.get(change.kind)
        if make is None:
            return
        phase, statement = make(change.object)
        yield Action(phase=phase, statements=(statement,), mends=change.keys, after=_RANK.get(change.kind, 0))
        yield from comments(change.object)
    else:
        yield from _changed(change, task)


_DROPPING = {
    "composite-type": "TYPE",
    "domain": "DOMAIN",
    "enum": "TYPE",
    "function": "FUNCTION",
    "procedure": "PROCEDURE",
    "range": "TYPE",
    "sequence": "SEQUENCE",
}
_RANK = {
    "schema": -3,
    "extension": -2,
    "enum": -1,
    "range": -1,
    "function": 2,
    "procedure": 2,
    "aggregate": 3,
}


def _enum(thing: Object) -> tuple[Phase, str]:
    return Phase.TYPES, f"CREATE TYPE {written(thing)} AS ENUM ({thing.facts['labels']})"


def _sequence(thing: Object) -> tuple[Phase, str]:
    type_, options = thing.facts["type"], thing.facts.get("options")
    unlogged = "UNLOGGED " if thing.facts.get("persistence") == "unlogged" else ""
    made = f"CREATE {unlogged}SEQUENCE {written(thing)} AS {type_}"
    return Phase.TYPES, made + (f" {options}" if options else "")


def _domain(thing: Object) -> tuple[Phase, str]:
    pieces = [f"CREATE DOMAIN {written(thing)} AS {thing.facts['type']}"]
    if "collation" in thing.facts:
        pieces.append(f"COLLATE {thing.facts['collation']}")
    if "default" in thing.facts:
        pieces.append(f"DEFAULT {thing.facts['default']}")
    if thing.facts.get("nullable") == "no":
        pieces.append("NOT NULL")
    return Phase.TYPES, " ".join([*pieces, *(constraint_line(each) for each in thing.parts)])


def _range(thing: Object) -> tuple[Phase, str]:
    words = {
        "subtype": "SUBTYPE",
        "operator-class": "SUBTYPE_OPCLASS",
        "canonical": "CANONICAL",
        "difference": "SUBTYPE_DIFF",
    }
    options = (f"{word} = {thing.facts[fact]}" for fact, word in words.items() if fact in thing.facts)
    return Phase.TYPES, f"CREATE TYPE {written(thing)} AS RANGE ({', '.join(options)})"


def _composite(thing: Object) -> tuple[Phase, str]:
    columns = (f"{quoted(each.name)} {each.facts['type']}" for each in thing.parts if each.kind == "column")
    return Phase.TYPES, f"CREATE TYPE {written(thing)} AS ({', '.join(columns)})"


def _function(thing: Object) -> tuple[Phase, str]:
    return Phase.TYPES, _defined(thing)


_IN_SCHEMA = re.compile(r"(?P<made>\ACREATE OR REPLACE \w+ )(?:\"(?:[^\"]|\"\")+\"|\w+)\.")


def _defined(function: Object) -> str:
    """Give the statement that makes a function, without the schema where that is the default one."""
    text = function.definition.strip()
    return text if function.schema is not None else _IN_SCHEMA.sub(r"\g<made>", text, count=1)


def _schema(thing: Object) -> tuple[Phase, str]:
    return Phase.TYPES, f"CREATE SCHEMA {quoted(thing.name)}"


def _extension(thing: Object) -> tuple[Phase, str]:
    return Phase.TYPES, f"CREATE EXTENSION {quoted(thing.name)}"


_MAKING: Mapping[str, Callable[[Object], tuple[Phase, str]]] = {
    "composite-type": _composite,
    "domain": _domain,
    "enum": _enum,
    "extension": _extension,
    "function": _function,
    "procedure": _function,
    "range": _range,
    "schema": _schema,
    "sequence": _sequence,
}


# -- changed ---------------------------------------------------------------------------------------


def _changed(change: Change, task: Task) -> Iterator[Outcome]:
    thing = change.object
    facts = change.facts
    if "comment" in facts:
        text = comment_on(thing, None, thing.facts.get("comment"))
        yield Action(phase=Phase.COMMENTS, statements=(text,), mends=change.keys_of("comment"))
    for fact in facts & {"grants", "version"}:
        yield Left(drift=change.drift_of(fact), reason="What a person set stays.", kept=True)
    rest = facts - {"comment", "grants", "version", "labels"}
    write = _CHANGING.get(change.kind)
    if rest and write is not None:
        yield from write(change, rest)
    if "labels" in facts:
        yield from mend_labels(change, task)


def _change_sequence(change: Change, facts: frozenset[str]) -> Iterator[Outcome]:
    thing = change.object
    if facts & {"type", "options"}:
        options = " ".join(all_options(thing.facts.get("options")))
        statement = f"ALTER SEQUENCE {written(thing)} AS {thing.facts['type']} {options}"
        mends = change.keys_of("type", "options")
        yield Action(phase=Phase.TYPES, statements=(statement,), mends=mends)


def _change_domain(change: Change, facts: frozenset[str]) -> Iterator[Outcome]:
    thing = change.object
    clauses = {
        "nullable": "SET NOT NULL" if "nullable" in thing.facts else "DROP NOT NULL",
        "default": f"SET DEFAULT {thing.facts['default']}" if "default" in thing.facts else "DROP DEFAULT",
    }
    for fact in sorted(facts & clauses.keys()):
        statement = f"ALTER DOMAIN {written(thing)} {clauses[fact]}"
        yield Action(phase=Phase.TYPES, statements=(statement,), mends=change.keys_of(fact))


def _change_function(change: Change, facts: frozenset[str]) -> Iterator[Outcome]:
    if facts & {"returns", "arguments"}:
        return  # it would have to be dropped, with everything that calls it
    statement = _defined(change.object)
    yield Action(phase=Phase.TYPES, statements=(statement,), mends=change.keys_of(*facts), after=2)


_CHANGING: Mapping[str, Callable[[Change, frozenset[str]], Iterator[Outcome]]] = {
    "domain": _change_domain,
    "function": _change_function,
    "procedure": _change_function,
    "sequence": _change_sequence,
}


def _mend_part(change: Change) -> Iterator[Outcome]:
    """Mend a check of a domain."""
    thing, part, there = change.object, change.part, change.part_there
    if thing.kind != "domain":
        return
    command = f"ALTER DOMAIN {written(thing)}"
    statements = []
    if there is not None:
        statements.append(f"{command} DROP CONSTRAINT {quoted(there.name)}")
    if part is not None:
        statements.append(f"{command} ADD {constraint_line(part)}")
    yield Action(phase=Phase.TYPES, statements=tuple(statements), mends=change.keys)
