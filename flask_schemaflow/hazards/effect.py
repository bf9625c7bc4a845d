"""The effects that rules know: small values, whatever they were read from."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..revisions import TableName


@dataclass(frozen=True)
class Effect:
    """Something that an operation does to a table."""

    table: TableName


@dataclass(frozen=True)
class CreatesTable(Effect):
    """A table is made."""

    if_not_exists: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class DropsTable(Effect):
    """A table goes, with its rows."""


@dataclass(frozen=True)
class RenamesTable(Effect):
    """A table gets another name."""

    to: TableName


@dataclass(frozen=True)
class Rebuilds(Effect):
    """A table is copied into a new one, which takes its name."""


@dataclass(frozen=True)
class CopiesRows(Effect):
    """Rows of a table are inserted into another one."""

    to: TableName


@dataclass(frozen=True)
class AddsColumn(Effect):
    """A column is made."""

    column: str


@dataclass(frozen=True)
class DropsColumn(Effect):
    """A column goes, with its values."""

    column: str


@dataclass(frozen=True)
class RenamesColumn(Effect):
    """A column gets another name."""

    column: str
    to: str


@dataclass(frozen=True)
class ChangesType(Effect):
    """A column gets another type, in the engine's words; None where they are not known."""

    column: str
    to: str | None = field(kw_only=True)
    was: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class AltersColumn(Effect):
    """A column gets other properties."""

    column: str


@dataclass(frozen=True)
class EmptiesTable(Effect):
    """All rows go at once: TRUNCATE."""


@dataclass(frozen=True)
class ChangesEveryRow(Effect):
    """An UPDATE (of these columns) or a DELETE without a condition."""

    deletes: bool
    columns: tuple[str, ...]


NOWHERE = TableName(None, "")
"""The table of what is no matter of one table."""


@dataclass(frozen=True)
class DropsPart(Effect):
    """An index, trigger or constraint goes because the revision says so."""

    kind: str
    name: str


@dataclass(frozen=True)
class MakesPart(Effect):
    """An index or trigger is made because the revision says so."""

    kind: str
    name: str


@dataclass(frozen=True)
class Unreadable(Effect):
    """A statement that cannot be read."""

    sql: str
