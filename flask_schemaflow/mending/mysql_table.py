"""Mend a MariaDB or MySQL table by one ALTER TABLE, which is done as a whole or not at all.

(https://mariadb.com/kb/en/atomic-ddl/)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from .changes import Action, Change, Left, Outcome, Phase, Task, left
from .mysql_columns import Clauses, Columns, is_of_column
from .mysql_counting import duplicates
from .mysql_words import alter, bare, mentions, names_of, nullable_line, quoted, without_check
from .rows import in_rows

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_KEYS = ("primary-key", "unique", "index")
_OPTIONS = re.compile(r"(?:DEFAULT )?CHARSET=(\w+)(?: COLLATE=(\w+))?")
_UNMENDED = {
    "definition": "Its text cannot be read: do it by hand.",
    "partitioning": "How a table is divided is not changed here: ALTER TABLE … PARTITION BY moves its rows.",
    "partitions": "Partitions come and go with their rows.",
    "storage": "How a table is stored is not changed here.",
    "versioning": "The history of rows is not changed here: ALTER TABLE … ADD or DROP SYSTEM VERSIONING.",
    "periods": "Its periods cannot be changed; make the table anew by hand.",
    "union": "Which tables a MERGE table reads is not changed here.",
}


class Table:
    """What is to be done with one table that is on both sides."""

    def __init__(self, wanted: Object, there: Object, changes: list[Change], task: Task) -> None:
        self.wanted, self.there, self.task = wanted, there, task
        self.changes = changes
        self.columns = Columns(wanted, there, changes, task)

    def of(self, *kinds: str) -> list[Change]:
        """Give the changes of these kinds."""
        return [each for each in self.changes if each.kind in kinds]

    def is_kept(self, change: Change) -> bool:
        """Say whether a constraint belongs to a column that stays although it is not wanted."""
        part = change.part_there
        if change.part is not None or part is None:
            return False
        names = mentions(part)
        return bool(names & self.columns.kept.keys()) and not names & self.columns.dropped.keys()

    @cached_property
    def dropped_keys(self) -> list[tuple[str, ...]]:
        """The columns of indexes and keys that go or change."""
        return [
            names_of(each.part_there.facts.get("columns"))
            for each in self.of(*_KEYS)
            if each.part_there is not None and each.facts != {"name"} and not self._stays(each)
        ]

    @property
    def is_readable(self) -> bool:
        """Say whether both texts of the table could be read."""
        return "definition" not in (*self.wanted.facts, *self.there.facts)

    def outcomes(self) -> Iterator[Outcome]:
        """Give all that is to be done but for foreign keys."""
        if not self.is_readable:
            for change in self.changes:
                yield from left(change, _UNMENDED["definition"])
            return
        into, adds = Clauses(), Clauses()
        for change in self.of("table"):
            self._options(change, into)
        for change in self.of("check"):
            self._check(change, into, adds)
        for change in self.of(*_KEYS):
            self._key(change, into, adds)
        self._no_longer_counting(into)
        self.columns.collect(into)
        self._indexes_of_computed(into)
        yield from self._actions(into, [*into.clauses, *adds.clauses], (*into.mends, *adds.mends))
        yield from into.outcomes
        for change in self.of("trigger"):
            yield from _trigger(change, self.task)

    def _actions(self, into: Clauses, clauses: list[str], mends: tuple[str, ...]) -> Iterator[Action]:
        if into.first:
            yield Action(phase=Phase.COLUMNS, statements=tuple(into.first))
        again = [each.split(" ")[2] for each in clauses if each.startswith("DROP COLUMN ")]
        accepted = ", ".join(f"drop-column:{self.there.label}.{bare(each)}" for each in again)
        notes = [*into.notes]
        if accepted:
            notes.append(f"schemaflow: accept {accepted} -- it is computed, or made again with its values")
        if clauses or mends:
            yield Action(
                phase=Phase.COLUMNS,
                statements=(alter(self.there, *clauses),) if clauses else (),
                mends=tuple(dict.fromkeys(mends)),
                notes=tuple(notes),
                disabled=tuple(into.disabled),
            )
        if into.last:
            yield Action(phase=Phase.COLUMNS, statements=tuple(into.last))

    # -- the table's own ---------------------------------------------------------------------------

    def _options(self, change: Change, into: Clauses) -> None:
        for fact in sorted(change.facts):
            if fact == "engine":
                into.clauses.append(f"ENGINE={self.wanted.facts.get('engine', 'InnoDB')}")
            elif fact == "comment":
                into.clauses.append(f"COMMENT={self.wanted.facts.get('comment', chr(39) * 2)}")
            elif fact == "collation" and self.columns.rows.new_charset and (charset := self._charset()):
                into.clauses.append(charset)
            else:
                reason = self.columns.rows.no_new_charset if fact == "collation" else None
                reason = reason or _UNMENDED.get(fact, "No statement is known that mends it; do it by hand.")
                into.outcomes.append(Left(drift=change.drift_of(fact), reason=reason))
                continue
            into.mends += change.keys_of(fact)

    def _charset(self) -> str | None:
        """Write the character set that the text of the table says; its columns are written again anyway."""
        found = _OPTIONS.search(self.wanted.definition.rpartition("\n)")[2])
        if found is None:
            return None
        collate = f" COLLATE {found[2]}" if found[2] else ""
        return f"DEFAULT CHARACTER SET {found[1]}{collate}"

    # -- checks ------------------------------------------------------------------------------------

    def _check(self, change: Change, into: Clauses, adds: Clauses) -> None:
        part, old = change.part, change.part_there
        if self.is_kept(change):
            into.outcomes += left(change, "It is about a column that stays.", kept=True)
            return
        reason = self._is_broken(change)
        if reason is not None and part is not None:
            into.outcomes += left(change, reason)
            if is_of_column(part):
                line = without_check(self._column(part), part.facts["expression"])
                was = f" CHECK ({old.facts['expression']})" if old is not None else ""
                self.columns.lines[(part.name or "").lower()] = (
                    f"{line or self._column(part).definition}{was}"
                )
            return
        into.mends += change.keys
        if old is not None and not is_of_column(old):
            word = "CONSTRAINT" if self.task.before.family == "mariadb" else "CHECK"
            into.clauses.append(f"DROP {word} {quoted(old.name)}")
        if part is not None and not is_of_column(part):
            adds.clauses.append(f"ADD {part.definition if part.named else _unnamed(part)}")

    def _is_broken(self, change: Change) -> str | None:
        part = change.part
        if part is None or not mentions(part) & {(c.name or "").lower() for c in self.there.parts}:
            return None
        rows = self.task.rows(self.there, f"NOT ({part.facts['expression']})")
        return f"{in_rows(rows)} do not fulfil it: correct them first." if rows else None

    def _column(self, check: Part) -> Part:
        columns = (each for each in self.wanted.parts if each.kind == "column")
        return next(each for each in columns if each.name == check.name)

    # -- keys and indexes --------------------------------------------------------------------------

    def _stays(self, change: Change) -> bool:
        """Say whether an index that only the database has stays."""
        old = change.part_there
        if change.part is not None or old is None or self.task.may_drop(change):
            return False
        if change.kind != "index":
            return self.is_kept(change)
        wanted = (each.name for each in self.wanted.parts if each.kind in _KEYS)
        return not mentions(old) & self.columns.dropped.keys() and old.name not in wanted

    def _key(self, change: Change, into: Clauses, adds: Clauses) -> None:
        part, old = change.part, change.part_there
        if self._stays(change):
            is_index = change.kind == "index"
            reason = "An index that a person made stays." if is_index else "It is about a column that stays."
            into.outcomes += left(change, reason, kept=True)
            return
        if change.facts == {"name"} and part is not None and old is not None:
            into.clauses.append(f"RENAME INDEX {quoted(old.name)} TO {quoted(part.name)}")
            into.mends += change.keys
            return
        twice = self._twice(change)
        if twice and part is not None:
            columns = part.facts["columns"]
            reason = f"{in_rows(twice)} have the same {columns} as another one: correct them first."
            into.outcomes += left(change, reason)
            return
        not_yet = self.columns.rows.not_yet.keys() & mentions(part) if part is not None else frozenset()
        if change.kind == "primary-key" and not_yet:
            into.outcomes += left(change, f"{', '.join(sorted(not_yet))} cannot be NOT NULL yet.")
            return
        into.mends += change.keys
        if old is not None:
            primary = change.kind == "primary-key"
            into.clauses.append("DROP PRIMARY KEY" if primary else f"DROP INDEX {quoted(old.name)}")
        if part is not None:
            adds.clauses.append(f"ADD {self._index_line(part)}")

    def _index_line(self, part: Part) -> str:
        """Write what makes an index; a name that nobody gave may be taken."""
        taken = {each.name for each in self.there.parts if each.kind in _KEYS}
        if not part.named and part.name in taken:
            return part.definition.replace(f" {quoted(part.name)} ", " ", 1)
        return part.definition

    def _twice(self, change: Change) -> int:
        """Count the rows that have the same values as another one; 0 where nobody knows."""
        part = change.part
        if part is None or change.kind == "index" or not (change.is_missing or "columns" in change.facts):
            return 0
        return duplicates(part, self.there, self.task, self.columns.rows.fills)

    def _no_longer_counting(self, into: Clauses) -> None:
        """Let a column count no more that is not wanted when its key goes: a column that counts needs one."""
        for change in self.of("primary-key"):
            for part in (*self.columns.kept.values(), *self.columns.dropped.values()):
                if (
                    "autoincrement" in part.facts
                    and not self._stays(change)
                    and change.part_there is not None
                ):
                    line = nullable_line(part).replace(" AUTO_INCREMENT", "")
                    into.clauses.append(f"MODIFY COLUMN {line}")

    def _indexes_of_computed(self, into: Clauses) -> None:
        """Make the indexes of columns again that are dropped and made from a copy: they go with them."""
        made = [each for each in into.clauses if each.startswith("CHANGE COLUMN `schemaflow_")]
        names = {name for each in made for name in names_of(each.split(" ")[3])}
        changed = {each.part_there.name for each in self.of(*_KEYS) if each.part_there is not None}
        for part in self.there.parts if names else ():
            stays = part.name not in changed or any(
                each.part_there is part and self._stays(each) for each in self.of(*_KEYS)
            )
            if part.kind in ("unique", "index") and stays and names & mentions(part):
                into.clauses.insert(0, f"DROP INDEX {quoted(part.name)}")
                into.clauses.append(f"ADD {part.definition}")


def _unnamed(check: Part) -> str:
    return check.definition.replace(f"CONSTRAINT {quoted(check.name)} ", "", 1)


def _trigger(change: Change, task: Task) -> Iterator[Outcome]:
    part, old = change.part, change.part_there
    if part is None and not task.may_drop(change):
        yield from left(change, "A trigger that a person made stays.", kept=True)
        return
    if part is not None and "syntax" in part.facts:
        yield from left(change, f"It is made under the sql_mode {part.facts['syntax']}: do it so.")
        return
    if old is not None:
        mends = change.keys if part is None else ()
        yield Action(phase=Phase.DROP_VIEWS, statements=(f"DROP TRIGGER {quoted(old.name)}",), mends=mends)
    if part is None:
        return
    order = int(part.facts.get("order", "0"))
    yield Action(phase=Phase.TRIGGERS, statements=(part.definition,), mends=change.keys, after=order)
