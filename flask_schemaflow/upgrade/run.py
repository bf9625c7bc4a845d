"""Run the plans inside one transaction for each database, verify, commit; or say what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import Busy, Undone, Unverified
from ..interrupts import uninterrupted
from ..migrations import run_environment, upgrade_steps
from ..scratch import inert_database
from ..session import HeldTransaction, migrating_transaction
from ..stamping import hold_in_order
from ..survey import Look, Notify, Survey, read_look
from .commits import Commits
from .dress_rehearsal import rehearse_on_copy
from .earlier import stop_if_failed_meanwhile
from .entries import HistoryWriter, identify
from .failure import Facts, Points, is_sqlite, note_revision, told
from .invalid_indexes import drop_leftovers
from .made_files import files_made
from .recovery import Opened, journal_kept
from .retrying import Retrying
from .row_loss import RowWatch
from .stamps import stamp_inside, stamped_on_servers
from .stopping import Stopping
from .verdicts import done, nothing_to_do
from .verification import Expected, drift_before, is_checked, verify

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from sqlalchemy.engine import Connection

    from ..discovery import Bind
    from ..drift import Drift
    from ..journal import Recorder
    from ..plan import Plan
    from ..results import Progress
    from ..snapshot import Snapshot
    from .options import UpgradeOptions
    from .safeguards import Safeguard

BindKey = str | None
Held = Mapping[BindKey, HeldTransaction]


NO_SAFEGUARDS: Mapping[BindKey, Safeguard] = MappingProxyType({})


@dataclass(frozen=True)
class Run:
    """One run: what was found, what was asked for, and what is to be done.

    ``stamps`` are the revisions that unmanaged databases were found to be at; ``entries_before`` the newest
    entries of their histories before this run waited for anybody; ``opened`` the journals of revisions that
    are resumed.
    """

    survey: Survey
    options: UpgradeOptions
    progress: Progress
    plans: Mapping[BindKey, Plan]
    stamps: Mapping[BindKey, str]
    notify: Notify
    entries_before: Mapping[BindKey, int]
    opened: Mapping[BindKey, Opened] = field(default_factory=dict)

    @cached_property
    def identity(self) -> str:
        """What tells the same plan in another process."""
        return identify(self.plans, self.survey.revisions)


def migrate(run: Run, expected: Expected, safeguards: Mapping[BindKey, Safeguard] = NO_SAFEGUARDS) -> None:
    """Run all plans, verify, and commit: on SQLite all of it at once, on servers revision by revision.

    :param safeguards: the backups to take first, under the lock.
    :raises BackupFailed: one cannot be taken; nothing was changed.
    :raises Busy: somebody else writes, or migrated meanwhile; nothing was changed by this run.
    :raises Undone: it failed; what was not committed was rolled back.
    :raises Unverified: a revision is in that cannot be taken back, and the structure is not what it says.
    :raises Broken: it failed, and the databases are at no revision.
    """
    with stamped_on_servers(run):
        _migrate(run, expected, safeguards)


def _migrate(run: Run, expected: Expected, safeguards: Mapping[BindKey, Safeguard]) -> None:
    with files_made(run) as made, ExitStack() as stack:
        held = _hold(run, stack)
        made.keep_only_empty()
        if _is_done_already(run, held):
            run.progress.end("nothing-to-do", nothing_to_do(run.plans))
            return
        backups = {key: safeguard.take(run) for key, safeguard in safeguards.items()}
        if run.options.rehearse:
            rehearse_on_copy(run, backups, lambda copy: migrate(copy, expected))
        history = HistoryWriter(run)
        measures = _Measures(expected, {}, {}, Commits(), history)
        committed: list[BindKey] = []
        stopping = Stopping(run, held)
        stack.enter_context(stopping.listening())
        try:
            history.prepare(held)
            drop_leftovers(run, held, measures.points)
            _work(run, held, measures, stack)
            with uninterrupted():
                stopping.over()
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
                facts = measures.facts(committed)
                stopping.over()
                for journal in measures.journals.values():
                    journal.leave()
                cause = KeyboardInterrupt() if stopping.arrived else error
                failure = told(run, cause, facts, held)
                if failure is not None and not made.files:
                    history.failed(held, failure, cause)
                stack.close()
            if failure is None:
                return
            raise failure from error


def _hold(run: Run, stack: ExitStack) -> dict[BindKey, HeldTransaction]:
    """Open all databases, each with its lock, before anything is done in one.

    They are locked in the order of their identities and given, so that they commit, in the app's order.
    """

    def hold(bind: Bind, locked: HeldTransaction | None) -> HeldTransaction:
        return stack.enter_context(migrating_transaction(bind.engine, run.survey.patience, locked=locked))

    keys = [bind.key for bind in run.survey.relevant]
    locked = hold_in_order(run.survey, keys, hold)
    return {key: locked[key] for key in keys}


@dataclass(frozen=True)
class _Measures:
    """What databases are compared with: what revisions make, how they differed before, what they were."""

    expected: Expected
    before: dict[BindKey, tuple[Drift, ...]]
    points: Points
    commits: Commits
    history: HistoryWriter
    journals: dict[BindKey, Recorder] = field(default_factory=dict)

    def facts(self, committed: Iterable[BindKey]) -> Facts:
        """Give what is known when the run fails."""
        names = frozenset(journal.run for journal in self.journals.values())
        return Facts(tuple(committed), self.points, self.before, self.commits.found(), names)


def _work(run: Run, held: Held, measures: _Measures, stack: ExitStack) -> None:
    prepared: dict[BindKey, Connection] = {
        bind.key: held[bind.key].connection
        if bind.key in held
        else stack.enter_context(inert_database(bind.source))
        for bind in run.survey.binds
    }
    rows = RowWatch(run)
    for key, transaction in held.items():
        measures.before[key] = drift_before(run, key, transaction.connection, measures.expected)
        if not transaction.is_one:
            stack.enter_context(measures.commits.watching(transaction.connection))
            transaction.connection.rollback()  # what was read so far was a transaction too
            if transaction.commits_tables and run.plans[key].steps:
                kept = journal_kept(run, key, transaction.connection)
                measures.journals[key] = stack.enter_context(kept)
        elif key in run.stamps:
            stamp_inside(run, key, transaction)
        stack.enter_context(rows.watching(key, transaction.connection))
        if transaction.is_one:
            rows.begin(key, transaction.connection)
    _Steps(run, held, measures, rows).run(prepared)
    for bind in run.survey.relevant:
        if held[bind.key].is_one:
            rows.check(bind.key, held[bind.key].connection, "The upgrade")
        if held[bind.key].is_one or not run.plans[bind.key].steps:
            target = run.plans[bind.key].target
            known = measures.before[bind.key]
            there = verify(run, bind, held[bind.key].connection, known, measures.expected, target)
            for step, at in zip(run.plans[bind.key].steps, run.plans[bind.key].rows, strict=True):
                last = there if at == target else None
                measures.history.applied(bind.key, held[bind.key], step.revision, last)


def _commit(run: Run, held: Held, committed: list[BindKey]) -> None:
    for key, transaction in held.items():
        transaction.commit()
        committed.append(key)
        plan = run.plans[key]
        note_revision(run, key, plan.target, plan.revisions)


# -- before ----------------------------------------------------------------------------------------


def _is_done_already(run: Run, held: Held) -> bool:
    """Say whether another process did the same meanwhile.

    :raises Busy: another process did something else.
    """
    now = {key: read_look(each.connection, run.survey.version_tables[key]) for key, each in held.items()}
    stop_if_failed_meanwhile(run, now)
    changed = [key for key, look in now.items() if not _is_at_start(run, key, look)]
    if not changed:
        return False
    if all(look.versions == run.plans[key].target for key, look in now.items()):
        for key in now:
            note_revision(run, key, run.plans[key].target, ())
        return True
    for key in changed:
        run.progress.update(key, revision_after=", ".join(now[key].versions or ()) or None)
    key = changed[0]
    raise Busy(
        f"{run.progress.databases[key].target} was changed by somebody else meanwhile "
        f"(it is at {run.progress.databases[key].revision_after or 'no revision'} now). Nothing was written; "
        "run this again."
    )


def _is_at_start(run: Run, key: BindKey, look: Look) -> bool:
    if key in run.stamps:
        return look == run.survey.looks[key] if is_sqlite(run, key) else look.versions == (run.stamps[key],)
    return look.versions == run.survey.looks[key].versions


# -- the revisions ---------------------------------------------------------------------------------


class _Steps:
    """The revisions of one run, each looked at before its transaction ends."""

    def __init__(self, run: Run, held: Held, measures: _Measures, rows: RowWatch) -> None:
        self.all, self.held, self.measures, self.rows = run, held, measures, rows
        self.binds = {bind.key: bind for bind in run.survey.relevant}
        self.at: tuple[BindKey, str] = (None, "")
        self.turn: BindKey = None
        self.titles = {step.revision: step.title for plan in run.plans.values() for step in plan.steps}

    def run(self, prepared: Mapping[BindKey, Connection]) -> None:
        """Run them through ``env.py``, one database after the other, whatever order ``env.py`` has.

        It runs once more for what is left where a revision has to be tried again.
        """
        retrying = Retrying(self.all.survey.patience, self.measures.commits)
        for key, plan in self.all.plans.items():
            while plan.steps and not self._ran(key, prepared, retrying):
                pass

    def _ran(self, turn: BindKey, prepared: Mapping[BindKey, Connection], retrying: Retrying) -> bool:
        self.turn = turn
        try:
            run_environment(
                self.all.survey.migrations,
                prepared,
                self.pending,
                on_apply=self.applied,
                on_start=self.started,
                required=(turn,),
            )
        except Exception as error:
            key, revision = self.at
            if key not in self.held:
                raise
            retrying.wait_or_raise(error, self.held[key], revision)
            return False
        return True

    def pending(self, key: BindKey, heads: tuple[str, ...], context: MigrationContext) -> list[RevisionStep]:
        """Give what env.py is to run."""
        if key != self.turn:
            return []
        plan = self.all.plans[key]
        return upgrade_steps(context, heads, plan.target, plan.revisions)

    def started(self, key: BindKey, revision: str) -> None:
        """Look whether we still have the lock, and note that a revision begins.

        :raises Busy: the session is gone.
        :raises LockGivenUp: something inside let the lock go.
        """
        self.at = (key, revision)
        self.measures.history.begin()
        if key in self.held:
            self.held[key].check_held()
            if not self.held[key].is_one:
                self.rows.begin(key, self.held[key].connection)
                self.measures.commits.begin(self.held[key].connection)
        if key in self.measures.journals:
            self.measures.journals[key].begin(revision)

    def applied(self, key: BindKey, revision: str, connection: Connection) -> None:
        """Look at a database after a revision.

        :raises Undone: it is not as the revision says, or cannot become so.
        """
        self.measures.history.end(key, revision)
        is_rolled_back = self.measures.commits.rolled_back(connection)
        if key in self.measures.journals:
            self.measures.commits.end()  # what the journal commits is none of it
            self.measures.journals[key].end()
        if key not in self.all.plans:
            return
        if self.held[key].rollbacks():
            raise Undone(
                f"revision {revision} rolls back, which would undo the revisions before it as well; take "
                "that out, or use a savepoint (begin_nested())."
            )
        if is_rolled_back and not self.held[key].is_one:
            raise Undone(
                f"revision {revision} rolls back, so that what it did before is gone; take that out, or use "
                "a savepoint (begin_nested())."
            )
        self.held[key].check_held()
        if not self.held[key].is_one:
            self.rows.check(key, connection, f"Revision {revision}")
            self.verify_now(key, revision, connection)
            self.measures.commits.end()
        where = f" ({key or 'default'})" if len(self.all.plans) > 1 else ""
        self.all.notify(f"Applied     {revision} {self.titles.get(revision, '')}{where}")

    def _last_read(self, key: BindKey, connection: Connection) -> Snapshot | None:
        """Give what was read before this revision; None where it may have committed a part of itself."""
        if not self.measures.commits.is_open(connection):
            return None
        read = [*self.measures.points.get(key, {}).values()]
        return read[-1] if read else self.all.survey.looks[key].snapshot

    def verify_now(self, key: BindKey, revision: str, connection: Connection) -> None:
        """Verify one revision where each has a transaction of its own."""
        try:
            known, expected = self.measures.before[key], self.measures.expected
            last, rows = self._last_read(key, connection), self.all.plans[key].rows_after(revision)
            point = verify(self.all, self.binds[key], connection, known, expected, rows, last)
            self.measures.points.setdefault(key, {})[rows] = point
            self.measures.history.applied(key, self.held[key], revision, point)
            if key in self.measures.journals and rows == self.all.plans[key].target:
                self.measures.journals[key].close()
        except Undone as error:
            if not self.held[key].commits_tables:
                raise
            connection.commit()  # the tables are committed already; so that the version row tells of them
            self.measures.history.unverified(key)
            raise Unverified(
                f"{error.message} This engine cannot take tables back: revision {revision} is in.",
                findings=error.findings,
            ) from error
