"""The pipeline: the fast path, the state, the plan, the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..acceptable import IN_UPGRADES, NOT_OURS
from ..drift import check_accepted
from ..errors import ConfigurationError, UnadoptableState
from ..matching import find_equal
from ..plan import Plan, make_plan
from ..preflight import check_reachable, check_servers
from ..refusals import REASONS, check_covered, check_search_path
from ..results import Progress, Result
from ..session import database_exists, nobody_else
from ..state import State
from ..survey import Notify, Survey, Where, ahead, open_project, survey_project, tell_nobody
from ..version_column import check_ids_fit
from .earlier import close_failures, newest_entries, stop_if_failed_meanwhile
from .fast_path import is_at_head
from .hazards_of_plan import check_hazards, record_plans
from .options import UpgradeOptions
from .recovery import Opened, check_resumable, open_journals, still_broken
from .rights_of_plan import check_plan_rights
from .run import Run, migrate
from .safeguards import plan_backups
from .space import check_space
from .verdicts import nothing_to_do, would
from .verification import expected_structure

if TYPE_CHECKING:
    from flask import Flask

    from ..discovery import Bind

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
    check_accepted(options.accept, *IN_UPGRADES)
    progress = Progress("db-safe-upgrade")
    with progress.told_on_failure(), app.app_context():
        where = Where(directory=options.directory, x_args=options.x_args)
        project = open_project(app, where, notify, options=options.settings)
        check_accepted(project.settings.accept, *IN_UPGRADES, said_by="SCHEMAFLOW_ACCEPT")
        progress.note_targets(project.binds)
        check_reachable(project, expected_names=options.expect_database)
        at_head = None
        if project.revisions:
            at_head = is_at_head(project, options.revision, progress.note_revision)
        if at_head is not None:
            _end_early(progress, at_head)
        else:
            check_servers(project.binds, project.settings, options.accept)
            before = newest_entries(project)
            with nobody_else((bind.engine for bind in project.binds), project.patience):
                survey = survey_project(project, with_discovery=False)
            _upgrade(survey, options, before, progress, notify)
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


def _upgrade(
    survey: Survey,
    options: UpgradeOptions,
    before: Mapping[BindKey, int],
    progress: Progress,
    notify: Notify,
) -> None:
    progress.note_targets(survey.binds)  # now that the servers have said what they are
    progress.note_states(survey.states)
    if survey.revisions:
        check_covered(survey)
        check_search_path(survey)
    _check_there(survey, options)
    opened = open_journals(survey, resume=options.resume, dry_run=options.dry_run)
    close_failures(survey, but=opened)
    with still_broken(opened):
        if options.if_ahead == "ok" and _ahead(survey):
            progress.end("ahead", ahead(survey, _ahead(survey)[0]))
            return
        _refuse_states(survey, options, opened)
        stamps = _find_revisions(survey, options, notify, opened)
        plans = _make_plans(survey, stamps, options)
        check_resumable(plans, opened, survey)
        progress.plan = tuple(step for plan in plans.values() for step in plan.steps)
        run = Run(survey, options, progress, plans, stamps, notify, before, opened)
        stop_if_failed_meanwhile(run, survey.looks)
        if not progress.plan and not stamps:
            progress.end("nothing-to-do", nothing_to_do(plans))
            return
        check_ids_fit(survey, _ids_to_note(plans, stamps))
        expected = expected_structure(run)
        recorded = record_plans(run)
        check_plan_rights(run, recorded)
        safeguards = plan_backups(run, check_hazards(run, expected, recorded))
        check_space(run, recorded, safeguards)
        if options.dry_run:
            progress.end("planned", would(plans, stamps))
        else:
            migrate(run, expected, safeguards)


def _check_there(survey: Survey, options: UpgradeOptions) -> None:
    for bind in survey.relevant:
        if not options.create and not database_exists(bind.engine):
            raise ConfigurationError(
                f"There is no database at {bind.target}. Check {bind.setting}, or say --create to make a "
                "new one."
            )


# -- which states go on ----------------------------------------------------------------------------


def _refuse_states(survey: Survey, options: UpgradeOptions, opened: Mapping[BindKey, Opened]) -> None:
    if not survey.revisions:
        raise UnadoptableState(
            f"There are no revisions in {survey.migrations.directory}. `flask db-adopt` writes the first one."
        )
    for bind in survey.relevant:
        state = survey.states[bind.key]
        reason = REASONS.get(state.state)
        if bind.key in opened and state.state in _HALF_WAY:
            continue
        accepted = state.state is State.NOT_OURS and f"{NOT_OURS}:{bind.label}" in _accepted(survey, options)
        if state.state is State.AHEAD:
            raise UnadoptableState(
                f"{ahead(survey, bind)} Deploy that release or a newer one; --if-ahead ok lets this "
                "one start. If its file is lost: `flask db-adopt --restamp`."
            )
        if reason is not None and not accepted:
            is_right = f" If it is right, say --accept {NOT_OURS}:{bind.label}"
            raise UnadoptableState(
                f"{bind.target}: {reason(survey, bind)}{is_right if state.state is State.NOT_OURS else ''}"
            )


def _ahead(survey: Survey) -> tuple[Bind, ...]:
    return tuple(bind for bind in survey.relevant if survey.states[bind.key].state is State.AHEAD)


def _accepted(survey: Survey, options: UpgradeOptions) -> frozenset[str]:
    return frozenset((*options.accept, *survey.settings.accept))


_HALF_WAY = (State.HOLLOW, State.NOT_OURS)  # as a revision may leave it that broke


def _find_revisions(
    survey: Survey, options: UpgradeOptions, notify: Notify, opened: Mapping[BindKey, Opened]
) -> dict[BindKey, str]:
    """Find, by structure, the revision of each database that was never adopted."""
    unmanaged = [b.key for b in survey.relevant if survey.states[b.key].state is State.UNMANAGED]
    keys = [key for key in unmanaged if key not in opened]
    if not keys:
        return {}
    notify("Searching   which revision the structure of the database equals")
    accepted = _accepted(survey, options)
    return dict(find_equal(survey, keys, search_time=options.search_time, accepted=accepted).revisions)


def _ids_to_note(plans: Mapping[BindKey, Plan], stamps: Mapping[BindKey, str]) -> dict[BindKey, list[str]]:
    return {
        key: [*filter(None, [stamps.get(key)]), *(step.revision for step in plan.steps)]
        for key, plan in plans.items()
    }


def _make_plans(
    survey: Survey, stamps: Mapping[BindKey, str], options: UpgradeOptions
) -> dict[BindKey, Plan]:
    plans = {}
    for bind in survey.relevant:
        found = stamps.get(bind.key)
        current = (found,) if found else survey.states[bind.key].versions or ()
        plans[bind.key] = make_plan(bind.key, survey.revisions, current, options.revision)
    targets = sorted({plan.target for plan in plans.values()})
    if len(targets) > 1:
        raise ConfigurationError(
            f"{options.revision} is another revision for each database ({', '.join(targets)}), since they "
            "are not at the same one. Name the revision."
        )
    return plans
