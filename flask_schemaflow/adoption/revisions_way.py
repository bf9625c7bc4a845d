"""The way of a project that has revisions: find or confirm the one that each database is at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..drift import Drift, accepting, find_drift, ways
from ..errors import DriftFound
from ..interrupts import uninterrupted
from ..matching import find_equal
from ..proof import method_of, structure_at
from ..results import ProofResult
from ..revisions import lineage
from ..stamping import unchanged_databases
from ..state import State
from ..survey import only_ours
from ..version_column import check_ids_fit
from .common import Adoption, BindKey, refuse_parts, stamp

if TYPE_CHECKING:
    from ..snapshot import Snapshot
    from ..survey import Survey


def find_revision(adoption: Adoption) -> None:
    """Find the revision that the structure of the unmanaged databases equals, and stamp it."""
    survey, options = adoption.survey, adoption.options
    keys = [b.key for b in survey.relevant if survey.states[b.key].state is State.UNMANAGED]
    refuse_parts(survey, keys)
    adoption.notify(f"Searching   which of {len(survey.revisions)} revisions the structure equals")
    found = find_equal(survey, keys, search_time=options.search_time, accepted=adoption.accepted)
    check_ids_fit(survey, {key: [found.revisions[key]] for key in keys})
    adoption.progress.proof = ProofResult(equal=True, method=found.method, engines=families_of(survey, keys))
    adoption.note_passing(found.drift, ())
    pending = pending_after(survey, found.revisions)
    but = but_for(adoption, found.drift)
    if options.dry_run:
        adoption.end("planned", f"Would stamp {found.names}, whose structure it is{but}.{pending}")
        return
    verdict = (
        f"Adopted at revision {found.names}, whose structure it has{but}; no table was touched.{pending}"
    )
    with unchanged_databases(survey, keys) as held, uninterrupted():
        stamp(adoption, held, found.revisions)
        adoption.end("adopted", verdict)


def confirm_revision(adoption: Adoption) -> None:
    """Prove that each adopted database has the structure of the revision that it says."""
    survey = adoption.survey
    adopted = {
        bind.key: survey.states[bind.key].versions or ()
        for bind in survey.relevant
        if survey.states[bind.key].state in (State.BEHIND, State.CURRENT)
    }
    by_id = {each.id: each for each in survey.revisions}
    for key, versions in adopted.items():
        refuse_parts(survey, [key], stamped=frozenset(lineage(versions, by_id)))
    stopping: list[Drift] = []
    compared: list[Snapshot] = []
    every: list[Drift] = []
    for key in adopted:
        made, found = differences_at(adoption, key)
        compared.append(made)
        every.extend(found)
        stops = adoption.split(found)[1]
        adoption.note_passing(found, stops)
        adoption.progress.update(key, verified=not stops)
        stopping.extend(stops)
    adoption.progress.proof = ProofResult(
        equal=not stopping, method=method_of(compared), engines=families_of(survey, adopted)
    )
    if stopping:
        raise DriftFound(
            f"The database says revision {_said(adopted)}, but its structure differs from it in "
            f"{ways(len(stopping))}. Mend the database, or let a difference stay: "
            f"{accepting(stopping)}. If it was restored from an older dump: `flask db-adopt --restamp` finds "
            "the revision that it is at.",
            findings=tuple(stopping),
        )
    pending = any(survey.states[key].state is State.BEHIND for key in adopted)
    adoption.end(
        "already-adopted",
        f"Already adopted: the structure is that of revision {_said(adopted)}{but_for(adoption, every)}."
        + (_PENDING if pending else ""),
    )


def differences_at(adoption: Adoption, key: BindKey) -> tuple[Snapshot, tuple[Drift, ...]]:
    """Give what an adopted database should be, by its version rows, and in what it differs."""
    survey = adoption.survey
    versions = survey.states[key].versions or ()
    made = structure_at(survey, [key], versions)[key]
    expected = only_ours(made, survey.states[key].ours_with(made))
    return made, find_drift(expected, survey.ours(key, made), f"revision {' and '.join(versions)}")


_PENDING = " Newer revisions are pending: `flask db-safe-upgrade`."


def pending_after(survey: Survey, revisions: Mapping[BindKey, str]) -> str:
    """Say what there is to do after a stamp; empty where there is nothing."""
    newest = all((revision,) == survey.states[key].heads for key, revision in revisions.items())
    return "" if newest else _PENDING


def but_for(adoption: Adoption, drift: Iterable[Drift]) -> str:
    """Say how many differences were accepted; empty for none."""
    accepted = len(adoption.split(drift)[0])
    return f", but for {accepted} accepted difference{'s' if accepted != 1 else ''}" if accepted else ""


def _said(adopted: Mapping[BindKey, tuple[str, ...]]) -> str:
    return ", ".join(sorted({version for versions in adopted.values() for version in versions}))


def families_of(survey: Survey, keys: Iterable[BindKey]) -> tuple[str, ...]:
    """Give the kinds of engines of these databases."""
    wanted = set(keys)
    return tuple(sorted({bind.family for bind in survey.binds if bind.key in wanted}))
