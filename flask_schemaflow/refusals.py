"""Why a command does not take on a database, by its state: what is so, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .state import State

if TYPE_CHECKING:
    from .discovery import Bind
    from .survey import Survey

Reason = Callable[["Survey", "Bind"], str]


def _branched(survey: Survey, bind: Bind) -> str:
    heads = survey.states[bind.key].heads
    return (
        f"the revisions have {len(heads)} heads ({', '.join(heads)}). "
        f"Join them first: flask db merge {' '.join(heads)}"
    )


def _torn(survey: Survey, bind: Bind) -> str:
    return (
        f"the version table has several rows ({_rows(survey, bind)}), of which one is below another or "
        "unknown. `flask db-adopt --restamp REV` proves that the structure is REV's, and leaves only that "
        "row."
    )


def _orphaned(survey: Survey, bind: Bind) -> str:
    state = survey.states[bind.key]
    if not state.ours:
        return (
            f"the version table says {_rows(survey, bind)}, there is no revision in "
            f"{survey.migrations.directory}, and the database has none of the models' tables. "
            "Is it the right database?"
        )
    foreign = ", ".join(sorted(name.name for name in state.foreign))
    other = f" It also has tables of others ({foreign}): does that row belong to them?" if foreign else ""
    return (
        f"the version table says {_rows(survey, bind)}, and there is no revision in "
        f"{survey.migrations.directory}.{other} Restore the folder from version control. If it is "
        "lost for good, `flask db-adopt --restamp` writes a baseline of what is there and replaces the row."
    )


def _unknown(survey: Survey, bind: Bind) -> str:
    if not survey.states[bind.key].ours:
        return (
            f"the version table says {_rows(survey, bind)}, which no file in {survey.migrations.directory} "
            "has, and the database has none of this app's tables. Is it the right database?"
        )
    return (
        f"the version table says {_rows(survey, bind)}, which no file in {survey.migrations.directory} has: "
        "another release upgraded it, or the file is lost. Deploy the release that has it, or restore it "
        "from version control. If it is lost for good, `flask db-adopt --restamp` finds the revision that "
        "the structure equals, and stamps that."
    )


def _hollow(survey: Survey, bind: Bind) -> str:
    return (
        f"it is at revision {_rows(survey, bind)}, but none of the tables is there. "
        "Is it the right database? Restore it from a backup, or empty the version table to begin anew."
    )


def _not_ours(survey: Survey, bind: Bind) -> str:
    foreign = sorted(name.name for name in survey.states[bind.key].foreign)
    shown = ", ".join(foreign[:5]) + (", …" if len(foreign) > 5 else "")
    return (
        f"not-our-database: it has {len(foreign)} tables ({shown}) and none of this app's. "
        "Check SQLALCHEMY_DATABASE_URI."
    )


def _rows(survey: Survey, bind: Bind) -> str:
    return ", ".join(survey.states[bind.key].versions or ())


REASONS: Mapping[State, Reason] = {
    State.BRANCHED: _branched,
    State.TORN: _torn,
    State.ORPHANED: _orphaned,
    State.UNKNOWN: _unknown,
    State.HOLLOW: _hollow,
    State.NOT_OURS: _not_ours,
}
"""What puts a refused state into words, the weightiest state first."""
