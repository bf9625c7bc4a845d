"""Keep what an app does while it loads away from its database, and remember what it tried.

SQLite: every connection goes to a throw-away copy. Servers: ``create_all`` and ``drop_all`` do nothing.
On both, what was tried is recorded with the line of the app that tried it.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, Table, event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.pool import Pool

from .errors import SchemaFlowError
from .findings import Finding, Severity
from .sqlite_file import (
    copy_file,
    copy_structure,
    file_of_name,
    file_of_url,
    replace_driver_connect,
)

if TYPE_CHECKING:
    from types import FrameType

COPY_CONTENT_UP_TO = 256 * 1024 * 1024  # bytes; a larger file is copied without its rows

_in_command: ContextVar[bool] = ContextVar("schemaflow_in_command", default=False)


@contextmanager
def command_running() -> Iterator[None]:
    """Make :func:`is_command_running` true inside the block."""
    token = _in_command.set(True)
    try:
        yield
    finally:
        _in_command.reset(token)


def is_command_running() -> bool:
    """Say whether one of our commands runs in this context. Read-only."""
    return _in_command.get()


@dataclass(frozen=True)
class Origin:
    """The place in the source where something was done or declared."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Something that the app tried on its database while it loaded.

    ``kind`` is ``creates``, ``drops`` or ``writes``; ``kept_out`` is false where it really happened.
    """

    kind: str
    what: str
    kept_out: bool
    dialect: str
    origin: Origin | None


@dataclass
class LoadingRecord:
    """What was seen while something loaded; filled while the block of :func:`guarded_loading` runs."""

    attempts: list[Attempt] = field(default_factory=list)
    table_origins: dict[Table, Origin] = field(default_factory=dict)
    failure: SchemaFlowError | None = None

    def findings(self) -> tuple[Finding, ...]:
        """Turn the attempts into findings, one for each place in the source."""
        return tuple(dict.fromkeys(_finding(attempt) for attempt in self.attempts))


@contextmanager
def guarded_loading(*, every_thread: bool, servers_too: bool = False) -> Iterator[LoadingRecord]:
    """Keep everything that runs inside the block away from real databases.

    SQLite files are replaced by throw-away copies, made when first opened: content through the backup
    API, above 256 MB the structure only, nothing where there is no file. On servers ``create_all`` and
    ``drop_all`` do nothing; other statements are sent and recorded. Afterwards the engines that were
    used are disposed and the copies removed. Never touches the real SQLite database.

    :param every_thread: also what other threads do. For a process of our own; inside a running app it
        would send other threads' rows into a copy.
    :param servers_too: refuse every connection to a server; for modules that only we import.
    :raises SchemaFlowError: a copy could not be made.
    """
    record = LoadingRecord()
    with ExitStack() as stack:
        applies = _applies_to(None if every_thread else threading.get_ident())
        stack.enter_context(_sqlite_copies(record, applies))
        stack.enter_context(_create_all_recorded(record, applies))
        stack.enter_context(_server_writes_recorded(record, applies))
        if servers_too:
            stack.enter_context(_servers_refused(applies))
        stack.enter_context(_tables_recorded(record))
        stack.enter_context(_engines_disposed(applies))
        yield record
    if record.failure is not None:
        raise record.failure


Applies = Callable[[], bool]


def _applies_to(thread: int | None) -> Applies:
    return lambda: thread is None or threading.get_ident() == thread


# -- SQLite: throw-away copies ---------------------------------------------------------------------


@contextmanager
def _sqlite_copies(record: LoadingRecord, applies: Applies) -> Iterator[None]:
    folder = Path(tempfile.mkdtemp(prefix="schemaflow-loading-"))
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
        if file is None or folder in file.parents:
            return original(database, *args, **kwargs)
        connection = original(copy_of(file), *args, **kwargs)
        connection.set_trace_callback(_SqliteTrace(record))
        return connection

    active = True
    replace_driver_connect(connect)
    try:
        yield
    finally:
        # Whoever kept a reference to the replaced function gets the original's behaviour from now on.
        active = False
        replace_driver_connect(original)
        shutil.rmtree(folder, ignore_errors=True)


def _fill_copy(file: Path, target: Path, record: LoadingRecord) -> None:
    if not file.is_file() or file.stat().st_size == 0:
        return
    try:
        if file.stat().st_size > COPY_CONTENT_UP_TO:
            copy_structure(file, target)
        else:
            copy_file(file, target)
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
        _record_write(self.record, statement, dialect="sqlite", kept_out=True)


# -- create_all and drop_all -----------------------------------------------------------------------

_inside_metadata_call: ContextVar[bool] = ContextVar("schemaflow_inside_create_all", default=False)


@contextmanager
def _create_all_recorded(record: LoadingRecord, applies: Applies) -> Iterator[None]:
    originals = {"create_all": MetaData.create_all, "drop_all": MetaData.drop_all}
    kinds = {"create_all": "creates", "drop_all": "drops"}

    def guarded(name: str) -> Callable[..., None]:
        original: Callable[..., None] = originals[name]

        def call(self: MetaData, bind: Any, *args: Any, **kwargs: Any) -> None:
            if not applies() or isinstance(bind, MockConnection):
                return original(self, bind, *args, **kwargs)
            dialect = bind.dialect.name
            record.attempts.append(
                Attempt(
                    kind=kinds[name],
                    what=f"{name}() of {len(self.tables)} tables",
                    kept_out=True,
                    dialect=dialect,
                    origin=app_origin(),
                )
            )
            if dialect != "sqlite":
                return None
            token = _inside_metadata_call.set(True)
            try:
                return original(self, bind, *args, **kwargs)
            finally:
                _inside_metadata_call.reset(token)

        return call

    for name in originals:
        setattr(MetaData, name, guarded(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(MetaData, name, original)


# -- writing statements ----------------------------------------------------------------------------

_WRITE = re.compile(
    r"\s*(?:WITH\b.*?\b)?"
    r"((?:INSERT|REPLACE)\s+(?:OR\s+\w+\s+)?INTO|REPLACE|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE"
    r"|ALTER\s+\w+|(?:CREATE|DROP)\s+(?:OR\s+REPLACE\s+)?(?:UNIQUE\s+|TEMP\w*\s+)?\w+)"
    r"(?:\s+IF(?:\s+NOT)?\s+EXISTS)?\s+([\"`\[]?[\w.]+)",
    re.IGNORECASE | re.DOTALL,
)


def _record_write(record: LoadingRecord, sql: str, *, dialect: str, kept_out: bool) -> None:
    match = _WRITE.match(sql)
    if match is None or _inside_metadata_call.get():
        return
    # The verb and the object only: the values of a statement are nobody's business.
    what = " ".join((*match[1].upper().split(), match[2].strip('"`[')))
    record.attempts.append(
        Attempt(kind="writes", what=what, kept_out=kept_out, dialect=dialect, origin=app_origin())
    )


@contextmanager
def _server_writes_recorded(record: LoadingRecord, applies: Applies) -> Iterator[None]:
    def before(conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if applies() and conn.dialect.name != "sqlite":
            _record_write(record, statement, dialect=conn.dialect.name, kept_out=False)

    with _listening(Engine, "before_cursor_execute", before):
        yield


@contextmanager
def _servers_refused(applies: Applies) -> Iterator[None]:
    def checked_out(dbapi_connection: Any, *_: Any) -> None:
        if applies() and not isinstance(dbapi_connection, sqlite3.Connection):
            raise ConnectionRefusedError("a module that only declares models must not use a database")

    with _listening(Pool, "checkout", checked_out):
        yield


@contextmanager
def _tables_recorded(record: LoadingRecord) -> Iterator[None]:
    def attached(table: Table, _metadata: MetaData) -> None:
        origin = app_origin()
        if origin is not None:
            record.table_origins[table] = origin

    with _listening(Table, "after_parent_attach", attached):
        yield


@contextmanager
def _engines_disposed(applies: Applies) -> Iterator[None]:
    used: set[Engine] = set()

    def connected(conn: Any) -> None:
        in_memory = conn.dialect.name == "sqlite" and file_of_url(conn.engine.url) is None
        if applies() and not in_memory:
            used.add(conn.engine)

    with _listening(Engine, "engine_connect", connected):
        try:
            yield
        finally:
            for engine in used:
                engine.dispose()


@contextmanager
def _listening(target: Any, name: str, listener: Callable[..., None]) -> Iterator[None]:
    event.listen(target, name, listener)
    try:
        yield
    finally:
        event.remove(target, name, listener)


# -- where in the app ------------------------------------------------------------------------------

_LIBRARY_FOLDERS = tuple(
    f"{folder}{os.sep}"
    for folder in (
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(Path(__file__).parent),
    )
)
_LIBRARY_MARKS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}", "<")


def is_library(file: str) -> bool:
    """Say whether a source file belongs to Python, an installed package or to us."""
    return file.startswith(_LIBRARY_FOLDERS) or any(mark in file for mark in _LIBRARY_MARKS)


def app_origin() -> Origin | None:
    """Say which line of the app led here; None where only libraries are on the stack."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            return Origin(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


def origin_of_error(error: BaseException) -> Origin | None:
    """Say which line of the app an exception came through last."""
    origin = None
    traceback = error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if not is_library(file):
            origin = Origin(file, traceback.tb_lineno)
        traceback = traceback.tb_next
    return origin


# -- findings --------------------------------------------------------------------------------------

GUARD_LINE = "if flask_schemaflow.in_command(): return app"


def _finding(attempt: Attempt) -> Finding:
    refuses = attempt.kind == "drops" and attempt.dialect != "sqlite"
    kept = "kept from the database" if attempt.kept_out else "and it reached the database"
    return Finding(
        code=f"{attempt.kind}-on-load",
        subject=attempt.what.split("(")[0].split()[-1],
        severity=Severity.ERROR if refuses else Severity.WARNING,
        message=f"Loading the app runs {attempt.what}; {kept}.",
        hint=_HINTS[attempt.kind],
        file=attempt.origin.file if attempt.origin else None,
        line=attempt.origin.line if attempt.origin else None,
    )


_HINTS = {
    "creates": "Once the database is adopted, revisions create tables: remove the call.",
    "drops": f"Remove the call, or leave the factory before it: {GUARD_LINE}",
    "writes": f"Leave the factory before it while a command runs: {GUARD_LINE}",
}
