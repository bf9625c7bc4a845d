"""How test databases on a server are known: by their names and a mark inside, never by the name alone."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from secrets import randbits
from uuid import uuid4

COPY_PREFIX = "schemaflow_test_"
TEMPLATE_PREFIX = "schemaflow_template_"
_OF_SESSION = re.compile(r"flask-schemaflow test database of session (\d+)$")
_TEMPLATE = re.compile(r"flask-schemaflow test template of (\w+), used at (\d+)$")
_KEPT = 7 * 24 * 3600.0  # seconds since a template was last used
_NEWEST = 5  # templates of one project, which every edit of a revision makes one more of


@dataclass(frozen=True)
class Session:
    """One test session: while it lives, its connection holds the lock of this number."""

    number: int = field(default_factory=lambda: randbits(62))

    @property
    def mark(self) -> str:
        """The comment that its databases get."""
        return f"flask-schemaflow test database of session {self.number}"

    @property
    def lock(self) -> str:
        """The name of its lock."""
        return lock_of(self.number)


def lock_of(number: int) -> str:
    """Give the name of a session's lock."""
    return f"schemaflow_session_{number}"


def new_name() -> str:
    """Make up a name for a copy."""
    return f"{COPY_PREFIX}{uuid4().hex[:16]}"


def project_of(root: Path) -> str:
    """Name a project on this machine, by its folder."""
    return sha256(f"{socket.gethostname()}:{root}".encode()).hexdigest()[:16]


def template_mark(project: str) -> str:
    """Give the comment of a project's template that is used now."""
    return f"flask-schemaflow test template of {project}, used at {int(time.time())}"


def is_template(comment: str | None) -> bool:
    """Say whether a comment is a template's."""
    return _TEMPLATE.match(comment or "") is not None


def template_lock(name: str) -> int:
    """Give the number of the lock that is held, together with others, by whoever uses a template."""
    return int(sha256(name.encode()).hexdigest()[:15], 16)


def left_templates(comments: Mapping[str, str | None], project: str) -> list[str]:
    """Give the templates that nobody has used for a week, and of a project all but the newest.

    :param comments: by the names of databases.
    """
    marks = {name: match for name, comment in comments.items() if (match := _TEMPLATE.match(comment or ""))}
    newest = sorted((name for name in marks if marks[name][1] == project), key=lambda n: -int(marks[n][2]))
    old = (name for name, mark in marks.items() if time.time() - int(mark[2]) > _KEPT)
    return list(dict.fromkeys([*old, *newest[_NEWEST:]]))


def session_of(comment: str | None) -> int | None:
    """Give the number of the session that made a database; None where the comment is not our mark."""
    match = _OF_SESSION.match(comment or "")
    return int(match[1]) if match is not None else None
