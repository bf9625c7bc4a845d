"""Run one revision on scratch, statement by statement, to know what it sends and what each makes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..journal import Kind, Statement, Wire, statement_of, statements_watched
from ..migrations import RevisionFailed, run_environment, upgrade_steps
from ..revisions import TableName, parents_first, rows_after
from ..scratch import scratch_databases
from ..snapshot import Snapshot, take_snapshot

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from sqlalchemy.engine import Connection

    from ..revisions import Rows
    from ..survey import Survey

BindKey = str | None


@dataclass
class Rehearsal:
    """The statements of a revision that change something, and the structure around one of them.

    ``before`` and ``after`` are None where the revision did not come so far. It is a watcher.
    """

    position: int
    read: Callable[[], Snapshot]
    statements: list[Statement] = field(default_factory=list)
    before: Snapshot | None = None
    after: Snapshot | None = None
    wire: Wire | None = None

    def sending(self, sql: str, source: str | None, send: Callable[..., Any]) -> Any:
        """Count a statement, and read the structure where that was asked for."""
        statement = statement_of(sql, source)
        if self.wire is None or statement.kind not in (Kind.DATA, Kind.DDL):
            return send()
        self.look()
        self.statements.append(statement)
        if len(self.statements) == self.position:
            self.before = self._structure()
        return send()

    def look(self) -> None:
        """Read the structure after the statement, before anything else changes it."""
        if self.wire is not None and len(self.statements) == self.position and self.after is None:
            self.after = self._structure()

    def _structure(self) -> Snapshot:
        assert self.wire is not None
        with self.wire.unseen():
            return self.read()

    def sent(self, _context: Any) -> None:
        """See nothing in that."""

    def committing(self) -> None:
        """See nothing in that."""

    rolled_back = committing


def rehearse(survey: Survey, key: BindKey, revision: str, position: int = 0) -> Rehearsal:
    """Run what a database has on scratch, then this revision, and watch it.

    Never touches the real databases. Gives as much as there is where a revision fails.

    :param position: around which of its statements the structure is read, from 1.
    :raises Refused: there is no scratch database, or a revision uses a connection of its own.
    """
    sources = {bind.key: bind.source for bind in survey.binds}
    with scratch_databases(sources) as scratches, ExitStack() as stack:
        seen = Rehearsal(position, lambda: _structure(survey, key, scratches[key]))

        def start(started: BindKey, name: str) -> None:
            if (started, name) == (key, revision):
                seen.wire = stack.enter_context(statements_watched(scratches[key], seen))

        def applied(ended: BindKey, name: str, _connection: Connection) -> None:
            if (ended, name) == (key, revision):
                seen.look()
                stack.close()
                seen.wire = None

        with suppress(RevisionFailed):
            run_environment(
                survey.migrations,
                scratches,
                _steps_to(survey, survey.looks[key].versions or (), revision),
                on_apply=applied,
                on_start=start,
                on_scratch=True,
                required=(),
            )
        seen.statements = seen.statements if seen.wire is not None else _without_version(seen.statements)
        return seen


def _without_version(statements: list[Statement]) -> list[Statement]:
    """Leave out what writes the version table, which comes last."""
    return statements[:-1]


def _steps_to(
    survey: Survey, rows: Rows, revision: str
) -> Callable[[BindKey, tuple[str, ...], MigrationContext], list[RevisionStep]]:
    by_id = {each.id: each for each in survey.revisions}
    order = [each.id for each in parents_first((*rows, revision), by_id)]
    target = rows_after(rows, by_id[revision], by_id)

    def steps(_key: BindKey, heads: tuple[str, ...], context: MigrationContext) -> list[RevisionStep]:
        return upgrade_steps(context, heads, target, order)

    return steps


def _structure(survey: Survey, key: BindKey, connection: Connection) -> Snapshot:
    books = survey.bookkeeping[key]
    return take_snapshot(connection).where(lambda each: TableName(each.schema, each.name) not in books)
