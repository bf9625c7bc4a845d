"""Run the plans inside one transaction for each database, verify, commit; or say what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import Busy, Undone, Unverified
from ..interrupts import uninterrupted
from ..migrations import run_environment
from ..scratch import scratch_database
from ..session import HeldTransaction, database_exists, migrating_transaction, sqlite_path
from ..stamping import unchanged_databases, write_revision
from ..survey import Look, Notify, Survey, read_look
from ..versions import create_version_table
from .commits import Commits
from .failure import Facts, Points, is_sqlite, note_revision, told
from .verdicts import done, nothing_to_do
from .verification import Expected, drift_before, is_checked, verify

if TYPE_CHECKING:
    from pathlib import Path

    from alembic.runtime.migration import MigrationContext, RevisionStep
    from sqlalchemy.engine import Connection

    from ..drift import Drift
    from ..plan import Plan
    from ..results import Progress

BindKey = str | None
Held = Mapping[BindKey, HeldTransaction]


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


def migrate(run: Run, expected: Expected) -> None:
    """Run all plans, verify, and commit: on SQLite all of it at once, on servers revision by revision.

    :raises Busy: somebody else writes, or migrated meanwhile; nothing was changed by this run.
    :raises Undone: it failed; what was not committed was rolled back.
    :raises Unverified: a revision is in that cannot be taken back, and the structure is not what it says.
    :raises Broken: it failed, and the databases are at no revision.
    """
    _stamp_on_servers(run)
    with _files_made(run) as made, ExitStack() as stack:
        held = {
            bind.key: stack.enter_context(migrating_transaction(bind.engine)) for bind in run.survey.relevant
        }
        made.keep_only_empty()
        if _is_done_already(run, held):
            run.progress.end("nothing-to-do", nothing_to_do(run.plans))
            return
        measures = _Measures(expected, {}, {}, Commits())
        committed: list[BindKey] = []
        try:
            _work(run, held, measures, stack)
            with uninterrupted():
                _commit(run, held, committed)
                checked = is_checked(run, expected)
                verdict = done(run.plans, run.stamps, tuple(run.progress.databases.values()), checked=checked)
                run.progress.end("upgraded" if checked else "upgraded-unchecked", verdict)
        except BaseException as error:
            if run.progress.ending is not None:
                return
            if not committed:
                made.remove()
            with uninterrupted():
                stack.close()
                facts = Facts(tuple(committed), measures.points, measures.before, measures.commits.seen)
                failure = told(run, error, facts)
            if failure is None:
                return
            raise failure from error


@dataclass(frozen=True)
class _Measures:
    """What databases are compared with: what revisions make, how they differed before, what they were."""

    expected: Expected
    before: dict[BindKey, tuple[Drift, ...]]
    points: Points
    commits: Commits


def _work(run: Run, held: Held, measures: _Measures, stack: ExitStack) -> None:
    prepared: dict[BindKey, Connection] = {
        bind.key: held[bind.key].connection
        if bind.key in held
        else stack.enter_context(scratch_database(bind.source))
        for bind in run.survey.binds
    }
    for key, transaction in held.items():
        measures.before[key] = drift_before(run, key, transaction.connection, measures.expected)
        if not transaction.is_one:
            stack.enter_context(measures.commits.watching(transaction.connection))
            transaction.connection.rollback()  # what was read so far was a transaction too
        elif key in run.stamps:
            _stamp_inside(run, key, transaction)
    _Steps(run, held, measures).run(prepared)
    for bind in run.survey.relevant:
        if held[bind.key].is_one or not run.plans[bind.key].steps:
            target = run.plans[bind.key].target
            known = measures.before[bind.key]
            verify(run, bind, held[bind.key].connection, known, measures.expected, target)


def _commit(run: Run, held: Held, committed: list[BindKey]) -> None:
    for key, transaction in held.items():
        transaction.commit()
        committed.append(key)
        plan = run.plans[key]
        note_revision(run, key, plan.target, tuple(step.revision for step in plan.steps))


# -- stamps ----------------------------------------------------------------------------------------


def _stamp_on_servers(run: Run) -> None:
    """Stamp the unmanaged databases whose revisions commit one by one.

    :raises Busy: they were changed meanwhile, or are locked.
    """
    keys = [key for key in run.stamps if not is_sqlite(run, key)]
    if not keys:
        return
    with unchanged_databases(run.survey, keys) as held, uninterrupted():
        for key, transaction in held.items():
            write_revision(run.survey, key, transaction, run.stamps[key])
            transaction.commit()
            note_revision(run, key, run.stamps[key], ())


def _stamp_inside(run: Run, key: BindKey, transaction: HeldTransaction) -> None:
    table = run.survey.version_tables[key]
    create_version_table(transaction.connection, table.name, table.schema, pk=table.pk)
    write_revision(run.survey, key, transaction, run.stamps[key])


# -- before ----------------------------------------------------------------------------------------


class _MadeFiles:
    """SQLite files that were not there and are made for this run.

    They are taken away again only while we hold them: another process may wait for the same file, and it
    sees afterwards that the file is gone.
    """

    def __init__(self) -> None:
        self.files: list[Path] = []

    def keep_only_empty(self) -> None:
        """Forget those in which somebody else wrote before we held them."""
        self.files = [file for file in self.files if file.stat().st_size == 0]

    def remove(self) -> None:
        """Take them away."""
        for file in self.files:
            file.unlink(missing_ok=True)


@contextmanager
def _files_made(run: Run) -> Iterator[_MadeFiles]:
    made = _MadeFiles()
    for bind in run.survey.relevant:
        if bind.engine.dialect.name == "sqlite" and not database_exists(bind.engine):
            file = sqlite_path(bind.engine)
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
                made.files.append(file)
    yield made


def _is_done_already(run: Run, held: Held) -> bool:
    """Say whether another process did the same meanwhile.

    :raises Busy: another process did something else.
    """
    now = {key: read_look(each.connection, run.survey.version_tables[key]) for key, each in held.items()}
    changed = [key for key, look in now.items() if not _is_at_start(run, key, look)]
    if not changed:
        return False
    if all(look.versions == (run.plans[key].target,) for key, look in now.items()):
        for key in now:
            note_revision(run, key, run.plans[key].target, ())
        return True
    key = changed[0]
    raise Busy(
        f"{run.progress.databases[key].target} was changed by somebody else meanwhile "
        f"(it is at {', '.join(now[key].versions or ()) or 'no revision'} now). Nothing was written; run "
        "this again."
    )


def _is_at_start(run: Run, key: BindKey, look: Look) -> bool:
    if key in run.stamps:
        return look == run.survey.looks[key] if is_sqlite(run, key) else look.versions == (run.stamps[key],)
    return look.versions == run.survey.looks[key].versions


# -- the revisions ---------------------------------------------------------------------------------


class _Steps:
    """The revisions of one run, each looked at before its transaction ends."""

    def __init__(self, run: Run, held: Held, measures: _Measures) -> None:
        self.all, self.held, self.measures = run, held, measures
        self.binds = {bind.key: bind for bind in run.survey.relevant}
        self.titles = {step.revision: step.title for plan in run.plans.values() for step in plan.steps}

    def run(self, prepared: Mapping[BindKey, Connection]) -> None:
        """Run them through ``env.py``."""
        plans = self.all.plans
        run_environment(
            self.all.survey.migrations,
            prepared,
            self.pending,
            on_apply=self.applied,
            on_start=lambda _key, _revision: self.measures.commits.begin(),
            required=tuple(plans),
        )

    def pending(self, key: BindKey, heads: tuple[str, ...], context: MigrationContext) -> list[RevisionStep]:
        """Give what env.py is to run."""
        if key not in self.all.plans:
            return []
        assert context.script is not None
        return context.script._upgrade_revs(self.all.plans[key].target, heads)  # type: ignore[arg-type]

    def applied(self, key: BindKey, revision: str, connection: Connection) -> None:
        """Look at a database after a revision.

        :raises Undone: it is not as the revision says, or cannot become so.
        """
        self.measures.commits.end()
        if key not in self.all.plans:
            return
        if self.held[key].rollbacks():
            raise Undone(
                f"revision {revision} rolls back, which would undo the revisions before it as well; take "
                "that out, or use a savepoint (begin_nested())."
            )
        if not self.held[key].is_one:
            self.verify_now(key, revision, connection)
        where = f" ({key or 'default'})" if len(self.all.plans) > 1 else ""
        self.all.notify(f"Applied     {revision} {self.titles.get(revision, '')}{where}")

    def verify_now(self, key: BindKey, revision: str, connection: Connection) -> None:
        """Verify one revision where each has a transaction of its own."""
        try:
            known, expected = self.measures.before[key], self.measures.expected
            point = verify(self.all, self.binds[key], connection, known, expected, revision)
            self.measures.points.setdefault(key, {})[revision] = point
        except Undone as error:
            if not self.held[key].commits_tables:
                raise
            connection.commit()  # the tables are committed already; so that the version row tells of them
            raise Unverified(
                f"{error.message} This engine cannot take tables back: revision {revision} is in.",
                findings=error.findings,
            ) from error
