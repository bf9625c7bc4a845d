"""Write the script that takes the one side to the other, and try it on scratch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from ..mending import NO_ROWS, RowsOf, Script, mend
from ..migrations import ask_environment, stage_revision, staging_area
from ..models import create_models_on
from ..proof import replay_on
from ..scratch import inert_database
from ..scripts import (
    Attempt,
    Trial,
    as_python,
    as_sql,
    comments,
    no_way_back,
    only_on,
    staying,
    stays,
    telling_what_was_accepted,
    try_scripts,
)
from ..session import sealed
from ..survey import others_in

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..discovery import Bind
    from ..survey import Survey
    from .sides import DatabaseDiff, Side

BindKey = str | None
Scratches = Mapping[BindKey, "Connection"]


@dataclass(frozen=True)
class Scripting:
    """The scripts from one side to the other, by bind key, and what trying them has shown."""

    survey: Survey
    before: Side
    after: Side
    scripts: Mapping[BindKey, Script]
    trial: Trial
    accepted: frozenset[str]

    @property
    def title(self) -> str:
        """Say where it goes, in words."""
        return f"from {self.before.name} to {self.after.name}"

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing to be said: neither statements nor what stays."""
        return not any(each.steps or staying(each) for each in self.scripts.values())

    def told(self, bind: Bind) -> str:
        """Say of one database's script whether it was tried."""
        if not self.trial.proved:
            return f"NOT PROVED: {self.trial.problem}"
        but = ", but for what stays" if staying(self.scripts[bind.key]) else ""
        return f"Proved on a {self.trial.method}: it leads there{but}."

    def sql(self) -> str:
        """Write all scripts as SQL, each database by itself."""
        return "\n".join(self._sql(bind) for bind in self.survey.relevant)

    def _sql(self, bind: Bind) -> str:
        title = f"{bind.target} ({bind.label}): {self.title}"
        head = "".join(f"{line}\n" for line in comments((title, self.told(bind))))
        return head + as_sql(self.scripts[bind.key], bind.family)

    def python(self) -> str:
        """Write all scripts as one revision, through the project's template; it is put nowhere."""
        survey = self.survey
        several = any(bind.key is not None for bind in survey.relevant)
        with staging_area(survey.migrations, several_databases=several) as staging, ExitStack() as stack:
            inert = {bind.key: stack.enter_context(inert_database(bind.source)) for bind in survey.binds}
            configured = ask_environment(staging, inert, required=[bind.key for bind in survey.relevant])
            arguments = {"imports": ""}
            for bind in survey.relevant:
                script = telling_what_was_accepted(self.scripts[bind.key], self.accepted)
                up, down = as_python(script, bind.engine.dialect), self._back(bind)
                if {*survey.settings.engines} - {each.family for each in survey.relevant}:
                    up, down = only_on(bind.family, up), only_on(bind.family, down)
                arguments[configured[bind.key].upgrade_token] = up.replace("\n", "\n    ")
                arguments[configured[bind.key].downgrade_token] = down.replace("\n", "\n    ")
            return stage_revision(
                staging,
                survey.migrations,
                revision_id=uuid4().hex[-12:],
                message=self.title,
                template_arguments=arguments,
                notes=[line for bind in survey.relevant for line in self._notes(bind)],
                follows=self._follows(),
            ).source

    def _back(self, bind: Bind) -> str:
        back = self.trial.backs.get(bind.key)
        if back is None or back.problem:
            return no_way_back(back.problem if back else "nobody could try one on a scratch database.")
        return as_python(back.script, bind.engine.dialect)

    def _notes(self, bind: Bind) -> Iterable[str]:
        whose = "" if len(self.survey.relevant) == 1 else f"{bind.label}: "
        return (f"{whose}{line}" for line in (self.told(bind), *stays(self.scripts[bind.key])))

    def _follows(self) -> str | None:
        """Say which revision is below: the one that it begins with, else the newest."""
        if self.before.versions:
            return self.before.versions[0]
        state = next(iter(self.survey.states.values()))
        known = {each.id for each in self.survey.revisions}
        return next((each for each in (state.revision, *state.heads) if each in known), None)


def write_scripts(
    survey: Survey,
    before: Side,
    after: Side,
    differences: Iterable[DatabaseDiff],
    accepted: frozenset[str],
    *,
    and_back: bool,
) -> Scripting:
    """Write the scripts and try them. Never touches the real databases but to read them.

    :param accepted: ``drop-column:TABLE.COLUMN`` and ``drop-table:TABLE``, which may be dropped.
    :param and_back: write and try ways back too.
    :raises ProofFailed: on scratch a script does not lead to the other side.
    """
    attempts: dict[BindKey, Attempt] = {}
    for bind, each in zip(survey.relevant, differences, strict=True):
        script = mend(
            each.before,
            each.after,
            accepted=accepted,
            rows=RowsOf(bind.engine) if before.is_database else NO_ROWS,
            others=others_in(survey, bind.key, each.before, each.after) if before.is_database else (),
            source=after.name,
        )
        attempts[bind.key] = Attempt(before=each.before, after=each.after, script=script)
    begin = None if before.is_database else _Beginning(survey, before)
    trial = try_scripts(survey, attempts, begin, and_back=and_back)
    scripts = {key: attempt.script for key, attempt in attempts.items()}
    return Scripting(survey, before, after, scripts, trial, accepted)


@dataclass(frozen=True)
class _Beginning:
    """Makes models or a revision on scratch databases."""

    survey: Survey
    side: Side

    def __call__(self, scratches: Scratches) -> None:
        """Make it."""
        survey = self.survey
        if self.side.is_models:
            with sealed():
                for bind in survey.relevant:
                    create_models_on(scratches[bind.key], bind, survey)
        elif self.side.versions:
            required = [bind.key for bind in survey.relevant]
            replay_on(scratches, survey.migrations, self.side.versions, survey.bookkeeping, required=required)
