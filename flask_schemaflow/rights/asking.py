"""Compare what a plan needs with what the user of the database may."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import Refused
from ..findings import Finding, Severity
from ..session import database_exists, server_connection, sqlite_path
from . import mysql, postgresql
from .lack import Lack

if TYPE_CHECKING:
    from pathlib import Path

    from ..discovery import Bind
    from .needs import Need

MISSING_RIGHT = "missing-right"
"""The code of the finding, which ``--accept`` can name."""


def check_rights(
    bind: Bind, needs: Iterable[Need], *, accepted: Collection[str], note: Callable[[Finding], None]
) -> None:
    """Check that whoever connects may do what a plan needs. Read-only.

    On SQLite that is to write the file and its folder, where the journal is made. MySQL is not asked: its
    ``SHOW GRANTS`` tells nothing of the roles that are active.

    :param accepted: ``CODE:SUBJECT``; what is lacking and accepted goes to ``note``.
    :raises Refused: a right is lacking; the message has the statement that grants it.
    """
    findings = []
    for lack in _lacks(bind, tuple(needs)):
        finding = _finding(lack)
        if finding.key in accepted:
            note(replace(finding, severity=Severity.WARNING))
        else:
            findings.append(finding)
    if findings:
        first = findings[0]
        more = f" And {len(findings) - 1} more." if len(findings) > 1 else ""
        place = f"{first.place}: " if first.place else ""
        raise Refused(
            f"{bind.target}: {place}{first.message} Nothing was changed. {first.hint}{more}",
            findings=tuple(findings),
        )


def _lacks(bind: Bind, needs: tuple[Need, ...]) -> tuple[Lack, ...]:
    if bind.family == "sqlite":
        return _lacks_of_file(sqlite_path(bind.engine), is_there=database_exists(bind.engine))
    ask = _ASK.get(bind.family)
    if ask is None or not needs:
        return ()
    with server_connection(bind.engine) as connection:
        return tuple(ask(connection, needs))


def _lacks_of_file(file: Path, *, is_there: bool) -> tuple[Lack, ...]:
    folder = next(each for each in file.parents if each.exists())
    wanted = (file, folder) if is_there else (folder,)
    lacking = [each for each in wanted if not os.access(each, os.W_OK)]
    who = getpass.getuser()
    return tuple(
        Lack(
            subject=str(each),
            message=f"{who} may not write {each}{', where the journal is made' if each.is_dir() else ''}.",
            grant=f"chown {who} {each}",
        )
        for each in lacking
    )


def _finding(lack: Lack) -> Finding:
    need = lack.need
    return Finding(
        code=MISSING_RIGHT,
        subject=lack.subject,
        severity=Severity.ERROR,
        message=lack.message,
        hint=f"Grant it: {lack.grant}",
        revision=need.revision if need else None,
        file=need.file if need else None,
        line=need.line if need else None,
    )


_ASK = {"postgresql": postgresql.lacks, "mariadb": mysql.lacks}
