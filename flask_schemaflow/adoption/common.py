"""What both ways of adopting share: the stamp, and what may differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import Refused
from ..revisions import TableName
from ..session import HeldTransaction, held_transaction
from ..survey import Look, Notify, Survey, VersionTable, read_look
from ..versions import create_version_table, drop_version_table, write_version

if TYPE_CHECKING:
    from ..discovery import Bind
    from ..drift import Drift
    from ..results import Progress
    from ..snapshot import Snapshot
    from ..state import State
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

    def split(self, drift: Iterable[Drift]) -> tuple[list[Drift], list[Drift]]:
        """Split structural differences into accepted and stopping ones."""
        structural = [each for each in drift if each.structural]
        accepted = [each for each in structural if each.key in self.accepted]
        return accepted, [each for each in structural if each.key not in self.accepted]


def names_in(snapshot: Snapshot) -> frozenset[TableName]:
    """Give the names of everything in a structure, views and what is no table too."""
    return frozenset(TableName(each.schema, each.name) for each in snapshot.objects)


@contextmanager
def unchanged_databases(survey: Survey, keys: Iterable[BindKey]) -> Iterator[dict[BindKey, HeldTransaction]]:
    """Hold the databases against changes by others, having checked that they are as they were seen.

    Makes the version table where there is none, which is gone again if this is left by an error; writes
    nothing else by itself.

    :raises Refused: structure or version rows changed since they were read.
    :raises Busy: another process writes.
    """
    binds = {bind.key: bind for bind in survey.binds}
    with ExitStack() as stack:
        held = {
            key: stack.enter_context(held_transaction(binds[key].engine, app_listeners=False)) for key in keys
        }
        try:
            for key, transaction in held.items():
                _check_unchanged(survey, binds[key], transaction)
            yield held
        except BaseException:
            for key, transaction in held.items():
                if transaction.commits_tables:
                    _take_version_table_away(survey, key, transaction)
            raise


def _check_unchanged(survey: Survey, bind: Bind, transaction: HeldTransaction) -> None:
    before, table = survey.looks[bind.key], survey.version_tables[bind.key]
    if before.versions is None:
        create_version_table(transaction.connection, table.name, table.schema, pk=table.pk)
    transaction.lock((name.schema, name.name) for name in survey.states[bind.key].ours)
    now = read_look(transaction.connection, table)
    same_rows = (now.versions or None) == (before.versions or None)
    if not same_rows or _structure(now, table) != _structure(before, table):
        raise Refused(
            f"{bind.target} was changed by somebody else meanwhile. Nothing was written; run this again."
        )


def _structure(look: Look, table: VersionTable) -> Snapshot | None:
    if look.snapshot is None:
        return None
    return look.snapshot.where(lambda each: TableName(each.schema, each.name) not in table.tables)


def _take_version_table_away(survey: Survey, key: BindKey, transaction: HeldTransaction) -> None:
    """Undo what was committed with the statement itself, where the engine does that."""
    if survey.looks[key].versions is None:
        table = survey.version_tables[key]
        transaction.connection.rollback()
        drop_version_table(transaction.connection, table.name, table.schema)


def stamp(
    adoption: Adoption, held: Mapping[BindKey, HeldTransaction], revision: str, *, state: State
) -> None:
    """Write the revision into each held database and commit. Writes the version table only.

    Run it inside ``uninterrupted``, together with what has to be true if and only if this is.

    :param state: what the databases are afterwards.
    :raises Refused: a database could not be committed.
    """
    for key, transaction in held.items():
        table = adoption.survey.version_tables[key]
        write_version(transaction.connection, revision, table.name, table.schema)
    done: list[str] = []
    for key, transaction in held.items():
        target = adoption.progress.databases[key].target
        try:
            transaction.commit()
        except Exception as error:
            already = f" {', '.join(done)} is stamped already; run this again." if done else ""
            raise Refused(f"{target} could not be stamped ({error}).{already}") from error
        done.append(target)
        adoption.progress.update(key, state_after=state.value, revision_after=revision, verified=True)
