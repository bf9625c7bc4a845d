"""Whether the disk of a SQLite file has room for what an upgrade writes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, text
from sqlalchemy.exc import DBAPIError

from ..errors import Refused
from ..findings import Finding, Severity
from ..hazards import rebuilt_tables
from ..session import database_exists, reading_connection, sqlite_path

if TYPE_CHECKING:
    from ..discovery import Bind
    from .hazards_of_plan import Recorded
    from .run import Run
    from .safeguards import Safeguard

BindKey = str | None

CODE = "too-little-space"

# https://sqlite.org/dbstat.html; a table and its indexes. Not every SQLite is built with it.
_SIZES = text(
    "SELECT tbl_name, sum(pgsize) FROM dbstat('main', 1) JOIN sqlite_master USING (name) "
    "WHERE lower(tbl_name) IN :tables GROUP BY tbl_name ORDER BY 2 DESC"
).bindparams(bindparam("tables", expanding=True))


def check_space(run: Run, recorded: Recorded, safeguards: Mapping[BindKey, Safeguard]) -> None:
    """Check that a rebuilt table fits on the disk twice, beside the backup if that goes there too. Read-only.

    Twice, since its pages go through SQLite's own log as well. What a server has free cannot be seen.

    :raises Refused: it does not.
    """
    for bind in run.survey.relevant:
        rebuilt = {name.lower() for each in recorded[bind.key] for name in rebuilt_tables(each)}
        if bind.family == "sqlite" and rebuilt and database_exists(bind.engine):
            safeguard = safeguards.get(bind.key)
            is_beside = safeguard is not None and safeguard.is_beside and safeguard.policy.command is None
            _check(bind, rebuilt, is_beside=is_beside)


def _check(bind: Bind, rebuilt: Iterable[str], *, is_beside: bool) -> None:
    file = sqlite_path(bind.engine)
    size, free = file.stat().st_size, shutil.disk_usage(file.parent).free
    backup = size if is_beside else 0
    if free >= backup + 2 * size:
        return  # whatever the tables have
    name, largest = _largest(bind, rebuilt)
    if free >= backup + 2 * largest:
        return
    beside = f" and a backup of {backup:,}" if backup else ""
    finding = Finding(
        code=CODE,
        subject=bind.label,
        severity=Severity.ERROR,
        message=f"The table {name} of {largest:,} bytes is rebuilt, for which twice as much has to be free"
        f"{beside}; {file.parent} has {free:,} bytes free.",
        hint="Make room" + (", or set SCHEMAFLOW_BACKUP_DIR to another disk." if backup else "."),
    )
    raise Refused(f"{finding.message} Nothing was changed. {finding.hint}", findings=(finding,))


def _largest(bind: Bind, tables: Iterable[str]) -> tuple[str, int]:
    """Give the largest of some tables with its bytes; of none where that cannot be known."""
    with suppress(DBAPIError), reading_connection(bind.engine) as connection:
        row = connection.execute(_SIZES, {"tables": list(tables)}).first()
        if row is not None:
            return str(row[0]), int(row[1])
    return "", 0
