"""Run the plans inside one transaction for each database, verify, commit; or say what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..drift import Drift, find_drift
from ..errors import Broken, Refused, SchemaFlowError, Undone
from ..findings import Finding, Severity
from ..interrupts import uninterrupted
from ..migrations import RevisionFailed, run_environment
from ..proof import replay
from ..revisions import TableName
from ..scratch import scratch_database
from ..session import HeldTransaction, database_exists, held_transaction, sqlite_path
from ..snapshot import Snapshot, read_stored, take_snapshot
from ..state import State
from ..survey import Notify, Survey, look_at, only_ours, read_look
from ..versions import write_version

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from sqlalchemy.engine import Connection

    from ..discovery import Bind
    from ..plan import Plan, Step
    from ..results import Progress

BindKey = str | None
Expected = Mapping[str | None, Snapshot] | None


@dataclass(frozen=True, kw_only=True)
class UpgradeOptions:
    """What ``db-safe-upgrade`` was asked for; ``revision`` is the target, None the head."""

    revision: str | None = None
    directory: str | None = None
    x_args: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    dry_run: bool = False
    create: bool = False
    require_proof: bool = False
    search_time: float = 300.0


@dataclass(frozen=True)
class Run:
    """One run: what was found, what was asked for, and what is to be done.

    ``stamps`` are the revisions that unmanaged databases were found to be at.
    """

    survey: Survey
    options: UpgradeOptions
    progress: Progress
    plans: Mapping[BindKey, Plan]
    stamps: Mapping[BindKey, str]
    notify: Notify


# -- what must come out ----------------------------------------------------------------------------


def expected_structure(run: Run) -> Expected:
    """Give the structure that the target revision makes: the stored one, else made on scratch.

    None where there is no way to know it.

    :raises Refused: there is none, and ``--require-proof`` was said.
    """
    survey, plans = run.survey, run.plans
    target = next(iter(plans.values())).target
    expected: dict[BindKey, Snapshot] = {}
    for family in {bind.family for bind in survey.relevant}:
        stored = read_stored(survey.migrations.directory, survey.revisions, target, family)
        expected.update(stored or {})
    if expected.keys() >= plans.keys():
        return expected
    try:
        return replay(survey.migrations, survey.binds, target, survey.bookkeeping, required=tuple(plans))
    except Refused as error:
        if run.options.require_proof:
            raise
        run.progress.findings.extend(error.findings)
        run.progress.findings.append(
            Finding(
                code="structure-will-not-be-checked",
                subject=target,
                message=f"The revisions cannot be run on a scratch database: {error.message}",
                hint="Say --require-proof to refuse instead.",
            )
        )
        return None


# -- the run ---------------------------------------------------------------------------------------


def migrate(run: Run, expected: Expected) -> None:
    """Run all plans inside one held transaction for each database, verify, and commit.

    :raises Undone: it failed; everything was rolled back.
    :raises Broken: it failed, and the databases are not as they were.
    """
    survey = run.survey
    with _created_files(run), ExitStack() as stack:
        held = {
            bind.key: stack.enter_context(held_transaction(bind.engine, app_listeners=True))
            for bind in survey.relevant
        }
        _check_unchanged(run, held)
        prepared: dict[BindKey, Connection] = {
            bind.key: held[bind.key].connection
            if bind.key in held
            else stack.enter_context(scratch_database(bind.engine))
            for bind in survey.binds
        }
        before = {key: _drift(run, key, each.connection, expected) for key, each in held.items()}
        try:
            _stamp_found(run, held)
            _run_steps(run, prepared)
            _verify(run, held, before, expected)
            with uninterrupted():
                _commit(run, held, checked=expected is not None)
        except BaseException as error:
            stack.close()
            raise _told(run, error) from error


def _commit(run: Run, held: Mapping[BindKey, HeldTransaction], *, checked: bool) -> None:
    for key, transaction in held.items():
        transaction.commit()
        _note_done(run, key)
    outcome = "upgraded" if checked else "upgraded-unchecked"
    run.progress.ending = (outcome, _verdict(run, checked=checked))


@contextmanager
def _created_files(run: Run) -> Iterator[None]:
    """Make SQLite files that are not there, and take them away again if it fails."""
    made = []
    for bind in run.survey.relevant:
        if bind.engine.dialect.name == "sqlite" and not database_exists(bind.engine):
            file = sqlite_path(bind.engine)
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
                made.append(file)
    try:
        yield
    except BaseException:
        for file in made:
            file.unlink(missing_ok=True)
        raise


def _check_unchanged(run: Run, held: Mapping[BindKey, HeldTransaction]) -> None:
    for key, transaction in held.items():
        now = read_look(transaction.connection, run.survey.version_tables[key])
        if key in run.stamps and not run.survey.is_unchanged(key, now):
            raise Refused(
                f"{run.progress.databases[key].target} was changed by somebody else while its revision was "
                "looked for. Nothing was written; run this again."
            )
        if now.versions != run.survey.looks[key].versions:
            raise Refused(
                f"{run.progress.databases[key].target} was migrated by somebody else meanwhile "
                f"(it is at {', '.join(now.versions or ()) or 'no revision'} now). Run this again."
            )


def _stamp_found(run: Run, held: Mapping[BindKey, HeldTransaction]) -> None:
    for key, revision in run.stamps.items():
        table = run.survey.version_tables[key]
        write_version(held[key].connection, revision, table=table.name, schema=table.schema, pk=table.pk)


def _run_steps(run: Run, prepared: Mapping[BindKey, Connection]) -> None:
    def steps(key: BindKey, heads: tuple[str, ...], context: MigrationContext) -> list[RevisionStep]:
        if key not in run.plans:
            return []
        assert context.script is not None
        return context.script._upgrade_revs(run.plans[key].target, heads)  # type: ignore[arg-type]

    titles = {step.revision: step.title for plan in run.plans.values() for step in plan.steps}

    def applied(key: BindKey, revision: str, _connection: Connection) -> None:
        if key in run.plans:
            where = f" ({key or 'default'})" if len(run.plans) > 1 else ""
            run.notify(f"Applied     {revision} {titles.get(revision, '')}{where}")

    run_environment(run.survey.migrations, prepared, steps, on_apply=applied, required=tuple(run.plans))


def _drift(run: Run, key: BindKey, connection: Connection, expected: Expected) -> tuple[Drift, ...]:
    if expected is None:
        return ()
    source = f"revision {run.plans[key].target}"
    return find_drift(expected[key], _structure(run, key, connection), source)


def _structure(run: Run, key: BindKey, connection: Connection) -> Snapshot:
    without = run.survey.bookkeeping[key]
    snapshot = only_ours(take_snapshot(connection), run.survey.states[key])
    return snapshot.where(lambda each: TableName(each.schema, each.name) not in without)


def _verify(
    run: Run,
    held: Mapping[BindKey, HeldTransaction],
    before: Mapping[BindKey, tuple[Drift, ...]],
    expected: Expected,
) -> None:
    """Compare each database with what its revisions say; what differed before already is reported only.

    :raises Undone: a difference is new; nothing is committed yet.
    """
    for key, transaction in held.items():
        known = {each.key for each in before[key]}
        drift = _drift(run, key, transaction.connection, expected)
        found = [each for each in drift if each.structural]
        new = tuple(each for each in found if each.key not in known)
        run.progress.findings.extend(each for each in found if each.key in known)
        if new:
            raise Undone(
                f"The revisions ran, but the structure is not what they say: {new[0].message}",
                findings=new,
            )
        run.progress.update(key, verified=None if expected is None else not found)


def _note_done(run: Run, key: BindKey) -> None:
    plan = run.plans[key]
    run.progress.update(
        key,
        state_after=State.CURRENT.value,
        revision_after=plan.target,
        applied=tuple(step.revision for step in plan.steps),
    )


# -- failure ---------------------------------------------------------------------------------------


def _told(run: Run, error: BaseException) -> SchemaFlowError:
    """Read the databases again after the rollback, and say what they are.

    Refusals and settings that stopped the run before it wrote keep their meaning.
    """
    changed = [bind.target for bind in run.survey.relevant if not _is_as_before(run, bind)]
    where = ", ".join(each.revision_before or "no revision" for each in run.progress.databases.values())
    finding, cause = _cause(error)
    if changed:
        return Broken(
            f"{cause} {', '.join(changed)} is not as it was before. Restore it from a backup.",
            findings=finding,
        )
    if isinstance(error, SchemaFlowError) and not isinstance(error, Undone):
        return error
    return Undone(f"{cause} Everything was undone; the database is at {where}.", findings=finding)


def _is_as_before(run: Run, bind: Bind) -> bool:
    return look_at(bind, run.survey.version_tables[bind.key]) == run.survey.looks[bind.key]


def _cause(error: BaseException) -> tuple[tuple[Finding, ...], str]:
    if isinstance(error, SchemaFlowError):
        return error.findings, error.message
    if isinstance(error, KeyboardInterrupt):
        return (), "Interrupted while revisions ran."
    if isinstance(error, RevisionFailed):
        finding = Finding(
            code="revision-failed",
            subject=error.revision,
            severity=Severity.ERROR,
            message=str(error),
            revision=error.revision,
            file=error.file,
            line=error.line,
        )
        where = f"{finding.place}: " if finding.place else ""
        return (finding,), f"{where}{error}."
    return (), f"{type(error).__name__}: {error}."


# -- verdicts --------------------------------------------------------------------------------------


def targets_of(plans: Mapping[BindKey, Plan]) -> str:
    """Name the revisions that the plans end at."""
    return ", ".join(sorted({plan.target for plan in plans.values()})) or "no revision"


def would(plans: Mapping[BindKey, Plan], stamps: Mapping[BindKey, str]) -> str:
    """Say what would be done."""
    steps = [step for plan in plans.values() for step in plan.steps]
    first = f"Would stamp {', '.join(sorted(set(stamps.values())))}, then run " if stamps else "Would run "
    return f"{first}{_list(steps)}."


def _list(steps: list[Step]) -> str:
    names = ", ".join(dict.fromkeys(step.revision for step in steps))
    return f"{names}" if names else "nothing"


def _verdict(run: Run, *, checked: bool) -> str:
    steps = {step.revision for step in run.progress.plan}
    stamped = f"Adopted at {', '.join(sorted(set(run.stamps.values())))} by proof; " if run.stamps else ""
    unchecked = "" if checked else " The structure was not checked."
    count = f"{len(steps)} revision" + ("s" if len(steps) != 1 else "")
    ran = f"upgraded to {targets_of(run.plans)}, {count}" if steps else "no revision was pending"
    text = f"{stamped}{ran}.{unchecked}"
    return text[0].upper() + text[1:]
