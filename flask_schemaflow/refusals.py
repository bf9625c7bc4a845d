"""Why a command does not take on a database, by its state: what is so, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .errors import UnadoptableState
from .findings import Finding, Severity
from .revisions import TableName, concerns, tables_in
from .state import State

if TYPE_CHECKING:
    from sqlalchemy import Table

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
    return f"not-our-database: it has tables ({shown}) and none of this app's. Check SQLALCHEMY_DATABASE_URI."


def _rows(survey: Survey, bind: Bind) -> str:
    return ", ".join(survey.states[bind.key].versions or ())


# -- tables that are found by the search path only -------------------------------------------------


def check_search_path(survey: Survey) -> None:
    """Check that names without a schema mean the tables that the app finds by them. Read-only.

    PostgreSQL looks for a table in all schemas of the search path, and makes it in the first one.

    :raises UnadoptableState: a table is in a further one, so that a revision would make it again.
    """
    for bind in survey.relevant:
        state, look = survey.states[bind.key], survey.looks[bind.key]
        for name in sorted(state.expected - state.ours, key=lambda each: each.name):
            further = (each for each in look.search_path if each != look.default_schema)
            found = next((each for each in further if TableName(each, name.name) in state.foreign), None)
            if name.schema is None and found is not None:
                raise UnadoptableState(
                    f"{bind.target}: the table {name.name} is in the schema {found}, which the search path "
                    f"({', '.join(look.search_path)}) has behind {look.default_schema}: the app finds it "
                    f"there, and a revision would make another one in {look.default_schema}. Put {found} "
                    f"first in the search path, or say in the model where it is: schema={found!r}."
                )


# -- keys to tables of others ----------------------------------------------------------------------


def check_keys(survey: Survey) -> None:
    """Check that a baseline can run where only its own tables are. Read-only.

    SQLite makes a foreign key to a table that is not there; servers do not.

    :raises UnadoptableState: a model refers to a table that a setting calls foreign.
    """
    for bind in survey.relevant:
        keys = (
            key
            for table in bind.tables
            if bind.family != "sqlite" and _pattern_for(survey, bind, table) is None
            for key in table.foreign_keys
        )
        for key in keys:
            pattern = _pattern_for(survey, bind, key.column.table)
            if pattern is not None:
                raise UnadoptableState(
                    f"{key.parent} refers to {key.column.table}, which SCHEMAFLOW_FOREIGN_TABLES names "
                    f"({pattern}): a baseline that does not make that table cannot run where nobody else has "
                    "made it. Take it out of the setting, so that the baseline makes both."
                )


def _pattern_for(survey: Survey, bind: Bind, table: Table) -> str | None:
    (name,) = survey.looks[bind.key].spelled([(bind.translated(table.schema), table.name)])
    return survey.states[bind.key].never_ours.pattern_for(name)


# -- databases that no revision speaks of ----------------------------------------------------------


def check_covered(survey: Survey) -> None:
    """Check that the revisions, or ``env.py`` where there is none yet, are for every database. Read-only.

    :raises UnadoptableState: a bind has models with tables, and they are not.
    """
    found = not_covered(survey)
    if found:
        raise UnadoptableState(f"{found[0].message} {found[0].hint}", findings=found)


def not_covered(survey: Survey) -> tuple[Finding, ...]:
    """Tell of the binds whose tables no revision can have made, with the ways on. Read-only."""
    found = []
    for bind in survey.relevant:
        for each in bind.members:
            tables = _uncovered_tables(survey, bind, each)
            if tables:
                found.append(_not_covered(survey, each, tables))
    return tuple(found)


def _uncovered_tables(survey: Survey, bind: Bind, member: Bind) -> list[str]:
    if not survey.revisions:
        covered = member.key is None or not survey.migrations.is_for_one_database
    else:
        covered = any(concerns(revision, member.key) for revision in survey.revisions)
    if covered:
        return []
    look, foreign = survey.looks[bind.key], survey.states[bind.key].never_ours
    made = look.spelled(  # for whatever database: a revision may have its own way to tell them apart
        (bind.translated(table.schema), table.name)
        for every in survey.binds
        for each in every.members
        for table in tables_in(survey.revisions, each.key)
    )
    names = look.spelled((bind.translated(t.schema), t.name) for t in member.metadata.tables.values())
    return sorted(name.name for name in foreign.without(names) - made)


def _not_covered(survey: Survey, bind: Bind, tables: list[str]) -> Finding:
    folder, key = survey.migrations.directory, bind.key or ""
    shown = ", ".join(tables[:5]) + (", …" if len(tables) > 5 else "")
    for_one = survey.migrations.is_for_one_database
    why = f", since {folder / 'env.py'} is for one database" if for_one else ""
    return Finding(
        code="bind-not-covered",
        subject=bind.label,
        severity=Severity.ERROR,
        message=f"The tables of the bind {bind.label} ({shown}) are in no revision{why}.",
        hint=f"If somebody else takes care of that database: SCHEMAFLOW_FOREIGN_TABLES = ['{key}:*']. "
        f"Else: {_ways_to_cover(survey, key, for_one=for_one)}",
    )


def _ways_to_cover(survey: Survey, key: str, *, for_one: bool) -> str:
    folder, number = survey.migrations.directory, len(survey.revisions)
    if not number:
        return f"remove {folder}, and run this again: it is made anew for all databases."
    steps = []
    if for_one:
        steps.append(
            f"`flask db init --multidb -d {folder}-multidb`, and copy env.py, alembic.ini and script.py.mako "
            f"from there to {folder}"
        )
        steps.append(
            f"in each of the {number} revisions rename upgrade() to upgrade_(), downgrade() to downgrade_()"
            ', and add `def upgrade(engine_name): globals()["upgrade_%s" % engine_name]()` and the same for '
            "downgrade"
        )
    steps.append(
        f"add `def upgrade_{key}(): pass` and `def downgrade_{key}(): pass` to each revision that lacks them"
    )
    steps.append(f"`flask db revision`, and create the tables in its upgrade_{key}()")
    steps.append("run this again: what is there is compared with it and stamped")
    return "; ".join(f"({position}) {step}" for position, step in enumerate(steps, 1)) + "."


REASONS: Mapping[State, Reason] = {
    State.BRANCHED: _branched,
    State.TORN: _torn,
    State.ORPHANED: _orphaned,
    State.UNKNOWN: _unknown,
    State.HOLLOW: _hollow,
    State.NOT_OURS: _not_ours,
}
"""What puts a refused state into words, the weightiest state first."""
