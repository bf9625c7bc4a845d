"""The pipeline: look, decide by the state, go the way that it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..discovery import SourceCall, holder_of, nearness, registered_db
from ..errors import Busy, DriftFound, ProofFailed, UnadoptableState
from ..findings import Finding, Severity
from ..loading import is_library
from ..preflight import check_reachable, check_servers
from ..refusals import REASONS, check_covered, check_keys, check_search_path
from ..results import Progress, Result
from ..revisions import tables_in
from ..state import State, foreign_tables
from ..survey import Notify, Survey, Where, ahead, open_project, survey_project, tell_nobody, upgrade_command
from .baseline_way import write_baseline
from .common import Adoption
from .options import AdoptOptions, check_options
from .restamping import name_revision, note_lost_rows, restamp
from .revisions_way import confirm_revision, find_revision

if TYPE_CHECKING:
    from flask import Flask

    from ..discovery import Bind
    from ..loading import LoadingRecord


@dataclass(frozen=True, kw_only=True)
class AdoptResult(Result):
    """What adopting found out and did; ``baseline`` is the file that was written, or would be."""

    baseline: Path | None = None


DEFAULTS = AdoptOptions()


def adopt(
    app: Flask,
    options: AdoptOptions = DEFAULTS,
    *,
    loading: LoadingRecord | None = None,
    notify: Notify = tell_nobody,
) -> AdoptResult:
    """Adopt the app's databases: find every model, write a baseline, prove it, stamp.

    Writes the version table and the migration files; nothing at all before the proof, and never a table
    of the app.

    :param loading: what was seen while the app loaded, where a command loaded it.
    :param notify: gets a line for each step.
    :raises SchemaFlowError: it was refused or could not be done; ``result`` says how far it came.
    """
    progress = Progress("db-adopt")
    with progress.told_on_failure(), app.app_context():
        if loading is not None:
            progress.findings.extend(loading.findings())
        _refuse_drops_on_load(progress)
        check_options(options)
        project = open_project(app, Where(directory=options.directory, x_args=options.x_args), notify)
        progress.note_targets(project.binds)
        check_reachable(project)
        check_servers(project.binds, project.settings, options.accept)
        survey = survey_project(project, with_discovery=True, loading=loading)
        _note_survey(progress, survey, notify)
        progress.details.extend(_lines_to_add(survey))
        with _told_of_unmade_tables(survey):
            _way(survey, options)(Adoption(survey, options, progress, notify))
    return AdoptResult(**vars(progress.reached()), baseline=progress.baseline)


def _way(survey: Survey, options: AdoptOptions) -> Callable[[Adoption], None]:
    check_search_path(survey)
    states = {survey.states[bind.key].state for bind in survey.relevant}
    if State.AHEAD in states and not options.restamp:
        return _nothing_for_this_release
    _refuse_states(survey, options)
    check_covered(survey)
    if not survey.revisions:
        check_keys(survey)
        return _baseline_again if State.ORPHANED in states else write_baseline
    if options.reconcile:
        raise UnadoptableState(
            f"{survey.migrations.directory} has revisions already, and --reconcile writes the first ones. "
            "Adopt without it. What the models have besides the revisions: `flask db migrate`; what the "
            "database has besides them: `flask db-diff --format python` writes a revision."
        )
    if options.restamp and (options.restamp_to is not None or states - {State.EMPTY}):
        return restamp
    if State.UNKNOWN in states:
        return name_revision
    if State.UNMANAGED in states:
        return find_revision
    return confirm_revision if states - {State.EMPTY} else _nothing_to_adopt


def _refuse_states(survey: Survey, options: AdoptOptions) -> None:
    """Check that no database is one that adoption does not take on, with what was asked for.

    :raises UnadoptableState: one is.
    """
    for state, refusal in REASONS.items():
        binds = [b for b in survey.relevant if survey.states[b.key].state is state]
        for bind in binds:
            _check_same_revisions(survey)
            if not _is_taken_on(survey, bind, options):
                raise UnadoptableState(f"{bind.target}: {refusal(survey, bind)}")
    if options.restamp_to is not None and not survey.revisions:
        raise UnadoptableState(
            f"There are no revisions in {survey.migrations.directory}, so there is no {options.restamp_to}. "
            "`flask db-adopt --restamp` without an id writes a baseline of what is there."
        )


def _is_taken_on(survey: Survey, bind: Bind, options: AdoptOptions) -> bool:
    state = survey.states[bind.key]
    restamped = options.restamp and state.state in (State.ORPHANED, State.TORN)
    return bool(state.ours) and (restamped or state.state is State.UNKNOWN)


def _baseline_again(adoption: Adoption) -> None:
    """Write a baseline where the revisions are lost: what stands in the version table is replaced."""
    note_lost_rows(adoption)
    write_baseline(adoption)


@contextmanager
def _told_of_unmade_tables(survey: Survey) -> Iterator[None]:
    """Say of a refusal that it comes from tables of ours that no revision makes: ``create_all()`` did."""
    try:
        yield
    except (DriftFound, ProofFailed) as error:
        keys = [each.key for bind in survey.relevant for each in bind.members]
        made = {name.name for key in keys for name in tables_in(survey.revisions, key)}
        ours = {name.name for bind in survey.relevant for name in survey.states[bind.key].ours}
        unmade = sorted(ours - made) if survey.revisions else []
        if isinstance(error, DriftFound):
            extra = {each.subject for each in error.findings if each.code == "extra-table"}
            unmade = [name for name in unmade if name in extra]
        if unmade:
            told = _unmade(survey, unmade, only_changed=isinstance(error, ProofFailed))
            error.message = f"{error.message.rstrip('.')}. {told}"
        raise


def _unmade(survey: Survey, tables: list[str], *, only_changed: bool) -> str:
    told = f"No revision creates {', '.join(tables)} by name: create_all() did, it seems."
    if not only_changed:
        return (
            f"{told} `flask db-diff --from head --to database --format python` writes one that does; put it "
            f"into {survey.migrations.directory}/versions, and `flask db-adopt --restamp` finds it."
        )
    return (
        f"{told} Revisions that only change such tables cannot build a database: if these have run "
        f"wherever they should, move them out of {survey.migrations.directory}, and `flask db-adopt "
        "--restamp` writes a baseline of what is there."
    )


def _check_same_revisions(survey: Survey) -> None:
    """Check that the folder is still what it was before the databases were looked at.

    :raises Busy: somebody else wrote a revision meanwhile, which a database may speak of.
    """
    if survey.migrations.read_revisions() != survey.revisions:
        raise Busy(
            f"{survey.migrations.directory} was changed by somebody else meanwhile. Nothing was written; run "
            "this again."
        )


def _nothing_to_adopt(adoption: Adoption) -> None:
    adoption.end(
        "nothing-to-do",
        "Nothing to adopt: the database has no tables yet, and there are revisions. "
        f"{upgrade_command(adoption.survey)} creates the tables.",
    )


def _nothing_for_this_release(adoption: Adoption) -> None:
    survey = adoption.survey
    bind = next(b for b in survey.relevant if survey.states[b.key].state is State.AHEAD)
    adoption.end(
        "ahead",
        f"Nothing to adopt: {ahead(survey, bind)} If its file is lost: `flask db-adopt --restamp`.",
    )


# -- what there is to tell -------------------------------------------------------------------------


def _note_survey(progress: Progress, survey: Survey, notify: Notify) -> None:
    progress.note_targets(survey.binds)  # now that the servers have said what they are
    progress.note_states(survey.states)
    for bind in survey.binds:
        state = survey.states[bind.key]
        progress.findings.extend(foreign_tables(state.foreign, state, survey.looks[bind.key].snapshot))
    if survey.discovery is None:
        return
    progress.discovery = survey.discovery
    progress.findings.extend(survey.discovery.findings)
    modules = survey.discovery.modules
    tables = sum(len(module.tables) for module in modules)
    notify(f"Models      {_counted(tables, 'table')} in {_counted(len(modules), 'module')}")
    progress.findings.extend(_create_all_calls(survey.discovery.calls))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def _create_all_calls(calls: tuple[SourceCall, ...]) -> list[Finding]:
    found = []
    for call in calls:
        name = call.called.rpartition(".")[2]
        if name in ("create_all", "drop_all") and not is_library(str(call.file)):
            found.append(
                Finding(
                    code=f"calls-{name.replace('_', '-')}",
                    subject=call.called,
                    message=f"The source calls {call.called}().",
                    hint=_CALL_HINTS[name],
                    file=str(call.file),
                    line=call.line,
                )
            )
    return found


def _lines_to_add(survey: Survey) -> Iterator[str]:
    """Say what to write in the app, and where, when it has no ``flask db``."""
    if survey.has_db_group or survey.discovery is None:
        return
    holder = holder_of(registered_db(survey.app))
    name = holder[1] if holder else "db"
    wanted = (f"{name}.init_app", "SQLAlchemy")
    calls = [call for call in survey.discovery.calls if call.called.endswith(wanted)]
    call = min(calls, key=lambda each: nearness(each.file, survey.app), default=None)
    where = f"after {call.file}:{call.line}" if call else "where the app is made"
    yield f"The app has no `flask db` yet. Add {where}:"
    yield ""
    yield "    from flask_schemaflow import SchemaFlow"
    yield f"    SchemaFlow(app, {name})"
    yield ""


_CALL_HINTS = {
    "create_all": "Once adopted, revisions create tables: remove it, or keep it to tests.",
    "drop_all": "It drops what the revisions made: keep it to tests.",
}


def _refuse_drops_on_load(progress: Progress) -> None:
    for finding in progress.findings:
        if finding.code == "drops-on-load" and finding.severity is Severity.ERROR:
            raise UnadoptableState(f"{finding.place}: {finding.message} {finding.hint}")
