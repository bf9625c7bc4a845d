"""Views of PostgreSQL, which stand in the way of what they read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ..snapshot import VIEWS
from .changes import Action, Change, Left, Outcome, Phase, Task, left
from .postgresql_parts import make_part
from .postgresql_words import comment_on, comments, default_of, quoted, written

if TYPE_CHECKING:
    from ..snapshot import Object

Key = tuple[str | None, str]
_KEPT = frozenset({"comment", "grants", "storage", "persistence", "tablespace", "access-method"})


class Views:
    """The views on both sides, and which of them have to be made anew.

    :param disturbed: tables and views, by (schema, name), of which a view that reads them must not be there
        while they change.
    """

    def __init__(self, task: Task, disturbed: frozenset[Key]) -> None:
        self.there = _views(task.before.objects)
        self.wanted = _views(task.after.objects)
        self.mends = {
            _key(each.object): each.keys_of(*(each.facts - _KEPT))
            for each in task.changes
            if each.kind in VIEWS and each.part is None and each.part_there is None
            if each.facts - _KEPT
        }
        self.dropped = {
            _key(each.object): each.keys
            for each in task.changes
            if each.kind in VIEWS and each.part_there is None and task.may_drop(each)
        }
        gone = disturbed | self.mends.keys() | self.dropped.keys()
        while more := {key for key, view in self.there.items() if key not in gone and view.uses & gone}:
            gone |= more
        self.anew = {key: self.there[key] for key in gone if key in self.there}

    def mend(self, change: Change) -> Iterator[Outcome]:
        """Make a view, or change what is set for it; one that only the database has stays."""
        view = change.object
        if change.part is not None or change.part_there is not None:
            return
        if change.is_extra and _key(view) not in self.dropped:
            yield from left(change, "A view that a person made stays.", kept=True)
        elif change.is_missing:
            yield from self._make(view, change.keys)
        elif not change.is_extra:
            yield from self._changed(change)

    def _changed(self, change: Change) -> Iterator[Outcome]:
        view = change.object
        if "comment" in change.facts:
            text = comment_on(view, None, view.facts.get("comment"))
            yield Action(phase=Phase.COMMENTS, statements=(text,), mends=change.keys_of("comment"))
        if "grants" in change.facts:
            drift = change.drift_of("grants")
            yield Left(drift=drift, reason="Rights that a person gave stay.", kept=True)

    def made_anew(self) -> Iterator[Action]:
        """Drop what has to be made anew, the readers of others first, and make it again."""
        for key, view in self.anew.items():
            drop = f"DROP {_kind(view)} {written(view)}"
            mends = self.dropped.get(key, ())
            yield Action(phase=Phase.DROP_VIEWS, after=-self._level(key), statements=(drop,), mends=mends)
            if mends:
                continue
            made = self.wanted.get(key, view)
            yield from self._make(made, self.mends.get(key, ()), grants=view.facts.get("grants"))

    def _make(self, view: Object, mends: tuple[str, ...] = (), grants: str | None = None) -> Iterator[Action]:
        statements = [_create(view)]
        for each in (grants or view.facts.get("grants") or "").split(", "):
            right, _, role = each.partition(" to ")
            if role:
                statements.append(f"GRANT {right} ON {written(view)} TO {role}")
        level = self._level(_key(view))
        yield Action(phase=Phase.VIEWS, after=level, statements=tuple(statements), mends=mends)
        yield from comments(view)
        for part in view.parts:
            if part.kind == "column" and "default" in part.facts:
                clause = f"ALTER COLUMN {quoted(part.name)} SET DEFAULT {default_of(part)}"
                text = f"ALTER VIEW {written(view)} {clause}"
                yield Action(phase=Phase.TRIGGERS, statements=(text,))
            elif part.kind != "column":
                for action in make_part(view, part):
                    yield replace(action, phase=max(Phase.TRIGGERS, action.phase))

    def _level(self, key: Key) -> int:
        view = self.wanted.get(key) or self.there.get(key)
        return 0 if view is None else 1 + max((self._level(each) for each in view.uses), default=0)


def _views(objects: tuple[Object, ...]) -> Mapping[Key, Object]:
    return {_key(each): each for each in objects if each.kind in VIEWS}


def _key(thing: Object) -> Key:
    return thing.schema, thing.name


def _kind(view: Object) -> str:
    return view.kind.replace("-", " ").upper()


def _create(view: Object) -> str:
    text = view.definition.rstrip().removesuffix(";")
    options = view.facts.get("options") or view.facts.get("storage")
    return text.replace(" AS\n", f" WITH ({options}) AS\n", 1) if options else text
