"""Write one unit of a baseline: as an operation where that sends the same, else as the statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from .column_types import NAMED_TYPES, Names, names_of, namespace
from .layout import INDENT
from .recording import OfflineOperations, same_statements
from .rendering import CannotWrite, Writer
from .statements import write_execute
from .undo import made_by, write_undo

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from .units import Unit

Code = Mapping[int, str]
"""Python for each target, by its position; nothing where the target needs nothing."""

Late = frozenset[sa.Constraint]
"""Constraints that some target gets by statements of their own, after the tables."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A rendered unit; ``thing`` is (kind, table, name) in the terms of a snapshot."""

    upgrade: Code
    downgrade: Code = field(default_factory=dict)
    is_operation: bool
    thing: tuple[str, str, str] = ("", "", "")


class Renderer:
    """Write pieces for some dialects, each tried without a database.

    With ``tries_later`` what is simple is not tried for the first dialect: it will run as a whole anyway, and
    then can be seen to send what is wanted.
    """

    def __init__(
        self, dialects: Sequence[Dialect], metadata: sa.MetaData, names: Names, *, tries_later: bool = False
    ) -> None:
        self.dialects = dialects
        self.tries_later = tries_later
        self.writer = Writer(dialects, names)
        self.namespace = namespace()
        self.offline = [OfflineOperations(dialect, metadata) for dialect in dialects]

    def pieces(self, units: Sequence[Unit]) -> Iterator[Piece]:
        """Write units, in their order."""
        late = frozenset(unit.about for unit in units if isinstance(unit.about, sa.Constraint))
        types: list[Unit] = []
        for unit in units:
            if unit.is_type:
                types.append(unit)
                continue
            yield from self._table_with_types(types, unit, late)
            types = []
        yield from (self._piece(each, late) for each in types)

    def _table_with_types(self, types: Sequence[Unit], unit: Unit, late: Late) -> Iterator[Piece]:
        """Write a table; its operation makes the types just before it where it would anyway."""
        for first in range(len(types)):
            joined = unit.after(types[first:])
            for code in self._candidates(joined, late, makes_types=True):
                if all(self._sends(code, position, joined) for position in joined.wanted):
                    yield from (self._piece(each, late) for each in types[:first])
                    yield from (replace(self._piece(each, late), upgrade={}) for each in types[first:])
                    upgrade = dict.fromkeys(joined.wanted, code)
                    yield Piece(
                        upgrade=upgrade, downgrade=self._undo(unit), is_operation=True, thing=_thing(unit)
                    )
                    return
        yield from (self._piece(each, late) for each in (*types, unit))

    def _piece(self, unit: Unit, late: Late) -> Piece:
        upgrade: dict[int, str] = {}
        operations = True
        candidates = _Remembered(self._candidates(unit, late))
        tries_later = self.tries_later and _is_simple(unit, late)
        for position, wanted in unit.wanted.items():
            untried = tries_later and position == 0
            code = next((c for c in candidates if untried or self._sends(c, position, unit)), None)
            if code is None:
                operations = False
                code = self.raw(wanted, position)
            upgrade[position] = code
        return Piece(upgrade=upgrade, downgrade=self._undo(unit), is_operation=operations, thing=_thing(unit))

    def _undo(self, unit: Unit) -> Code:
        undone = {position: write_undo(unit, position, self.writer) for position in unit.wanted}
        return {position: code for position, code in undone.items() if code}

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

    def _sends(self, code: str, position: int, unit: Unit) -> bool:
        sent = self.offline[position].run(code, self.namespace)
        return sent is not None and same_statements(sent, unit.wanted[position])

    def _candidates(self, unit: Unit, late: Late, *, makes_types: bool = False) -> Iterator[str]:
        about = unit.about
        try:
            if isinstance(about, sa.Table):
                for later in (Late(), late & about.constraints):
                    for dialect in self.dialects:
                        yield self.writer.create_table(
                            about, late=later, for_dialect=dialect, makes_types=makes_types
                        )
            elif isinstance(about, sa.Index):
                yield self.writer.create_index(about, grouped=False)
                yield self.writer.create_index(about, grouped=True)
                yield self.writer.create_index(about, grouped=False, labelled=True)
            elif isinstance(about, sa.ForeignKeyConstraint):
                yield self.writer.create_foreign_key(about)
            elif isinstance(about, sa.UniqueConstraint | sa.CheckConstraint):
                yield self.writer.create_constraint(about)
            elif isinstance(about, sa.Sequence):
                yield self.writer.create_sequence(about)
            elif isinstance(about, NAMED_TYPES):
                yield self.writer.create_type(about)
        except CannotWrite:
            return


def write_statements(statements: Sequence[str], dialect: Dialect) -> str:
    """Write statements of no unit as they are."""
    return Renderer([dialect], sa.MetaData(), Names()).raw(statements, 0)


def sent_by(code: str, dialect: Dialect) -> tuple[str, ...] | None:
    """Give the statements that a piece of a revision sends; None where it fails. Never touches a database."""
    return OfflineOperations(dialect, sa.MetaData()).run(code, namespace())


def _is_simple(unit: Unit, late: Late) -> bool:
    """Say whether the first way to write a thing is all but sure to be right."""
    if isinstance(unit.about, sa.Table):
        # A view of SQLAlchemy, or what is made by a query, is a table too.
        is_plain = unit.first.partition("\n")[0].endswith(" (")
        return is_plain and not late & unit.about.constraints
    return isinstance(unit.about, sa.Index) and all(
        isinstance(each, sa.Column) for each in unit.about.expressions
    )


class _Remembered:
    """What an iterator gives, each once, for as many rounds as are wanted: writing a table takes its time."""

    def __init__(self, codes: Iterator[str]) -> None:
        self.codes = codes
        self.known: list[str] = []

    def __iter__(self) -> Iterator[str]:
        yield from self.known
        for code in self.codes:
            if code not in self.known:
                self.known.append(code)
                yield code


def _thing(unit: Unit) -> tuple[str, str, str]:
    about = unit.about
    if isinstance(about, sa.Table):
        return ("table", _label(about), about.name)
    if isinstance(about, sa.Index) and about.table is not None:
        return ("index", _label(about.table), str(about.name))
    if isinstance(about, sa.Constraint):
        return ("key", _label(about.table), str(about.name))
    for made in made_by([unit.first]):
        name = _bare(made.name)
        is_trigger = made.kind == "TRIGGER" and made.table
        return (made.kind.lower(), _bare(made.table) if is_trigger else name, name)
    if (index := _INDEX.match(unit.first)) is not None:
        return ("index", _bare(index["table"]), _bare(index["name"]))
    if (other := _OF_TABLE.match(unit.first)) is not None:
        return ("key", _bare(other["table"] or other["of_column"]), "")
    return ("", "", "")


def _label(table: sa.Table) -> str:
    """Give the name as snapshots do, with the schema where one is said."""
    return f"{table.schema}.{table.name}" if table.schema else str(table.name)


def _bare(name: str) -> str:
    """Take the quotes away that stand around a name, and around its schema."""
    return ".".join(each.strip('"`') for each in _PIECE.findall(name))


# What events of the app send about a table; a name may have its schema before it.
_PIECE = re.compile(r"\"[^\"]+\"|`[^`]+`|[^.\"`]+")
_NAME = r"(?:\"[^\"]+\"|`[^`]+`|[\w.$])+"
_INDEX = re.compile(
    rf"\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?:CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?(?P<name>{_NAME})"
    rf"\s+ON\s+(?:ONLY\s+)?(?P<table>{_NAME})",
    re.IGNORECASE,
)
_OF_TABLE = re.compile(
    rf"\s*(?:ALTER\s+TABLE|COMMENT\s+ON\s+TABLE|CREATE\s+POLICY\s+\w+\s+ON)\s+(?P<table>{_NAME})"
    rf"|\s*COMMENT\s+ON\s+COLUMN\s+(?P<of_column>\w+)\.",
    re.IGNORECASE,
)
