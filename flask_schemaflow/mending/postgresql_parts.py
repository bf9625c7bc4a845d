"""Keys, checks, exclusions, indexes, triggers, rules and policies of PostgreSQL tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .changes import Action, Change, Left, Outcome, Phase, Task, left
from .postgresql_meeting import meeting, was_met
from .postgresql_words import (
    alter,
    beside,
    comment_on,
    comments,
    in_default_schema,
    mentions,
    quoted,
    texts_of,
    written,
)

if TYPE_CHECKING:
    from ..snapshot import Object, Part

CONSTRAINTS = frozenset("primary-key unique foreign-key check exclude".split())
_MADE_IN = {
    "primary-key": Phase.KEYS,
    "unique": Phase.KEYS,
    "check": Phase.INDEXES,
    "exclude": Phase.INDEXES,
    "foreign-key": Phase.FOREIGN_KEYS,
    "index": Phase.INDEXES,
    "statistics": Phase.INDEXES,
    "trigger": Phase.TRIGGERS,
    "rule": Phase.TRIGGERS,
    "policy": Phase.TRIGGERS,
}
_ARTICLES = {"index": "An", "statistics": "The"}
_OF_PERSONS = frozenset("index trigger rule policy statistics".split())


def mend_part(change: Change, task: Task) -> Iterator[Outcome]:
    """Make, change or replace a part of a table that is no column; what a person made stays."""
    table, part, there = change.object, change.part, change.part_there
    if part is None:
        assert there is not None
        goes = task.may_drop(change) or goes_with_column(table, there, task)
        if there.kind in _OF_PERSONS and not goes:
            yield from left(
                change, f"{_ARTICLES.get(there.kind, 'A')} {there.kind} that a person made stays.", kept=True
            )
        else:
            yield drop_part(table, there, change.keys)
    elif there is None:
        yield from _made(change, task)
    else:
        yield from _changed(change, task)


def goes_with_column(table: Object, part: Part, task: Task) -> bool:
    """Say whether a part that only the database has is about a column that was accepted to go."""
    gone = (
        each.part_there.name or ""
        for each in task.changes
        if each.kind == "column" and each.part_there is not None and each.object.key == table.key
        if each.is_extra and (task.may_drop(each) or "generated" in each.part_there.facts)
    )
    return part.kind != "column" and any(mentions(text, name) for name in gone for text in texts_of(part))


def _changed(change: Change, task: Task) -> Iterator[Outcome]:
    table, part, there = change.object, change.part, change.part_there
    assert part is not None
    assert there is not None
    if "comment" in change.facts:
        text = comment_on(table, part, part.facts.get("comment"))
        yield Action(phase=Phase.COMMENTS, statements=(text,), mends=change.keys_of("comment"))
    facts = change.facts - {"comment"}
    simple = _altered(change, facts)
    if simple is not None:
        yield Action(phase=Phase.INDEXES, statements=simple, mends=change.keys_of(*facts))
    elif facts:
        refusal = _refusal(change, task)
        if refusal is not None:
            yield from refusal
            return
        yield drop_part(table, there)
        yield from make_part(table, part, change.keys_of(*facts), was_met(change, task))


def _altered(change: Change, facts: frozenset[str]) -> tuple[str, ...] | None:
    """Write what changes a part without making it anew; None where that cannot be."""
    table, part, there = change.object, change.part, change.part_there
    assert part is not None
    assert there is not None
    new, old = quoted(part.name), quoted(there.name)
    if facts == {"name"}:
        if part.kind in CONSTRAINTS:
            return (alter(table, f"RENAME CONSTRAINT {old} TO {new}"),)
        return (f"ALTER INDEX {beside(table, there.name)} RENAME TO {new}",) if part.kind == "index" else None
    if facts == {"deferrable"} and part.kind == "foreign-key":
        return (alter(table, f"ALTER CONSTRAINT {old} {part.facts.get('deferrable', 'NOT DEFERRABLE')}"),)
    if facts == {"not-valid"} and "not-valid" not in part.facts:
        return (alter(table, f"VALIDATE CONSTRAINT {old}"),)
    if facts == {"enabled"}:
        return (_enabled(table, part),)
    if facts == {"storage"} and part.kind == "index":
        return tuple(storage(f"ALTER INDEX {beside(table, there.name)}", there, part))
    return None


def storage(command: str, there: Object | Part, wanted: Object | Part) -> Iterator[str]:
    """Write which storage options are set, and which go back to their defaults."""
    old, new = (_options(each.facts.get("storage")) for each in (there, wanted))
    gone = [name for name in old if name not in new]
    if gone:
        yield f"{command} RESET ({', '.join(gone)})"
    set_ = [f"{name}={value}" for name, value in new.items() if old.get(name) != value]
    if set_:
        yield f"{command} SET ({', '.join(set_)})"


def _options(text: str | None) -> dict[str, str]:
    pairs = (each.partition("=") for each in (text or "").split(", ") if each)
    return {name: value for name, _, value in pairs}


_ENABLING = {
    None: "ENABLE",
    "disabled": "DISABLE",
    "on replicas only": "ENABLE REPLICA",
    "always": "ENABLE ALWAYS",
}


def _enabled(table: Object, part: Part) -> str:
    word = _ENABLING[part.facts.get("enabled")]
    return alter(table, f"{word} {part.kind.upper()} {quoted(part.name)}")


def _made(change: Change, task: Task) -> Iterator[Outcome]:
    table, part = change.object, change.part
    assert part is not None
    index = _index_for(change, task)
    if index is not None:
        text = f"ADD CONSTRAINT {quoted(part.name)} UNIQUE USING INDEX {quoted(_name_there(index))}"
        deferrable = part.facts.get("deferrable")
        statement = alter(table, text + (f" {deferrable}" if deferrable else ""))
        yield Action(phase=Phase.KEYS, statements=(statement,), mends=(*change.keys, *index.keys))
        yield from comments(table, part)
        return
    refusal = _refusal(change, task)
    yield from refusal if refusal is not None else make_part(table, part, change.keys, was_met(change, task))


def _index_for(change: Change, task: Task) -> Change | None:
    """Give the unique index that is there in the place of a unique constraint, with the same columns."""
    part = change.part
    if part is None or part.kind != "unique":
        return None
    wanted = {"columns": part.facts["columns"], "unique": "yes"}
    also = {name: part.facts[name] for name in ("include", "nulls-not-distinct") if name in part.facts}
    return next(
        (each for each in _extra_indexes(task, change.object) if _facts_of(each) == wanted | also), None
    )


def becomes_constraint(change: Change, task: Task) -> bool:
    """Say whether an extra index is the one of a missing constraint, which takes it."""
    return change.is_extra and any(
        other.is_missing and other.object.key == change.object.key and _index_for(other, task) is change
        for other in task.changes
        if other.kind == "unique"
    )


def _extra_indexes(task: Task, table: Object) -> Iterator[Change]:
    for each in task.changes:
        if each.kind == "index" and each.is_extra and each.object.key == table.key:
            yield each


def _name_there(change: Change) -> str | None:
    return None if change.part_there is None else change.part_there.name


def _facts_of(change: Change) -> dict[str, str]:
    assert change.part_there is not None
    return {
        name: value for name, value in change.part_there.facts.items() if name not in ("comment", "storage")
    }


def _refusal(change: Change, task: Task) -> list[Outcome] | None:
    """Leave a constraint that the rows do not meet, as comments with their number."""
    table, part = change.object, change.part
    assert part is not None
    met = meeting(change, task)
    if met is None:
        return None
    disabled: list[str] = []
    if change.part_there is not None:
        disabled += drop_part(table, change.part_there).statements
    for each in make_part(table, part):
        disabled += each.statements
    note = f"{met} Mend the rows, then run this:"
    found: list[Outcome] = [Left(drift=each, reason=met) for each in change.drifts]
    return [*found, Action(phase=_MADE_IN[part.kind], notes=(note,), disabled=tuple(disabled))]


# -- statements ------------------------------------------------------------------------------------


def drop_part(table: Object, part: Part, mends: tuple[str, ...] = ()) -> Action:
    """Write what drops a part that is no column."""
    phase = Phase.DROP_FOREIGN_KEYS if part.kind == "foreign-key" else Phase.DROP_INDEXES
    name = quoted(part.name)
    if part.kind in CONSTRAINTS:
        statement = alter(table, f"DROP CONSTRAINT {name}")
    elif part.kind in ("index", "statistics"):
        statement = f"DROP {part.kind.upper()} {beside(table, part.name)}"
    else:
        phase = Phase.DROP_VIEWS
        statement = f"DROP {part.kind.upper()} {name} ON {written(table)}"
    return Action(phase=phase, statements=(statement,), mends=mends)


def make_part(
    table: Object, part: Part, mends: tuple[str, ...] = (), notes: tuple[str, ...] = ()
) -> Iterator[Action]:
    """Write what makes a part that is no column; a constraint that nobody named is named by the engine."""
    if part.kind in CONSTRAINTS:
        statements = [alter(table, f"ADD {constraint_line(part)}")]
    elif part.kind == "policy":
        statements = [_policy(table, part)]
    else:
        statements = [in_default_schema(part.definition, table)]
    if "enabled" in part.facts:
        statements.append(_enabled(table, part))
    yield Action(phase=_MADE_IN[part.kind], statements=tuple(statements), mends=mends, notes=notes)
    yield from comments(table, part)


def constraint_line(part: Part) -> str:
    """Write a constraint as in ``CREATE TABLE``."""
    has_name = part.name and (part.named or "comment" in part.facts)
    return (f"CONSTRAINT {quoted(part.name)} " if has_name else "") + part.definition


def _policy(table: Object, part: Part) -> str:
    pieces = [f"CREATE POLICY {quoted(part.name)} ON {written(table)}"]
    if "restrictive" in part.facts:
        pieces.append("AS RESTRICTIVE")
    if "command" in part.facts:
        pieces.append(f"FOR {part.facts['command']}")
    if "roles" in part.facts:
        pieces.append(f"TO {part.facts['roles']}")
    if "using" in part.facts:
        pieces.append(f"USING ({part.facts['using']})")
    if "with-check" in part.facts:
        pieces.append(f"WITH CHECK ({part.facts['with-check']})")
    return " ".join(pieces)
