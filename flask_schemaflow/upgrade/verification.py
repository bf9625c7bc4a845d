"""Check, before the commit, that the structure is what the revisions say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from ..drift import Drift, find_drift
from ..errors import Refused, Undone
from ..findings import Finding, Severity
from ..proof import structure_at
from ..revisions import mentions_app_session
from ..session import reading_connection
from ..snapshot import take_snapshot
from ..survey import only_ours

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..discovery import Bind
    from ..plan import Plan
    from ..snapshot import Snapshot
    from ..survey import Survey
    from .run import Run

BindKey = str | None


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What one database has before its plan and after it, if it is as the revisions say."""

    current: Snapshot
    target: Snapshot


Expected = Mapping[BindKey, Expectation] | None


def expected_structure(run: Run) -> Expected:
    """Give what the revisions make, before and after the plans: stored structures, else made on scratch.

    None where there is no way to know it.

    :raises Refused: a pending revision uses ``db.session``; or there is no way, and ``--require-proof`` was
        said.
    """
    try:
        return {key: _expectation(run.survey, key, plan) for key, plan in run.plans.items()}
    except Refused as error:
        uses_session = any(each.code == "uses-app-session" for each in error.findings)
        if run.options.require_proof or uses_session:
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


def _expectation(survey: Survey, key: BindKey, plan: Plan) -> Expectation:
    pending = {step.revision for step in plan.steps}
    suspicious = any(mentions_app_session(each) for each in survey.revisions if each.id in pending)
    target = structure_at(survey, [key], (plan.target,), use_stored=not suspicious)
    current = structure_at(survey, [key], plan.current) if pending else target
    return Expectation(current=current[key], target=target[key])


def drift_before(run: Run, key: BindKey, connection: Connection, expected: Expected) -> tuple[Drift, ...]:
    """Say in what a database differs from its current revision, before anything runs. Read-only."""
    if expected is None:
        return ()
    source = f"revision {', '.join(run.plans[key].current) or 'none'}"
    return _drift(run, key, connection, expected[key], expected[key].current, source)


def verify(
    run: Run, bind: Bind, connection: Connection, before: tuple[Drift, ...], expected: Expected
) -> None:
    """Compare a database with what its revisions say; what differed before already is reported only.

    Reads inside the transaction that is not committed yet.

    :raises Undone: a difference is new, or rows point at nothing that did not before.
    """
    _check_foreign_keys(run, bind, connection)
    if expected is None:
        run.progress.update(bind.key, verified=None)
        return
    source = f"revision {run.plans[bind.key].target}"
    drift = _drift(run, bind.key, connection, expected[bind.key], expected[bind.key].target, source)
    found = [each for each in drift if each.structural]
    known = {_meaning(each) for each in before}
    new = tuple(each for each in found if _meaning(each) not in known)
    run.progress.findings.extend(each for each in found if _meaning(each) in known)
    if new:
        raise Undone(
            f"The revisions ran, but the structure is not what they say: {new[0].message}", findings=new
        )
    run.progress.update(bind.key, verified=not found)


def _meaning(drift: Drift) -> tuple[str, str | None, str | None]:
    return drift.key, drift.expected, drift.actual


def _drift(
    run: Run,
    key: BindKey,
    connection: Connection,
    expectation: Expectation,
    wanted: Snapshot,
    source: str,
) -> tuple[Drift, ...]:
    ours = run.survey.states[key].ours_with(expectation.current, expectation.target)
    ours -= run.survey.bookkeeping[key]
    return find_drift(only_ours(wanted, ours), only_ours(take_snapshot(connection), ours), source)


# -- foreign keys ----------------------------------------------------------------------------------


def _check_foreign_keys(run: Run, bind: Bind, connection: Connection) -> None:
    """Check that no row points at nothing; SQLite's keys are off while revisions run.

    What was broken before, seen through a second connection, stays what it was.
    """
    if connection.dialect.name != "sqlite":
        return
    try:
        now = _violations(connection)
    except DBAPIError as error:
        run.progress.findings.append(_mismatch(bind, error))
        return
    new = dict(_new_violations(now, _violations_before(bind))) if now else {}
    if new:
        (child, parent), number = next(iter(new.items()))
        findings = tuple(_orphans(*tables, rows) for tables, rows in new.items())
        raise Undone(
            f"After the revisions {number} rows of {child} point at rows of {parent} that are not there. "
            "While revisions run foreign keys are off, so ON DELETE CASCADE does nothing: delete the rows "
            "of the child table first.",
            findings=findings,
        )


def _violations(connection: Connection) -> Counter[tuple[str, str]]:
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check")
    return Counter((child, parent) for child, _rowid, parent, _key in rows)


def _violations_before(bind: Bind) -> Counter[tuple[str, str]]:
    try:
        with reading_connection(bind.engine) as connection:
            return _violations(connection)
    except DBAPIError:
        return Counter()


def _new_violations(
    now: Counter[tuple[str, str]], before: Counter[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], int]]:
    if now.total() <= before.total() and not now.keys() & before.keys():
        return  # the tables were renamed
    yield from ((tables, rows - before[tables]) for tables, rows in now.items() if rows > before[tables])


def _orphans(child: str, parent: str, rows: int) -> Finding:
    return Finding(
        code="orphaned-rows",
        subject=child,
        severity=Severity.ERROR,
        message=f"{rows} rows point at rows of {parent} that are not there.",
    )


def _mismatch(bind: Bind, error: DBAPIError) -> Finding:
    return Finding(
        code="foreign-keys-not-checked",
        subject=bind.label,
        message=f"SQLite cannot check the foreign keys: {error.orig}.",
        hint="A foreign key names columns that are no key of the other table.",
    )
