"""Columns of PostgreSQL tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .changes import Action, Change, Left, Outcome, Phase, Task, left
from .postgresql_counting import counting, no_more_counting, serial_default, serial_sequence
from .postgresql_fitting import what_does_not_fit
from .postgresql_meeting import breaks_a_key
from .postgresql_types import misfits, using
from .postgresql_words import (
    alter,
    column_line,
    comment_on,
    comments,
    default_of,
    quoted,
    type_of,
    written,
)

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_SETTINGS = ("statistics-target", "storage", "compression", "options")
FIRST, LAST = -3, 3
"""Computed columns go before others change, and come after that."""
_PLACE = "A column of PostgreSQL keeps its place in the table; nothing depends on it."


def mend_column(change: Change, task: Task) -> Iterator[Outcome]:
    """Make or change a column; one that only the database has is kept unless it was accepted."""
    if change.is_missing:
        yield from _add(change, task)
    elif change.is_extra:
        yield from _keep(change, task)
    else:
        yield from _change(change, task)


# -- missing and extra -----------------------------------------------------------------------------


def _add(change: Change, task: Task) -> Iterator[Outcome]:
    table, column = change.object, change.part
    assert column is not None
    assert change.there is not None
    notes = _likely_names(change, task)
    renames = tuple(alter(table, f"RENAME COLUMN {old} TO {quoted(column.name)}") for old in notes)
    needs_value = column.facts.get("nullable") == "no" and not _fills_itself(column)
    rows = task.rows(change.there) if needs_value else None
    line = column_line(column, nullable=True if rows else None, default=serial_default(table, column))
    told = [f"Or was {old} renamed to {quoted(column.name)}? Then, instead:" for old in notes]
    before, after = serial_sequence(table, column)
    yield Action(
        phase=Phase.COLUMNS,
        statements=(*before, alter(table, f"ADD COLUMN {line}"), *after),
        mends=change.keys,
        notes=tuple(told),
        disabled=renames,
    )
    yield from comments(table, column)
    yield from column_settings(table, column)
    if rows:
        yield from _needs_values(table, column, rows, change)


def _likely_names(change: Change, task: Task) -> tuple[str, ...]:
    """Give the columns of the same type that only the database has."""
    column = change.part
    assert column is not None
    return tuple(
        quoted(each.part_there.name)
        for each in task.changes
        if each.kind == "column" and each.is_extra and each.object.key == change.object.key
        if each.part_there is not None and type_of(each.part_there) == type_of(column)
        if "generated" not in each.part_there.facts
    )


def _fills_itself(column: Part) -> bool:
    return bool(column.facts.keys() & {"default", "generated", "autoincrement"})


def _needs_values(table: Object, column: Part, rows: int, change: Change) -> Iterator[Outcome]:
    name = quoted(column.name)
    reason = (
        f"{_rows(rows)} of {table.label} need a value in the new column {column.name}, and the models have "
        "no server default for it."
    )
    yield Action(
        phase=Phase.COLUMNS,
        after=1,
        notes=(f"{reason} Put one in, then run this:",),
        disabled=(
            f"UPDATE {written(table)} SET {name} = … WHERE {name} IS NULL",
            *_not_null(table, column.name or ""),
        ),
    )
    rest = replace(change.drifts[0], code="changed-column-nullable")
    yield Left(drift=rest, reason=reason)


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number} rows"


def _keep(change: Change, task: Task) -> Iterator[Outcome]:
    table, column = change.object, change.part_there
    assert column is not None
    key = f"drop-column:{table.label}.{column.name}"
    drop = alter(table, f"DROP COLUMN {quoted(column.name)}")
    rows = task.rows(table, f"{quoted(column.name)} IS NOT NULL")
    if key in task.accepted or "generated" in column.facts:
        computed = (accepting(table, column),) if "generated" in column.facts else ()
        yield Action(phase=Phase.COLUMNS, after=-1, statements=(drop,), mends=change.keys, notes=computed)
        return
    told = "may hold data" if rows is None else f"has a value in {_rows(rows)}"
    disabled = [drop]
    if column.facts.get("nullable") == "no" and not _fills_itself(column):
        disabled.insert(0, alter(table, f"ALTER COLUMN {quoted(column.name)} DROP NOT NULL"))
    notes = [f"The column {column.name} {told} and stays; --accept {key} drops it."]
    if len(disabled) > 1:
        notes.append("The models do not fill it, so they can only add rows once it may be NULL.")
    yield Action(phase=Phase.DROPS, notes=tuple(notes), disabled=tuple(disabled))
    yield from left(change, f"It {told}; --accept {key} drops it.", kept=True)


# -- changed ---------------------------------------------------------------------------------------


@dataclass
class _Work:
    """What is collected for one column."""

    change: Change
    task: Task

    @property
    def table(self) -> Object:
        return self.change.object

    @property
    def wanted(self) -> Part:
        assert self.change.part is not None
        return self.change.part

    @property
    def there(self) -> Part:
        assert self.change.part_there is not None
        return self.change.part_there

    def set(self, clause: str) -> str:
        return alter(self.table, f"ALTER COLUMN {quoted(self.wanted.name)} {clause}")


def _change(change: Change, task: Task) -> Iterator[Outcome]:
    facts = change.facts
    if "position" in facts:
        yield Left(drift=change.drift_of("position"), reason=_PLACE)
    if "comment" in facts and change.part is not None:
        text = comment_on(change.object, change.part, change.part.facts.get("comment"))
        yield Action(phase=Phase.COMMENTS, statements=(text,), mends=change.keys_of("comment"))
    work = _Work(change, task)
    if "generated" in facts and "generated" in work.wanted.facts:
        yield from _made_anew(work)
        return
    yield from _settings(work)
    yield from _content(work)


_CONTENT = (
    "type",
    "collation",
    "default",
    "generated",
    "autoincrement",
    "sequence",
    "sequence-type",
    "nullable",
)


def _content(work: _Work) -> Iterator[Outcome]:
    facts = work.change.facts & set(_CONTENT)
    if not facts:
        return
    statements: list[str] = []
    if "generated" in facts:
        statements.append(work.set("DROP EXPRESSION"))
    statements += no_more_counting(work.table, work.there, work.wanted)
    notes: tuple[str, ...] = ()
    if facts & {"type", "collation"}:
        converted = _converted(work)
        if converted is None:
            reason = f"No conversion from {work.there.facts['type']} to {work.wanted.facts['type']} is known."
            yield from (Left(drift=each, reason=reason) for each in work.change.drifts if each.structural)
            return
        typed, notes = converted
        refused = _refused(work)
        if refused is not None:
            yield Action(phase=Phase.COLUMNS, notes=(f"{refused} Then run this:",), disabled=tuple(typed))
            yield from (Left(drift=each, reason=refused) for each in work.change.drifts if each.structural)
            return
        statements += typed
    elif "default" in facts:
        default = default_of(work.wanted)
        statements.append(work.set("DROP DEFAULT" if default is None else f"SET DEFAULT {default}"))
    mends = work.change.keys_of(*(facts - {"nullable"}))
    counts = counting(work.table, work.wanted, work.there)
    if "nullable" in facts:
        yield Action(phase=Phase.COLUMNS, statements=tuple(statements), mends=mends, notes=notes)
        yield from _nullability(work)
        statements, mends, notes = [], (), ()
    yield Action(phase=Phase.COLUMNS, statements=(*statements, *counts), mends=mends, notes=notes, after=2)


def _refused(work: _Work) -> str | None:
    """Say why the type stays: some values do not fit into the other one."""
    condition = what_does_not_fit(work.there, work.wanted)
    assert work.change.there is not None
    rows = work.task.rows(work.change.there, condition) if condition is not None else None
    if not rows:
        return None
    where = f"{work.table.label}.{work.wanted.name}"
    return f"{_have(rows)} a value in {where} that {work.wanted.facts['type']} cannot hold. Change it first."


def _converted(work: _Work) -> tuple[list[str], tuple[str, ...]] | None:
    """Write the change of type, with the default that the old type had out of the way."""
    old, new = work.there, work.wanted
    name = quoted(new.name)
    types = (*work.task.before.objects, *work.task.after.objects)  # new ones are made before this
    own = frozenset(each.label for each in types if each.kind in ("enum", "domain"))
    value = using(name, old.facts["type"], new.facts["type"], own)
    if value is None:
        return None
    statements = [work.set("DROP DEFAULT")] if "default" in old.facts else []
    statements.append(work.set(f"TYPE {type_of(new)}" + (f" USING {value}" if value else "")))
    default = default_of(new)
    if default is not None:
        statements.append(work.set(f"SET DEFAULT {default}"))
    notes = ("Moments without a time zone are taken for UTC.",) if "TIME ZONE" in value else ()
    return statements, notes


def _misfits(work: _Work) -> str:
    """Say how many rows have a value that the new type does not take; empty where none has."""
    old, new = work.there, work.wanted
    types = {written(each): each for each in work.task.after.objects if each.kind == "enum"}
    enum = types.get(new.facts["type"])
    labels = None if enum is None else enum.facts["labels"]
    condition = misfits(quoted(new.name), old.facts["type"], new.facts["type"], labels)
    assert work.change.there is not None
    number = None if condition is None else work.task.rows(work.change.there, condition)
    if not number:
        return ""
    have = "1 row has a value" if number == 1 else f"{number} rows have values"
    return f"{have} in {work.table.label}.{new.name} that {new.facts['type']} does not take."


def _made_anew(work: _Work) -> Iterator[Outcome]:
    """Drop a column and add it as the engine computes it; other values go only if that is accepted."""
    table, wanted = work.table, work.wanted
    key = f"drop-column:{table.label}.{wanted.name}"
    statements = (
        alter(table, f"DROP COLUMN {quoted(wanted.name)}"),
        alter(table, f"ADD COLUMN {column_line(wanted)}"),
    )
    drifts = [each for each in work.change.drifts if not each.code.endswith(("-position", "-comment"))]
    holds = None if "generated" in work.there.facts else work.task.rows(table)
    is_free = "generated" in work.there.facts or holds == 0 or key in work.task.accepted
    if is_free:
        drop, add = ((each,) for each in statements)
        notes = (accepting(table, wanted),) if "generated" in work.there.facts else ()
        yield Action(phase=Phase.COLUMNS, after=FIRST, statements=drop, notes=notes)
        yield Action(
            phase=Phase.COLUMNS, after=LAST, statements=add, mends=tuple(each.key for each in drifts)
        )
        yield from column_settings(table, wanted)
        return
    told = "some rows" if holds is None else _rows(holds)
    reason = f"To be computed the column has to be made anew, and it has values in {told}; --accept {key}."
    yield Action(phase=Phase.COLUMNS, notes=(reason,), disabled=statements)
    yield from (Left(drift=each, reason=reason) for each in drifts)


# -- nullability -----------------------------------------------------------------------------------


def _nullability(work: _Work) -> Iterator[Outcome]:
    keys = work.change.keys_of("nullable")
    if work.wanted.facts.get("nullable") != "no":
        yield Action(phase=Phase.COLUMNS, after=1, statements=(work.set("DROP NOT NULL"),), mends=keys)
        return
    name = quoted(work.wanted.name)
    assert work.change.there is not None
    nulls = work.task.rows(work.change.there, f"{name} IS NULL")
    steps = _not_null(work.table, work.wanted.name or "")
    told = (
        "It is not known how many rows have NULL there." if nulls is None else f"{_have(nulls)} NULL there."
    )
    note = f"NOT NULL for {work.table.label}.{work.wanted.name}: {told}"
    default = default_of(work.wanted)
    key = breaks_a_key(work.change, default, work.task) if nulls and default is not None else None
    if nulls and (default is None or key is not None):
        yield Action(
            phase=Phase.COLUMNS,
            after=1,
            notes=(f"{note} Put a value in, then run this:",),
            disabled=(f"UPDATE {written(work.table)} SET {name} = … WHERE {name} IS NULL", *steps),
        )
        why = (
            "the models have no server default to put in" if key is None else f"the default breaks the {key}"
        )
        reason = f"{_have(nulls)} NULL there, and {why}."
        yield Left(drift=work.change.drift_of("nullable"), reason=reason)
        return
    fill = f"UPDATE {written(work.table)} SET {name} = DEFAULT WHERE {name} IS NULL"
    filled = (fill,) if nulls else ()
    yield Action(phase=Phase.COLUMNS, after=1, statements=(*filled, *steps), mends=keys, notes=(note,))


def accepting(table: Object, column: Part) -> str:
    """Accept that a computed column goes: its values are none of its own."""
    return f"schemaflow: accept drop-column:{table.label}.{column.name} -- its values are computed"


def _have(number: int) -> str:
    return "1 row has" if number == 1 else f"{number} rows have"


def _not_null(table: Object, name: str) -> tuple[str, ...]:
    """Write the steps that hold the strong lock for a moment only: the rows are read before it.

    (https://www.postgresql.org/docs/current/sql-altertable.html, SET NOT NULL)
    """
    check = quoted(f"{table.name[:30]}_{name[:20]}_not_null")
    return (
        alter(table, f"ADD CONSTRAINT {check} CHECK ({quoted(name)} IS NOT NULL) NOT VALID"),
        alter(table, f"VALIDATE CONSTRAINT {check}"),
        alter(table, f"ALTER COLUMN {quoted(name)} SET NOT NULL"),
        alter(table, f"DROP CONSTRAINT {check}"),
    )


# -- settings --------------------------------------------------------------------------------------


def _settings(work: _Work) -> Iterator[Outcome]:
    for fact in _SETTINGS:
        if fact in work.change.facts:
            statement = work.set(_setting(fact, work.wanted))
            yield Action(phase=Phase.OPTIONS, statements=(statement,), mends=work.change.keys_of(fact))


def column_settings(table: Object, column: Part) -> Iterator[Action]:
    """Write what is set for a new column beside its content."""
    for fact in _SETTINGS:
        if column.kind == "column" and fact in column.facts:
            text = alter(table, f"ALTER COLUMN {quoted(column.name)} {_setting(fact, column)}")
            yield Action(phase=Phase.OPTIONS, statements=(text,))


def _setting(fact: str, column: Part) -> str:
    value = column.facts.get(fact)
    if fact == "options":
        return "RESET (n_distinct, n_distinct_inherited)" if value is None else f"SET ({value})"
    word = {"statistics-target": "STATISTICS", "storage": "STORAGE", "compression": "COMPRESSION"}[fact]
    usual = {"statistics-target": "-1", "storage": "DEFAULT", "compression": "default"}[fact]
    return f"SET {word} {usual if value is None else value.upper() if fact == 'storage' else value}"
