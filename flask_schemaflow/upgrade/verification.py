"""Check, before the commit, that the structure is what the revisions say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..drift import Drift, find_drift
from ..errors import Refused, Undone
from ..findings import Finding
from ..proof import structure_at, structures_after
from ..revisions import mentions_app_session
from ..snapshot import take_snapshot
from ..survey import only_ours
from .orphans import check_foreign_keys

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..discovery import Bind
    from ..snapshot import Snapshot
    from .run import Run

BindKey = str | None


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What one database has before its plan, and after each revision, if it is as the revisions say.

    ``after`` has the target, and whatever else is known of the revisions before it.
    """

    current: Snapshot
    after: Mapping[str, Snapshot]

    def at(self, revision: str | None) -> Snapshot | None:
        """Give the structure after a revision; None is before the first one."""
        return self.current if revision is None else self.after.get(revision)


Expected = Mapping[BindKey, Expectation] | None
Before = Mapping[BindKey, tuple[Drift, ...]]


def expected_structure(run: Run) -> Expected:
    """Give what the revisions make, before and after the plans: stored structures, else made on scratch.

    None where there is no way to know it.

    :raises Refused: a pending revision uses ``db.session``; or what is stored was made on a server of another
        version, and nothing can be made here; or there is no way, and ``--require-proof`` was said.
    """
    try:
        return _expectations(run)
    except Refused as error:
        stops = any(each.code in _STOP for each in error.findings)
        if run.options.require_proof or stops:
            raise
        run.progress.findings.extend(error.findings)
        run.progress.findings.append(
            Finding(
                code="structure-will-not-be-checked",
                subject=", ".join(sorted({plan.target for plan in run.plans.values()})),
                message=f"The revisions cannot be run on a scratch database: {error.message}",
                hint="Say --require-proof to refuse instead.",
            )
        )
        return None


_STOP = ("uses-app-session", "snapshot-from-other-version")


def _expectations(run: Run) -> dict[BindKey, Expectation]:
    pending = {step.revision for plan in run.plans.values() for step in plan.steps}
    suspicious = any(mentions_app_session(each) for each in run.survey.revisions if each.id in pending)
    wanted = {
        key: tuple(step.revision for step in plan.steps) or (plan.target,) for key, plan in run.plans.items()
    }
    after = structures_after(run.survey, wanted, use_stored=not suspicious)
    expected = {}
    for key, plan in run.plans.items():
        known = after[key].get(plan.target) if not plan.steps else None
        current = known or structure_at(run.survey, [key], plan.current)[key]
        expected[key] = Expectation(current=current, after=after[key])
    return expected


def drift_before(run: Run, key: BindKey, connection: Connection, expected: Expected) -> tuple[Drift, ...]:
    """Say in what a database differs from its current revision, before anything runs. Read-only."""
    if expected is None:
        return ()
    return _drift_from(run, key, take_snapshot(connection), expected[key], None)


def verify(
    run: Run, bind: Bind, connection: Connection, before: tuple[Drift, ...], expected: Expected, revision: str
) -> Snapshot:
    """Compare a database with what a revision says; what differed before already is reported only.

    Gives what was read. Reads inside the transaction that is not committed yet.

    :raises Undone: a difference is new, or rows point at nothing that did not before.
    """
    check_foreign_keys(run, bind, connection)
    there = take_snapshot(connection)
    if expected is None or expected[bind.key].at(revision) is None:
        run.progress.update(bind.key, verified=None)
        return there
    found = _drift_from(run, bind.key, there, expected[bind.key], revision)
    known = {_meaning(each) for each in before}
    new = tuple(each for each in found if _meaning(each) not in known)
    run.progress.findings.extend(each for each in found if each not in new)
    if new:
        raise Undone(
            f"The revisions ran, but the structure is not what they say: {new[0].message}", findings=new
        )
    run.progress.update(bind.key, verified=not found)
    return there


def _meaning(drift: Drift) -> tuple[str, str | None, str | None]:
    return drift.key, drift.expected, drift.actual


def _drift_from(
    run: Run, key: BindKey, there: Snapshot, expectation: Expectation, revision: str | None
) -> tuple[Drift, ...]:
    """Say in which structural ways a database differs from a revision of its plan; None is the current one.

    Whatever any of the revisions makes is ours.
    """
    wanted = expectation.at(revision)
    assert wanted is not None
    ours = run.survey.states[key].ours_with(expectation.current, *expectation.after.values())
    ours -= run.survey.bookkeeping[key]
    name = revision or ", ".join(run.plans[key].current) or "none"
    found = find_drift(only_ours(wanted, ours), only_ours(there, ours), f"revision {name}")
    return tuple(each for each in found if each.structural)
