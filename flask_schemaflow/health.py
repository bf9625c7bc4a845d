"""Say whether an app's databases fit its code: for readiness probes, and for a web worker that starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool, QueuePool

from .config import Settings, read_setting
from .errors import Busy, ConfigurationError, NotCurrent
from .foreign import databases_of_others
from .guards import in_command
from .history import OPEN_OUTCOMES, TABLE, read_history
from .revisions import Rows, concerns, newest_rows, read_revisions
from .session import AT_WORK, database_exists, explained, reading_connection, target_of
from .versions import Glance, glance_at
from .whereabouts import TableAndSchema, find_folder, version_folders, version_table_of_app

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.engine import Connection, Engine

BindKey = str | None


def is_current(*, if_ahead: bool = True) -> bool:
    """Say whether every database of the current app is at the newest revision of this code. Read-only.

    For readiness probes. Needs an application context. Reads the revision files once per process, and
    imports neither them nor Alembic. Asks each database once, through the app's pool. A database that does
    not answer is not current, nor is one in which a run left parts of a revision; one in which a revision
    runs now is what it was before.

    :param if_ahead: what a database counts as that a newer release has upgraded, by its history.
    :raises ConfigurationError: the migrations folder is not there, or a database refuses the app.
    """
    try:
        _check(if_ahead=if_ahead)
    except (NotCurrent, Busy):
        return False
    return True


def require_current() -> None:
    """Refuse to go on unless every database of the current app is at the newest revision. Read-only.

    For a web worker that starts. Needs an application context. A database that a newer release has upgraded
    will do. Does nothing while a command of ours, or ``flask db …``, runs: what loads the app then is
    perhaps about to upgrade.

    :raises NotCurrent: a database is not; the message says which, and what to do.
    :raises Busy: a database does not answer.
    :raises ConfigurationError: the migrations folder is not there, or a database refuses the app.
    """
    if not in_command():
        _check(if_ahead=True)


def _check(*, if_ahead: bool) -> None:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    db = _db_of(app)
    code = _read_code(find_folder(app), tuple(db.engines))
    table = version_table_of_app(app)
    if table is None:
        raise ConfigurationError(
            "env.py makes up the name of its version table, so it is not known here. Write it there, or say "
            "Migrate(app, db, version_table=…)."
        )
    others = databases_of_others(_setting(app, "foreign_tables"))
    standings = {
        key: _standing(app, engine, code.ids, table)
        for key, engine in db.engines.items()
        if key not in others
    }
    counting = [
        key
        for key, standing in standings.items()
        if standing.rows or key in code.concerned or getattr(db.metadatas.get(key), "tables", None)
    ]
    if not counting or not code.newest:
        raise NotCurrent("The app has no revisions, or none of its databases should have tables.")
    for key in counting:
        _judge(standings[key], code, target_of(db.engines[key]), if_ahead=if_ahead)


def _db_of(app: Flask) -> Any:
    db = app.extensions.get("sqlalchemy")
    if not hasattr(db, "metadatas"):
        raise ConfigurationError(f"The app {app.import_name!r} has no Flask-SQLAlchemy 3.1 or newer.")
    return db


@dataclass(frozen=True, kw_only=True)
class _Code:
    """What the revisions of this code are, and for which binds they have something to run."""

    ids: frozenset[str]
    newest: Rows
    concerned: frozenset[BindKey]


@lru_cache
def _read_code(folder: Path, keys: tuple[BindKey, ...]) -> _Code:
    """Read the revisions of a folder, once per process."""
    folders, recursive = version_folders(folder)
    revisions = read_revisions(folders, recursive=recursive)
    return _Code(
        ids=frozenset(each.id for each in revisions),
        newest=newest_rows(revisions),
        concerned=frozenset(key for key in keys if any(concerns(each, key) for each in revisions)),
    )


# -- one database ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """What one database says.

    ``rows`` of the version table are None where there is none, or no other table, or a revision half way
    in. ``last_outcome`` is how the newest run ended; ``reached`` are revisions that the database was brought
    to, asked for only where a row is unknown to this code.
    """

    rows: tuple[str, ...] | None = None
    last_outcome: str | None = None
    reached: frozenset[str] = frozenset()


def _standing(app: Flask, engine: Engine, ids: frozenset[str], table: TableAndSchema) -> _Standing:
    if not database_exists(engine):
        return _Standing()
    with _explained(engine):
        try:
            return _asked(app, engine, ids, table)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            # The server had ended a session that lay in the pool. Its next one is new.
            return _asked(app, engine, ids, table)


def _asked(app: Flask, engine: Engine, ids: frozenset[str], table: TableAndSchema) -> _Standing:
    name, schema = table
    with _connection(engine) as connection:
        glance = _glance(app, connection, name, schema)
        if glance is None:
            return _Standing()
        reached: frozenset[str] = frozenset()
        if not ids.issuperset(glance.versions) and glance.last_outcome is not None:
            reached = read_history(connection, schema, revisions=glance.versions).revisions
    return _Standing(rows=glance.versions, last_outcome=glance.last_outcome, reached=reached)


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    """Turn the errors of a database, and of a pool that has no connection to give, into ours."""
    try:
        with explained(engine):
            yield
    except PoolTimeout as error:
        raise Busy(
            f"No connection to {target_of(engine)} was free in time: the app's pool is used up. Try again."
        ) from error


def _glance(app: Flask, connection: Connection, name: str, schema: str | None) -> Glance | None:
    """Ask once; where there was no history before, look first whether there is one now.

    A server writes every query that fails into its log, and a probe asks every few seconds.
    """
    extension = app.extensions.get("schemaflow")
    without = extension.without_history if extension is not None else None
    keeps = without is not None and bool(_setting(app, "history"))
    if keeps and without is not None and connection.engine in without:
        keeps = sa.inspect(connection).has_table(TABLE, schema)
    glance = glance_at(connection, name, schema, with_history=keeps, at_work=AT_WORK)
    if keeps and without is not None and glance is not None and glance.last_outcome is None:
        without.add(connection.engine)
    return glance


def _setting(app: Flask, name: str) -> Any:
    """Read a setting; one that is wrong stops our commands, never a web worker."""
    try:
        return read_setting(name, app.config, os.environ)
    except ConfigurationError:
        return getattr(Settings, name)


@contextmanager
def _connection(engine: Engine) -> Iterator[Connection]:
    """Connect through the app's pool; where that has one connection for all, on one of our own.

    Giving the only one back would end the transaction that the app has open on it.
    """
    if isinstance(engine.pool, QueuePool | NullPool):
        with engine.connect() as connection:
            yield connection
    else:
        with reading_connection(engine) as connection:
            yield connection


def _judge(standing: _Standing, code: _Code, target: str, *, if_ahead: bool) -> None:
    """Check one database.

    :raises NotCurrent: it is not current.
    """
    if standing.last_outcome in OPEN_OUTCOMES:
        raise NotCurrent(
            f"{target} is {standing.last_outcome} since its last upgrade: see `flask db-status`."
        )
    if not standing.rows:
        raise NotCurrent(
            f"{target} has no revision, no tables, or parts of one revision: run `flask db-safe-upgrade`."
        )
    if standing.rows == code.newest:
        return
    rows, heads = ", ".join(standing.rows), ", ".join(code.newest)
    if code.ids.issuperset(standing.rows):
        raise NotCurrent(f"{target} is at {rows}, and this code needs {heads}: run `flask db-safe-upgrade`.")
    if not standing.reached.issuperset(standing.rows):
        raise NotCurrent(
            f"{target} is at {rows}, which neither this code nor the history of the database knows."
        )
    if not if_ahead:
        raise NotCurrent(f"{target} is at {rows}, ahead of this code, which has {heads}.")
