"""Tables of others: which a setting names, and what the well-known ones are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .revisions import TableName
    from .snapshot import Object


@dataclass(frozen=True, kw_only=True)
class ForeignNames:
    """Which names are not ours in one database, whatever models and revisions say.

    ``patterns`` are of table names or, with a dot, of ``schema.table``; ``default_schema`` is what the engine
    calls the schema that need not be named.
    """

    patterns: tuple[str, ...] = ()
    default_schema: str | None = None

    def pattern_for(self, name: TableName) -> str | None:
        """Give the first pattern that names a table."""
        full = f"{name.schema or self.default_schema}.{name.name}"
        return next(
            (
                each
                for each in self.patterns
                if fnmatchcase(name.name, each) or ("." in each and fnmatchcase(full, each))
            ),
            None,
        )

    def without(self, names: Iterable[TableName]) -> frozenset[TableName]:
        """Leave out the names that are not ours."""
        return frozenset(name for name in names if self.pattern_for(name) is None)


NOTHING_NAMED = ForeignNames()


def foreign_names(settings: Iterable[str], key: str | None, default_schema: str | None) -> ForeignNames:
    """Give what ``SCHEMAFLOW_FOREIGN_TABLES`` says of one database.

    :param settings: the patterns; ``key:pattern`` is for the database with this bind key only, ``:pattern``
        for the default one.
    """
    own = []
    for pattern in settings:
        bind, colon, rest = pattern.rpartition(":")
        if not colon or bind == (key or ""):
            own.append(rest)
    return ForeignNames(patterns=tuple(own), default_schema=default_schema)


def databases_of_others(settings: Iterable[str]) -> frozenset[str | None]:
    """Give the bind keys of which ``SCHEMAFLOW_FOREIGN_TABLES`` says all tables (``logs:*``)."""
    named = (pattern.rpartition(":") for pattern in settings)
    return frozenset(key or None for key, colon, pattern in named if colon and pattern == "*")


def said_of(name: TableName, table: Object | None, names: ForeignNames) -> str:
    """Say what a table of others is, in words for people: why it is taken for one, and that it stays.

    :param table: its structure, where it was read.
    """
    label = name.name if name.schema is None else f"{name.schema}.{name.name}"
    pattern = names.pattern_for(name)
    if pattern is not None:
        return f"SCHEMAFLOW_FOREIGN_TABLES names the table {label} ({pattern}): left alone."
    owner = _virtual(table) or _known(name) or _shaped(table)
    if owner is not None:
        return f"The table {label} is {owner}, and in no model and no revision: left alone."
    return f"The table {label} is in no model and no revision: left alone."


def _virtual(table: Object | None) -> str | None:
    found = _VIRTUAL.match(table.definition) if table is not None else None
    if found is None:
        return None
    return f"a virtual table of SQLite's module {found['module']}, which keeps its rows elsewhere"


_VIRTUAL = re.compile(r"\s*CREATE\s+VIRTUAL\s+TABLE\s.*?\bUSING\s+[\"`\[]?(?P<module>\w+)", re.I | re.S)


def _known(name: TableName) -> str | None:
    for words, patterns in _OWNERS.items():
        if any(fnmatchcase(name.name.lower(), pattern) for pattern in patterns.split()):
            return words
    return _SCHEMAS.get(name.schema or "")


def _shaped(table: Object | None) -> str | None:
    """Recognise the version table of another chain by its only column."""
    parts = table.parts if table is not None else ()
    if [each.name for each in parts if each.kind == "column"] == ["version_num"]:
        return "the version table of other revisions of Alembic's, with their own tables beside it"
    return None


_SPATIAL = "of PostGIS or SpatiaLite"
_OWNERS = {
    _SPATIAL: "spatial_ref_sys spatial_ref_sys_* geometry_columns geometry_columns_* geography_columns "
    "raster_columns raster_overviews views_geometry_columns* virts_geometry_columns* spatialite_history "
    "sql_statements_log elementarygeometries spatialindex data_licenses knn knn2",
    "a job store of APScheduler": "apscheduler_jobs",
    "of Celery, which keeps results there": "celery_taskmeta celery_tasksetmeta",
    "a broker of Kombu, Celery's transport": "kombu_queue kombu_message",
    "of Procrastinate, a job queue": "procrastinate_*",
    "of a job queue": "graphile_worker_* oban_jobs oban_peers que_jobs delayed_jobs solid_queue_* qrtz_*",
    "of Django": "django_migrations django_content_type django_session django_admin_log django_site",
    "the history of Flyway's migrations": "flyway_schema_history",
    "of Liquibase": "databasechangelog databasechangeloglock",
    "the history of another migration tool": "schema_migrations ar_internal_metadata knex_migrations "
    "knex_migrations_lock _prisma_migrations __efmigrationshistory goose_db_version "
    "_yoyo_log _yoyo_migration _yoyo_version yoyo_lock",
    "the version table of other revisions of Alembic's, with their own tables beside it": "alembic_version "
    "alembic_version_*",
    "of Flask-AppBuilder": "ab_permission ab_permission_view ab_permission_view_role ab_register_user "
    "ab_role ab_user ab_user_role ab_view_menu ab_group ab_group_role ab_user_group",
}
_SCHEMAS = {
    "topology": _SPATIAL,
    "tiger": _SPATIAL,
    "tiger_data": _SPATIAL,
    "cron": "of pg_cron",
    "pgboss": "of pg-boss, a job queue",
    "graphile_worker": "of a job queue",
    "procrastinate": "of Procrastinate, a job queue",
}
