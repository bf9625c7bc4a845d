"""Rules for statements that are what they are, whatever they meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .effect import CreatesTable, Does, DropsTable
from .hazard import ROWS, Hazard, Kind
from .pending import Met, Pending, label
from .questions import all_of, size_of


@dataclass(frozen=True)
class _Statement:
    """A statement's kind, on which engines it is one, and what is said of it."""

    kind: Kind
    families: tuple[str, ...]
    message: str
    sized: bool = False


_POSTGRESQL = ("postgresql",)
_MYSQL = ("mariadb", "mysql")
_STATEMENTS = (
    _Statement(
        Kind(
            "drop-schema",
            ("destructive", "irreversible"),
            "Never from a migration: let a person do it, after a backup.",
        ),
        (*_POSTGRESQL, *_MYSQL),
        "Drops the schema {name} with everything in it.",
    ),
    _Statement(
        Kind(
            "drop-cascade",
            ("destructive",),
            "Drop what depends on it one by one, so that everybody reads what goes; leave CASCADE out.",
        ),
        _POSTGRESQL,
        "Drops {name} with CASCADE: views, keys and columns that depend on it go too, unnamed.",
    ),
    _Statement(
        Kind("truncate-cascade", ("destructive",), "Name every table that is to be emptied."),
        _POSTGRESQL,
        "Empties {name} with CASCADE: every table with a foreign key to it is emptied too.",
    ),
    _Statement(
        Kind(
            "detach-partition-non-concurrently",
            ("blocking",),
            "ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY, in an autocommit_block() (PostgreSQL 14).",
        ),
        _POSTGRESQL,
        "Detaches the partition {name} of {table} under ACCESS EXCLUSIVE on both, {rows}.",
        sized=True,
    ),
    _Statement(
        Kind("set-tablespace", ("blocking",), "Make a new table there, and copy in batches."),
        _POSTGRESQL,
        "Writes the table {table} anew elsewhere under ACCESS EXCLUSIVE: nobody reads or writes {rows}.",
        sized=True,
    ),
    _Statement(
        Kind("vacuum-full-or-cluster", ("blocking",), "Use pg_repack, outside of migrations."),
        _POSTGRESQL,
        "Writes {table} anew under ACCESS EXCLUSIVE: nobody reads or writes {rows} meanwhile.",
        sized=True,
    ),
    _Statement(
        Kind(
            "mysql-copy-algorithm",
            ("blocking",),
            "Copy with gh-ost or pt-online-schema-change; or in a quiet hour, and accept it.",
        ),
        _MYSQL,
        "Changes the engine of {table}: the server copies it (ALGORITHM=COPY), nobody writes {rows} "
        "meanwhile.",
        sized=True,
    ),
    _Statement(
        Kind("mysql-lock-shared-exclusive", ("blocking",), "Leave LOCK= out, or say LOCK=NONE."),
        _MYSQL,
        "Asks for LOCK={name} on {table}: nobody writes {rows} meanwhile.",
        sized=True,
    ),
    _Statement(
        Kind(
            "rename-schema",
            ("incompatible",),
            "Make a new schema, write to both, move the reads, drop the old one.",
        ),
        _POSTGRESQL,
        "Renames the schema {name}: a release that still runs does not find its tables.",
    ),
    _Statement(
        Kind(
            "rename-enum-value",
            ("incompatible",),
            "Add a new value, let the code take both, and change the rows.",
        ),
        _POSTGRESQL,
        "Renames the enum value {name}: a release that still runs writes the old one.",
    ),
    _Statement(
        Kind("enum-add-value-unordered", ("incompatible",), "Say BEFORE or AFTER which value it comes."),
        _POSTGRESQL,
        "Adds the enum value {name} at the end, whatever its order should be.",
    ),
    _Statement(
        Kind(
            "transaction-control-in-migration",
            ("irreversible",),
            "Leave it out; what has to run outside of a transaction goes into "
            "op.get_context().autocommit_block().",
        ),
        ("sqlite", *_POSTGRESQL, *_MYSQL),
        "Says {name} itself: what came before cannot be undone any more.",
    ),
)
_NON_STRICT = Kind(
    "mysql-non-strict-mode",
    ("destructive",),
    "Leave sql_mode alone: this command sets a strict one, in which a value that does not fit is refused.",
)
_FORCE = Kind(
    "recreate-table-force",
    ("destructive",),
    "Only make the table; drop the old one in a revision of its own, where it is seen.",
)


def known_statements(pending: Pending) -> Iterator[Hazard]:
    """Find statements that are dangerous by what they are."""
    for effect, met in pending.of(Does):
        for each in _STATEMENTS:
            if each.kind.code == effect.what and pending.family in each.families:
                yield from _told(pending, each, effect, met)


def _told(pending: Pending, each: _Statement, effect: Does, met: Met) -> Iterator[Hazard]:
    about = bool(effect.table.name)
    if about and (met.table is None or _is_no_change(effect, met) or _has_nothing_to_drop(pending, effect)):
        return
    subject = label(effect.table) if about else effect.name
    name = effect.name or subject
    message = each.message.format(table=subject or "every table", name=name, rows=ROWS)
    question = size_of(met.table) if each.sized and about and met.table is not None else None
    yield pending.found(each.kind, met, subject or pending.recorded.revision, message, question=question)


def _has_nothing_to_drop(pending: Pending, effect: Does) -> bool:
    """Say whether the table of a DROP ... IF EXISTS is known not to be there."""
    real = pending.structures.real
    is_there = any(pending.table(each, effect.table) is not None for each in (pending.before, real))
    return effect.what == "drop-cascade" and bool(real.server_version) and not is_there


def _is_no_change(effect: Does, met: Met) -> bool:
    """Say whether a table gets the engine that it has."""
    engine = met.there.facts.get("engine", "") if met.there is not None else ""
    return effect.what == "mysql-copy-algorithm" and effect.name.lower() == engine.lower()


def mysql_non_strict_mode(pending: Pending) -> Iterator[Hazard]:
    """Find revisions that let MariaDB cut values instead of refusing them."""
    for effect, met in pending.of(Does):
        if effect.what == "sql-mode" and pending.is_mysql and not _is_strict(effect.name):
            message = f"Sets sql_mode to {effect.name}, in which NULL becomes 0 and long texts are cut."
            yield pending.found(_NON_STRICT, met, pending.recorded.revision, message)


def _is_strict(mode: str) -> bool:
    said = mode.upper()
    return "STRICT_" in said or "TRADITIONAL" in said or "@" in said or said == "DEFAULT"


def recreate_table_force(pending: Pending) -> Iterator[Hazard]:
    """Find tables that are dropped if they are there, and made again."""
    for effect, met in pending.of(DropsTable):
        if effect.if_exists and met.table is not None and is_made_again(pending, met):
            subject = label(effect.table)
            message = f"Drops the table {subject} with {ROWS}, and makes it again, empty."
            yield pending.found(_FORCE, met, subject, message, question=all_of(met.table))


def is_made_again(pending: Pending, met: Met) -> bool:
    """Say whether the revision makes a table again after it has dropped it."""
    later = pending.met[pending.met.index(met) :]
    made = (each.effect.table for each in later if isinstance(each.effect, CreatesTable))
    return met.effect.table in made


RULES = (known_statements, mysql_non_strict_mode, recreate_table_force)
KINDS = (*(each.kind for each in _STATEMENTS), _NON_STRICT, _FORCE)
