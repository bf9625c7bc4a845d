"""Databases on a real server, and what the server's own dump tool says of their structure."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from itertools import groupby

import sqlalchemy as sa

Lines = list[str]


class Server:
    """A server with three databases that are emptied and used again: the real one, a fresh one, scratch."""

    def __init__(self, name: str, url: sa.URL) -> None:
        self.name = name
        self._open = ExitStack()
        with ExitStack() as until_made:
            until_made.push(self._open)
            maker = self._connect(url, isolation_level="AUTOCOMMIT")
            self.real, self.fresh, self.scratch = (
                self._database(maker, url, part) for part in ("real", "fresh", "scratch")
            )
            self.empty()
            until_made.pop_all()

    def close(self) -> None:
        """Drop the databases."""
        self._open.close()

    @property
    def dialect(self) -> sa.Dialect:
        """The dialect as it is after it has connected."""
        return self.real.dialect

    def empty(self) -> None:
        """Empty the databases."""
        for connection in (self.real, self.fresh, self.scratch):
            connection.rollback()
            EMPTY[self.name](connection)
            connection.commit()

    def dump(self, connection: sa.Connection) -> Lines:
        """Give the structure as the server's own tool writes it."""
        connection.commit()
        return DUMP[self.name](connection.engine.url)

    def left(self, connection: sa.Connection) -> Lines:
        """Name all that is in a database."""
        with connection.begin():
            return sorted(connection.exec_driver_sql(LEFT[self.name]).scalars())

    def _database(self, maker: sa.Connection, url: sa.URL, part: str) -> sa.Connection:
        name = f"sf_{os.getpid()}_zoo_{part}"
        maker.exec_driver_sql(f"CREATE DATABASE {name}")
        force = " WITH (FORCE)" if self.name == "postgresql" else ""
        self._open.callback(maker.exec_driver_sql, f"DROP DATABASE {name}{force}")
        return self._connect(url.set(database=name))

    def _connect(self, url: sa.URL, **options: str) -> sa.Connection:
        engine = sa.create_engine(url, **options)
        self._open.callback(engine.dispose)
        return self._open.enter_context(engine.connect())


# -- emptying --------------------------------------------------------------------------------------


def _empty_postgresql(connection: sa.Connection) -> None:
    schemas = connection.exec_driver_sql(
        "SELECT quote_ident(nspname) FROM pg_namespace"
        " WHERE nspname NOT LIKE 'pg\\_%%' AND nspname <> 'information_schema'"
    ).scalars()
    for schema in [*schemas]:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    connection.exec_driver_sql("CREATE SCHEMA public")


def _empty_mariadb(connection: sa.Connection) -> None:
    name = connection.engine.url.database
    connection.exec_driver_sql(f"DROP DATABASE {name}")
    connection.exec_driver_sql(f"CREATE DATABASE {name}")
    connection.exec_driver_sql(f"USE {name}")


EMPTY: dict[str, Callable[[sa.Connection], None]] = {
    "postgresql": _empty_postgresql,
    "mariadb": _empty_mariadb,
}

# -- dumping ---------------------------------------------------------------------------------------


def _dump_postgresql(url: sa.URL) -> Lines:
    place = url.set(drivername="postgresql").render_as_string(hide_password=False)
    # Owners and grants are those of whoever runs it, the same on both sides.
    text = _output("pg_dump", "--schema-only", "--no-owner", "--no-privileges", place)
    # A random token against injected meta-commands, another one in each dump.
    text = re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE)
    # What stays of the comments is titles of objects, which the statements below them say too, and of
    # the SETs the session of the dump; those of table access method and tablespace belong to an object.
    return [
        line
        for line in text.splitlines()
        if line and not re.match(r"--|SET (?!default_)|SELECT pg_cat", line)
    ]


def _dump_mariadb(url: sa.URL) -> Lines:
    options = [f"--user={url.username}", f"--password={url.password or ''}"]
    socket = url.query.get("unix_socket")
    options += [f"--socket={socket}"] if socket else [f"--host={url.host}", f"--port={url.port or 3306}"]
    text = _output(
        "mariadb-dump", "--no-defaults", *options, "--no-data", "--routines", "--events", "--compact",
        "--triggers", str(url.database),
    )  # fmt: skip
    # A default that takes from a sequence names the database, and the two have different names.
    text = text.replace(f"`{url.database}`.", "")
    # How far a table has counted is about its rows.
    text = re.sub(r" AUTO_INCREMENT=\d+", "", text)
    # The server numbers the keys that nobody named in the order in which they come, and create_all sends
    # those that it adds late, and the indexes, in the order of a set: differently each time.
    text = re.sub(r"_ibfk_\d+`", "_ibfk_`", text)
    # --compact leaves out the header; what else stands in these comments is the dump's own session.
    lines = [line for line in text.splitlines() if line and not re.match(r"/\*!\d+ SET |/\*M!|--", line)]
    return [line for _, group in groupby(lines, _is_key) for line in _sorted_keys([*group])]


_KEY = re.compile(r"  (UNIQUE |FULLTEXT |SPATIAL )?KEY |  CONSTRAINT .* FOREIGN KEY ")


def _is_key(line: str) -> bool:
    return _KEY.match(line) is not None


def _sorted_keys(lines: Lines) -> Lines:
    return sorted(line.removesuffix(",") for line in lines) if _is_key(lines[0]) else lines


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


DUMP: dict[str, Callable[[sa.URL], Lines]] = {"postgresql": _dump_postgresql, "mariadb": _dump_mariadb}

# -- naming all that is left -----------------------------------------------------------------------

# Whatever has an entry in these catalogs and was not there from the beginning: by then, object ids
# are below 16384 (https://www.postgresql.org/docs/15/system-catalog-initial-data.html). "public" is new
# in an emptied database, plpgsql was there.
LEFT = {
    "postgresql": """
        SELECT 'relation ' || relname FROM pg_class
         WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
        UNION ALL SELECT 'type ' || typname FROM pg_type
         WHERE oid >= 16384 AND typnamespace <> 'pg_toast'::regnamespace
        UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE oid >= 16384
        UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE oid >= 16384 AND nspname <> 'public'
         AND nspname NOT LIKE 'pg_t%%temp%%'
        UNION ALL SELECT 'extension ' || extname FROM pg_extension WHERE oid >= 16384
        UNION ALL SELECT 'operator ' || oprname FROM pg_operator WHERE oid >= 16384
        UNION ALL SELECT 'collation ' || collname FROM pg_collation WHERE oid >= 16384
        UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger WHERE oid >= 16384
        UNION ALL SELECT 'statistics ' || stxname FROM pg_statistic_ext WHERE oid >= 16384
    """,
    "mariadb": """
        SELECT CONCAT(table_type, ' ', table_name) FROM information_schema.tables
         WHERE table_schema = DATABASE()
        UNION ALL SELECT CONCAT(routine_type, ' ', routine_name) FROM information_schema.routines
         WHERE routine_schema = DATABASE()
        UNION ALL SELECT CONCAT('TRIGGER ', trigger_name) FROM information_schema.triggers
         WHERE trigger_schema = DATABASE()
        UNION ALL SELECT CONCAT('EVENT ', event_name) FROM information_schema.events
         WHERE event_schema = DATABASE()
    """,
}
