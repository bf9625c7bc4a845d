"""Copy a SQLite table into a new one that takes its name.

By the recipe of https://sqlite.org/lang_altertable.html#otheralter; foreign keys are off then, and all is
one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .changes import Action, Outcome, Phase
from .sqlite_words import lower, quoted

if TYPE_CHECKING:
    from ..snapshot import Object, TableItems
    from .sqlite_columns import Columns
    from .sqlite_parts import Indexes

# As Alembic calls its copies: what a run that broke off leaves is known by it. Characters.
_PREFIX, _LENGTH = "_alembic_tmp_", 50
_LOST = "sqlite-recreate-lost-objects"


def copied(
    wanted: Object,
    there: Object,
    items: TableItems,
    columns: Columns,
    indexes: Indexes,
    mends: tuple[str, ...],
    meant: Iterable[str],
) -> Iterator[Outcome]:
    """Write the copy of one table.

    :param items: what the new table has.
    :param meant: what it has no more, or has otherwise, by the names that the rules for a copy tell.
    """
    table, copy = quoted(wanted.name), quoted(f"{_PREFIX}{wanted.name}"[:_LENGTH])
    pairs = list(columns.pairs())
    into, values = (", ".join(each) for each in zip(*pairs, strict=True))
    yield Action(
        phase=Phase.COLUMNS,
        statements=(
            items.statement(copy),
            f"INSERT INTO {copy} ({into}) SELECT {values} FROM {table}",
            *_counter(wanted, there, copy),
            f"DROP TABLE {table}",
            # Without it the new name is refused while a view or trigger names the table that is gone.
            "PRAGMA legacy_alter_table = ON",
        ),
    )
    again = tuple(each.definition for each in indexes.stay)
    lost = ", ".join(f"{_LOST}:{wanted.label}.{each}" for each in dict.fromkeys(meant))
    yield Action(
        phase=Phase.COLUMNS,
        statements=(f"ALTER TABLE {copy} RENAME TO {table}", "PRAGMA legacy_alter_table = OFF", *again),
        mends=mends,
        notes=(f"schemaflow: accept {lost} -- the new table is meant to be so",) if lost else (),
    )


def _counter(wanted: Object, there: Object, copy: str) -> Iterator[str]:
    """Take the counter of AUTOINCREMENT along: ids of deleted rows are not given again."""
    if not (_counts(wanted) and _counts(there)):
        return
    name, new = (each.replace("'", "''") for each in (there.name, copy.strip('"')))
    yield f"DELETE FROM sqlite_sequence WHERE name = '{new}'"
    yield (
        f"INSERT INTO sqlite_sequence (name, seq) SELECT '{new}', seq FROM sqlite_sequence "
        f"WHERE lower(name) = '{lower(name)}'"
    )


def _counts(table: Object) -> bool:
    keys = (part for part in table.parts if part.kind == "primary-key")
    return any("autoincrement" in part.facts for part in keys)
