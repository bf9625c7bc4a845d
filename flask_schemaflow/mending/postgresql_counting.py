"""Columns of PostgreSQL that count by themselves: serial and identity."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .postgresql_words import alter, beside, identity_of, literal, plain_serial, quoted, written

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_NEXTVAL = re.compile(r"nextval\('(?P<sequence>(?:[^']|'')+)'::regclass\)\Z")
_FACTS = ("autoincrement", "sequence", "sequence-type")


def counting(table: Object, wanted: Part, was: Part) -> list[str]:
    """Write what makes a column count on from its largest value; nothing where it does so already."""
    how = wanted.facts.get("autoincrement")
    if how is None or _facts(was) == _facts(wanted):
        return []
    if _way(was) == _way(wanted):
        return _options_changed(table, wanted, was)
    if how == "serial":
        before, after = _sequence_for(table, wanted)
        default = _set(table, wanted, f"SET DEFAULT {_next_of(table, wanted)}")
        return [*before, default, *after, _onward(table, wanted)]
    return [_set(table, wanted, f"ADD {identity_of(wanted)}"), _onward(table, wanted)]


def no_more_counting(table: Object, was: Part, wanted: Part) -> list[str]:
    """Write what takes a sequence away where the column shall count in another way, or not at all."""
    if "autoincrement" not in was.facts or _way(was) == _way(wanted):
        return []
    if _way(was) == "identity":
        return [_set(table, was, "DROP IDENTITY")]
    return [_set(table, was, "DROP DEFAULT"), f"DROP SEQUENCE {_sequence(table, was)}"]


def serial_sequence(table: Object, column: Part) -> tuple[list[str], list[str]]:
    """Write what makes the sequence of a new serial column, and what gives it to the column afterwards.

    Nothing where the word SERIAL does so.
    """
    if _way(column) != "serial" or plain_serial(column):
        return [], []
    return _sequence_for(table, column)


def _sequence_for(table: Object, column: Part) -> tuple[list[str], list[str]]:
    type_ = column.facts.get("sequence-type", column.facts["type"])
    options = column.facts.get("sequence")
    name = _new_name(table, column)
    made = f"CREATE SEQUENCE {name} AS {type_}" + (f" {options}" if options else "")
    return [made], [f"ALTER SEQUENCE {name} OWNED BY {written(table)}.{quoted(column.name)}"]


def serial_default(table: Object, column: Part) -> str | None:
    """Write the default of a new serial column; None where the word SERIAL says it."""
    if _way(column) != "serial" or plain_serial(column):
        return None
    return _next_of(table, column)


def _next_of(table: Object, column: Part) -> str:
    return f"nextval({literal(_new_name(table, column))}::regclass)"


def _new_name(table: Object, column: Part) -> str:
    return beside(table, f"{table.name[:29]}_{(column.name or '')[:29]}_seq")


def _onward(table: Object, column: Part) -> str:
    owner = f"pg_get_serial_sequence({literal(written(table))}, {literal(column.name or '')})"
    return f"SELECT setval({owner}, max({quoted(column.name)})) FROM {written(table)}"


def _options_changed(table: Object, wanted: Part, was: Part) -> list[str]:
    statements = []
    if wanted.facts["autoincrement"] != was.facts["autoincrement"]:
        kind = "ALWAYS" if wanted.facts["autoincrement"] == "identity always" else "BY DEFAULT"
        statements.append(_set(table, wanted, f"SET GENERATED {kind}"))
    options = all_options(wanted.facts.get("sequence"))
    # It may stand outside of new limits.
    anew = _limits(wanted) != _limits(was)
    if any(wanted.facts.get(fact) != was.facts.get(fact) for fact in _FACTS[1:]):
        if _way(wanted) == "identity":
            clauses = [*(f"SET {each}" for each in options), *(["RESTART"] if anew else [])]
            statements.append(_set(table, wanted, " ".join(clauses)))
        else:
            type_ = wanted.facts.get("sequence-type", wanted.facts["type"])
            statements.append(f"ALTER SEQUENCE {_sequence(table, was)} AS {type_} {' '.join(options)}")
            statements[-1] += " RESTART" if anew else ""
    return [*statements, _onward(table, wanted)] if anew else statements


def _limits(column: Part) -> list[str]:
    return [each for each in all_options(column.facts.get("sequence")) if "VALUE" in each]


_OPTION = re.compile(r"(INCREMENT BY|MINVALUE|MAXVALUE|START WITH|CACHE) (-?\d+)|(CYCLE)")


def all_options(text: str | None) -> list[str]:
    """Write all options of a sequence, those too that are as usual."""
    found = {match[1] or match[3]: match[2] for match in _OPTION.finditer(text or "")}
    falls = found.get("INCREMENT BY", "").startswith("-")
    first = found.get("MAXVALUE", "-1") if falls else found.get("MINVALUE", "1")
    usual = {"INCREMENT BY": "1", "START WITH": first, "CACHE": "1"}
    options = [f"{word} {value}" for word, value in {**usual, **found}.items() if word != "CYCLE"]
    options += [f"NO {word}" for word in ("MINVALUE", "MAXVALUE") if word not in found]
    return [*options, "CYCLE" if "CYCLE" in found else "NO CYCLE"]


def _sequence(table: Object, column: Part) -> str:
    """Give the sequence of a serial column as its default names it."""
    match = _NEXTVAL.match(column.definition)
    return _new_name(table, column) if match is None else match["sequence"].replace("''", "'")


def _set(table: Object, column: Part, clause: str) -> str:
    return alter(table, f"ALTER COLUMN {quoted(column.name)} {clause}")


def _way(column: Part) -> str | None:
    how = column.facts.get("autoincrement")
    return "identity" if how and how.startswith("identity") else how


def _facts(column: Part) -> list[str | None]:
    return [column.facts.get(fact) for fact in _FACTS]
