"""The rules for what SQLite cannot do to a table, and for tables that are copied instead."""

from __future__ import annotations

from collections.abc import Iterator

from .effect import (
    AddsColumn,
    AddsKey,
    ChangesType,
    DropsColumn,
    DropsPart,
    Rebuilds,
    SetsDefault,
    SetsNullable,
)
from .hazard import ROWS, Hazard, Kind
from .parts import columns_of, parts_of
from .pending import Met, Pending, label
from .questions import all_of, size_of

_UNSUPPORTED = Kind(
    "sqlite-unsupported-alter",
    ("failing",),
    "with op.batch_alter_table(...) as batch: the table is copied into a new one.",
)
_REBUILD = Kind(
    "sqlite-table-rebuild",
    ("blocking",),
    "Add and drop columns outside of a batch, where SQLite can (ALTER TABLE ... ADD, RENAME, DROP COLUMN).",
)


def sqlite_unsupported_alter(pending: Pending) -> Iterator[Hazard]:
    """Find what SQLite refuses outside of a batch.

    (https://sqlite.org/lang_altertable.html; from 3.53 on it takes more, which is not relied on.)
    """
    if pending.family != "sqlite":
        return
    for met in pending.met:
        if met.operation.rebuilt:
            continue
        match met.effect:
            case AddsColumn():
                yield from _added(pending, met.effect, met)
            case DropsColumn():
                yield from _dropped(pending, met.effect, met)
            case SetsNullable() | SetsDefault() | ChangesType() if pending.serves_no(3, 53):
                what = f"Changes the column {label(met.effect.table, met.effect.column)}"
                yield _refused(pending, met, label(met.effect.table, met.effect.column), what)
            case AddsKey():
                subject = label(met.effect.table, met.effect.key.name)
                yield _refused(pending, met, subject, f"Adds a constraint to {label(met.effect.table)}")
            case DropsPart() if met.effect.kind not in ("index", "trigger"):
                subject = label(met.effect.table, met.effect.name)
                yield _refused(pending, met, subject, f"Drops the constraint {subject}")


def _refused(pending: Pending, met: Met, subject: str, what: str) -> Hazard:
    return pending.found(_UNSUPPORTED, met, subject, f"{what}, which SQLite cannot do by ALTER TABLE.")


def _added(pending: Pending, effect: AddsColumn, met: Met) -> Iterator[Hazard]:
    subject = label(effect.table, effect.column)
    for key in effect.said.keys:
        if key.kind in ("unique", "primary-key"):
            noun = key.kind.replace("-", " ").upper()
            yield _refused(pending, met, subject, f"Adds the column {subject} as {noun}")
    if effect.said.generated == "STORED" and met.table is not None:
        message = f"Adds the stored generated column {subject}: SQLite refuses that in a table with {ROWS}."
        yield pending.found(_UNSUPPORTED, met, subject, message, question=all_of(met.table))


def _dropped(pending: Pending, effect: DropsColumn, met: Met) -> Iterator[Hazard]:
    """Find columns that keys, unique constraints or indexes are on; seen on SQLite 3.40."""
    for part in parts_of(met.there, "primary-key", "unique", "index"):
        if effect.column in (columns_of(part) or ()):
            subject = label(effect.table, effect.column)
            noun = part.kind.replace("-", " ")
            yield _refused(pending, met, subject, f"Drops the column {subject}, which a {noun} is on")
            return


def sqlite_table_rebuild(pending: Pending) -> Iterator[Hazard]:
    """Find tables that are copied: nobody else writes to the whole database meanwhile."""
    if pending.family == "sqlite":
        for effect, met in pending.of(Rebuilds):
            if met.table is not None:
                message = f"Copies the table {label(effect.table)} of {ROWS}: nobody else writes meanwhile."
                yield pending.averted(
                    _REBUILD, met, label(effect.table), message, question=size_of(met.table)
                )


RULES = (sqlite_unsupported_alter, sqlite_table_rebuild)
KINDS = (_UNSUPPORTED, _REBUILD)
