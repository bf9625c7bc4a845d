"""What can go wrong, sorted by what it means for the database.

::

    SchemaFlowError
    ├── ConfigurationError   2  nothing touched: options, settings or environment are wrong
    ├── Refused              3  nothing changed: a person has to decide
    │   ├── UnadoptableState    the database is in a state that this command does not take on
    │   ├── ModelsMissing       the models are not all there
    │   ├── DriftFound          the structure is not what it should be
    │   ├── ProofFailed         the revisions do not rebuild the structure
    │   ├── HazardsFound        a pending revision would lose rows
    │   ├── BackupFailed        a backup cannot be taken or brought back
    │   └── NotCurrent          a database is not at the newest revision
    ├── Busy                 4  whole, try again later
    │   ├── Blocked             others held what was needed, and did not let go
    │   ├── Interrupted         stopped from outside before anything was written
    │   └── LockLost            the session of the server is gone, and the lock with it
    ├── Undone               5  it failed, and everything was undone
    │   └── LockGivenUp         a revision, or env.py, let the lock of its session go
    ├── Broken               6  it failed, and parts of it are in
    └── Unverified           7  applied, but the structure is not what the revisions say
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from .findings import without_passwords

if TYPE_CHECKING:
    from .findings import Finding


class ExitCode(IntEnum):
    """What the database is, now that the command has ended."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    REFUSED = 3
    BUSY = 4
    UNDONE = 5
    BROKEN = 6
    UNVERIFIED = 7


class SchemaFlowError(Exception):
    """The goal was not reached; ``exit_code`` says what that means for the database.

    ``findings`` are the facts behind the message. ``result`` is what the flow had found out and done
    before it stopped, in the type that it returns on success (None when it had not begun).
    """

    exit_code: ClassVar[ExitCode] = ExitCode.UNEXPECTED
    outcome: str = "error"

    def __init__(self, message: str, *, findings: tuple[Finding, ...] = ()) -> None:
        self.message = ""
        self.add(message)
        self.findings = findings
        self.result: object | None = None

    def add(self, text: str) -> None:
        """Say more in the message."""
        self.message += without_passwords(text)
        self.args = (self.message,)


class ConfigurationError(SchemaFlowError):
    """Options, settings or environment are wrong; nothing was touched."""

    exit_code = ExitCode.USAGE


class Refused(SchemaFlowError):
    """Nothing was changed by this run; a person has to decide."""

    exit_code = ExitCode.REFUSED
    outcome = "refused"


class UnadoptableState(Refused):
    """The database is in a state that the command does not take on."""


class ModelsMissing(Refused):
    """The models are not all there, or there are none."""


class DriftFound(Refused):
    """The structure of the database is not what it should be."""


class ProofFailed(Refused):
    """The revisions do not rebuild the structure of the database."""


class HazardsFound(Refused):
    """A pending revision would lose rows or objects, and nobody accepted that."""


class BackupFailed(Refused):
    """A backup cannot be taken or brought back; the database is as it was."""


class NotCurrent(Refused):
    """A database is not at the newest revision of this code."""


class Busy(SchemaFlowError):
    """The database is whole; try again later."""

    exit_code = ExitCode.BUSY
    outcome = "busy"


class Interrupted(Busy):
    """Stopped from outside before anything was written."""

    outcome = "interrupted"


class Blocked(Busy):
    """Others held what a revision needed, and did not let go in time."""


class LockLost(Busy):
    """The session in which revisions ran is gone, and the lock with it."""


class Undone(SchemaFlowError):
    """It failed and was undone; the database is whole, at the revision that the message names."""

    exit_code = ExitCode.UNDONE
    outcome = "undone"


class LockGivenUp(Undone):
    """A revision, or ``env.py``, let the lock go of the session in which it ran."""


class Broken(SchemaFlowError):
    """Parts of a revision are in; the message says which, and the way on."""

    exit_code = ExitCode.BROKEN
    outcome = "broken"


class Unverified(SchemaFlowError):
    """Applied, but the structure is not what the revisions say."""

    exit_code = ExitCode.UNVERIFIED
    outcome = "unverified"
