"""Which revisions would run, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import ConfigurationError
from .revisions import Revision, heads_of, lineage, parents_first


@dataclass(frozen=True, kw_only=True)
class Step:
    """One revision that would run on one database."""

    bind: str | None
    revision: str
    title: str
    operations: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The way from the current revisions of one database to the target, oldest first."""

    bind: str | None
    current: tuple[str, ...]
    target: str
    steps: tuple[Step, ...]


def make_plan(
    bind: str | None, revisions: Iterable[Revision], current: tuple[str, ...], target: str | None
) -> Plan:
    """List the revisions between the current ones and the target. Read-only.

    :param target: a revision id, or a unique beginning of one; None is the single head.
    :raises ConfigurationError: there is no such revision, or it is below the current one.
    """
    revisions = tuple(revisions)
    by_id = {revision.id: revision for revision in revisions}
    goal = resolve(target, by_id) if target else heads_of(revisions)[0]
    done = lineage(current, by_id)
    if goal in done and goal not in current:
        raise ConfigurationError(
            f"Revision {goal} is below the current one ({', '.join(current)}). Only "
            "`flask db downgrade` goes back."
        )
    steps = tuple(
        Step(bind=bind, revision=revision.id, title=revision.title)
        for revision in parents_first([goal], by_id)
        if revision.id not in done
    )
    return Plan(bind=bind, current=current, target=goal, steps=steps)


def resolve(target: str, by_id: Mapping[str, Revision]) -> str:
    """Give the id of the revision that a person named: by its id, a unique beginning of it, or as the head.

    :raises ConfigurationError: there is no such revision, or several.
    """
    if target in ("head", "heads"):
        return heads_of(by_id.values())[0]
    found = [revision for revision in by_id if revision.startswith(target)]
    if target in by_id:
        return target
    if len(found) == 1:
        return found[0]
    problem = "several revisions begin" if found else "no revision begins"
    raise ConfigurationError(f"There is no revision {target!r}: {problem} with it.")
