"""Say where each database stands: the ``db-status`` pipeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from .drift import find_drift, ways
from .errors import Refused
from .findings import Finding, Severity
from .plan import Plan, make_plan
from .proof import stored_structures
from .refusals import REASONS, not_covered
from .results import Progress, Result, Standing
from .snapshot import series_of, structure_hash
from .state import State
from .survey import (
    Notify,
    Survey,
    Where,
    ahead,
    only_ours,
    open_project,
    survey_project,
    tell_nobody,
    upgrade_command,
)

if TYPE_CHECKING:
    from flask import Flask

    from .discovery import Bind
    from .drift import Drift
    from .history import Entry
    from .loading import LoadingRecord
    from .snapshot import Snapshot

BindKey = str | None
AnyFinding = TypeVar("AnyFinding", bound=Finding)
LAST_RUNS = 5


@dataclass(frozen=True, kw_only=True)
class StatusOptions:
    """What ``db-status`` was asked for; with ``check`` everything but current databases is an error."""

    directory: str | None = None
    x_args: tuple[str, ...] = ()
    check: bool = False


@dataclass(frozen=True, kw_only=True)
class StatusResult(Result):
    """Where the databases stand; ``plan`` are the revisions that are pending."""


DEFAULTS = StatusOptions()


def status(
    app: Flask,
    options: StatusOptions = DEFAULTS,
    *,
    loading: LoadingRecord | None = None,
    notify: Notify = tell_nobody,
) -> StatusResult:
    """Say of each database: state, revision, what is pending, drift since the last upgrade, last runs.

    Read-only. Runs no revision, not even on scratch. Where there is none, models say which tables are ours.

    :param loading: what was seen while the app loaded, where a command loaded it.
    :param notify: gets a line for each step.
    :raises Refused: with ``check``, and a database is not current.
    :raises Busy: a database cannot be reached.
    :raises SchemaFlowError: it could not be done.
    """
    progress = Progress("db-status")
    with progress.told_on_failure(), app.app_context():
        project = open_project(app, Where(directory=options.directory, x_args=options.x_args), notify)
        progress.note_targets(project.binds)
        survey = survey_project(project, with_discovery=not project.revisions, loading=loading)
        progress.note_targets(survey.binds)
        progress.note_states(survey.states)
        plans = {bind.key: _plan_of(survey, bind.key) for bind in survey.relevant}
        progress.plan = tuple(step for plan in plans.values() if plan for step in plan.steps)
        for bind in survey.relevant:
            _tell(survey, bind, plans[bind.key], progress)
        progress.findings.extend(_as_warnings(not_covered(survey)) if survey.revisions else ())
        _end(survey, options, progress)
    return StatusResult(**vars(progress.reached()))


def _plan_of(survey: Survey, key: BindKey) -> Plan | None:
    state = survey.states[key]
    known = state.state in (State.EMPTY, State.BEHIND, State.CURRENT) and survey.revisions
    return make_plan(key, survey.revisions, state.versions or (), None) if known else None


def _end(survey: Survey, options: StatusOptions, progress: Progress) -> None:
    behind = [
        f"{bind.label} is {_named(survey, bind.key)}"
        for bind in survey.relevant
        if not _is_current(survey, bind.key)
    ]
    if not behind:
        heads = ", ".join(sorted({head for s in survey.states.values() for head in s.heads}))
        progress.end("nothing-to-do", f"Current: at {heads or 'no revision'}.")
    elif options.check:
        raise Refused(f"Not current: {'; '.join(behind)}.")
    else:
        progress.end("planned", f"Not current: {'; '.join(behind)}.")


def _is_current(survey: Survey, key: BindKey) -> bool:
    """Say whether a database is at the head, or at all of several, and no failure is open there."""
    found = survey.states[key]
    at_all_heads = found.state is State.BRANCHED and found.versions == found.newest
    is_current = found.state is State.CURRENT or at_all_heads
    return is_current and survey.looks[key].history.open is None


def _named(survey: Survey, key: BindKey) -> str:
    failure = survey.looks[key].history.open
    return failure.outcome if failure is not None else survey.states[key].state.value


# -- what there is to tell -------------------------------------------------------------------------


def _tell(survey: Survey, bind: Bind, plan: Plan | None, progress: Progress) -> None:
    state, look = survey.states[bind.key], survey.looks[bind.key]
    drift = _drift_since(survey, bind.key)
    progress.findings.extend(drift.findings)
    progress.findings.extend(_run(entry) for entry in look.history.entries[-LAST_RUNS:])
    progress.update(bind.key, verified=drift.verified)
    pending = plan.steps if plan else ()
    facts = {
        "database": (f"{bind.target} ({bind.label})",),
        "state": (_named(survey, bind.key),),
        "current": state.versions or ("none",),
        "head": state.heads or ("none",),
        "pending": tuple(f"{step.revision} {step.title}".strip() for step in pending),
        "drift": (drift.text,) if drift.text else (),
        "to do": () if _is_current(survey, bind.key) else (_to_do(survey, bind),),
    }
    told = tuple((name, said) for name, said in facts.items() if said)
    progress.standings.append(Standing(facts=told, runs=look.history.entries[-LAST_RUNS:]))


def _to_do(survey: Survey, bind: Bind) -> str:
    state = survey.states[bind.key].state
    if survey.looks[bind.key].history.open is not None:
        return "`flask db-safe-upgrade` says the ways on"
    if state in REASONS:
        return REASONS[state](survey, bind)
    if state is State.AHEAD:
        return ahead(survey, bind)
    if state is State.UNMANAGED or not survey.revisions:
        return "`flask db-adopt` puts it under migrations"
    return f"{upgrade_command(survey)} runs what is pending"


def _run(entry: Entry) -> Finding:
    return Finding(
        code="run",
        subject=str(entry.id),
        severity=Severity.ERROR if entry.is_open else Severity.INFO,
        message=f"{entry.words}{': ' if entry.message else '.'}{entry.message}",
        revision=entry.revision,
    )


# -- drift -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _DriftSince:
    """Whether a structure is what its revision says; ``verified`` is None where that is not known."""

    text: str
    verified: bool | None = None
    findings: tuple[Drift, ...] = ()


def _drift_since(survey: Survey, key: BindKey) -> _DriftSince:
    """Compare with the stored structure of the revision, else with the hash of what was there then."""
    revision = survey.states[key].revision
    if revision is None or survey.states[key].state not in (State.CURRENT, State.BEHIND):
        return _DriftSince(text="")
    stored = stored_structures(survey, key, (revision,))
    if stored:
        return _drift_from(survey, key, stored[revision], revision)
    entry = survey.looks[key].history.reached(revision)
    if entry is None or entry.structure_hash is None or not _is_same_server(survey, key, entry):
        return _DriftSince(text="not known: there is no stored structure (`flask db-snapshot` makes it)")
    if structure_hash(survey.ours(key)) == entry.structure_hash:
        return _DriftSince(text=f"none since {entry.when}", verified=True)
    return _DriftSince(text=f"the structure is not what it was at {entry.when}", verified=False)


def _drift_from(survey: Survey, key: BindKey, stored: Snapshot, revision: str) -> _DriftSince:
    ours = survey.states[key].ours_with(stored)
    found = find_drift(only_ours(stored, ours), survey.ours(key, stored), f"revision {revision}")
    structural = tuple(each for each in found if each.structural)
    text = f"differs from revision {revision} in {ways(len(structural))}" if structural else "none"
    return _DriftSince(text=text, verified=not structural, findings=_as_warnings(structural))


def _as_warnings(found: tuple[AnyFinding, ...]) -> tuple[AnyFinding, ...]:
    return tuple(replace(each, severity=Severity.WARNING) for each in found)


def _is_same_server(survey: Survey, key: BindKey, entry: Entry) -> bool:
    snapshot = survey.looks[key].snapshot
    if snapshot is None:
        return False
    numbers = tuple(int(part) for part in entry.server_version.split("."))
    return series_of(snapshot.family, numbers) == series_of(snapshot.family, snapshot.server_version)
