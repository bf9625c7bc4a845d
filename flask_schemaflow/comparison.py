"""What ``flask db migrate`` and ``check`` compare: all models, and no table of others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from .autogenerate import enums_written
from .config import read_settings
from .discovery import Bind, discover, find_binds
from .foreign import databases_of_others
from .recording import paper_dialect
from .revisions import Revision, TableName, parents_first, read_revisions, tables_in
from .session import database_exists, reading_connection
from .whereabouts import version_folders

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.engine import Dialect

    from .findings import Finding


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is known before models and database are compared.

    ``ours`` are the names of the tables that models or revisions have, in lower case, by bind key;
    ``tables`` is how many the models have; ``revisions`` are the files that are there; ``findings`` are what
    to tell; ``on_paper`` are the dialects on which a revision will run besides that of the database;
    ``scratch_uris`` are the given scratch databases, by bind key; ``enums`` are the values that
    revisions name; ``default_metadata`` is that of the default database's models.
    """

    ours: Mapping[str | None, frozenset[str]]
    tables: int
    revisions: frozenset[Path]
    findings: tuple[Finding, ...]
    on_paper: tuple[Dialect, ...]
    scratch_uris: Mapping[str | None, str]
    enums: Mapping[str, Sequence[str]]
    default_metadata: sa.MetaData | None


def prepare_comparison(app: Flask, directory: Path) -> Comparison:
    """Bring every model into the metadata, and say which tables are ours.

    Needs an application context. Read-only for the databases; imports models that the app does not.

    :param directory: the migrations folder.
    :raises ModelsMissing: there is no table at all, or a module whose table the database has cannot be
        imported.
    :raises ConfigurationError: a setting or the environment is wrong.
    """
    settings = read_settings(app.config, os.environ)
    metadata = getattr(app.extensions.get("schemaflow"), "metadata", None)
    left_out = databases_of_others(settings.foreign_tables)
    binds = find_binds(app, metadata=metadata, import_string=settings.metadata, left_out=left_out)
    revisions = _revisions_in(directory)
    in_revisions = {bind.key: tables_in(revisions, bind.key) for bind in binds}
    discovery = discover(
        app,
        binds,
        settings,
        in_database={bind.key: _tables_of(bind, in_revisions[bind.key]) for bind in binds},
        in_revisions=frozenset().union(*in_revisions.values()),
        keeps_new=True,
    )
    return Comparison(
        ours={bind.key: _names((*bind.tables, *in_revisions[bind.key])) for bind in binds},
        tables=sum(len(bind.tables) for bind in binds),
        revisions=frozenset(each.file for each in revisions),
        findings=tuple(each for each in discovery.findings if each.code == "unimported-model"),
        on_paper=tuple(paper_dialect(family) for family in settings.engines),
        scratch_uris=settings.scratch_uri or {},
        enums=enums_written(each.file for each in _in_order(revisions)),
        default_metadata=next((bind.metadata for bind in binds if bind.key is None), None),
    )


def _names(tables: Iterable[sa.Table | TableName]) -> frozenset[str]:
    return frozenset(each.name.lower() for each in tables)


def _in_order(revisions: Iterable[Revision]) -> list[Revision]:
    by_id = {each.id: each for each in revisions}
    return parents_first(by_id, by_id)


def files_of_revisions(directory: Path) -> frozenset[Path]:
    """Give the revision files that are there now. Read-only."""
    return frozenset(each.file for each in _revisions_in(directory))


def _revisions_in(directory: Path) -> tuple[Revision, ...]:
    # Not by Alembic's configuration: Flask-Migrate is about to make it, and asks us for that.
    folders, recursive = version_folders(directory)
    return read_revisions(folders, recursive=recursive)


def _tables_of(bind: Bind, in_revisions: frozenset[TableName]) -> frozenset[TableName]:
    """Give the tables of a database, in the schemas that models or revisions name."""
    if not database_exists(bind.engine):
        return frozenset()
    named = {table.schema for table in bind.metadata.tables.values()} | {each.schema for each in in_revisions}
    with reading_connection(bind.engine) as connection:
        inspector = sa.inspect(connection)
        there = {None, *named.intersection(inspector.get_schema_names())}
        return frozenset(
            TableName(schema, name) for schema in there for name in inspector.get_table_names(schema)
        )
