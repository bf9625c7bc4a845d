"""What it means when a database says no while revisions run: others are in the way, or it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, ResourceClosedError

from ..errors import Blocked, Busy, LockLost
from ..migrations import EnvironmentFailed, RevisionFailed
from ..session import code_of

if TYPE_CHECKING:
    from collections.abc import Callable

# PostgreSQL: lock_not_available, deadlock_detected; MariaDB, MySQL: lock wait timeout, deadlock.
BLOCKED = ("55P03", "40P01", "1205", "1213")
# A session that was ended, a server that stops; a connection that was lost, or killed.
_LOST = ("57P01", "57P02", "57P03", "2006", "2013", "1927", "4031")


def meant(
    error: BaseException, what: str = "The upgrade", blocked_by: Callable[[], str] = lambda: ""
) -> BaseException:
    """Give an error of ours in the place of what a database said, where it says so; else the error itself.

    :param what: what was being done, for the message.
    :param blocked_by: says who was in the way.
    """
    if not isinstance(error, RevisionFailed | EnvironmentFailed | Busy | DBAPIError | ResourceClosedError):
        return error
    if isinstance(error, LockLost | Blocked):
        return error
    if isinstance(error, RevisionFailed):
        what = f"Revision {error.revision}"
    said = _said_by_database(error)
    if isinstance(said, ResourceClosedError) and "Connection is closed" in str(said):
        return LockLost(f"{what} was stopped: its connection to the database is gone, and the lock with it.")
    if not isinstance(said, DBAPIError):
        return error
    text, code = " ".join(str(said.orig).split()), code_of(said.orig or said)
    if said.connection_invalidated or code in _LOST or code.startswith("08"):
        return LockLost(
            f"{what} was stopped: its connection to the database was lost ({text}), and the lock with it."
        )
    if code in BLOCKED:
        return Blocked(f"{what} got no lock ({text}){blocked_by()}.")
    return error


def _said_by_database(error: BaseException) -> BaseException | None:
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen and not isinstance(found, DBAPIError | ResourceClosedError):
        seen.append(found)
        inner = found.error if isinstance(found, RevisionFailed) else None
        found = inner or found.__cause__
    return found
