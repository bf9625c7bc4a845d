"""Columns of a SQLite table: which are made, which go, and what each gets when the table is copied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from ..snapshot import VIEWS
from .changes import Action, Change, Left, Outcome, Phase, Task, left
from .rows import in_rows
from .sqlite_counting import duplicates, orphans
from .sqlite_words import columns_of, lower, mentions, names_in, quoted, value_of

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_NO_MATTER = frozenset({"position", "comment"})


class Columns:
    """What is to be done with the columns of one table that is on both sides.

    Names are as SQLite compares them, but for those that say otherwise.
    """

    def __init__(self, wanted: Object, there: Object, changes: list[Change], task: Task) -> None:
        self.wanted, self.there, self.task = wanted, there, task
        self._wanted, self._there = columns_of(wanted), columns_of(there)
        self._changes = changes
        self.both = frozenset(self._wanted.keys() & self._there.keys())

    # -- what is what ------------------------------------------------------------------------------

    @cached_property
    def missing(self) -> list[Change]:
        """The columns that are to be made; one whose name has another case only is there."""
        return [each for each in self._changes if each.is_missing and _name(each) not in self.both]

    @cached_property
    def kept(self) -> dict[str, Part]:
        """The columns that stay although they are not wanted, since they hold data."""
        return {name: part for name, part in self._extra.items() if name not in self.dropped}

    @cached_property
    def dropped(self) -> dict[str, Part]:
        """The columns that go, as was accepted."""
        return {
            name: part
            for name, part in self._extra.items()
            if self._key(part) in self.task.accepted and not self._users(part)
        }

    @property
    def go_with_copy(self) -> bool:
        """Say whether columns go by a copy of the table, since the engine cannot drop them yet.

        (https://sqlite.org/changes.html#version_3_35_0)
        """
        return bool(self.dropped) and () < self.task.before.server_version < (3, 35)

    @cached_property
    def _extra(self) -> dict[str, Part]:
        return {name: part for name, part in self._there.items() if name not in self._wanted}

    @cached_property
    def _changed(self) -> list[Change]:
        """The columns on both sides that differ in structure, or in the case of their names."""
        return [
            each
            for each in self._changes
            if _name(each) in self.both and (each.part is None or each.is_missing or each.facts - _NO_MATTER)
        ]

    @property
    def must_be_copied(self) -> bool:
        """Say whether a column changes: ALTER TABLE cannot do that."""
        return bool(self._changed) or self.go_with_copy

    @cached_property
    def fills(self) -> dict[str, str]:
        """What columns get that become NOT NULL: their default where there is nothing, if keys allow it."""
        found: dict[str, str] = {}
        for change in self._changes:
            part, old, name = change.part, change.part_there, _name(change)
            default = self._default(part) if part is not None else None
            if part is None or old is None or default is None or "generated" in part.facts:
                continue
            value = {name: f"coalesce({quoted(old.name or '')}, {default})"}
            becomes = part.facts.get("nullable") == "no" and "nullable" in change.facts
            if becomes and not self._breaks_a_key(name, value):
                found |= value
        return found

    def _breaks_a_key(self, name: str, value: dict[str, str]) -> bool:
        counts = {"foreign-key": orphans, "unique": duplicates, "primary-key": duplicates}
        return any(
            count(part, self.there, self.task, value) > count(part, self.there, self.task)
            for part in self.wanted.parts
            if (count := counts.get("unique" if "unique" in part.facts else part.kind)) is not None
            and name in mentions(part)
        )

    @cached_property
    def not_yet_never_null(self) -> dict[str, int]:
        """The wanted columns (exact names) that cannot be NOT NULL yet, with how many rows have no value."""
        found = {}
        for change in self._changes:
            part = change.part
            if part is None or part.facts.get("nullable") != "no":
                continue
            if lower(part.name) in self.fills or (change.is_missing and self._default(part) is not None):
                continue
            if "generated" in part.facts or part.name in self.as_they_are:
                continue
            is_new = _name(change) not in self.both
            if is_new or "nullable" in change.facts:
                condition = None if is_new else f"{quoted(part.name or '')} IS NULL"
                rows = self.task.rows(self.there, condition)
                if rows:
                    found[part.name or ""] = rows
        return found

    @cached_property
    def as_they_are(self) -> dict[str, int]:
        """The columns (exact names) that are not computed yet, with how many rows have another value."""
        found = {}
        for change in self._changed:
            part, old = change.part, change.part_there
            is_plain = old is not None and "generated" not in old.facts
            if (
                part is None
                or "generated" not in part.facts
                or not is_plain
                or self._key(part) in self.task.accepted
            ):
                continue
            expression = part.facts["generated"].rpartition(" ")[0]
            rows = self.task.rows(self.there, f"{quoted(part.name or '')} IS NOT {expression}")
            if rows:
                found[part.name or ""] = rows
        return found

    def alike(self, part: Part) -> list[Part]:
        """Give the columns that stay and may be this one under another name."""
        fits = ("type", "generated")
        return [
            each
            for each in self.kept.values()
            if all(each.facts.get(fact) == part.facts.get(fact) for fact in fits)
            and "generated" not in each.facts
        ]

    def may_be(self, part: Part, old: Part) -> str:
        """Say that a column may be another one under a new name."""
        rows = in_rows(self._set_in(old))
        return (
            f"{self.there.label}.{part.name} may be {self.there.label}.{old.name} under another name "
            f"({rows} with a value)."
        )

    # -- what is done ------------------------------------------------------------------------------

    @property
    def mended_by_copy(self) -> list[str]:
        """The keys of what a copy of the table mends."""
        found = []
        for change in self._changes:
            is_left = change.part is not None and change.part.name in self.as_they_are
            stays = change.part is None and _name(change) not in self.both
            if is_left or (stays and not (self.go_with_copy and _name(change) in self.dropped)):
                continue
            late = ("nullable",) if change.part and change.part.name in self.not_yet_never_null else ()
            found += [key for key in change.keys if key not in change.keys_of(*late)]
        return found

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Give what is copied: each column, and the expression that gives its value."""
        for name, part in self._wanted.items():
            is_computed = "generated" in part.facts and part.name not in self.as_they_are
            old = self._there.get(name)
            if old is not None and not is_computed:
                yield quoted(part.name or ""), self._value(part, old)
        late = () if self.go_with_copy else self.dropped.values()
        for part in (*self.kept.values(), *late):
            if "generated" not in part.facts:
                yield quoted(part.name or ""), quoted(part.name or "")

    def _value(self, part: Part, old: Part) -> str:
        return self.fills.get(lower(part.name), quoted(old.name or ""))

    def _default(self, part: Part) -> str | None:
        default = part.facts.get("default")
        return None if default is None or default.upper() == "NULL" else value_of(default)

    def outcomes(self, *, is_copied: bool) -> Iterator[Outcome]:
        """Say what stays and why, and drop what was accepted."""
        for change in self._changes:
            if change.part is None and _name(change) in self._extra:
                yield from self._extra_column(change)
            elif not is_copied and change.facts and change.facts <= _NO_MATTER:
                yield from left(change, "The order of columns is no difference to the app.", kept=True)
            elif change.part is not None:
                yield from self._not_yet(change)
        if is_copied:
            yield from self._likely_renames()

    def _extra_column(self, change: Change) -> Iterator[Outcome]:
        part = change.part_there
        assert part is not None
        drop = f"ALTER TABLE {quoted(self.there.name)} DROP COLUMN {quoted(part.name or '')}"
        if lower(part.name) in self.dropped:
            if self.go_with_copy:
                return
            # A computed column goes before those that it is computed from.
            place = int(part.facts.get("position", "0")) if "generated" in part.facts else -1
            yield Action(phase=Phase.DROPS, statements=(drop,), mends=change.keys, after=-place)
            return
        rows = in_rows(self._set_in(part))
        subject = f"{self.there.label}.{part.name}"
        if self._key(part) in self.task.accepted:
            users = ", ".join(self._users(part))
            yield from left(change, f"It cannot be dropped while {users} uses it.", kept=True)
            return
        say = f"--accept {self._key(part)}"
        yield Action(
            phase=Phase.DROPS,
            notes=(f"The column {subject} stays, with a value in {rows}. To drop it, say {say}.",),
            disabled=(drop,),
        )
        yield from left(change, f"It has a value in {rows}; to drop it, say {say}.", kept=True)

    def _not_yet(self, change: Change) -> Iterator[Outcome]:
        part = change.part
        assert part is not None
        name = part.name or ""
        if name in self.as_they_are:
            rows = in_rows(self.as_they_are[name])
            reason = f"{rows} have another value than the one that would be computed. To lose these, say "
            yield from left(change, f"{reason}--accept {self._key(part)}.")
        if name not in self.not_yet_never_null:
            return
        rows = in_rows(self.not_yet_never_null[name])
        subject = f"{self.there.label}.{name}"
        fill = f"UPDATE {quoted(self.there.name)} SET {quoted(name)} = ? WHERE {quoted(name)} IS NULL"
        reason = (
            f"{rows} have no value in it, and there is no default that can be put in: give them one, then "
            "make it NOT NULL."
        )
        yield Action(
            phase=Phase.COMMENTS, notes=(f"{subject} is not NOT NULL yet: {reason}",), disabled=(fill,)
        )
        drift = change.drifts[0]
        if change.is_missing:
            drift = replace(drift, code="changed-column-nullable", expected="no", actual=None)
        else:
            drift = change.drift_of("nullable")
        yield Left(drift=drift, reason=reason)

    def _likely_renames(self) -> Iterator[Outcome]:
        table = quoted(self.there.name)
        for change in self.missing:
            part = change.part
            assert part is not None
            for each in self.alike(part):
                take = f"UPDATE {table} SET {quoted(part.name or '')} = {quoted(each.name or '')}"
                yield Action(
                    phase=Phase.DROPS,
                    notes=(f"{self.may_be(part, each)} If so, take its values:",),
                    disabled=(take,),
                    after=-9_999,
                )

    def _key(self, part: Part) -> str:
        return f"drop-column:{self.there.label}.{part.name}"

    def _set_in(self, part: Part) -> int | None:
        return self.task.rows(self.there, f"{quoted(part.name or '')} IS NOT NULL")

    def _users(self, part: Part) -> list[str]:
        """Give what stays and uses a column, by name: triggers and views of others, computed columns."""
        found = []
        for change in self.task.changes:
            thing, old = change.there, change.part_there
            if change.part is not None or thing is None or (change.wanted is not None and old is None):
                continue
            if old is not None and old.kind == "trigger":
                text, name = old.definition, old.name or ""
            elif old is None and thing.kind in VIEWS:
                text, name = thing.definition, thing.name
            else:
                continue
            if {lower(part.name), lower(self.there.name)} <= names_in(text):
                found.append(name)
        for name, each in self._there.items():
            expression = each.facts.get("generated", "")
            stays = name in self._wanted or self._key(each) not in self.task.accepted
            if stays and lower(part.name) in names_in(expression) and name in self._extra:
                found.append(each.name or "")
        return found


def _name(change: Change) -> str:
    part = change.part or change.part_there
    return lower(part.name if part is not None else None)
