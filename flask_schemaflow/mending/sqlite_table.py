"""Mend a SQLite table: columns are added by ALTER TABLE, for all else the table is copied into a new one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from ..snapshot import Clause, Item, TableItems, UnreadableText, cut_table
from .changes import Action, Change, Outcome, Phase, Task, left
from .rows import in_rows
from .sqlite_columns import Columns
from .sqlite_copy import copied
from .sqlite_counting import duplicates, orphans, same_values
from .sqlite_parts import Indexes, mend_indexes, mend_triggers
from .sqlite_words import lower, mentions, quoted

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_LEADS_TO = frozenset(("columns", "table", "references"))
_CONSTRAINTS = ("primary-key", "unique", "foreign-key", "check")


def mend_table(changes: list[Change], task: Task) -> Iterator[Outcome]:
    """Give what mends one table that is on both sides."""
    wanted, there = changes[0].wanted, changes[0].there
    assert wanted is not None
    assert there is not None
    try:
        if "definition" in (*wanted.facts, *there.facts):  # a virtual table, or one that is read otherwise
            raise UnreadableText(there.name)
        items = cut_table(wanted.definition), cut_table(there.definition)
    except UnreadableText:
        for change in changes:
            yield from left(change, "Its text cannot be taken apart, or is not known here: do it by hand.")
        return
    yield from _Table(wanted, there, changes, task, items).outcomes()


class _Table:
    """What is to be done with one table."""

    def __init__(
        self,
        wanted: Object,
        there: Object,
        changes: list[Change],
        task: Task,
        items: tuple[TableItems, TableItems],
    ) -> None:
        self.wanted, self.there, self.task = wanted, there, task
        self.items, self.items_there = items
        self.changes = changes
        self.columns = Columns(wanted, there, self._of("column"), task)

    def _of(self, *kinds: str) -> list[Change]:
        return [each for each in self.changes if each.kind in kinds]

    def outcomes(self) -> Iterator[Outcome]:
        """Give all that is to be done."""
        rebuilt = self._must_be_copied()
        indexes = self._indexes()
        yield from self.columns.outcomes(is_copied=rebuilt)
        yield from self._kept_constraints()
        yield from indexes.outcomes
        triggers = self._of("trigger")
        yield from mend_triggers(self.there, triggers, self.task, is_made_anew=rebuilt)
        if rebuilt:
            yield from self._copy(indexes)
        else:
            yield from self._added()

    # -- what is what ------------------------------------------------------------------------------

    def _must_be_copied(self) -> bool:
        inline = {id(each) for each in self._constraints_of_added}
        constraints = (each for each in self._of(*_CONSTRAINTS) if not self._is_kept(each))
        return (
            any(each.facts - {"comment"} for each in self._of("table"))
            or any(id(each) not in inline for each in constraints)
            or self.columns.must_be_copied
            or any(not self._can_be_added(each) for each in self.columns.missing)
            or any(not self._can_be_dropped(each) for each in self.columns.dropped.values())
        )

    def _is_kept(self, change: Change) -> bool:
        """Say whether a constraint belongs to a column that stays although it is not wanted."""
        part = change.part_there
        if change.part is not None or part is None:
            return False
        names = mentions(part)
        return bool(names & self.columns.kept.keys()) and not names & self.columns.dropped.keys()

    def _can_be_added(self, change: Change) -> bool:
        """Say whether ALTER TABLE can add a column (https://sqlite.org/lang_altertable.html#altertabaddcol)."""
        part = change.part
        assert part is not None
        clauses = {clause.kind: clause for clause, _, _ in self.items.column(part.name or "").clauses}
        default = part.facts.get("default", "NULL").upper()
        is_null = default == "NULL"
        return (
            not clauses.keys() & {"primary-key", "unique"}
            and not part.facts.get("generated", "").endswith("STORED")
            and not default.startswith(("(", "CURRENT_"))
            and (is_null or default.replace(" ", "").replace("'", "").replace(".", "").isalnum())
            and not (part.facts.get("nullable") == "no" and is_null)
            and not ("foreign-key" in clauses and not is_null)
        )

    def _can_be_dropped(self, part: Part) -> bool:
        """Say whether ALTER TABLE can drop a column (https://sqlite.org/lang_altertable.html#altertabdropcol)."""
        name = lower(part.name)
        others = (each for each in self.there.parts if each.kind in _CONSTRAINTS)
        generated = (each.facts["generated"] for each in self.there.parts if "generated" in each.facts)
        return not any(name in mentions(each) for each in others) and not any(
            name in lower(text) for text in generated
        )

    @cached_property
    def _constraints_of_added(self) -> list[Change]:
        """The constraints that stand inside of columns that are added."""
        inside = [
            clause
            for change in self.columns.missing
            if change.part is not None
            for clause, _, _ in self.items.column(change.part.name or "").clauses
        ]
        return [
            each
            for each in self._of(*_CONSTRAINTS)
            if each.is_missing
            and each.part is not None
            and any(is_of(clause, each.part) for clause in inside)
        ]

    def _indexes(self) -> Indexes:
        superseded = {
            each.part.facts.get("columns", "")
            for each in self._of("unique", "primary-key")
            if each.part is not None
        }
        return mend_indexes(self._of("index"), self.there, self.task, superseded, self.columns.dropped.keys())

    # -- without a copy ----------------------------------------------------------------------------

    def _added(self) -> Iterator[Outcome]:
        inline = {id(each): each for each in self._constraints_of_added}
        for change in self.columns.missing:
            assert change.part is not None
            item = self.items.column(change.part.name or "")
            keys = [
                key
                for each in inline.values()
                if each.part is not None and any(is_of(clause, each.part) for clause, _, _ in item.clauses)
                for key in each.keys
            ]
            alike = self.columns.alike(change.part)
            yield Action(
                phase=Phase.COLUMNS,
                statements=(f"ALTER TABLE {quoted(self.there.name)} ADD COLUMN {item.text}",),
                mends=(*change.keys, *keys),
                notes=tuple(
                    f"{self.columns.may_be(change.part, each)} If so, take out what adds it, and rename "
                    "instead:"
                    for each in alike
                ),
                disabled=tuple(
                    f"ALTER TABLE {quoted(self.there.name)} RENAME COLUMN {quoted(each.name or '')} "
                    f"TO {quoted(change.part.name or '')}"
                    for each in alike
                ),
            )

    def _kept_constraints(self) -> Iterator[Outcome]:
        for change in self._of(*_CONSTRAINTS):
            if self._is_kept(change):
                yield from left(change, "It is about a column that stays.", kept=True)

    # -- with a copy -------------------------------------------------------------------------------

    def _copy(self, indexes: Indexes) -> Iterator[Outcome]:
        items = self.items
        stay: list[str] = []
        mends: list[str] = []
        for change in (each for each in self._of(*_CONSTRAINTS) if not self._is_kept(each)):
            reason = self._is_refused(change)
            if reason is None:
                mends += change.keys
                continue
            yield from left(change, reason)
            items, old = self._without(items, change)
            stay += old
        for name in self.columns.as_they_are:
            items = items.with_column(self.items_there.column(name))
        for name in self.columns.not_yet_never_null:
            items = items.without(lambda clause: clause.kind == "not-null", name)
        for change in self._of("table"):
            mends += change.keys
        mends += self.columns.mended_by_copy
        items = items.with_columns(self._kept_items()).with_constraints([*stay, *self._kept_texts()])
        yield from copied(self.wanted, self.there, items, self.columns, indexes, tuple(mends), self._meant())

    def _is_refused(self, change: Change) -> str | None:
        """Say why the rows do not allow a constraint; None where they do, or nobody knows."""
        part = change.part
        if part is None:
            return None
        not_yet = {lower(name) for name in self.columns.not_yet_never_null} & mentions(part)
        if part.kind == "primary-key" and not_yet and "WITHOUT ROWID" in _options(self.wanted):
            return f"{', '.join(sorted(not_yet))} cannot be NOT NULL yet."
        if part.kind in ("unique", "primary-key") and "columns" in (change.facts or {"columns"}):
            rows = duplicates(part, self.there, self.task, self.columns.fills)
            return same_values(part, rows) if rows else None
        if part.kind == "check" and mentions(part) & self.columns.both:
            rows = self.task.rows(self.there, f"NOT ({part.facts['expression']})") or 0
            return f"{in_rows(rows)} do not fulfil it: correct them first." if rows else None
        if part.kind == "foreign-key" and (change.is_missing or change.facts & _LEADS_TO):
            rows = orphans(part, self.there, self.task, self.columns.fills)
            return f"{in_rows(rows)} point to nothing: correct them first." if rows else None
        return None

    def _without(self, items: TableItems, change: Change) -> tuple[TableItems, list[str]]:
        """Leave a constraint out, and give the one that is there instead."""
        part, old = change.part, change.part_there
        assert part is not None
        items = items.without(lambda clause: is_of(clause, part))
        if old is None:
            return items, []
        name = f"CONSTRAINT {quoted(old.name)} " if old.name else ""
        if old.kind == "check":
            return items, [f"{name}CHECK ({old.facts['expression']})"]
        word = "PRIMARY KEY" if old.kind == "primary-key" else "UNIQUE"
        counts = " AUTOINCREMENT" if "autoincrement" in old.facts else ""
        return items, [f"{name}{word} ({old.facts['columns']}{counts})"]

    def _kept_items(self) -> Iterator[Item]:
        has_key = any(each.kind == "primary-key" for each in self.wanted.parts)
        for part in self.columns.kept.values():
            item = self.items_there.column(part.name or "")
            yield item.without(lambda clause: has_key and clause.kind == "primary-key")
        for part in () if self.columns.go_with_copy else self.columns.dropped.values():
            item = self.items_there.column(part.name or "")
            yield item.without(lambda clause: clause.kind not in ("default", "collate", "generated"))

    def _kept_texts(self) -> Iterator[str]:
        kept = [each.part_there for each in self._of(*_CONSTRAINTS) if self._is_kept(each)]
        for item in self.items_there.constraints:
            if any(part and is_of(clause, part) for clause, _, _ in item.clauses for part in kept):
                yield item.text

    def _meant(self) -> Iterator[str]:
        """Give what the table has no more, or otherwise: the names that the rules for copies tell it by."""
        for change in self.changes:
            part = change.part_there
            if change.kind == "table":
                yield from _options(self.there) - _options(self.wanted)
            elif part is None or (part.kind == "column" and change.part is None) or self._is_kept(change):
                continue
            elif part.kind == "column":
                yield part.name or ""
            elif part.kind == "primary-key" and "autoincrement" in part.facts:
                yield "AUTOINCREMENT"
            elif part.kind in _CONSTRAINTS:
                about = part.facts.get("columns", "").replace(", ", "+")
                yield part.name or ("check" if part.kind == "check" else about)


def _options(table: Object) -> set[str]:
    return set(filter(None, table.facts.get("options", "").split(", ")))


def is_of(clause: Clause, part: Part) -> bool:
    """Say whether a clause is what a part was read from."""
    return (
        clause.kind == part.kind
        and lower(clause.name) == lower(part.name)
        and ", ".join(clause.columns) == part.facts.get("columns", "")
        and clause.words.get("expression") == part.facts.get("expression")
        and lower(clause.words.get("table")) == lower(part.facts.get("table"))
    )
