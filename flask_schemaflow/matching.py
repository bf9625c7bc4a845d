"""Find out which revision's structure a database has."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from .drift import Drift, accepting, find_drift, ways
from .errors import DriftFound, ProofFailed, Refused, UnadoptableState
from .findings import Finding, Severity
from .proof import method_of, replay, stored_by_other_version, stored_structures, structure_at
from .revisions import Revision, TableName, does_nothing, lineage, newest_rows, parents_first
from .scratch import NoScratch
from .survey import only_ours

if TYPE_CHECKING:
    from .snapshot import Snapshot
    from .survey import Survey

BindKey = str | None

Point = tuple[str, ...]
"""Where a database can be: at one revision, or at those of several branches before they are joined."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The revisions that databases are at, and where the structures were made that they were compared with.

    ``drift`` are the differences that do not count, those that a person accepted among them.
    """

    revisions: Mapping[BindKey, str]
    method: str
    drift: tuple[Drift, ...]

    @property
    def names(self) -> str:
        """The revisions, for people; mostly it is one."""
        return ", ".join(dict.fromkeys(self.revisions.values()))


def find_equal(
    survey: Survey, keys: Iterable[BindKey], *, search_time: float, accepted: frozenset[str]
) -> Found:
    """Find the revision whose structure these databases have: one for all, else one for each.

    What is stored is compared; where anything is missing the revisions run on scratch. Never touches the
    real databases.

    :param search_time: seconds after which the search ends.
    :param accepted: differences that do not count, each ``CODE:SUBJECT``.
    :raises UnadoptableState: several have it and may change rows between them.
    :raises DriftFound: none has it; the findings are the differences from the nearest.
    :raises ProofFailed: a revision fails on scratch.
    """
    keys = tuple(keys)
    try:
        compared = _compared(survey, keys, search_time, accepted)
    except ProofFailed as error:
        error.message = (
            f"{error.message} The search for the revision ended there. Say which revision the database is "
            "at, and only that is compared: `flask db-adopt --restamp REV`."
        )
        raise
    together = _match(compared, keys)
    matches = {key: _match(compared, (key,)) if not together.equal else together for key in keys}
    for match in matches.values():
        if match.equal and match.found is None:
            findings = _ambiguous(match.equal, compared.by_id)
            raise UnadoptableState(f"{findings[0].message} {findings[0].hint}", findings=findings)
    if not all(match.equal for match in matches.values()):
        raise _none_is_equal(survey, together)
    return Found(
        revisions={key: str(match.found) for key, match in matches.items()},
        method=", ".join(sorted({match.method for match in matches.values()})),
        drift=tuple(each for key, match in matches.items() for each in match.drift[key]),
    )


def check_equal(survey: Survey, keys: Iterable[BindKey], revision: str, *, accepted: frozenset[str]) -> Found:
    """Prove that these databases have the structure of a revision that a person names.

    Never touches the real databases.

    :param accepted: differences that do not count, each ``CODE:SUBJECT``.
    :raises DriftFound: one has not; the findings are the differences.
    :raises Refused: what the revision makes is not stored, and one up to it fails on scratch.
    """
    keys = tuple(keys)
    made = structure_at(survey, keys, (revision,))
    found: list[Drift] = []
    for key in keys:
        ours = survey.states[key].ours_with(made[key], *_stored(survey, key).values())
        found.extend(_differences(survey, key, made[key], f"revision {revision}", ours))
    stopping = _stopping(found, accepted)
    if stopping:
        raise DriftFound(
            f"The structure is not that of revision {revision}; it differs in {ways(len(stopping))}. "
            "`flask db-adopt --restamp` without a revision finds the one that it equals, or the nearest.",
            findings=stopping,
        )
    return Found(revisions=dict.fromkeys(keys, revision), method=method_of(made.values()), drift=tuple(found))


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """All points with what the revisions make there, and in what each database differs from that.

    ``members`` are, by bind key, all binds that lead to that database.
    """

    by_id: Mapping[str, Revision]
    members: Mapping[BindKey, tuple[BindKey, ...]]
    points: tuple[Point, ...]
    made: _Made
    drifts: Mapping[Point, Mapping[BindKey, tuple[Drift, ...]]]
    accepted: frozenset[str]


def _compared(
    survey: Survey, keys: tuple[BindKey, ...], search_time: float, accepted: frozenset[str]
) -> _Compared:
    by_id = {revision.id: revision for revision in survey.revisions}
    points = _points(by_id)
    made = _structures(survey, keys, points, search_time)
    drifts = _compare(survey, keys, made)
    members = {bind.key: tuple(each.key for each in bind.members) for bind in survey.binds}
    return _Compared(by_id=by_id, members=members, points=points, made=made, drifts=drifts, accepted=accepted)


@dataclass(frozen=True, kw_only=True)
class _Match:
    """Where the revisions have a structure, oldest first, and where they are nearest to it.

    ``found`` is the one that it is, None where that cannot be told. ``drift`` are the differences from the
    nearest, which is what was found where anything was, ``stopping`` those among them that count; ``method``
    says where the equal ones were made.
    """

    equal: tuple[Point, ...]
    found: str | None
    nearest: Point
    drift: Mapping[BindKey, tuple[Drift, ...]]
    stopping: tuple[Drift, ...]
    method: str


def _match(compared: _Compared, keys: tuple[BindKey, ...]) -> _Match:
    """Say where these databases, together, have the structure that the revisions make."""
    made, points, by_id = compared.made, compared.points, compared.by_id
    stopping = {
        point: _stopping(chain.from_iterable(found[key] for key in keys), compared.accepted)
        for point, found in compared.drifts.items()
    }
    same = {point for point, found in stopping.items() if not found}
    # What nobody could make, and a join that may only change rows leaves as it is, may be equal.
    same |= {p for p in points if p not in made and any((r,) in same for r in _joined_by(p, by_id))}
    equal = tuple(point for point in points if point in same)
    chosen = _choose(equal, by_id, [each for key in keys for each in compared.members[key]])
    nearest = chosen or min(reversed(stopping), key=lambda point: len(stopping[point]))
    return _Match(
        equal=equal,
        found=chosen[0] if chosen else None,
        nearest=nearest,
        drift=compared.drifts[nearest],
        stopping=stopping[nearest],
        method=method_of(made[point][key] for point in equal if point in made for key in keys),
    )


def _points(by_id: Mapping[str, Revision]) -> tuple[Point, ...]:
    """Give all points that are told apart, the oldest first.

    Where a revision that joins branches does provably nothing, it has the structure before it, too. Heads
    that nothing joins are one more point.
    """
    points: dict[Point, None] = {}
    for revision in parents_first(by_id, by_id):
        if len(revision.parents) > 1 and not does_nothing(revision):
            points[tuple(sorted(revision.parents))] = None
        points[(revision.id,)] = None
    points[newest_rows(by_id.values())] = None
    return tuple(points)


def _joined_by(point: Point, by_id: Mapping[str, Revision]) -> list[str]:
    return [each.id for each in by_id.values() if tuple(sorted(each.parents)) == point]


# -- what the revisions make -----------------------------------------------------------------------

_Made = dict[Point, dict[BindKey, "Snapshot"]]


def _structures(
    survey: Survey, keys: tuple[BindKey, ...], points: tuple[Point, ...], search_time: float
) -> _Made:
    """Give what the revisions make: what is stored, and the rest from scratch, in one pass for each branch.

    Without a scratch database what is stored has to be enough; points of several branches are missing then.
    """
    made: _Made = {point: {} for point in points}
    end = time.monotonic() + search_time
    for key in keys:
        for revision, snapshot in _stored(survey, key).items():
            made[(revision,)][key] = snapshot
    try:
        while gaps := [point for point in points if len(made[point]) < len(keys)]:
            _replay_to(gaps[-1], survey, keys, made, end)
    except NoScratch as error:
        by_id = {revision.id for revision in survey.revisions}
        for key in keys:
            for revision, snapshot in stored_by_other_version(survey, key, by_id, error).items():
                made[(revision,)][key] = snapshot
    return {point: snapshots for point, snapshots in made.items() if len(snapshots) == len(keys)}


def _stored(survey: Survey, key: BindKey) -> dict[str, Snapshot]:
    return stored_structures(survey, key, {revision.id for revision in survey.revisions})


def _replay_to(target: Point, survey: Survey, keys: tuple[BindKey, ...], made: _Made, end: float) -> None:
    """Run the revisions up to one point, and keep what they make on the way where it is missing.

    :raises Refused: the time is over.
    """
    by_id = {revision.id: revision for revision in survey.revisions}
    points = {frozenset(lineage(point, by_id)): point for point in made}
    ran: dict[BindKey, set[str]] = {}

    def observe(key: BindKey, revision: str, read: Callable[[], Snapshot]) -> None:
        if time.monotonic() > end:
            raise Refused(
                f"The search for the revision took longer than it may (reached {revision}). Give it more "
                "seconds with --search-time, or say which revision it is: `flask db-adopt --restamp REV`."
            )
        ran.setdefault(key, set()).add(revision)
        point = points.get(frozenset(ran[key]))
        if point is not None and key in keys and key not in made[point]:
            made[point][key] = read()

    after = replay(
        survey.migrations, survey.binds, target, survey.bookkeeping, required=keys, observe=observe
    )
    made[target].update((key, after[key]) for key in keys)


# -- comparing -------------------------------------------------------------------------------------


def _compare(
    survey: Survey, keys: tuple[BindKey, ...], made: _Made
) -> dict[Point, dict[BindKey, tuple[Drift, ...]]]:
    """Compare the databases with what the revisions make; a table that any of them makes is ours."""
    drifts: dict[Point, dict[BindKey, tuple[Drift, ...]]] = {point: {} for point in made}
    for key in keys:
        ours = survey.states[key].ours_with(*(snapshots[key] for snapshots in made.values()))
        for point, snapshots in made.items():
            source = f"revision {_name(point)}"
            drifts[point][key] = _differences(survey, key, snapshots[key], source, ours)
    return drifts


def _differences(
    survey: Survey, key: BindKey, wanted: Snapshot, source: str, ours: frozenset[TableName]
) -> tuple[Drift, ...]:
    """Compare our tables in one database with one structure."""
    real = survey.looks[key].snapshot
    assert real is not None
    return find_drift(only_ours(wanted, ours), only_ours(real, ours), source)


def _stopping(found: Iterable[Drift], accepted: frozenset[str]) -> tuple[Drift, ...]:
    return tuple(each for each in found if each.structural and each.key not in accepted)


def _choose(
    equal: tuple[Point, ...], by_id: Mapping[str, Revision], keys: Collection[BindKey]
) -> Point | None:
    """Choose the newest of several equal ones, if what lies between them provably does nothing there."""
    single = [point for point in equal if len(point) == 1]
    if not single:
        return None
    lines = [lineage(point, by_id) for point in equal]
    between = set().union(*lines) - lines[0].intersection(*lines)
    is_empty = all(does_nothing(by_id[revision], keys) for revision in between)
    return single[-1] if is_empty else None


# -- telling ---------------------------------------------------------------------------------------


def _name(point: Point) -> str:
    return " and ".join(point)


def _none_is_equal(survey: Survey, match: _Match) -> DriftFound:
    if all(map(does_nothing, survey.revisions)):
        way = (
            "The revisions make nothing at all, as `flask db migrate` writes them where the tables are there "
            f"already. If they have run nowhere else, delete them ({survey.migrations.directory}/versions) "
            "and run `flask db-adopt --restamp`: it writes a baseline of what is there."
        )
    else:
        way = f"Mend the database, or let a difference not count: {accepting(match.stopping)}"
    return DriftFound(
        f"The structure is not that of any revision. The nearest is {_name(match.nearest)}; it differs in "
        f"{ways(len(match.stopping))}. {way}",
        findings=match.stopping,
    )


def _ambiguous(equal: tuple[Point, ...], by_id: Mapping[str, Revision]) -> tuple[Finding, ...]:
    """Say that a person has to decide, and name what there is to choose from."""
    names = ", ".join(map(_name, equal))
    if len(equal) == 1:
        message = f"The structure is that of {names} together."
        hint = f"Say so with {' and '.join(f'`flask db stamp {each}`' for each in equal[0])}."
    else:
        message = (
            "These revisions leave the same structure and may change rows between them, so the structure "
            f"cannot tell which one the database is at: {names}."
        )
        hint = "Look at its rows, and say which it is: `flask db-adopt --restamp REV`."
    finding = Finding(
        code="several-revisions-equal", subject=names, severity=Severity.ERROR, message=message, hint=hint
    )
    return (finding, *(_candidate(by_id[each]) for each in dict.fromkeys(r for p in equal for r in p)))


def _candidate(revision: Revision) -> Finding:
    return Finding(
        code="candidate-revision",
        subject=revision.id,
        severity=Severity.INFO,
        message=f"It leaves the structure that the database has: {revision.title or 'no title'}.",
        revision=revision.id,
        file=str(revision.file),
    )
