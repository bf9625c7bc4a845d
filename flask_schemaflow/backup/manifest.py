"""What lies beside a backup and says what it is; by it alone is one known as ours, and old ones removed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from .workspace import new_file, publish, workspace

if TYPE_CHECKING:
    from .policy import Tables

FORMAT = "flask-schemaflow backup 1"
SUFFIX = ".json"
ENDINGS = {"sqlite": ".sqlite3", "postgresql": ".dump", "mariadb": ".sql", "mysql": ".sql"}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup is: of which database, when, and its content in bytes and SHA-256.

    ``target`` names the database without a password. ``tables`` are those that were chosen, by (schema,
    name); empty for the whole database. ``made`` is the moment in UTC, which sorts as text.
    """

    file: str
    bind: str | None
    family: str
    target: str
    revision: str | None
    made: str
    bytes: int
    sha256: str
    tables: Tables = ()

    @property
    def kind(self) -> tuple[str, str, bool]:
        """What one backup has in common with those that it replaces in time."""
        return (self.family, self.target, bool(self.tables))


def now() -> str:
    """Give the time in UTC as it stands in names."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def moment() -> str:
    """Give the time in UTC, so fine that one backup is after another."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def name_for(database: str, revision: str | None, family: str) -> str:
    """Make up the name of a backup's file."""
    parts = (database, now(), revision or "none")
    return "-".join(_plain(part) for part in parts) + ENDINGS[family]


def _plain(text: str) -> str:
    return re.sub(r"[^\w.+]", "_", text, flags=re.ASCII).lstrip(".")[:80] or "_"


_NAME = re.compile(r"[\w.+]+-\d{8}T\d{6}Z-[\w.+]+(?:-\d+)?(?:\.sqlite3|\.dump|\.sql)", flags=re.ASCII)


def manifest_path(file: Path) -> Path:
    """Say where the manifest of a backup lies."""
    return file.with_name(f"{file.name}{SUFFIX}")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write what a backup is beside it."""
    with workspace(folder) as own:
        part = new_file(own / "manifest")
        document = {"format": FORMAT, **asdict(manifest)}
        part.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        publish(part, manifest_path(folder / manifest.file))


def read_manifest(file: Path) -> Manifest | None:
    """Read what is known of a backup; None where there is nothing, or nothing of ours."""
    try:
        document = json.loads(manifest_path(file).read_text(encoding="utf-8"))
        if document.pop("format") != FORMAT or document.keys() != {each.name for each in fields(Manifest)}:
            return None
        tables = tuple((schema, name) for schema, name in document.pop("tables"))
        return Manifest(**document, tables=tables)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def remove_old(folder: Path, newest: Manifest, keep: int) -> tuple[Path, ...]:
    """Remove backups of the same kind but the newest ``keep``, and say which; 0 keeps all.

    The newest one stays whatever the clock says. A file is only removed if its name is one that we make up,
    a manifest of ours beside it names it and the same database, and it still has the size that it had.
    """
    if keep == 0:
        return ()
    older = (each for each in _ours_in(folder, newest) if each[1].name != newest.file)
    removed = []
    for _made, file in sorted(older, reverse=True)[keep - 1 :]:
        with suppress(OSError):
            file.unlink()
            manifest_path(file).unlink()
            removed.append(file)
    return tuple(removed)


def _ours_in(folder: Path, newest: Manifest) -> Iterator[tuple[str, Path]]:
    for beside in folder.glob(f"*{SUFFIX}"):
        file = beside.with_name(beside.name.removesuffix(SUFFIX))
        if not _NAME.fullmatch(file.name) or file.is_symlink() or not file.is_file():
            continue
        found = read_manifest(file)
        if found is None or found.file != file.name or found.kind != newest.kind:
            continue
        if found.bytes == file.stat().st_size:
            yield found.made, file
