"""Which revisions would run, in which order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from .errors import ConfigurationError, UnadoptableState
from .revisions import Revision, Rows, heads_of, in_words, lineage, parents_first, rows_after


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
    """The way from the current rows of one version table to the target, oldest first.

    ``goal`` are the revisions that were asked for; ``rows`` what the version table says after each step.
    """

    bind: str | None
    current: Rows
    goal: Rows
    steps: tuple[Step, ...]
    rows: tuple[Rows, ...]

    @property
    def target(self) -> Rows:
        """What the version table says in the end."""
        return self.rows[-1] if self.rows else self.current

    @cached_property
    def revisions(self) -> tuple[str, ...]:
        """The revisions that would run."""
        return tuple(step.revision for step in self.steps)

    def rows_after(self, revision: str) -> Rows:
        """Give what the version table says after one of the revisions."""
        return self.rows[self.revisions.index(revision)]

    def up_to(self, rows: Rows) -> tuple[str, ...]:
        """Give the revisions that have run where the version table says this."""
        return self.revisions[: self.rows.index(rows) + 1] if rows in self.rows else ()


def make_plan(
    bind: str | None, revisions: Iterable[Revision], current: tuple[str, ...], target: str | None
) -> Plan:
    """List the revisions between the current ones and the target. Read-only.

    :param target: a revision id, or a unique beginning of one; ``+2`` counts from the current revision,
        ``id+2`` and ``head-1`` from the one that is named; None is the single head; ``heads`` are all heads
        and ``label@head`` is that of one branch.
    :raises ConfigurationError: there is no such revision, or it is below the current one.
    :raises UnadoptableState: a branch has several heads.
    """
    revisions = tuple(revisions)
    by_id = {revision.id: revision for revision in revisions}
    goal = _goal(target or "head", by_id, current)
    done = lineage(current, by_id)
    if any(each in done for each in set(goal) - {*current, *heads_of(revisions)}):
        raise ConfigurationError(
            f"Revision {in_words(goal)} is below the current one ({', '.join(current)}). Only "
            "`flask db downgrade` goes back."
        )
    pending = [revision for revision in parents_first(goal, by_id) if revision.id not in done]
    rows, at = [], current
    for revision in pending:
        at = rows_after(at, revision, by_id)
        rows.append(at)
    steps = tuple(Step(bind=bind, revision=each.id, title=each.title) for each in pending)
    return Plan(bind=bind, current=current, goal=goal, steps=steps, rows=tuple(rows))


def names_branches(target: str | None) -> bool:
    """Say whether somebody who asks for this knows that there are several heads."""
    return target == "heads" or "@" in (target or "")


def _goal(target: str, by_id: Mapping[str, Revision], current: Rows) -> Rows:
    """Give the revisions that a person named: one, or all heads."""
    label, at, place = target.rpartition("@")
    if target == "heads":
        return heads_of(by_id.values())
    if not at:
        return (resolve(target, by_id, current=current),)
    if place != "head":
        raise ConfigurationError(f"{target}: say {label}@head, or the revision.")
    return (_head_of_branch(label, by_id),)


def _head_of_branch(label: str, by_id: Mapping[str, Revision]) -> str:
    """Give the head above the revision that has a label, by parents alone, as Alembic does."""
    labels = {name: each.id for each in by_id.values() for name in each.branch_labels}
    if label not in labels:
        known = f"there are {', '.join(sorted(labels))}" if labels else "no revision has one"
        raise ConfigurationError(f"There is no branch label {label!r}: {known}.")
    branch = {labels[label]}
    for each in parents_first(by_id, by_id):
        if branch.intersection(each.parents):
            branch.add(each.id)
    heads = tuple(each for each in heads_of(by_id.values()) if each in branch)
    if len(heads) > 1:
        raise UnadoptableState(
            f"The branch {label} has {len(heads)} heads ({', '.join(heads)}). Join them first: "
            f"flask db merge {' '.join(heads)}"
        )
    return heads[0]


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
