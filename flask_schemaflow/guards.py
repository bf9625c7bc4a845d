"""What an app may ask while it loads, and what ``flask db …`` is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask import appcontext_pushed, current_app
from flask.cli import FlaskGroup

from .history import OWN_TABLES
from .loading import is_command_running

if TYPE_CHECKING:
    from flask import Flask

NameFilter = Callable[[str | None, str, Mapping[str, Any]], bool]


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
    if _leave_own_tables_out not in callbacks:
        callbacks.append(_leave_own_tables_out)


def _leave_own_tables_out(config: Any) -> Any:
    """Add to ``Migrate``'s arguments a filter of names, beside the app's own.

    An ``env.py`` that gives a filter itself cannot take another one; it is left alone.
    """
    arguments = current_app.extensions["migrate"].configure_args
    known = arguments.get("include_name")
    environment = Path(config.get_main_option("script_location"), "env.py")
    has_own = environment.is_file() and "include_name" in environment.read_text("utf-8", "replace")
    if not has_own and not isinstance(known, _WithoutOwnTables):
        arguments["include_name"] = _WithoutOwnTables(known)
    return config


@dataclass(frozen=True)
class _WithoutOwnTables:
    """Alembic's ``include_name`` hook: none of our tables, else what the app says."""

    others: NameFilter | None

    def __call__(self, name: str | None, kind: str, parents: Mapping[str, Any]) -> bool:
        if kind == "table" and name in OWN_TABLES:
            return False
        return self.others is None or self.others(name, kind, parents)
