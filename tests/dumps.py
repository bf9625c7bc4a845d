"""What a server's own dump tool says of a database: the independent witness."""

from __future__ import annotations

import os
import re
import subprocess

import sqlalchemy as sa


def dump(url: str | sa.URL, *, rows: bool = True) -> str:
    """Dump a database with its rows, without the version table and the history."""
    where = sa.make_url(url)
    text = (
        _by_pg_dump(where, rows)
        if where.get_backend_name() == "postgresql"
        else _by_mariadb_dump(where, rows)
    )
    lines = (line for line in text.splitlines() if not _VARIES.match(line))
    return re.sub(r" AUTO_INCREMENT=\d+", "", "\n".join(lines)) if not rows else "\n".join(lines)


_BOOKKEEPING = ("alembic_version", "schemaflow_history")
# The token is made up for each dump; the date is a dump's own.
_VARIES = re.compile(r"\\(un)?restrict |-- Dump completed|--.*[Dd]umped")


def _run(command: list[str], **environment: str) -> str:
    ended = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **environment}
    )
    return ended.stdout


def _by_pg_dump(url: sa.URL, rows: bool) -> str:
    options = [] if rows else ["--schema-only"]
    command = ["pg_dump", "-h", url.host or "", "-p", str(url.port or 5432), "-U", url.username or "postgres"]
    return _run(
        [*command, *options, *(f"-T*.{name}" for name in _BOOKKEEPING), url.database or ""],
        PGPASSWORD=url.password or "",
    )


def _by_mariadb_dump(url: sa.URL, rows: bool) -> str:
    options = ["--skip-dump-date", "--skip-comments", "--routines", "--events"]
    options += [] if rows else ["--no-data"]
    command = [
        "mariadb-dump",
        "-h",
        url.host or "",
        "-P",
        str(url.port or 3306),
        "-u",
        url.username or "root",
    ]
    ignored = (f"--ignore-table={url.database}.{name}" for name in _BOOKKEEPING)
    return _run([*command, *options, *ignored, url.database or ""], MYSQL_PWD=url.password or "")
