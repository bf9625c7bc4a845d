"""Run the plans inside one transaction for each database, verify, commit; or say what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import Busy, Undone
from ..interrupts import uninterrupted
from ..migrations import run_environment
from ..scratch import scratch_database
from ..session import HeldTransaction, database_exists, held_transaction, sqlite_path
from ..state import State
from ..survey import Notify, Survey, read_look
from ..versions import create_version_table, write_version
from .failure import told
from .verdicts import done, nothing_to_do
from .verification import Expected, drift_before, verify

if TYPE_CHECKING:
    from pathlib import Path

    from alembic.runtime.migration import MigrationContext, RevisionStep
    from sqlalchemy.engine import Connection

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
    """Run all plans inside one held transaction for each database, verify, and commit.

    :raises Busy: somebody else writes, or migrated meanwhile; nothing was changed by this run.
    :raises Undone: it failed; everything was rolled back.
    :raises Broken: it failed, and the databases are not as they were.
    """
    committed: list[BindKey] = []
    with _files_made(run) as made, ExitStack() as stack:
        held = {
            bind.key: stack.enter_context(held_transaction(bind.engine, app_listeners=True))
            for bind in run.survey.relevant
        }
        made.keep_only_empty()
        if _is_done_already(run, held):
            run.progress.end("nothing-to-do", nothing_to_do(run.plans))
            return
        try:
            _work(run, held, expected, stack)
            with uninterrupted():
                _commit(run, held, committed)
                outcome = "upgraded" if expected is not None else "upgraded-unchecked"
                verdict = done(run.plans, run.stamps, checked=expected is not None)
                run.progress.end(outcome, verdict)
        except BaseException as error:
            if run.progress.ending is not None:
                return
            if not committed:
                made.remove()
            stack.close()
            raise told(run, error, committed) from error


def _work(run: Run, held: Held, expected: Expected, stack: ExitStack) -> None:
    prepared: dict[BindKey, Connection] = {
        bind.key: held[bind.key].connection
        if bind.key in held
        else stack.enter_context(scratch_database(bind.engine))
        for bind in run.survey.binds
    }
    before = {key: drift_before(run, key, each.connection, expected) for key, each in held.items()}
    for key, revision in run.stamps.items():
        _write_version(run, held[key].connection, key, revision)
    _run_steps(run, held, prepared)
    for bind in run.survey.relevant:
        verify(run, bind, held[bind.key].connection, before[bind.key], expected)


def _commit(run: Run, held: Held, committed: list[BindKey]) -> None:
    for key, transaction in held.items():
        transaction.commit()
        committed.append(key)
        plan = run.plans[key]
        is_newest = (plan.target,) == run.survey.states[key].heads
        run.progress.update(
            key,
            state_after=(State.CURRENT if is_newest else State.BEHIND).value,
            revision_after=plan.target,
            applied=tuple(step.revision for step in plan.steps),
        )


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
    changed = [
        key
        for key, look in now.items()
        if look.versions != run.survey.looks[key].versions
        or (key in run.stamps and look != run.survey.looks[key])
    ]
    if not changed:
        return False
    if all(look.versions == (run.plans[key].target,) for key, look in now.items()):
        for key, look in now.items():
            run.progress.update(
                key, state_after=State.CURRENT.value, revision_after=(look.versions or ("",))[0]
            )
        return True
    key = changed[0]
    what = "migrated" if now[key].versions != run.survey.looks[key].versions else "changed"
    raise Busy(
        f"{run.progress.databases[key].target} was {what} by somebody else meanwhile "
        f"(it is at {', '.join(now[key].versions or ()) or 'no revision'} now). Nothing was written; run "
        "this again."
    )


# -- the revisions ---------------------------------------------------------------------------------


def _write_version(run: Run, connection: Connection, key: BindKey, revision: str) -> None:
    table = run.survey.version_tables[key]
    create_version_table(connection, table.name, table.schema, pk=table.pk)
    write_version(connection, revision, table.name, table.schema)


def _run_steps(run: Run, held: Held, prepared: Mapping[BindKey, Connection]) -> None:
    def steps(key: BindKey, heads: tuple[str, ...], context: MigrationContext) -> list[RevisionStep]:
        if key not in run.plans:
            return []
        assert context.script is not None
        return context.script._upgrade_revs(run.plans[key].target, heads)  # type: ignore[arg-type]

    titles = {step.revision: step.title for plan in run.plans.values() for step in plan.steps}

    def applied(key: BindKey, revision: str, _connection: Connection) -> None:
        if key not in run.plans:
            return
        if held[key].rollbacks():
            raise Undone(
                f"revision {revision} rolls back, which would undo the revisions before it as well; take "
                "that out, or use a savepoint (begin_nested())."
            )
        where = f" ({key or 'default'})" if len(run.plans) > 1 else ""
        run.notify(f"Applied     {revision} {titles.get(revision, '')}{where}")

    run_environment(run.survey.migrations, prepared, steps, on_apply=applied, required=tuple(run.plans))
