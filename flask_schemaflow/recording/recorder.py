"""Run the ``upgrade`` of a revision on an ``op`` that writes down and sends nothing.

The context is Alembic's own for offline SQL, so that every operation is rendered as it would be; what
``op.get_bind()`` is asked has no answer, and is noted. No engine can connect meanwhile.
"""

from __future__ import annotations

import inspect
import io
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations
from alembic.operations.ops import BulkInsertOp, ExecuteSQLOp
from alembic.runtime.migration import MigrationContext
from alembic.util import load_python_file
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import BaseDDLElement
from sqlalchemy.sql.expression import TextClause

from ..interrupts import is_made_up
from ..revisions import TableName
from ..session import sealed
from .connection import CannotSee, RecordingConnection
from .operations import Rebuild, RecordedOperation, RecordedRevision, Sent, Unseen, label_of
from .sessions import sessions_recorded

if TYPE_CHECKING:
    from types import FrameType, ModuleType

    from alembic.operations.base import AbstractOperations
    from alembic.operations.ops import MigrateOperation
    from alembic.runtime.environment import EnvironmentContext
    from sqlalchemy import MetaData
    from sqlalchemy.engine import Dialect

    from ..revisions import Revision


def record_revisions(
    environment: EnvironmentContext,
    revisions: Iterable[Revision],
    keys: tuple[str | None, ...],
    dialect: Dialect,
    metadata: MetaData,
) -> tuple[RecordedRevision, ...]:
    """Write down what ``upgrade`` of each revision does on one database. Never touches a database.

    What fails here and not in a real run is no failure: it is told in ``unseen``.

    :param environment: Alembic's, of the folder.
    :param keys: the binds of the database: a revision with a function for each bind is told the names.
    :param metadata: its naming convention names what the revision leaves unnamed.
    """
    with (
        warnings.catch_warnings(),
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
        _nobody_answers(),
        sealed(),
        environment,
    ):
        warnings.simplefilter("ignore")
        return tuple(_recorded(each, keys, dialect, metadata, environment) for each in revisions)


@contextmanager
def _nobody_answers() -> Iterator[None]:
    """Let ``input()`` end at once: its prompt would not be seen."""
    real, sys.stdin = sys.stdin, io.StringIO()
    try:
        yield
    finally:
        sys.stdin = real


def paper_dialect(family: str) -> Dialect:
    """Give the dialect of an engine to write SQL without a server. Never touches a database."""
    dialect: Dialect = make_url(_PAPER[family]).get_dialect()()
    return dialect


# The dialect alone is needed, not its driver.
_PAPER = {
    "sqlite": "sqlite://",
    "postgresql": "postgresql+psycopg://",
    "mariadb": "mariadb+pymysql://",
    "mysql": "mysql+pymysql://",
}


def _recorded(
    revision: Revision,
    keys: tuple[str | None, ...],
    dialect: Dialect,
    metadata: MetaData,
    environment: EnvironmentContext,
) -> RecordedRevision:
    recorder = _Recorder(dialect, metadata, str(revision.file), environment)
    with recorder.installed():
        try:
            module = load_python_file(str(revision.file.parent), revision.file.name)
            with sessions_recorded():
                _upgrade(module, keys)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and not is_made_up():
                raise
            recorder.note_failure(error)
    return RecordedRevision(
        revision=revision.id,
        file=revision.file,
        dialect=dialect,
        operations=tuple(recorder.operations),
        unseen=tuple(dict.fromkeys(recorder.unseen)),
    )


def _upgrade(module: ModuleType, keys: Iterable[str | None]) -> None:
    """Call it as an ``env.py`` for several databases does, where it takes the name of one."""
    if not _takes_a_name(module):
        module.upgrade()
        return
    for key in keys:
        module.upgrade(key or "")


def _takes_a_name(module: ModuleType) -> bool:
    """Say whether it has to be told a bind; what a decorator passes on is seen by the functions for binds."""
    parameters = tuple(inspect.signature(module.upgrade).parameters.values())
    named = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    if named or not parameters:
        return any(each.default is each.empty or each.name == "engine_name" for each in named)
    return any(name.startswith("upgrade_") for name in vars(module))


class _Recorder:
    """The ``op`` of one revision."""

    def __init__(
        self, dialect: Dialect, metadata: MetaData, file: str, environment: EnvironmentContext
    ) -> None:
        self.dialect, self.file = dialect, file
        self.operations: list[RecordedOperation] = []
        self.unseen: list[Unseen] = []
        self._statements: list[str] | None = None
        self._autocommits = False
        self._environment = environment
        options = {"as_sql": True, "literal_binds": True, "target_metadata": metadata}
        self._context = MigrationContext(
            dialect, None, options | {"output_buffer": io.StringIO()}, self._environment
        )
        connection: Any = RecordingConnection(dialect, self.sent, self.note)
        impl: Any = self._context.impl
        self._context.connection = impl.connection = connection
        vars(self._context)["autocommit_block"] = self.autocommit
        impl._exec = self._executed
        impl.static_output = self._written
        self.op = Operations(self._context)
        vars(self.op).update(invoke=partial(self.invoke, self.op), batch_alter_table=self.batch)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Stand behind ``alembic.op`` and ``alembic.context``."""
        self._environment._migration_context = self._context
        self.op._install_proxy()
        try:
            yield
        finally:
            self.op._remove_proxy()

    # what a revision calls

    def invoke(self, target: AbstractOperations, operation: MigrateOperation) -> Any:
        """Take one operation."""
        if isinstance(operation, ExecuteSQLOp):
            self.sent(operation.sqltext)
            return None
        line = self.line()
        outer, self._statements = self._statements, []
        try:
            if isinstance(operation, BulkInsertOp):
                name = operation.table.name
                self._statements.append(f"-- INSERT INTO {name}: {len(operation.rows)} rows")
                return None
            return type(target).invoke(target, operation)
        except (SQLAlchemyError, NotImplementedError, TypeError, AssertionError) as error:
            self.note(f"does what cannot be written as SQL ({_in_words(error)})")
            return None
        finally:
            statements, self._statements = tuple(self._statements), outer
            self._add(operation, statements, line)

    def sent(self, element: Any) -> None:
        """Take a statement that the revision sends itself."""
        text = self._sql(element)
        if self._statements is not None:  # an event or a type of its own, inside an operation
            self._statements.append(text)
        else:
            self._add(Sent(element), (text,), self.line())

    @contextmanager
    def autocommit(self) -> Iterator[None]:
        """Take a block outside of the transaction."""
        self._autocommits = True
        try:
            yield
        finally:
            self._autocommits = False

    @contextmanager
    def batch(self, table_name: str, schema: str | None = None, **options: Any) -> Iterator[Any]:
        """Take a batch; what would copy the table is written down and not tried: that needs the table."""
        line, first = self.line(), len(self.operations)
        manager = Operations.batch_alter_table(self.op, table_name, schema, **options)
        batch: Any = manager.__enter__()
        batch.invoke = partial(self.invoke, batch)
        yield batch
        rebuilds = batch.impl._should_recreate()
        self._statements = []
        try:
            if not rebuilds or batch.impl.copy_from is not None:
                manager.__exit__(None, None, None)
            else:
                self._statements.append(
                    f"-- rebuilds {table_name}: CREATE TABLE, INSERT ... SELECT, DROP TABLE, RENAME"
                )
        except (SQLAlchemyError, NotImplementedError, TypeError) as error:
            self.note(f"does what cannot be written as SQL ({_in_words(error)})")
        finally:
            statements, self._statements = tuple(self._statements), None
        if rebuilds:
            self.operations[first:] = [replace(each, rebuilt=True) for each in self.operations[first:]]
            self._add(Rebuild(TableName(schema, table_name)), statements, line)
        elif statements and self.operations:
            last = self.operations.pop()
            self._add(last.action, (*last.statements, *statements), last.line)

    # what is written down

    def note(self, reason: str) -> None:
        """Note something that cannot be known."""
        self.unseen.append(Unseen(reason, self.line()))

    def note_failure(self, error: BaseException) -> None:
        """Note that the rest of the revision was not seen, and why."""
        line = None
        traceback = error.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == self.file:
                line = traceback.tb_lineno
            traceback = traceback.tb_next
        reason = str(error) if isinstance(error, CannotSee) else f"stops without one ({_in_words(error)})"
        self.unseen.append(Unseen(f"{reason}; what follows was not seen", line))

    def line(self) -> int | None:
        """Say which line of the revision is running."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename == self.file:
                return frame.f_lineno
            frame = frame.f_back
        return None

    def _add(
        self, action: MigrateOperation | Sent | Rebuild, statements: tuple[str, ...], line: int | None
    ) -> None:
        label = label_of(action, statements)
        self.operations.append(
            RecordedOperation(
                action=action,
                label=label,
                statements=statements,
                line=line,
                autocommit=self._autocommits,
            )
        )

    def _executed(self, construct: Any, *_: Any, **__: Any) -> None:
        self.sent(construct)

    def _written(self, text: str) -> None:
        if self._statements is not None:
            self._statements.append(text)

    def _sql(self, element: Any) -> str:
        if isinstance(element, str):
            return element.strip()
        if isinstance(element, TextClause) and any(each.required for each in element._bindparams.values()):
            return element.text.strip()
        # As Alembic does: DDL has no places for values; DROP CONSTRAINT of MariaDB takes no options.
        options = {} if isinstance(element, BaseDDLElement) else {"compile_kwargs": {"literal_binds": True}}
        try:
            text = str(element.compile(dialect=self.dialect, **options))
        except (SQLAlchemyError, NotImplementedError, TypeError):
            # A value of a type that has no literal: the statement is shown with its place instead.
            text = str(element.compile(dialect=self.dialect))
        doubled = getattr(self.dialect.identifier_preparer, "_double_percents", False)
        return (text.replace("%%", "%") if doubled else text).strip()


def _in_words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:200]
