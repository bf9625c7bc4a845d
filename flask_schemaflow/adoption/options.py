"""What ``db-adopt`` may be asked for, and what it may not."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..config import ENGINE_FAMILIES
from ..drift import check_accepted
from ..errors import ConfigurationError
from ..preflight import OF_SERVERS

DROPS = ("drop-column", "drop-table")
"""Codes that let ``--reconcile`` drop what holds data."""


@dataclass(frozen=True, kw_only=True)
class AdoptOptions:
    """What ``db-adopt`` was asked for; ``search_time`` is in seconds.

    ``restamp`` lets it replace version rows; ``restamp_to`` is the revision to prove then, None to find it.
    """

    directory: str | None = None
    x_args: tuple[str, ...] = ()
    message: str = "baseline"
    revision_id: str | None = None
    accept: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    reconcile: bool = False
    dry_run: bool = False
    restamp: bool = False
    restamp_to: str | None = None
    search_time: float = 300.0


def check_options(options: AdoptOptions) -> None:
    """Check what does not depend on the app. Read-only.

    :raises ConfigurationError: an option cannot be honoured; the message names it.
    """
    check_accepted(options.accept, *OF_SERVERS, *(DROPS if options.reconcile else ()))
    if options.revision_id is not None:
        _check_revision_id(options.revision_id)
    _check_message(options.message)
    for engine in options.engines:
        if engine not in ENGINE_FAMILIES:
            raise ConfigurationError(f"--engine {engine}: say one of {', '.join(ENGINE_FAMILIES)}.")


# Alembic takes @, + and - for parts of an expression and these words for places; the version column has
# room for 32 characters; the id is part of file names.
_REVISION_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{0,31}\Z")
_PLACES = ("base", "head", "heads", "current")


def _check_revision_id(revision: str) -> None:
    if revision in _PLACES:
        raise ConfigurationError(f"--rev-id {revision}: the word means something else to Alembic.")
    if not _REVISION_ID.match(revision):
        raise ConfigurationError(
            f"--rev-id {revision!r}: an id has up to 32 letters, digits, underscores and dots, and does not "
            "begin with a dot."
        )


def _check_message(message: str) -> None:
    if '"""' in message or "\\" in message or not message.isprintable():
        raise ConfigurationError(
            f"--message {message!r}: it becomes the docstring of the revision, so it must be one line "
            'without backslashes and without """.'
        )
