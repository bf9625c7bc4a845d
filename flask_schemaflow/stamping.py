"""Hold databases as they were seen, and write a revision into each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from .errors import Busy, ConfigurationError
from .history import Entry, Event, create_history_table, drop_history_table, record
from .revisions import TableName
from .session import HeldTransaction, databases_in_order, held_transaction
from .survey import Look, Survey, read_look
from .versions import clear_versions, create_version_table, drop_version_table, write_version

if TYPE_CHECKING:
    from .discovery import Bind
    from .snapshot import Snapshot
    from .version_tables import VersionTable

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

        def hold(bind: Bind, locked: HeldTransaction | None) -> HeldTransaction:
            return stack.enter_context(
                held_transaction(
                    bind.engine, app_listeners=False, patience=survey.patience, has_lock=locked is not None
                )
            )

        held = hold_in_order(survey, keys, hold)
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


def hold_in_order(
    survey: Survey,
    keys: Iterable[BindKey],
    hold: Callable[[Bind, HeldTransaction | None], HeldTransaction],
) -> dict[BindKey, HeldTransaction]:
    """Hold databases in the order in which all processes lock them.

    Binds with different URLs may lead to one PostgreSQL database, each to a schema of its own: they share
    its lock.

    :param hold: opens one; it is given the transaction that has the lock already.
    :raises ConfigurationError: two of them have the same version table.
    """
    binds = {bind.key: bind for bind in survey.binds}
    by_engine = {binds[key].engine: key for key in keys}
    held: dict[BindKey, HeldTransaction] = {}
    for engines in databases_in_order(by_engine):
        together = [by_engine[engine] for engine in engines]
        _check_apart(survey, [binds[key] for key in together])
        for key in together:
            held[key] = hold(binds[key], held.get(together[0]))
    return held


def _check_apart(survey: Survey, binds: list[Bind]) -> None:
    """Check that binds of one database keep their books in different places."""
    places: dict[tuple[str | None, str], Bind] = {}
    for bind in binds:
        table = survey.version_tables[bind.key]
        place = (table.schema or survey.looks[bind.key].default_schema, table.name)
        other = places.setdefault(place, bind)
        if other is not bind or (len(binds) > 1 and bind.family == "sqlite"):
            raise ConfigurationError(
                f"The binds {binds[0].label} and {binds[1].label} lead to one database by different URLs, "
                f"{binds[0].target} and {binds[1].target}. Write both alike: then they share one connection "
                "and one version table."
            )


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
        event=Event.VERIFIED.value, revision=survey.states[key].at, app_release=survey.settings.release
    )
    record(transaction.connection, entry, survey.version_tables[key].schema)
