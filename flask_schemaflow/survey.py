"""Look at an app's databases, revisions and models together, before anything is decided."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .config import Settings, overridden, read_settings
from .discovery import (
    Bind,
    Discovery,
    discover,
    find_binds,
    refuse_in_memory,
    registered_db,
    share_databases,
    with_direct_engines,
    with_scratch_uris,
)
from .errors import ConfigurationError
from .foreign import databases_of_others, foreign_names
from .history import TABLE, History, read_history
from .migrations import Migrations, open_migrations
from .revisions import Revision, TableName, concerns, tables_in
from .session import Patience, database_exists, reading_connection, schemas_searched
from .snapshot import Snapshot, readings
from .state import DatabaseState, Facts, classify, partition_names, table_names
from .version_tables import VersionTable, find_version_tables
from .versions import read_versions

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.engine import Connection

    from .loading import LoadingRecord

BindKey = str | None
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})
Notify = Callable[[str], None]


def tell_nobody(_line: str) -> None:
    """Be the ``notify`` of a caller who does not want to hear."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was read of one database at one moment; all None where there is no database yet.

    ``default_schema`` is what the engine calls the schema that need not be named; ``search_path`` are all
    schemas in which names without one are looked for, where there may be several (PostgreSQL); ``history``
    is what we did there before.
    """

    versions: tuple[str, ...] | None = None
    snapshot: Snapshot | None = None
    history: History = field(default=History(), compare=False)
    default_schema: str | None = field(default=None, compare=False)
    search_path: tuple[str, ...] = field(default=(), compare=False)

    def spelled(self, names: Iterable[tuple[str | None, str]]) -> frozenset[TableName]:
        """Give table names, by (schema, name), without the schema where it is the default one."""
        return frozenset(
            TableName(None if schema == self.default_schema else schema, name) for schema, name in names
        )


@dataclass(frozen=True, kw_only=True)
class Project:
    """An app with its databases, settings and revisions, before any database was read.

    ``has_db_group`` says whether the app has ``flask db``; ``keeps_history`` whether what is done is
    recorded in its databases; ``patience`` how long to wait for others.
    """

    app: Flask
    settings: Settings
    binds: tuple[Bind, ...]
    migrations: Migrations
    revisions: tuple[Revision, ...]
    has_db_group: bool
    keeps_history: bool
    patience: Patience


@dataclass(frozen=True, kw_only=True)
class Survey(Project):
    """Everything that a flow decides on, keyed by bind where it is of one database."""

    version_tables: Mapping[BindKey, VersionTable]
    looks: Mapping[BindKey, Look]
    states: Mapping[BindKey, DatabaseState]
    discovery: Discovery | None = None

    @property
    def bookkeeping(self) -> dict[BindKey, frozenset[TableName]]:
        """The tables that are no structure, by bind key."""
        return {
            key: table.tables(self.looks[key].default_schema) for key, table in self.version_tables.items()
        }

    @cached_property
    def relevant(self) -> tuple[Bind, ...]:
        """The binds that have, or should have, tables of ours or a revision."""
        return tuple(bind for bind in self.binds if self._is_relevant(bind))

    def _is_relevant(self, bind: Bind) -> bool:
        state = self.states[bind.key]
        return bool(state.expected or state.versions) or any(
            concerns(revision, each.key) for revision in self.revisions for each in bind.members
        )

    def ours(self, key: BindKey, *made: Snapshot) -> Snapshot:
        """Give the real structure of our tables in one database.

        :param made: what revisions or models made on scratch; tables in it are ours too.
        """
        snapshot = self.looks[key].snapshot
        assert snapshot is not None
        return only_ours(snapshot, self.states[key].ours_with(*made))


def only_ours(snapshot: Snapshot, ours: Iterable[TableName]) -> Snapshot:
    """Keep our tables and what belongs to them."""
    return snapshot.of_tables((name.schema, name.name) for name in ours)


def ahead(survey: Survey, bind: Bind) -> str:
    """Say who brought a database to a revision that this code does not have."""
    revision = survey.states[bind.key].revision
    entry = survey.looks[bind.key].history.reached(str(revision))
    assert entry is not None
    release = f"release {entry.app_release}" if entry.app_release else "another release"
    return (
        f"{bind.target} is at revision {revision}, which {release} applied at {entry.when} (on {entry.host}) "
        "and which this code does not have."
    )


def upgrade_command(survey: Survey) -> str:
    """Name the command that upgrades; it makes a SQLite file that is not there only when it is told to."""
    is_there = all(database_exists(bind.engine) for bind in survey.relevant)
    return "`flask db-safe-upgrade`" if is_there else "`flask db-safe-upgrade --create`"


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which migrations folder, and what ``env.py`` is told."""

    directory: str | None = None
    x_args: tuple[str, ...] = ()


def open_project(
    app: Flask, where: Where, notify: Notify, *, options: Mapping[str, Any] = NO_OPTIONS
) -> Project:
    """Read settings, binds and revisions of an app. Read-only; no database is opened.

    Needs an application context.

    :param options: those of a command that win over settings of the same name; None where not given.
    :raises ConfigurationError: something is wrong or not there.
    """
    settings = overridden(read_settings(app.config, os.environ), options)
    metadata = getattr(app.extensions.get("schemaflow"), "metadata", None)
    left_out = databases_of_others(settings.foreign_tables)
    binds = find_binds(app, metadata=metadata, import_string=settings.metadata, left_out=left_out)
    if not binds:
        raise ConfigurationError("SCHEMAFLOW_FOREIGN_TABLES leaves no database of the app's.")
    binds = with_scratch_uris(binds, settings.scratch_uri or {})
    binds = share_databases(with_direct_engines(app, binds, settings.database_uri or {}))
    for bind in binds:
        notify(f"Database    {bind.target} ({', '.join(each.label for each in bind.members)})")
    has_extension = "schemaflow" in app.extensions
    has_db_group = "migrate" in app.extensions or has_extension
    migrations = open_migrations(app, registered_db(app), directory=where.directory, x_args=where.x_args)
    notify(f"Migrations  {migrations.directory}")
    return Project(
        app=app,
        settings=settings,
        binds=binds,
        migrations=migrations,
        revisions=migrations.read_revisions(),
        has_db_group=has_db_group,
        keeps_history=settings.history and has_extension and migrations.leaves_own_tables_alone,
        patience=Patience(
            lock_wait=settings.lock_wait,
            lock_timeout=settings.lock_timeout,
            statement_timeout=settings.statement_timeout,
            retries=settings.retries,
            tell=notify,
        ),
    )


def survey_project(
    project: Project,
    *,
    with_discovery: bool,
    loading: LoadingRecord | None = None,
    branches_named: bool = False,
) -> Survey:
    """Read every database and (for comparing models) bring every model into the metadata.

    Read-only for the databases.

    :param with_discovery: import the models that the app itself does not.
    :param branches_named: several heads are what was asked for.
    :raises SchemaFlowError: something cannot be read, or is not there.
    """
    binds, revisions = project.binds, project.revisions
    version_tables = find_version_tables(project.migrations, binds)
    looks = {bind.key: look_at(bind, version_tables[bind.key]) for bind in binds}
    in_revisions = {bind.key: _tables_in_revisions(revisions, bind) for bind in binds}
    discovery = None
    if with_discovery:
        discovery = discover(
            project.app,
            tuple(each for bind in binds for each in bind.members),
            project.settings,
            in_database={
                each.key: _as_models_say(bind, looks[bind.key]) for bind in binds for each in bind.members
            },
            in_revisions=frozenset().union(*in_revisions.values()),
            record=loading,
            every_thread=loading is not None,
        )
    states = {
        bind.key: classify(
            Facts(
                revisions=revisions,
                versions=looks[bind.key].versions,
                tables=table_names(looks[bind.key].snapshot),
                in_models=looks[bind.key].spelled(
                    (bind.translated(table.schema), table.name) for table in bind.tables
                ),
                in_revisions=looks[bind.key].spelled(
                    (bind.translated(each.schema), each.name) for each in in_revisions[bind.key]
                ),
                never_ours=foreign_names(
                    project.settings.foreign_tables,
                    bind.key,
                    looks[bind.key].default_schema or bind.engine.dialect.default_schema_name,
                ),
                bookkeeping=version_tables[bind.key].tables(looks[bind.key].default_schema),
                partitions=partition_names(looks[bind.key].snapshot),
                family=bind.family,
                applied=looks[bind.key].history.revisions,
                branches_named=branches_named,
            )
        )
        for bind in binds
    }
    survey = Survey(
        **vars(project),
        version_tables=version_tables,
        looks=looks,
        states=states,
        discovery=discovery,
    )
    refuse_in_memory(survey.relevant)
    return survey


def _tables_in_revisions(revisions: Iterable[Revision], bind: Bind) -> frozenset[TableName]:
    return frozenset().union(*(tables_in(revisions, each.key) for each in bind.members))


def _as_models_say(bind: Bind, look: Look) -> frozenset[TableName]:
    """Give the tables of a database, each in the schema that the engine translates to its own."""
    back = {bind.translated(schema): schema for schema in bind.translations}
    back = {None if there == look.default_schema else there: schema for there, schema in back.items()}
    return frozenset(
        TableName(back.get(each.schema, each.schema), each.name) for each in table_names(look.snapshot)
    )


Known = Callable[[tuple[str, ...]], Snapshot | None]


def _nothing_known(_versions: tuple[str, ...]) -> None:
    return None


def look_at(bind: Bind, version_table: VersionTable, known: Known = _nothing_known) -> Look:
    """Read one database; an empty look where there is none yet. Read-only.

    :param known: gives what the structure was at a revision; then what other sessions have locked on
        PostgreSQL is taken to be as it was, and not waited for.
    """
    if not database_exists(bind.engine):
        return Look()
    with reading_connection(bind.engine) as connection:
        return read_look(connection, version_table, known)


def read_look(connection: Connection, version_table: VersionTable, known: Known = _nothing_known) -> Look:
    """Read version rows, structure and history on a connection, see ``look_at``. Read-only."""
    versions = read_versions(connection, version_table.name, version_table.schema)
    snapshot = next(readings(connection, known(versions or ())))
    look = Look(
        versions=versions,
        snapshot=snapshot,
        default_schema=connection.dialect.default_schema_name,
        search_path=schemas_searched(connection),
    )
    if look.spelled([(version_table.schema, TABLE)]) <= table_names(snapshot):
        history = read_history(connection, version_table.schema, revisions=versions or ())
        look = replace(look, history=history)
    return look
