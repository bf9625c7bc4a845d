"""A prepared connection in the hands of ``env.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect
from sqlalchemy.inspection import _inspects

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

BindKey = str | None


class LentConnection:
    """A prepared connection in the hands of ``env.py``: it works, but cannot be closed or committed."""

    def __init__(self, connection: Connection, bind_key: BindKey) -> None:
        self._connection = connection
        self.bind_key = bind_key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __enter__(self) -> LentConnection:
        return self

    def __exit__(self, *_: object) -> None:
        """Keep the connection: it is only lent."""

    def connect(self) -> LentConnection:
        """Give the connection itself, to an ``env.py`` that takes it for an engine."""
        return self

    def execution_options(self, **options: Any) -> LentConnection:
        """Pass options on, but for the isolation level, which the migration itself chooses."""
        options.pop("isolation_level", None)
        self._connection.execution_options(**options)
        return self

    def begin(self, *_: Any, **__: Any) -> _LentTransaction:
        """Give a transaction that ends nothing."""
        return _LentTransaction()

    begin_twophase = begin_nested = begin

    def get_transaction(self) -> _LentTransaction | None:
        """Give a transaction that ends nothing, where there is one."""
        return _LentTransaction() if self._connection.in_transaction() else None

    def get_nested_transaction(self) -> _LentTransaction | None:
        """Give a savepoint that ends nothing, where there is one."""
        return _LentTransaction() if self._connection.in_nested_transaction() else None

    def close(self) -> None:
        """Keep the connection."""

    commit = rollback = invalidate = detach = close


@_inspects(LentConnection)
def _inspector(lent: LentConnection) -> Any:
    """Answer ``sa.inspect(connection)`` in ``env.py``; SQLAlchemy goes by the class."""
    return inspect(lent._connection)


class _LentTransaction:
    is_active = True

    def __enter__(self) -> _LentTransaction:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def commit(self) -> None:
        pass

    rollback = prepare = close = commit
