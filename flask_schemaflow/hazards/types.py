"""Rules for columns that change their type: what is written anew, and which values of an enum go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from ..probes import Question, named
from .effect import ChangesType, Does, MakesEnum
from .hazard import ROWS, Hazard, Kind
from .parts import parts_of
from .pending import Met, Pending, label
from .questions import size_of
from .rewriting import enum_values, is_appended, is_rewritten

_TYPE = Kind(
    "change-column-type",
    ("blocking", "incompatible"),
    "Add a column of the new type, write to both, copy in batches, switch over, and drop the old one.",
)
_CHECKED = Kind(
    "change-column-type-with-check",
    ("blocking",),
    "Drop the check, change the type, add the check again with NOT VALID, and validate it in the next "
    "revision.",
)
_VALUE = Kind(
    "drop-enum-value",
    ("destructive", "data-dependent", "blocking"),
    "Give the rows another value in an earlier revision, then take the value away.",
)
_ORDER = Kind(
    "mysql-enum-set-reorder",
    ("blocking",),
    "Append new values at the end: the order of an ENUM is how it is stored.",
)
_CHARSET = Kind(
    "change-charset-or-collation",
    ("blocking",),
    "Add a column with the new collation, copy in batches and switch over; or use pt-online-schema-change.",
)


def _changes(pending: Pending) -> Iterator[tuple[ChangesType, Met, str | None, str]]:
    """Give the changes of types on tables that the plan has not made, with the old type."""
    for effect, met in pending.of(ChangesType):
        if met.table is not None and effect.to is not None and pending.family != "sqlite":
            there = pending.column_there(met, effect.column)
            was = there.facts.get("type") if there is not None else None
            yield effect, met, was or effect.was, label(effect.table, effect.column)


def change_column_type(pending: Pending) -> Iterator[Hazard]:
    """Find types for which every row is written anew."""
    for effect, met, was, subject in _changes(pending):
        assert effect.to is not None
        assert met.table is not None
        both_enums = was is not None and enum_values(was) and enum_values(effect.to)
        if both_enums or _gone(pending, effect, was) or not _is_rewritten(pending, effect, was):
            continue
        how = (
            "the table is written anew under ACCESS EXCLUSIVE, nobody reads or writes"
            if pending.family == "postgresql"
            else "the server copies the table (ALGORITHM=COPY), nobody writes"
        )
        before = f" from {was}" if was else ""
        message = f"Changes the type of {subject}{before} to {effect.to}: {how} {ROWS} meanwhile."
        yield pending.found(_TYPE, met, subject, message, question=size_of(met.table))


def _is_rewritten(pending: Pending, effect: ChangesType, was: str | None) -> bool:
    """Say whether every row is written anew: also for an enum that this plan makes by the name of the old."""
    assert effect.to is not None
    return _made_enum(pending, effect) is not None or is_rewritten(was, effect.to, pending.family)


def change_column_type_with_check(pending: Pending) -> Iterator[Hazard]:
    """Find types of columns with a check, which PostgreSQL holds against every row again."""
    if pending.family != "postgresql":
        return
    for effect, met, was, subject in _changes(pending):
        assert met.table is not None
        if _is_rewritten(pending, effect, was):
            continue
        word = re.compile(rf"\b{re.escape(effect.column)}\b")
        for part in parts_of(met.there, "check"):
            if "not-valid" not in part.facts and word.search(part.facts.get("expression", "")):
                message = (
                    f"Changes the type of {subject}, which the check {part.name} is about: it is held "
                    f"against {ROWS} under ACCESS EXCLUSIVE."
                )
                yield pending.found(_CHECKED, met, subject, message, question=size_of(met.table))


# -- enums -----------------------------------------------------------------------------------------


def drop_enum_value(pending: Pending) -> Iterator[Hazard]:
    """Find values of an enum that rows may have, and that there are no more."""
    for effect, met, was, subject in _changes(pending):
        gone = _gone(pending, effect, was)
        if not gone or met.table is None or met.column is None:
            continue
        words = ", ".join(f"'{each}'" for each in gone)
        has = sa.cast(named(met.column), sa.Text if pending.family == "postgresql" else sa.CHAR).in_(
            [sa.literal_column(_quoted(each)) for each in gone]
        )
        message = f"Takes {words} from the values of {subject}, which {ROWS} have."
        yield pending.found(
            _VALUE, met, subject, message, question=Question(met.table, has), without=_unless_copied(pending)
        )


def _gone(pending: Pending, effect: ChangesType, was: str | None) -> tuple[str, ...]:
    """Give the values of an enum that its column cannot have any more."""
    new = _new_values(pending, effect)
    return tuple(each for each in _old_values(pending, was) if each not in new) if new else ()


def _unless_copied(pending: Pending) -> tuple[str, ...]:
    """Leave the blocking to the rule that says it already."""
    return ("blocking",) if pending.is_mysql else ()


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _old_values(pending: Pending, was: str | None) -> tuple[str, ...]:
    if was is None:
        return ()
    for each in pending.structures.real.objects:
        if each.kind == "enum" and each.name == was.strip('"'):
            return enum_values(f"enum({each.facts.get('labels', '')})")
    return enum_values(was)


def _new_values(pending: Pending, effect: ChangesType) -> tuple[str, ...]:
    made = _made_enum(pending, effect)
    return made.values if made is not None else enum_values(effect.to or "")


def _made_enum(pending: Pending, effect: ChangesType) -> MakesEnum | None:
    """Give the enum of this plan that is a column's new type; PostgreSQL only."""
    name = (effect.to or "").strip('"').rpartition(".")[2]
    made = (each for one in (*pending.so_far, pending) for each, _ in one.of(MakesEnum))
    return next((each for each in made if each.name == name), None)


def mysql_enum_set_reorder(pending: Pending) -> Iterator[Hazard]:
    """Find enums whose values get other numbers, so that every row is written anew."""
    for effect, met, was, subject in _changes(pending):
        old, new = enum_values(was or ""), enum_values(effect.to or "")
        if pending.is_mysql and old and new and met.table is not None and not is_appended(old, new):
            message = (
                f"Changes the values of {subject} otherwise than at their end: the server copies the table "
                f"(ALGORITHM=COPY), nobody writes {ROWS} meanwhile."
            )
            yield pending.found(_ORDER, met, subject, message, question=size_of(met.table))


# -- collations ------------------------------------------------------------------------------------

_COLLATE = re.compile(r'\bCOLLATE\s+"?([\w.-]+)"?|\bCHARACTER SET\s+(\w+)', re.IGNORECASE)


def change_charset_or_collation(pending: Pending) -> Iterator[Hazard]:
    """Find texts that get another character set or collation."""
    found: list[tuple[Met, str, Sequence[str]]] = []
    for effect, met, _, subject in _changes(pending):
        there = pending.column_there(met, effect.column)
        said = _COLLATE.search(effect.to or "")
        if said is not None and (there is None or there.facts.get("collation") != said[1]):
            found.append((met, subject, said.groups("")))
    for does, met in pending.of(Does):
        if does.what == "change-charset-or-collation" and met.table is not None:
            found.append((met, label(does.table), (does.name,)))
    for met, subject, _ in found:
        if met.table is not None:
            how = (
                "the indexes on it are built anew under ACCESS EXCLUSIVE"
                if pending.family == "postgresql"
                else "the server copies the table (ALGORITHM=COPY)"
            )
            message = f"Changes the character set or collation of {subject}: {how}, {ROWS}."
            yield pending.found(_CHARSET, met, subject, message, question=size_of(met.table))


RULES = (
    change_column_type,
    change_column_type_with_check,
    drop_enum_value,
    mysql_enum_set_reorder,
    change_charset_or_collation,
)
KINDS = (_TYPE, _CHECKED, _VALUE, _ORDER, _CHARSET)
