"""Whether the version table can hold the ids of the revisions that are to run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import Refused
from ..findings import Finding, Severity
from ..revisions import TableName

if TYPE_CHECKING:
    from ..discovery import Bind
    from .run import Run

_ALEMBICS = 32
"""What Alembic makes it, where there is no table yet (``DefaultImpl.version_table_impl``)."""
_LENGTH = re.compile(r"char\w*(?: varying)?\((\d+)\)", re.IGNORECASE)


def check_ids_fit(run: Run) -> None:
    """Check that no pending revision has an id that is longer than the version column. Read-only.

    SQLite keeps whatever length it is given. Elsewhere the revision would run, and could not be noted.

    :raises Refused: one has.
    """
    for bind in run.survey.relevant:
        width = _width(run, bind)
        if bind.family == "sqlite" or width is None:
            continue
        for step in run.plans[bind.key].steps:
            if len(step.revision) > width:
                finding = _too_long(run, bind, step.revision, width)
                raise Refused(f"{bind.target}: {finding.message} {finding.hint}", findings=(finding,))


def _width(run: Run, bind: Bind) -> int | None:
    """Give the length of the column; None where it has no limit."""
    look, table = run.survey.looks[bind.key], run.survey.version_tables[bind.key]
    if look.snapshot is None or look.versions is None:
        return _ALEMBICS
    (name,) = look.spelled([(table.schema, table.name)])
    for each in look.snapshot.tables:
        if TableName(each.schema, each.name) == name:
            types = (part.facts.get("type", "") for part in each.parts if part.name == "version_num")
            found = _LENGTH.search(next(types, ""))
            return int(found[1]) if found else None
    return _ALEMBICS


def _too_long(run: Run, bind: Bind, revision: str, width: int) -> Finding:
    table = run.survey.version_tables[bind.key].name
    file = next(each.file for each in run.survey.revisions if each.id == revision)
    if run.survey.looks[bind.key].versions is None:
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
