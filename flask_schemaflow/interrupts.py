"""Hold Ctrl-C and SIGTERM back while something is done that must not stop half way."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

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


_listening = threading.Event()
_signal_came = threading.Event()


def begin_to_listen() -> None:
    """Say that from now on every signal that stops a command is noted by :func:`note_signal`."""
    _signal_came.clear()
    _listening.set()


def note_signal() -> None:
    """Note that a signal came that stops the running command."""
    _signal_came.set()


def stop_listening() -> None:
    """Say that signals are noted no more."""
    _listening.clear()


def is_made_up() -> bool:
    """Say whether a KeyboardInterrupt was raised by somebody's code, since no signal came.

    Where nobody notes signals, as in a program that calls us, it is taken for what it says.
    """
    return _listening.is_set() and not _signal_came.is_set()


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
            handler = before[number]
            if handler is signal.SIG_DFL:
                os.kill(os.getpid(), number)
            elif stop_afterwards and callable(handler):
                handler(number, None)  # sent again, it would count as a second signal


Leave = Callable[[Any], None]
_leave: ContextVar[Leave | None] = ContextVar("leave", default=None)


@contextmanager
def leaving_by(leave: Leave) -> Iterator[None]:
    """Say how a command is left at once, inside the block: with a result, and without any clearing up."""
    token = _leave.set(leave)
    try:
        yield
    finally:
        _leave.reset(token)


def way_to_leave() -> Leave | None:
    """Give what leaves the running command at once; None where a program of somebody else's called us."""
    return _leave.get()


_SETTLED = 15.0  # seconds
_MARK = 0  # no signal has this number


@contextmanager
def signals_heard(heard: Callable[[int], None]) -> Iterator[Callable[[], None]]:
    """Call ``heard`` with 1, 2, … as signals arrive that stop a command, inside the block.

    In a thread of its own, since Python's handlers wait while the main thread is inside a driver. Not while
    the goal is reached. The block gets a function that waits until all that arrived has been heard: that
    thread may be late.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    reading, writing = socket.socketpair()
    writing.settimeout(0)
    settled = threading.Semaphore(0)
    thread = threading.Thread(target=_listen, args=(reading, heard, settled), daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)

    def settle() -> None:
        writing.send(bytes([_MARK]))
        settled.acquire(timeout=_SETTLED)

    try:
        yield settle
    finally:
        signal.set_wakeup_fd(before)
        writing.close()
        thread.join()
        reading.close()


def _listen(reading: socket.socket, heard: Callable[[int], None], settled: threading.Semaphore) -> None:
    count = 0
    while numbers := reading.recv(64):
        for number in numbers:
            if number == _MARK:
                settled.release()
            elif number in STOPPING and not is_goal_reached():
                count += 1
                heard(count)


@contextmanager
def interrupts_noted() -> Iterator[list[int]]:
    """Let the block itself say when it may stop: what arrives is in the list that it gets, raising nothing.

    For work that is undone before some moment and done after it. What arrives after the moment is dropped.
    """
    arrived: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield arrived
        return

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    before = {int(number): signal.signal(number, note) for number in STOPPING}
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
