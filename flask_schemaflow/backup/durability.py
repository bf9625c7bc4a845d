"""Whether a folder outlives the machine or the container that it is on."""

from __future__ import annotations

import re
from pathlib import Path

from ..findings import Finding

# In memory, or a container's own layer, which goes with the container.
_PASSING = {
    "tmpfs": "in memory",
    "ramfs": "in memory",
    "overlay": "in a container's own layer",
    "aufs": "in a container's own layer",
}
_MOUNTS = Path("/proc/self/mountinfo")


def durability_findings(label: str, folder: Path) -> tuple[Finding, ...]:
    """Say that what is written to a folder is lost with a restart; nothing where it cannot be known.

    Read-only.

    :param label: the bind, for whoever accepts it.
    """
    why = _PASSING.get(file_system_of(folder) or "")
    if why is None:
        return ()
    return (
        Finding(
            code="backup-not-durable",
            subject=label,
            message=f"The backup is {why} ({folder}): it is gone after a restart.",
            hint="Set SCHEMAFLOW_BACKUP_DIR to a folder on a disk or a volume.",
        ),
    )


def file_system_of(folder: Path) -> str | None:
    """Name the kind of file system that a folder is, or would be, on (Linux; else None)."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    resolved = folder.resolve()
    kind, longest = None, -1
    for line in mounts:
        # https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html: the mount point is the fifth
        # field; optional fields end with a dash, and the type follows.
        before, _, after = line.partition(" - ")
        mounted = Path(_unescaped(before.split()[4]))
        if resolved.is_relative_to(mounted) and len(mounted.parts) >= longest:
            kind, longest = after.split()[0], len(mounted.parts)
    return kind


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
