"""Spell the names of one snapshot as another one does, where the engine ignores their case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .structure import Object, Part, Snapshot, folded


def respelled(snapshot: Snapshot, like: Snapshot) -> Snapshot:
    """Give a snapshot with the names of ``like`` wherever only their case differs.

    Names of columns stay: they come back in rows as they were spelled. Read-only.
    """
    if folded("A", snapshot.family) == "A":
        return snapshot
    spelling = _Spelling(like)
    return replace(snapshot, objects=tuple(map(spelling.of_object, snapshot.objects)))


class _Spelling:
    """How a snapshot spells its names."""

    def __init__(self, like: Snapshot) -> None:
        self.family = like.family
        self.names = {self._folded(name): name for name in _names(like)}
        self.parts = {
            (self._folded(each.name), part.kind, self._folded(part.name)): part.name
            for each in like.objects
            for part in each.parts
            if part.kind != "column" and part.name is not None
        }

    def _folded(self, name: str) -> str:
        return folded(name, self.family)

    def of_object(self, each: Object) -> Object:
        parts = tuple(self._of_part(part, each.name) for part in each.parts)
        return replace(each, name=self.names.get(self._folded(each.name), each.name), parts=parts)

    def _of_part(self, part: Part, table: str) -> Part:
        facts, name = part.facts, part.name
        if part.kind == "foreign-key" and "table" in facts:
            facts = {**facts, "table": self.names.get(self._folded(facts["table"]), facts["table"])}
        if name is not None:
            name = self.parts.get((self._folded(table), part.kind, self._folded(name)), name)
        return replace(part, facts=facts, name=name)


def _names(snapshot: Snapshot) -> Iterator[str]:
    """Give the names of tables that foreign keys name, then those of objects, which count more."""
    for each in snapshot.objects:
        yield from (part.facts["table"] for part in each.parts if "table" in part.facts)
    yield from (each.name for each in snapshot.objects)
