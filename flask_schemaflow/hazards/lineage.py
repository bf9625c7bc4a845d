"""Rules for a history of revisions beside an earlier version of it, which databases may have run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from ..revisions import Revision, heads_of, source_hash, source_of
from .hazard import Hazard, Kind

_EDITED = Kind(
    "edited-applied-revision",
    ("incompatible",),
    "Take the change back, and write it into a new revision.",
)
_ORDER = Kind(
    "non-linear-history",
    ("incompatible",),
    "Let its down_revision be the newest one that was there (flask db heads), or join heads: flask db merge.",
)
_ID = re.compile(r"^revision\b[^=\n]*=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)


def edited_applied_revision(revisions: Iterable[Revision], before: Mapping[Path, str]) -> Iterator[Hazard]:
    """Find revisions that do something else than they did, or that are gone; comments do not count.

    :param before: the earlier text of each file that has changed or is gone.
    """
    by_id = {each.id: each for each in revisions}
    for file, text in before.items():
        id_ = _id_in(text)
        now = by_id.get(id_ or "")
        if id_ is not None and now is None:
            yield _told(_EDITED, id_, file, f"Revision {id_} is gone: a database that has run it is lost.")
        elif now is not None and _hash(source_of(now.file)) != _hash(text):
            message = f"Revision {id_} was there already and is another now: who has run it never runs this."
            yield _told(_EDITED, now.id, now.file, message)


def non_linear_history(
    revisions: tuple[Revision, ...], before: Mapping[Path, str], new: Collection[Path]
) -> Iterator[Hazard]:
    """Find new revisions that come below older ones, or beside one another.

    :param new: the files that were not there.
    """
    old_ids = {_id_in(text) for text in before.values()}
    added = {each.id for each in revisions if each.file.resolve() in new and each.id not in old_ids}
    several = len(heads_of(revisions)) > 1
    for revision in (each for each in revisions if each.id in added):
        above = [each.id for each in revisions if revision.id in each.parents and each.id not in added]
        beside = [
            each.id
            for each in revisions
            if several and each.id != revision.id and set(each.parents) & set(revision.parents)
        ]
        if above:
            message = (
                f"Revision {revision.id} is new, and comes below {above[0]}: who is there never runs it."
            )
            yield _told(_ORDER, revision.id, revision.file, message)
        elif beside:
            message = f"Revision {revision.id} follows the same one as {beside[0]}: there are several heads."
            yield _told(_ORDER, revision.id, revision.file, message)


def _id_in(text: str) -> str | None:
    match = _ID.search(text)
    return match[1] if match is not None else None


def _hash(source: str) -> str:
    try:
        return source_hash(source.removeprefix("\ufeff"))
    except SyntaxError:
        return source


def _told(kind: Kind, revision: str, file: Path, message: str) -> Hazard:
    return Hazard(
        code=kind.code,
        subject=revision,
        classes=kind.classes,
        message=message,
        hint=kind.hint,
        revision=revision,
        file=str(file),
    )


KINDS = (_EDITED, _ORDER)
