"""Write one unit of a baseline: as an operation where that sends the same, else as the statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from .column_types import Names, names_of, namespace
from .layout import INDENT
from .recording import OfflineOperations, same_statements
from .rendering import CannotWrite, Writer, write_execute

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from .units import Unit

Code = Mapping[int, str]
"""Python for each target, by its position; nothing where the target needs nothing."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A rendered unit; ``thing`` is (kind, table, name) in the terms of a snapshot."""

    upgrade: Code
    downgrade: Code = field(default_factory=dict)
    is_operation: bool
    thing: tuple[str, str, str] = ("", "", "")


class Renderer:
    """Write pieces for some dialects, each tried without a database."""

    def __init__(self, dialects: Sequence[Dialect], metadata: sa.MetaData, names: Names) -> None:
        self.dialects = dialects
        self.writer = Writer(dialects, names)
        self.namespace = namespace()
        self.offline = [OfflineOperations(dialect, metadata) for dialect in dialects]

    def piece(self, unit: Unit) -> Piece:
        """Write a unit."""
        upgrade: dict[int, str] = {}
        operations = True
        for position, wanted in unit.wanted.items():
            code = self._operation(unit, position, wanted)
            if code is None:
                operations = False
                code = self.raw(wanted, position)
            upgrade[position] = code
        return Piece(upgrade=upgrade, downgrade=_undo(unit), is_operation=operations, thing=_thing(unit))

    def raw(self, statements: Sequence[str], position: int) -> str:
        """Write statements as they are, in the first way that sends exactly them."""
        codes = []
        for sql in statements:
            ways = list(write_execute(sql))
            exact = (c for c in ways if self.offline[position].run(c, self.namespace) == (sql,))
            codes.append(next(exact, ways[-1]))
        return "\n".join(codes)

    def branched(self, code: Code) -> str:
        """Join the code of all targets, what differs between them under a check of the dialect."""
        branches: dict[str, list[int]] = {}
        for position, text in code.items():
            branches.setdefault(text, []).append(position)
        if len(branches) == 1 and len(code) == len(self.dialects):
            return next(iter(branches))
        return "\n".join(self._branch(text, positions) for text, positions in branches.items())

    def _branch(self, code: str, positions: Sequence[int]) -> str:
        mine = [names_of(self.dialects[position], self.dialects) for position in positions]
        names = sorted({name for each in mine for name in each})
        test = f"== {names[0]!r}" if len(names) == 1 else f"in {tuple(names)!r}"
        inner = code.replace("\n", f"\n{INDENT}")
        return f"if op.get_context().dialect.name {test}:\n{INDENT}{inner}"

    def _operation(self, unit: Unit, position: int, wanted: Sequence[str]) -> str | None:
        for code in self._candidates(unit):
            sent = self.offline[position].run(code, self.namespace)
            if sent is not None and same_statements(sent, wanted):
                return code
        return None

    def _candidates(self, unit: Unit) -> Iterator[str]:
        about = unit.about
        try:
            if isinstance(about, sa.Table):
                alone = [key for key in about.foreign_key_constraints if _is_late(key)]
                for late, conditional in (((), True), ((), False), (alone, True), (alone, False)):
                    yield self.writer.create_table(about, late=late, conditional=conditional)
            elif isinstance(about, sa.Index):
                yield self.writer.create_index(about)
            elif isinstance(about, sa.ForeignKeyConstraint):
                yield self.writer.create_foreign_key(about)
        except CannotWrite:
            return


def _is_late(key: sa.ForeignKeyConstraint) -> bool:
    return key.use_alter or key.referred_table is not key.table


# -- what a statement makes, and how to take it back -----------------------------------------------

_MADE = re.compile(
    r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP\w*\s+|VIRTUAL\s+)?(?P<kind>MATERIALIZED\s+VIEW|VIEW|TRIGGER|SEQUENCE|"
    r"TYPE|DOMAIN|FUNCTION|PROCEDURE|EXTENSION|SCHEMA|TABLE)\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r"(?P<name>(?:\"[^\"]+\"|`[^`]+`|[\w.]+)+)",
    re.IGNORECASE,
)


def _undo(unit: Unit) -> Code:
    """Write what takes a unit back; indexes and triggers go with their table."""
    made = _MADE.match(unit.first)
    kind = " ".join(made["kind"].upper().split()) if made is not None else ""
    if isinstance(unit.about, sa.Table) and unit.is_created and kind in ("TABLE", ""):
        schema = f", schema={unit.about.schema!r}" if unit.about.schema else ""
        drop = f"op.drop_table({str(unit.about.name)!r}{schema})"
    elif made is None or kind == "TRIGGER" or isinstance(unit.about, sa.Index | sa.Constraint):
        return {}
    else:
        drop = next(write_execute(f"DROP {kind} {made['name']}"))
    return dict.fromkeys(unit.wanted, drop)


def _thing(unit: Unit) -> tuple[str, str, str]:
    about = unit.about
    if isinstance(about, sa.Table):
        return ("table", about.name, about.name)
    if isinstance(about, sa.Index) and about.table is not None:
        return ("index", about.table.name, str(about.name))
    if isinstance(about, sa.Constraint):
        return ("key", str(about.table.name), str(about.name))
    made = _MADE.match(unit.first)
    if made is None:
        return ("", "", "")
    name = made["name"].strip('"`')
    table = re.search(r"\bON\s+[\"`]?(\w+)", unit.first, re.IGNORECASE)
    is_trigger = made["kind"].upper() == "TRIGGER" and table is not None
    return (made["kind"].lower(), table[1] if is_trigger and table else name, name)
