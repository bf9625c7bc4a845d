"""Refuse SQLite connections that go round the replaced ``sqlite3.connect``.

A function that was imported from ``sqlite3`` before it was replaced, or ``sqlite3.Connection`` itself, opens
the real file.
"""

from __future__ import annotations

from typing import Any

from ..errors import ConfigurationError
from ..sqlite_file import file_of_name
from .origins import app_origin
from .record import GUARD_LINE


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
