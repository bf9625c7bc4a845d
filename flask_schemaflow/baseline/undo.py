"""Write what takes a unit of a baseline back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from .statements import write_execute

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from .rendering import Writer
    from .units import Unit


@dataclass(frozen=True)
class Made:
    """What a ``CREATE`` makes: ``kind`` in capitals, ``name`` as it is written there.

    ``arguments`` are those of a function, in parentheses; ``table`` is the one after ``ON``.
    """

    kind: str
    name: str
    arguments: str = ""
    table: str = ""


def write_undo(unit: Unit, position: int, writer: Writer) -> str:
    """Write what takes a unit back on one target; empty for what goes with its table."""
    about = unit.about
    made = list(made_by(unit.wanted[position]))
    if isinstance(about, sa.Table) and unit.is_created and (not made or made[0].kind == "TABLE"):
        return writer.drop_table(about)
    if isinstance(about, sa.Sequence):
        return writer.drop_sequence(about)
    if isinstance(about, sa.ForeignKeyConstraint):
        return writer.drop_foreign_key(about)
    if isinstance(about, sa.Index | sa.Constraint):
        return ""
    return write_drops(unit.wanted[position], writer.targets[position])


def write_drops(statements: Sequence[str], dialect: Dialect) -> str:
    """Write what drops all that statements create, the last one first."""
    drops = [_drop(each, dialect) for each in made_by(statements)]
    return "\n".join(next(write_execute(sql)) for sql in reversed(drops) if sql)


def made_by(statements: Iterable[str]) -> Iterator[Made]:
    """Give what statements create, also where one text holds several."""
    for sql in statements:
        bare = _NOT_CODE.sub(lambda match: (" " if match["comment"] else "_") * len(match[0]), sql)
        for match in _MADE.finditer(bare):
            kind = " ".join(match["kind"].upper().split())
            table = _TABLE.search(bare, match.end())
            yield Made(
                kind=kind,
                name=sql[slice(*match.span("name"))],
                arguments=_arguments(sql, bare, match.end()) if kind in _CALLED else "",
                table=sql[slice(*table.span("name"))] if table is not None else "",
            )
            if kind in _WITH_BODY and _BODY.search(bare, match.end()):
                # What follows the next semicolon belongs to its body.
                break


def _arguments(sql: str, bare: str, start: int) -> str:
    """Give the arguments of a function as ``DROP`` takes them: without defaults."""
    if (opening := re.compile(r"\s*\(").match(bare, start)) is None:
        return ""
    depth = 0
    for end in range(opening.end() - 1, len(bare)):
        depth += {"(": 1, ")": -1}.get(bare[end], 0)
        if not depth:
            found = sql[opening.end() - 1 : end + 1]
            return "" if re.search(r"=|\bDEFAULT\b", found, re.IGNORECASE) else found
    return ""


def _drop(made: Made, dialect: Dialect) -> str:
    if dialect.name != "postgresql":
        return "" if made.kind == "TRIGGER" else f"DROP {made.kind} {made.name}"
    if made.kind == "TRIGGER":
        # Its function cannot be dropped before it.
        return f"DROP TRIGGER {made.name} ON {made.table}"
    if made.kind == "SEQUENCE":
        # Meanwhile it may belong to a column, and then it is gone with that.
        return f"DROP SEQUENCE IF EXISTS {made.name}"
    return f"DROP {made.kind} {made.name}{made.arguments}"


_NOT_CODE = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?\*/)|'(?:[^']|'')*'|(?P<tag>\$\w*\$).*?(?P=tag)", re.DOTALL
)
_BODY = re.compile(r"\bBEGIN\b", re.IGNORECASE)
_NAME = r"(?P<name>(?:\"(?:[^\"]|\"\")+\"|`(?:[^`]|``)+`|[\w.$])+)"
_TABLE = re.compile(rf"\bON\s+{_NAME}", re.IGNORECASE)
_MADE = re.compile(
    r"(?:\A|;)\s*CREATE\s+(?:(?:OR\s+REPLACE|TEMP|TEMPORARY|UNLOGGED|VIRTUAL|RECURSIVE|CONSTRAINT"
    r"|DEFINER\s*=\s*\S+|ALGORITHM\s*=\s*\w+|SQL\s+SECURITY\s+\w+)\s+)*"
    r"(?P<kind>MATERIALIZED\s+VIEW|VIEW|EVENT\s+TRIGGER|TRIGGER|SEQUENCE|TYPE|DOMAIN|FUNCTION|PROCEDURE|AGGREGATE"
    r"|EXTENSION|SCHEMA|COLLATION|EVENT|SERVER|FOREIGN\s+TABLE|TABLE|TEXT\s+SEARCH\s+CONFIGURATION)"
    rf"\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}",
    re.IGNORECASE,
)
_CALLED = ("FUNCTION", "PROCEDURE", "AGGREGATE")
_WITH_BODY = ("FUNCTION", "PROCEDURE", "TRIGGER", "EVENT")
