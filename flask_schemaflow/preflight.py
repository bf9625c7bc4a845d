"""What must hold before anything is read or written: the right server, of a kind that we know."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from .discovery import check_direct
from .errors import Busy, ConfigurationError, Refused
from .findings import Finding, Severity
from .network_files import NETWORK_FILE_SYSTEM, check_local
from .session import CONNECT_TIMEOUT, check_no_pooler, name_of, server_connection

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from .config import Settings
    from .discovery import Bind
    from .survey import Project

NOT_CLUSTER_WIDE = "lock-not-cluster-wide"
OF_SERVERS = (NOT_CLUSTER_WIDE, NETWORK_FILE_SYSTEM)
"""The codes that ``--accept`` can name here."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0  # seconds


# -- the right server ------------------------------------------------------------------------------


def check_reachable(project: Project, *, expected_names: Iterable[str] = ()) -> None:
    """Check that the databases answer, if that was asked for, and are those that were meant. Read-only.

    Opens a connection only where ``WAIT``, a name or ``SCHEMAFLOW_DATABASE_URI`` asks for it.

    :param expected_names: the default database's name, of SQLite the file's; of another one with its bind key
        before it (``logs=shop_logs``).
    :raises Busy: a server does not answer within ``WAIT``.
    :raises ConfigurationError: it refuses the user, or is another database.
    """
    if project.settings.wait:
        deadline = time.monotonic() + project.settings.wait
        for bind in project.binds:
            if bind.family != "sqlite":
                _wait_for(bind, deadline, project)
    if project.settings.database_uri:
        check_direct(project.app, project.binds)
    for expected in expected_names:
        _check_name(project.binds, expected)


def _wait_for(bind: Bind, deadline: float, project: Project) -> None:
    pause = _FIRST_PAUSE
    while (error := _problem(bind, min(CONNECT_TIMEOUT, deadline - time.monotonic()))) is not None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Busy(f"{error.message} It was tried for {project.settings.wait:g} seconds.") from error
        if pause == _FIRST_PAUSE:
            project.patience.tell(f"Waiting     for {bind.target} to answer")
        time.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _problem(bind: Bind, timeout: float) -> Busy | None:
    """Say why a server cannot be reached now; what cannot become better by waiting is raised."""
    try:
        with server_connection(bind.engine, timeout=timeout):
            return None
    except Busy as error:
        return error


def _check_name(binds: Iterable[Bind], expected: str) -> None:
    by_key = {each.key or "": bind for bind in binds for each in bind.members}
    key, equals, name = expected.partition("=")
    if not equals or key not in by_key:
        key, name = "", expected
    bind = by_key[key]
    found = name_of(bind.engine)
    if found != name:
        which = f"The database {key!r}" if key else "The database"
        raise ConfigurationError(
            f"{which} is {found!r} ({bind.target}), not {name!r} as --expect-database says. Nothing "
            "was touched."
        )


# -- a kind that we know ---------------------------------------------------------------------------


def check_servers(binds: Iterable[Bind], settings: Settings, accepted: Iterable[str] = ()) -> None:
    """Check that the databases are on servers on which our lock holds and that take writes. Read-only.

    :param accepted: ``CODE:SUBJECT`` besides those in the settings.
    :raises ConfigurationError: there is a pooler between, or it is a server or driver that we do not know.
    :raises Refused: it is a replica, or one of several servers on which a lock holds on one only, or a file
        on a network file system.
    """
    accepts = {*accepted, *settings.accept}
    for bind in binds:
        check_driver(bind.engine.dialect.name, bind.engine.dialect.driver)
        if bind.family == "sqlite":
            check_version("sqlite", sqlite3.sqlite_version)
            check_local(bind, accepts)
            continue
        if bind.engine.dialect.name == "postgresql":
            check_no_pooler(bind.engine)
        with server_connection(bind.engine) as connection:
            check_version(bind.family, str(connection.exec_driver_sql("SELECT version()").scalar()))
            _WRITES[bind.engine.dialect.name](bind, connection, accepts)


_DRIVERS = {
    "sqlite": ("pysqlite",),
    "postgresql": ("psycopg", "psycopg2"),
    "mysql": ("pymysql", "mysqldb"),
    "mariadb": ("pymysql", "mysqldb"),
}
# What says that it is PostgreSQL or MySQL, and locks or commits otherwise.
_RELATIVES = ("CockroachDB", "-YB-", "YugabyteDB", "Redshift", "Vitess", "TiDB")
_OLDEST = {"sqlite": (3, 31), "postgresql": (13,), "mariadb": (10, 6), "mysql": (8, 0, 16)}


def check_driver(dialect: str, driver: str) -> None:
    """Check that a driver is one that this was tried with.

    :raises ConfigurationError: it is another one.
    """
    known = _DRIVERS.get(dialect, (driver,))
    if driver not in known:
        raise ConfigurationError(
            f"The driver {driver} is not supported on {dialect}; use {' or '.join(known)}, for these "
            "commands through SCHEMAFLOW_DATABASE_URI if need be."
        )


def check_version(family: str, version: str) -> None:
    """Check what a server says of itself.

    :raises ConfigurationError: it is another product, or too old.
    """
    for name in _RELATIVES:
        if name.lower() in version.lower():
            raise ConfigurationError(
                f"The server is {name.strip('-')} ({version}), with locks and transactions of its own. It is "
                "not supported."
            )
    # MariaDB as a replica of MySQL begins with 5.5.5- (https://mariadb.com/kb/en/version/).
    found = re.search(r"\d+(?:\.\d+)*", version.removeprefix("5.5.5-"))
    numbers = tuple(int(each) for each in found[0].split(".")) if found else ()
    oldest = _OLDEST[family]
    if numbers and numbers < oldest:
        raise ConfigurationError(
            f"The server is {family} {'.'.join(map(str, numbers))}; it must be "
            f"{'.'.join(map(str, oldest))} or newer."
        )


def _check_postgresql(bind: Bind, connection: Connection, _accepts: set[str]) -> None:
    is_replica, read_only = connection.exec_driver_sql(
        "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'"
    ).one()
    if is_replica or read_only:
        raise _read_only(bind, "it is a replica" if is_replica else "default_transaction_read_only is on")


def _check_mysql(bind: Bind, connection: Connection, accepts: set[str]) -> None:
    if connection.exec_driver_sql("SELECT @@global.read_only").scalar() not in (0, "0", "OFF"):
        raise _read_only(bind, "read_only is on")
    row = connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'").one_or_none()
    members = int(row[1]) if row else 0
    if members > 1 and f"{NOT_CLUSTER_WIDE}:{bind.label}" not in accepts:
        finding = Finding(
            code=NOT_CLUSTER_WIDE,
            subject=bind.label,
            severity=Severity.ERROR,
            message=f"The server is one of {members} of a cluster, and a lock holds on one of them only.",
            hint="See to it that one migration runs at a time, and say "
            f"--accept {NOT_CLUSTER_WIDE}:{bind.label}.",
        )
        raise Refused(f"{bind.target}: {finding.message} {finding.hint}", findings=(finding,))


def _read_only(bind: Bind, why: str) -> Refused:
    return Refused(f"{bind.target} takes no writes ({why}). Nothing was changed; name the primary server.")


_WRITES: dict[str, Callable[[Bind, Connection, set[str]], None]] = {
    "postgresql": _check_postgresql,
    "mysql": _check_mysql,
    "mariadb": _check_mysql,
}
