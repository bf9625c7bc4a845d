"""Record ``create_all``, ``drop_all``, writing statements and declared tables, with their lines."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import MetaData, Table, event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.pool import Pool

from ..sqlite_file import file_of_url
from .origins import app_origin, factory_origin
from .record import Applies, Attempt, LoadingRecord

_inside_metadata_call: ContextVar[bool] = ContextVar("schemaflow_inside_create_all", default=False)


@contextmanager
def create_all_recorded(record: LoadingRecord, applies: Applies) -> Iterator[None]:
    """Record every ``create_all`` and ``drop_all``; on servers they do nothing inside the block."""
    originals = {"create_all": MetaData.create_all, "drop_all": MetaData.drop_all}
    kinds = {"create_all": "creates", "drop_all": "drops"}

    def guarded(name: str) -> Callable[..., None]:
        original: Callable[..., None] = originals[name]

        def call(self: MetaData, bind: Any, *args: Any, **kwargs: Any) -> None:
            if not applies() or isinstance(bind, MockConnection):
                return original(self, bind, *args, **kwargs)
            dialect = bind.dialect.name
            record.attempts.append(
                Attempt(
                    kind=kinds[name],
                    what=f"{name}() of {len(self.tables)} tables",
                    kept_out=True,
                    dialect=dialect,
                    origin=app_origin(),
                    factory=factory_origin(),
                )
            )
            if dialect != "sqlite":
                return None
            token = _inside_metadata_call.set(True)
            try:
                return original(self, bind, *args, **kwargs)
            finally:
                _inside_metadata_call.reset(token)

        return call

    for name in originals:
        setattr(MetaData, name, guarded(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(MetaData, name, original)


_WRITE = re.compile(
    r"\s*(?:WITH\b.*?\b)?"
    r"((?:INSERT|REPLACE)\s+(?:OR\s+\w+\s+)?INTO|REPLACE|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE"
    r"|ALTER\s+\w+|(?:CREATE|DROP)\s+(?:OR\s+REPLACE\s+)?(?:UNIQUE\s+|TEMP\w*\s+)?\w+)"
    r"(?:\s+IF(?:\s+NOT)?\s+EXISTS)?\s+([\"`\[]?[\w.]+)",
    re.IGNORECASE | re.DOTALL,
)


def record_write(record: LoadingRecord, sql: str, *, dialect: str, kept_out: bool) -> None:
    """Record a statement that writes, by its verb and what it writes to."""
    match = _WRITE.match(sql)
    if match is None or _inside_metadata_call.get():
        return
    # The verb and the object only: the values of a statement are nobody's business.
    what = " ".join((*match[1].upper().split(), match[2].strip('"`[')))
    record.attempts.append(
        Attempt(
            kind="writes",
            what=what,
            kept_out=kept_out,
            dialect=dialect,
            origin=app_origin(),
            factory=factory_origin(),
        )
    )


@contextmanager
def server_writes_recorded(record: LoadingRecord, applies: Applies) -> Iterator[None]:
    """Record what is written to servers inside the block."""

    def before(conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if applies() and conn.dialect.name != "sqlite":
            record_write(record, statement, dialect=conn.dialect.name, kept_out=False)

    with _listening(Engine, "before_cursor_execute", before):
        yield


@contextmanager
def servers_refused(applies: Applies) -> Iterator[None]:
    """Refuse every connection to a server inside the block."""

    def checked_out(dbapi_connection: Any, *_: Any) -> None:
        if applies() and not isinstance(dbapi_connection, sqlite3.Connection):
            raise ConnectionRefusedError("a module that only declares models must not use a database")

    with _listening(Pool, "checkout", checked_out):
        yield


@contextmanager
def tables_recorded(record: LoadingRecord) -> Iterator[None]:
    """Record where each table is declared."""

    def attached(table: Table, _metadata: MetaData) -> None:
        origin = app_origin()
        if origin is not None:
            record.table_origins[table] = origin

    with _listening(Table, "after_parent_attach", attached):
        yield


@contextmanager
def engines_disposed(applies: Applies) -> Iterator[None]:
    """Dispose the engines that were used inside the block, so that none keeps a copy open."""
    used: set[Engine] = set()

    def connected(conn: Any) -> None:
        in_memory = conn.dialect.name == "sqlite" and file_of_url(conn.engine.url) is None
        if applies() and not in_memory:
            used.add(conn.engine)

    with _listening(Engine, "engine_connect", connected):
        try:
            yield
        finally:
            for engine in used:
                engine.dispose()


@contextmanager
def _listening(target: Any, name: str, listener: Callable[..., None]) -> Iterator[None]:
    event.listen(target, name, listener)
    try:
        yield
    finally:
        event.remove(target, name, listener)
