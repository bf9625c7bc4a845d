"""Whether the version table can hold the ids of revisions that are to be noted in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from .errors import Refused
from .findings import Finding, Severity
from .revisions import TableName

if TYPE_CHECKING:
    from .discovery import Bind
    from .survey import Survey

_ALEMBICS = 32
"""What Alembic makes it, where there is no table yet (``DefaultImpl.version_table_impl``)."""
_LENGTH = re.compile(r"char\w*(?: varying)?\((\d+)\)", re.IGNORECASE)


def check_ids_fit(survey: Survey, ids: Mapping[str | None, Iterable[str]]) -> None:
    """Check that no revision has an id that is longer than the version column. Read-only.

    SQLite keeps whatever length it is given. Elsewhere the revision would run, and could not be noted.

    :param ids: the revisions that are to be noted, by bind key.
    :raises Refused: one has.
    """
    for bind in survey.relevant:
        width = _width(survey, bind)
        if bind.family == "sqlite" or width is None:
            continue
        for revision in ids.get(bind.key, ()):
            if len(revision) > width:
                finding = _too_long(survey, bind, revision, width)
                raise Refused(f"{bind.target}: {finding.message} {finding.hint}", findings=(finding,))


def _width(survey: Survey, bind: Bind) -> int | None:
    """Give the length of the column; None where it has no limit."""
    look, table = survey.looks[bind.key], survey.version_tables[bind.key]
    if look.snapshot is None or look.versions is None:
        return _ALEMBICS
    (name,) = look.spelled([(table.schema, table.name)])
    for each in look.snapshot.tables:
        if TableName(each.schema, each.name) == name:
            types = (part.facts.get("type", "") for part in each.parts if part.name == "version_num")
            found = _LENGTH.search(next(types, ""))
            return int(found[1]) if found else None
    return _ALEMBICS


def _too_long(survey: Survey, bind: Bind, revision: str, width: int) -> Finding:
    table = survey.version_tables[bind.key].name
    file = next(each.file for each in survey.revisions if each.id == revision)
    if survey.looks[bind.key].versions is None:
        wider = f"CREATE TABLE {table} (version_num VARCHAR({len(revision)}) NOT NULL PRIMARY KEY)"
    elif bind.family == "postgresql":
        wider = f"ALTER TABLE {table} ALTER COLUMN version_num TYPE VARCHAR({len(revision)})"
    else:
        wider = f"ALTER TABLE {table} MODIFY version_num VARCHAR({len(revision)}) NOT NULL"
    return Finding(
        code="revision-id-too-long",
        subject=revision,
        severity=Severity.ERROR,
        message=f"The revision id {revision!r} has {len(revision)} characters, and {table}.version_num holds "
        f"{width}.",
        hint=f"Give it a shorter id, or make the column wide enough: {wider}",
        revision=revision,
        file=str(file),
    )
