"""What the rows of a MariaDB or MySQL table say to the columns that are wanted."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from .mysql_counting import duplicates, orphans
from .mysql_fitting import cannot_become, charset_of, not_in_charset, what_does_not_fit
from .mysql_words import columns_of, fills_itself, is_null_default, mentions, quoted
from .rows import in_rows

if TYPE_CHECKING:
    from ..snapshot import Object
    from .changes import Change, Task


class Asked:
    """The answers for one table; names of columns are in lower case. Where nobody knows, all is well."""

    def __init__(self, wanted: Object, there: Object, changes: list[Change], task: Task) -> None:
        self._task, self._table = task, there
        self._wanted, self._there = columns_of(wanted), columns_of(there)
        self._changes = [each for each in changes if each.kind == "column"]
        self._parts = wanted.parts
        self._charset = charset_of(wanted)
        self._has_new_charset = any("collation" in each.facts for each in changes if each.kind == "table")

    def _count(self, condition: str | None) -> int:
        return self._task.rows(self._table, condition) or 0

    @cached_property
    def no_new_charset(self) -> str | None:
        """Say why the table cannot have the character set that is wanted yet; None where it can."""
        for name, part in self._there.items():
            condition = (
                not_in_charset(part, self._charset) if self._charset and name in self._wanted else None
            )
            rows = self._count(condition) if condition else 0
            if rows:
                return f"{in_rows(rows)} have characters in {part.name} that {self._charset} does not have."
        return None

    @property
    def new_charset(self) -> bool:
        """Say whether the columns with text get another character set than they had, that of their table."""
        return self._has_new_charset and self.no_new_charset is None

    @cached_property
    def fills(self) -> dict[str, str]:
        """What columns get that become NOT NULL: their default where there is nothing, if keys allow it."""
        found: dict[str, str] = {}
        for change in self._changes:
            part = change.part
            default = part.facts.get("default") if part is not None else None
            if part is None or is_null_default(default) or "generated" in part.facts:
                continue
            name = (part.name or "").lower()
            value = {name: f"COALESCE({quoted(part.name)}, {default})"}
            becomes = part.facts.get("nullable") == "no" and "nullable" in change.facts
            if becomes and not self._breaks_a_key(name, value):
                found |= value
        return found

    def _breaks_a_key(self, name: str, value: dict[str, str]) -> bool:
        counts = {"foreign-key": orphans, "unique": duplicates, "primary-key": duplicates}
        return any(
            count(part, self._table, self._task, value) > count(part, self._table, self._task)
            for part in self._parts
            if (count := counts.get(part.kind)) is not None and name in mentions(part)
        )

    @cached_property
    def not_yet(self) -> dict[str, int]:
        """The columns that cannot be NOT NULL yet, with how many rows have no value."""
        found = {}
        for change in self._changes:
            part, name = change.part, ""
            if part is None or part.facts.get("nullable") != "no" or "generated" in part.facts:
                continue
            name = (part.name or "").lower()
            if name not in self._there and not fills_itself(part):
                found[name] = self._count(None)
            elif "nullable" in change.facts and name not in self.fills:
                found[name] = self._count(f"{quoted(part.name)} IS NULL")
        return {name: rows for name, rows in found.items() if rows}

    @cached_property
    def refused(self) -> dict[str, str]:
        """Why columns stay as they are: their values do not fit into what is wanted."""
        found = {}
        for change in self._changes:
            old, new = change.part_there, change.part
            reason = (
                None if old is None or new is None else (self._not_computed(change) or self._narrow(change))
            )
            if reason is not None and old is not None:
                found[(old.name or "").lower()] = reason
        return found

    def _not_computed(self, change: Change) -> str | None:
        old, new = change.part_there, change.part
        assert old is not None
        assert new is not None
        key = f"drop-column:{self._table.label}.{old.name}"
        if "generated" not in new.facts or "generated" in old.facts or key in self._task.accepted:
            return None
        expression = new.facts["generated"].rpartition(" ")[0]
        rows = self._count(f"NOT ({quoted(old.name)} <=> {expression})")
        told = f"{in_rows(rows)} have another value than would be computed; --accept {key} loses it."
        return told if rows else None

    def _narrow(self, change: Change) -> str | None:
        old, new = change.part_there, change.part
        assert old is not None
        assert new is not None
        key = f"narrow-column-type:{self._table.label}.{old.name}"
        is_computed = "generated" in (*old.facts, *new.facts)
        if is_computed or not change.facts & {"type", "collation"} or key in self._task.accepted:
            return None
        if cannot_become(old, new):
            was, to = (part.facts["type"] for part in (old, new))
            return f"There is no conversion from {was} to {to}: make a new column, and copy what is to stay."
        condition = what_does_not_fit(old, new)
        rows = self._count(condition) if condition is not None else 0
        told = f"{in_rows(rows)} have a value that does not fit: correct them, or say --accept {key}."
        return told if rows else None
