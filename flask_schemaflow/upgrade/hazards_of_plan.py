"""Between the plan and the run: what the revisions will do, what is dangerous in it, and what is at stake."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import HazardsFound
from ..findings import Finding, Severity
from ..hazards import (
    CODES,
    DUPLICATE,
    Acceptances,
    Hazard,
    Structures,
    find_hazards,
    find_table,
    rebuilt_tables,
)
from ..probes import ALL, Answer, Question, ask, volatile_functions
from ..recording import RecordedRevision, record_revisions
from ..session import database_exists
from ..snapshot import Snapshot
from .foreseeing import foresee
from .leftovers import leftover_tables
from .one_transaction import find_what_needs_another

if TYPE_CHECKING:
    from ..discovery import Bind
    from ..plan import Plan
    from .run import Run
    from .verification import Expectation, Expected

BindKey = str | None


@dataclass(frozen=True, kw_only=True)
class AtStake:
    """What accepted operations destroy in one database: tables by (schema, name), None if not known."""

    tables: tuple[tuple[str | None, str], ...] | None


Recorded = Mapping[BindKey, tuple[RecordedRevision, ...]]


def record_plans(run: Run) -> Recorded:
    """Write down, by bind key, what the pending revisions do. Never touches a database."""
    return {bind.key: _recorded(run, bind, run.plans[bind.key]) for bind in run.survey.relevant}


def check_hazards(run: Run, expected: Expected, recorded_plans: Recorded) -> dict[BindKey, AtStake]:
    """Put what the plan does into it, and refuse what would lose rows and was not accepted.

    Read-only: the rows are asked on a connection that cannot write.

    :returns: by bind key, what was accepted although it destroys.
    :raises HazardsFound: something stops; the findings name each with its rows.
    """
    findings: list[Finding] = []
    at_stake: dict[BindKey, AtStake] = {}
    end = time.monotonic() + ALL
    for bind in run.survey.relevant:
        recorded = recorded_plans[bind.key]
        _note_in_plan(run, bind, recorded)
        if recorded:
            findings += _mistakes(recorded)
            if bind.family == "sqlite":
                findings += find_what_needs_another(recorded)
            findings += _leftovers(run, bind, recorded, end)
            hazards = tuple(_hazards(run, bind, recorded, expected[bind.key], end))
            findings += hazards
            destructive = tuple(each for each in hazards if _destroys(each))
            if destructive:
                at_stake[bind.key] = AtStake(tables=_tables_of(destructive))
    findings = list(dict.fromkeys(findings))
    stopping = tuple(each for each in findings if each.severity is Severity.ERROR)
    run.progress.findings.extend(each for each in findings if each not in stopping)
    if stopping:
        raise HazardsFound(_verdict(stopping), findings=stopping)
    return at_stake


def _destroys(hazard: Hazard) -> bool:
    return "destructive" in hazard.classes and hazard.severity is Severity.WARNING


def _tables_of(hazards: tuple[Hazard, ...]) -> tuple[tuple[str | None, str], ...] | None:
    questions = [each.question for each in hazards]
    if any(each is None for each in questions):
        return None
    named = ((each.table.schema, each.table.name) for each in questions if each is not None)
    return tuple(dict.fromkeys(named))


def _recorded(run: Run, bind: Bind, plan: Plan) -> tuple[RecordedRevision, ...]:
    by_id = {revision.id: revision for revision in run.survey.revisions}
    revisions = [by_id[step.revision] for step in plan.steps]
    keys = tuple(each.key for each in bind.members)
    environment = run.survey.migrations.environment
    return record_revisions(environment, revisions, keys, bind.engine.dialect, bind.metadata)


def _note_in_plan(run: Run, bind: Bind, recorded: Iterable[RecordedRevision]) -> None:
    seen = {each.revision: each.operations for each in recorded}
    run.progress.plan = tuple(
        replace(
            step,
            operations=tuple(each.label for each in seen[step.revision]),
            statements=tuple(sql for each in seen[step.revision] for sql in each.statements),
        )
        if step.bind == bind.key and step.revision in seen
        else step
        for step in run.progress.plan
    )


def _mistakes(recorded: Iterable[RecordedRevision]) -> Iterator[Finding]:
    for each in recorded:
        yield from Acceptances(each.file).mistakes(each.revision, CODES)


# -- hazards ---------------------------------------------------------------------------------------


def _hazards(
    run: Run, bind: Bind, recorded: tuple[RecordedRevision, ...], expectation: Expectation, end: float
) -> Iterator[Hazard]:
    structures = _structures(run, bind, recorded, expectation)
    found = dict.fromkeys(find_hazards(recorded, structures))
    # A part of what is resumed is in already, and is not run again.
    hazards = tuple(each for each in found if bind.key not in run.opened or each.code != DUPLICATE)
    answers = _answers(run, bind, hazards, structures, end)
    notes = {each.revision: Acceptances(each.file) for each in recorded}
    named = {*run.options.accept, *run.survey.settings.accept}

    def is_accepted(hazard: Hazard) -> bool:
        return hazard.key in named or notes[hazard.revision or ""].accept(hazard)

    for hazard, answer in zip(hazards, answers, strict=True):
        if not (hazard.only_with_rows and answer is not None and answer.rows == 0):
            settings = run.survey.settings
            yield hazard.weighed(answer, settings.fail_on, is_accepted, small=settings.small_table_rows)


def _structures(
    run: Run, bind: Bind, recorded: tuple[RecordedRevision, ...], expectation: Expectation
) -> Structures:
    look = run.survey.looks[bind.key]
    real = look.snapshot or Snapshot(family=bind.family)
    start, after = expectation.current, dict(expectation.after)
    if any(map(rebuilt_tables, recorded)):
        foreseen = foresee(run, bind)
        start, after = (real, foreseen) if foreseen is not None else (start, after)
    rows = {each.revision: run.plans[bind.key].rows_after(each.revision) for each in recorded}
    made = {revision: after[point] for revision, point in rows.items() if point in after}
    points = [start, *(made.get(each.revision) for each in recorded)]
    before = {
        each.revision: point for each, point in zip(recorded, points, strict=False) if point is not None
    }
    return Structures(
        family=bind.family,
        real=real,
        default_schema=look.default_schema,
        before=before,
        after=made,
        volatile=_volatile(bind, recorded),
    )


def _volatile(bind: Bind, recorded: tuple[RecordedRevision, ...]) -> frozenset[str] | None:
    """Ask PostgreSQL which functions are volatile, where a column is added with a default."""
    adds = any(
        "DEFAULT" in sql.upper() for each in recorded for do in each.operations for sql in do.statements
    )
    if bind.family != "postgresql" or not adds:
        return None
    return volatile_functions(bind.engine)


def _answers(
    run: Run, bind: Bind, hazards: tuple[Hazard, ...], structures: Structures, end: float
) -> tuple[Answer | None, ...]:
    """Ask what is to be asked; a table that is not there yet has no row."""
    asked = {
        id(each): each.question
        for each in hazards
        if each.question is not None and _is_there(each.question, structures)
    }
    given = dict(zip(asked, _asked(run, bind, asked.values(), end), strict=True))
    nothing = Answer(0, 0)
    return tuple(None if each.question is None else given.get(id(each), nothing) for each in hazards)


def _is_there(question: Question, structures: Structures) -> bool:
    hidden = structures.family == "sqlite" and question.table.name.startswith("sqlite_")
    return bool(structures.real.objects) and (
        hidden or find_table(structures.real, question.table, structures) is not None
    )


def _asked(run: Run, bind: Bind, questions: Iterable[Question], end: float) -> tuple[Answer | None, ...]:
    questions = tuple(questions)
    if not questions or not database_exists(bind.engine):
        return tuple(Answer(0, 0) for _ in questions)
    small = run.survey.settings.small_table_rows
    return ask(bind.engine, questions, small=small, together=end - time.monotonic())


def _leftovers(run: Run, bind: Bind, recorded: tuple[RecordedRevision, ...], end: float) -> Iterator[Finding]:
    look = run.survey.looks[bind.key]
    if bind.family != "sqlite" or look.snapshot is None:
        return
    rebuilt = {name for each in recorded for name in rebuilt_tables(each)}
    named = {*run.options.accept, *run.survey.settings.accept}
    yield from leftover_tables(
        look.snapshot, rebuilt, bind.target, lambda questions: _asked(run, bind, questions, end), named
    )


# -- in words --------------------------------------------------------------------------------------


def _verdict(stopping: tuple[Finding, ...]) -> str:
    first = stopping[0]
    more = f" And {len(stopping) - 1} more." if len(stopping) > 1 else ""
    where = f"{first.place}: " if first.place else ""
    accept = f" Accept it by --accept {first.key}" if isinstance(first, Hazard) else ""
    if accept and first.line is not None:
        accept += f", or in the revision: # schemaflow: accept {first.code} -- reason"
    return f"{where}{first.message}{more} Nothing was changed.{accept}"
