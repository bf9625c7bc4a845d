"""Try whether a backup can be brought back: on scratch, compared with the real database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..backup import Backup, restored_on_scratch
from ..drift import find_drift
from ..errors import BackupFailed, Refused
from ..findings import Finding
from ..session import explained, reading_connection
from ..snapshot import take_snapshot

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..discovery import Bind


def try_restore(bind: Bind, backup: Backup) -> tuple[Finding, ...]:
    """Bring a backup back on scratch and compare structure and numbers of rows. Read-only.

    :returns: the tables whose number of rows is another one, since others may have written meanwhile.
    :raises BackupFailed: it cannot be brought back, or gives another structure.
    """
    try:
        return _compared(bind, Path(backup.path))
    except Refused as error:
        raise BackupFailed(
            f"The backup is {backup.path}, and could not be brought back for a test: {error.message}",
            findings=error.findings,
        ) from error


def _compared(bind: Bind, file: Path) -> tuple[Finding, ...]:
    with (
        explained(bind.engine),
        restored_on_scratch(bind, file) as restored,
        reading_connection(bind.engine) as real,
    ):
        drift = find_drift(take_snapshot(real), take_snapshot(restored), "the database")
        structural = tuple(each for each in drift if each.structural)
        if structural:
            raise BackupFailed(
                f"Its structure is not that of {bind.target}.",
                findings=structural,
            )
        return tuple(_rows(bind, real, restored))


def _rows(bind: Bind, real: Connection, restored: Connection) -> Iterator[Finding]:
    for each in take_snapshot(real).tables:
        table = sa.table(each.name, schema=each.schema)
        count = sa.select(sa.func.count()).select_from(table)
        there, back = (connection.execute(count).scalar_one() for connection in (real, restored))
        if there != back:
            yield Finding(
                code="restored-rows-differ",
                subject=f"{bind.label}.{each.name}",
                message=f"{each.name} has {there} rows now and {back} in the backup: others wrote meanwhile, "
                "or rows are missing.",
            )
