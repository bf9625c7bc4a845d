"""Say that there is nothing to do, without a lock, a look at any table or an import of any revision."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..history import OPEN_OUTCOMES
from ..revisions import Rows, heads_of, in_words, newest_rows, source_of
from ..session import database_exists, reading_connection
from ..version_tables import version_table_of_migrate
from ..versions import glance_at

if TYPE_CHECKING:
    from ..survey import Project

BindKey = str | None


def is_at_head(
    project: Project, target: str | None, note: Callable[[BindKey, str], None]
) -> Mapping[BindKey, str] | None:
    """Say where each database is if all are at the head, or all heads; None if that is not sure.

    One query a database. A failure that nobody has mended is not sure. Read-only.

    :param target: what was asked for; anything but the single head, or all, is looked at properly.
    :param note: told at which revision a database is, wherever that was read.
    """
    heads = heads_of(project.revisions)
    if target != "heads" and (len(heads) != 1 or target not in (None, "head", *heads)):
        return None
    if project.migrations.environment_names_version_table:
        return None
    newest = newest_rows(project.revisions)
    table = version_table_of_migrate(project.migrations)
    found: dict[BindKey, str] = {}
    for bind in project.binds:
        glance = None
        if database_exists(bind.engine):
            with reading_connection(bind.engine) as connection:
                glance = glance_at(connection, table.name, table.schema, with_history=project.keeps_history)
        if glance is not None and glance.versions:
            note(bind.key, in_words(glance.versions))
        if glance is not None and glance.last_outcome in OPEN_OUTCOMES:
            return None
        rows = glance.versions if glance is not None else None
        if rows == newest:
            found[bind.key] = in_words(newest)
        elif rows or bind.tables or any(_has_function(project, heads, each.key) for each in bind.members):
            return None
    return found or None


def _has_function(project: Project, heads: Rows, key: BindKey) -> bool:
    """Say whether a head revision has something for this bind; the default one always counts."""
    if key is None:
        return True
    sources = (source_of(revision.file) for revision in project.revisions if revision.id in heads)
    return any(re.search(rf"^def upgrade_{re.escape(key)}\b", each, re.MULTILINE) for each in sources)
