"""What a command says while it works: lines on stderr and, on a terminal, a bar for a long copy."""

from __future__ import annotations

import contextlib
import sys
import time

import click

from .report import is_colour_welcome

BAR_AFTER = 0.5  # seconds; a shorter copy is not worth a bar
_BAR = 30  # characters


class Talk:
    """Says lines and shows bars; whatever becomes of stderr stops no command."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._shown = ""

    def say(self, line: str) -> None:
        """Write a line; click takes its colour away where stderr is no terminal."""
        self.end_copy()
        with contextlib.suppress(OSError):
            click.echo(line, err=True, color=None if is_colour_welcome() else False)

    def show_copy(self, done: int, total: int) -> None:
        """Show how much of a copy is made; the bar goes when it is whole, or with the next line."""
        if done >= total:
            self.end_copy()
        elif self._is_long() and sys.stderr.isatty():
            self._draw(done / total)

    def end_copy(self) -> None:
        """Take the bar away, if there is one."""
        self._began = None
        if self._shown:
            self._write(f"\r{' ' * len(self._shown)}\r")
            self._shown = ""

    def _is_long(self) -> bool:
        if self._began is None:
            self._began = time.monotonic()
        return time.monotonic() - self._began >= BAR_AFTER

    def _draw(self, part: float) -> None:
        full = int(part * _BAR)
        bar = f"Copying     [{'#' * full}{'-' * (_BAR - full)}] {int(part * 100)} %"
        if bar != self._shown:
            self._shown = bar
            self._write(f"\r{bar}")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            click.echo(text, nl=False, err=True)
