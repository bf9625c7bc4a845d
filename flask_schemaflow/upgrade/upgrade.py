"""The pipeline: the fast path, the state, the plan, the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..drift import check_accepted
from ..errors import ConfigurationError, UnadoptableState
from ..matching import revision_of
from ..plan import Plan, make_plan
from ..results import Progress, Result
from ..session import LOCK_WAIT, database_exists, nobody_else
from ..state import State
from ..survey import Notify, Survey, Where, open_project, survey_project, tell_nobody
from .fast_path import is_at_head
from .run import Run, UpgradeOptions, migrate
from .verdicts import nothing_to_do, would
from .verification import REVISION_FAILS, expected_structure

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
    check_accepted(options.accept, NOT_OURS, REVISION_FAILS)
    progress = Progress("db-safe-upgrade")
    with progress.told_on_failure(), app.app_context():
        project = open_project(app, Where(directory=options.directory, x_args=options.x_args), notify)
        progress.note_targets(project.binds)
        at_head = is_at_head(project, options.revision) if project.revisions else None
        if at_head is not None:
            _end_early(progress, at_head)
        else:
            with nobody_else((bind.engine for bind in project.binds), wait=LOCK_WAIT):
                survey = survey_project(project, with_discovery=False)
            _upgrade(survey, options, progress, notify)
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


def _upgrade(survey: Survey, options: UpgradeOptions, progress: Progress, notify: Notify) -> None:
    progress.note_targets(survey.binds)  # now that the servers have said what they are
    progress.note_states(survey.states)
    _check_there(survey, options)
    _refuse_states(survey, options)
    stamps = _find_revisions(survey, options, notify)
    plans = _make_plans(survey, stamps, options)
    progress.plan = tuple(step for plan in plans.values() for step in plan.steps)
    run = Run(survey, options, progress, plans, stamps, notify)
    if not progress.plan and not stamps:
        progress.end("nothing-to-do", nothing_to_do(plans))
        return
    expected = expected_structure(run)
    if options.dry_run:
        progress.end("planned", would(plans, stamps))
    else:
        migrate(run, expected)


def _check_there(survey: Survey, options: UpgradeOptions) -> None:
    for bind in survey.relevant:
        if not options.create and not database_exists(bind.engine):
            raise ConfigurationError(
                f"There is no database at {bind.target}. Check SQLALCHEMY_DATABASE_URI, or say "
                "--create to make a new one."
            )


# -- which states go on ----------------------------------------------------------------------------


def _refuse_states(survey: Survey, options: UpgradeOptions) -> None:
    if not survey.revisions:
        raise UnadoptableState(
            f"There are no revisions in {survey.migrations.directory}. `flask db-adopt` writes the first one."
        )
    for bind in survey.relevant:
        state = survey.states[bind.key]
        reason = _REASONS.get(state.state)
        accepted = state.state is State.NOT_OURS and f"{NOT_OURS}:{bind.label}" in _accepted(survey, options)
        if reason is not None and not accepted:
            rows = ", ".join(state.versions or ())
            heads = " ".join(state.heads)
            raise UnadoptableState(
                f"{bind.target}: {reason.format(rows=rows, heads=heads, label=bind.label)}"
            )


def _accepted(survey: Survey, options: UpgradeOptions) -> frozenset[str]:
    return frozenset((*options.accept, *survey.settings.accept))


NOT_OURS = "not-our-database"
_REASONS = {
    State.BRANCHED: "the revisions have several heads ({heads}). Join them: flask db merge {heads}",
    State.TORN: "the version table has rows that exclude one another ({rows}). Delete the wrong ones.",
    State.UNKNOWN: "it is at revision {rows}, which this code does not have: it was upgraded by "
    "another release, or the file is lost. Deploy the release that has it; if the file is lost, "
    "`flask db-adopt` says what to do.",
    State.HOLLOW: "it is at revision {rows}, but none of its tables is there. Is it the right "
    "database? Restore it from a backup.",
    State.NOT_OURS: "not-our-database: it has tables, and none of this app's. Check "
    "SQLALCHEMY_DATABASE_URI; if it is right, say --accept not-our-database:{label}",
}


def _find_revisions(survey: Survey, options: UpgradeOptions, notify: Notify) -> dict[BindKey, str]:
    """Find, by structure, the revision of each database that was never adopted."""
    keys = [b.key for b in survey.relevant if survey.states[b.key].state is State.UNMANAGED]
    if not keys:
        return {}
    notify("Searching   which revision the structure of the database equals")
    revision = revision_of(survey, keys, search_time=options.search_time, accepted=_accepted(survey, options))
    return dict.fromkeys(keys, revision)


def _make_plans(
    survey: Survey, stamps: Mapping[BindKey, str], options: UpgradeOptions
) -> dict[BindKey, Plan]:
    plans = {}
    for bind in survey.relevant:
        found = stamps.get(bind.key)
        current = (found,) if found else survey.states[bind.key].versions or ()
        plans[bind.key] = make_plan(bind.key, survey.revisions, current, options.revision)
    return plans
