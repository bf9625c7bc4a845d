"""Hold databases as they were seen, and write a revision into each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from .errors import Busy
from .revisions import TableName
from .session import HeldTransaction, held_transaction
from .survey import Look, Survey, VersionTable, read_look
from .versions import create_version_table, drop_version_table, write_version

if TYPE_CHECKING:
    from .discovery import Bind
    from .snapshot import Snapshot

BindKey = str | None


@contextmanager
def unchanged_databases(survey: Survey, keys: Iterable[BindKey]) -> Iterator[dict[BindKey, HeldTransaction]]:
    """Hold the databases against changes by others, having checked that they are as they were seen.

    Makes the version table where there is none, which is gone again if this is left by an error; writes
    nothing else by itself.

    :raises Busy: another process writes, or structure or version rows changed since they were read.
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
        raise Busy(
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


def write_revision(survey: Survey, key: BindKey, transaction: HeldTransaction, revision: str) -> None:
    """Write a revision into the version table of a held database, and do not commit."""
    table = survey.version_tables[key]
    write_version(transaction.connection, revision, table.name, table.schema)
