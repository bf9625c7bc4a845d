"""Fill a new database, or make new tables, out of a dump; the real ones are left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ..errors import ConfigurationError, Refused
from ..interrupts import uninterrupted
from ..scratch import create_mysql_statement, create_postgresql_statement, first_content
from ..session import server_connection
from . import mysql, postgresql
from .apart import Names, new_names, rewrite_mysql, rewrite_postgresql
from .manifest import Manifest, now
from .programs import find_program, run
from .workspace import new_file, secrets_folder

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from ..discovery import Bind


def restore_database(bind: Bind, file: Path, into: str) -> tuple[str, ...]:
    """Fill a database that is empty, or is made, on the server of ``bind``. Never touches the real one.

    :returns: what a person should know of it.
    :raises Refused: it is the real one, is not empty, or cannot be made.
    :raises BackupFailed: the dump cannot be restored; a database that was made is dropped again.
    """
    kind = _KINDS["postgresql" if bind.engine.dialect.name == "postgresql" else "mysql"]
    with secrets_folder() as own:
        script = kind.ready(file, own)
        with _room(bind.engine, kind, into):
            return kind.fill(bind, script, into, own)


def restore_tables(bind: Bind, file: Path, manifest: Manifest) -> Names:
    """Make new tables beside the real ones out of a dump of single tables.

    :returns: the new name of each table.
    :raises Refused: the dump has a form that is not known.
    :raises BackupFailed: it cannot be restored; no new table is left.
    """
    kind = _KINDS["postgresql" if bind.engine.dialect.name == "postgresql" else "mysql"]
    names = new_names(manifest.tables, now().rstrip("Z"), longest=kind.longest_name)
    with secrets_folder() as own:
        return kind.beside(bind, file, names, own)


def drop_database(engine: Engine, name: str) -> None:
    """Drop a database that this process made, as well as it can be done."""
    kind = _KINDS["postgresql" if engine.dialect.name == "postgresql" else "mysql"]
    with (
        uninterrupted(),
        suppress(Exception),
        server_connection(engine, isolation_level="AUTOCOMMIT") as real,
    ):
        quoted = real.dialect.identifier_preparer.quote_identifier(name)
        real.exec_driver_sql(kind.drop.format(name=quoted).replace("%", "%%"))


# -- the room for it -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """One engine's way.

    ``ready`` makes a dump fit for another database; ``current`` and ``exists`` are queries.
    """

    ready: Callable[[Path, Path], Path]
    current: str
    exists: str
    create: Callable[[Connection, str], str]
    drop: str
    longest_name: int  # bytes, or characters
    fill: Callable[[Bind, Path, str, Path], tuple[str, ...]]
    beside: Callable[[Bind, Path, Names, Path], Names]


@contextmanager
def _room(engine: Engine, kind: _Kind, into: str) -> Iterator[None]:
    """Make the database, or check that it is empty; one that was made is dropped again on failure."""
    made = False
    try:
        with server_connection(engine, isolation_level="AUTOCOMMIT") as real:
            if real.exec_driver_sql(kind.current).scalar() == into:
                raise Refused(
                    f"{into} is the app's own database, which is never written over. Name a new one."
                )
            if real.execute(text(kind.exists), {"name": into}).scalar() is None:
                quoted = real.dialect.identifier_preparer.quote_identifier(into)
                with uninterrupted(stop_afterwards=True):
                    _create(real, kind.create(real, quoted), into)
                    made = True
        _check_empty(engine, kind, into)
        yield
    except BaseException:
        if made:
            drop_database(engine, into)
        raise


def _create(real: Connection, statement: str, into: str) -> None:
    try:
        real.exec_driver_sql(statement)
    except DBAPIError as error:
        problem = " ".join(str(error.orig).split())
        raise Refused(
            f"The database {into} cannot be made ({problem}). Let somebody make it, empty, and name it again."
        ) from error


def _check_empty(engine: Engine, kind: _Kind, into: str) -> None:
    with server_connection(engine, database=into) as there:
        name = there.exec_driver_sql(kind.current).scalar()
        if name != into:
            raise ConfigurationError(
                f"The app makes its connections by a function of its own, which leads to {name} and "
                f"not to {into}. Restore with the server's own client program."
            )
        found = first_content(there)
    if found is not None:
        raise Refused(f"{into} is not empty: it has {found}. Name a new or an empty database.")


# -- PostgreSQL ------------------------------------------------------------------------------------


def _fill_postgresql(bind: Bind, file: Path, into: str, own: Path) -> tuple[str, ...]:
    client = postgresql.client_for(bind.engine, own, database=into)
    if postgresql.restore_whole(client, file):
        return ()
    return (
        "Owners and grants could not be set by this role: everything in it belongs to it, and other roles "
        "have no rights.",
    )


def _beside_postgresql(bind: Bind, file: Path, names: Names, own: Path) -> Names:
    client = postgresql.client_for(bind.engine, own)
    wanted = {
        f" {kind} {schema} {name} ": (schema, name)
        for schema, name in names
        for kind in ("TABLE", "TABLE DATA")
    }
    entries = [line for line in postgresql.entries(client, file) if any(each in line for each in wanted)]
    with_rows = {
        table: names[table]
        for words, table in wanted.items()
        if words.startswith(" TABLE DATA ") and any(words in line for line in entries)
    }
    chosen = [line for line in entries if any(f" {s} {n} " in line for s, n in with_rows)]
    listed, script, rewritten = own / "list", own / "script", own / "rewritten"
    listed.write_text("\n".join([*chosen, ""]), encoding="utf-8", errors="surrogateescape")
    program = find_program("pg_restore", package="postgresql-client")
    command = [program, "--no-owner", "--no-privileges", f"--use-list={listed}", f"--file={new_file(script)}"]
    run([*command, str(file)], environment=client.environment)
    rewrite_postgresql(script, rewritten, with_rows)
    program = find_program("psql", package="postgresql-client")
    command = [program, "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
    run([*command, f"--file={rewritten}", f"--dbname={client.conninfo}"], environment=client.environment)
    return with_rows


# -- MariaDB and MySQL -----------------------------------------------------------------------------


def _fill_mysql(bind: Bind, file: Path, into: str, own: Path) -> tuple[str, ...]:
    mysql.run_script(mysql.client_for(bind.engine, bind.family, own, database=into), file)
    return ()


def _beside_mysql(bind: Bind, file: Path, names: Names, own: Path) -> Names:
    rewritten = new_file(own / "rewritten")
    rewrite_mysql(file, rewritten, names)
    client = mysql.client_for(bind.engine, bind.family, own)
    try:
        mysql.run_script(client, rewritten)
    except BaseException:
        with uninterrupted(), suppress(Exception), server_connection(bind.engine) as connection:
            for name in names.values():
                statement = f"DROP TABLE IF EXISTS {mysql.name_quoted(name)}"
                connection.exec_driver_sql(statement.replace("%", "%%"))
        raise
    return names


_KINDS = {
    "postgresql": _Kind(
        ready=lambda file, _own: file,
        current="SELECT current_database()",
        exists="SELECT 1 FROM pg_database WHERE datname = :name",
        create=create_postgresql_statement,
        drop="DROP DATABASE IF EXISTS {name} WITH (FORCE)",
        longest_name=63,
        fill=_fill_postgresql,
        beside=_beside_postgresql,
    ),
    "mysql": _Kind(
        ready=mysql.for_another_database,
        current="SELECT DATABASE()",
        exists="SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = :name",
        create=create_mysql_statement,
        drop="DROP DATABASE IF EXISTS {name}",
        longest_name=64,
        fill=_fill_mysql,
        beside=_beside_mysql,
    ),
}
