"""The two things that are compared, and the structure of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..drift import DATABASE, MODELS, Drift, find_drift
from ..errors import ConfigurationError
from ..models import structure_of_models
from ..plan import resolve
from ..proof import made_on, structure_at
from ..revisions import heads_of
from ..scratch import scratch_database
from ..snapshot import Object, Snapshot
from ..survey import only_ours

if TYPE_CHECKING:
    from ..discovery import Bind
    from ..revisions import Revision
    from ..survey import Survey

BindKey = str | None


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two: ``name`` is what messages call it; ``versions`` those of a revision, none of base."""

    name: str
    versions: tuple[str, ...] = ()

    @property
    def is_database(self) -> bool:
        """Say whether it is what the database has."""
        return self.name == DATABASE

    @property
    def is_models(self) -> bool:
        """Say whether it is what the models make."""
        return self.name == MODELS

    @property
    def is_nothing(self) -> bool:
        """Say whether it is what a new database has, before the first revision."""
        return not (self.is_database or self.is_models or self.versions)


@dataclass(frozen=True, kw_only=True)
class DatabaseDiff:
    """In what two structures of one database differ, and these structures.

    ``before`` and ``after`` are those of our tables only; ``drift`` says what ``before`` lacks, or has too
    much, to be ``after``.
    """

    bind: BindKey
    before: Snapshot
    after: Snapshot
    drift: tuple[Drift, ...]


def read_side(said: str, revisions: Iterable[Revision], option: str) -> Side:
    """Read what a person said: ``database``, ``models``, ``base``, ``head`` or a revision. Read-only.

    :param option: which option said it, for the message.
    :raises ConfigurationError: there is no such revision, or it is not clear which one it is.
    """
    if said in ("database", "models"):
        return Side(name=f"the {said}")
    if said == "base":
        return Side(name="base")
    revisions = tuple(revisions)
    if not revisions:
        raise ConfigurationError(
            f"{option} {said}: there are no revisions. Say `database`, `models` or `base`."
        )
    heads = heads_of(revisions)
    if said in ("head", "heads") and len(heads) > 1:
        raise ConfigurationError(
            f"{option} {said}: there are several heads, {', '.join(heads)}. Say which, or join them: "
            "`flask db merge heads`."
        )
    try:
        revision = resolve(said, {each.id: each for each in revisions})
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{option} {said}: {error.message} Or say `database`, `models`, `head` or `base`."
        ) from None
    return Side(name=f"revision {revision}", versions=(revision,))


def compare(survey: Survey, before: Side, after: Side, *, whole: bool) -> list[DatabaseDiff]:
    """Compare two sides, for each database. Never touches the real databases but to read them.

    :param whole: with the engine's own definitions, which are not stored beside revisions.
    :raises Refused: a side cannot be made on scratch.
    """
    sides = [side for side in dict.fromkeys((before, after)) if not side.is_database]
    made = {side: _made(survey, side, whole=whole) for side in sides}
    return [_difference(survey, bind, before, after, made) for bind in survey.relevant]


def _made(survey: Survey, side: Side, *, whole: bool) -> dict[BindKey, Snapshot]:
    """Give what models or revisions make."""
    if side.is_models:
        return {bind.key: structure_of_models(bind, survey) for bind in survey.relevant}
    if side.is_nothing:
        return {bind.key: _nothing(bind) for bind in survey.relevant}
    keys = [bind.key for bind in survey.relevant]
    return structure_at(survey, keys, side.versions, use_stored=not whole)


def _nothing(bind: Bind) -> Snapshot:
    """Give what a new database has by itself: PostgreSQL puts a language into it."""
    with scratch_database(bind.source, ours=True) as scratch:
        return made_on(scratch)


def _difference(
    survey: Survey, bind: Bind, before: Side, after: Side, made: Mapping[Side, Mapping[BindKey, Snapshot]]
) -> DatabaseDiff:
    """Compare our tables; what models or revisions make is ours."""
    ours = survey.states[bind.key].ours_with(*(structures[bind.key] for structures in made.values()))

    def structure(side: Side) -> Snapshot:
        if side.is_database:
            return only_ours(survey.looks[bind.key].snapshot or Snapshot(family=bind.family), ours)
        return only_ours(made[side][bind.key], ours)

    left, right = structure(before), structure(after)
    if before.is_nothing:
        right = _with_its_schemas(right)
    drift = find_drift(right, left, after.name, of=before.name)
    return DatabaseDiff(bind=bind.key, before=left, after=right, drift=drift)


def _with_its_schemas(structure: Snapshot) -> Snapshot:
    """Add the schemas that its objects are in: scratch has those of the real database, a new one has not."""
    if structure.family != "postgresql":
        return structure
    there = {each.name for each in structure.objects if each.kind == "schema"}
    needed = {each.schema for each in structure.objects if each.schema is not None} - {"public", *there}
    schemas = (Object(kind="schema", name=name) for name in sorted(needed))
    return replace(structure, objects=(*structure.objects, *schemas))
