"""Write into databases that were never adopted at which revision they were found to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import Busy, ConfigurationError, Refused, Undone
from ..history import Event
from ..interrupts import uninterrupted
from ..stamping import unchanged_databases, write_revision
from ..survey import look_at
from ..versions import create_version_table
from .failure import is_sqlite, note_revision

if TYPE_CHECKING:
    from ..session import HeldTransaction
    from .run import Run

BindKey = str | None


@contextmanager
def stamped_on_servers(run: Run) -> Iterator[None]:
    """Stamp the databases whose revisions commit one by one, and then do the block.

    Where another process has stamped them the same meanwhile, that counts as ours. What stops the block
    keeps no stamp from being in, and cannot say that nothing was changed.

    :raises Busy: they were changed meanwhile, or are locked.
    :raises Undone: in the place of a refusal, after a stamp.
    """
    keys = [key for key in run.stamps if not is_sqlite(run, key)]
    if not keys:
        yield
        return
    try:
        _stamp(run, keys)
    except Busy:
        if not _are_stamped(run, keys):
            raise
        yield
        return
    targets = {run.progress.databases[key].target: run.stamps[key] for key in keys}
    at = "; ".join(f"{target} was stamped and is at {revision}" for target, revision in targets.items())
    told = f" Before that it was found where the structure is: {at}."
    try:
        yield
    except Busy as error:
        error.add(told)
        raise
    except (Refused, ConfigurationError) as error:
        raise Undone(f"{error.message}{told}", findings=error.findings) from error


def _stamp(run: Run, keys: Iterable[BindKey]) -> None:
    with unchanged_databases(run.survey, keys) as held, uninterrupted(stop_afterwards=True):
        for key, transaction in held.items():
            write_revision(run.survey, key, transaction, run.stamps[key], Event.STAMPED)
            transaction.commit()
            note_revision(run, key, (run.stamps[key],), ())


def _are_stamped(run: Run, keys: Iterable[BindKey]) -> bool:
    """Say whether each is at the revision that was found, or where this run would have brought it."""
    binds = {bind.key: bind for bind in run.survey.binds}
    there = {key: look_at(binds[key], run.survey.version_tables[key]).versions for key in keys}
    return all(found in ((run.stamps[key],), run.plans[key].target) for key, found in there.items())


def stamp_inside(run: Run, key: BindKey, transaction: HeldTransaction) -> None:
    """Stamp a SQLite database in the transaction in which its revisions run."""
    table = run.survey.version_tables[key]
    create_version_table(transaction.connection, table.name, table.schema, pk=table.pk)
    write_revision(run.survey, key, transaction, run.stamps[key], Event.STAMPED)
