"""Run revisions on scratch; they must rebuild the real structure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from .drift import Drift, find_drift, is_equal
from .errors import ProofFailed, Refused
from .findings import Finding, Severity
from .migrations import Migrations, RevisionFailed, run_environment, upgrade_steps
from .revisions import Rows, TableName
from .scratch import CHECKED, WAY, NoScratch, lent_schemas, scratch_databases
from .session import AppSessionUsed
from .snapshot import (
    Snapshot,
    Text,
    read_stored,
    series_of,
    stored_path,
    take_snapshot,
    texts_not_in,
)

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from sqlalchemy.engine import Connection

    from .discovery import Bind
    from .survey import Survey

BindKey = str | None


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What revisions gave on scratch, beside what the real database has.

    ``drift`` has, by bind key, in what they differ; ``engines`` the families on which they ran.
    """

    drift: Mapping[BindKey, tuple[Drift, ...]]
    snapshots: Mapping[BindKey, Snapshot]
    engines: tuple[str, ...]

    @property
    def method(self) -> str:
        """Say where the revisions ran."""
        return method_of(self.snapshots[key] for key in self.drift)

    @property
    def equal(self) -> bool:
        """Say whether nothing structural differs."""
        return all(is_equal(drift) for drift in self.drift.values())


Observe = Callable[[BindKey, str, Callable[[], Snapshot]], None]


def replay(
    migrations: Migrations,
    binds: Iterable[Bind],
    target: str | tuple[str, ...],
    bookkeeping: Mapping[BindKey, frozenset[TableName]],
    *,
    required: Iterable[BindKey],
    observe: Observe | None = None,
    ours: bool = False,
    order: Sequence[str] = (),
) -> dict[BindKey, Snapshot]:
    """Run all revisions up to ``target`` on scratch databases and give what they make.

    Never touches the real databases: any connection that a revision opens to them is refused.

    :param binds: all databases of the app.
    :param target: a revision, or several on different branches.
    :param bookkeeping: version tables, which are left out.
    :param required: the databases that ``env.py`` has to cover.
    :param observe: called with bind key, revision and what reads the structure, after each revision.
    :param ours: the revisions are our own baseline, and name no schema.
    :param order: of all revisions that are to run; else it is Alembic's.
    :raises ProofFailed: a revision fails on an empty database.
    :raises Refused: a revision uses ``db.session`` or another connection of its own.
    """
    sources = {bind.key: bind.source for bind in binds}
    with scratch_databases(sources, ours=ours) as scratches:
        return replay_on(
            scratches, migrations, target, bookkeeping, required=required, observe=observe, order=order
        )


def replay_on(
    scratches: Mapping[BindKey, Connection],
    migrations: Migrations,
    target: str | tuple[str, ...],
    bookkeeping: Mapping[BindKey, frozenset[TableName]],
    *,
    required: Iterable[BindKey],
    observe: Observe | None = None,
    sent: Mapping[BindKey, list[str]] | None = None,
    order: Sequence[str] = (),
) -> dict[BindKey, Snapshot]:
    """Do what :func:`replay` does on scratch databases that are there and empty.

    :param sent: lists by bind key, for what the driver got from the last revision; what SQLAlchemy itself
        writes to rows is left out.
    """

    def steps(_bind: BindKey, heads: tuple[str, ...], context: MigrationContext) -> list[RevisionStep]:
        return upgrade_steps(context, heads, target, order)

    def applied(key: BindKey, revision: str, connection: Connection) -> None:
        if observe is not None:
            observe(key, revision, lambda: _snapshot(connection, bookkeeping[key]))

    def started(key: BindKey, _revision: str) -> None:
        if sent is not None and key in sent:
            sent[key].clear()

    try:
        with ExitStack() as stack:
            for key, statements in (sent or {}).items():
                stack.enter_context(_recorded(scratches[key], statements))
            run_environment(
                migrations,
                scratches,
                steps,
                on_apply=applied,
                on_start=started,
                on_scratch=True,
                required=tuple(required),
            )
    except RevisionFailed as failure:
        raise _refusal(failure) from failure
    return {key: _snapshot(connection, bookkeeping[key]) for key, connection in scratches.items()}


@contextmanager
def _recorded(connection: Connection, statements: list[str]) -> Iterator[None]:
    def before(_conn: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: Any) -> None:
        if not (context.isinsert or context.isupdate or context.isdelete):
            statements.append(statement)

    event.listen(connection, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", before)


def prove(
    migrations: Migrations,
    binds: Iterable[Bind],
    target: str,
    real: Mapping[BindKey, Snapshot],
    bookkeeping: Mapping[BindKey, frozenset[TableName]],
    *,
    ours: bool = False,
) -> Proof:
    """Run the revisions up to ``target`` on scratch and compare with the real structure.

    Never touches the real databases.

    :param real: the structure of each database, of our tables only.
    :param ours: the revisions are our own baseline, and name no schema.
    """
    binds = tuple(binds)
    made = replay(migrations, binds, target, bookkeeping, required=real, ours=ours)
    return Proof(
        drift={key: find_drift(made[key], snapshot, f"revision {target}") for key, snapshot in real.items()},
        snapshots=made,
        engines=tuple(sorted({bind.family for bind in binds if bind.key in real})),
    )


def structure_at(
    survey: Survey, keys: Iterable[BindKey], versions: tuple[str, ...], *, use_stored: bool = True
) -> dict[BindKey, Snapshot]:
    """Give what these databases have at these revisions: the stored structure, else made on scratch.

    Never touches the real databases.

    :param versions: one revision, or several on different branches, or none.
    :param use_stored: else the revisions run in any case.
    :raises Refused: it is not stored, and a revision cannot run on scratch; or what is stored was written by
        another version of the server in other words, and there is no scratch database.
    """
    wanted = tuple(keys)
    if not versions:
        return {key: _nothing(survey, key) for key in wanted}
    found: dict[BindKey, Snapshot] = {}
    is_stored = len(versions) == 1 and use_stored
    if is_stored:
        stored = {key: stored_structures(survey, key, versions) for key in wanted}
        found = {key: after[versions[0]] for key, after in stored.items() if after}
    if not found.keys() >= set(wanted):
        try:
            found = _made_on_scratch(survey, versions, wanted)
        except NoScratch as error:
            if not is_stored:
                raise
            found = {
                key: stored_by_other_version(survey, key, versions, error)[versions[0]] for key in wanted
            }
    return {key: found[key] for key in wanted}


def structures_after(
    survey: Survey, ways: Mapping[BindKey, Way], *, use_stored: bool = True
) -> dict[BindKey, dict[Rows, Snapshot]]:
    """Give what each database has at each point of its way.

    Never touches the real databases. Only single revisions are stored; without a scratch database a point
    of several branches is missing in the result, unless it is the target.

    :param use_stored: else the revisions run in any case.
    :raises Refused: a structure is not stored, and a revision cannot run on scratch; or what is stored was
        written by another version of the server in other words, and there is no scratch database.
    """
    found: dict[BindKey, dict[Rows, Snapshot]] = {key: {} for key in ways}
    if use_stored:
        for key, way in ways.items():
            found[key] = _at_rows(stored_structures(survey, key, way.single))
    missing = [key for key, way in ways.items() if not found[key].keys() >= set(way.rows.values())]
    for order in dict.fromkeys(ways[key].order for key in missing):
        keys = [key for key in missing if ways[key].order == order]
        try:
            found |= _made_on_the_way(survey, {key: ways[key] for key in keys}, order)
        except Refused as error:
            if not use_stored or any(len(ways[key].rows[order[-1]]) > 1 for key in keys):
                raise
            for key in keys:
                wanted = ways[key].single
                if len(found[key]) < len(wanted):
                    if not isinstance(error, NoScratch):
                        raise
                    found[key] = _at_rows(stored_by_other_version(survey, key, wanted, error))
    return found


@dataclass(frozen=True, kw_only=True)
class Way:
    """All revisions that lead to a target, in their order, and what the version table says after some."""

    order: tuple[str, ...]
    rows: Mapping[str, Rows]

    @property
    def single(self) -> tuple[str, ...]:
        """The points at which nothing of another branch is in."""
        return tuple(rows[0] for rows in self.rows.values() if len(rows) == 1)


def _at_rows(structures: Mapping[str, Snapshot]) -> dict[Rows, Snapshot]:
    return {(revision,): snapshot for revision, snapshot in structures.items()}


def _made_on_the_way(
    survey: Survey, ways: Mapping[BindKey, Way], order: tuple[str, ...]
) -> dict[BindKey, dict[Rows, Snapshot]]:
    found: dict[BindKey, dict[Rows, Snapshot]] = {key: {} for key in ways}

    def observe(key: BindKey, revision: str, read: Callable[[], Snapshot]) -> None:
        if key in ways and revision in ways[key].rows and revision != order[-1]:
            found[key][ways[key].rows[revision]] = read()

    target = next(iter(ways.values())).rows[order[-1]]
    made = _made_on_scratch(survey, target, tuple(ways), observe, order)
    for key in ways:
        found[key][target] = made[key]
    return found


def stored_structures(
    survey: Survey, key: BindKey, revisions: Collection[str], *, of_any_version: bool = False
) -> dict[str, Snapshot]:
    """Give what is stored of these revisions, for one database. Read-only.

    :param of_any_version: also what another version of the server wrote.
    """
    return read_stored(
        survey.migrations.directory,
        survey.revisions,
        revisions,
        next(bind.stored_as for bind in survey.binds if bind.key == key),
        _real(survey, key),
        of_any_series=of_any_version,
    )


def _real(survey: Survey, key: BindKey) -> Snapshot:
    return survey.looks[key].snapshot or _nothing(survey, key)


def _nothing(survey: Survey, key: BindKey) -> Snapshot:
    return Snapshot(family=next(bind.family for bind in survey.binds if bind.key == key))


def _made_on_scratch(
    survey: Survey,
    target: tuple[str, ...],
    keys: tuple[BindKey, ...],
    observe: Observe | None = None,
    order: Sequence[str] = (),
) -> dict[BindKey, Snapshot]:
    books = survey.bookkeeping
    return replay(survey.migrations, survey.binds, target, books, required=keys, observe=observe, order=order)


# -- what another version of the server wrote --------------------------------------------------------


def stored_by_other_version(
    survey: Survey, key: BindKey, revisions: Collection[str], error: NoScratch
) -> dict[str, Snapshot]:
    """Give what is stored, whichever version of the server wrote it, if this one has the same words for it.

    Read-only.

    :param error: why there is no scratch database, on which this server would say it in its own words.
    :raises NoScratch: it is not stored.
    :raises Refused: an expression stands there in words that the real database does not have.
    """
    real = _real(survey, key)
    found = stored_structures(survey, key, revisions, of_any_version=True)
    if not found.keys() >= set(revisions):
        raise error
    for revision, stored in found.items():
        strange = texts_not_in(stored, real)
        if strange and _series(stored) != _series(real):
            raise _other_words(survey, revision, stored, real, strange[0], error) from error
    return found


def _series(snapshot: Snapshot) -> tuple[int, ...]:
    return series_of(snapshot.family, snapshot.server_version)


def _other_words(
    survey: Survey, revision: str, stored: Snapshot, real: Snapshot, strange: Text, error: NoScratch
) -> Refused:
    there, here = (".".join(map(str, _series(each))) for each in (stored, real))
    what = f"{strange.kind} {strange.fact}".strip()
    finding = Finding(
        code="snapshot-from-other-version",
        subject=revision,
        severity=Severity.ERROR,
        message=f"The stored snapshot of revision {revision} was made on {real.family} {there}, and this "
        f"server is {here}, which may write the same in other words: the {what} {strange.text!r} in "
        f"{strange.object[2]} cannot be compared. {error.message}",
        hint="Or run `flask db-snapshot` where the server is of this version and a scratch database can "
        "be made, which makes it anew.",
        revision=revision,
        file=str(survey.migrations.directory / stored_path(revision, real.family)),
    )
    return Refused(f"{finding.message} {finding.hint}", findings=(finding,))


def made_on(scratch: Connection) -> Snapshot:
    """Give what was made on a scratch database, and not what had to be there before. Read-only.

    :raises Refused: it depends on the real database.
    """
    lent = {("schema", name) for name in lent_schemas(scratch)}
    with scratch.info.get(CHECKED, nullcontext)():
        made = take_snapshot(scratch)
    if CHECKED in scratch.info:
        # There the extensions are the real database's own.
        lent |= {("extension", each.name) for each in made.objects}
    made = made.where(lambda each: (each.kind, each.name) not in lent)
    return replace(made, origin=scratch.info[WAY])


def method_of(structures: Iterable[Snapshot]) -> str:
    """Say where structures were made, that databases were compared with."""
    return ", ".join(sorted({each.origin for each in structures}))


def _snapshot(connection: Connection, without: frozenset[TableName]) -> Snapshot:
    return made_on(connection).where(lambda each: TableName(each.schema, each.name) not in without)


def _refusal(failure: RevisionFailed) -> Refused:
    uses_session = isinstance(failure.error, AppSessionUsed)
    finding = Finding(
        code="uses-app-session" if uses_session else "revision-fails",
        subject=failure.revision,
        severity=Severity.ERROR,
        message=str(failure.error) if uses_session else f"It fails on an empty database: {failure}.",
        hint="Use op.get_bind()." if uses_session else "",
        revision=failure.revision,
        file=failure.file,
        line=failure.line,
    )
    where = f"{finding.place}: " if finding.place else ""
    return ProofFailed(f"{where}{finding.message}", findings=(finding,))
