"""Compare what servers of different versions wrote, without asking either of them again.

Servers of two versions may write one expression in two ways, and what they write in one way means the same
to both. So facts that are names, flags and types can always be compared, and a text where the server at
hand has the very same one; of any other text nobody can say whether it differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .structure import SURROUNDINGS, Object, Part, Snapshot

_TEXTS = frozenset(
    "default generated on-update expression where columns definition body using with-check arguments "
    "partition-by partition-bounds partitioning".split()
)
# Names, numbers, orders of columns and calls of nothing are written alike by all versions.
_WORDS = re.compile(r"[\w. ,\"]*(?:\(\))?\Z")


class Text(NamedTuple):
    """An expression, and where it stands: the object, the kind of part (empty for the object), the fact."""

    object: tuple[str, str | None, str]
    kind: str
    fact: str
    text: str


def texts_not_in(stored: Snapshot, there: Snapshot) -> list[Text]:
    """Give the expressions of a snapshot that another one does not have, word for word, at that place.

    Where there is none, the two can be compared although servers of different versions wrote them. Pure.
    """
    known = set(_texts(there))
    return [each for each in _texts(stored) if each not in known]


def _texts(snapshot: Snapshot) -> Iterator[Text]:
    for each in snapshot.objects:
        if not each.surrounding:
            yield from _texts_of(each, each)
            for part in each.parts:
                yield from _texts_of(part, each)


def _texts_of(thing: Object | Part, owner: Object) -> Iterator[Text]:
    kind = thing.kind if isinstance(thing, Part) else ""
    for fact, text in sorted(thing.facts.items()):
        if fact in _TEXTS and (thing.kind, fact) not in SURROUNDINGS and not _WORDS.match(text):
            yield Text(owner.key, kind, fact, text)
