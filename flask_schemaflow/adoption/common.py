"""What the ways of adopting share: the stamp, what may differ, and what stands in a stamp's way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import SchemaFlowError, UnadoptableState
from ..findings import Severity
from ..history import JOURNAL_TABLE, Event
from ..journal import EntryState, read_journal
from ..revisions import TableName
from ..stamping import write_revision
from ..state import State, table_names

if TYPE_CHECKING:
    from ..discovery import Bind
    from ..drift import Drift
    from ..results import Progress
    from ..session import HeldTransaction
    from ..snapshot import Snapshot
    from ..survey import Notify, Survey
    from .options import AdoptOptions

BindKey = str | None


@dataclass(frozen=True)
class Adoption:
    """One run: what was found, what was asked for, and where to tell of it."""

    survey: Survey
    options: AdoptOptions
    progress: Progress
    notify: Notify

    def end(self, outcome: str, message: str) -> None:
        """Say that the goal is reached, and with which verdict."""
        self.progress.end(outcome, message)

    @property
    def accepted(self) -> frozenset[str]:
        """The accepted differences, each ``CODE:SUBJECT``, of options and settings."""
        return frozenset((*self.options.accept, *self.survey.settings.accept))

    def note_passing(self, found: Iterable[Drift], stops: Collection[Drift]) -> None:
        """Note the differences that do not stop; what was accepted is a warning."""
        passing = (each for each in found if each not in stops)
        self.progress.findings.extend(
            replace(each, severity=Severity.WARNING) if each.structural else each for each in passing
        )

    def split(self, drift: Iterable[Drift]) -> tuple[list[Drift], list[Drift]]:
        """Split structural differences into accepted and stopping ones."""
        structural = [each for each in drift if each.structural]
        accepted = [each for each in structural if each.key in self.accepted]
        return accepted, [each for each in structural if each.key not in self.accepted]


def names_in(snapshot: Snapshot) -> frozenset[TableName]:
    """Give the names of everything in a structure, views and what is no table too."""
    return frozenset(TableName(each.schema, each.name) for each in snapshot.objects)


def stamp(
    adoption: Adoption,
    held: Mapping[BindKey, HeldTransaction],
    revisions: Mapping[BindKey, str],
    *,
    state: State | None = None,
) -> None:
    """Write its revision into each held database and commit. Writes version table and history only.

    Run it inside ``uninterrupted``, together with what has to be true if and only if this is.

    :param state: what the databases are afterwards, where the revisions that were there do not say it.
    :raises Busy: a database could not be committed; the message says which were before.
    """
    for key, transaction in held.items():
        event = Event.STAMPED if adoption.survey.looks[key].versions else Event.ADOPTED
        write_revision(adoption.survey, key, transaction, revisions[key], event)
    done: list[str] = []
    for key, transaction in held.items():
        try:
            transaction.commit()
        except SchemaFlowError as error:
            if done:
                error.message = f"{error.message} {', '.join(done)} is stamped already; run this again."
            raise
        done.append(adoption.progress.databases[key].target)
        is_newest = adoption.survey.states[key].heads == (revisions[key],)
        reached = state or (State.CURRENT if is_newest else State.BEHIND)
        adoption.progress.update(key, state_after=reached.value, revision_after=revisions[key], verified=True)


# -- parts of a revision ---------------------------------------------------------------------------


def refuse_parts(survey: Survey, keys: Iterable[BindKey], *, stamped: frozenset[str] = frozenset()) -> None:
    """Check that no revision was begun and not ended: rows that it changed are in no structure.

    :param stamped: revisions that are in by what the databases say, whatever broke in them before.
    :raises UnadoptableState: one was.
    """
    for bind in survey.relevant:
        revision = _begun(survey, bind) if bind.key in keys else None
        if revision is not None and revision not in stamped:
            raise UnadoptableState(
                f"{bind.target}: parts of revision {revision} are in, rows perhaps. `flask db-safe-upgrade` "
                f"says which, and `--resume` goes on with it. If you have run what was left of it: `flask "
                f"db-adopt --restamp {revision}`; if you have undone what was in: --restamp with the one "
                "before it."
            )


def _begun(survey: Survey, bind: Bind) -> str | None:
    if not has_journal(survey, bind.key):
        return None
    parts = [each for each in read_journal(bind.engine) or () if each.state is not EntryState.FAILED]
    return parts[0].revision if parts else None


def has_journal(survey: Survey, key: BindKey) -> bool:
    """Say whether a revision is noted there as begun, on an engine that commits each statement."""
    return TableName(None, JOURNAL_TABLE) in table_names(survey.looks[key].snapshot)
