"""Rules for SQLite tables that are copied into a new one: what the copy does not take along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..probes import Question, named
from ..revisions import TableName
from .effect import Rebuilds, RenamesTable
from .hazard import ROWS, Hazard, Kind
from .losses import lost_parts
from .parts import bare
from .pending import Pending, label

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_LOST = Kind("sqlite-recreate-lost-objects", ("destructive",))
_CASCADE = Kind("sqlite-recreate-cascade-delete", ("destructive",))


def sqlite_recreate_lost_objects(pending: Pending) -> Iterator[Hazard]:
    """Find what a rebuilt table has no more, and no operation of the revision takes away."""
    for each in _rebuilt(pending):
        before = pending.table(pending.before, each.before)
        after = pending.table(pending.after, each.after)
        names = (each.before.name, each.name.name, each.after.name)
        for lost in lost_parts(pending, before, after, names) if before and after else ():
            yield Hazard(
                code=_LOST.code,
                subject=f"{label(each.name)}.{lost.name}",
                classes=_LOST.classes,
                message=f"Rebuilds the table {label(each.name)}, which loses {lost.what}.",
                hint=lost.hint,
                revision=pending.recorded.revision,
                file=str(pending.recorded.file),
                line=each.line,
            )
    yield from _counters(pending)


def sqlite_recreate_cascade_delete(pending: Pending) -> Iterator[Hazard]:
    """Find rebuilt tables to which others point with ON DELETE CASCADE or SET NULL."""
    for name, line in ((each.real, each.line) for each in _rebuilt(pending)):
        for child, part in _pointing_at(pending, name):
            cascades = part.facts["on-delete"] == "CASCADE"
            does = "would delete" if cascades else f"would set {part.facts['columns']} to NULL in"
            column = named(bare(part.facts["columns"].split(", ")[0]))
            yield Hazard(
                code=_CASCADE.code,
                subject=f"{label(name)}.{child.name}",
                classes=_LOST.classes,
                message=f"Rebuilds the table {label(name)}. `flask db upgrade` {does} {ROWS} of "
                f"{child.name} where the app switches foreign keys on; this command keeps them.",
                revision=pending.recorded.revision,
                file=str(pending.recorded.file),
                line=line,
                question=Question(TableName(child.schema, child.name), column.is_not(None)),
                averted=True,
                only_with_rows=True,
            )


@dataclass(frozen=True)
class _Rebuilt:
    """A rebuilt table: its name then, before and after the revision, and in the real database."""

    name: TableName
    before: TableName
    after: TableName
    real: TableName
    line: int | None


def _rebuilt(pending: Pending) -> tuple[_Rebuilt, ...]:
    """Give the tables that are rebuilt, and that the plan has not made."""
    if pending.structures.family != "sqlite":
        return ()
    found: dict[TableName, _Rebuilt] = {}
    first: dict[TableName, TableName] = {}
    for met in pending.met:
        effect = met.effect
        name = first.get(effect.table, effect.table)
        if isinstance(effect, Rebuilds) and met.table is not None:
            found[name] = _Rebuilt(effect.table, name, effect.table, met.table, met.line)
        elif isinstance(effect, RenamesTable):
            first[effect.to] = name
            if name in found:
                found[name] = replace(found[name], after=effect.to)
    return tuple(found.values())


def _pointing_at(pending: Pending, name: TableName) -> Iterator[tuple[Object, Part]]:
    for child in pending.structures.real.tables:
        for part in child.parts:
            if part.kind == "foreign-key" and part.facts.get("on-delete") in ("CASCADE", "SET NULL"):
                parent = bare(part.facts.get("table", ""))
                if pending.is_same(parent, name.name) and not pending.is_same(child.name, name.name):
                    yield child, part


def _counters(pending: Pending) -> Iterator[Hazard]:
    """Ask for AUTOINCREMENT counters above every id: the copy begins at the highest id that is there."""
    if _keeps_counter(pending):
        return
    for each in _rebuilt(pending):
        real = pending.table(pending.structures.real, each.real)
        after = pending.table(pending.after, each.after)
        key = _counting_key(real)
        if real is None or key is None or _counting_key(after) is None:
            continue
        highest = sa.select(sa.func.coalesce(sa.func.max(named(key)), 0)).select_from(
            sa.table(sa.sql.quoted_name(real.name, quote=True))
        )
        above = sa.and_(named("name") == real.name, named("seq") > highest.scalar_subquery())
        yield Hazard(
            code=_LOST.code,
            subject=f"{label(each.name)}.sqlite_sequence",
            classes=_LOST.classes,
            message=f"Rebuilds the table {label(each.name)}. The counter of its AUTOINCREMENT, which is "
            "above the highest id, falls back: ids of deleted rows would be given again.",
            hint=_KEEP_COUNTER.replace("{table}", real.name.replace("'", "''")),
            revision=pending.recorded.revision,
            file=str(pending.recorded.file),
            line=each.line,
            question=Question(TableName(None, "sqlite_sequence"), above),
            only_with_rows=True,
        )


_KEEP_COUNTER = (
    'Before the batch: op.execute("CREATE TEMP TABLE kept AS SELECT name, seq FROM sqlite_sequence WHERE '
    "name = '{table}'\"). After it: op.execute(\"DELETE FROM sqlite_sequence WHERE name = '{table}'\"); "
    'op.execute("INSERT INTO sqlite_sequence (name, seq) SELECT name, seq FROM kept"); '
    'op.execute("DROP TABLE temp.kept")'
)


def _keeps_counter(pending: Pending) -> bool:
    operations = pending.recorded.operations
    return any("sqlite_sequence" in sql for each in operations for sql in each.statements)


def _counting_key(table: Object | None) -> str | None:
    """Give the column that counts, where the table says AUTOINCREMENT."""
    for part in table.parts if table is not None else ():
        if part.kind == "primary-key" and "autoincrement" in part.facts:
            return bare(part.facts["columns"])
    return None


RULES = (sqlite_recreate_lost_objects, sqlite_recreate_cascade_delete)
KINDS = (_LOST, _CASCADE)
