"""The pipeline: look, decide by the state, go the way that it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..discovery import SourceCall, holder_of, registered_db
from ..errors import Busy, UnadoptableState
from ..findings import Finding, Severity
from ..foreign import said_of
from ..preflight import check_reachable, check_servers
from ..refusals import REASONS, check_covered, check_keys, check_search_path
from ..results import Progress, Result
from ..revisions import TableName
from ..state import State
from ..survey import Notify, Survey, Where, ahead, open_project, survey_project, tell_nobody
from .baseline_way import write_baseline
from .common import Adoption
from .options import AdoptOptions, check_options
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
        _way(survey)(Adoption(survey, options, progress, notify))
    return AdoptResult(**vars(progress.reached()), baseline=progress.baseline)


def _way(survey: Survey) -> Callable[[Adoption], None]:
    check_search_path(survey)
    states = {survey.states[bind.key].state for bind in survey.relevant}
    if State.AHEAD in states:
        return _nothing_for_this_release
    for state, refusal in REASONS.items():
        if state in states:
            bind = next(b for b in survey.relevant if survey.states[b.key].state is state)
            _check_same_revisions(survey)
            raise UnadoptableState(f"{bind.target}: {refusal(survey, bind)}")
    check_covered(survey)
    if not survey.revisions:
        check_keys(survey)
        return write_baseline
    if State.UNMANAGED in states:
        return find_revision
    return confirm_revision if states - {State.EMPTY} else _nothing_to_adopt


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
        "`flask db-safe-upgrade` creates the tables.",
    )


def _nothing_for_this_release(adoption: Adoption) -> None:
    survey = adoption.survey
    bind = next(b for b in survey.relevant if survey.states[b.key].state is State.AHEAD)
    adoption.end("ahead", f"Nothing to adopt: {ahead(survey, bind)}")


# -- what there is to tell -------------------------------------------------------------------------


def _note_survey(progress: Progress, survey: Survey, notify: Notify) -> None:
    progress.note_targets(survey.binds)  # now that the servers have said what they are
    progress.note_states(survey.states)
    for bind in survey.binds:
        progress.findings.extend(_foreign_tables(survey, bind))
    if survey.discovery is None:
        return
    progress.discovery = survey.discovery
    progress.findings.extend(survey.discovery.findings)
    modules = survey.discovery.modules
    tables = sum(len(module.tables) for module in modules)
    notify(f"Models      {tables} tables in {len(modules)} modules")
    progress.findings.extend(_create_all_calls(survey.discovery.calls))


def _foreign_tables(survey: Survey, bind: Bind) -> Iterator[Finding]:
    state, snapshot = survey.states[bind.key], survey.looks[bind.key].snapshot
    read = {TableName(each.schema, each.name): each for each in snapshot.tables} if snapshot else {}
    for name in sorted(state.foreign, key=lambda each: (each.schema or "", each.name)):
        yield Finding(
            code="foreign-table",
            subject=name.name if name.schema is None else f"{name.schema}.{name.name}",
            severity=Severity.INFO,
            message=said_of(name, read.get(name), state.never_ours),
        )


def _create_all_calls(calls: tuple[SourceCall, ...]) -> list[Finding]:
    found = []
    for call in calls:
        name = call.called.rpartition(".")[2]
        if name in ("create_all", "drop_all"):
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
    where = f"after {calls[0].file}:{calls[0].line}" if calls else "where the app is made"
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
