"""Which database it really is, whatever the URL says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..sqlite_file import file_of_url
from .connecting import server_connection
from .targets import target_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

Identity = tuple[str, ...]

_MYSQL = "SELECT @@hostname, @@port, @@datadir, DATABASE()"
_QUERIES = {
    "postgresql": "SELECT pg_postmaster_start_time()::text, oid::text FROM pg_database "
    "WHERE datname = current_database()",
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}
_NAMES = {
    "postgresql": "SELECT current_database()",
    "mysql": "SELECT DATABASE()",
    "mariadb": "SELECT DATABASE()",
}


def identity_of(engine: Engine) -> Identity:
    """Say which database an engine leads to, the same for every way to it. Read-only.

    PostgreSQL: when the server was started, and the database's oid; MariaDB and MySQL: the server's host,
    port and folder, and the database's name; SQLite: the file.
    """
    if engine.dialect.name == "sqlite":
        file = file_of_url(engine.url)
        if file is None or not file.exists():
            return ("sqlite", str(file and file.resolve()))
        found = file.stat()
        return ("sqlite", str(found.st_dev), str(found.st_ino))
    with server_connection(engine) as connection:
        return identity_on(connection)


def identity_on(connection: Connection) -> Identity:
    """Say which database of a server a connection is in. Read-only."""
    family = "postgresql" if connection.dialect.name == "postgresql" else "mysql"
    return (family, *map(str, connection.exec_driver_sql(_QUERIES[connection.dialect.name]).one()))


def in_order(engines: Iterable[Engine]) -> list[Engine]:
    """Put engines into the one order in which all processes lock them, each database once.

    Two processes that lock two databases in different orders would wait for one another.
    """
    return [together[0] for together in databases_in_order(engines)]


def databases_in_order(engines: Iterable[Engine]) -> list[list[Engine]]:
    """Put engines into that order, those of one database together."""
    several = list(engines)
    if len(several) < 2:
        return [[each] for each in several]
    found: dict[Identity, list[Engine]] = {}
    for engine in several:
        found.setdefault(identity_of(engine), []).append(engine)
    return [found[identity] for identity in sorted(found)]


def name_of(engine: Engine) -> str:
    """Give the name of a database as its server says it; of SQLite that of the file. Read-only."""
    if engine.dialect.name == "sqlite":
        file = file_of_url(engine.url)
        return file.name if file is not None else target_of(engine)
    with server_connection(engine) as connection:
        return str(connection.exec_driver_sql(_NAMES[connection.dialect.name]).scalar_one())
