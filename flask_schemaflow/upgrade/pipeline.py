"""The pipeline: the state, the plan, the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..acceptable import NOT_OURS
from ..errors import ConfigurationError, UnadoptableState
from ..matching import find_equal
from ..plan import Plan, make_plan, names_branches
from ..preflight import check_servers
from ..refusals import REASONS, check_covered, check_search_path
from ..revisions import in_words
from ..session import database_exists, nobody_else
from ..state import State
from ..survey import Notify, Project, Survey, ahead, survey_project
from ..version_column import check_ids_fit
from .earlier import close_failures, newest_entries, stop_if_failed_meanwhile
from .hazards_of_plan import check_hazards, record_plans
from .recovery import Opened, check_resumable, open_journals, still_broken
from .rights_of_plan import check_plan_rights
from .run import Run, migrate
from .safeguards import plan_backups
from .space import check_space
from .verdicts import nothing_to_do, would
from .verification import expected_structure

if TYPE_CHECKING:
    from ..discovery import Bind
    from ..results import Progress
    from .options import UpgradeOptions

BindKey = str | None


def upgrade(project: Project, options: UpgradeOptions, progress: Progress, notify: Notify) -> None:
    """Look at the databases, and do what has to be done; ``progress`` says at the end what that was.

    :raises SchemaFlowError: it was refused, or failed.
    """
    check_servers(project.binds, project.settings, options.accept)
    before = newest_entries(project)
    with nobody_else((bind.engine for bind in project.binds), project.patience):
        named = names_branches(options.revision)
        survey = survey_project(project, with_discovery=False, branches_named=named)
    _upgrade(survey, options, before, progress, notify)


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
            raise UnadoptableState(f"{bind.target}: {reason(survey, bind)}{_way_on(bind, state.state)}")


def _way_on(bind: Bind, state: State) -> str:
    if state is State.NOT_OURS:
        return f" If it is right, say --accept {NOT_OURS}:{bind.label}"
    return "; or go to each of them: flask db-safe-upgrade heads" if state is State.BRANCHED else ""


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
    goals = sorted({plan.goal for plan in plans.values()})
    if len(goals) > 1:
        raise ConfigurationError(
            f"{options.revision} is another revision for each database "
            f"({', '.join(map(in_words, goals))}), since they are not at the same one. Name the revision."
        )
    return plans
