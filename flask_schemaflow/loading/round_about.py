"""Refuse SQLite connections that go round the replaced ``sqlite3.connect``.

A function that was imported from ``sqlite3`` before it was replaced, or ``sqlite3.Connection`` itself, opens
the real file. The driver tells Python's audit hooks of each connection (event ``sqlite3.connect``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from ..errors import ConfigurationError
from ..sqlite_file import file_of_name
from .origins import app_origin
from .record import GUARD_LINE

Check = Callable[[Any], None]

# An audit hook can never be taken away again: there is one, which asks these. It costs 80 ns an audit event.
_checks: list[Check] = []


@contextmanager
def connections_checked(check: Check) -> Iterator[None]:
    """Call ``check`` with the name of each database that this process connects to inside the block.

    What it raises comes out of the connect. For a process of our own: a hook stays in it.
    """
    _install()
    _checks.append(check)
    try:
        yield
    finally:
        _checks.remove(check)


@cache
def _install() -> None:
    sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if _checks and event == "sqlite3.connect":
        for check in tuple(_checks):
            check(arguments[0])


def refuse_file(database: Any) -> None:
    """Refuse a database that is a file.

    :raises ConfigurationError: it is one; the message names the line of the app.
    """
    # The event does not tell whether the name is a URI.
    file = file_of_name(database, uri=True)
    if file is not None:
        origin = app_origin()
        place = f"{origin}: " if origin else ""
        raise ConfigurationError(
            f"{place}While it loads, the app opens {file} by sqlite3.Connection, or by a sqlite3.connect "
            "that was imported before the app was loaded; that cannot be sent to a copy. Use "
            f"sqlite3.connect(…), or leave the factory before that line while a command runs: {GUARD_LINE}"
        )
