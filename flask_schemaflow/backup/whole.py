"""Take the whole of a MariaDB or MySQL database that is ours, and fill new ones with it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ..session import family_of
from . import mysql
from .workspace import new_file, secrets_folder

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine


def dump_mysql(engine: Engine, connection: Connection, file: Path) -> None:
    """Dump the database of a connection so that it can be brought back under any name. Read-only.

    :param engine: how the app connects to the server.
    :param file: does not exist yet.
    :raises BackupFailed: the programs are not installed, or fail.
    """
    server = mysql.read_server(connection)
    with secrets_folder() as own:
        client = mysql.client_for(engine, family_of(connection.dialect), own, database=server.database)
        part = new_file(own / "dump")
        mysql.dump(client, server, None, part)
        shutil.copyfile(mysql.for_another_database(part, own), new_file(file))


def fill_mysql(engine: Engine, family: str, name: str, file: Path) -> None:
    """Fill a new database of the app's server with such a dump.

    :raises BackupFailed: the programs are not installed, or fail.
    """
    with secrets_folder() as own:
        mysql.run_script(mysql.client_for(engine, family, own, database=name), file)
