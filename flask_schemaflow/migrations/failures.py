"""How ``env.py`` and revisions fail, and what a revision may not leave behind."""

from __future__ import annotations

from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.exc import ResourceClosedError

from ..errors import ConfigurationError
from ..findings import without_passwords
from ..loading import origin_of_error
from ..session import ConnectionClosed

if TYPE_CHECKING:
    from alembic.runtime.migration import RevisionStep
    from sqlalchemy.engine import Connection, ExceptionContext

BindKey = str | None


class EnvironmentFailed(ConfigurationError):
    """``env.py`` failed, or did something that cannot be allowed, before a revision ran."""


class RevisionFailed(Exception):
    """A revision raised; ``error`` is what it raised, ``place`` the line of the revision."""

    def __init__(self, bind: BindKey, step: RevisionStep, error: BaseException) -> None:
        origin = origin_of_error(error)
        self.bind, self.error = bind, error
        self.revision: str = step.revision.revision
        self.file = origin.file if origin else step.revision.path
        self.line = origin.line if origin else None
        super().__init__(f"revision {self.revision} failed: {describe_error(error)}")


class VersionNotWritten(Exception):
    """What a revision left makes it impossible to note that it ran."""


class NothingRan(Exception):
    """A revision's function was called, and none of it ran."""


def check_ran(returned: object) -> None:
    """Check that a revision's function did what is in it, by what it returned.

    :raises NothingRan: it is a coroutine or a generator, which only begins when somebody goes on with it.
    """
    if isinstance(returned, Coroutine | Generator):
        returned.close()
        raise NothingRan("upgrade() is async or has a yield, so that calling it runs nothing; take that out")


def describe_error(error: BaseException) -> str:
    """Put an exception into one line without a full stop, a database's own message without the statement."""
    text = str(getattr(error, "orig", None) or error).strip().rstrip(".") or "no message"
    return f"{type(error).__name__}: {' '.join(without_passwords(text).split())}"


def not_noted(error: BaseException) -> VersionNotWritten:
    """Blame the revision that ran before, and not ``env.py``, for what the database said."""
    made = VersionNotWritten(
        f"its version row cannot be written after it ({describe_error(error)}). Let it leave the session "
        "(search_path, SET ROLE, USE, LOCK TABLES) and the version table as they were"
    )
    made.__cause__ = error
    return made


@contextmanager
def left_open(connection: Connection) -> Iterator[None]:
    """Say so where the block closes the connection, which looks like a lost one otherwise.

    :raises ConnectionClosed: at the line that used it last.
    """
    lost: list[BaseException] = []

    def failed(context: ExceptionContext) -> None:
        if context.is_disconnect:
            lost.append(context.original_exception)

    event.listen(connection.engine, "handle_error", failed)
    try:
        yield
    except ResourceClosedError as error:
        if connection.closed and not lost:
            raise ConnectionClosed(_CLOSED).with_traceback(error.__traceback__) from None
        raise
    finally:
        event.remove(connection.engine, "handle_error", failed)
    if connection.closed and not lost:
        raise ConnectionClosed(_CLOSED)


_CLOSED = (
    "it closes the connection of op.get_bind(), on which its version row is still to be written; take the "
    "close(), or the `with` around it, out"
)
