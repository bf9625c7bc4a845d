"""The pipeline: look, make both structures, compare, tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..drift import Drift, check_accepted, ways
from ..errors import DriftFound
from ..findings import Severity
from ..preflight import check_reachable
from ..results import Progress, Result, Section
from ..revisions import TableName
from ..state import foreign_tables
from ..survey import Notify, Survey, Where, open_project, survey_project, tell_nobody
from .sides import DatabaseDiff, Side, compare, read_side

if TYPE_CHECKING:
    from flask import Flask

    from ..loading import LoadingRecord


@dataclass(frozen=True, kw_only=True)
class DiffOptions:
    """What ``db-diff`` was asked for.

    ``before`` and ``after`` are each ``database``, ``models``, ``base``, ``head`` or a revision; with
    ``check`` a difference is an error; ``accept`` are differences that do not count.
    """

    before: str = "database"
    after: str = "models"
    check: bool = False
    accept: tuple[str, ...] = ()
    directory: str | None = None
    x_args: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DiffResult(Result):
    """In what the two differ, for each database."""

    differences: tuple[DatabaseDiff, ...] = ()


DEFAULTS = DiffOptions()


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
        check_accepted(options.accept)
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
        differences = tuple(compare(survey, before, after))
        comparison.tell(differences)
        comparison.end(differences)
    return DiffResult(**vars(progress.reached()), differences=differences)


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

    def tell(self, differences: Iterable[DatabaseDiff]) -> None:
        """Note what differs, each database by itself."""
        several = len(self.survey.relevant) > 1
        for bind, difference in zip(self.survey.relevant, differences, strict=True):
            weighed = tuple(self._weighed(each) for each in difference.drift)
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
        self.progress.findings.extend(foreign_tables(foreign))

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
        besides = f" ({others} more that decide nothing)" if others else ""
        which = f"{self.before.name} and {self.after.name}"
        if not counting:
            self.progress.end("nothing-to-do", f"No difference between {which}{besides}.")
        elif self.options.check:
            raise DriftFound(f"{which[0].upper()}{which[1:]} differ in {ways(len(counting))}{besides}.")
        else:
            verdict = f"{which[0].upper()}{which[1:]} differ in {ways(len(counting))}{besides}."
            self.progress.end("planned", verdict)


def _counted(found: tuple[Drift, ...]) -> str:
    return f"{len(found)} difference{'' if len(found) == 1 else 's'}" if found else "no difference"
