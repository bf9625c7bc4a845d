"""Bring a backup back where it harms nobody, to see whether it can be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..scratch import database_mark, new_scratch_name
from ..session import connect_with, server_connection
from ..sqlite_file import open_readonly
from .beside import drop_database, restore_database

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..discovery import Bind

# A mark, and what says that it is in use: by both is known what a killed process left.
_MARK = {
    "postgresql": "COMMENT ON DATABASE {name} IS '{mark}'",
    "mariadb": "ALTER DATABASE {name} COMMENT '{mark}'",
}
_IN_USE = "SELECT GET_LOCK('{name}', 0)"


@contextmanager
def restored_on_scratch(bind: Bind, file: Path) -> Iterator[Connection]:
    """Give a connection to what a backup brings back; it is gone after the block.

    A server's is restored to a new database. A SQLite backup is a database itself, and is opened for
    reading. Never touches the real database.

    :raises BackupFailed: it cannot be brought back.
    :raises Refused: the role may not make a database.
    """
    if bind.family == "sqlite":
        connection = connect_with(bind.engine, lambda: open_readonly(file), app_listeners=True)
        try:
            yield connection
        finally:
            connection.close()
            connection.engine.dispose()
        return
    name = new_scratch_name()
    with server_connection(bind.engine, isolation_level="AUTOCOMMIT") as keeper:
        if bind.family != "postgresql":
            keeper.exec_driver_sql(_IN_USE.format(name=name))
        try:
            restore_database(bind, file, name)
            if bind.family in _MARK:
                keeper.exec_driver_sql(_MARK[bind.family].format(name=name, mark=database_mark()))
            with server_connection(bind.engine, database=name) as connection:
                yield connection
        finally:
            drop_database(bind.engine, name)
