"""The one thing that every check returns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

# As SQLAlchemy reads it: the password goes from the colon after the user to the next at sign.
_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s@]*@")


def without_passwords(text: str) -> str:
    """Hide the passwords of the URLs in a text, which an app or ``env.py`` may have put into its errors."""
    return _PASSWORD.sub(r"\1***@", text)


class Severity(str, Enum):
    """How much a finding weighs.

    ``ERROR`` stops the command, ``WARNING`` and ``INFO`` never do.
    """

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fact that a person should know.

    ``code`` is a stable kebab-case name and ``subject`` says on what (``table``, ``table.column``, a
    module, a bind); both together are what ``--accept CODE:SUBJECT`` names. ``message`` says what is
    so, ``hint`` what to do. ``file`` and ``line`` are set where source code is the cause.
    """

    code: str
    subject: str
    message: str
    severity: Severity = Severity.WARNING
    hint: str = ""
    classes: tuple[str, ...] = ()
    revision: str | None = None
    file: str | None = None
    line: int | None = None

    def __post_init__(self) -> None:
        """Hide passwords in what others said."""
        object.__setattr__(self, "message", without_passwords(self.message))

    @property
    def key(self) -> str:
        """``CODE:SUBJECT``, the form in which a finding is accepted."""
        return f"{self.code}:{self.subject}"

    @property
    def place(self) -> str:
        """``file:line`` where both are known, else as much as is known, else nothing."""
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file}:{self.line}"
