"""What ``flask db upgrade`` does first in a database that has tables and no revision: find it, and stamp."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import sqlalchemy as sa
from flask import current_app

from .errors import SchemaFlowError
from .loading import command_running, is_command_running
from .revisions import concerns, read_revisions
from .session import database_exists
from .whereabouts import version_folders, version_table_of_app

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.engine import Engine

    from .matching import Found
    from .survey import Survey
    from .whereabouts import TableAndSchema

# What looks into a database is imported when there is one to look into: mostly there is not.

_SEARCH_TIME = 300.0  # seconds, as db-safe-upgrade has it


def stamp_before_upgrade(config: Any) -> None:
    """Write into databases that have tables and no revision whose structure it is.

    Only for ``flask db upgrade``, and only by the proof of ``db-safe-upgrade``; else a line on stderr says
    why not, and nothing is changed. A database with a revision is asked one query more. Writes version table
    and history only.

    :param config: Flask-Migrate's, as its ``configure`` callbacks get it.
    """
    context = click.get_current_context(silent=True)
    if context is None or is_command_running() or not _is_upgrade(context):
        return
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    folder = Path(config.get_main_option("script_location")).absolute()
    # Where it cannot be told what a database is, the upgrade itself says what is wrong.
    with command_running(), suppress(SchemaFlowError, sa.exc.SQLAlchemyError):
        if _lacks_revision(app, folder):
            _stamp(app, folder, tuple(context.params.get("x_arg") or ()))


def _is_upgrade(context: click.Context) -> bool:
    if context.info_name != "upgrade" or context.params.get("sql"):
        return False
    # The group may have another name in this app, but its commands are Flask-Migrate's.
    return getattr(context.command.callback, "__module__", None) == "flask_migrate.cli"


# -- what every upgrade asks -----------------------------------------------------------------------


def _lacks_revision(app: Flask, folder: Path) -> bool:
    """Say whether the version table of a database for which there are revisions has no row. Read-only.

    Where ``env.py`` makes up the name of the table nothing is asked.
    """
    table = version_table_of_app(app, folder)
    if table is None:
        return False
    engines = app.extensions["migrate"].db.engines
    lacking = [key for key, engine in engines.items() if not _has_row(engine, table)]
    if not lacking:
        return False
    folders, recursive = version_folders(folder)
    revisions = read_revisions(folders, recursive=recursive)
    return any(concerns(revision, key) for revision in revisions for key in lacking)


def _has_row(engine: Engine, table: TableAndSchema) -> bool:
    """Ask on the connection that ``env.py`` gets from the pool afterwards; no database lacks no row."""
    if not database_exists(engine):
        return True
    name, schema = table
    rows = sa.select(sa.literal(1)).select_from(sa.table(name, schema=schema)).limit(1)
    with engine.connect() as connection:
        try:
            return connection.execute(rows).first() is not None
        except sa.exc.DBAPIError:
            return False


# -- a database without a revision -----------------------------------------------------------------


def _stamp(app: Flask, folder: Path, x_args: tuple[str, ...]) -> None:
    from .state import State
    from .survey import Where, open_project, survey_project, tell_nobody

    project = open_project(app, Where(directory=str(folder), x_args=x_args), tell_nobody)
    survey = survey_project(project, with_discovery=False)
    unmanaged = [each for each in survey.relevant if survey.states[each.key].state is State.UNMANAGED]
    if not unmanaged:
        return
    targets = ", ".join(each.target for each in unmanaged)
    try:
        found = _found(survey, [each.key for each in unmanaged])
        _write(survey, found)
    except SchemaFlowError as error:
        if _lacks_revision(app, folder):  # else another process was faster
            _tell(
                f"{targets} has tables and no revision, so `flask db upgrade` begins with the first one. It "
                f"was not stamped: {error.message} `flask db-safe-upgrade --dry-run` shows the findings, "
                "`flask db-adopt` takes the database on."
            )
    else:
        but = ", but for what is accepted" if any(each.structural for each in found.drift) else ""
        _tell(f"{targets} was stamped {found.names}, whose structure it has{but}; no table was touched.")


def _found(survey: Survey, keys: list[str | None]) -> Found:
    """Find the revision that each database has the structure of, as ``db-safe-upgrade`` does. Read-only."""
    from .adoption import refuse_parts
    from .matching import find_equal
    from .preflight import check_reachable, check_servers
    from .refusals import check_covered, check_search_path
    from .version_column import check_ids_fit

    check_reachable(survey)
    check_servers(survey.binds, survey.settings)
    check_covered(survey)
    check_search_path(survey)
    refuse_parts(survey, keys)
    accepted = frozenset(survey.settings.accept)
    found = find_equal(survey, keys, search_time=_SEARCH_TIME, accepted=accepted)
    check_ids_fit(survey, {key: [revision] for key, revision in found.revisions.items()})
    return found


def _write(survey: Survey, found: Found) -> None:
    from .history import Event
    from .interrupts import uninterrupted
    from .stamping import unchanged_databases, write_revision

    with unchanged_databases(survey, found.revisions) as held, uninterrupted(stop_afterwards=True):
        for key, transaction in held.items():
            write_revision(survey, key, transaction, found.revisions[key], Event.STAMPED)
            transaction.commit()


def _tell(line: str) -> None:
    click.echo(" ".join(line.split()), err=True)
