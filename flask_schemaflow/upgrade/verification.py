"""Check, before the commit, that the structure is what the revisions say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..acceptable import REVISION_FAILS
from ..drift import Drift, find_drift
from ..errors import Refused, Undone
from ..findings import Finding, Severity
from ..proof import Way, structure_at, structures_after
from ..revisions import in_words, mentions_app_session, parents_first
from ..snapshot import readings, take_snapshot
from ..survey import only_ours
from .orphans import check_foreign_keys

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..discovery import Bind
    from ..plan import Plan
    from ..revisions import Revision, Rows, TableName
    from ..snapshot import Snapshot
    from .run import Run

BindKey = str | None


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What one database has before its plan, and after each revision, if it is as the revisions say.

    ``current`` is None where it cannot be known; ``after`` has whatever is known of what comes, by the rows
    that the version table then has.
    ``ours`` are the names of what is compared: whatever any of the revisions makes is ours.
    """

    current: Snapshot | None
    after: Mapping[Rows, Snapshot]
    ours: frozenset[TableName]

    def at(self, rows: Rows | None) -> Snapshot | None:
        """Give the structure at these rows; None is before the first revision."""
        return self.current if rows is None else self.after.get(rows)


Expected = Mapping[BindKey, Expectation]
Before = Mapping[BindKey, tuple[Drift, ...]]


def expected_structure(run: Run) -> Expected:
    """Give what the revisions make, before and after the plans: stored structures, else made on scratch.

    :raises Refused: a pending revision uses ``db.session``; or it fails on scratch, and the engine could not
        take it back; or there is no way to know, and ``--require-proof`` was said.
    """
    try:
        after = _after(run)
    except Refused as error:
        if run.options.require_proof or _must_stop(run, error):
            raise
        run.progress.findings.extend(replace(each, severity=Severity.WARNING) for each in error.findings)
        run.progress.findings.append(
            Finding(
                code="structure-will-not-be-checked",
                subject=", ".join(sorted({in_words(plan.target) for plan in run.plans.values()})),
                message=f"The revisions cannot be run on a scratch database: {error.message}",
                hint="Say --require-proof to refuse instead.",
            )
        )
        after = {}
    return {key: _expectation(run, key, after.get(key, {})) for key in run.plans}


def _expectation(run: Run, key: BindKey, after: Mapping[Rows, Snapshot]) -> Expectation:
    current = _current(run, key, after)
    known = (*((current,) if current else ()), *after.values())
    ours = run.survey.states[key].ours_with(*known) - run.survey.bookkeeping[key]
    return Expectation(current=current, after=after, ours=ours)


def is_checked(run: Run, expected: Expected) -> bool:
    """Say whether it is known what the targets make."""
    return all(expected[key].at(plan.target) is not None for key, plan in run.plans.items())


def _must_stop(run: Run, error: Refused) -> bool:
    accepted = {*run.options.accept, *run.survey.settings.accept}
    cannot_undo = any(bind.engine.dialect.name in ("mysql", "mariadb") for bind in run.survey.relevant)
    return any(
        each.code in ("uses-app-session", "snapshot-from-other-version")
        or (each.code == REVISION_FAILS and cannot_undo and each.key not in accepted)
        for each in error.findings
    )


def _after(run: Run) -> dict[BindKey, dict[Rows, Snapshot]]:
    pending = {step.revision for plan in run.plans.values() for step in plan.steps}
    suspicious = any(mentions_app_session(each) for each in run.survey.revisions if each.id in pending)
    by_id = {revision.id: revision for revision in run.survey.revisions}
    ways = {key: _way(plan, by_id) for key, plan in run.plans.items()}
    return structures_after(run.survey, ways, use_stored=not suspicious)


def _way(plan: Plan, by_id: Mapping[str, Revision]) -> Way:
    """Give all revisions from the first one on, and where the pending ones lead."""
    order = (*(revision.id for revision in parents_first(plan.current, by_id)), *plan.revisions)
    rows = dict(zip(plan.revisions, plan.rows, strict=True)) or {order[-1]: plan.target}
    return Way(order=order, rows=rows)


def _current(run: Run, key: BindKey, after: Mapping[Rows, Snapshot]) -> Snapshot | None:
    plan = run.plans[key]
    if not plan.steps and plan.target in after:
        return after[plan.target]
    try:
        return structure_at(run.survey, [key], plan.current)[key]
    except Refused:
        return None


def drift_before(run: Run, key: BindKey, connection: Connection, expected: Expected) -> tuple[Drift, ...]:
    """Say in what a database differs from its current revision, before anything runs. Read-only.

    Where parts of the next one are in, what these explain does not count.
    """
    if expected[key].current is None:
        return ()
    there = take_snapshot(connection)
    found = _drift_from(run, key, there, expected[key], None)
    if key not in run.opened:
        return found
    next_one = run.plans[key].rows[0]
    if expected[key].at(next_one) is None:
        return ()
    stays = {_meaning(each) for each in _drift_from(run, key, there, expected[key], next_one)}
    return tuple(each for each in found if _meaning(each) in stays)


def verify(
    run: Run,
    bind: Bind,
    connection: Connection,
    before: tuple[Drift, ...],
    expected: Expected,
    rows: Rows,
    last: Snapshot | None = None,
) -> Snapshot:
    """Compare a database with what its revisions say; what differed before already is reported only.

    Gives what was read. Reads inside the transaction that is not committed yet.

    :param last: what was read before the revision, if all that it did is in this transaction: what other
        sessions have locked is as it was then, and is not waited for while we hold locks ourselves.
    :raises Undone: a difference is new, or rows point at nothing that did not before.
    """
    check_foreign_keys(run, bind, connection)
    known = {_meaning(each) for each in before}
    for there in readings(connection, last):
        if expected[bind.key].at(rows) is None:
            run.progress.update(bind.key, verified=None)
            return there
        found = _drift_from(run, bind.key, there, expected[bind.key], rows)
        new = tuple(each for each in found if _meaning(each) not in known)
        if not new:
            break
    run.progress.findings.extend(
        replace(each, severity=Severity.WARNING) for each in found if each not in new
    )
    if new:
        raise Undone(
            f"The revisions ran, but the structure is not what they say: {new[0].message}", findings=new
        )
    run.progress.update(bind.key, verified=not found)
    return there


def _meaning(drift: Drift) -> tuple[str, str | None, str | None]:
    return drift.key, drift.expected, drift.actual


def _drift_from(
    run: Run, key: BindKey, there: Snapshot, expectation: Expectation, rows: Rows | None
) -> tuple[Drift, ...]:
    """Say in which structural ways a database differs from a point of its plan; None is current."""
    wanted = expectation.at(rows)
    assert wanted is not None
    ours = expectation.ours
    name = ", ".join(rows or run.plans[key].current) or "none"
    found = find_drift(only_ours(wanted, ours), only_ours(there, ours), f"revision {name}")
    return tuple(each for each in found if each.structural)
