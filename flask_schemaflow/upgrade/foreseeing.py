"""What pending revisions make of the real SQLite structure: tried on a copy of it, without a row."""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import SchemaFlowError
from ..migrations import RevisionFailed, run_environment, upgrade_steps
from ..scratch import scratch_databases
from ..session import AppSessionUsed, database_exists, reading_connection
from ..snapshot import take_snapshot
from ..versions import create_version_table, read_versions, write_version

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from sqlalchemy.engine import Connection

    from ..discovery import Bind
    from ..revisions import Rows
    from ..snapshot import Object, Snapshot
    from .run import Run

BindKey = str | None

_STRUCTURE = (
    "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~' "
    "ORDER BY type = 'table' DESC, rowid"
)


def foresee(run: Run, bind: Bind) -> dict[Rows, Snapshot] | None:
    """Give what a database would have after each pending revision; None where that cannot be tried.

    What a person added to the real database is there too, unlike in what the revisions make by themselves.
    Never touches the real database: it is only read.
    """
    plan, found = run.plans[bind.key], dict["Rows", "Snapshot"]()

    def steps(key: BindKey, heads: tuple[str, ...], context: MigrationContext) -> list[RevisionStep]:
        return upgrade_steps(context, heads, plan.target, plan.revisions) if key == bind.key else []

    not_made: list[Object] = []

    def applied(key: BindKey, revision: str, connection: Connection) -> None:
        if key == bind.key:
            made = take_snapshot(connection)
            found[plan.rows_after(revision)] = replace(made, objects=(*made.objects, *not_made))

    try:
        with ExitStack() as stack:
            sources = {each.key: each.source for each in run.survey.binds}
            scratches = stack.enter_context(scratch_databases(sources))
            _fill(run, bind, scratches[bind.key])
            not_made.extend(_not_made(run, bind, scratches[bind.key]))
            run_environment(
                run.survey.migrations,
                scratches,
                steps,
                on_apply=applied,
                on_scratch=True,
                required=(bind.key,),
            )
    except (SchemaFlowError, RevisionFailed, AppSessionUsed):
        return None
    return found


def _fill(run: Run, bind: Bind, scratch: Connection) -> None:
    """Make the structure of the real database, at the revision that it has."""
    if database_exists(bind.engine):
        with reading_connection(bind.engine) as real:
            statements = real.exec_driver_sql(_STRUCTURE).scalars().all()
        raw: Any = scratch.connection.dbapi_connection
        for statement in statements:
            # A virtual table has made its shadow tables already; a module may be missing here.
            with contextlib.suppress(sqlite3.Error):
                raw.execute(statement)
    table = run.survey.version_tables[bind.key]
    create_version_table(scratch, table.name, table.schema, pk=table.pk)
    if not read_versions(scratch, table.name, table.schema):
        for revision in run.plans[bind.key].current:
            write_version(scratch, revision, table.name, table.schema)
    scratch.commit()


def _not_made(run: Run, bind: Bind, scratch: Connection) -> tuple[Object, ...]:
    """Give what could not be made there, such as virtual tables of a module that is not here."""
    real, made = run.survey.looks[bind.key].snapshot, {each.key for each in take_snapshot(scratch).objects}
    scratch.rollback()
    return tuple(each for each in real.objects if each.key not in made) if real is not None else ()
