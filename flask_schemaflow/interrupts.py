"""Hold Ctrl-C and SIGTERM back while something is done that must not stop half way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


_goal_reached = threading.Event()


def note_goal_reached() -> None:
    """Say that what a command was to do is done: only its result is left to be told."""
    _goal_reached.set()


def is_goal_reached() -> bool:
    """Say whether the running command has done what it was to do."""
    return _goal_reached.is_set()


def forget_goal() -> None:
    """Begin a command."""
    _goal_reached.clear()


@contextmanager
def uninterrupted(*, stop_afterwards: bool = False) -> Iterator[None]:
    """Let nothing stop the block; what arrives meanwhile is dropped, since the work is then done.

    For blocks of milliseconds. A SIGTERM that would have ended the process does so afterwards.

    :param stop_afterwards: the work is not done yet: what arrived comes again at the end of the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    before = {int(number): signal.signal(number, note) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in arrived:
            if stop_afterwards or before[number] is signal.SIG_DFL:
                os.kill(os.getpid(), number)
