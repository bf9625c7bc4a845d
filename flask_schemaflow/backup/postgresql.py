"""Back up a PostgreSQL database with ``pg_dump``, and bring it back with ``pg_restore``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BackupFailed
from ..session import reading_connection
from .arguments import connect_arguments
from .programs import find_program, run, version_of
from .server import Server, Table
from .workspace import new_file

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

LOCK_WAIT = 10_000  # milliseconds for a table that somebody else has locked
_PACKAGE = "postgresql-client"

# What libpq understands (https://www.postgresql.org/docs/current/libpq-connect.html, 34.1.2), but for
# what is secret, and the encoding, which is the dump's own. Drivers know more, for themselves.
_LIBPQ = frozenset(
    """hostaddr dbname user passfile require_auth channel_binding connect_timeout options application_name
    fallback_application_name keepalives keepalives_idle keepalives_interval keepalives_count
    tcp_user_timeout gssencmode sslmode requiressl sslnegotiation sslcompression sslcert sslkey sslcertmode
    sslrootcert sslcrl sslcrldir sslsni requirepeer ssl_min_protocol_version ssl_max_protocol_version
    krbsrvname gsslib gssdelegation service target_session_attrs load_balance_hosts""".split()
)


@dataclass(frozen=True, kw_only=True)
class Client:
    """How the client programs connect: nothing secret is in ``conninfo``, which everybody can see."""

    conninfo: str
    environment: Mapping[str, str]


def client_for(engine: Engine, own: Path, *, database: str | None = None) -> Client:
    """Give what leads a client program where the app's engine leads.

    The password goes into a file in ``own``, which only we can read. Host and port go through the
    environment, by which Debian's wrapper chooses the version of the program.

    :param database: another database of the server.
    :raises BackupFailed: there is no URL, or it has a secret for which there is no other way.
    """
    arguments = dict(connect_arguments(engine))
    if database is not None:
        arguments["dbname"] = database
    if arguments.get("sslpassword"):
        raise BackupFailed(
            "The URL has an sslpassword, which could only be given to pg_dump where everybody sees it. Set "
            "SCHEMAFLOW_BACKUP_COMMAND."
        )
    environment = dict(os.environ)
    for key, name in (("host", "PGHOST"), ("port", "PGPORT")):
        if arguments.get(key):
            environment[name] = str(arguments[key])
    if arguments.get("password"):
        # PGPASSWORD would win over the file.
        environment.pop("PGPASSWORD", None)
        environment["PGPASSFILE"] = str(_password_file(own, str(arguments["password"])))
    words = (f"{key}={_quoted(str(value))}" for key, value in arguments.items() if key in _LIBPQ)
    return Client(conninfo=" ".join(words), environment=environment)


def _password_file(own: Path, password: str) -> Path:
    path = own / "pgpass"
    if not path.exists():
        new_file(path)
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    path.write_text(f"*:*:*:*:{escaped}\n", encoding="utf-8")
    return path


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


# -- asking ----------------------------------------------------------------------------------------

_SERVER = (
    "SELECT current_database(), current_setting('server_version_num')::int, pg_encoding_to_char(encoding)"
)
# What belongs to an extension is made again by it. A partition is dumped like any other table.
_TABLES = """
SELECT n.nspname AS schema, c.relname AS name, pg_table_size(c.oid) AS size, c.relkind = 'r' AS has_rows,
    pg_get_userbyid(c.relowner) AS owner, pg_table_is_visible(c.oid) AS is_default,
    CASE WHEN c.relkind = 'p' THEN ARRAY(SELECT ARRAY[pn.nspname::text, p.relname::text]
        FROM pg_partition_tree(c.oid) AS t JOIN pg_class AS p ON p.oid = t.relid
        JOIN pg_namespace AS pn ON pn.oid = p.relnamespace WHERE t.level > 0) END AS parts
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT 1 FROM pg_depend AS e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid
        AND e.deptype = 'e')
ORDER BY 1, 2
"""


def ask(engine: Engine) -> Server:
    """Ask for version, tables and their sizes. Read-only.

    :raises SchemaFlowError: the server cannot be reached.
    """
    with reading_connection(engine) as connection:
        return read_server(connection)


def read_server(connection: Connection) -> Server:
    """Read version, tables and sizes on a connection. Read-only."""
    name, number, encoding = connection.exec_driver_sql(
        f"{_SERVER} FROM pg_database WHERE datname = current_database()"
    ).one()
    tables = tuple(
        Table(
            schema=each.schema,
            name=each.name,
            size=each.size or 0,
            owner=each.owner,
            is_default=each.is_default,
            has_rows=each.has_rows,
            parts=tuple((schema, part) for schema, part in each.parts or ()),
        )
        for each in connection.exec_driver_sql(_TABLES)
    )
    return Server(database=name, version=(number // 10000,), encoding=encoding, tables=tables)


def check(client: Client, server: Server) -> None:
    """Check that the programs are there and not older than the server. Touches no database.

    :raises BackupFailed: they are not.
    """
    for name in ("pg_dump", "pg_restore"):
        program = find_program(name, package=_PACKAGE)
        major = version_of(program, client.environment)[0]
        if major < server.version[0]:
            raise BackupFailed(
                f"{name} is of version {major} and the server of version {server.version[0]}, and an older "
                f"{name} cannot read a newer server. Install {_PACKAGE}-{server.version[0]}, or set "
                "SCHEMAFLOW_BACKUP_COMMAND."
            )


# -- dumping ---------------------------------------------------------------------------------------


def dump(client: Client, server: Server, tables: tuple[Table, ...] | None, part: Path) -> None:
    """Dump the database, or some tables of it, and verify the dump. Read-only.

    :raises BackupFailed: ``pg_dump`` fails, or the dump has not all that it should have.
    :raises Busy: somebody else has a table locked.
    """
    program = find_program("pg_dump", package=_PACKAGE)
    command = [program, "--format=custom", f"--lock-wait-timeout={LOCK_WAIT}", f"--file={part}"]
    if server.encoding != "SQL_ASCII":
        command.append("--encoding=UTF8")
    if tables is not None:
        command.append("--strict-names")
        command.extend(f"--table={_pattern(each)}" for each in tables)
    run([*command, f"--dbname={client.conninfo}"], environment=client.environment)
    verify(client, part, server.tables if tables is None else tables)


def _pattern(table: Table) -> str:
    """Write a name so that it matches nothing else.

    In double quotes nothing has a special meaning
    (https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-PATTERNS).
    """
    return ".".join('"{}"'.format(str(part).replace('"', '""')) for part in (table.schema, table.name))


def verify(client: Client, file: Path, tables: Iterable[Table]) -> None:
    """Read a dump from one end to the other, and look for tables and their rows in its list.

    Touches no database.

    :raises BackupFailed: it is damaged, or something is not in it.
    """
    program = find_program("pg_restore", package=_PACKAGE)
    run([program, f"--file={os.devnull}", str(file)], environment=client.environment)
    listed = set(contents(client, file))
    for table in tables:
        kinds = ("TABLE", "TABLE DATA") if table.has_rows else ("TABLE",)
        for kind in kinds:
            words = (kind, table.schema or "-", _one_line(table.name), table.owner)
            if " ".join(words) not in listed:
                raise BackupFailed(f"The dump has no {kind} of {table.label}.")


def contents(client: Client, file: Path) -> list[str]:
    """List what is in a dump: kind, schema, name and owner of each entry."""
    return [line.split(" ", 3)[3] for line in entries(client, file)]


def entries(client: Client, file: Path) -> list[str]:
    """Give the lines of a dump's list, each with its numbers, for ``pg_restore --use-list``."""
    program = find_program("pg_restore", package=_PACKAGE)
    said = run([program, "--list", str(file)], environment=client.environment)
    return [line for line in said.splitlines() if line and not line.startswith(";")]


def _one_line(name: str) -> str:
    return name.replace("\n", " ").replace("\r", " ")


# -- bringing back ---------------------------------------------------------------------------------


def restore_whole(client: Client, file: Path) -> bool:
    """Restore a dump into the empty database to which ``client`` leads, all of it or nothing.

    :returns: whether owners and grants came along; a role that may not give things away owns all itself.
    :raises BackupFailed: it cannot be restored; the database is as it was.
    """
    program = find_program("pg_restore", package=_PACKAGE)
    command = [program, "--exit-on-error", "--single-transaction", f"--dbname={client.conninfo}"]
    try:
        run([*command, str(file)], environment=client.environment)
    except BackupFailed:
        run([*command, "--no-owner", "--no-privileges", str(file)], environment=client.environment)
        return False
    return True
