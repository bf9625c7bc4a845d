"""Write down what a run does to a database, where a history is kept."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from ..errors import SchemaFlowError
from ..history import Entry, Event, create_history_table, record
from ..revisions import in_words, source_hash, source_of
from ..snapshot import structure_hash
from ..survey import only_ours

if TYPE_CHECKING:
    from ..plan import Plan
    from ..revisions import Revision
    from ..session import HeldTransaction
    from ..snapshot import Snapshot
    from .run import Run

BindKey = str | None


def identify(plans: Mapping[BindKey, Plan], revisions: Iterable[Revision]) -> str:
    """Hash which revisions would run where, with their sources: the same plan in another process."""
    by_id = {revision.id: revision for revision in revisions}
    steps = [
        f"{key or ''} {step.revision} {_source_hash(by_id[step.revision])}"
        for key, plan in sorted(plans.items(), key=lambda item: item[0] or "")
        for step in plan.steps
    ]
    return sha256("\n".join(steps).encode()).hexdigest()


def _source_hash(revision: Revision) -> str:
    return source_hash(source_of(revision.file))


class HistoryWriter:
    """Writes the entries of one run, or none where no history is kept."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._keeping: set[BindKey] = set()
        self._durations: dict[tuple[BindKey, str], int] = {}
        self._unverified: set[BindKey] = set()
        self._began = time.monotonic()
        self._by_id = {revision.id: revision for revision in run.survey.revisions}

    def prepare(self, held: Mapping[BindKey, HeldTransaction]) -> None:
        """Make the table where there is none; a role that may not goes without a history."""
        if not self._run.survey.keeps_history:
            return
        for key, transaction in held.items():
            if create_history_table(transaction.connection, self._schema(key)):
                self._keeping.add(key)
            if not transaction.is_one:
                transaction.connection.commit()

    def begin(self) -> None:
        """Begin a revision."""
        self._began = time.monotonic()

    def end(self, key: BindKey, revision: str) -> None:
        """End a revision, whose entry is written when its transaction is about to end."""
        self._durations[key, revision] = round((time.monotonic() - self._began) * 1000)

    def applied(
        self, key: BindKey, transaction: HeldTransaction, revision: str, there: Snapshot | None
    ) -> None:
        """Write, in the revision's own transaction, that it was applied.

        :param there: the structure after it, if it was read.
        """
        run = self._run
        if key not in self._keeping or (key, revision) not in self._durations:
            return
        ours = there and only_ours(there, run.survey.states[key].expected - run.survey.bookkeeping[key])
        self._write(
            key,
            transaction,
            Entry(
                event=Event.APPLIED.value,
                revision=revision,
                title=next(s.title for s in run.plans[key].steps if s.revision == revision),
                duration_ms=self._durations[key, revision],
                source_hash=_source_hash(self._by_id[revision]),
                structure_hash=structure_hash(ours) if ours is not None else None,
                plan=run.identity,
                app_release=run.survey.settings.release,
            ),
        )

    def unverified(self, key: BindKey) -> None:
        """Note that a database is at its target, and not what that says."""
        self._unverified.add(key)

    def failed(
        self, held: Mapping[BindKey, HeldTransaction], failure: SchemaFlowError, cause: BaseException
    ) -> None:
        """Write that the run failed, into each database that is not where it should be, and commit.

        Whoever waits for the lock has to see it; so it is written before the lock is given back. A run that
        was interrupted says nothing of the plan: who waited for it goes on.

        :param cause: what made it fail.
        """
        is_interrupted = isinstance(cause, KeyboardInterrupt)
        for key in self._keeping:
            result = self._run.progress.databases[key]
            if result.revision_after == in_words(self._run.plans[key].target) and key not in self._unverified:
                continue
            entry = Entry(
                event=Event.FAILED.value,
                outcome="interrupted" if is_interrupted and failure.outcome == "undone" else failure.outcome,
                revision=result.revision_after,
                message=failure.message,
                plan=self._run.identity,
                app_release=self._run.survey.settings.release,
            )
            with suppress(SQLAlchemyError, SchemaFlowError):  # the failure itself is told; it counts more
                create_history_table(held[key].connection, self._schema(key))
                self._write(key, held[key], entry)
                held[key].commit()

    def _write(self, key: BindKey, transaction: HeldTransaction, entry: Entry) -> None:
        record(transaction.connection, entry, self._schema(key))

    def _schema(self, key: BindKey) -> str | None:
        return self._run.survey.version_tables[key].schema
