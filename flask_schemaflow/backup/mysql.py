"""Back up a MariaDB or MySQL database with its dump program, and bring it back with its client."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BackupFailed, Refused
from ..session import reading_connection
from .arguments import connect_arguments
from .programs import find_program, run
from .server import Server, Table
from .workspace import new_file

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

# The dump's session waits for a table for as long as the server lets it, which is a day; nothing but a
# locked table stops the output for so long.
STALLED = 60.0  # seconds
_PACKAGE = {"mariadb": "mariadb-client", "mysql": "default-mysql-client"}
_DUMP = {"mariadb": ("mariadb-dump", "mysqldump"), "mysql": ("mysqldump",)}
_CLIENT = {"mariadb": ("mariadb", "mysql"), "mysql": ("mysql",)}
_COMPLETE = b"-- Dump completed"

# The drivers' names for what an option file calls so
# (https://mariadb.com/kb/en/mariadb-command-line-client/, https://pymysql.readthedocs.io).
_NAMES = {
    "host": "host",
    "port": "port",
    "user": "user",
    "password": "password",
    "passwd": "password",
    "unix_socket": "socket",
    "connect_timeout": "connect_timeout",
}
_TLS = {"ca": "ssl-ca", "capath": "ssl-capath", "cert": "ssl-cert", "key": "ssl-key", "cipher": "ssl-cipher"}


@dataclass(frozen=True, kw_only=True)
class Client:
    """How the client programs connect: by an option file that only we can read."""

    family: str
    options: Path
    database: str
    environment: Mapping[str, str]

    def command(self, program: str) -> list[str]:
        """Begin a command line."""
        # Not --defaults-extra-file: what stands in ~/.my.cnf would win over it, and the app's driver does
        # not read that.
        return [program, f"--defaults-file={self.options}"]


def client_for(engine: Engine, family: str, own: Path, *, database: str | None = None) -> Client:
    """Give what leads a client program where the app's engine leads.

    :param own: the folder for the option file, with the password in it.
    :param database: another database of the server.
    :raises BackupFailed: there is no URL, or no database in it.
    """
    arguments = dict(connect_arguments(engine))
    name = database or arguments.get("database") or arguments.get("db")
    if not name:
        raise BackupFailed(
            "The URL of the app's database names no database, so it is not known what to back up. "
            "Name it there."
        )
    path = new_file(own / f"options-{'other' if database else 'own'}")
    # PyMySQL sends a password in Latin-1, the programs send the bytes that stand here.
    encoding = "latin-1" if engine.dialect.driver == "pymysql" else "utf-8"
    with path.open("wb") as file:
        file.write(b"[client]\n")
        for key, value in _options(engine, arguments):
            file.write(f"{key}={_quoted(value)}\n".encode(encoding if key == "password" else "utf-8"))
    # These would fill in what the file does not say.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MYSQL_")}
    return Client(family=family, options=path, database=str(name), environment=kept)


def _options(engine: Engine, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, name in _NAMES.items():
        if arguments.get(key):
            yield name, str(arguments[key])
    if not arguments.get("unix_socket") and engine.dialect.driver == "pymysql":
        # For the programs "localhost" means a socket, for this driver it does not.
        yield "protocol", "tcp"
    tls = arguments.get("ssl")
    if isinstance(tls, dict) and tls:
        yield from ((_TLS[key], str(value)) for key, value in tls.items() if key in _TLS and value)
        if tls.get("check_hostname"):
            yield "loose-ssl-verify-server-cert", "1"
    else:
        # Newer clients want to check a certificate that the app does not ask for.
        yield "loose-ssl-verify-server-cert", "0"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def name_quoted(name: str) -> str:
    """Quote a name."""
    return "`{}`".format(name.replace("`", "``"))


# -- asking ----------------------------------------------------------------------------------------

_TABLES = (
    "SELECT TABLE_NAME, coalesce(DATA_LENGTH, 0) FROM information_schema.TABLES "
    "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1"
)


def ask(engine: Engine) -> Server:
    """Ask for version, tables and their sizes. Read-only.

    :raises SchemaFlowError: the server cannot be reached.
    """
    with reading_connection(engine) as connection:
        return read_server(connection)


def read_server(connection: Connection) -> Server:
    """Read version, tables and sizes on a connection. Read-only."""
    database = connection.exec_driver_sql("SELECT DATABASE()").scalar()
    numbers = connection.dialect.server_version_info or ()
    tables = tuple(
        Table(schema=None, name=name, size=int(size)) for name, size in connection.exec_driver_sql(_TABLES)
    )
    version = tuple(each for each in numbers if isinstance(each, int))
    return Server(database=database or "", version=version, encoding="utf8mb4", tables=tables)


def check(client: Client, _server: Server) -> None:
    """Check that the programs are there and run. Touches no database.

    :raises BackupFailed: they do not.
    """
    for names in (_DUMP, _CLIENT):
        program = find_program(*names[client.family], package=_PACKAGE[client.family])
        run([program, "--version"], environment=client.environment)


# -- dumping ---------------------------------------------------------------------------------------


def dump(client: Client, server: Server, tables: tuple[Table, ...] | None, part: Path) -> None:
    """Dump the database, or some tables of it, and verify the dump. Read-only.

    :raises BackupFailed: the program fails, or the dump has not all that it should have.
    :raises Busy: somebody else has a table locked.
    """
    program = find_program(*_DUMP[client.family], package=_PACKAGE[client.family])
    command = [
        *client.command(program),
        *("--single-transaction", "--quick", "--triggers", "--hex-blob", "--no-tablespaces"),
        "--default-character-set=utf8mb4",
        # With locks, rows cannot be inserted again where a default takes from a sequence (error 1100).
        "--skip-add-locks",
    ]
    if tables is None:
        command += ["--routines", "--events", "--", client.database]
    else:
        # A table that is brought back beside the real one must drop nothing.
        command += ["--skip-add-drop-table", "--skip-disable-keys", "--complete-insert"]
        command += ["--", client.database, *(each.name for each in tables)]
    try:
        run(command, environment=client.environment, output=part, stalled_after=STALLED)
    except BackupFailed as error:
        if "SHOW CREATE" not in error.message:
            raise
        raise BackupFailed(f"{error.message} Grant the user SELECT on mysql.proc.") from error
    verify(part, server.tables if tables is None else tables)


def verify(file: Path, tables: Iterable[Table]) -> None:
    """Look for every table, and for the line that is written last. Touches no database.

    :raises BackupFailed: something is not there.
    """
    wanted = {f"CREATE TABLE {name_quoted(each.name)} (".encode(): each for each in tables}
    last = b""
    with file.open("rb") as lines:
        for line in lines:
            if line.startswith(b"CREATE TABLE "):
                wanted.pop(line.rstrip(b"\n"), None)
            last = line if line.strip() else last
    if not last.startswith(_COMPLETE):
        raise BackupFailed("The dump is not complete: the line that ends it is missing.")
    for table in wanted.values():
        raise BackupFailed(f"The dump has no table {table.label}.")


# -- bringing back ---------------------------------------------------------------------------------


_LEADS_AWAY = re.compile(rb"\s*(?:USE\b|CREATE\s+(?:DATABASE|SCHEMA)\b|\\[u!.])", re.IGNORECASE)
# A default that takes from a sequence names its database, and would take from the real one.
_SEQUENCE = re.compile(rb"(?<=nextval\()`(?:[^`]|``)+`\.(?=`)")


def for_another_database(file: Path, own: Path) -> Path:
    """Give a dump that names no database: it would be written to, and not the one that is meant.

    A dump has no line break inside a value.

    :param own: the folder for a changed one, where that is needed.
    :raises Refused: it leads to another database, as a dump of several does.
    """
    takes = False
    with file.open("rb") as lines:
        for line in lines:
            if _LEADS_AWAY.match(line):
                shown = line[:80].decode(errors="replace").strip()
                raise Refused(
                    f"{file} names the database that it writes to ({shown}), so it cannot be brought back "
                    "into another one. Nothing was changed."
                )
            takes = takes or _takes_from_sequence(line)
    if not takes:
        return file
    changed = new_file(own / "changed")
    with file.open("rb") as lines, changed.open("wb") as out:
        out.writelines(_SEQUENCE.sub(b"", line) if _takes_from_sequence(line) else line for line in lines)
    return changed


def _takes_from_sequence(line: bytes) -> bool:
    return line.startswith(b"  `") and b"nextval(" in line


def run_script(client: Client, file: Path) -> None:
    """Run a dump in the database to which ``client`` leads, up to the first error.

    :raises BackupFailed: a statement fails; those before it are in.
    """
    program = find_program(*_CLIENT[client.family], package=_PACKAGE[client.family])
    command = [*client.command(program), "--default-character-set=utf8mb4", f"--database={client.database}"]
    with file.open("rb") as script:
        run(command, environment=client.environment, stdin=script)
