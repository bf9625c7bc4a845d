"""Keep what an app does while it loads away from its database, and remember what it tried.

SQLite: every connection goes to a throw-away copy. Servers: ``create_all`` and ``drop_all`` do nothing.
On both, what was tried is recorded with the line of the app that tried it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

from .record import Applies, LoadingRecord
from .sqlite_copies import sqlite_copies
from .statements import (
    create_all_recorded,
    engines_disposed,
    server_writes_recorded,
    servers_refused,
    tables_recorded,
)

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


@contextmanager
def guarded_loading(*, every_thread: bool, servers_too: bool = False) -> Iterator[LoadingRecord]:
    """Keep everything that runs inside the block away from real databases.

    SQLite files are replaced by throw-away copies, made when first opened: content through the backup
    API, above 256 MB the structure only, nothing where there is no file. On servers ``create_all`` and
    ``drop_all`` do nothing; other statements are sent and recorded. Afterwards the engines that were
    used are disposed and the copies removed. Never touches the real SQLite database: with ``every_thread``
    a connection that goes round ``sqlite3.connect`` is refused.

    :param every_thread: also what other threads do. For a process of our own; inside a running app it
        would send other threads' rows into a copy.
    :param servers_too: refuse every connection to a server; for modules that only we import.
    :raises SchemaFlowError: a copy could not be made.
    """
    record = LoadingRecord()
    with ExitStack() as stack:
        applies = _applies_to(None if every_thread else threading.get_ident())
        stack.enter_context(sqlite_copies(record, applies, refuse_others=every_thread))
        stack.enter_context(create_all_recorded(record, applies))
        stack.enter_context(server_writes_recorded(record, applies))
        if servers_too:
            stack.enter_context(servers_refused(applies))
        stack.enter_context(tables_recorded(record))
        stack.enter_context(engines_disposed(applies))
        yield record
    if record.failure is not None:
        raise record.failure


def _applies_to(thread: int | None) -> Applies:
    return lambda: thread is None or threading.get_ident() == thread
