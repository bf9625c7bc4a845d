"""Make a file whole before it has its name: a folder of our own, and the way out of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import BackupFailed
from ..interrupts import uninterrupted

_PREFIX = ".schemaflow-"
_MARKER = "made-by-flask-schemaflow"
_STALE_AFTER = 24 * 3600.0  # seconds since anything in it was written
_CHUNK = 1 << 20


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """Make a folder inside ``folder`` that only we can read; it is gone after the block, with what is in it.

    What a killed process left is removed first: such folders with our marker in which nothing has been
    written for a day.

    :raises BackupFailed: it cannot be made.
    """
    made: Path | None = None
    try:
        with uninterrupted(stop_afterwards=True):
            made = _make(folder)
        yield made
    finally:
        if made is not None:
            with uninterrupted(stop_afterwards=True):
                shutil.rmtree(made, ignore_errors=True)


def _make(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_stale(folder)
        made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
        (made / _MARKER).touch()
    except OSError as error:
        raise BackupFailed(f"The folder {folder} cannot be written: {error.strerror}.") from error
    return made


def _remove_stale(folder: Path) -> None:
    for each in folder.glob(f"{_PREFIX}*"):
        if (each / _MARKER).is_file():
            with suppress(OSError):
                newest = max(file.stat().st_mtime for file in each.iterdir())
                if time.time() - newest > _STALE_AFTER:
                    shutil.rmtree(each)


@contextmanager
def secrets_folder() -> Iterator[Path]:
    """Make a folder for password files that only we can read; it is gone after the block."""
    with tempfile.TemporaryDirectory(prefix="schemaflow-") as made:
        yield Path(made)


def new_file(path: Path) -> Path:
    """Make an empty file that only we can read."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return path


def digest(path: Path) -> str:
    """Give a file's SHA-256 in hexadecimal."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def publish(part: Path, target: Path) -> Path:
    """Give a whole file its name, for good: what was written is on the disk before and after.

    Nothing that is there is written over; where the name is taken, a number is added.
    """
    sync(part)
    free, number = target, 1
    while not _moved(part, free):
        number += 1
        free = target.with_name(f"{target.stem}-{number}{target.suffix}")
    sync(free.parent)
    return free


def sync(path: Path) -> None:
    """Wait until a file, or what a folder has, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        # Some file systems cannot sync a folder.
        if not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def _moved(part: Path, target: Path) -> bool:
    """Move a file to a name, and say whether it was free."""
    try:
        # A link is refused where the name is taken; a rename would write over it.
        os.link(part, target)
    except FileExistsError:
        return False
    except OSError:
        # Not every file system has links.
        if target.exists():
            return False
        part.rename(target)
    else:
        part.unlink()
    return True
