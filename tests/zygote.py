"""A process that has imported the libraries once, and forks a ``flask`` command at each request.

It reads a request (JSON, a line) from stdin and answers with two lines, each with the request's number: the
child's process id at once, its exit code when it has ended. A run costs a tenth of a new interpreter and is otherwise like one: own process,
own working directory, own environment.
"""

import gc
import json
import os
import runpy
import signal
import sys
import traceback
from typing import Any

import alembic.command  # noqa: F401
import flask.cli
import flask_migrate  # noqa: F401
import flask_sqlalchemy  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401

import flask_schemaflow.adoption
import flask_schemaflow.cli
import flask_schemaflow.extension
import flask_schemaflow.upgrade.pipeline  # noqa: F401


def serve() -> None:
    gc.freeze()  # a child that collects garbage need not copy what was imported here
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            run(request)
        answer(request["serial"], child)
        _, status = os.waitpid(child, 0)
        answer(request["serial"], os.waitstatus_to_exitcode(status))


def answer(serial: int, value: int) -> None:
    sys.stdout.write(f"{serial} {value}\n")
    sys.stdout.flush()


def run(request: dict) -> None:
    # A shell that starts us in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(name, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    for descriptor in request["closed"]:
        os.close(descriptor)
    sys.stdout = None if 1 in request["closed"] else os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1, closefd=False)
    coverage = measured()
    os.chdir(request["cwd"])
    os.environ.update(request["environment"])
    sys.path.insert(0, "")
    code = 1
    try:
        if request["program"] == "flask":
            sys.path.pop(0)
            sys.argv = ["flask", *request["arguments"]]
            flask.cli.main()
        else:
            sys.path[0] = request["cwd"]
            sys.argv = request["arguments"]
            runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                try:
                    stream.flush()
                except OSError:
                    code = code or 120
        if coverage is not None:
            coverage.stop()
            coverage.save()
        os._exit(code)


def measured() -> Any:
    """Measure this run, where ``make coverage`` asks for it."""
    if "COVERAGE_PROCESS_START" not in os.environ:
        return None
    from coverage import Coverage

    coverage = Coverage(config_file=os.environ["COVERAGE_PROCESS_START"], data_suffix=True)
    coverage.start()
    return coverage


if __name__ == "__main__":
    serve()
