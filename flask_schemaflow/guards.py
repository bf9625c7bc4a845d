"""What an app may ask while it loads."""

from __future__ import annotations

import sys

import click
from flask.cli import FlaskGroup

from .loading import is_command_running


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
