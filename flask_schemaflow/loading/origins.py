"""Where in the app something was done: the line that led there."""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType


@dataclass(frozen=True)
class Origin:
    """The place in the source where something was done or declared."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


_LIBRARY_FOLDERS = tuple(
    f"{folder}{os.sep}"
    for folder in (
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(Path(__file__).parent.parent),
    )
)
_OURS = f"{Path(__file__).parent.parent}{os.sep}"
_MODULE = "<module>"
_LIBRARY_MARKS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}", "<")


def is_library(file: str) -> bool:
    """Say whether a source file belongs to Python, an installed package or to us."""
    return file.startswith(_LIBRARY_FOLDERS) or any(mark in file for mark in _LIBRARY_MARKS)


def app_origin() -> Origin | None:
    """Say which line of the app led here; None where only libraries are on the stack."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            return Origin(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


def factory_origin() -> Origin | None:
    """Say which line of the app's outermost function led here; None where modules alone are loading.

    Whatever is outside of our own loading is not looked at: a program that calls ``flask`` has functions too.
    """
    origin = None
    seen_app = False
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not (seen_app and frame.f_code.co_filename.startswith(_OURS)):
        if not is_library(frame.f_code.co_filename):
            seen_app = True
            if frame.f_code.co_name != _MODULE:
                origin = Origin(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return origin


def came_through(error: BaseException, folders: Iterable[Path]) -> bool:
    """Say whether an exception came through a file below one of these folders."""
    files = [Path(frame.f_code.co_filename) for frame, _ in walk_tb(error.__traceback__)]
    return any(file.is_relative_to(folder) for file in files for folder in folders)


def factory_of_error(error: BaseException) -> Origin | None:
    """Say which line of the app's outermost function an exception came through; None where modules alone."""
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not is_library(code.co_filename) and code.co_name != _MODULE:
            return Origin(code.co_filename, traceback.tb_lineno)
        traceback = traceback.tb_next
    return None


def origin_of_error(error: BaseException) -> Origin | None:
    """Say which line of the app an exception came through last."""
    origin = None
    traceback = error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if not is_library(file):
            origin = Origin(file, traceback.tb_lineno)
        traceback = traceback.tb_next
    return origin
