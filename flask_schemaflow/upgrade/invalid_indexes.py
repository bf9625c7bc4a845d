"""Indexes that a failed CREATE INDEX CONCURRENTLY left behind: they only cost, and keep their name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ..findings import Finding, Severity
from ..revisions import source_of
from ..session import explained, milliseconds, server_connection
from ..snapshot import take_snapshot

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..discovery import Bind
    from ..session import HeldTransaction
    from ..snapshot import Object, Snapshot
    from .failure import Points
    from .run import Run

# One that somebody makes just now is invalid as well, until it is ready
# (https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY).
_INVALID = """
SELECT c.relname, c.oid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND nspname NOT IN ('pg_catalog', 'pg_toast')
    AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index AS p WHERE p.index_relid = c.oid)
ORDER BY 2
"""


def drop_leftovers(run: Run, held: Mapping[str | None, HeldTransaction], points: Points) -> None:
    """Drop the invalid indexes whose names a pending revision has; report the others.

    PostgreSQL only. Nothing that answers a query is dropped, and nobody waits for it.

    :param points: gets what the database is then, to be compared with after a failure.
    :raises Busy: it would have to wait for another session for longer than the lock timeout.
    """
    for bind in run.survey.relevant:
        if bind.engine.dialect.name == "postgresql" and run.plans[bind.key].steps:
            connection = held[bind.key].connection
            ours = [*_ours(run, bind, connection)]
            connection.rollback()  # its snapshot would be waited for
            if ours:
                _drop(run, bind, ours)
                points.setdefault(bind.key, {})[run.plans[bind.key].current] = take_snapshot(connection)
                connection.rollback()


def only_invalid_indexes(known: Snapshot | None, there: Snapshot | None) -> Mapping[str, str]:
    """Give the names of invalid indexes, by label, if a structure differs from what it was in them only.

    Never touches a database.
    """
    if known is None or there is None:
        return {}
    before = {(table.key, part.name) for table in known.objects for part in table.parts}
    left: dict[str, str] = {}

    def without(table: Object) -> Object:
        new = [
            each for each in table.parts if "invalid" in each.facts and (table.key, each.name) not in before
        ]
        names = (str(each.name) for each in new)
        left.update({name if table.schema is None else f"{table.schema}.{name}": name for name in names})
        return replace(table, parts=tuple(each for each in table.parts if each not in new))

    rest = replace(there, objects=tuple(without(each) for each in there.objects))
    return left if rest == known else {}


def say_left(run: Run, bind: Bind, names: Mapping[str, str]) -> str:
    """Say that invalid indexes are left of a revision, and what is to be done about them."""
    one = len(names) == 1
    listed = (
        f"the invalid index {', '.join(names)} is" if one else f"the invalid indexes {', '.join(names)} are"
    )
    if all(_is_made(run, bind, each) for each in names.values()):
        way = f"Run this again, which drops {'it' if one else 'them'} first."
    else:
        way = f"DROP INDEX CONCURRENTLY {', '.join(names)}, and run this again."
    return f"{listed} left, besides rows that it may have committed before. {way}"


def _ours(run: Run, bind: Bind, connection: Connection) -> Iterator[str]:
    for name, full in connection.exec_driver_sql(_INVALID):
        if _is_made(run, bind, name):
            yield full
        else:
            run.progress.findings.append(_finding(full))


def _is_made(run: Run, bind: Bind, name: str) -> bool:
    """Say whether the name is in the text of a pending revision."""
    pending = {step.revision for step in run.plans[bind.key].steps}
    sources = (source_of(each.file) for each in run.survey.revisions if each.id in pending)
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source) for source in sources)


def _drop(run: Run, bind: Bind, names: list[str]) -> None:
    timeout = milliseconds(run.survey.patience.lock_timeout)
    with (
        explained(bind.engine),
        server_connection(bind.engine, isolation_level="AUTOCOMMIT") as connection,
    ):
        connection.exec_driver_sql(f"SET lock_timeout = '{timeout}'")
        for name in names:
            run.notify(f"Dropping    the invalid index {name}, which a pending revision makes anew")
            escaped = name.replace("%", "%%")
            connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {escaped}")


def _finding(name: str) -> Finding:
    return Finding(
        code="invalid-index",
        subject=name,
        severity=Severity.WARNING,
        message=f"The index {name} is invalid: a CREATE INDEX CONCURRENTLY failed, so that it answers no "
        "query and is written to all the same.",
        hint=f"DROP INDEX CONCURRENTLY {name}, or REINDEX INDEX CONCURRENTLY {name}.",
    )
