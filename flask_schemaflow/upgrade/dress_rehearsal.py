"""Run a plan on a copy of its backup first (SQLite): with all its rows, and nothing at stake."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import Engine

from ..errors import SchemaFlowError, Undone
from ..interrupts import forget_goal
from ..results import Progress

if TYPE_CHECKING:
    from ..backup import Backup
    from ..discovery import Bind
    from .run import Run

BindKey = str | None


def rehearse_on_copy(run: Run, backups: Mapping[BindKey, Backup], migrate: Callable[[Run], None]) -> None:
    """Run the plans on copies of the backups. Never touches the real databases, nor the backups.

    :param migrate: runs the plans of a run.
    :raises Undone: it failed on the copy.
    """
    with tempfile.TemporaryDirectory(prefix="schemaflow-rehearsal-") as folder:
        binds = tuple(_on_copy(bind, backups.get(bind.key), Path(folder)) for bind in run.survey.binds)
        copy = replace(
            run,
            survey=replace(run.survey, binds=binds),
            options=replace(run.options, rehearse=False),
            progress=_progress(run),
            notify=lambda line: run.notify(f"(rehearsal) {line}"),
        )
        try:
            migrate(copy)
        except SchemaFlowError as error:
            if isinstance(error.__cause__, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise Undone(
                f"The rehearsal on a copy failed; the database itself was not touched and is at "
                f"{_current(run)}. {error.message}",
                findings=error.findings,
            ) from error
        finally:
            forget_goal()


def _on_copy(bind: Bind, backup: Backup | None, folder: Path) -> Bind:
    if backup is None:
        return bind
    file = folder / f"{bind.label}.sqlite3"
    shutil.copyfile(backup.path, file)
    engine = bind.engine
    url = engine.url.set(database=str(file))
    return replace(bind, engine=Engine(engine.pool.recreate(), engine.dialect, url))


def _progress(run: Run) -> Progress:
    progress = Progress(run.progress.command, databases=dict(run.progress.databases))
    progress.plan = run.progress.plan
    return progress


def _current(run: Run) -> str:
    return ", ".join(each for plan in run.plans.values() for each in plan.current) or "no revision"
