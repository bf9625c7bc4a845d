"""What a SQLite database file is: where, how to read it without a trace, how to copy it.

Everything here speaks to the driver itself, because an engine brings its listeners along, and a
listener that sends ``PRAGMA journal_mode=WAL`` changes the file.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

from .errors import Busy, ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_original_connect = sqlite3.connect
Driver = TypeVar("Driver", bound=sqlite3.Connection)

_ours = threading.local()
_watching: list[Callable[[Any], None]] = []

BUSY_SECONDS = 5.0

# Pragmas whose argument names an object instead of setting something.
_READING_PRAGMAS = frozenset(
    """table_xinfo table_info table_list index_list index_info index_xinfo foreign_key_list
    foreign_key_check integrity_check quick_check query_only""".split()
)


def driver_connect(database: str | Path, factory: type[Driver], **options: Any) -> Driver:
    """Open a database as ``sqlite3.connect`` does, past everything that guards it."""
    _ours.opening = True
    try:
        return _original_connect(database, factory=factory, **options)
    finally:
        _ours.opening = False


@contextmanager
def opens_watched(opened: Callable[[Any], None]) -> Iterator[None]:
    """Call ``opened`` with the name of every database that is opened inside the block, but for ours.

    It sees each way there is, ``sqlite3.Connection(…)`` too, and stops it by raising. It is called in the
    thread that opens (https://docs.python.org/3/library/sqlite3.html: the audit event sqlite3.connect).
    """
    _watch_audit_events()
    _watching.append(opened)
    try:
        yield
    finally:
        _watching.remove(opened)


@cache
def _watch_audit_events() -> None:
    def audit(event: str, args: tuple[Any, ...]) -> None:
        if event == "sqlite3.connect" and _watching and not getattr(_ours, "opening", False):
            for opened in tuple(_watching):
                opened(args[0])

    sys.addaudithook(audit)  # for as long as the process lives


def file_of_name(name: str | bytes | os.PathLike[str], *, uri: bool) -> Path | None:
    """Say which file ``sqlite3.connect(name, uri=uri)`` opens; None for a database in memory."""
    text = os.fsdecode(name)
    if uri and text.startswith("file:"):
        parts = urlsplit(text)
        if parse_qs(parts.query).get("mode") == ["memory"]:
            return None
        text = unquote(parts.path)
    if text in ("", ":memory:") or text.startswith("file::memory:"):
        return None
    return Path(os.path.realpath(text))


def file_of_url(url: URL) -> Path | None:
    """Say which file an engine with this URL opens; None for a database in memory."""
    if url.query.get("mode") == "memory":
        return None
    return file_of_name(url.database or "", uri=bool(url.query.get("uri")))


def check_file(path: Path) -> None:
    """Check that the file may be read at all, without opening it. Read-only.

    Files are opened by SQLite only, here and everywhere: closing any other handle of a database would drop
    the locks that this process holds on it (https://sqlite.org/howtocorrupt.html, section 2.2).

    :raises ConfigurationError: it is a folder, or cannot be read.
    """
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder, not a SQLite database.")
    if not os.access(path, os.R_OK):
        raise ConfigurationError(f"{path} cannot be read: permission denied.")


def open_readonly(path: Path) -> sqlite3.Connection:
    """Open an existing file so that nothing is written, whatever listeners send afterwards.

    A read-only connection to a WAL database leaves ``-wal`` and ``-shm`` files behind where there were none
    (seen on SQLite 3.40), so a file without them is opened for writing and only read; where it cannot be
    written, read-only, and as immutable if that fails and nothing is left in its ``-wal``. A hot journal has
    to be rolled back before anything can be read. It is in one transaction until it is closed: an authorizer
    ignores whatever begins or ends one, and setting pragmas. Read-only.
    """
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    if writable and not Path(f"{path}-wal").exists():
        return _open(path, "mode=rw")
    try:
        return _open(path, "mode=ro")
    except sqlite3.OperationalError:
        if writable or Path(f"{path}-journal").exists() or _has_content(Path(f"{path}-wal")):
            raise
        return _open(path, "immutable=1")


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _open(path: Path, mode: str) -> sqlite3.Connection:
    connection = driver_connect(
        f"file:{quote(str(path))}?{mode}",
        sqlite3.Connection,
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master")
    except BaseException:
        connection.close()
        raise
    connection.set_authorizer(_ignore_settings)
    return connection


def _ignore_settings(action: int, name: str | None, value: str | None, *_: str | None) -> int:
    sets = action == sqlite3.SQLITE_PRAGMA and value is not None and name not in _READING_PRAGMAS
    ends = action == sqlite3.SQLITE_TRANSACTION
    return sqlite3.SQLITE_IGNORE if sets or ends else sqlite3.SQLITE_OK


def replace_driver_connect(connect: Callable[..., Any]) -> None:
    """Put another function in the place of ``sqlite3.connect``, wherever the driver keeps it.

    SQLAlchemy looks it up in ``sqlite3.dbapi2`` at each connect.
    """
    for module in (sqlite3, sqlite3.dbapi2):
        setattr(module, "connect", connect)  # noqa: B010 -- mypy knows the function


def copy_file(source: Path, target: Path, *, seconds: float = 60.0) -> None:
    """Copy a database with SQLite's backup API; the source is only read.

    :param seconds: how long to wait for a writer; the API itself would retry for ever.
    :raises Busy: another process kept the database locked for that long.
    """
    deadline = time.monotonic() + seconds

    def give_up(_status: int, _remaining: int, _total: int) -> None:
        if time.monotonic() > deadline:
            raise Busy(f"{source} stays locked by another process; it could not be copied.")

    reading = open_readonly(source)
    writing = driver_connect(target, sqlite3.Connection)
    try:
        reading.backup(writing, pages=4096, progress=give_up, sleep=0.05)
    finally:
        writing.close()
        reading.close()


def copy_structure(source: Path, target: Path) -> None:
    """Copy tables, indexes, views and triggers, without a row; the source is only read."""
    reading = open_readonly(source)
    writing = driver_connect(target, sqlite3.Connection, isolation_level=None)
    try:
        statements = reading.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite~_%' "
            "ESCAPE '~' ORDER BY type = 'table' DESC, rowid"
        ).fetchall()
        for (statement,) in statements:
            # A virtual table has made its shadow tables already; a module may be missing here.
            with contextlib.suppress(sqlite3.Error):
                writing.execute(statement)
    finally:
        writing.close()
        reading.close()
