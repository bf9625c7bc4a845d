"""A transaction that PostgreSQL has given up, though the revision that ran in it went on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, ExceptionContext

_IN_ERROR = 3  # libpq's PQTRANS_INERROR, as psycopg and psycopg2 both give it


class StatementFailed(Exception):
    """A statement failed, and the code that sent it caught the error and went on."""


@contextmanager
def not_given_up(connection: Connection) -> Iterator[None]:
    """Raise what failed inside the block, if the block caught it and left its transaction given up.

    After a failure PostgreSQL takes no statement until the transaction, or a savepoint in it, is rolled back.

    :raises StatementFailed: at the line that sent the statement.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    failures: list[BaseException] = []

    def failed(context: ExceptionContext) -> None:
        failures.append(context.sqlalchemy_exception or context.original_exception)

    event.listen(connection.engine, "handle_error", failed)
    try:
        yield
    finally:
        event.remove(connection.engine, "handle_error", failed)
    if failures and _is_given_up(connection):
        raise _first(failures)


def _is_given_up(connection: Connection) -> bool:
    info = getattr(connection.connection.dbapi_connection, "info", None)
    return getattr(info, "transaction_status", None) == _IN_ERROR


def _first(failures: list[BaseException]) -> StatementFailed:
    # The later ones may only say that the transaction is aborted.
    first = next((each for each in failures if "is aborted" not in str(each)), failures[-1])
    return StatementFailed(
        f"{str(getattr(first, 'orig', None) or first).strip()}; a statement of it failed, and the revision "
        "went on, but PostgreSQL takes nothing more in that transaction. Ask before it "
        "(sa.inspect(op.get_bind()).has_table(...)), or send it inside `with op.get_bind().begin_nested():`"
    ).with_traceback(first.__traceback__)
