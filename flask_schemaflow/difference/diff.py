"""The pipeline: look, make both structures, compare, tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..drift import Drift, check_accepted, ways
from ..errors import ConfigurationError, DriftFound
from ..findings import Finding, Severity
from ..plan import Step
from ..preflight import check_reachable
from ..results import Progress, ProofResult, Result, Section
from ..revisions import TableName
from ..scripts import staying
from ..state import foreign_tables
from ..survey import Notify, Survey, Where, open_project, survey_project, tell_nobody
from .scripting import write_scripts
from .sides import DatabaseDiff, Side, compare, read_side

if TYPE_CHECKING:
    from flask import Flask

    from ..loading import LoadingRecord
    from ..mending import Script
    from ..scripts import Trial


@dataclass(frozen=True, kw_only=True)
class DiffOptions:
    """What ``db-diff`` was asked for.

    ``before`` and ``after`` are each ``database``, ``models``, ``base``, ``head`` or a revision; with
    ``check`` a difference is an error; ``accept`` are differences that do not count, and what a script may
    drop (``drop-column:TABLE.COLUMN``, ``drop-table:TABLE``); ``script`` is ``sql`` or ``python``, None for
    none.
    """

    before: str = "database"
    after: str = "models"
    check: bool = False
    script: str | None = None
    accept: tuple[str, ...] = ()
    directory: str | None = None
    x_args: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DiffResult(Result):
    """In what the two differ, for each database, and the scripts by bind key where they were asked for."""

    differences: tuple[DatabaseDiff, ...] = ()
    scripts: Mapping[str | None, Script] = field(default_factory=dict)


DEFAULTS = DiffOptions()
_DROPS = ("drop-column", "drop-table")
_SCRIPTS = (None, "sql", "python")


def diff(
    app: Flask,
    options: DiffOptions = DEFAULTS,
    *,
    loading: LoadingRecord | None = None,
    notify: Notify = tell_nobody,
) -> DiffResult:
    """Compare two of: the databases, the models, a revision.

    Read-only. What models and revisions make is made on scratch databases, where it is not stored.

    :param loading: what was seen while the app loaded, where a command loaded it.
    :param notify: gets a line for each step.
    :raises DriftFound: with ``check``, and they differ.
    :raises Busy: a database cannot be reached.
    :raises SchemaFlowError: it could not be done.
    """
    progress = Progress("db-diff")
    with progress.told_on_failure(), app.app_context():
        check_accepted(options.accept, *_DROPS)
        if options.script not in _SCRIPTS:
            raise ConfigurationError(
                f"A script is written as `sql` or as `python`, not as {options.script!r}."
            )
        project = open_project(app, Where(directory=options.directory, x_args=options.x_args), notify)
        progress.note_targets(project.binds)
        before = read_side(options.before, project.revisions, "--from")
        after = read_side(options.after, project.revisions, "--to")
        check_reachable(project)
        with_models = before.is_models or after.is_models
        survey = survey_project(project, with_discovery=with_models, loading=loading)
        _note_survey(progress, survey)
        notify(f"Comparing   {before.name} with {after.name}")
        comparison = _Comparison(survey, before, after, options, progress)
        differences = tuple(compare(survey, before, after, whole=options.script is not None))
        scripts = comparison.write(differences, notify) if options.script is not None else {}
        comparison.tell(differences, scripts)
        comparison.end(differences)
    return DiffResult(**vars(progress.reached()), differences=differences, scripts=scripts)


def _note_survey(progress: Progress, survey: Survey) -> None:
    progress.note_targets(survey.binds)  # now that the servers have said what they are
    progress.note_states(survey.states)
    if survey.discovery is not None:
        progress.discovery = survey.discovery
        progress.findings.extend(survey.discovery.findings)


@dataclass(frozen=True)
class _Comparison:
    """One run: what there is, what was asked for, and where to tell of it."""

    survey: Survey
    before: Side
    after: Side
    options: DiffOptions
    progress: Progress

    def write(self, differences: Iterable[DatabaseDiff], notify: Notify) -> Mapping[str | None, Script]:
        """Write the scripts, and note them.

        :raises ProofFailed: on scratch one does not lead where it should.
        """
        notify("Proving     the script on a scratch database")
        as_python = self.options.script == "python"
        written = write_scripts(
            self.survey, self.before, self.after, differences, self._accepted, and_back=as_python
        )
        progress, trial = self.progress, written.trial
        progress.proof = ProofResult(
            equal=trial.proved and not any(staying(each) for each in written.scripts.values()),
            method=trial.method or f"not proved: {trial.problem}",
            engines=tuple(sorted({bind.family for bind in self.survey.relevant})) if trial.proved else (),
        )
        if not trial.proved:
            progress.findings.append(_not_proved(trial))
        progress.plan = tuple(_step(key, each, written.title) for key, each in written.scripts.items())
        if not written.is_empty:
            progress.document = written.python() if as_python else written.sql()
        return written.scripts

    def tell(self, differences: Iterable[DatabaseDiff], scripts: Mapping[str | None, Script]) -> None:
        """Note what differs, each database by itself."""
        several = len(self.survey.relevant) > 1
        for bind, difference in zip(self.survey.relevant, differences, strict=True):
            hints = _hints(scripts.get(bind.key))
            weighed = tuple(
                replace(self._weighed(each), hint=hints.get(each.key, "")) for each in difference.drift
            )
            if several:
                weighed = tuple(replace(each, message=f"{bind.label}: {each.message}") for each in weighed)
            title = f"{bind.target} ({bind.label}): {_counted(weighed)}"
            self.progress.sections.append(Section(title=title, findings=weighed))
            self.progress.findings.extend(weighed)
            if self.before.is_database or self.after.is_database:
                self._tell_foreign(difference)
                self.progress.update(bind.key, verified=not self.counting(difference))

    def _tell_foreign(self, difference: DatabaseDiff) -> None:
        compared = {
            TableName(o.schema, o.name) for s in (difference.before, difference.after) for o in s.objects
        }
        foreign = self.survey.states[difference.bind].foreign - compared
        state, look = self.survey.states[difference.bind], self.survey.looks[difference.bind]
        self.progress.findings.extend(foreign_tables(foreign, state, look.snapshot))

    def _weighed(self, each: Drift) -> Drift:
        """Say how much it weighs: an error only where it is what was checked for."""
        if not each.structural or (self.options.check and each.key not in self._accepted):
            return each
        return replace(each, severity=Severity.WARNING)

    @property
    def _accepted(self) -> frozenset[str]:
        return frozenset((*self.options.accept, *self.survey.settings.accept))

    def counting(self, difference: DatabaseDiff) -> list[Drift]:
        """Give the differences that decide."""
        return [each for each in difference.drift if each.structural and each.key not in self._accepted]

    def end(self, differences: Iterable[DatabaseDiff]) -> None:
        """Give the verdict.

        :raises DriftFound: they differ, and ``check`` was asked for.
        """
        counting = [each for difference in differences for each in self.counting(difference)]
        others = sum(len(difference.drift) for difference in differences) - len(counting)
        besides = f" ({others} more for information only)" if others else ""
        which = f"{self.before.name} and {self.after.name}"
        differ = f"{which[0].upper()}{which[1:]} differ"
        if not counting:
            self.progress.end("nothing-to-do", f"No difference between {which}{besides}.")
        elif self.options.check:
            errors = tuple(each for each in self.progress.findings if each.severity is Severity.ERROR)
            raise DriftFound(f"{differ} in {ways(len(counting))}{besides}.", findings=errors)
        else:
            self.progress.end("planned", f"{differ} in {ways(len(counting))}{besides}.")


def _hints(script: Script | None) -> dict[str, str]:
    """Say of what stays why it does."""
    return {each.key: each.hint for each in (*script.kept, *script.unmended)} if script is not None else {}


def _not_proved(trial: Trial) -> Finding:
    return Finding(
        code="script-not-proved",
        subject="script",
        message=f"The script was not tried: {trial.problem}",
        hint="Try it on a copy of the database.",
    )


def _step(key: str | None, script: Script, title: str) -> Step:
    operations = tuple(mended for step in script.steps for mended in step.mends)
    return Step(bind=key, revision="", title=title, operations=operations, statements=script.statements)


def _counted(found: tuple[Drift, ...]) -> str:
    return f"{len(found)} difference{'' if len(found) == 1 else 's'}" if found else "no difference"
