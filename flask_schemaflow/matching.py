"""Find out which revision's structure a database has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .drift import Drift, find_drift, is_equal, ways
from .errors import DriftFound, Refused, UnadoptableState
from .findings import Finding, Severity
from .proof import method_of, replay, stored_by_other_version, stored_structures
from .revisions import Revision, does_nothing, lineage, parents_first
from .scratch import NoScratch
from .survey import only_ours

if TYPE_CHECKING:
    from .snapshot import Snapshot
    from .survey import Survey

BindKey = str | None


@dataclass(frozen=True, kw_only=True)
class Found:
    """The revision that databases are at, and where its structure was made that they were compared with."""

    revision: str
    method: str


def revision_of(
    survey: Survey, keys: Iterable[BindKey], *, search_time: float, accepted: frozenset[str]
) -> str:
    """Find the one revision whose structure these databases have, as :func:`find_equal` does."""
    return find_equal(survey, keys, search_time=search_time, accepted=accepted).revision


def find_equal(
    survey: Survey, keys: Iterable[BindKey], *, search_time: float, accepted: frozenset[str]
) -> Found:
    """Find the one revision whose structure these databases have.

    Never touches the real databases.

    :param search_time: seconds after which the search ends.
    :param accepted: differences that do not count, each ``CODE:SUBJECT``.
    :raises UnadoptableState: several have it and change rows between them.
    :raises DriftFound: none has it; the findings are the differences from the nearest.
    """
    match = _match(survey, tuple(keys), search_time, accepted)
    if len(match.equal) > 1:
        finding = _ambiguous(match.equal)
        raise UnadoptableState(f"{finding.message} {finding.hint}", findings=(finding,))
    if not match.equal:
        found = tuple(each for drift in match.drift.values() for each in drift)
        number = sum(each.structural for each in found)
        raise DriftFound(
            "The structure is not that of any revision. The nearest is "
            f"{match.nearest}; it differs in {ways(number)}. "
            f"Mend the database, or let a difference not count: --accept {_first(found)}",
            findings=found,
        )
    return Found(revision=match.equal[0], method=match.method)


@dataclass(frozen=True, kw_only=True)
class _Match:
    """Which revisions a structure equals, oldest first, and the nearest one.

    ``drift`` are the differences from the nearest, where none is equal; ``method`` says where the equal
    ones were made.
    """

    equal: tuple[str, ...]
    nearest: str | None
    drift: Mapping[BindKey, tuple[Drift, ...]]
    method: str


def _match(survey: Survey, keys: tuple[BindKey, ...], search_time: float, accepted: frozenset[str]) -> _Match:
    """Compare the structure after each revision with the real one."""
    by_id = {revision.id: revision for revision in survey.revisions}
    made = _structures(survey, keys, search_time)
    ordered = [revision.id for revision in parents_first(by_id, by_id)]
    whole = {each: made[each] for each in ordered if made[each].keys() >= set(keys)}
    drifts = _compare(survey, keys, whole, accepted)
    equal = tuple(r for r, drift in drifts.items() if all(map(is_equal, drift.values())))
    nearest = min(reversed(drifts), key=lambda r: _distance(drifts[r]), default=None)
    chosen = _choose(equal, by_id)
    return _Match(
        equal=(chosen,) if chosen else equal,
        nearest=nearest,
        drift=drifts[nearest] if nearest is not None and not equal else {},
        method=method_of(each for revision in equal for each in whole[revision].values()),
    )


def _structures(
    survey: Survey, keys: tuple[BindKey, ...], search_time: float
) -> dict[str, dict[BindKey, Snapshot]]:
    """Give what each revision makes: what is stored, and where anything is missing the rest in one replay."""
    by_id = {revision.id: revision for revision in survey.revisions}
    made: dict[str, dict[BindKey, Snapshot]] = {revision: {} for revision in by_id}
    for key in keys:
        for revision, snapshot in stored_structures(survey, key, by_id).items():
            made[revision][key] = snapshot
    if all(each.keys() >= set(keys) for each in made.values()):
        return made
    ran: dict[BindKey, set[str]] = {}
    end = time.monotonic() + search_time

    def observe(key: BindKey, revision: str, read: Callable[[], Snapshot]) -> None:
        if time.monotonic() > end:
            raise Refused(
                f"The search for the revision took longer than {search_time:g} seconds "
                f"(reached {revision}). Give it more with --search-time."
            )
        ran.setdefault(key, set()).add(revision)
        # Else another branch is in it too.
        if key not in made[revision] and ran[key] == lineage([revision], by_id):
            made[revision][key] = read()

    try:
        replay(survey.migrations, survey.binds, "heads", survey.bookkeeping, required=keys, observe=observe)
    except NoScratch as error:
        stored = {key: stored_by_other_version(survey, key, by_id, error) for key in keys}
        return {each: {key: stored[key][each] for key in keys} for each in by_id}
    return made


def _compare(
    survey: Survey,
    keys: tuple[BindKey, ...],
    made: Mapping[str, Mapping[BindKey, Snapshot]],
    accepted: frozenset[str],
) -> dict[str, dict[BindKey, tuple[Drift, ...]]]:
    """Compare the databases with each revision; a table that any revision makes is ours."""
    drifts: dict[str, dict[BindKey, tuple[Drift, ...]]] = {revision: {} for revision in made}
    for key in keys:
        every = [snapshots[key] for snapshots in made.values()]
        ours, real = survey.states[key].ours_with(*every), survey.ours(key, *every)
        for revision, snapshots in made.items():
            found = find_drift(only_ours(snapshots[key], ours), real, f"revision {revision}")
            drifts[revision][key] = tuple(each for each in found if each.key not in accepted)
    return drifts


def _first(found: Iterable[Drift]) -> str:
    return next((each.key for each in found if each.structural), "CODE:SUBJECT")


def _distance(drift: Mapping[BindKey, tuple[Drift, ...]]) -> int:
    return sum(each.structural for found in drift.values() for each in found)


def _choose(equal: tuple[str, ...], by_id: Mapping[str, Revision]) -> str | None:
    """Choose the newest of several equal revisions if the others between do provably nothing."""
    if not equal:
        return None
    later = equal[1:]
    return equal[-1] if all(does_nothing(by_id[revision]) for revision in later) else None


def _ambiguous(equal: tuple[str, ...]) -> Finding:
    return Finding(
        code="several-revisions-equal",
        subject=", ".join(equal),
        severity=Severity.ERROR,
        message="These revisions leave the same structure and change rows between them, so the "
        f"structure cannot tell which one the database is at: {', '.join(equal)}.",
        hint="Say which it is with `flask db stamp REV`.",
    )
