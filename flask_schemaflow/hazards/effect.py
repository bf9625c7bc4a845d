"""The effects that rules know: small values, whatever they were read from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..revisions import TableName


@dataclass(frozen=True)
class Effect:
    """Something that an operation does to a table."""

    table: TableName


@dataclass(frozen=True, kw_only=True)
class Key:
    """A constraint as a revision says it.

    ``kind`` is primary-key, unique, foreign-key, check or exclude; ``refers`` the table that a foreign key
    names, ``expression`` the text of a check, ``using`` the index that becomes the constraint, ``operators``
    those of an exclusion, one a column; none where it is on expressions or on some of the rows only.
    """

    kind: str
    name: str | None = None
    columns: tuple[str, ...] = ()
    expression: str = ""
    refers: TableName | None = None
    refers_columns: tuple[str, ...] = ()
    not_valid: bool = False
    using: str | None = None
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as a revision says it; ``type`` and ``default`` in the engine's words.

    ``generated`` is STORED or VIRTUAL, ``counts`` says that it numbers rows by itself.
    """

    name: str
    type: str | None = None
    nullable: bool = True
    default: str | None = None
    generated: str | None = None
    counts: bool = False
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class CreatesTable(Effect):
    """A table is made."""

    if_not_exists: bool = field(default=False, kw_only=True)
    columns_said: tuple[Column, ...] = field(default=(), kw_only=True)
    keys: tuple[Key, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class DropsTable(Effect):
    """A table goes, with its rows."""

    if_exists: bool = field(default=False, kw_only=True, compare=False)


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
    said: Column = field(kw_only=True)
    if_not_exists: bool = field(default=False, kw_only=True)


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
class SetsNullable(Effect):
    """A column takes NULL from now on, or takes none."""

    column: str
    nullable: bool = field(kw_only=True)


@dataclass(frozen=True)
class SetsDefault(Effect):
    """A column gets another default, or loses it."""

    column: str
    default: str | None = field(kw_only=True)


@dataclass(frozen=True)
class AddsKey(Effect):
    """A constraint is made."""

    key: Key


@dataclass(frozen=True)
class Validates(Effect):
    """A constraint that was made NOT VALID is held against the rows."""

    name: str


@dataclass(frozen=True)
class EmptiesTable(Effect):
    """All rows go at once: TRUNCATE."""


@dataclass(frozen=True)
class ChangesEveryRow(Effect):
    """An UPDATE (of these columns) or a DELETE without a condition."""

    deletes: bool
    columns: tuple[str, ...]


@dataclass(frozen=True)
class ChangesRows(Effect):
    """An UPDATE, a DELETE or an INSERT, of whichever rows."""

    inserts: bool = False


NOWHERE = TableName(None, "")
"""The table of what is no matter of one table."""


@dataclass(frozen=True)
class DropsPart(Effect):
    """An index, trigger or constraint goes because the revision says so."""

    kind: str
    name: str
    concurrently: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class MakesPart(Effect):
    """An index or trigger is made because the revision says so."""

    kind: str
    name: str


@dataclass(frozen=True)
class MakesIndex(MakesPart):
    """An index is made; ``columns`` are None where it is on expressions, ``elements`` as they are written."""

    columns: tuple[str, ...] | None = field(default=None, kw_only=True)
    elements: tuple[str, ...] = field(default=(), kw_only=True)
    unique: bool = field(default=False, kw_only=True)
    where: str | None = field(default=None, kw_only=True)
    concurrently: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Does(Effect):
    """A statement of which a rule knows by its kind alone, and the name or value in it."""

    what: str
    name: str = ""


@dataclass(frozen=True)
class NamesTwice(Effect):
    """A statement names a column twice: one that it declares, or one that it gives a value."""

    column: str
    declares: bool = field(default=False, kw_only=True)


def twice(names: Iterable[str]) -> tuple[str, ...]:
    """Give the names that are there more than once."""
    return tuple(name for name, number in Counter(names).items() if number > 1)


@dataclass(frozen=True)
class MakesEnum(Effect):
    """An enum type is made."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Unreadable(Effect):
    """A statement that cannot be read."""

    sql: str
