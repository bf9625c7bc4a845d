"""Say that there is nothing to do, without a lock, a look at any table or an import of any revision."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..history import OPEN_OUTCOMES
from ..revisions import heads_of, source_of
from ..session import database_exists, reading_connection
from ..version_tables import version_table_of_migrate
from ..versions import glance_at

if TYPE_CHECKING:
    from ..survey import Project

BindKey = str | None


def is_at_head(
    project: Project, target: str | None, note: Callable[[BindKey, str], None]
) -> Mapping[BindKey, str] | None:
    """Give the revision of each database if all are at the single head; None if that is not sure.

    One query a database. A failure that nobody has mended is not sure. Read-only.

    :param target: what was asked for; anything but the head is looked at properly.
    :param note: told at which revision a database is, wherever that was read.
    """
    heads = heads_of(project.revisions)
    if len(heads) != 1 or target not in (None, "head", "heads", *heads):
        return None
    if project.migrations.environment_names_version_table:
        return None
    (head,) = heads
    table = version_table_of_migrate(project.migrations)
    found: dict[BindKey, str] = {}
    for bind in project.binds:
        glance = None
        if database_exists(bind.engine):
            with reading_connection(bind.engine) as connection:
                glance = glance_at(connection, table.name, table.schema, with_history=project.keeps_history)
        if glance is not None and len(glance.versions) == 1:
            note(bind.key, glance.versions[0])
        if glance is not None and glance.last_outcome in OPEN_OUTCOMES:
            return None
        rows = glance.versions if glance is not None else None
        if rows == (head,):
            found[bind.key] = head
        elif rows or bind.tables or any(_has_function(project, head, each.key) for each in bind.members):
            return None
    return found or None


def _has_function(project: Project, head: str, key: BindKey) -> bool:
    """Say whether the head revision has something for this bind; the default one always counts."""
    if key is None:
        return True
    file = next(revision.file for revision in project.revisions if revision.id == head)
    source = source_of(file)
    return re.search(rf"^def upgrade_{re.escape(key)}\b", source, re.MULTILINE) is not None
