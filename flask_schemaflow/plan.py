"""Which revisions would run, in which order."""

from __future__ import annotations

import re
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

    :param target: a revision id, or a unique beginning of one; ``+2`` counts from the current revision,
        ``id+2`` and ``head-1`` from the one that is named; None is the single head.
    :raises ConfigurationError: there is no such revision, or it is below the current one.
    """
    revisions = tuple(revisions)
    by_id = {revision.id: revision for revision in revisions}
    goal = resolve(target, by_id, current=current) if target else heads_of(revisions)[0]
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


_RELATIVE = re.compile(r"(?P<start>.*?)(?P<sign>[+-])(?P<number>[1-9]\d*)\Z", re.DOTALL)


def resolve(target: str, by_id: Mapping[str, Revision], *, current: tuple[str, ...] = ()) -> str:
    """Give the id of the revision that a person named.

    By its id, a unique beginning of it, as the head, or counted from one of them or from the current one.

    :raises ConfigurationError: there is no such revision, or several.
    """
    if target in ("head", "heads"):
        return heads_of(by_id.values())[0]
    found = [revision for revision in by_id if revision.startswith(target)]
    if target in by_id:
        return target
    if len(found) == 1:
        return found[0]
    relative = _RELATIVE.match(target)
    if relative is not None and not found:
        return _walk(target, relative, current, by_id)
    problem = "several revisions begin" if found else "no revision begins"
    raise ConfigurationError(f"There is no revision {target!r}: {problem} with it.")


def _walk(
    target: str, relative: re.Match[str], current: tuple[str, ...], by_id: Mapping[str, Revision]
) -> str:
    """Count revisions up or down from one, as Alembic does; where the way forks, that cannot be done."""
    start, number, forward = relative["start"], int(relative["number"]), relative["sign"] == "+"
    if not (start or forward):
        raise ConfigurationError(f"{target} goes back, which only `flask db downgrade` does.")
    at: tuple[str, ...] = (resolve(start, by_id),) if start else current
    for walked in range(number):
        following = _children(at, by_id) if forward else by_id[at[0]].parents
        if len(following) != 1:
            problem = (
                f"there are several ways ({', '.join(following)})" if following else "there is no revision"
            )
            where = f"{'after' if forward else 'before'} {', '.join(at) or 'the beginning'}"
            steps = f", {walked} step{'s' * (walked != 1)} {'on' if forward else 'back'}" if walked else ""
            raise ConfigurationError(f"{target}: {problem} {where}{steps}. Name the revision.")
        at = following
    return at[0]


def _children(at: tuple[str, ...], by_id: Mapping[str, Revision]) -> tuple[str, ...]:
    return tuple(
        each.id for each in by_id.values() if set(each.parents) & set(at) or not (each.parents or at)
    )
