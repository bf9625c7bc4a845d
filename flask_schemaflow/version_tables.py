"""Where the revision of each database stands: by ``Migrate``'s arguments, else by ``env.py``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .errors import ConfigurationError
from .history import OWN_TABLES
from .migrations import Configured, Folder, Migrations, ask_environment
from .revisions import TableName
from .scratch import NoScratch, scratch_databases
from .session import reading_connection
from .versions import DEFAULT_TABLE

if TYPE_CHECKING:
    from .discovery import Bind

BindKey = str | None


@dataclass(frozen=True, kw_only=True)
class VersionTable:
    """Where the revision of a database stands."""

    name: str = DEFAULT_TABLE
    schema: str | None = None
    pk: bool = True

    def tables(self, default_schema: str | None) -> frozenset[TableName]:
        """Give the tables that keep books, and are nobody's structure, as a snapshot names them."""
        schema = None if self.schema == default_schema else self.schema
        own = {TableName(where, name) for where in (None, schema) for name in OWN_TABLES}
        return frozenset({TableName(schema, self.name), *own})


def version_table_of_migrate(migrations: Migrations) -> VersionTable:
    """Give the version table that ``Migrate(…)`` was told, else Alembic's own."""
    return VersionTable(
        name=migrations.version_table_setting("version_table") or DEFAULT_TABLE,
        schema=migrations.version_table_setting("version_table_schema"),
    )


def version_table_of(configured: Configured) -> VersionTable:
    """Give the version table that ``env.py`` configured."""
    return VersionTable(
        name=configured.version_table,
        schema=configured.version_table_schema,
        pk=configured.options.get("version_table_pk", True),
    )


def version_tables_of(
    configured: Mapping[BindKey, Configured], binds: Iterable[Bind]
) -> dict[BindKey, VersionTable]:
    """Give the version table of each database that ``env.py`` configured.

    :raises ConfigurationError: it names two for one database.
    """
    tables: dict[BindKey, VersionTable] = {}
    for bind in binds:
        found = {
            each.label: version_table_of(configured[each.key])
            for each in bind.members
            if each.key in configured
        }
        if len(set(found.values())) > 1:
            named = ", ".join(f"{table.name} for {label}" for label, table in found.items())
            raise ConfigurationError(
                f"env.py names several version tables in one database, {bind.target} ({named}). Binds that "
                "share a database share its version table too: name one for all."
            )
        if found:
            tables[bind.key] = next(iter(found.values()))
    return tables


def find_version_tables(migrations: Migrations, binds: Iterable[Bind]) -> dict[BindKey, VersionTable]:
    """Say where each database's revision stands: by ``Migrate``'s arguments, else by ``env.py``.

    Never touches the real databases: ``env.py`` is asked on scratch, and read where there is none.

    :raises NoScratch: there is none, and ``env.py`` does not say it in so many words.
    :raises ConfigurationError: an engine's ``schema_translate_map`` hides the table from Alembic.
    """
    binds = tuple(binds)
    tables = {bind.key: version_table_of_migrate(migrations) for bind in binds}
    if migrations.folder is Folder.COMPLETE and migrations.environment_names_version_table:
        tables |= _version_tables_of_environment(migrations, binds)
    for bind in binds:
        _check_translation(bind, tables[bind.key].schema)
    return tables


def _version_tables_of_environment(
    migrations: Migrations, binds: Iterable[Bind]
) -> dict[BindKey, VersionTable]:
    binds = tuple(binds)
    try:
        with scratch_databases({bind.key: bind.source for bind in binds}) as scratches:
            configured = ask_environment(migrations, scratches, required=())
    except NoScratch:
        written = migrations.version_table_in_environment
        if written is None:
            raise
        table = version_table_of_migrate(migrations)
        named = {_FIELDS[name]: value for name, value in written.items() if name in _FIELDS}
        return {bind.key: replace(table, **named) for bind in binds}
    return version_tables_of(configured, binds)


_FIELDS = {"version_table": "name", "version_table_schema": "schema", "version_table_pk": "pk"}


def _check_translation(bind: Bind, schema: str | None) -> None:
    """Check that Alembic finds its table where it makes it: it asks for the name as it was given."""
    if bind.translated(schema) == schema:
        return
    with reading_connection(bind.engine) as connection:
        default = connection.dialect.default_schema_name
    made_in, asked_for = (each or default for each in (bind.translated(schema), schema))
    if made_in != asked_for:
        raise ConfigurationError(
            f"The schema_translate_map of {bind.target} leads {schema or 'the default schema'} to {made_in}. "
            "Alembic makes its version table there, and does not find it again. Say where it is: "
            f"Migrate(app, db, version_table_schema={made_in!r})."
        )
