"""What other runs did: a failure that is not mended yet, or one while this run waited."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING

from ..drift import find_drift
from ..errors import Broken, Refused, SchemaFlowError, Undone, Unverified
from ..interrupts import uninterrupted
from ..proof import structure_at
from ..revisions import in_words
from ..session import database_exists, reading_connection
from ..stamping import unchanged_databases, write_verified
from ..state import State
from ..survey import only_ours
from ..version_tables import version_table_of_migrate
from ..versions import newest_entry_id

if TYPE_CHECKING:
    from ..drift import Drift
    from ..history import Entry
    from ..snapshot import Snapshot
    from ..survey import Look, Project, Survey
    from .run import Run

BindKey = str | None

_KINDS: dict[str, type[SchemaFlowError]] = {"broken": Broken, "unverified": Unverified, "undone": Undone}


def newest_entries(project: Project) -> dict[BindKey, int]:
    """Say which is the newest entry in the history of each database; 0 where there is none. Read-only."""
    if not project.keeps_history:
        return {}
    table = version_table_of_migrate(project.migrations)
    newest = {}
    for bind in project.binds:
        if database_exists(bind.engine):
            with reading_connection(bind.engine) as connection:
                newest[bind.key] = newest_entry_id(connection, table.schema)
    return newest


def stop_if_failed_meanwhile(run: Run, looks: Mapping[BindKey, Look]) -> None:
    """Stop if another process ran the same plan while this one waited, and failed.

    Where no history is kept any more, what is in it is old.

    :raises SchemaFlowError: of the kind in which the other one ended.
    """
    if not run.survey.keeps_history:
        return
    for key, look in looks.items():
        entry = look.history.failure_since(run.entries_before.get(key, 0), run.identity)
        kind = _KINDS.get(entry.outcome) if entry is not None else None
        if entry is not None and kind is not None:
            raise kind(
                f"Another process ({_who(entry)}) ran the same revisions while this one waited, and failed: "
                f"{entry.message}"
            )


def close_failures(survey: Survey, *, but: Container[BindKey]) -> None:
    """Close the failures of earlier runs where a person has mended the database since.

    Writes the history only. Mended is a database whose structure is that of the revision that it says.

    :param but: those that are resumed now.
    :raises Broken: it is not, and parts of a revision are in.
    :raises Unverified: it is not, and the revision is in.
    """
    looks = {key: look for key, look in survey.looks.items() if key not in but}
    failures = {key: look.history.open for key, look in looks.items() if look.history.open}
    for key, entry in failures.items():
        assert entry is not None
        reason = _not_mended(survey, key)
        if reason:
            label = next(bind.target for bind in survey.binds if bind.key == key)
            raise _KINDS[entry.outcome](
                f"{label} was left {entry.outcome} by the run of {entry.when} ({_who(entry)}): "
                f"{entry.message} {reason} Mend it, or restore it from a backup, and run this again."
            )
    if failures:
        _close(survey, failures)


def _not_mended(survey: Survey, key: BindKey) -> str:
    """Say why a database is not at its revision; empty if it is."""
    state = survey.states[key]
    if state.state is State.BRANCHED:
        return "`flask db-safe-upgrade heads` looks whether it is mended."
    if state.state not in (State.BEHIND, State.CURRENT) or not state.versions:
        return f"Its state is {state.state.value}: `flask db-adopt --restamp` proves which revision it is at."
    try:
        expected = structure_at(survey, [key], state.versions)[key]
    except Refused as error:
        return f"Whether it was mended cannot be said: {error.message}"
    differences = _differences(survey, key, expected, in_words(state.versions))
    if not differences:
        return ""
    return f"It still differs from {in_words(state.versions)}: {differences[0].message}"


def _differences(survey: Survey, key: BindKey, expected: Snapshot, revision: str) -> tuple[Drift, ...]:
    ours = survey.states[key].ours_with(expected)
    found = find_drift(only_ours(expected, ours), survey.ours(key, expected), f"revision {revision}")
    return tuple(each for each in found if each.structural)


def _close(survey: Survey, failures: Mapping[BindKey, Entry | None]) -> None:
    with unchanged_databases(survey, failures) as held, uninterrupted(stop_afterwards=True):
        for key, transaction in held.items():
            write_verified(survey, key, transaction)
            transaction.commit()


def _who(entry: Entry) -> str:
    release = f", release {entry.app_release}" if entry.app_release else ""
    return f"on {entry.host}{release}"
