"""Run the engines' own client programs, so that nothing of them is left when we are stopped."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from ..errors import BackupFailed, Busy
from ..interrupts import uninterrupted

_POLL = 0.05  # seconds
_GRACE = 10.0  # seconds for a program to end when it is asked to
_SHOWN = 600  # characters of what a program says


def find_program(*names: str, package: str) -> str:
    """Give the path of the first of these programs that is installed.

    :param package: what has to be installed where none is.
    :raises BackupFailed: none is there.
    """
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    raise BackupFailed(
        f"The program {names[0]} is not installed, and without it this database cannot be backed up or "
        f"restored. Install it (Debian: {package}), or set SCHEMAFLOW_BACKUP_COMMAND."
    )


def version_of(program: str, environment: Mapping[str, str]) -> tuple[int, ...]:
    """Ask a program for its version; the last one that it names.

    :raises BackupFailed: it does not run.
    """
    said = run([program, "--version"], environment=environment)
    versions = re.findall(r"\d+(?:\.\d+)*", re.sub(r"\(.*?\)", "", said))
    if not versions:
        raise BackupFailed(f"{program} does not say which version it is.")
    return tuple(int(number) for number in versions[-1].split("."))


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    stdin: IO[bytes] | None = None,
    output: Path | None = None,
    stalled_after: float | None = None,
    name: str | None = None,
) -> str:
    """Run a program to its good end, and give what it wrote to stdout.

    It is in a group of its own, so that Ctrl-C reaches us first and everything below it is ended by us.

    :param output: the file that gets stdout, or that the program writes.
    :param stalled_after: seconds after which a program is ended whose ``output`` does not grow.
    :param name: what people know it by.
    :raises BackupFailed: it ended with another code than 0.
    :raises Busy: it waited for too long for another session.
    """
    with TemporaryStreams(output) as streams:
        process: subprocess.Popen[bytes] | None = None
        try:
            # Between its start and our knowing of it nothing may stop us.
            with uninterrupted(stop_afterwards=True):
                process = subprocess.Popen(
                    command,
                    stdin=stdin or subprocess.DEVNULL,
                    stdout=streams.stdout,
                    stderr=streams.stderr,
                    env=dict(environment),
                    start_new_session=True,
                )
            _wait(process, output, stalled_after)
        except BaseException:
            if process is not None:
                _end(process)
            raise
        if process.returncode != 0:
            raise _failure(name or Path(command[0]).name, process.returncode, streams.said(streams.stderr))
        return streams.said(streams.stdout) if output is None else ""


class TemporaryStreams:
    """Files for what a program writes; a pipe that nobody reads would stop it."""

    def __init__(self, output: Path | None) -> None:
        self.output = output

    def __enter__(self) -> TemporaryStreams:
        self.stderr: IO[bytes] = tempfile.TemporaryFile()
        self.stdout: IO[bytes] = self.output.open("wb") if self.output else tempfile.TemporaryFile()
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        self.stderr.close()

    @staticmethod
    def said(stream: IO[bytes]) -> str:
        """Give what is in a stream."""
        stream.seek(0)
        return stream.read().decode(errors="surrogateescape")


def _wait(process: subprocess.Popen[bytes], output: Path | None, stalled_after: float | None) -> None:
    size, since = -1, time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL)
            return
        if output is None or stalled_after is None:
            continue
        grown = output.stat().st_size
        if grown != size:
            size, since = grown, time.monotonic()
        elif time.monotonic() - since > stalled_after:
            raise Busy(
                f"The dump got no further for {stalled_after:g} seconds: another session holds a table. "
                "Nothing was changed; try again."
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
            return


def _failure(name: str, code: int, said: str) -> BackupFailed | Busy:
    text = " ".join(said.encode(errors="replace").decode().split()) or "it says nothing"
    if re.search(r"lock timeout|statement timeout|Lock wait timeout", text):
        return Busy(f"{name} waited too long for a table that another session holds. Try again. ({text})")
    if len(text) > _SHOWN:
        text = f"{text[:_SHOWN]}…"
    return BackupFailed(f"{name} failed (exit code {code}): {text}")
