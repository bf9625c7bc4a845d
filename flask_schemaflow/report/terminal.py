"""What a terminal can show."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import IO, Any

_USUAL_WIDTH = 80  # columns
_LEAST_WIDTH = 40


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """How wide it is, in columns, and whether it shows colours and more than ASCII."""

    width: int
    has_colour: bool
    has_unicode: bool


def terminal_of(stream: IO[Any]) -> Terminal | None:
    """Say what a stream can show; None where it is no terminal."""
    if not stream.isatty():
        return None
    return Terminal(
        width=max(_width(stream), _LEAST_WIDTH),
        has_colour=is_colour_welcome(),
        has_unicode=(sys.stderr.encoding or "ascii").lower().startswith("utf"),
    )


def is_colour_welcome() -> bool:
    """Say whether nobody asked for none (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _width(stream: IO[Any]) -> int:
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named):
        return int(named)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    except (OSError, ValueError):
        return _USUAL_WIDTH
