"""Hold databases as they were seen, and write a revision into each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from .errors import Busy, ConfigurationError
from .history import Entry, Event, create_history_table, drop_history_table, record
from .revisions import TableName
from .session import HeldTransaction, held_transaction, in_order, target_of
from .survey import Look, Survey, VersionTable, read_look
from .versions import clear_versions, create_version_table, drop_version_table, write_version

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
            key: stack.enter_context(
                held_transaction(binds[key].engine, app_listeners=False, patience=survey.patience)
            )
            for key in keys_in_order(binds, keys)
        }
        try:
            for key, transaction in held.items():
                _check_unchanged(survey, binds[key], transaction)
            yield held
        except BaseException:
            for key, transaction in held.items():
                if transaction.commits_tables:
                    # Where the connection is gone, an empty table is left; what went wrong first is told.
                    with suppress(Exception):
                        _take_version_table_away(survey, key, transaction)
            raise


def keys_in_order(binds: Mapping[BindKey, Bind], keys: Iterable[BindKey]) -> list[BindKey]:
    """Put databases into the order in which all processes lock them. Read-only.

    :raises ConfigurationError: two of them are the same database.
    """
    by_engine = {binds[key].engine: key for key in keys}
    engines = in_order(by_engine)
    if len(engines) < len(by_engine):
        twice = next(engine for engine in by_engine if engine not in engines)
        raise ConfigurationError(
            f"Two binds lead to one database, {target_of(twice)}, which can have one version table only. "
            "Give the models of both one bind key."
        )
    return [by_engine[engine] for engine in engines]


def _check_unchanged(survey: Survey, bind: Bind, transaction: HeldTransaction) -> None:
    before, table = survey.looks[bind.key], survey.version_tables[bind.key]
    if before.versions is None:
        create_version_table(transaction.connection, table.name, table.schema, pk=table.pk)
    if survey.keeps_history:
        create_history_table(transaction.connection, table.schema)
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
    books = table.tables(look.default_schema)
    return look.snapshot.where(lambda each: TableName(each.schema, each.name) not in books)


def _take_version_table_away(survey: Survey, key: BindKey, transaction: HeldTransaction) -> None:
    """Undo what was committed with the statement itself, where the engine does that."""
    table, before = survey.version_tables[key], survey.looks[key]
    transaction.connection.rollback()
    if before.versions is None:
        drop_version_table(transaction.connection, table.name, table.schema)
    if survey.keeps_history and not before.history.entries:
        drop_history_table(transaction.connection, table.schema)


def write_revision(
    survey: Survey, key: BindKey, transaction: HeldTransaction, revision: str, event: Event
) -> None:
    """Write a revision into the version table of a held database, in place of what it says; do not commit.

    :param event: what the history is told, where one is kept; what stood in the version table is told, too.
    """
    table, before = survey.version_tables[key], survey.looks[key].versions
    if before:
        clear_versions(transaction.connection, table.name, table.schema)
    write_version(transaction.connection, revision, table.name, table.schema)
    if survey.keeps_history:
        entry = Entry(
            event=event.value,
            revision=revision,
            message=f"The version table said {', '.join(before)} before." if before else "",
            app_release=survey.settings.release,
        )
        record(transaction.connection, entry, table.schema)


def write_verified(survey: Survey, key: BindKey, transaction: HeldTransaction) -> None:
    """Note that a held database is what its revision says, which closes a failure; do not commit.

    Writes the history only.
    """
    entry = Entry(
        event=Event.VERIFIED.value, revision=survey.states[key].revision, app_release=survey.settings.release
    )
    record(transaction.connection, entry, survey.version_tables[key].schema)
