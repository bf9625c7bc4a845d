"""Run scripts on scratch: what they begin with has to become what they lead to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..drift import find_drift
from ..errors import ProofFailed, Refused
from ..mending import Script, mend
from ..revisions import TableName
from ..scratch import WAY, NoScratch, scratch_databases
from ..session import sealed
from ..snapshot import take_snapshot
from ..survey import only_ours
from .dropping import all_drops
from .sql import staying

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..drift import Drift
    from ..snapshot import Snapshot
    from ..survey import Survey

BindKey = str | None
Scratches = Mapping[BindKey, "Connection"]
Begin = Callable[[Scratches], None]
"""Makes on scratch databases what the scripts begin with."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A script of one database, what it begins with and what it leads to."""

    before: Snapshot
    after: Snapshot
    script: Script


@dataclass(frozen=True, kw_only=True)
class WayBack:
    """A script that undoes another one; ``problem`` says why there is none."""

    script: Script = field(default_factory=Script)
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What trying scripts has shown: ``method`` says where, or ``problem`` why they could not be tried.

    ``backs`` are the ways back, by bind key, where they were asked for.
    """

    method: str = ""
    problem: str = ""
    backs: Mapping[BindKey, WayBack] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        """Say whether the scripts ran, and led to what they should."""
        return not self.problem


def try_scripts(
    survey: Survey, attempts: Mapping[BindKey, Attempt], begin: Begin | None, *, and_back: bool = False
) -> Trial:
    """Run scripts on scratch databases. Never touches the real databases.

    :param begin: makes what the scripts begin with; None: it is built by statements of mending's own, which
        counts only where it is then exactly that.
    :param and_back: write and try ways back too.
    :raises ProofFailed: a script fails, or leads to something else.
    """
    backs: dict[BindKey, WayBack] = {}
    sources = {bind.key: bind.source for bind in survey.binds if bind.key in attempts or begin is not None}
    try:
        with scratch_databases(sources) as scratches:
            if begin is not None:
                begin(scratches)
            with sealed():
                for key, attempt in attempts.items():
                    trying = _Trying(survey, key, scratches[key])
                    problem = trying.build(attempt.before) if begin is None else ""
                    if problem:
                        return Trial(problem=problem)
                    trying.run(attempt)
                    if and_back:
                        backs[key] = trying.way_back(attempt)
            method = ", ".join(sorted({each.info[WAY] for each in scratches.values()}))
            return Trial(method=method, backs=backs)
    except NoScratch as error:
        return Trial(problem=error.message)


@dataclass(frozen=True)
class _Trying:
    """A scratch database in the place of one of the app's."""

    survey: Survey
    key: BindKey
    scratch: Connection

    def build(self, wanted: Snapshot) -> str:
        """Make a structure from nothing; say what is in the way, if anything is."""
        script = mend(self._structure(), wanted)
        try:
            self._execute(script)
        except (DBAPIError, Refused) as error:
            return f"what the database has cannot be made again on scratch: {_reason(error)}"
        left = _structural(find_drift(wanted, self._structure(), "the database", of="scratch"))
        return f"what the database has cannot be made again on scratch: {left[0].message}" if left else ""

    def run(self, attempt: Attempt) -> None:
        """Run a script.

        :raises ProofFailed: it fails, or leads to something else.
        """
        label = self.key or "default"
        self.scratch.commit()
        try:
            self._execute(attempt.script)
        except DBAPIError as error:
            raise ProofFailed(
                f"The script for {label} fails on a scratch database: {_reason(error)}. Please report this."
            ) from error
        there = self._structure()
        stays = attempt.script.stays
        left = tuple(
            each
            for each in _structural(find_drift(attempt.after, there, "what was asked for", of="the script"))
            if each.key not in stays
        )
        if left:
            raise ProofFailed(
                f"On a scratch database the script for {label} leads to something else: "
                f"{left[0].message} Please report this.",
                findings=left,
            )

    def way_back(self, attempt: Attempt) -> WayBack:
        """Write what undoes a script that has run, and run it; what the script has added is dropped."""
        reached = self._structure()
        drops = all_drops(attempt.before, reached)
        script = mend(reached, attempt.before, accepted=drops, source="what was before")
        left = staying(script)
        if left:
            return WayBack(problem=f"{left[0].message} {left[0].hint}")
        try:
            self.run(Attempt(before=reached, after=attempt.before, script=script))
        except ProofFailed as error:
            return WayBack(problem=error.message)
        return WayBack(script=script)

    def _structure(self) -> Snapshot:
        """Read all that is there, also what no script should have left, but for what keeps books."""
        books = self.survey.bookkeeping[self.key]
        there = take_snapshot(self.scratch).where(lambda each: TableName(each.schema, each.name) not in books)
        return only_ours(there, self.survey.states[self.key].ours_with(there))

    def _execute(self, script: Script) -> None:
        for statement in script.statements:
            self.scratch.execute(sa.DDL(statement.replace("%", "%%")))  # type: ignore[no-untyped-call]


def _structural(found: tuple[Drift, ...]) -> tuple[Drift, ...]:
    return tuple(each for each in found if each.structural)


def _reason(error: DBAPIError | Refused) -> str:
    if isinstance(error, Refused):
        return error.message
    statement = " ".join((error.statement or "").split())
    return f"{' '.join(str(error.orig).split()).rstrip('.')} ({statement[:200]})"
