"""Back up a SQLite file through the backup API, and bring it back the same way."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy.exc import DBAPIError

from ..errors import BackupFailed, Busy, ConfigurationError, Refused, Unverified
from ..interrupts import interrupts_noted, note_goal_reached
from ..session import connect_with, database_exists, sqlite_path
from ..sqlite_file import driver_connect, open_readonly

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

WAIT = 60.0  # seconds without any progress
_PAGES = 1000  # copied at once; in between a signal is heard
_POLL = 0.05  # seconds
Show = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class _Content:
    """What two copies of one database have in common; a table of a module that is missing has no count."""

    statements: tuple[tuple[str, ...], ...]
    counts: Mapping[str, int | None]


def size(engine: Engine, *, wait: float = WAIT) -> int:
    """Say how many bytes a backup takes. Read-only."""
    with _reading(engine, sqlite_path(engine), wait) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages * page_size)


def check(engine: Engine) -> None:
    """Check that there is a file. Read-only.

    :raises BackupFailed: there is none.
    """
    if not database_exists(engine):
        raise BackupFailed(f"There is no database at {sqlite_path(engine)}, so there is nothing to back up.")


def dump(engine: Engine, part: Path, *, show: Show, wait: float = WAIT) -> None:
    """Copy the file as it is at one moment, and verify the copy. Read-only.

    One read transaction lasts over counting and copying: in WAL mode others go on writing, in the other
    modes they wait for as long as it is copied. It is never done on a connection that holds a transaction
    which writes, on which the backup API waits for ever.

    :param show: told how many pages are copied, and of how many.
    :param wait: seconds to wait for who keeps it locked.
    :raises Busy: somebody else keeps the file locked.
    :raises BackupFailed: the copy is not what the file is.
    """
    with _reading(engine, sqlite_path(engine), wait) as source:
        content = _content_of(source)
        with closing(driver_connect(part, sqlite3.Connection, isolation_level=None)) as target:
            _copy(source, target, pages=_PAGES, progress=_Patience(sqlite_path(engine), wait, show))
            # Of a WAL database the file alone is not all.
            target.execute("PRAGMA journal_mode=DELETE")
        with _reading(engine, part) as copy:
            broken = _broken_keys(copy)
            if broken and broken != _broken_keys(source):
                raise BackupFailed(
                    "The copy has rows whose foreign keys lead to no row, and the database has none. "
                    "Try again."
                )
    verify(engine, part, content)


def verify(engine: Engine, file: Path, content: _Content | None = None, *, wait: float = 0.0) -> None:
    """Check that a copy is whole, and has the same statements and numbers of rows. Read-only.

    :raises BackupFailed: it is not.
    """
    with _reading(engine, file, wait) as copy:
        problems = [row[0] for row in copy.execute("PRAGMA integrity_check(5)")]
        if problems != ["ok"]:
            raise BackupFailed(f"SQLite finds {file.name} damaged: {'; '.join(map(str, problems))}.")
        difference = None if content is None else _difference(content, _content_of(copy))
    if difference:
        raise BackupFailed(f"The copy is not what the database is: {difference}.")


# -- reading ---------------------------------------------------------------------------------------


@contextmanager
def _reading(engine: Engine, file: Path, wait: float = 0.0) -> Iterator[Any]:
    """Open a file for reading, in one transaction, with the functions and collations of the app.

    :param wait: seconds to try for; a process that writes all the time may leave no room for readers.
    :raises BackupFailed: it is not a database, or damaged.
    :raises Busy: it is locked.
    """
    try:
        with closing(_Closing(_opened(engine, file, wait))) as opened:
            yield opened.connection.connection.dbapi_connection
    except (sqlite3.Error, DBAPIError) as error:
        if _is_locked(error):
            raise Busy(f"{file} is locked by another process. Nothing was changed; try again.") from error
        text = str(getattr(error, "orig", None) or error)
        raise BackupFailed(f"{file} cannot be backed up or restored: {text}.") from error


def _opened(engine: Engine, file: Path, wait: float) -> Connection:
    deadline = time.monotonic() + wait
    while (connection := _try_to_open(engine, file, last=time.monotonic() >= deadline)) is None:
        pass
    return connection


def _try_to_open(engine: Engine, file: Path, *, last: bool) -> Connection | None:
    """Open a file; None where it was locked for some seconds, and this is not the last try."""
    try:
        return connect_with(engine, lambda: open_readonly(file), app_listeners=True)
    except (sqlite3.Error, DBAPIError) as error:
        if last or not _is_locked(error):
            raise
        return None


def _is_locked(error: Exception) -> bool:
    text = str(getattr(error, "orig", None) or error)
    return "locked" in text or "busy" in text


class _Closing:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def close(self) -> None:
        self.connection.close()
        self.connection.engine.dispose()


def _content_of(connection: Any) -> _Content:
    statements = connection.execute(
        "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master ORDER BY 1, 2, 3"
    ).fetchall()
    tables = [row[1] for row in statements if row[0] == "table"]
    return _Content(
        statements=tuple(tuple(row) for row in statements),
        counts={name: _count(connection, name) for name in tables},
    )


def _count(connection: Any, table: str) -> int | None:
    quoted = table.replace('"', '""')
    try:
        return int(connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])
    except sqlite3.OperationalError as error:
        if "no such module" in str(error):
            return None
        raise


def _broken_keys(connection: Any) -> list[Any]:
    try:
        return sorted(map(repr, connection.execute("PRAGMA foreign_key_check")))
    except sqlite3.OperationalError as error:
        # "foreign key mismatch": a key to something that is not unique, which is an old fault.
        return [str(error)]


def _difference(one: _Content, other: _Content) -> str | None:
    if one.statements != other.statements:
        return "tables, indexes, views or triggers differ"
    for name, count in one.counts.items():
        if other.counts[name] != count:
            return f"{name} has {other.counts[name]} rows and not {count}"
    return None


# -- copying ---------------------------------------------------------------------------------------


class _Patience:
    """Shows what has been copied, and gives up when nothing was for too long; the API would try for ever."""

    def __init__(self, file: Path, seconds: float, show: Show) -> None:
        self.file = file
        self.seconds = seconds
        self.show = show
        self.remaining = -1
        self.since = time.monotonic()

    def __call__(self, _status: int, remaining: int, total: int) -> None:
        if total and remaining != self.remaining:
            self.remaining, self.since = remaining, time.monotonic()
            self.show(total - remaining, total)
        elif time.monotonic() - self.since > self.seconds:
            raise Busy(
                f"{self.file} has been locked by another process for {self.seconds:g} seconds (SQLite cannot "
                "say which). Nothing was changed; try again."
            )


def _copy(source: Any, target: Any, *, pages: int, progress: Callable[[int, int, int], None]) -> None:
    try:
        source.backup(target, pages=pages, progress=progress, sleep=_POLL)
    except sqlite3.Error as error:
        raise BackupFailed(f"The database cannot be copied: {error}.") from error


# -- bringing back ---------------------------------------------------------------------------------


class _ChangedMeanwhile(Exception):
    """Somebody wrote between the copy that is kept and the lock."""


def restore(engine: Engine, file: Path, keep: Callable[[], None], *, show: Show, wait: float = WAIT) -> None:
    """Replace the content of the app's file with that of a backup, in one transaction.

    The backup API takes the lock for writing with the first page and commits with the last, so whoever is
    killed on the way leaves the old content, which SQLite rolls back to. Ctrl-C stops it before the last
    page, and not any more after it.

    :param keep: called before anything is written, to keep what is replaced; again if another process
        wrote after it and before the lock was there.
    :param show: told how many pages are copied, and of how many.
    :param wait: seconds to wait for other processes.
    :raises Busy: others stay at work for longer; nothing was changed.
    :raises Refused: the backup is no whole database.
    :raises Unverified: what is there now is not what the backup has.
    """
    live = sqlite_path(engine)
    if live.is_dir():
        raise ConfigurationError(f"{live} is a folder, not a SQLite database.")
    with _reading(engine, file) as backup:
        content = _content_of(backup)
        if not content.counts:
            raise Refused(f"{file} has no table. Nothing was changed.")
        verify(engine, file)
        _check_pages(backup, live, file)
        deadline = time.monotonic() + wait
        while not _replaced(engine, backup, keep, show, max(1.0, deadline - time.monotonic())):
            if time.monotonic() > deadline:
                raise Busy(f"Other processes keep writing to {live}; stop them. Nothing was changed.")


def _replaced(engine: Engine, backup: Any, keep: Callable[[], None], show: Show, wait: float) -> bool:
    """Keep what is there and replace it; say whether that was done, or somebody wrote in between."""
    live = sqlite_path(engine)
    with _Watch(live) as watch:
        keep()
        with interrupts_noted() as arrived:
            try:
                _replace(backup, live, watch, _Patience(live, wait, show), arrived)
            except _ChangedMeanwhile:
                return False
            note_goal_reached()
            _compare(engine, live, _content_of(backup))
    return True


def _replace(backup: Any, live: Path, watch: _Watch, patience: _Patience, arrived: list[int]) -> None:
    """Copy page by page: the first one takes the lock, the last one commits, and an error undoes it all."""
    locked = False

    def progress(status: int, remaining: int, total: int) -> None:
        nonlocal locked
        if total and not remaining:
            return  # it is committed
        if arrived:
            raise KeyboardInterrupt
        patience(status, remaining, total)
        if total and not locked:
            locked = True
            watch.check()

    # A page at a time, so that what is there can be looked at after the lock and before the end.
    with closing(driver_connect(live, sqlite3.Connection, isolation_level=None, timeout=0.1)) as target:
        _copy(backup, target, pages=1, progress=progress)


def _check_pages(backup: Any, live: Path, file: Path) -> None:
    """Check that a database in WAL mode has pages of the same size, since it cannot change them."""
    if not live.exists() or live.stat().st_size == 0:
        return
    with closing(_looking(live)) as looking:
        try:
            (mode,) = looking.execute("PRAGMA journal_mode").fetchone()
            (there,) = looking.execute("PRAGMA page_size").fetchone()
        except sqlite3.DatabaseError:
            return  # whoever keeps what is replaced will say it
    (wanted,) = backup.execute("PRAGMA page_size").fetchone()
    if mode == "wal" and there != wanted:
        raise Refused(
            f"{live} has pages of {there} bytes and {file.name} of {wanted}, which SQLite cannot change in "
            "WAL mode. Stop the app, set PRAGMA journal_mode=DELETE on the database, and restore again."
        )


def _compare(engine: Engine, live: Path, content: _Content) -> None:
    try:
        verify(engine, live, content, wait=WAIT)
    except (BackupFailed, Busy) as error:
        raise Unverified(
            f"{live} was restored, and is not what the backup has; another process may have written since: "
            f"stop the app, and restore again. {error.message}"
        ) from error


def _looking(live: Path) -> sqlite3.Connection:
    # For writing, since the last one that closes a WAL database has to bring its parts together.
    return driver_connect(
        f"file:{quote(str(live))}?mode=rw", sqlite3.Connection, uri=True, isolation_level=None, timeout=5.0
    )


class _Watch:
    """Notices whether anybody has written to a file since it was entered.

    In WAL mode ``data_version`` tells, which can be read beside whoever writes. In the other modes nobody
    else can read while the file is locked, and the change counter in its header tells
    (https://www.sqlite.org/fileformat.html, 1.3.10). The descriptor is closed last: closing any of a
    file drops the locks of the process on it.
    """

    def __init__(self, live: Path) -> None:
        self.live = live
        self._looking: sqlite3.Connection | None = None
        self._descriptor: int | None = None
        self._before: object = None

    def __enter__(self) -> _Watch:
        if self.live.exists() and self.live.stat().st_size > 0:
            self._descriptor = os.open(self.live, os.O_RDONLY)
            self._looking = _looking(self.live)
            try:
                (mode,) = self._looking.execute("PRAGMA journal_mode").fetchone()
            except sqlite3.DatabaseError:
                mode = ""
            if mode != "wal":
                self._looking.close()
                self._looking = None
            self._before = self._seen()
        return self

    def __exit__(self, *_: object) -> None:
        if self._looking is not None:
            self._looking.close()
        if self._descriptor is not None:
            os.close(self._descriptor)

    def check(self) -> None:
        """Stop if somebody has written."""
        if self._descriptor is not None and self._seen() != self._before:
            raise _ChangedMeanwhile

    def _seen(self) -> object:
        if self._looking is not None:
            return self._looking.execute("PRAGMA data_version").fetchone()
        assert self._descriptor is not None
        return os.pread(self._descriptor, 4, 24)
