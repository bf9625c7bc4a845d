"""What a database is after a failure: read again, and said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from ..drift import ways
from ..errors import Blocked, Broken, Busy, LockGivenUp, LockLost, SchemaFlowError, Undone, Unverified
from ..findings import Finding, Severity
from ..journal import CannotResume
from ..migrations import RevisionFailed
from ..revisions import TableName, in_words
from ..session import database_exists, nobody_else
from ..state import State
from ..survey import look_at, tell_nobody
from .invalid_indexes import only_invalid_indexes, say_left
from .meaning import meant
from .recovery import begun_by, left_in
from .verdicts import done

if TYPE_CHECKING:
    from ..discovery import Bind
    from ..drift import Drift
    from ..revisions import Rows
    from ..session import HeldTransaction, Patience
    from ..snapshot import Snapshot
    from .run import Run

BindKey = str | None


Points = dict[BindKey, dict["Rows", "Snapshot"]]
"""What a database was after each revision that could be committed, by the version rows."""


@dataclass(frozen=True)
class Facts:
    """What is known when a run fails.

    ``committed`` are the databases that were upgraded before another one failed; ``before`` says in what
    they differed from their revision before this run, which an earlier one may have left; ``by_itself``
    that the revision that failed had committed something itself; ``is_session_lost`` that others could get
    the lock before the databases were read again; ``journals`` are the names under which this run kept some.
    """

    committed: tuple[BindKey, ...]
    points: Points
    before: Mapping[BindKey, tuple[Drift, ...]]
    by_itself: bool
    journals: frozenset[str] = frozenset()
    is_resumable: bool = True
    is_session_lost: bool = False


def told(
    run: Run, error: BaseException, facts: Facts, held: Mapping[BindKey, HeldTransaction]
) -> SchemaFlowError | None:
    """Roll back, read the databases again, and say what they are.

    None where an interrupt came when everything was in already.

    A database is whole if it is what it was at the last point where it could be committed. Refusals and
    settings that stopped the run before it wrote keep their meaning.
    """
    error = meant(error)
    cannot_resume = isinstance(error, RevisionFailed) and isinstance(error.error, CannotResume)
    is_session_lost = isinstance(error, LockLost | LockGivenUp | KeyboardInterrupt)
    facts = replace(facts, is_resumable=not cannot_resume, is_session_lost=is_session_lost)
    for transaction in held.values():
        transaction.undo()
    with _at_rest(run, held) as taken_over:
        ended = [_ending(run, bind, facts, taken_over) for bind in run.survey.relevant]
    finding, cause = _cause(error)
    for each in ended:
        if each.is_moved and each.versions:
            note_revision(run, each.bind.key, each.versions, run.plans[each.bind.key].up_to(each.versions))
    if isinstance(error, Unverified):
        return error
    if isinstance(error, KeyboardInterrupt) and _is_all_in(run, ended):
        run.progress.end("upgraded", done(run.plans, run.stamps, tuple(run.progress.databases.values())))
        return None
    broken = [each.problem for each in ended if each.problem]
    if broken:
        return Broken(f"{cause} {' '.join(broken)}", findings=finding)
    is_moved = any(each.is_moved for each in ended)
    is_late = isinstance(error, Undone | Blocked | LockLost)  # revisions were running
    if isinstance(error, SchemaFlowError) and not is_late and not is_moved:
        return error
    kind = Busy if isinstance(error, Busy) else Undone
    notes = "".join(f" {each.note}" for each in ended if each.note)
    return kind(f"{cause} {_where(ended, again=kind is Busy)}{notes}", findings=finding)


_REST = 10.0  # seconds


@contextmanager
def _at_rest(run: Run, held: Mapping[BindKey, HeldTransaction]) -> Iterator[frozenset[BindKey]]:
    """Keep others of us out of the servers' databases while they are read again.

    Where our session is gone the server may still run its statement; it lets the lock go when that has ended.
    Gives the databases on which another process is at work by now, or our own lost session still.
    """
    wait = min(_REST, run.survey.patience.lock_wait)
    patience = replace(run.survey.patience, lock_wait=wait, tell=tell_nobody)  # telling may be interrupted
    taken_over = set()
    with ExitStack() as stack:
        for bind in run.survey.relevant:
            if not _is_held(held[bind.key]) and not _is_taken(bind, patience, stack):
                taken_over.add(bind.key)
        yield frozenset(taken_over)


def _is_held(transaction: HeldTransaction) -> bool:
    with suppress(SchemaFlowError, SQLAlchemyError):
        transaction.check_held()
        return True
    return False


def _is_taken(bind: Bind, patience: Patience, stack: ExitStack) -> bool:
    with suppress(SchemaFlowError):
        stack.enter_context(nobody_else([bind.engine], patience))
        return True
    return False


def _is_all_in(run: Run, ended: Iterable[_Ending]) -> bool:
    return all(each.is_moved and each.is_at_target(run) for each in ended)


def is_sqlite(run: Run, key: BindKey) -> bool:
    """Say whether a database is one where the whole plan is one transaction."""
    return any(bind.key == key and bind.family == "sqlite" for bind in run.survey.binds)


def note_revision(run: Run, key: BindKey, rows: Rows, applied: tuple[str, ...]) -> None:
    """Note at which revisions a database is now, and which ones this run committed there."""
    is_newest = rows == run.survey.states[key].newest
    run.progress.update(
        key,
        state_after=(State.CURRENT if is_newest else State.BEHIND).value,
        revision_after=in_words(rows),
        applied=applied,
    )


@dataclass(frozen=True, kw_only=True)
class _Ending:
    """What one database is after a failure; ``problem`` says that it is at no revision, and why."""

    bind: Bind
    versions: tuple[str, ...]
    is_moved: bool = False
    problem: str = ""
    note: str = ""

    def is_at_target(self, run: Run) -> bool:
        return not self.problem and self.versions == run.plans[self.bind.key].target


def _ending(run: Run, bind: Bind, facts: Facts, taken_over: frozenset[BindKey]) -> _Ending:
    before = facts.before.get(bind.key, ())
    try:
        look = look_at(bind, run.survey.version_tables[bind.key], partial(_known, run, bind, facts))
        versions = look.versions or ()
        is_ours = begun_by(run, bind, facts.journals)
        if not is_ours and (bind.key in taken_over or _is_of_others(run, bind, versions, facts)):
            note = f"Another process has gone on with {bind.target} meanwhile."
            return _Ending(bind=bind, versions=versions, note=note)
        parts = left_in(run, bind, versions, is_resumable=facts.is_resumable)
    except SchemaFlowError as error:
        return _Ending(bind=bind, versions=(), problem=f"{bind.target} cannot be read now: {error.message}")
    if parts is not None:
        is_moved = versions != run.plans[bind.key].current
        return _Ending(bind=bind, versions=versions, is_moved=is_moved, problem=parts)
    if is_sqlite(run, bind.key):
        is_moved = bind.key in facts.committed
        at_target = versions == run.plans[bind.key].target
        before_run = run.survey.looks[bind.key]
        is_same = (look.versions or None, _structure(run, bind, look.snapshot)) == (
            before_run.versions or None,
            _structure(run, bind, before_run.snapshot),
        )
        is_whole = at_target if is_moved else is_same
    else:
        is_moved = versions != run.plans[bind.key].current
        is_whole = _structure(run, bind, look.snapshot) == _last_point(run, bind, versions, facts.points)
    by_itself = facts.by_itself and not is_sqlite(run, bind.key) and not _commits_tables(bind)
    if is_whole and not before and not by_itself:
        return _Ending(bind=bind, versions=versions, is_moved=is_moved)
    if is_whole and not by_itself and not _commits_tables(bind):
        return _Ending(bind=bind, versions=versions, is_moved=is_moved, note=_differed(versions, before))
    known = _last_point(run, bind, versions, facts.points)
    invalid = only_invalid_indexes(known, _structure(run, bind, look.snapshot))
    if invalid:
        problem = (
            f"{bind.target} is at {', '.join(versions) or 'no revision'}, and of "
            f"{_next(run, bind.key, versions)} {say_left(run, bind, invalid)}"
        )
        return _Ending(bind=bind, versions=versions, is_moved=is_moved, problem=problem)
    if is_whole and by_itself:
        problem = (
            f"{bind.target} is at {', '.join(versions) or 'no revision'}, and "
            f"{_next(run, bind.key, versions)} had committed something of its own before it failed, rows "
            "perhaps. Look at what is in, and restore it from a backup or mend it by hand."
        )
        return _Ending(bind=bind, versions=versions, is_moved=is_moved, problem=problem)
    if not database_exists(bind.engine):
        gone = f"{bind.target} is not there any more. Restore it from a backup, and run this again."
        return _Ending(bind=bind, versions=versions, is_moved=is_moved, problem=gone)
    problem = (
        f"{bind.target} says {', '.join(versions) or 'no revision'}, and its structure is not what it was "
        f"there: parts of {_next(run, bind.key, versions)} are in{_which(before)}. Restore it from a backup, "
        "or mend it by hand and run this again."
    )
    return _Ending(bind=bind, versions=versions, is_moved=is_moved, problem=problem)


def _is_of_others(run: Run, bind: Bind, versions: tuple[str, ...], facts: Facts) -> bool:
    """Say whether a server's database is at a revision to which this run did not bring it."""
    is_known = versions == run.plans[bind.key].current or versions in facts.points.get(bind.key, {})
    return not is_sqlite(run, bind.key) and not is_known and facts.is_session_lost


def _commits_tables(bind: Bind) -> bool:
    return bind.engine.dialect.name in ("mysql", "mariadb")


def _next(run: Run, key: BindKey, versions: tuple[str, ...]) -> str:
    """Name the revision that was to come after these."""
    plan = run.plans[key]
    rest = plan.revisions[len(plan.up_to(versions)) :]
    return f"revision {rest[0]}" if rest else "a revision"


def _which(before: tuple[Drift, ...]) -> str:
    return f", at least since before this run ({before[0].message})" if before else ""


def _differed(versions: tuple[str, ...], before: tuple[Drift, ...]) -> str:
    return (
        f"It differed from {', '.join(versions) or 'no revision'} in {ways(len(before))} before this run as "
        f"well: {before[0].message}"
    )


def _known(run: Run, bind: Bind, facts: Facts, versions: tuple[str, ...]) -> Snapshot | None:
    """Give what a database was at a revision, if nothing of the one that failed can be in."""
    return None if facts.by_itself else _last_point(run, bind, versions, facts.points)


def _last_point(run: Run, bind: Bind, versions: tuple[str, ...], points: Points) -> Snapshot | None:
    known = points.get(bind.key, {}).get(versions)
    if known is None and versions == run.plans[bind.key].current:
        known = run.survey.looks[bind.key].snapshot
    return _structure(run, bind, known)


def _structure(run: Run, bind: Bind, snapshot: Snapshot | None) -> Snapshot | None:
    books = run.survey.bookkeeping[bind.key]
    return snapshot and snapshot.where(lambda each: TableName(each.schema, each.name) not in books)


def _where(ended: list[_Ending], *, again: bool) -> str:
    undone = {
        each.bind.label: ", ".join(each.versions) or "no revision" for each in ended if not each.is_moved
    }
    moved = {each.bind.label: ", ".join(each.versions) for each in ended if each.is_moved}
    if len(ended) == 1:
        what = "The last revision was undone" if moved else "Everything was undone"
        return f"{what}; the database is at {next(iter((moved or undone).values()))}."
    if not moved:
        return f"Everything was undone: {_listed(undone)}."
    rest = f" Undone: {_listed(undone)}." if undone else ""
    return f"Committed before: {_listed(moved)}.{rest}" + (" Run this again." if again else "")


def _listed(revisions: dict[str, str]) -> str:
    return "; ".join(f"{label} is at {revision}" for label, revision in revisions.items())


def _cause(error: BaseException) -> tuple[tuple[Finding, ...], str]:
    if isinstance(error, SchemaFlowError):
        return error.findings, error.message
    if isinstance(error, KeyboardInterrupt):
        return (), "Interrupted while revisions ran."
    if isinstance(error, RevisionFailed) and isinstance(error.error, CannotResume):
        return (), f"Revision {error.revision} cannot be resumed: {error.error}. Nothing was changed."
    if isinstance(error, RevisionFailed):
        finding = Finding(
            code="revision-failed",
            subject=error.revision,
            severity=Severity.ERROR,
            message=str(error),
            revision=error.revision,
            file=error.file,
            line=error.line,
        )
        where = f"{finding.place}: " if finding.place else ""
        return (finding,), f"{where}{error}."
    return (), f"{type(error).__name__}: {error}."
