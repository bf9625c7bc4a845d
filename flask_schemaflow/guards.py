"""What an app may ask while it loads, and what ``flask db …`` is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask import appcontext_pushed, current_app
from flask.cli import FlaskGroup

from .config import read_settings
from .errors import Refused, SchemaFlowError
from .foreign import foreign_names
from .history import OWN_TABLES
from .loading import is_command_running
from .revisions import TableName

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps
    from flask import Flask
    from sqlalchemy import Table

    from .autogenerate import Moves
    from .comparison import Comparison

BindKey = str | None
TablesPerBind = Mapping[BindKey, frozenset[str]]
NameFilter = Callable[[str | None, str, Mapping[str, Any]], bool]
ObjectFilter = Callable[[Any, str | None, str, bool, Any], bool]


def in_command() -> bool:
    """Say whether a flask-schemaflow command, or ``flask db …``, is running now.

    For app factories: ``if flask_schemaflow.in_command(): return app`` before what needs the database.
    Read-only.
    """
    return is_command_running() or _in_flask_db()


def _in_flask_db() -> bool:
    context = click.get_current_context(silent=True)
    if context is None:
        return False
    root = context.find_root()
    if not isinstance(root.command, FlaskGroup):
        return False
    while context.parent is not None and context.parent is not root:
        context = context.parent
    return (context.info_name if context is not root else _word_after_options(root)) == "db"


def _word_after_options(root: click.Context) -> str | None:
    """Give the command that was called; click itself has not told yet while it looks for it."""
    try:
        _, words, _ = root.command.make_parser(root).parse_args(sys.argv[1:])
    except click.UsageError:
        return None
    return words[0] if words else None


def hook_into_migrate(app: Flask) -> None:
    """Have ``flask db migrate`` leave our own tables alone, whenever ``Migrate`` is registered.

    Touches no database. Flask-Migrate asks its ``configure`` callbacks before each of its commands.
    """

    def register(_app: Flask, **_: Any) -> None:
        if "migrate" in app.extensions:
            appcontext_pushed.disconnect(register, app)
            add_filter(app)

    appcontext_pushed.connect(register, app, weak=False)


def add_filter(app: Flask) -> None:
    """Have the ``Migrate`` of an app ask us before each of its commands. Touches no database."""
    callbacks = app.extensions["migrate"].migrate.configure_callbacks
    if _before_command not in callbacks:
        callbacks.append(_before_command)


def _before_command(config: Any) -> Any:
    """Prepare what a command of Flask-Migrate's compares, in ``Migrate``'s arguments.

    An ``env.py`` that gives a filter itself cannot take another one; it is left alone.
    """
    from .migrations import gives_filter
    from .unmanaged import stamp_before_upgrade

    stamp_before_upgrade(config)
    arguments = current_app.extensions["migrate"].configure_args
    _forget_last_run(arguments)
    directory = Path(config.get_main_option("script_location")).absolute()
    found = _prepared(directory) if _compares(config) else None
    _complete_with(found, is_check=not getattr(config.cmd_opts, "autogenerate", False))
    ours = found.ours if found is not None else None
    environment = directory / "env.py"
    source = environment.read_text("utf-8", "replace") if environment.is_file() else "configure_args"
    for name, ours_of in (("include_name", _OurTables), ("include_object", _NotNamedForeign)):
        known = arguments.get(name)
        if not gives_filter(source, name):
            others: Any = known.others if isinstance(known, ours_of) else known
            arguments[name] = ours_of(others, ours)
    if found is not None and "render_item" not in source:
        arguments["render_item"] = _rendering(arguments.get("render_item"), found)
    if ours is not None and (gives_filter(source, "include_name") or "configure_args" not in source):
        click.echo(
            f"{environment} takes no filter of names from Migrate(…), so tables of others are not left out: "
            "look for op.drop_table in what is written.",
            err=True,
        )
    return config


def _forget_last_run(arguments: dict[str, Any]) -> None:
    """Take back what ``env.py`` left in the arguments when it ran before in this process.

    Its function looks at the command of that time, and lets an empty revision through.
    """
    left = arguments.get("process_revision_directives")
    if getattr(left, "__module__", None) == "env_py":  # as Alembic names the file when it runs it
        del arguments["process_revision_directives"]


def _compares(config: Any) -> bool:
    """Say whether the command compares models and database."""
    context = click.get_current_context(silent=True)
    # The group may have another name in this app, but its commands are Flask-Migrate's.
    callback = context.command.callback if context is not None and context.info_name == "check" else None
    is_check = getattr(callback, "__module__", None) == "flask_migrate.cli"
    return is_check or getattr(config.cmd_opts, "autogenerate", False)


def _complete_with(found: Comparison | None, *, is_check: bool) -> None:
    """Have Alembic's comparison completed, where one is about to be made."""
    if found is None and f"{__package__}.autogenerate" not in sys.modules:
        return  # it is much to load, and nothing of an earlier command is left to be taken back
    from .autogenerate import Moves, completing

    completing.set(partial(_complete, found, Moves(), is_check) if found is not None else None)


def _complete(
    found: Comparison,
    moves: Moves,
    is_check: bool,  # noqa: FBT001 -- bound once, above
    context: AutogenContext,
    upgrade: UpgradeOps,
) -> None:
    """Complete what Alembic found."""
    from .autogenerate import Around, complete
    from .migrations import alembic_quiet

    _check_target(found)
    arguments = current_app.extensions["migrate"].configure_args
    keys = _keys_compared()
    around = Around(
        ours=frozenset().union(*(found.ours.get(key, frozenset()) for key in keys)),
        on_paper=found.on_paper,
        scratch_uri=next((found.scratch_uris[key] for key in keys if key in found.scratch_uris), None),
        is_check=is_check,
        ignored=frozenset({"type"} if arguments.get("compare_type") is False else ()),
        enums=found.enums,
        tell=partial(click.echo, err=True),
    )
    if not is_check:
        moves.note(", ".join(sorted(key or "default" for key in keys)), upgrade, around.tell)
    try:
        with alembic_quiet():
            complete(context, upgrade, around)
    except SchemaFlowError as error:
        if click.get_current_context(silent=True) is None:
            raise
        raise _Stopped(error) from error


def _rendering(known: Any, found: Comparison) -> Any:
    """Give Alembic's ``render_item`` hook, with the app's own in it."""
    from .baseline import StoredTypes

    return StoredTypes(known.others if isinstance(known, StoredTypes) else known, found.on_paper)


def _prepared(directory: Path) -> Comparison:
    """Bring in all models, and tell of those that nothing imports."""
    from .comparison import prepare_comparison

    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    context = click.get_current_context(silent=True)
    try:
        found = prepare_comparison(app, directory)
    except SchemaFlowError as error:
        if context is None:
            raise
        raise _Stopped(error) from error
    for each in found.findings:
        click.echo(f"{each.message} {each.hint}", err=True)
    if context is not None:
        context.call_on_close(partial(_after_comparison, app, directory, found))
    return found


class _Stopped(click.ClickException):
    """One of our errors, inside a command of Flask-Migrate's."""

    def __init__(self, error: SchemaFlowError) -> None:
        super().__init__(error.message)
        self.exit_code = int(error.exit_code)  # type: ignore[misc]  # click reads it from the instance


def _after_comparison(app: Flask, directory: Path, before: Comparison) -> None:
    """Say what it means that nothing was written, or store the structure that the new revision makes."""
    from .comparison import files_of_revisions

    if sys.exc_info()[0] is not None:
        return
    if files_of_revisions(directory) != before.revisions:
        _store_structure(app, directory)
        return
    # Without any model it was refused before: that is the other cause of an empty comparison.
    why = f"Nothing to write: there is no difference between the database and the models' {before.tables}"
    why += f" table{'s' * (before.tables != 1)}.{_unseen_from(app, before)}"
    if not before.revisions:
        why += (
            " There is no revision yet: `flask db-adopt` writes it, and proves that it makes this database."
        )
    click.echo(why, err=True)


def _unseen_from(app: Flask, found: Comparison) -> str:
    """Say what the database at hand cannot tell of the engines on which revisions will run besides."""
    here = {engine.dialect.name for engine in app.extensions["migrate"].db.engines.values()}
    others = sorted({each.name for each in found.on_paper} - here)
    if not others:
        return ""
    return (
        f" It is compared on {' and '.join(sorted(here))}: what only {' and '.join(others)} can tell (time "
        "zones, types that are others there, comments) is seen where the database is one of them."
    )


def _store_structure(app: Flask, directory: Path) -> None:
    """Store what is wanting beside the revisions, where structures are stored; else say why not."""
    from .migrations import alembic_quiet
    from .snapshot import FOLDER
    from .storage import SnapshotOptions, store_snapshots

    if not (directory / FOLDER).is_dir():
        return
    try:
        with alembic_quiet():
            result = store_snapshots(app, SnapshotOptions(directory=str(directory)))
    except SchemaFlowError as error:
        click.echo(f"The new revision's structure was not stored: {error.message}", err=True)
    else:
        click.echo(f"{result.message} (`flask db-snapshot` again if you edit the revision.)", err=True)


@dataclass(frozen=True)
class _OurTables:
    """Alembic's ``include_name`` hook: none of our tables, none of others', else what the app says.

    ``ours`` are the names of models' and revisions' tables in lower case, by bind key; None where nothing is
    compared.
    """

    others: NameFilter | None
    ours: TablesPerBind | None

    def __call__(self, name: str | None, kind: str, parents: Mapping[str, Any]) -> bool:
        if kind == "table" and name is not None:
            is_foreign = self.ours is not None and not any(
                name.lower() in self.ours.get(key, ()) for key in _keys_compared()
            )
            if name in OWN_TABLES or is_foreign:
                return False
        return self.others is None or self.others(name, kind, parents)


@dataclass(frozen=True)
class _NotNamedForeign:
    """Alembic's ``include_object`` hook: not what ``SCHEMAFLOW_FOREIGN_TABLES`` names, be it in a model."""

    others: ObjectFilter | None
    ours: TablesPerBind | None

    def __call__(self, thing: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:  # noqa: FBT001 -- Alembic's signature
        if kind == "table" and self.ours is not None and self._is_named(thing):
            return False
        return self.others is None or self.others(thing, name, kind, reflected, compared)

    def _is_named(self, table: Table) -> bool:
        patterns = read_settings(current_app.config, os.environ).foreign_tables
        engines = current_app.extensions["migrate"].db.engines
        wanted = TableName(table.schema, table.name)
        named = (
            foreign_names(patterns, key, engines[key].dialect.default_schema_name)
            for key in _keys_compared() & engines.keys()
        )
        return any(each.pattern_for(wanted) is not None for each in named)


def _keys_compared() -> frozenset[BindKey]:
    """Give the binds whose models ``env.py`` compares just now; all where it does not say.

    Several binds may lead to one database, where the tables of the others are there as well.
    """
    compared = _metadata_compared()
    known = dict(current_app.extensions["migrate"].db.metadatas)
    beside = getattr(current_app.extensions.get("schemaflow"), "metadata", None)
    keys = {key for key, metadata in known.items() if any(metadata is each for each in compared)}
    if beside is not None and any(beside is each for each in compared):
        keys.add(None)
    return frozenset(keys or known)


def _metadata_compared() -> list[Any]:
    from alembic import context

    target = context.get_context().opts.get("target_metadata")
    return [*target] if isinstance(target, list | tuple) else [target]


def _check_target(found: Comparison) -> None:
    """Check that ``env.py`` compares the metadata on which the models are.

    :raises _Stopped: it compares that of the ``db`` object in its place, and would drop every table.
    """
    from alembic import context

    compared, ours = _metadata_compared(), found.default_metadata
    theirs = dict(current_app.extensions["migrate"].db.metadatas).get(None)
    if (
        ours is theirs
        or not any(theirs is each for each in compared)
        or any(ours is each for each in compared)
    ):
        return
    environment = Path(context.config.get_main_option("script_location") or "", "env.py").absolute()
    raise _Stopped(
        Refused(
            f"{environment} compares the database with db.metadata, and the models are on another one "
            "(SCHEMAFLOW_METADATA, or SchemaFlow(metadata=…)): all their tables would be dropped. Have "
            "get_metadata() in it return that one. Nothing was written."
        )
    )
