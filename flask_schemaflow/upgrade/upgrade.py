"""The entry: the fast path, which most deploys end on; the rest is loaded when there is something to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..preflight import check_reachable
from ..results import Progress, Result
from ..state import State
from ..survey import Notify, Where, open_project, tell_nobody
from .fast_path import is_at_head
from .options import UpgradeOptions, check_words

if TYPE_CHECKING:
    from flask import Flask

BindKey = str | None


@dataclass(frozen=True, kw_only=True)
class UpgradeResult(Result):
    """What upgrading found out and did."""


DEFAULTS = UpgradeOptions()


def safe_upgrade(
    app: Flask,
    options: UpgradeOptions = DEFAULTS,
    *,
    notify: Notify = tell_nobody,
) -> UpgradeResult:
    """Upgrade the app's databases to the newest revision, or say why not.

    Writes what the revisions write, in one transaction that is committed only if the structure is then what
    the revisions say. A database that was never adopted is stamped first where its structure is that of
    exactly one revision.

    :param notify: gets a line for each step.
    :raises SchemaFlowError: it was refused, or failed; ``exit_code`` says what the database is now.
    """
    check_words(options)
    _check_accepted(options.accept)
    progress = Progress("db-safe-upgrade")
    with progress.told_on_failure(), app.app_context():
        where = Where(directory=options.directory, x_args=options.x_args)
        project = open_project(app, where, notify, options=options.settings)
        _check_accepted(project.settings.accept, said_by="SCHEMAFLOW_ACCEPT")
        progress.note_targets(project.binds)
        check_reachable(project, expected_names=options.expect_database)
        at_head = None
        if project.revisions:
            at_head = is_at_head(project, options.revision, progress.note_revision)
        if at_head is not None:
            _end_early(progress, at_head)
        else:
            from .pipeline import upgrade

            upgrade(project, options, progress, notify)
    return UpgradeResult(**vars(progress.reached()))


def _end_early(progress: Progress, at_head: Mapping[BindKey, str]) -> None:
    for key, head in at_head.items():
        progress.update(
            key,
            state_before=State.CURRENT.value,
            state_after=State.CURRENT.value,
            revision_before=head,
            revision_after=head,
        )
    progress.end("nothing-to-do", f"Nothing to do: at {next(iter(at_head.values()))} already.")


def _check_accepted(accepted: Iterable[str], *, said_by: str = "--accept") -> None:
    if accepted:
        from ..acceptable import IN_UPGRADES
        from ..drift import check_accepted

        check_accepted(accepted, *IN_UPGRADES, said_by=said_by)
