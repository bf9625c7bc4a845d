"""Run a revision again that got no lock, while nothing of it is in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..errors import Blocked
from ..session import Tries
from .meaning import meant

if TYPE_CHECKING:
    from ..session import HeldTransaction, Patience
    from .commits import Commits


class Retrying:
    """Decides, each time a revision fails, whether it may run again."""

    def __init__(self, patience: Patience, commits: Commits) -> None:
        self._patience, self._commits = patience, commits
        self._tries: dict[object, Tries] = {}

    def wait_or_raise(self, error: Exception, held: HeldTransaction, revision: str) -> None:
        """Undo the revision, so that others go on, and wait; then it can be run again.

        Whatever it did is rolled back first. Writes nothing.

        :raises Blocked: it was tried often enough, or something of it is committed.
        :raises Exception: it failed for another reason, which is raised as it is.
        """
        what = f"Revision {revision}" if revision else "The upgrade"
        failure = meant(error, what, lambda: blocked_by(held))
        if failure is error:
            raise error
        tries = self._tries.setdefault(revision, Tries(self._patience.retries))
        may_undo = isinstance(failure, Blocked) and not (held.is_one or held.commits_tables)
        pause = tries.pause() if may_undo and not self._commits.found() else None
        if pause is None:
            raise failure from error
        held.connection.rollback()
        again = f"try {tries.number} of {tries.most} in {pause:.1f} s"
        self._patience.tell(f"Blocked     {what[0].lower()}{what[1:]}{blocked_by(held)}; {again}")
        time.sleep(pause)


def blocked_by(held: HeldTransaction) -> str:
    """Say who was in the way, as far as that was seen."""
    found = held.blockers()
    if not found:
        return "; which session was in the way is not known"
    is_one_of_them = held.commits_tables and len(found) > 1  # nothing says which has a metadata lock
    what = "blocked by one of these open transactions:" if is_one_of_them else "blocked by"
    return f", {what} {'; '.join(map(str, found))}"
