"""Send every SQLite connection to a throw-away copy of its file."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Busy, SchemaFlowError
from ..sqlite_file import copy_file, copy_structure, file_of_name, opens_watched, replace_driver_connect
from .round_about import refuse_file
from .statements import record_write

if TYPE_CHECKING:
    from .record import Applies, LoadingRecord

COPY_CONTENT_UP_TO = 256 * 1024 * 1024  # bytes; a larger file is copied without its rows


@contextmanager
def sqlite_copies(record: LoadingRecord, applies: Applies, *, refuse_others: bool) -> Iterator[None]:
    """Replace ``sqlite3.connect`` by one that opens copies, and remove them after the block.

    :param refuse_others: refuse connections to files by any other way.
    """
    # A context manager: whatever interrupts from here on, the folder goes again.
    with (
        tempfile.TemporaryDirectory(prefix="schemaflow-loading-", ignore_cleanup_errors=True) as name,
        _connect_replaced(record, applies, Path(name).resolve()) as is_inside,
        opens_watched(lambda each: None if is_inside() or not applies() else refuse_file(each))
        if refuse_others
        else nullcontext(),
    ):
        yield


@contextmanager
def _connect_replaced(record: LoadingRecord, applies: Applies, folder: Path) -> Iterator[Callable[[], bool]]:
    """Give what says whether this thread is inside the replaced function."""
    inside = threading.local()
    copies: dict[Path, Path] = {}
    lock = threading.RLock()
    original = sqlite3.connect

    def copy_of(file: Path) -> Path:
        with lock:
            if file not in copies:
                target = folder / str(len(copies)) / file.name
                target.parent.mkdir()
                _fill_copy(file, target, record)
                copies[file] = target
            return copies[file]

    def connect(database: Any, *args: Any, **kwargs: Any) -> Any:
        uri = bool(kwargs.get("uri", args[6] if len(args) > 6 else False))
        file = file_of_name(database, uri=uri) if active and applies() else None
        inside.depth = getattr(inside, "depth", 0) + 1
        try:
            if file is None or folder in file.parents:
                return original(database, *args, **kwargs)
            connection = original(copy_of(file), *args, **kwargs)
            connection.set_trace_callback(_SqliteTrace(record))
            return connection
        finally:
            inside.depth -= 1

    active = True
    replace_driver_connect(connect)
    try:
        yield lambda: getattr(inside, "depth", 0) > 0
    finally:
        # Whoever kept a reference to the replaced function gets the original's behaviour from now on.
        active = False
        replace_driver_connect(original)


def _fill_copy(file: Path, target: Path, record: LoadingRecord) -> None:
    if not file.is_file() or file.stat().st_size == 0:
        return
    try:
        if file.stat().st_size > COPY_CONTENT_UP_TO:
            copy_structure(file, target)
        else:
            copy_file(file, target)
    except sqlite3.OperationalError as error:
        if "locked" not in str(error) and "busy" not in str(error):
            raise
        record.failure = record.failure or Busy(
            f"{file} is locked by another process (SQLite cannot say which). Nothing was changed; try again."
        )
        raise record.failure from error
    except sqlite3.DatabaseError:
        # The app meets a damaged file too, and our own checks name the damage later.
        target.write_bytes(b"damaged")
    except SchemaFlowError as error:
        record.failure = record.failure or error
        raise


class _SqliteTrace:
    """Record the writing statements of one connection to a copy."""

    def __init__(self, record: LoadingRecord) -> None:
        self.record = record

    def __call__(self, statement: str) -> None:
        record_write(self.record, statement, dialect="sqlite", kept_out=True)
