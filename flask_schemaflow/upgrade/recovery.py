"""What a run that broke left in a database, and how the next one goes on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..drift import find_drift, is_equal
from ..errors import Broken, ConfigurationError, Refused, SchemaFlowError
from ..findings import Finding, Severity
from ..history import JOURNAL_TABLE
from ..journal import Entry, EntryState, Journal, Kind, Recorder, drop_journal, read_journal
from ..proof import structure_at
from ..revisions import TableName, lineage, source_hash, source_of
from ..session import nobody_else, server_connection
from ..survey import only_ours
from .rehearsal import Rehearsal, rehearse

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..discovery import Bind
    from ..plan import Plan
    from ..snapshot import Snapshot
    from ..survey import Survey
    from .run import Run

BindKey = str | None
Entries = tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A journal that was found with something in it.

    ``done`` are the statements that are in, from the first one on, of the revision that is to be resumed;
    none where it turned out that nothing is in. ``rest`` is the SQL that is left, as far as it is known.
    """

    found: Entries
    done: Entries = ()
    rest: tuple[str, ...] = ()


def open_journals(survey: Survey, *, resume: bool, dry_run: bool = False) -> dict[BindKey, Opened]:
    """Say which databases have a revision that was begun and not ended.

    Drops a journal in which nothing is open, and writes nothing else.

    :param resume: it is to be resumed now.
    :param dry_run: do not even that.
    :raises Broken: there is one, and it is not to be resumed, or cannot be.
    """
    opened = {}
    for bind in survey.relevant:
        if TableName(None, JOURNAL_TABLE) in _tables(survey, bind.key):
            found = read_journal(bind.engine) or ()
            journal = _judged(survey, bind, found, resume=resume) if _of_parts(found) else Opened(found=found)
            if journal.done:
                opened[bind.key] = journal
            elif not dry_run:
                _take_away(survey, bind, found)
    return opened


def _tables(survey: Survey, key: BindKey) -> set[TableName]:
    snapshot = survey.looks[key].snapshot
    return {TableName(each.schema, each.name) for each in snapshot.tables} if snapshot is not None else set()


def _of_parts(entries: Entries) -> Entries:
    return tuple(each for each in entries if each.state is not EntryState.FAILED)


def _take_away(survey: Survey, bind: Bind, found: Entries) -> None:
    """Drop a journal in which nothing is open, unless somebody has begun another one meanwhile."""
    with nobody_else([bind.engine], survey.patience):
        if read_journal(bind.engine) == found:
            with server_connection(bind.engine) as connection:
                drop_journal(connection)


def _judged(survey: Survey, bind: Bind, found: Entries, *, resume: bool) -> Opened:
    """Decide what is in.

    :raises Broken: parts of a revision, and they are not to be resumed; or it cannot be decided.
    """
    revision = found[0].revision
    versions = survey.looks[bind.key].versions or ()
    by_id = {each.id: each for each in survey.revisions}
    if all(each in by_id for each in versions) and revision in lineage(versions, by_id):
        return _stamped(survey, bind, found, versions)
    parts = _of_parts(found)
    doubtful = [each for each in parts if each.state is EntryState.INTENT]
    if not resume and not doubtful and _is_undone_by_hand(survey, bind, parts, versions):
        return Opened(found=found)
    seen = (
        _rehearsed(survey, bind, revision, doubtful[0].position if doubtful else 0)
        if (resume or doubtful)
        else None
    )
    done = _decided(survey, bind, parts, doubtful, seen)
    if not done:
        return Opened(found=found)
    rest = tuple(each.source for each in seen.statements[len(done) :]) if seen is not None else ()
    in_order = [each.position for each in done] == [*range(1, len(done) + 1)]
    if not resume or not in_order or revision not in by_id:
        why = "" if not resume else _why_not(in_order=in_order)
        raise _broken(survey, bind, versions, _merged(found, done), why, rest)
    return Opened(found=found, done=done, rest=rest)


def _why_not(*, in_order: bool) -> str:
    if not in_order:
        return "It cannot be resumed: a statement of it failed or was rolled back before others that are in."
    return "It cannot be resumed: its file is gone."


def _merged(found: Entries, done: Entries) -> Entries:
    """Give all that is known, with what was in doubt decided."""
    decided = {each.position: each for each in done}
    return tuple(
        decided.get(each.position, each)
        for each in found
        if each.position in decided or each.state is EntryState.FAILED
    )


@contextmanager
def still_broken(opened: Mapping[BindKey, Opened]) -> Iterator[None]:
    """Say of whatever stops a run before it resumes a revision that this one is open still.

    :raises Broken: it was stopped.
    """
    try:
        yield
    except (Refused, ConfigurationError) as error:
        if not opened:
            raise
        revisions = ", ".join(sorted({each.done[0].revision for each in opened.values()}))
        raise Broken(
            f"{error.message} Parts of revision {revisions} are in still.", findings=error.findings
        ) from error


# -- deciding --------------------------------------------------------------------------------------


def _stamped(survey: Survey, bind: Bind, found: Entries, versions: tuple[str, ...]) -> Opened:
    """Close a journal whose revision somebody stamped by hand, if the structure is what it says.

    :raises Broken: it is not.
    """
    if _is_at(survey, bind, versions):
        return Opened(found=found)
    raise Broken(
        f"{bind.target} was stamped {', '.join(versions)} after revision {found[0].revision} broke, but its "
        "structure is not what that says. Mend it by hand (`flask db-adopt` shows the differences), then run "
        "this again."
    )


_MADE_AGAIN = ("CREATE TABLE", "CREATE INDEX", "CREATE UNIQUE", "ALTER TABLE", "DROP TABLE", "DROP INDEX")


def _is_undone_by_hand(survey: Survey, bind: Bind, parts: Entries, versions: tuple[str, ...]) -> bool:
    """Say whether the structure is again what it was before, and no statement had changed rows."""
    only_tables = all(
        each.kind == Kind.DDL.value and each.text.upper().startswith(_MADE_AGAIN) for each in parts
    )
    return only_tables and _is_at(survey, bind, versions)


def _is_at(survey: Survey, bind: Bind, versions: tuple[str, ...]) -> bool:
    with suppress(Refused):
        return _equals(survey, bind, structure_at(survey, [bind.key], versions)[bind.key])
    return False


def _equals(survey: Survey, bind: Bind, wanted: Snapshot) -> bool:
    live = survey.looks[bind.key].snapshot
    assert live is not None
    ours = survey.states[bind.key].ours_with(wanted) - survey.bookkeeping[bind.key]
    return is_equal(find_drift(only_ours(wanted, ours), only_ours(live, ours), "scratch"))


def _rehearsed(survey: Survey, bind: Bind, revision: str, position: int) -> Rehearsal | None:
    rows = survey.looks[bind.key].versions or ()
    if {each.id for each in survey.revisions}.issuperset((*rows, revision)):
        with suppress(SchemaFlowError):
            return rehearse(survey, bind.key, revision, position)
    return None


def _decided(
    survey: Survey, bind: Bind, parts: Entries, doubtful: list[Entry], seen: Rehearsal | None
) -> Entries:
    """Give the statements that are in.

    A statement that was about to run is in where the structure is what it makes, and is not what it finds.

    :raises Broken: that does not decide it.
    """
    if not doubtful:
        return parts
    entry = doubtful[0]
    is_in = None
    if seen is not None and seen.before is not None and _is_the_same(seen, entry):
        before = _equals(survey, bind, seen.before)
        after = seen.after is not None and _equals(survey, bind, seen.after)
        is_in = after if before != after else None
    if is_in is None:
        versions = survey.looks[bind.key].versions or ()
        why = f"Whether statement {entry.position} is in cannot be seen: " + (
            "it changes rows." if entry.kind == Kind.DATA.value else "the structure shows neither."
        )
        raise _broken(survey, bind, versions, parts, why, ())
    decided = (replace(entry, state=EntryState.DONE),) if is_in else ()
    return (*(each for each in parts if each is not entry), *decided)


def _is_the_same(seen: Rehearsal, entry: Entry) -> bool:
    return seen.statements[entry.position - 1].sql_hash == entry.sql_hash


# -- telling ---------------------------------------------------------------------------------------


def _broken(
    survey: Survey, bind: Bind, versions: tuple[str, ...], entries: Entries, why: str, rest: tuple[str, ...]
) -> Broken:
    text = _problem(survey, bind, versions, entries, why, rest)
    return Broken(text, findings=(*_findings(entries), *_rest_findings(entries, rest)))


def _problem(
    survey: Survey, bind: Bind, versions: tuple[str, ...], entries: Entries, why: str, rest: tuple[str, ...]
) -> str:
    revision = entries[0].revision
    several = len(survey.states[bind.key].heads) > 1  # db-adopt takes them on only when they are joined
    upgrade = "flask db-safe-upgrade" + (" heads" if several else "")
    proof = (
        f"`flask db stamp {revision}` and `{upgrade}`"
        if several
        else f"`flask db-adopt --restamp {revision}`"
    )
    ways = (
        f"Run what is left of it by hand and {proof}, which proves it"
        if why
        else f"Mend what stopped it, and `{upgrade} --resume` goes on with it; or run what is "
        f"left of it by hand and {proof}, which proves it"
    )
    left = f" Left of it: {'; '.join(rest)}." if rest and why else ""
    return (
        f"{bind.target} is at {', '.join(versions) or 'no revision'}, and parts of revision {revision} are "
        f"in: {_told_in_order(entries)}.{f' {why}' if why else ''}{left} {ways}; or undo by hand what is in, "
        f"or restore a backup, and `DROP TABLE {JOURNAL_TABLE}`."
    )


_SAYS = {EntryState.DONE: "is in", EntryState.FAILED: "failed", EntryState.INTENT: "is in doubt"}


def _told_in_order(entries: Entries) -> str:
    told = [f"statement {each.position} ({each.text}) {_SAYS[each.state]}{_rows(each)}" for each in entries]
    if len(told) > 6:
        told = [*told[:2], f"{len(told) - 4} more are in", *told[-2:]]
    return ", ".join(told)


def _rows(entry: Entry) -> str:
    if entry.kind != Kind.DATA.value or entry.rows is None:
        return ""
    return f" ({entry.rows} row{'s' if entry.rows != 1 else ''})"


_CODES = {
    EntryState.DONE: ("statement-applied", Severity.INFO),
    EntryState.FAILED: ("statement-failed", Severity.ERROR),
    EntryState.INTENT: ("statement-in-doubt", Severity.ERROR),
}


def _findings(entries: Entries) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            code=_CODES[each.state][0],
            subject=f"{each.revision}.{each.position}",
            severity=_CODES[each.state][1],
            message=f"Statement {each.position} of revision {each.revision} {_SAYS[each.state]}"
            f"{_rows(each)}: {each.text}",
            revision=each.revision,
        )
        for each in entries
    )


def _rest_findings(entries: Entries, rest: tuple[str, ...]) -> tuple[Finding, ...]:
    revision = entries[0].revision
    first = sum(each.state is EntryState.DONE for each in entries) + 1
    return tuple(
        Finding(
            code="statement-left",
            subject=f"{revision}.{position}",
            severity=Severity.INFO,
            message=sql,
            revision=revision,
        )
        for position, sql in enumerate(rest, first)
    )


# -- during and after a run ------------------------------------------------------------------------


@contextmanager
def journal_kept(run: Run, key: BindKey, connection: Connection) -> Iterator[Recorder]:
    """Keep the journal of one database inside the block."""
    opened = run.opened.get(key)
    pending = {step.revision for step in run.plans[key].steps}
    sources = {
        each.id: source_hash(source_of(each.file)) for each in run.survey.revisions if each.id in pending
    }
    journal = Journal(
        run=uuid.uuid4().hex,
        bind=key or "",
        sources=sources,
        found=opened.found if opened else (),
        done=opened.done if opened else (),
    )
    with Recorder(connection, journal).recording() as recorder:
        yield recorder


def left_in(run: Run, bind: Bind, versions: tuple[str, ...], *, is_resumable: bool) -> str | None:
    """Say which statements of a revision are in after a failure; None where none is. Read-only.

    :param is_resumable: it did not fail because it cannot be resumed.
    """
    entries = read_journal(bind.engine) or ()
    if not _of_parts(entries):
        return None
    opened = run.opened.get(bind.key)
    rest = opened.rest if opened and not is_resumable else ()
    run.progress.findings.extend((*_findings(entries), *_rest_findings(entries, rest)))
    return _problem(
        run.survey, bind, versions, entries, "" if is_resumable else "It cannot be resumed.", rest
    )


def begun_by(run: Run, bind: Bind, journals: frozenset[str]) -> bool:
    """Say whether what stands in the journal was begun by this run, or the one that it resumes. Read-only.

    Nobody else goes on with that unasked, so it is true of the database though another session has the lock:
    our own, which the server has not ended yet.
    """
    opened = run.opened.get(bind.key)
    known = journals | {each.run for each in (opened.done if opened else ())}
    return any(each.run in known for each in _of_parts(read_journal(bind.engine) or ()))


def check_resumable(plans: Mapping[BindKey, Plan], opened: Mapping[BindKey, Opened], survey: Survey) -> None:
    """Check that what is to be resumed is what comes next.

    :raises Broken: it is not.
    """
    for bind in survey.relevant:
        if bind.key in opened:
            steps = plans[bind.key].steps
            revision = opened[bind.key].done[0].revision
            if not steps or steps[0].revision != revision:
                versions = survey.looks[bind.key].versions or ()
                why = f"It cannot be resumed: {steps[0].revision if steps else 'nothing'} comes next."
                raise _broken(survey, bind, versions, opened[bind.key].done, why, opened[bind.key].rest)
