"""Rules for what a release that still runs does not expect: names, defaults, constraints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .effect import (
    AddsColumn,
    AddsKey,
    ChangesType,
    CreatesTable,
    DropsColumn,
    DropsPart,
    MakesIndex,
    RenamesColumn,
    RenamesTable,
    SetsDefault,
    SetsNullable,
)
from .hazard import ROWS, Hazard, Kind
from .parts import bare, columns_of, parts_of
from .pending import Met, Pending, label
from .questions import size_of

if TYPE_CHECKING:
    from ..snapshot import Part

_TABLE = Kind(
    "rename-table",
    ("incompatible",),
    "Keep the name (__tablename__); or make a view with the old name in the same revision, and drop it a "
    "release "
    "later.",
)
_COLUMN = Kind(
    "rename-column",
    ("incompatible",),
    'Keep the name: attribute = db.Column("old_name", ...); or add a new column, write to both, and switch '
    "over.",
)
_NULLS = Kind("drop-not-null", ("incompatible",), "Deploy code that takes NULL first.")
_REQUIRED = Kind(
    "drop-default-on-required-column",
    ("incompatible",),
    "Keep the server_default until no release runs that leaves the column out.",
)
_DEFAULT = Kind("change-column-default", ("incompatible",), "Let the code say the value itself first.")
_CONSTRAINT = Kind(
    "drop-constraint",
    ("incompatible",),
    "Drop it when the code sees to it; to add it again later, the rows have to be looked through.",
)
_PRIMARY = Kind(
    "drop-primary-key",
    ("blocking", "incompatible"),
    "Put the new key in its place in one statement: DROP PRIMARY KEY, ADD PRIMARY KEY (...); on PostgreSQL "
    "USING "
    "INDEX.",
)
_JSON = Kind("add-json-column", ("incompatible",), "Use JSONB: JSON has no =, so that SELECT DISTINCT fails.")
_LONG = Kind("identifier-too-long", ("incompatible",), "Give it a shorter name.")


def rename_table(pending: Pending) -> Iterator[Hazard]:
    """Find tables that get another name, and leave no view with the old one."""
    for effect, met in pending.of(RenamesTable):
        if met.table is not None and not _has_view(pending, effect.table.name):
            message = (
                f"Renames {label(effect.table)} to {label(effect.to)}: a release that still runs does not "
                "find it."
            )
            yield pending.found(_TABLE, met, label(effect.table), message)


def _has_view(pending: Pending, name: str) -> bool:
    view = re.compile(rf"\bVIEW\s+(?:\S+\.)?[\"`]?{re.escape(name)}\b", re.IGNORECASE)
    return any(view.search(sql) for each in pending.recorded.operations for sql in each.statements)


def rename_column(pending: Pending) -> Iterator[Hazard]:
    """Find columns that get another name."""
    for effect, met in pending.of(RenamesColumn):
        if met.table is not None and met.column is not None:
            subject = label(effect.table, effect.column)
            message = f"Renames {subject} to {effect.to}: a release that still runs does not find it."
            yield pending.found(_COLUMN, met, subject, message)


def drop_not_null(pending: Pending) -> Iterator[Hazard]:
    """Find columns that may have NULL from now on."""
    for effect, met in pending.of(SetsNullable):
        there = pending.column_there(met, effect.column)
        was_required = there is None or there.facts.get("nullable") == "no"
        if effect.nullable and was_required and met.table is not None and met.column is not None:
            subject = label(effect.table, effect.column)
            message = f"Lets {subject} be NULL: a release that still runs may not expect that."
            yield pending.found(_NULLS, met, subject, message)


def change_column_default(pending: Pending) -> Iterator[Hazard]:
    """Find defaults that change, and those that go from columns which take no NULL."""
    for effect, met in pending.of(SetsDefault):
        there = pending.column_there(met, effect.column)
        had = there.facts.get("default") if there is not None else None
        if met.table is None or met.column is None or (had is None and effect.default is None):
            continue
        subject = label(effect.table, effect.column)
        if effect.default is None and there is not None and there.facts.get("nullable") == "no":
            message = f"Takes the default {had} from {subject}, which takes no NULL: who leaves it out fails."
            yield pending.found(_REQUIRED, met, subject, message)
        elif _plain(had) != _plain(effect.default):
            message = (
                f"Changes the default of {subject} to {effect.default or 'nothing'}: old code stores it too."
            )
            yield pending.found(_DEFAULT, met, subject, message)


def _plain(default: str | None) -> str:
    return re.sub(r"::[\w ]+(?:\(\d+\))?|[()'\s]|\.0+\b", "", default or "").lower()


def drop_constraint(pending: Pending) -> Iterator[Hazard]:
    """Find constraints that go, but for those of this plan, of columns that go too, and that come again."""
    for effect, met in pending.of(DropsPart):
        kinds = ("unique", "foreign-key", "check", "exclude")
        known = next((part for part in parts_of(met.there, *kinds) if part.name == effect.name), None)
        kind = known.kind if known is not None else effect.kind
        is_unknown = kind == "constraint" and met.there is None
        if not (kind in kinds or is_unknown) or met.table is None:
            continue
        real = pending.table(pending.structures.real, met.table)
        if real is not None and all(part.name != effect.name for part in parts_of(real, *kinds)):
            continue
        columns = (columns_of(known) or ()) if known is not None else ()
        if _loses_a_column(pending, met, columns) or _comes_again(pending, met, kind, effect.name, known):
            continue
        noun = kind.replace("-", " ")
        message = (
            f"Drops the {noun} {effect.name} of {label(effect.table)}: the engine does not see to it any "
            "more."
        )
        yield pending.found(_CONSTRAINT, met, label(effect.table, effect.name), message)


def _loses_a_column(pending: Pending, met: Met, columns: tuple[str, ...]) -> bool:
    """Say whether the revision drops a column of it, which is told for itself."""
    return any(
        effect.column in columns and each.table == met.table for effect, each in pending.of(DropsColumn)
    )


def _comes_again(pending: Pending, met: Met, kind: str, name: str, known: Part | None) -> bool:
    """Say whether the revision makes it again, by whatever name, as when it is to cascade from now on."""
    columns = columns_of(known) if known is not None and kind != "check" else None
    table = known.facts.get("table", "") if known is not None else ""
    for effect, each in pending.of(AddsKey):
        key = effect.key
        if each.table == met.table and kind in (key.kind, "constraint"):
            to_the_same = key.refers is None or bare(table).endswith(key.refers.name)
            if (
                (key.name == name)
                if columns is None
                else (sorted(key.columns) == sorted(columns) and to_the_same)
            ):
                return True
    return False


def drop_primary_key(pending: Pending) -> Iterator[Hazard]:
    """Find primary keys that go."""
    if pending.family == "sqlite":
        return
    for effect, met in pending.of(DropsPart):
        keys = [part for part in parts_of(met.there, "primary-key") if part.name == effect.name]
        if met.table is not None and (effect.kind == "primary-key" or keys):
            message = f"Drops the primary key of {label(effect.table)}, which has {ROWS}.{_how(pending, met)}"
            yield pending.found(_PRIMARY, met, label(effect.table), message, question=size_of(met.table))


def _how(pending: Pending, met: Met) -> str:
    again = any(
        isinstance(each.effect, AddsKey)
        and each.effect.key.kind == "primary-key"
        and each.operation is met.operation
        for each in pending.met
    )
    if pending.is_mysql and not again:
        return " The server copies the table (ALGORITHM=COPY): nobody writes it meanwhile."
    return ""


def add_json_column(pending: Pending) -> Iterator[Hazard]:
    """Find columns of the type that PostgreSQL cannot compare."""
    for effect, met in pending.of(AddsColumn):
        if (
            pending.family == "postgresql"
            and (effect.said.type or "").lower() == "json"
            and met.table is not None
        ):
            subject = label(effect.table, effect.column)
            yield pending.found(
                _JSON, met, subject, f"Adds the JSON column {subject}, which has no equality."
            )


def identifier_too_long(pending: Pending) -> Iterator[Hazard]:
    """Find names that PostgreSQL cuts without a word, and MariaDB refuses."""
    if pending.family == "sqlite":
        return
    for met in pending.met:
        for name in _names(met):
            size = len(name.encode()) if pending.family == "postgresql" else len(name)
            if size > _LONGEST[pending.family]:
                message = (
                    f"The name {name} is longer than the {_LONGEST[pending.family]} that the engine keeps."
                )
                yield pending.found(_LONG, met, name, message)


_LONGEST = {"postgresql": 63, "mariadb": 64, "mysql": 64}


def _names(met: Met) -> Iterator[str]:
    match met.effect:
        case CreatesTable():
            yield met.effect.table.name
            yield from (each.name for each in met.effect.columns_said)
            yield from (each.name for each in met.effect.keys if each.name)
        case RenamesTable():
            yield met.effect.to.name
        case AddsColumn() | ChangesType():
            yield met.effect.column
        case RenamesColumn():
            yield met.effect.to
        case MakesIndex():
            yield met.effect.name
        case AddsKey():
            yield met.effect.key.name or ""


RULES = (
    rename_table,
    rename_column,
    drop_not_null,
    change_column_default,
    drop_constraint,
    drop_primary_key,
    add_json_column,
    identifier_too_long,
)
KINDS = (_TABLE, _COLUMN, _NULLS, _REQUIRED, _DEFAULT, _CONSTRAINT, _PRIMARY, _JSON, _LONG)
