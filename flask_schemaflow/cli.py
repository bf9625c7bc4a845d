"""What a command does when called: load the app guarded, call one function, show what it returned, exit."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import signal
import sqlite3
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any

import click
from flask import current_app
from flask.cli import NoAppException, ScriptInfo
from sqlalchemy.exc import DBAPIError

from .errors import ConfigurationError, ExitCode, Interrupted, SchemaFlowError
from .interrupts import (
    STOPPING,
    begin_to_listen,
    forget_goal,
    is_goal_reached,
    leaving_by,
    note_goal_reached,
    note_signal,
    stop_listening,
)
from .loading import (
    GUARD_LINE,
    OUTSIDE_LINE,
    LoadingRecord,
    command_running,
    factory_of_error,
    guarded_loading,
    origin_of_error,
)
from .report import terminal_of, to_github, to_json, to_text, verdict
from .results import Result
from .talk import Talk

if TYPE_CHECKING:
    from flask import Flask

    from .survey import Notify

# What is given an app is called with one; the rest needs none.
Work = Callable[[Any, LoadingRecord | None, "Notify"], Result]
_WRITERS: dict[str, Callable[[Result], str]] = {"json": to_json, "github": to_github}


def run_adopt(info: ScriptInfo, *, restamp: str | None, **options: Any) -> None:
    """Run ``db-adopt``."""

    def work(app: Flask, record: LoadingRecord | None, notify: Notify) -> Result:
        from .adoption import AdoptOptions, adopt

        asked = AdoptOptions(**options, restamp=restamp is not None, restamp_to=restamp or None)
        return adopt(app, asked, loading=record, notify=notify)

    _run("db-adopt", info, work, options)


def run_safe_upgrade(info: ScriptInfo, **options: Any) -> None:
    """Run ``db-safe-upgrade``."""

    def work(app: Flask, _record: LoadingRecord | None, notify: Notify) -> Result:
        from .upgrade import UpgradeOptions, safe_upgrade

        return safe_upgrade(app, UpgradeOptions(flask=_flask_of(info), **options), notify=notify)

    _run("db-safe-upgrade", info, work, options)


def run_snapshot(info: ScriptInfo, **options: Any) -> None:
    """Run ``db-snapshot``."""

    def work(app: Flask, _record: LoadingRecord | None, notify: Notify) -> Result:
        from .storage import SnapshotOptions, store_snapshots

        return store_snapshots(app, SnapshotOptions(**options), notify=notify)

    _run("db-snapshot", info, work, options)


def run_status(info: ScriptInfo, **options: Any) -> None:
    """Run ``db-status``."""

    def work(app: Flask, record: LoadingRecord | None, notify: Notify) -> Result:
        from .overview import StatusOptions, status

        return status(app, StatusOptions(**options), loading=record, notify=notify)

    _run("db-status", info, work, options)


def run_diff(info: ScriptInfo, **options: Any) -> None:
    """Run ``db-diff``; of a script that was asked for the JSON document has the statements."""
    script = options["output_format"] if options["output_format"] in ("sql", "python") else None

    def work(app: Flask, record: LoadingRecord | None, notify: Notify) -> Result:
        from .difference import DiffOptions, diff

        return diff(app, DiffOptions(script=script, **options), loading=record, notify=notify)

    _run("db-diff", info, work, options)


def run_backup(info: ScriptInfo, **options: Any) -> None:
    """Run ``db-backup``."""

    def work(app: Flask, _record: LoadingRecord | None, notify: Notify) -> Result:
        from .safekeeping import BackupOptions, back_up

        return back_up(app, BackupOptions(flask=_flask_of(info), **options), notify=notify)

    _run("db-backup", info, work, options)


def run_restore(info: ScriptInfo, **options: Any) -> None:
    """Run ``db-restore``."""

    def work(app: Flask, _record: LoadingRecord | None, notify: Notify) -> Result:
        from .safekeeping import RestoreOptions, restore

        return restore(app, RestoreOptions(flask=_flask_of(info), **options), notify=notify)

    _run("db-restore", info, work, options)


def run_lint(**options: Any) -> None:
    """Run ``db-lint``, for which no app is loaded."""

    def work(_app: Flask | None, _record: LoadingRecord | None, _notify: Notify) -> Result:
        from .linting import LintOptions, lint

        return lint(LintOptions(**options))

    _run("db-lint", None, work, options)


def _flask_of(info: ScriptInfo) -> str:
    """Say how the ``flask`` command was called, so that a command which is printed finds the same app."""
    path = info.app_import_path
    if path is None or os.environ.get("FLASK_APP") == path:
        return "flask"
    return f"flask --app {shlex.quote(path)}"


def _run(command: str, info: ScriptInfo | None, work: Work, options: dict[str, Any]) -> None:
    form = options.pop("output_format")
    form = "json" if options.pop("as_json") else form
    verbose = options.pop("verbose")
    threads = set(threading.enumerate())
    with _stdout_kept() as stdout, command_running(), _Stop() as stop:
        with leaving_by(partial(_leave_at_once, talk=stop.talk, stdout=stdout, form=form, verbose=verbose)):
            result = _result(command, info, work, stop)
        note_goal_reached()  # or failed: either way only the telling is left
        code = _show(result, stop.talk, stdout, form=form, verbose=verbose)
    _leave(code, threads)


def _result(command: str, info: ScriptInfo | None, work: Work, stop: _Stop) -> Result:
    interrupted = Interrupted("Interrupted; nothing was changed.")
    try:
        app, record = _load(info) if info is not None else (None, None)
        return work(app, record, stop)
    except SchemaFlowError as error:
        if stop.arrived and error.exit_code in (ExitCode.USAGE, ExitCode.REFUSED):
            return _failed_result(command, interrupted)
        return error.result if isinstance(error.result, Result) else _failed_result(command, error)
    except KeyboardInterrupt:
        return _failed_result(command, interrupted)
    except Exception as error:
        if stop.arrived:
            return _failed_result(command, interrupted)
        traceback.print_exc(file=sys.stderr)
        return Result(
            command=command,
            outcome="error",
            exit_code=ExitCode.UNEXPECTED,
            message=f"This is a bug in flask-schemaflow, please report it: {type(error).__name__}: {error}",
        )


def _failed_result(command: str, error: SchemaFlowError) -> Result:
    return Result(
        command=command,
        outcome=error.outcome,
        exit_code=error.exit_code,
        message=error.message,
        findings=error.findings,
    )


# -- loading ---------------------------------------------------------------------------------------


def _load(info: ScriptInfo) -> tuple[Flask, LoadingRecord | None]:
    """Load the app as the ``flask`` command does, kept away from its database.

    :raises ConfigurationError: there is none, or it fails.
    """
    if current_app:
        return current_app._get_current_object(), None  # type: ignore[attr-defined]
    record = LoadingRecord()
    try:
        with guarded_loading(every_thread=True) as record:
            return info.load_app(), record
    except SchemaFlowError:
        raise
    except NoAppException as error:
        raise _not_found(error) from error
    except (DBAPIError, sqlite3.Error) as error:
        raise _database_used(error, record) from error
    except (Exception, SystemExit) as error:
        raise _failed(error, record) from error


def _not_found(error: NoAppException) -> ConfigurationError:
    cause = error.__context__
    if isinstance(cause, ImportError):
        origin = origin_of_error(cause)
        return ConfigurationError(f"{_place(origin)}The app cannot be imported: {cause}.")
    return ConfigurationError(f"There is no app to load: {error.format_message()}")


_MISSING_TABLE = re.compile(
    r"no such table: (\S+)|relation \"([^\"]+)\" does not exist|Table '([^']+)' doesn't exist"
)


def _database_used(error: BaseException, record: LoadingRecord) -> ConfigurationError:
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    missing = _MISSING_TABLE.search(text)
    what = f"needs the table {next(filter(None, missing.groups()))}" if missing else f"fails: {text}"
    origin, factory = origin_of_error(error), factory_of_error(error)
    cause = f" ({origin})" if factory not in (None, origin) else ""
    return ConfigurationError(
        f"{_place(factory or origin)}While it loads, the app uses its database, and {what}{cause}. "
        f"{_advice(error)}",
        findings=record.findings(),
    )


def _advice(error: BaseException) -> str:
    if factory_of_error(error) is None:
        return f"Leave that line out while a command runs: {OUTSIDE_LINE}"
    return f"Leave the factory before that line while a command runs: {GUARD_LINE}"


def _failed(error: BaseException, record: LoadingRecord) -> ConfigurationError:
    text = " ".join(str(error).split())
    kind = "ends the process" if isinstance(error, SystemExit) else type(error).__name__
    missed = ""
    if any(attempt.kept_out for attempt in record.attempts):
        missed = f". What it made in its database before is not there: it is kept out. {_advice(error)}"
    return ConfigurationError(
        f"{_place(origin_of_error(error))}The app fails while it loads: {kind}: {text}{missed}",
        findings=record.findings(),
    )


def _place(origin: object) -> str:
    return f"{origin}: " if origin is not None else ""


# -- output ----------------------------------------------------------------------------------------


@contextmanager
def _stdout_kept() -> Iterator[IO[str] | None]:
    """Keep stdout for the result; whatever else is printed, by Python or below it, goes to stderr."""
    stdout = sys.stdout
    kept = None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        stdout.flush()
        if stdout.fileno() == 1:
            kept = os.dup(1)
            os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            if kept is None:
                yield stdout
            else:
                with os.fdopen(os.dup(kept), "w", encoding="utf-8") as result:
                    yield result
    finally:
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


def _show(result: Result, talk: Talk, stdout: IO[str] | None, *, form: str, verbose: bool) -> ExitCode:
    """Write a result to stdout, beside a script the rest to stderr, and give the code to end with."""
    talk.end_copy()
    code = result.exit_code
    if stdout is not None:
        text = _text(result, talk, stdout, form=form, verbose=verbose)
        try:
            stdout.write(text)
            stdout.flush()
        except (OSError, ValueError) as error:
            # What was done is done, and the exit code says it, whether or not somebody reads.
            if getattr(error, "errno", errno.EPIPE) != errno.EPIPE:
                talk.say(f"Warning     the result cannot be written to stdout: {error}")
                code = (code or ExitCode.USAGE) if result.document else code  # half a script is none
            _point_at_nothing(stdout)
    talk.say(verdict(result))
    return code


def _text(result: Result, talk: Talk, stdout: IO[str], *, form: str, verbose: bool) -> str:
    write = _WRITERS.get(form)
    if write is not None:
        return write(result)
    if form != "text":
        for line in to_text(result, verbose=verbose, terminal=terminal_of(sys.stderr)):
            talk.say(line)
        return result.document
    lines = to_text(result, verbose=verbose, terminal=terminal_of(stdout))
    return "".join(f"{line}\n" for line in lines)


def _point_at_nothing(stdout: IO[str]) -> None:
    with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), stdout.fileno())


# -- leaving ---------------------------------------------------------------------------------------


class _Stop:
    """Turns SIGINT and SIGTERM into KeyboardInterrupt while it is entered, so that everything is undone.

    ``arrived`` are the signals that came; none counts any more when the goal is reached. An interrupt inside
    a callback of the driver or a destructor is swallowed there, or comes out as another error; so the next
    step raises again.
    """

    def __init__(self) -> None:
        self.arrived: list[int] = []
        self.talk = Talk()
        forget_goal()
        self._before: list[tuple[int, Any]] = []

    def __enter__(self) -> _Stop:
        if threading.current_thread() is threading.main_thread():
            numbers = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = [(number, signal.signal(number, self._interrupt)) for number in numbers]
            begin_to_listen()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)
        stop_listening()

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        self.arrived.append(number)
        note_signal()
        if not is_goal_reached():
            raise KeyboardInterrupt

    def __call__(self, line: str) -> None:
        """Tell a step, unless the command was to stop."""
        if self.arrived and not is_goal_reached():
            raise KeyboardInterrupt
        self.talk.say(line)

    def show_copy(self, done: int, total: int) -> None:
        """Show how much of a long copy is made."""
        self.talk.show_copy(done, total)


def _leave_at_once(result: Result, *, talk: Talk, stdout: IO[str] | None, form: str, verbose: bool) -> None:
    """Show what is known and exit, whatever else is going on."""
    with contextlib.suppress(Exception):
        _show(result, talk, stdout, form=form, verbose=verbose)
    os._exit(int(result.exit_code))


def _leave(code: ExitCode, threads: set[threading.Thread]) -> None:
    """Exit, without waiting for threads that the app started while it loaded."""
    waiting = [each for each in threading.enumerate() if not each.daemon and each not in threads]
    if waiting:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(int(code))
    click.get_current_context().exit(int(code))
