"""What both ways of adopting share: the stamp, and what may differ."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import SchemaFlowError
from ..findings import Severity
from ..history import Event
from ..revisions import TableName
from ..stamping import write_revision

if TYPE_CHECKING:
    from ..drift import Drift
    from ..results import Progress
    from ..session import HeldTransaction
    from ..snapshot import Snapshot
    from ..state import State
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
    adoption: Adoption, held: Mapping[BindKey, HeldTransaction], revision: str, *, state: State
) -> None:
    """Write the revision into each held database and commit. Writes the version table only.

    Run it inside ``uninterrupted``, together with what has to be true if and only if this is.

    :param state: what the databases are afterwards.
    :raises Busy: a database could not be committed; the message says which were before.
    """
    for key, transaction in held.items():
        event = Event.STAMPED if adoption.survey.looks[key].versions else Event.ADOPTED
        write_revision(adoption.survey, key, transaction, revision, event)
    done: list[str] = []
    for key, transaction in held.items():
        try:
            transaction.commit()
        except SchemaFlowError as error:
            if done:
                error.message = f"{error.message} {', '.join(done)} is stamped already; run this again."
            raise
        done.append(adoption.progress.databases[key].target)
        adoption.progress.update(key, state_after=state.value, revision_after=revision, verified=True)
