"""Take what a revision does through SQLAlchemy's ORM, in sessions on ``op.get_bind()``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from .connection import RecordingConnection

if TYPE_CHECKING:
    from sqlalchemy.orm import ORMExecuteState, Session


@contextmanager
def sessions_recorded() -> Iterator[None]:
    """Have sessions on a recording connection give it their statements, inside the block.

    Whoever has not loaded the ORM has no session.
    """
    orm: Any = sys.modules.get("sqlalchemy.orm")
    listeners: dict[str, Callable[..., Any]] = (
        {"do_orm_execute": _executed, "before_flush": _flushed} if orm is not None else {}
    )
    for name, listener in listeners.items():
        sa.event.listen(orm.Session, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            sa.event.remove(orm.Session, name, listener)


def _executed(state: ORMExecuteState) -> Any:
    """Take a statement; what is returned is its result."""
    connection: Any = state.session.bind
    if not isinstance(connection, RecordingConnection):
        return None
    mapper: Any = state.bind_mapper
    # Rows that are given beside the statement are written by the ORM alone.
    are_rows_beside = state.is_insert and mapper is not None and state.parameters
    return connection.execute(sa.insert(mapper.local_table) if are_rows_beside else state.statement)


def _flushed(session: Session, _context: Any, _instances: Any) -> None:
    """Take what a flush would write, object by object, which leaves nothing to it."""
    connection: Any = session.bind
    if not isinstance(connection, RecordingConnection):
        return
    for write, objects in (
        (sa.insert, session.new),
        (sa.update, session.dirty),
        (sa.delete, session.deleted),
    ):
        tables = (table for each in objects for table in sa.inspect(each).mapper.tables)
        for table in dict.fromkeys(tables):
            connection.execute(write(table))
    session.expunge_all()
