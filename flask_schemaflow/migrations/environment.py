"""Run a project's own ``env.py`` on connections that we prepared, and on no other.

``env.py`` may open engines as it likes: while it runs, what it gets from ``Engine.connect`` is a loan of
the prepared connection, which it can neither close nor commit; ``context.configure`` then gets the
prepared connection itself. While a revision is imported or runs, ``Engine.connect`` raises: a revision
that goes its own way would deadlock with the migration, or commit behind its back.
"""

from __future__ import annotations

import contextlib
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.runtime.environment import EnvironmentContext
from alembic.util import CommandError
from sqlalchemy import StaticPool, String, create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ..errors import SchemaFlowError
from ..interrupts import is_made_up
from ..loading import app_origin, came_through, origin_of_error
from ..revisions import Revision, Rows, concerns
from ..session import KEEPS_TRANSACTION, AppSessionUsed, engines_replaced, is_same_database, target_of
from ..sqlite_file import file_of_url
from .failures import EnvironmentFailed, RevisionFailed, check_ran, describe_error, left_open, not_noted
from .given_up import not_given_up
from .lent import LentConnection
from .surroundings import around_environment

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep

    from .folder import Migrations

BindKey = str | None
StepsFor = Callable[[BindKey, tuple[str, ...], "MigrationContext"], Iterable["RevisionStep"]]
OnApply = Callable[[BindKey, str, Connection], None]
OnStart = Callable[[BindKey, str], None]


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
    """One run of ``env.py``: what it may use and what it has done.

    ``calls`` are, by bind key, the arguments with which ``env.py`` runs the migrations of each, where several
    binds share a database; ``called`` are those that this run saw. ``unnoted`` is the revision that has just
    run, until its version row is written.
    """

    migrations: Migrations
    prepared: Mapping[BindKey, Connection]
    steps_for: StepsFor
    on_apply: OnApply | None
    on_start: OnStart | None
    on_scratch: bool
    calls: Mapping[BindKey, Mapping[str, Any]] = field(default_factory=dict)
    configured: dict[BindKey, Configured] = field(default_factory=dict)
    current: BindKey = None
    running: str | None = None
    unnoted: tuple[BindKey, RevisionStep] | None = None
    failure: BaseException | None = None
    ended: set[BindKey] = field(default_factory=set)
    called: dict[BindKey, Mapping[str, Any]] = field(default_factory=dict)
    inert: dict[BindKey, Connection] = field(default_factory=dict)

    @cached_property
    def leaders(self) -> Mapping[BindKey, BindKey]:
        """Each bind of a prepared database, and the one of them for which the connection was prepared."""
        found = {key: key for key in self.prepared}
        for key, engine in self.engines.items():
            if key not in found:
                same = [each for each in self.prepared if is_same_database(self.engines[each], engine)]
                found[key] = same[0] if same else key
        return found

    @property
    def others(self) -> list[BindKey]:
        """The binds of which nothing was prepared: their databases are none of ours."""
        return [key for key, leader in self.leaders.items() if leader not in self.prepared]

    def connection(self, key: BindKey) -> Connection:
        leader = self.leaders[key]
        return self.prepared[leader] if leader in self.prepared else self.inert[key]

    @property
    def engines(self) -> Mapping[BindKey, Engine]:
        engines: Mapping[BindKey, Engine] = self.migrations.app.extensions["migrate"].db.engines
        return engines

    def bind_of(self, engine: Engine) -> BindKey:
        for is_same in (operator.is_, is_same_database):
            for key, own in self.engines.items():
                if key in self.leaders and is_same(own, engine):
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
        return LentConnection(self.connection(key), key)

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
        connection = self.connection(key)
        if connection.in_transaction() and not connection.info.get(KEEPS_TRANSACTION):
            connection.commit()  # of what was read; on SQLite ours stays open below it
        callbacks = _tuple(options.get("on_version_apply"))
        options["on_version_apply"] = (self.version_noted, *callbacks, self.applied)
        options["transaction_per_migration"] = True
        original(context, connection=connection, **options)
        if self.on_scratch:
            # How long the ids may be is a question to the real table.
            context.get_context()._version.c.version_num.type = String(255)
        self.current = key
        self.configured[key] = _configured(context, options)

    def steps(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        key = self.leaders[self.current]
        if key in self.ended or key not in self.prepared:
            return  # another bind of this database has run them for all, or it is none of ours
        self.running = "a revision, while it is imported,"
        try:
            steps = list(self.steps_for(key, heads, context))
        finally:
            self.running = None
        for step in steps:
            step.migration_fn = self.watched(step, key)
            yield step
        self.ended.add(key)

    def run_migrations(self, context: EnvironmentContext, **kwargs: Any) -> None:
        self.called[self.current] = kwargs
        type(context).run_migrations(context, **kwargs)

    def further_calls(self, step: RevisionStep, kwargs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Give the arguments for the other binds of the database for which the revision has something."""
        revision = Revision(id=step.revision.revision, parents=(), file=Path(step.revision.path))
        calls: list[Mapping[str, Any]] = [kwargs]
        for key, call in self.calls.items():
            shares = self.leaders[key] == self.leaders[self.current]
            if shares and call not in calls and concerns(revision, key):
                calls.append(call)
        return calls[1:]

    def watched(self, step: RevisionStep, key: BindKey) -> Callable[..., None]:
        function, revision = step.migration_fn, step.revision.revision

        def run(**kwargs: Any) -> None:
            self.running = f"revision {revision}"
            try:
                if self.on_start is not None:
                    with self.noted():
                        self.on_start(key, revision)
                with not_given_up(self.prepared[key]), left_open(self.prepared[key]):
                    for arguments in (kwargs, *self.further_calls(step, kwargs)):
                        check_ran(function(**arguments))
                self.unnoted = key, step
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt) and not is_made_up():
                    raise
                self.failure = self.failure or RevisionFailed(key, step, error)
                raise
            finally:
                self.running = None

        return run

    def version_noted(self, **_: Any) -> None:
        self.unnoted = None

    def applied(self, *, ctx: MigrationContext, step: Any, **_: Any) -> None:
        if self.on_apply is not None and ctx.connection is not None:
            with self.noted():
                self.on_apply(self.leaders[self.current], step.up_revision_id, ctx.connection)

    @contextmanager
    def noted(self) -> Iterator[None]:
        # An env.py that catches everything and goes on does not make it well.
        try:
            yield
        except BaseException as error:
            self.failure = error
            raise


def upgrade_steps(
    context: MigrationContext, heads: Rows, target: str | Rows, order: Sequence[str] = ()
) -> list[RevisionStep]:
    """Give the revisions that lead from the heads to a target, in a given order or else Alembic's."""
    assert context.script is not None
    steps = context.script._upgrade_revs(target, heads)  # type: ignore[arg-type]
    positions = {revision: position for position, revision in enumerate(order)}
    return sorted(steps, key=lambda step: positions[step.revision.revision]) if order else steps


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

    Where several binds lead to one database, a revision runs there once, with its function for each of them,
    in one transaction: the version table has one row for all. For that ``env.py`` runs twice, the first time
    to see how it calls them.

    :param prepared: a connection for each database that is to be migrated, by one of its bind keys.
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
    if any(key != leader for key, leader in run.leaders.items()):
        look = _Run(migrations, prepared, lambda *_: (), None, None, on_scratch)
        _run_once(look, dont_mutate=True)
        run.calls = look.called
    _run_once(run, dont_mutate=dont_mutate)
    _check_covered(run, prepared if required is None else required)
    return run.configured


def _run_once(run: _Run, *, dont_mutate: bool) -> None:
    migrations, prepared = run.migrations, run.prepared
    config = migrations.config
    config.attributes["connection"] = LentConnection(prepared[None], None) if None in prepared else None
    script = migrations.script_directory
    context = EnvironmentContext(config, script, fn=run.steps, dont_mutate=dont_mutate)
    context.context_opts["destination_rev"] = "heads"
    context.configure = lambda *args, **options: run.configure(context, *args, **options)  # type: ignore[method-assign]
    context.run_migrations = lambda **kwargs: run.run_migrations(context, **kwargs)  # type: ignore[method-assign]
    with (
        around_environment(migrations),
        _inert_connections(run),
        engines_replaced(run.connect, run.may_open, run.refuse_raw),
        redirect_stdout(sys.stderr),
        context,
    ):
        _run_env(run, script.run_env)
    if run.failure is not None:
        raise run.failure


@contextmanager
def _inert_connections(run: _Run) -> Iterator[None]:
    """Have a connection to nothing for each database of others: ``env.py`` may go through all binds."""
    with contextlib.ExitStack() as stack:
        for key in run.others:
            engine = create_engine("sqlite://", poolclass=StaticPool)
            stack.callback(engine.dispose)
            run.inert[key] = stack.enter_context(engine.connect())
        yield


def _check_covered(run: _Run, needed: Iterable[BindKey]) -> None:
    migrations, needed = run.migrations, tuple(needed)
    covered = {run.leaders[key] for key in run.configured}
    left_out = [key or "default" for key in needed if key not in covered]
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


def ask_environment(
    migrations: Migrations,
    prepared: Mapping[BindKey, Connection],
    *,
    required: Iterable[BindKey] | None = None,
) -> dict[BindKey, Configured]:
    """Ask ``env.py`` how it names things; nothing is written through the prepared connections.

    :raises EnvironmentFailed: see :func:`run_environment`.
    """
    return run_environment(
        migrations, prepared, lambda *_: [], dont_mutate=True, on_scratch=True, required=required
    )


def _run_env(run: _Run, run_env: Callable[[], None]) -> None:
    try:
        run_env()
    except SchemaFlowError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and not is_made_up():
            raise
        if run.failure is not None and run.failure is not error:
            raise run.failure from error
        if run.unnoted is not None and not isinstance(error, SystemExit):
            key, step = run.unnoted
            raise RevisionFailed(key, step, not_noted(error)) from error
        if isinstance(error, CommandError):
            raise EnvironmentFailed(f"Alembic stopped: {error}") from error
        origin = origin_of_error(error)
        asked = run.on_scratch and isinstance(error, DBAPIError)
        loads = came_through(error, run.migrations.version_folders)
        raise EnvironmentFailed(
            f"{origin or run.migrations.script_location / 'env.py'}: "
            f"{'a revision cannot be loaded: ' if loads else 'env.py failed with '}"
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
