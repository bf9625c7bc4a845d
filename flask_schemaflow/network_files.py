"""SQLite files on a network file system, where locks cannot be relied on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .backup import file_system_of
from .errors import Refused
from .findings import Finding, Severity
from .session import database_exists, sqlite_path

if TYPE_CHECKING:
    from collections.abc import Collection

    from .discovery import Bind

NETWORK_FILE_SYSTEM = "network-file-system"

# https://sqlite.org/faq.html#q5, https://sqlite.org/wal.html: a WAL needs memory that all processes share.
_NETWORK = frozenset(
    "nfs nfs4 cifs smb2 smb3 smbfs 9p afs ceph lustre glusterfs fuse.glusterfs fuse.sshfs fuse.s3fs".split()
)
_WAL = b"\x02\x02"
"""Bytes 18 and 19 of the file (https://sqlite.org/fileformat.html, "File format version numbers")."""


def check_local(bind: Bind, accepted: Collection[str]) -> None:
    """Check that a SQLite file is on no network file system, or that this was accepted. Read-only.

    :param accepted: ``CODE:SUBJECT``.
    :raises Refused: it is on one; in WAL mode that cannot be accepted.
    """
    if database_exists(bind.engine):
        file = sqlite_path(bind.engine)
        with file.open("rb") as opened:
            is_wal = opened.read(20)[18:] == _WAL
        refuse_network(bind, file_system_of(file.parent), accepted, is_wal=is_wal)


def refuse_network(bind: Bind, kind: str | None, accepted: Collection[str], *, is_wal: bool) -> None:
    """Refuse a kind of file system on which a file cannot be locked reliably.

    :param kind: as the operating system calls it; None where it is not known.
    :raises Refused: it is such a kind.
    """
    finding = Finding(
        code=NETWORK_FILE_SYSTEM,
        subject=bind.label,
        severity=Severity.ERROR,
        message=f"{bind.target} is on a network file system ({kind}), where locks do not hold reliably.",
        hint="It is in WAL mode, which cannot work there: move it to a local disk."
        if is_wal
        else "Move it to a local disk; or if nobody else writes, say --accept "
        f"{NETWORK_FILE_SYSTEM}:{bind.label}",
    )
    if kind in _NETWORK and (is_wal or finding.key not in accepted):
        raise Refused(f"{finding.message} {finding.hint}", findings=(finding,))
