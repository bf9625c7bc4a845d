"""Make things in a baseline as a server's database has them, from its snapshot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import DriftFound
from ..mending import Making, make
from ..snapshot import VIEWS

if TYPE_CHECKING:
    from ..snapshot import Object, Snapshot

_NAMED = frozenset("enum domain range composite-type sequence function procedure".split())
_USED_BY_COLUMNS = frozenset(["enum", "domain"])


@dataclass
class FromDatabase:
    """What is made from the snapshot: ``labels`` of objects that differ from the models.

    A type that differs brings the tables with it that have it.
    """

    real: Snapshot
    labels: frozenset[str]
    made: set[str] = field(default_factory=set)
    """What is there already, by label."""

    def __post_init__(self) -> None:
        self.there = {each.label: each for each in self.real.objects}
        types = [self.there[each] for each in self.labels if self._is_type(each)]
        users = {table.label for table in self.real.tables if any(_has(table, each) for each in types)}
        self.labels |= users

    def _is_type(self, label: str) -> bool:
        return label in self.there and self.there[label].kind in _USED_BY_COLUMNS

    def made_of(self, label: str) -> tuple[str, ...]:
        """Write what makes an object.

        :raises DriftFound: the engine has no statement for it.
        """
        return self._making(self.there[label]).made

    def needs(self, texts: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Write what makes the types, sequences and functions of which texts speak, by label, once each."""
        texts = tuple(texts)
        for each in self.real.objects:
            if each.kind in _NAMED and each.label not in self.made and _is_in(each, texts):
                self.made.add(each.label)
                yield from self.needs(texts_of(each))
                yield each.label, self._making(each).made

    def last(self) -> Iterator[tuple[Object, tuple[str, ...]]]:
        """Write what belongs to the objects and needs all others: foreign keys and triggers."""
        for label in sorted(self.labels & self.there.keys()):
            thing = self.there[label]
            if thing.kind not in VIEWS:
                yield thing, self._making(thing).last

    def _making(self, thing: Object) -> Making:
        found = make(thing, self.real.family)
        if found is None:
            kind = thing.kind.replace("-", " ")
            raise DriftFound(
                f"A baseline cannot keep the {kind} {thing.label} as the database has it. Make the models "
                "say what is there, then adopt; change it afterwards."
            )
        return found


def texts_of(thing: Object) -> tuple[str, ...]:
    """Give all that a snapshot says of an object."""
    facts = [thing.facts, *(part.facts for part in thing.parts)]
    return tuple(text for each in facts for text in each.values())


def _is_in(thing: Object, texts: Iterable[str]) -> bool:
    name = re.escape(thing.name.partition("(")[0])
    return any(re.search(rf"(?<![\w$]){name}(?![\w$])", each) for each in texts)


def _has(table: Object, type_: Object) -> bool:
    types = (part.facts.get("type", "") for part in table.parts if part.kind == "column")
    return any(each.removesuffix("[]").replace('"', "") == type_.label for each in types)
