"""Run a project's own ``env.py`` on connections that we prepared, and on no other.

``env.py`` may open engines as it likes: while it runs, what it gets from ``Engine.connect`` is a loan of
the prepared connection, which it can neither close nor commit; ``context.configure`` then gets the
prepared connection itself. While a revision is imported or runs, ``Engine.connect`` raises: a revision
that goes its own way would deadlock with the migration, or commit behind its back.
"""

from __future__ import annotations

import contextlib
import logging.config
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alembic.runtime.environment import EnvironmentContext
from alembic.util import CommandError
from sqlalchemy import String, inspect
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.inspection import _inspects

from ..errors import ConfigurationError, SchemaFlowError
from ..findings import without_passwords
from ..loading import app_origin, origin_of_error
from ..session import KEEPS_TRANSACTION, AppSessionUsed, engines_replaced, is_same_database, target_of
from ..sqlite_file import file_of_url

if TYPE_CHECKING:
    from pathlib import Path

    from alembic.runtime.migration import MigrationContext, RevisionStep

    from .folder import Migrations

BindKey = str | None
StepsFor = Callable[[BindKey, tuple[str, ...], "MigrationContext"], Iterable["RevisionStep"]]
OnApply = Callable[[BindKey, str, Connection], None]
OnStart = Callable[[BindKey, str], None]


class EnvironmentFailed(ConfigurationError):
    """``env.py`` failed, or did something that cannot be allowed, before a revision ran."""


class RevisionFailed(Exception):
    """A revision raised; ``error`` is what it raised, ``place`` the line of the revision."""

    def __init__(self, bind: BindKey, revision: str, error: BaseException) -> None:
        origin = origin_of_error(error)
        self.bind, self.revision, self.error = bind, revision, error
        self.file = origin.file if origin else None
        self.line = origin.line if origin else None
        super().__init__(f"revision {revision} failed: {describe_error(error)}")


def describe_error(error: BaseException) -> str:
    """Put an exception into one line, a database's own message without the statement."""
    text = str(getattr(error, "orig", None) or error).strip() or "no message"
    return f"{type(error).__name__}: {' '.join(without_passwords(text).split())}"


@dataclass(frozen=True, kw_only=True)
class Configured:
    """What ``env.py`` told Alembic about one database."""

    version_table: str
    version_table_schema: str | None
    upgrade_token: str
    downgrade_token: str
    options: Mapping[str, Any]


@dataclass
class _Run:
    """One run of ``env.py``: what it may use and what it has done."""

    migrations: Migrations
    prepared: Mapping[BindKey, Connection]
    steps_for: StepsFor
    on_apply: OnApply | None
    on_start: OnStart | None
    on_scratch: bool
    configured: dict[BindKey, Configured] = field(default_factory=dict)
    current: BindKey = None
    running: str | None = None
    failure: BaseException | None = None
    ended: set[BindKey] = field(default_factory=set)

    @property
    def engines(self) -> Mapping[BindKey, Engine]:
        engines: Mapping[BindKey, Engine] = self.migrations.app.extensions["migrate"].db.engines
        return engines

    def bind_of(self, engine: Engine) -> BindKey:
        for is_same in (operator.is_, is_same_database):
            for key, own in self.engines.items():
                if key in self.prepared and is_same(own, engine):
                    return key
        raise EnvironmentFailed(
            f"{self.migrations.script_location / 'env.py'} connects to "
            f"{target_of(engine)}, which is no database of this app."
        )

    def connect(self, engine: Engine) -> LentConnection:
        if self.running is not None:
            raise AppSessionUsed(
                f"{self.running} opens its own connection to {target_of(engine)}; it must "
                "use op.get_bind() instead of db.session, db.engine or an engine of its own"
            )
        key = self.bind_of(engine)
        return LentConnection(self.prepared[key], key)

    def refuse_raw(self, engine: Engine) -> None:
        self.connect(engine)
        raise EnvironmentFailed(
            f"{app_origin() or self.migrations.script_location / 'env.py'}: engine.raw_connection() goes "
            "past the connection that is migrated. Use engine.connect(), and its exec_driver_sql() for "
            "the driver's own SQL."
        )

    def may_open(self, file: Path) -> bool:
        own = {file_of_url(each.url) for each in self.engines.values() if each.dialect.name == "sqlite"}
        return self.running is None and not self.on_scratch and file not in own

    def configure(self, context: EnvironmentContext, *args: Any, **options: Any) -> None:
        original = type(context).configure
        if args:
            options["connection"] = args[0]
        lent = options.pop("connection", None)
        if not isinstance(lent, LentConnection):
            raise EnvironmentFailed(
                f"{self.migrations.script_location / 'env.py'} gives context.configure() no "
                "connection of the app's engines, so it cannot be told which database to migrate."
            )
        key = lent.bind_key
        if key in self.configured:
            raise EnvironmentFailed(
                f"{self.migrations.script_location / 'env.py'} configures the database "
                f"{key or 'default'} twice (schema per tenant?). That is not supported."
            )
        connection = self.prepared[key]
        if connection.in_transaction() and not connection.info.get(KEEPS_TRANSACTION):
            connection.commit()  # of what was read; on SQLite ours stays open below it
        options["on_version_apply"] = (*_tuple(options.get("on_version_apply")), self.applied)
        options["transaction_per_migration"] = True
        original(context, connection=connection, **options)
        if self.on_scratch:
            # How long the ids may be is a question to the real table.
            context.get_context()._version.c.version_num.type = String(255)
        self.current = key
        self.configured[key] = _configured(context, options)

    def steps(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        self.running = "a revision, while it is imported,"
        try:
            steps = list(self.steps_for(self.current, heads, context))
        finally:
            self.running = None
        for step in steps:
            step.migration_fn = self.watched(step)
            yield step
        self.ended.add(self.current)

    def watched(self, step: RevisionStep) -> Callable[..., None]:
        function, revision = step.migration_fn, step.revision.revision

        def run(**kwargs: Any) -> None:
            self.running = f"revision {revision}"
            try:
                if self.on_start is not None:
                    with self.noted():
                        self.on_start(self.current, revision)
                function(**kwargs)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self.failure = self.failure or RevisionFailed(self.current, revision, error)
                raise
            finally:
                self.running = None

        return run

    def applied(self, *, ctx: MigrationContext, step: Any, **_: Any) -> None:
        if self.on_apply is not None and ctx.connection is not None:
            with self.noted():
                self.on_apply(self.current, step.up_revision_id, ctx.connection)

    @contextmanager
    def noted(self) -> Iterator[None]:
        # An env.py that catches everything and goes on does not make it well.
        try:
            yield
        except BaseException as error:
            self.failure = error
            raise


def run_environment(
    migrations: Migrations,
    prepared: Mapping[BindKey, Connection],
    steps_for: StepsFor,
    *,
    on_apply: OnApply | None = None,
    on_start: OnStart | None = None,
    dont_mutate: bool = False,
    on_scratch: bool = False,
    required: Iterable[BindKey] | None = None,
) -> dict[BindKey, Configured]:
    """Run ``env.py`` once and let it run the steps that ``steps_for`` gives for each database.

    Writes what the steps write, through the prepared connections only. The app's logging and
    Flask-Migrate's shared arguments are as before afterwards.

    :param prepared: a connection for each bind key that is to be migrated.
    :param steps_for: called with bind key, current heads and migration context.
    :param on_apply: called with bind key, revision and connection after each revision, before its
        transaction ends.
    :param on_start: called with bind key and revision before each revision.
    :param dont_mutate: not even an empty version table is created.
    :param on_scratch: SQLite files, which are none of the prepared ones, stay closed to everybody.
    :param required: the databases that ``env.py`` has to cover; all prepared ones by default.
    :raises RevisionFailed: a revision raised.
    :raises EnvironmentFailed: ``env.py`` itself failed, or left a database out.
    """
    run = _Run(migrations, prepared, steps_for, on_apply, on_start, on_scratch)
    config = migrations.config
    config.attributes["connection"] = LentConnection(prepared[None], None) if None in prepared else None
    script = migrations.script_directory
    context = EnvironmentContext(config, script, fn=run.steps, dont_mutate=dont_mutate)
    context.context_opts["destination_rev"] = "heads"
    context.configure = lambda *args, **options: run.configure(context, *args, **options)  # type: ignore[method-assign]
    with (
        _logging_left_alone(),
        _shared_arguments_restored(migrations),
        engines_replaced(run.connect, run.may_open, run.refuse_raw),
        redirect_stdout(sys.stderr),
        context,
    ):
        _run_env(run, script.run_env)
    if run.failure is not None:
        raise run.failure
    needed = prepared if required is None else required
    left_out = [key or "default" for key in needed if key not in run.configured]
    if left_out:
        raise EnvironmentFailed(
            f"{migrations.script_location / 'env.py'} does not cover the database "
            f"{', '.join(left_out)}. `flask db init --multidb` makes one that covers every bind."
        )
    not_run = [key or "default" for key in needed if key not in run.ended]
    if not_run:
        raise EnvironmentFailed(
            f"{migrations.script_location / 'env.py'} configures the database {', '.join(not_run)} and "
            "calls no context.run_migrations() for it, or stops in it. No revision can run that way."
        )
    return run.configured


def _run_env(run: _Run, run_env: Callable[[], None]) -> None:
    try:
        run_env()
    except (SchemaFlowError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if run.failure is not None and run.failure is not error:
            raise run.failure from error
        if isinstance(error, CommandError):
            raise EnvironmentFailed(f"Alembic stopped: {error}") from error
        origin = origin_of_error(error)
        asked = run.on_scratch and isinstance(error, DBAPIError)
        raise EnvironmentFailed(
            f"{origin or run.migrations.script_location / 'env.py'}: env.py failed with "
            f"{describe_error(error)}{_ON_SCRATCH if asked else ''}"
        ) from error


_ON_SCRATCH = (
    ". It runs on an empty scratch database before it runs on the real one, so what it asks for may not be "
    "there: let it ask only where sa.inspect(connection).has_table(...) says so"
)


def _configured(context: EnvironmentContext, options: Mapping[str, Any]) -> Configured:
    made = context.get_context()
    return Configured(
        version_table=made.version_table,
        version_table_schema=made.version_table_schema,
        upgrade_token=options.get("upgrade_token", "upgrades"),
        downgrade_token=options.get("downgrade_token", "downgrades"),
        options=options,
    )


def _tuple(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple | set) else (value,)


# -- what env.py touches ---------------------------------------------------------------------------


class LentConnection:
    """A prepared connection in the hands of ``env.py``: it works, but cannot be closed or committed."""

    def __init__(self, connection: Connection, bind_key: BindKey) -> None:
        self._connection = connection
        self.bind_key = bind_key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __enter__(self) -> LentConnection:
        return self

    def __exit__(self, *_: object) -> None:
        """Keep the connection: it is only lent."""

    def connect(self) -> LentConnection:
        """Give the connection itself, to an ``env.py`` that takes it for an engine."""
        return self

    def execution_options(self, **options: Any) -> LentConnection:
        """Pass options on, but for the isolation level, which the migration itself chooses."""
        options.pop("isolation_level", None)
        self._connection.execution_options(**options)
        return self

    def begin(self, *_: Any, **__: Any) -> _LentTransaction:
        """Give a transaction that ends nothing."""
        return _LentTransaction()

    begin_twophase = begin_nested = begin

    def get_transaction(self) -> _LentTransaction | None:
        """Give a transaction that ends nothing, where there is one."""
        return _LentTransaction() if self._connection.in_transaction() else None

    def get_nested_transaction(self) -> _LentTransaction | None:
        """Give a savepoint that ends nothing, where there is one."""
        return _LentTransaction() if self._connection.in_nested_transaction() else None

    def close(self) -> None:
        """Keep the connection."""

    commit = rollback = invalidate = detach = close


@_inspects(LentConnection)
def _inspector(lent: LentConnection) -> Any:
    """Answer ``sa.inspect(connection)`` in ``env.py``; SQLAlchemy goes by the class."""
    return inspect(lent._connection)


class _LentTransaction:
    is_active = True

    def __enter__(self) -> _LentTransaction:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def commit(self) -> None:
        pass

    rollback = prepare = close = commit


@contextmanager
def _logging_left_alone() -> Iterator[None]:
    # env.py calls fileConfig(), which disables every logger that the app has made.
    originals = {name: getattr(logging.config, name) for name in ("fileConfig", "dictConfig")}
    for name in originals:
        setattr(logging.config, name, lambda *_, **__: None)
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(logging.config, name, original)


@contextmanager
def _shared_arguments_restored(migrations: Migrations) -> Iterator[None]:
    # The stock env.py stores a closure over its own config there, which a second run would meet.
    arguments = migrations.app.extensions["migrate"].configure_args
    before = dict(arguments)
    with contextlib.ExitStack() as stack:
        stack.callback(arguments.update, before)
        stack.callback(arguments.clear)
        yield
