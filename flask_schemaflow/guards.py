"""What an app may ask while it loads, and what ``flask db …`` is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask import appcontext_pushed, current_app
from flask.cli import FlaskGroup

from .config import read_settings
from .errors import SchemaFlowError
from .foreign import foreign_names
from .history import OWN_TABLES
from .loading import is_command_running
from .revisions import TableName, tables_in

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import MetaData, Table

BindKey = str | None
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
    """Have ``flask db migrate`` leave alone what is not the app's, whenever ``Migrate`` is registered.

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
    if _leave_others_out not in callbacks:
        callbacks.append(_leave_others_out)


def _leave_others_out(config: Any) -> Any:
    """Add to ``Migrate``'s arguments filters beside the app's own.

    An ``env.py`` that gives a filter itself cannot take another one; it is left alone.
    """
    from .migrations import gives_filter

    arguments = current_app.extensions["migrate"].configure_args
    script_location = Path(config.get_main_option("script_location"))
    environment = script_location / "env.py"
    source = environment.read_text("utf-8", "replace") if environment.is_file() else ""
    for name, made in (("include_name", _OnlyOurs), ("include_object", _NotNamedForeign)):
        if not gives_filter(source, name):
            known = arguments.get(name)
            arguments[name] = made(getattr(known, "others", known), script_location)
    return config


@dataclass(frozen=True)
class _OnlyOurs:
    """Alembic's ``include_name`` hook: of the tables that are there, those of models or revisions.

    Autogenerate writes a drop for every other one.
    """

    others: NameFilter | None
    script_location: Path
    known: dict[frozenset[BindKey], frozenset[tuple[str | None, str]]] = field(default_factory=dict)

    def __call__(self, name: str | None, kind: str, parents: Mapping[str, Any]) -> bool:
        if kind == "table" and (name in OWN_TABLES or not self._has(parents.get("schema_name"), str(name))):
            return False
        return self.others is None or self.others(name, kind, parents)

    def _has(self, schema: str | None, name: str) -> bool:
        keys = _keys_compared()
        if keys not in self.known:
            self.known[keys] = self._tables_of(keys)
        ours, lower = self.known[keys], name.lower()
        # Without case, which some engines do not keep; a default schema may be named in a model.
        return (schema, lower) in ours or (schema is None and any(each == lower for _, each in ours))

    def _tables_of(self, keys: frozenset[BindKey]) -> frozenset[tuple[str | None, str]]:
        """Give the tables of the models and of the revisions for these binds."""
        from .migrations import open_migrations

        metadatas = _metadatas()
        tables = (table for key in keys for each in metadatas[key] for table in each.tables.values())
        found = {TableName(each.schema, each.name) for each in tables}
        with suppress(SchemaFlowError):  # Alembic says it in its own words
            db = current_app.extensions["migrate"].db
            migrations = open_migrations(current_app, db, directory=str(self.script_location))
            found.update(*(tables_in(migrations.read_revisions(), key) for key in keys))
        return frozenset((each.schema, each.name.lower()) for each in found)


def _metadatas() -> dict[BindKey, list[MetaData]]:
    """Give the metadata of each bind; the default one may have another one beside it."""
    found = {key: [each] for key, each in current_app.extensions["migrate"].db.metadatas.items()}
    beside = getattr(current_app.extensions.get("schemaflow"), "metadata", None)
    if beside is not None:
        found.setdefault(None, []).append(beside)
    return found


def _keys_compared() -> frozenset[BindKey]:
    """Give the binds whose models ``env.py`` compares just now; all where it does not say.

    Several binds may lead to one database, where the tables of the others are there as well.
    """
    from alembic import context

    target = context.get_context().opts.get("target_metadata")
    compared = target if isinstance(target, list | tuple) else [target]
    metadatas = _metadatas()
    keys = {key for key, own in metadatas.items() if any(each is one for each in own for one in compared)}
    return frozenset(keys or metadatas)


@dataclass(frozen=True)
class _NotNamedForeign:
    """Alembic's ``include_object`` hook: not what ``SCHEMAFLOW_FOREIGN_TABLES`` names, be it in a model."""

    others: ObjectFilter | None
    script_location: Path

    def __call__(self, thing: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:  # noqa: FBT001 -- Alembic's signature
        if kind == "table" and self._is_named(thing):
            return False
        return self.others is None or self.others(thing, name, kind, reflected, compared)

    def _is_named(self, table: Table) -> bool:
        engines = current_app.extensions["migrate"].db.engines
        wanted = TableName(table.schema, table.name)
        named = (
            foreign_names(self._patterns, key, engines[key].dialect.default_schema_name)
            for key in _keys_compared() & engines.keys()
        )
        return any(each.pattern_for(wanted) is not None for each in named)

    @cached_property
    def _patterns(self) -> tuple[str, ...]:
        return read_settings(current_app.config, os.environ).foreign_tables
