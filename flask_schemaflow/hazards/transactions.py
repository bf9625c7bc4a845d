"""Rules for what one transaction holds together: locks, and what cannot run inside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from .effect import (
    AddsColumn,
    AddsKey,
    AltersColumn,
    ChangesRows,
    ChangesType,
    CreatesTable,
    Does,
    DropsColumn,
    DropsPart,
    DropsTable,
    Effect,
    MakesEnum,
    MakesIndex,
    RenamesColumn,
    RenamesTable,
    SetsDefault,
    SetsNullable,
    Validates,
)
from .hazard import ROWS, Hazard, Kind
from .parts import parts_of
from .pending import Met, Pending, label
from .questions import size_of

if TYPE_CHECKING:
    from ..revisions import TableName

_CONCURRENT = Kind(
    "concurrent-index-in-transaction",
    ("failing",),
    "with op.get_context().autocommit_block(): ..., in a revision of its own, since it commits what came "
    "before.",
)
_VALIDATED = Kind(
    "validate-in-same-transaction",
    ("blocking",),
    "Validate the constraint in the next revision: it has a transaction of its own.",
)
_BUILT = Kind(
    "index-build-after-exclusive-lock",
    ("blocking",),
    "Build the index in a revision of its own.",
)
_FILLED = Kind(
    "data-backfill-in-schema-transaction",
    ("blocking",),
    "Change the rows in a revision of their own after this one, in batches.",
)
_USED = Kind(
    "enum-value-used-in-same-transaction",
    ("failing",),
    "Use the value in the next revision, or add it in op.get_context().autocommit_block().",
)
_SEVERAL = Kind("multiple-foreign-keys", ("blocking",), "One foreign key a revision keeps the locks apart.")
_DROPPED = Kind("drop-table-multiple-foreign-keys", ("blocking",), "Drop its foreign keys one by one first.")
_HALF = Kind(
    "non-transactional-ddl",
    ("irreversible",),
    "One statement a revision; `flask db upgrade` leaves half of it after a failure, and tells nobody.",
)

_AGAIN = Kind(
    "non-idempotent-statement",
    ("irreversible",),
    "Say IF [NOT] EXISTS (if_not_exists=True, if_exists=True); or give what runs outside of a transaction a "
    "revision of its own.",
)
_ONCE = (
    AddsColumn,
    AddsKey,
    CreatesTable,
    DropsColumn,
    DropsPart,
    DropsTable,
    MakesEnum,
    MakesIndex,
    RenamesColumn,
    RenamesTable,
)
_CONTROL = "transaction-control-in-migration"
_ALTERS = (
    AddsColumn,
    AddsKey,
    AltersColumn,
    ChangesType,
    DropsColumn,
    DropsTable,
    RenamesColumn,
    RenamesTable,
    SetsDefault,
    SetsNullable,
)


def _locked(met: Met) -> Iterator[TableName]:
    """Give the real tables that an operation keeps others from writing until its transaction ends.

    A table that the plan has made blocks nobody; the one that its foreign key names does
    (https://www.postgresql.org/docs/current/explicit-locking.html).
    """
    effect = met.effect
    is_constraint = isinstance(effect, DropsPart) and effect.kind not in ("index", "trigger")
    if met.table is not None and (isinstance(effect, _ALTERS) or is_constraint):
        yield met.table
    for each in (met, *met.named):
        if each is not None and each.refers is not None:
            yield each.refers


def _with_locks(pending: Pending) -> Iterator[tuple[Met, tuple[TableName, ...]]]:
    """Give each operation with the tables that the transaction has locked before it, on PostgreSQL."""
    held: dict[TableName, None] = {}
    if pending.family != "postgresql":
        return
    for met in pending.met:
        if met.operation.autocommit or _says_commit(met):
            held.clear()
        yield met, tuple(held)
        if not met.operation.autocommit:
            held.update(dict.fromkeys(_locked(met)))


def _says_commit(met: Met) -> bool:
    effect = met.effect
    return isinstance(effect, Does) and effect.what == _CONTROL and effect.name in ("COMMIT", "END")


def concurrent_index_in_transaction(pending: Pending) -> Iterator[Hazard]:
    """Find CONCURRENTLY where PostgreSQL refuses it (25001).

    After a COMMIT of the revision's own psycopg begins a transaction again, psycopg2 knows nothing of it.
    """
    if pending.family != "postgresql":
        return
    committed = False
    for met in pending.met:
        effect = met.effect
        committed = committed or _says_commit(met)
        if committed and pending.recorded.dialect.driver == "psycopg2":
            return
        says = getattr(effect, "concurrently", False) or (
            isinstance(effect, Does) and effect.what == "reindex-concurrently"
        )
        if says and not met.operation.autocommit:
            name = getattr(effect, "name", "")
            subject = label(effect.table, name) if effect.table.name else name
            again = ": psycopg begins one again after the COMMIT, psycopg2 does not" if committed else ""
            message = f"Uses CONCURRENTLY for {name} inside a transaction, which PostgreSQL refuses{again}."
            yield pending.found(_CONCURRENT, met, subject, message)


def validate_in_same_transaction(pending: Pending) -> Iterator[Hazard]:
    """Find NOT VALID and VALIDATE in one transaction: the lock of the first is held through the second."""
    added: set[tuple[TableName, str | None]] = set()
    for met, _ in _with_locks(pending):
        effect = met.effect
        if met.operation.autocommit:
            added.clear()
        elif isinstance(effect, AddsKey) and effect.key.not_valid and met.table is not None:
            added.add((met.table, effect.key.name))
        elif isinstance(effect, Validates) and met.table is not None and (met.table, effect.name) in added:
            message = (
                f"Validates {effect.name} in the transaction that adds it: its lock on "
                f"{label(effect.table)} is "
                f"held while {ROWS} are read."
            )
            subject = label(effect.table, effect.name)
            yield pending.found(_VALIDATED, met, subject, message, question=size_of(met.table))


def index_build_after_exclusive_lock(pending: Pending) -> Iterator[Hazard]:
    """Find indexes that are built while the same transaction keeps others from a table."""
    for met, held in _with_locks(pending):
        effect = met.effect
        if isinstance(effect, MakesIndex) and met.table is not None and held and not effect.concurrently:
            message = (
                f"Builds the index {effect.name} over {ROWS} while the transaction has {_named(held)} "
                "locked: "
                "nobody writes there meanwhile."
            )
            subject = label(effect.table, effect.name or None)
            yield pending.found(_BUILT, met, subject, message, question=size_of(met.table))


def data_backfill_in_schema_transaction(pending: Pending) -> Iterator[Hazard]:
    """Find rows that are changed while the same transaction keeps others from a table."""
    for met, held in _with_locks(pending):
        effect = met.effect
        if isinstance(effect, ChangesRows) and not effect.inserts and met.table is not None and held:
            message = (
                f"Changes rows of {label(effect.table)}, which has {ROWS}, while the transaction has "
                f"{_named(held)} locked."
            )
            yield pending.found(_FILLED, met, label(effect.table), message, question=size_of(met.table))


def _named(tables: tuple[TableName, ...]) -> str:
    return ", ".join(map(label, tables))


def enum_value_used_in_same_transaction(pending: Pending) -> Iterator[Hazard]:
    """Find new values of an enum that are used before they are committed (55P04)."""
    if pending.family != "postgresql" or any(isinstance(met.effect, MakesEnum) for met in pending.met):
        return
    added: list[str] = []
    for met in pending.met:
        effect = met.effect
        if isinstance(effect, Does) and effect.what == "add-enum-value":
            added += [] if met.operation.autocommit else [effect.name]
            continue
        text = " ".join(met.operation.statements)
        used = next((each for each in added if f"'{each}'" in text and "ADD VALUE" not in text.upper()), None)
        if used is not None:
            message = (
                f"Uses the enum value '{used}' in the transaction that adds it, which PostgreSQL refuses."
            )
            yield pending.found(_USED, met, used, message)


def non_idempotent_statement(pending: Pending) -> Iterator[Hazard]:
    """Find what is committed before its revision ends, and cannot run a second time when the rest fails."""
    outside = [number for number, met in enumerate(pending.met) if met.operation.autocommit]
    if pending.family != "postgresql" or not outside:
        return
    last, ready = pending.met[-1].operation, set()
    for met in pending.met[: outside[-1] + 1]:
        effect, guarded = met.effect, _GUARD.search(" ".join(met.operation.statements))
        if guarded is not None and isinstance(effect, DropsPart):
            ready.add(effect.name)
        again = guarded is not None or (isinstance(effect, AddsKey) and effect.key.name in ready)
        if isinstance(effect, _ONCE) and not again and met.operation is not last:
            message = (
                f"{met.operation.label} is committed before the revision ends: when something after it "
                "fails, it is in, and cannot run a second time."
            )
            yield pending.found(_AGAIN, met, pending.recorded.revision, message)


_GUARD = re.compile(r"\bIF\s+(?:NOT\s+)?EXISTS\b", re.IGNORECASE)


# -- what our own run takes care of ----------------------------------------------------------------


def multiple_foreign_keys(pending: Pending) -> Iterator[Hazard]:
    """Find transactions that lock several tables by foreign keys: two of them can block one another."""
    if pending.family != "postgresql":
        return
    named = [
        (met, each.refers)
        for met in pending.met
        for each in (met, *met.named)
        if each is not None and each.refers is not None
    ]
    tables = tuple(sorted({refers for _, refers in named}, key=label))
    if len(tables) > 1:
        message = (
            f"Its foreign keys lock {_named(tables)} in one transaction; after a deadlock it runs again."
        )
        yield pending.averted(_SEVERAL, named[-1][0], pending.recorded.revision, message)


def drop_table_multiple_foreign_keys(pending: Pending) -> Iterator[Hazard]:
    """Find dropped tables whose foreign keys lock several others."""
    if pending.family != "postgresql":
        return
    for effect, met in pending.of(DropsTable):
        names = {part.facts["table"] for part in parts_of(met.there, "foreign-key")} - {effect.table.name}
        if len(names) > 1 and met.table is not None:
            message = (
                f"Drops {label(effect.table)}, which locks {', '.join(sorted(names))} too; after a deadlock "
                "it "
                "runs again."
            )
            yield pending.averted(_DROPPED, met, label(effect.table), message)


def non_transactional_ddl(pending: Pending) -> Iterator[Hazard]:
    """Find revisions that can break half way, on engines that commit each statement."""
    changes = [each for each in pending.met if _commits(each.effect)]
    several = any(one.operation is not other.operation for one, other in pairwise(changes))
    if pending.is_mysql and several:
        message = (
            f"Its {len({id(each.operation) for each in changes})} statements are committed one by one; "
            "after a "
            "failure this command knows which are in, and --resume goes on."
        )
        yield pending.averted(_HALF, changes[-1], pending.recorded.revision, message)


def _commits(effect: Effect) -> bool:
    return isinstance(effect, (*_ALTERS, CreatesTable, DropsPart, MakesIndex, ChangesRows))


RULES = (
    concurrent_index_in_transaction,
    validate_in_same_transaction,
    index_build_after_exclusive_lock,
    data_backfill_in_schema_transaction,
    enum_value_used_in_same_transaction,
    non_idempotent_statement,
    multiple_foreign_keys,
    drop_table_multiple_foreign_keys,
    non_transactional_ddl,
)
KINDS = (_CONCURRENT, _VALIDATED, _BUILT, _FILLED, _USED, _AGAIN, _SEVERAL, _DROPPED, _HALF)
