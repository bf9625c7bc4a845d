"""The way of ``--restamp``: find or prove the revision of databases whose version rows are lost or wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import Refused, UnadoptableState
from ..findings import Finding, Severity
from ..interrupts import uninterrupted
from ..journal import drop_journal
from ..matching import Found, check_equal, find_equal
from ..plan import resolve
from ..refusals import REASONS
from ..results import ProofResult
from ..stamping import unchanged_databases, write_verified
from ..state import State
from ..survey import ahead, upgrade_command
from ..version_column import check_ids_fit
from .common import Adoption, BindKey, has_journal, refuse_parts, stamp
from .revisions_way import but_for, differences_at, families_of, pending_after

if TYPE_CHECKING:
    from ..drift import Drift
    from ..survey import Survey


def restamp(adoption: Adoption) -> None:
    """Write the revision whose structure the databases have into their version tables.

    It takes the place of whatever stands there. Databases whose rows are right stay as they are, unless a
    revision is named and nothing else is to be done. A failure that stood open is closed by the proof.

    Writes version table and history, and takes away the journal of a revision that broke.

    :raises UnadoptableState: a person has to say which revision it is.
    :raises DriftFound: the structure is not that of the revision that was named, or of any.
    """
    survey, named = adoption.survey, adoption.options.restamp_to
    there = [bind.key for bind in survey.relevant if survey.states[bind.key].state is not State.EMPTY]
    if not there:
        raise UnadoptableState(f"There is no table yet. {upgrade_command(survey)} creates the tables.")
    if named is None:
        refuse_parts(survey, there)
    sound = _sound(adoption, there) if named is None or there[1:] else {}
    keys = [key for key in there if key not in sound] or (there if named else [])
    found = _found(adoption, keys) if keys else None
    drift = [each for key in sound.keys() - keys for each in sound[key]]
    _end(adoption, keys, there, found, [*drift, *(found.drift if found else ())])


def name_revision(adoption: Adoption) -> None:
    """Say which revision it is, where the version table names one that is not there. Read-only.

    :raises Refused: always; nothing is stamped unasked.
    """
    survey = adoption.survey
    keys = [b.key for b in survey.relevant if survey.states[b.key].state is State.UNKNOWN]
    refuse_parts(survey, keys)
    with _explained(_why(survey, keys)):
        found = _searched(adoption, keys)
        raise UnadoptableState(
            f"Its structure is that of revision {found.names}: `flask db-adopt --restamp` stamps that."
        )


# -- which, and what they are ----------------------------------------------------------------------


def _sound(adoption: Adoption, keys: Iterable[BindKey]) -> dict[BindKey, tuple[Drift, ...]]:
    """Give the databases that have the structure of what their version tables say, with what may differ."""
    states = (State.BEHIND, State.CURRENT)
    known = [key for key in keys if adoption.survey.states[key].state in states]
    drift = {key: differences_at(adoption, key)[1] for key in known}
    return {key: found for key, found in drift.items() if not adoption.split(found)[1]}


def _found(adoption: Adoption, keys: list[BindKey]) -> Found:
    survey, named = adoption.survey, adoption.options.restamp_to
    _note_rows_of_others(adoption, keys)
    if named is not None:
        revision = resolve(named, {each.id: each for each in survey.revisions})
        adoption.notify(f"Proving     that the structure is that of {revision}")
        found = check_equal(survey, keys, revision, accepted=adoption.accepted)
    else:
        doubtful = [key for key in keys if survey.states[key].state in (State.AHEAD, State.TORN)]
        with _explained(_why(survey, doubtful)):
            found = _searched(adoption, keys)
            if doubtful:
                raise UnadoptableState(
                    f"Its structure is that of revision {found.revisions[doubtful[0]]}. If that is the "
                    f"right one: `flask db-adopt --restamp {found.revisions[doubtful[0]]}`."
                )
    check_ids_fit(survey, {key: [found.revisions[key]] for key in keys})
    return found


def _searched(adoption: Adoption, keys: list[BindKey]) -> Found:
    survey, options = adoption.survey, adoption.options
    adoption.notify(f"Searching   which of {len(survey.revisions)} revisions the structure equals")
    return find_equal(survey, keys, search_time=options.search_time, accepted=adoption.accepted)


@contextmanager
def _explained(why: str) -> Iterator[None]:
    """Say first what stands in the version table."""
    try:
        yield
    except Refused as error:
        error.message = f"{why} {error.message}".lstrip()
        raise


def _why(survey: Survey, keys: Iterable[BindKey]) -> str:
    told = []
    for bind in survey.relevant:
        if bind.key in keys:
            state = survey.states[bind.key].state
            reason = REASONS.get(state)
            told.append(f"{bind.target}: {reason(survey, bind)}" if reason else ahead(survey, bind))
    return " ".join(told)


def note_lost_rows(adoption: Adoption) -> None:
    """Tell of version rows that a new baseline replaces, where another app may own them."""
    survey = adoption.survey
    keys = [bind.key for bind in survey.relevant if survey.states[bind.key].versions]
    rows = sorted({row for key in keys for row in survey.states[key].versions or ()})
    adoption.notify(f"Replacing   what the version table says ({', '.join(rows)}) by a new baseline")
    _note_rows_of_others(adoption, keys)


def _note_rows_of_others(adoption: Adoption, keys: Iterable[BindKey]) -> None:
    survey = adoption.survey
    known = {revision.id for revision in survey.revisions}
    for key in keys:
        state = survey.states[key]
        rows = sorted({*(state.versions or ())} - known)
        if rows and state.foreign:
            adoption.progress.findings.append(_row_of_others(survey, key, ", ".join(rows)))


def _row_of_others(survey: Survey, key: BindKey, rows: str) -> Finding:
    foreign = ", ".join(sorted(name.name for name in survey.states[key].foreign))
    table = survey.version_tables[key].name
    return Finding(
        code="version-row-of-others",
        subject=key or "default",
        severity=Severity.WARNING,
        message=f"The row {rows} in {table}, which is replaced, names no revision of this app, and the "
        f"database has tables of others ({foreign}): another app may own it.",
        hint="If one does, put the row back, and give this app a table of its own: Migrate(app, db, "
        'version_table="…").',
    )


# -- writing ---------------------------------------------------------------------------------------


def _end(
    adoption: Adoption, keys: list[BindKey], proved: list[BindKey], found: Found | None, drift: list[Drift]
) -> None:
    """Stamp what says something else, and close what stood open.

    :param keys: those that are at the revision that was found.
    :param proved: these, and those that are what they say.
    :param drift: in what they differ all the same.
    """
    survey = adoption.survey
    to_stamp = [key for key in keys if found and survey.states[key].versions != (found.revisions[key],)]
    to_close = [key for key in proved if key not in to_stamp and survey.looks[key].history.open]
    journals = [key for key in keys if adoption.options.restamp_to and has_journal(survey, key)]
    if found:
        adoption.progress.proof = ProofResult(
            equal=True, method=found.method, engines=families_of(survey, keys)
        )
    for key in proved:
        adoption.progress.update(key, verified=True)
    adoption.note_passing(drift, ())
    verdict = _verdict(adoption, found, to_stamp, proved, but_for(adoption, drift))
    if adoption.options.dry_run:
        adoption.end("planned", f"Would have {verdict}")
        return
    with unchanged_databases(survey, {*to_stamp, *to_close, *journals}) as held, uninterrupted():
        for key in to_close:
            write_verified(survey, key, held[key])
            held[key].commit()
        if found:
            stamp(adoption, {key: held[key] for key in to_stamp}, found.revisions)
        for key in journals:
            drop_journal(held[key].connection)
        outcome = "adopted" if to_stamp else "already-adopted"
        adoption.end(outcome, verdict[0].upper() + verdict[1:])


def _verdict(
    adoption: Adoption, found: Found | None, to_stamp: list[BindKey], proved: list[BindKey], but: str
) -> str:
    survey = adoption.survey
    noted = [key for key in proved if key not in to_stamp or survey.keeps_history]
    closed = [survey.looks[key].history.open for key in noted]
    ended = "".join(f" The failure of {each.when} counts as mended." for each in closed if each)
    if not to_stamp or found is None:
        said = sorted({row for state in survey.states.values() for row in state.versions or ()})
        return f"changed no version row: the structure is that of revision {', '.join(said)}{but}.{ended}"
    before = sorted({row for key in to_stamp for row in survey.states[key].versions or ()})
    replaced = f" in place of {', '.join(before)}" if before else ""
    pending = pending_after(survey, found.revisions)
    return (
        f"stamped {found.names}{replaced}: the structure is that of this revision{but}; no table was "
        f"touched.{ended}{pending}"
    )
