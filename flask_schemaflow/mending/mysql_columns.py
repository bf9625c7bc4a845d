"""Columns of a MariaDB or MySQL table: the clauses of ALTER TABLE for each, and what its rows say to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from .changes import Action, Change, Left, Outcome, Phase, Task, left
from .mysql_asked import Asked
from .mysql_words import (
    NO_DEFAULT,
    alter,
    columns_of,
    fills_itself,
    is_null_default,
    is_text,
    nullable_line,
    quoted,
    words_in,
)
from .rows import in_rows

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_PLACE = "A column keeps its place in the table; nothing depends on it."
_REMAKES = frozenset(("type", "collation", "generated"))


@dataclass
class Clauses:
    """What is collected for one table: ``clauses`` are of one ALTER TABLE, the statements around it."""

    first: list[str] = field(default_factory=list)
    clauses: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    mends: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    disabled: list[str] = field(default_factory=list)


class Columns:
    """What is to be done with the columns of one table; names are in lower case."""

    def __init__(self, wanted: Object, there: Object, changes: list[Change], task: Task) -> None:
        self.wanted, self.there, self.task = wanted, there, task
        self.changes = [each for each in changes if each.kind == "column"]
        self._wanted, self._there = columns_of(wanted), columns_of(there)
        self.rows = Asked(wanted, there, changes, task)
        checks = [each for each in changes if each.kind == "check"]
        self.of_checks = {
            (part.name or "").lower()
            for each in checks
            for part in (each.part, each.part_there)
            if part is not None and is_of_column(part)
        }
        self.lines: dict[str, str] = {}
        """Lines that stand for those that are wanted."""

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

    @cached_property
    def _extra(self) -> dict[str, Part]:
        return {name: part for name, part in self._there.items() if name not in self._wanted}

    @cached_property
    def remade(self) -> frozenset[str]:
        """The columns that foreign keys must let go of: they get another type, or go."""
        found = {
            _name(each)
            for each in self.changes
            if each.facts & _REMAKES and _name(each) not in self.rows.refused
        }
        if self.rows.new_charset:
            found |= {name for name, part in self._wanted.items() if is_text(part) and name in self._there}
        return frozenset(found | self.dropped.keys())

    # -- the clauses -------------------------------------------------------------------------------

    def collect(self, into: Clauses) -> None:
        """Write what makes, changes and drops columns."""
        done = set()
        for change in self.changes:
            name = _name(change)
            done.add(name)
            if change.is_extra:
                if name in self._extra:
                    into.outcomes += self._extra_column(change)
                else:  # its name in another case
                    into.mends += change.keys
            elif change.is_missing and name not in self._there:
                self._add(change, into)
            elif name in self.rows.refused:
                into.outcomes += left(change, self.rows.refused[name])
                if self.rows.new_charset and is_text(self._there[name]) and "collation" not in change.facts:
                    drift = replace(change.drifts[0], code="changed-column-collation")
                    into.outcomes.append(Left(drift=drift, reason=self.rows.refused[name]))
            elif change.facts <= {"position"} and not change.is_missing and name not in self._also():
                into.outcomes += left(change, _PLACE)
            else:
                self._modify(change, into)
        for name in sorted(self._also() - done):
            self._write(self._wanted[name], self._there[name], into, self._line(self._wanted[name]))

    def _also(self) -> set[str]:
        """Give columns to write again that do not differ themselves: their check or character set does."""
        found = set(self.of_checks) & self._wanted.keys() & self._there.keys()
        if self.rows.new_charset:
            found |= {name for name, part in self._wanted.items() if is_text(part) and name in self._there}
        return found

    def _line(self, part: Part) -> str:
        return self.lines.get((part.name or "").lower(), part.definition)

    def _add(self, change: Change, into: Clauses) -> None:
        part = change.part
        assert part is not None
        into.mends += change.keys
        line = self._line(part)
        for old in self._alike(part):
            told = in_rows(self._set_in(old))
            into.notes.append(
                f"Or was {self.there.label}.{old.name} ({told} with a value) renamed to {part.name}? Then, "
                "instead of adding it:"
            )
            into.disabled.append(alter(self.there, f"CHANGE COLUMN {quoted(old.name)} {part.definition}"))
        if part.facts.get("nullable") != "no" or fills_itself(part):
            into.clauses.append(f"ADD COLUMN {line}")
        else:
            # With NOT NULL it would get 0 or '' in all rows at once, without a word.
            into.first.append(alter(self.there, f"ADD COLUMN {nullable_line(part)}"))
            if _name(change) in self.rows.not_yet:
                self._not_yet(part, change, into)
            else:
                into.clauses.append(f"MODIFY COLUMN {line}")
        self._take_default(part, into)

    def _alike(self, part: Part) -> list[Part]:
        return [
            each
            for each in self.kept.values()
            if each.facts.get("type") == part.facts.get("type")
            and "generated" not in (*each.facts, *part.facts)
        ]

    def _not_yet(self, part: Part, change: Change, into: Clauses) -> None:
        name = quoted(part.name)
        rows = in_rows(self.rows.not_yet[_name(change)])
        reason = f"{rows} have no value in it, and there is no server default that can be put in."
        into.outcomes.append(
            Action(
                phase=Phase.COMMENTS,
                notes=(f"NOT NULL for {self.there.label}.{part.name}: {reason} Put one in, then run this:",),
                disabled=(
                    f"UPDATE {quoted(self.there.name)} SET {name} = … WHERE {name} IS NULL",
                    alter(self.there, f"MODIFY COLUMN {part.definition}"),
                ),
            )
        )
        drift = (
            replace(change.drifts[0], code="changed-column-nullable")
            if change.is_missing
            else change.drift_of("nullable")
        )
        into.outcomes.append(Left(drift=drift, reason=reason))

    def _modify(self, change: Change, into: Clauses) -> None:
        part, old = change.part, self._there[_name(change)]
        assert part is not None
        line = self._line(part)
        late: tuple[str, ...] = ("position",)
        if _name(change) in self.rows.not_yet:
            line, late = nullable_line(part), ("position", "nullable")
            self._not_yet(part, change, into)
        elif _name(change) in self.rows.fills:
            fill = self._fill(part)
            if "type" not in change.facts:
                into.first += fill
            else:
                # The default is one of the new type.
                line = nullable_line(part)
                into.last += [*fill, alter(self.there, f"MODIFY COLUMN {self._line(part)}")]
        if "position" in change.facts:
            into.outcomes.append(Left(drift=change.drift_of("position"), reason=_PLACE))
        skipped = {*change.keys_of(*late)}
        into.mends += [key for key in change.keys if key not in skipped]
        self._write(part, old, into, line)
        self._take_default(part, into)

    def _fill(self, part: Part) -> list[str]:
        """Write what puts the default where there is no value, for a column that is NOT NULL."""
        name = quoted(part.name)
        return [f"{self._update(part, part.facts['default'])} WHERE {name} IS NULL"]

    def _update(self, part: Part, value: str, name: str | None = None) -> str:
        """Write an UPDATE; a moment of the last change stays what it was."""
        stays = [
            f"{quoted(each.name)} = {quoted(each.name)}"
            for each in self._there.values()
            if "on-update" in each.facts and each.name != part.name
        ]
        changes = ", ".join([f"{name or quoted(part.name)} = {value}", *stays])
        return f"UPDATE {quoted(self.there.name)} SET {changes}"

    def _write(self, part: Part, old: Part, into: Clauses, line: str) -> None:
        was, becomes = (_kind(each) for each in (old, part))
        if was == becomes or (was, becomes) in (("STORED", ""), ("", "STORED")):
            same = (old.name or "") == (part.name or "")
            word = "MODIFY COLUMN" if same else f"CHANGE COLUMN {quoted(old.name)}"
            into.clauses.append(f"{word} {line}")
        elif becomes:
            into.clauses += [f"DROP COLUMN {quoted(old.name)}", f"ADD COLUMN {line}{self._after(part)}"]
        else:
            self._keep_computed(part, old, into, line)

    def _after(self, part: Part) -> str:
        """Say where a column is made again: where it was."""
        names = list(self._there)
        place = names.index((part.name or "").lower())
        before = [
            name for name in names[:place] if name in self._wanted and _kind(self._wanted[name]) != "VIRTUAL"
        ]
        return f" AFTER {quoted(self._there[before[-1]].name)}" if before else " FIRST"

    def _keep_computed(self, part: Part, old: Part, into: Clauses, line: str) -> None:
        """Copy computed values into a new column, which takes the name; its indexes are made again."""
        copy = f"schemaflow_{part.name}"[:64]
        in_copy = quoted(copy) + nullable_line(part).removeprefix(quoted(part.name))
        into.first.append(alter(self.there, f"ADD COLUMN {in_copy}{self._after(part)}"))
        into.first.append(self._update(part, quoted(old.name), quoted(copy)))
        into.clauses += [f"DROP COLUMN {quoted(old.name)}", f"CHANGE COLUMN {quoted(copy)} {line}"]

    def _take_default(self, part: Part, into: Clauses) -> None:
        if part.facts.get("default") == NO_DEFAULT:
            into.last.append(alter(self.there, f"ALTER COLUMN {quoted(part.name)} DROP DEFAULT"))

    # -- what only the database has ----------------------------------------------------------------

    def _extra_column(self, change: Change) -> Iterator[Outcome]:
        part = change.part_there
        assert part is not None
        key = self._key(part)
        drop = alter(self.there, f"DROP COLUMN {quoted(part.name)}")
        if _name(change) in self.dropped:
            # A computed column goes before those that it is computed from.
            place = int(part.facts.get("position", "0")) if "generated" in part.facts else -1
            yield Action(phase=Phase.DROPS, statements=(drop,), mends=change.keys, after=-place)
            return
        if key in self.task.accepted:
            yield from left(
                change, f"It cannot be dropped while {', '.join(self._users(part))} uses it.", kept=True
            )
            return
        rows = in_rows(self._set_in(part))
        disabled = [drop]
        subject = f"{self.there.label}.{part.name}"
        notes = [f"The column {subject} has a value in {rows} and stays; --accept {key} drops it."]
        if part.facts.get("nullable") == "no" and is_null_default(part.facts.get("default")):
            disabled.insert(0, alter(self.there, f"MODIFY COLUMN {nullable_line(part)}"))
            notes.append("The models do not fill it, so they can only add rows once it may be NULL.")
        yield Action(phase=Phase.DROPS, notes=tuple(notes), disabled=tuple(disabled))
        yield from left(change, f"It has a value in {rows}; --accept {key} drops it.", kept=True)

    def _key(self, part: Part) -> str:
        return f"drop-column:{self.there.label}.{part.name}"

    def _set_in(self, part: Part) -> int | None:
        return self.task.rows(self.there, f"{quoted(part.name)} IS NOT NULL")

    def _users(self, part: Part) -> list[str]:
        """Give what stays and computes from a column, or reads it: by name."""
        name = (part.name or "").lower()
        found = [
            each.name or ""
            for each in self._there.values()
            if name in words_in(each.facts.get("generated", "")) and self._key(each) not in self.task.accepted
        ]
        for change in self.task.changes:
            thing, old = change.there, change.part_there
            if change.wanted is None and thing is not None and thing.kind == "view":
                if {name, self.there.name.lower()} <= words_in(thing.definition):
                    found.append(thing.name)
            elif change.part is None and old is not None and thing is self.there:
                is_read = old.kind == "trigger" and name in words_in(old.definition)
                found += [old.name or ""] if is_read else []
        return found


def is_of_column(check: Part) -> bool:
    """Say whether a check stands in the line of a column, whose name it has."""
    return check.definition.startswith("CHECK (") and not check.named


def _kind(part: Part) -> str:
    """Say how a column is computed: STORED, VIRTUAL, or not at all."""
    return part.facts.get("generated", "").rpartition(" ")[2]


def _name(change: Change) -> str:
    part = change.part or change.part_there
    return (part.name or "").lower() if part is not None else ""
