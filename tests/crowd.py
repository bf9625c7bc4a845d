"""Run one ``flask`` command in many processes at once; a program.

It is called with the number of processes and the arguments of ``flask``, imports the libraries once, forks, and
lets all children go at the same moment. For each it prints one line: exit code and last line of its talk.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import alembic.command  # noqa: F401
import flask.cli
import flask_migrate  # noqa: F401
import flask_sqlalchemy  # noqa: F401

import flask_schemaflow.cli
import flask_schemaflow.upgrade  # noqa: F401


def main(number: int, arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="crowd") as name:
        for code, last in ended(number, arguments, Path(name)):
            sys.stdout.write(json.dumps([code, last]) + "\n")


def ended(number: int, arguments: list[str], folder: Path) -> Iterator[tuple[int, str]]:
    gate, opener = os.pipe()
    children = []
    for index in range(number):
        child = os.fork()
        if child == 0:
            os.close(opener)
            os.read(gate, 1)  # ends when the parent closes the other end
            run(arguments, folder / str(index))
        children.append(child)
    os.close(opener)
    for index, child in enumerate(children):
        _, status = os.waitpid(child, 0)
        talk = (folder / str(index)).read_text(encoding="utf-8").rstrip("\n")
        yield os.waitstatus_to_exitcode(status), talk.rpartition("\n")[2]


def run(arguments: list[str], talk: Path) -> NoReturn:
    descriptor = os.open(talk, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.argv = ["flask", *arguments]
    sys.path.insert(0, "")
    code = 1
    try:
        flask.cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
