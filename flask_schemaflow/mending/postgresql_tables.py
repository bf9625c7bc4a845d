"""Whole PostgreSQL tables, and what is set for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from .changes import Action, Change, Left, Outcome, Phase, Task, left
from .likely import likely_tables
from .postgresql_columns import column_settings
from .postgresql_counting import serial_default, serial_sequence
from .postgresql_parts import CONSTRAINTS, constraint_line, make_part, storage
from .postgresql_words import alter, column_line, comment_on, comments, quoted, written

if TYPE_CHECKING:
    from ..snapshot import Object, Part


def mend_table(change: Change, task: Task) -> Iterator[Outcome]:
    """Make a table, or change what is set for it; one that only the database has is kept unless accepted."""
    if change.is_missing:
        yield from _make(change, task)
    elif change.is_extra:
        yield from _keep(change, task)
    else:
        yield from _change(change)


# -- making ----------------------------------------------------------------------------------------


def _make(change: Change, task: Task) -> Iterator[Outcome]:
    table = change.object
    old = likely_tables(table, task)
    renames = tuple(alter(each, f"RENAME TO {quoted(table.name)}") for each in old)
    notes = tuple(
        f"Or was {each.label}{_with_rows(task, each)} renamed to {table.label}? Then, instead:"
        for each in old
    )
    statements = tuple(_create(table))
    yield Action(
        phase=Phase.TABLES,
        statements=statements,
        mends=change.keys,
        notes=notes,
        disabled=renames,
        after=_depth(table, task),
    )
    yield from _belonging(table)


def _with_rows(task: Task, table: Object) -> str:
    rows = task.rows(table)
    return "" if rows is None else f" ({rows} row{'' if rows == 1 else 's'})"


def _depth(table: Object, task: Task) -> int:
    """Count the parents above a table: they have to be there before it."""
    by_label = {each.label: each for each in task.after.tables}
    label = table.facts.get("partition-of") or table.facts.get("inherits")
    return 0 if label not in by_label else 1 + _depth(by_label[label], task)


def _create(table: Object) -> Iterator[str]:
    """Write the table with all that stands within ``CREATE TABLE``, but for foreign keys."""
    if table.partition_of is not None:
        schema, name = table.partition_of
        parent = quoted(name) if schema is None else f"{quoted(schema)}.{quoted(name)}"
        bounds = table.facts.get("partition-bounds", "DEFAULT")
        yield f"CREATE TABLE {written(table)} PARTITION OF {parent} {bounds}" + "".join(_after_body(table))
        return
    columns = [each for each in table.parts if each.kind == "column"]
    sequences = [serial_sequence(table, each) for each in columns]
    for before, _ in sequences:
        yield from before
    inner = [column_line(each, default=serial_default(table, each)) for each in columns]
    inner += [constraint_line(each) for each in _inner_constraints(table)]
    body = ",\n    ".join(inner)
    unlogged = "UNLOGGED " if table.facts.get("persistence") == "unlogged" else ""
    yield f"CREATE {unlogged}TABLE {written(table)} (\n    {body}\n)" + "".join(_after_body(table))
    for _, after in sequences:
        yield from after


def _inner_constraints(table: Object) -> list[Part]:
    """Give those that can stand there: not one that was never checked, or leads elsewhere."""
    if table.partition_of is not None:
        return []
    return [
        each
        for each in table.parts
        if each.kind in CONSTRAINTS and each.kind != "foreign-key" and "not-valid" not in each.facts
    ]


def _after_body(table: Object) -> Iterator[str]:
    for fact, words in _AFTER_BODY.items():
        if fact in table.facts:
            yield words.format(table.facts[fact])


_AFTER_BODY = {
    "inherits": " INHERITS ({})",
    "partition-by": " PARTITION BY {}",
    "access-method": " USING {}",
    "storage": " WITH ({})",
    "tablespace": " TABLESPACE {}",
}


def _belonging(table: Object) -> Iterator[Action]:
    """Write what stands beside ``CREATE TABLE``."""
    inner = _inner_constraints(table)
    for each in table.parts:
        if each.kind == "column" or each in inner:
            yield from comments(table, each)
            yield from column_settings(table, each)
        else:
            yield from make_part(table, each)
    for fact in ("row-security", "replica-identity", "clustered-on"):
        if fact in table.facts:
            statement = alter(table, _clauses(fact, table))
            yield Action(phase=Phase.OPTIONS, statements=(statement,))
    yield from comments(table)


# -- keeping ---------------------------------------------------------------------------------------


def _keep(change: Change, task: Task) -> Iterator[Outcome]:
    table = change.object
    key = f"drop-table:{table.label}"
    drop = f"DROP TABLE {written(table)}"
    if key in task.accepted:
        yield Action(phase=Phase.DROPS, statements=(drop,), mends=change.keys)
        return
    reason = f"The table stays{_with_rows(task, table)}; --accept {key} drops it."
    yield Action(phase=Phase.DROPS, notes=(f"{table.label}: {reason}",), disabled=(drop,))
    yield from left(change, reason, kept=True)


# -- changing --------------------------------------------------------------------------------------


def _change(change: Change) -> Iterator[Outcome]:
    table, there = change.wanted, change.there
    assert table is not None
    assert there is not None
    for fact in sorted(change.facts):
        keys = change.keys_of(fact)
        if fact == "comment":
            text = comment_on(table, None, table.facts.get("comment"))
            yield Action(phase=Phase.COMMENTS, statements=(text,), mends=keys)
        elif fact == "storage":
            statements = tuple(storage(f"ALTER TABLE {written(table)}", there, table))
            yield Action(phase=Phase.OPTIONS, statements=statements, mends=keys)
        elif fact in _CLAUSES:
            yield Action(phase=Phase.OPTIONS, statements=(alter(table, _clauses(fact, table)),), mends=keys)
        elif fact == "grants":
            yield Left(drift=change.drift_of(fact), reason="Rights that a person gave stay.", kept=True)


def _persistence(value: str | None) -> str:
    return "SET UNLOGGED" if value == "unlogged" else "SET LOGGED"


def _row_security(value: str | None) -> str:
    if value is None:
        return "DISABLE ROW LEVEL SECURITY"
    forced = "FORCE" if value == "forced" else "NO FORCE"
    return f"ENABLE ROW LEVEL SECURITY, {forced} ROW LEVEL SECURITY"


def _replica_identity(value: str | None) -> str:
    if value is not None and value.startswith("index "):
        return f"REPLICA IDENTITY USING INDEX {quoted(value.removeprefix('index '))}"
    return f"REPLICA IDENTITY {(value or 'default').upper()}"


def _clustered_on(value: str | None) -> str:
    return "SET WITHOUT CLUSTER" if value is None else f"CLUSTER ON {quoted(value)}"


def _tablespace(value: str | None) -> str:
    return f"SET TABLESPACE {quoted(value or 'pg_default')}"


_CLAUSES: Mapping[str, Callable[[str | None], str]] = {
    "persistence": _persistence,
    "row-security": _row_security,
    "replica-identity": _replica_identity,
    "clustered-on": _clustered_on,
    "tablespace": _tablespace,
}


def _clauses(fact: str, table: Object) -> str:
    return _CLAUSES[fact](table.facts.get(fact))
