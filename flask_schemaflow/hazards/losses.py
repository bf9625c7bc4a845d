"""What a SQLite table has lost when it was copied into a new one, and how a revision keeps it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .effect import AltersColumn, ChangesType, DropsColumn, DropsPart, MakesPart, RenamesColumn, RenamesTable
from .parts import bare

if TYPE_CHECKING:
    from ..snapshot import Object, Part
    from .pending import Pending


@dataclass(frozen=True)
class Lost:
    """Something that is lost: its name within the table, in words, and how to keep it."""

    name: str
    what: str
    hint: str


def lost_parts(pending: Pending, before: Object, after: Object, names: Collection[str]) -> Iterator[Lost]:
    """Say what a table had, has no more, and no operation of the revision takes away.

    :param names: what the table is called in the revision.
    """
    said = _Said(pending, before, names)
    yield from _options(before, after)
    yield from _columns(before, after, said)
    yield from _counting(before, after)
    for part in before.parts:
        if part.kind in ("trigger", "index") and not said.takes_away(part):
            yield from _with_text(part, after, said)
        elif part.kind in _CONSTRAINTS and not said.takes_away(part):
            yield from _constraint(part, after)


class _Said:
    """What a revision says itself of one table."""

    def __init__(self, pending: Pending, table: Object, names: Collection[str]) -> None:
        self.pending, self.before, self.names = pending, table, names

    @cached_property
    def made(self) -> frozenset[tuple[str, str]]:
        """The indexes and triggers that it makes, by kind and name."""
        return frozenset((effect.kind, effect.name) for effect, _ in self.pending.of(MakesPart))

    @cached_property
    def renamed(self) -> dict[str, str]:
        """The columns that it renames."""
        return {e.column: e.to for e, _ in self.pending.of(RenamesColumn) if self._is_mine(e)}

    def changes(self, column: str) -> bool:
        """Say whether it alters the column."""
        return any(e.column == column and self._is_mine(e) for e, _ in self.pending.of(AltersColumn))

    def takes_away(self, part: Part) -> bool:
        """Say whether it drops the part, or what the part is about."""
        named = {e.name for e, _ in self.pending.of(DropsPart)}
        if part.name in named:
            return True
        gone = {e.column for e, _ in self.pending.of(DropsColumn) if self._is_mine(e)} | self.renamed.keys()
        if _is_of_type(part):
            gone |= {e.column for e, _ in self.pending.of(ChangesType) if self._is_mine(e)}
        words = {bare(word) for word in re.findall(r'"[^"]+"|\w+', _text(part))}
        tables = {e.table.name for e, _ in self.pending.of(RenamesTable)}
        if words & gone or bare(part.facts.get("table", "")) in tables:
            return True
        # A naming convention of the batch names what has no name in the database.
        unnamed = part.kind in _CONSTRAINTS and part.name is None
        return unnamed and bool(named - {each.name for each in self.before.parts})

    def _is_mine(self, effect: object) -> bool:
        name: str = effect.table.name  # type: ignore[attr-defined]
        return any(self.pending.is_same(name, each) for each in self.names)


_CONSTRAINTS = ("check", "unique", "foreign-key")


def _text(part: Part) -> str:
    return part.definition if part.kind == "trigger" else " ".join(part.facts.values())


def _is_of_type(part: Part) -> bool:
    """Say whether a check is what SQLAlchemy writes for a Boolean or an Enum: gone with the type."""
    return part.kind == "check" and " IN (" in part.facts.get("expression", "")


# -- the kinds of what is lost ---------------------------------------------------------------------


def _options(before: Object, after: Object) -> Iterator[Lost]:
    left = after.facts.get("options", "").split(", ")
    for option in filter(None, before.facts.get("options", "").split(", ")):
        if option not in left:
            argument = '"sqlite_strict": True' if option == "STRICT" else '"sqlite_with_rowid": False'
            yield Lost(option, option, f"batch_alter_table(..., table_kwargs={{{argument}}})")


def _counting(before: Object, after: Object) -> Iterator[Lost]:
    counted, counts = (
        any("autoincrement" in part.facts for part in table.parts if part.kind == "primary-key")
        for table in (before, after)
    )
    if counted and not counts:
        hint = 'batch_alter_table(..., table_kwargs={"sqlite_autoincrement": True})'
        yield Lost("AUTOINCREMENT", "its AUTOINCREMENT", hint)


def _columns(before: Object, after: Object, said: _Said) -> Iterator[Lost]:
    there = {part.name: part for part in after.parts if part.kind == "column"}
    for part in before.parts:
        name = part.name or ""
        now = there.get(said.renamed.get(name, name)) if part.kind == "column" else None
        if now is None:
            continue
        collation = part.facts.get("collation")
        if collation is not None and "collation" not in now.facts:
            where = (
                f'type_=sa.String(..., collation="{collation}")'
                if said.changes(name)
                else f'batch_alter_table(..., reflect_args=[sa.Column("{name}", sa.String(..., '
                f'collation="{collation}"))])'
            )
            yield Lost(name, f"the COLLATE {collation} of its column {name}", where)
        for fact in () if said.changes(name) else ("generated", "default", "nullable"):
            if fact in part.facts and fact not in now.facts:
                what = f"the {_NOUNS[fact]} of its column {name} ({part.facts[fact]})"
                yield Lost(name, what, f'batch.alter_column("{name}", ...) says it again')


_NOUNS = {"generated": "expression", "default": "default", "nullable": "NOT NULL"}


def _with_text(part: Part, after: Object, said: _Said) -> Iterator[Lost]:
    """Say whether a trigger or index is gone, or has become another one of the same name."""
    now = next((p for p in after.parts if (p.kind, p.name) == (part.kind, part.name)), None)
    name = part.name or part.kind
    again = f'op.execute("""{part.definition}""")'
    if now is None:
        yield Lost(name, f"its {part.kind} {name}", f"After the batch: {again}")
    elif part.kind == "index" and now.facts != part.facts and ("index", name) not in said.made:
        had, has = (", ".join(each.facts.values()) for each in (part, now))
        hint = f'After the batch: op.drop_index("{name}"); {again}'
        yield Lost(name, f"a part of its index {name} ({had} becomes {has})", hint)


def _constraint(part: Part, after: Object) -> Iterator[Lost]:
    alike = [other for other in after.parts if other.kind == part.kind]
    if any(other.facts == part.facts for other in alike):
        return
    noun = part.kind.replace("-", " ")
    about = part.facts.get("expression") or part.facts.get("columns", "")
    name = part.name or (part.kind if part.kind == "check" else about.replace(", ", "+"))
    near = next(
        (o for o in alike if o.facts.get("columns") == part.facts.get("columns") and "columns" in o.facts),
        None,
    )
    if near is not None:
        lost = [f"{k} {v}" for k, v in part.facts.items() if near.facts.get(k) != v]
        new = [f"{k} becomes {v}" for k, v in near.facts.items() if k not in part.facts]
        facts = ", ".join(lost + new)
        what = f"a part of its {noun} on {about} ({facts})"
    else:
        what = f"its {noun} {part.name or ''} ({about})".replace("  ", " ")
    if part.kind == "check":
        hint = f"batch_alter_table(..., table_args=(sa.CheckConstraint({about!r}),))"
    else:
        hint = "batch_alter_table(..., copy_from=sa.Table(...)) with the whole table as it is"
    yield Lost(name, what, hint)
