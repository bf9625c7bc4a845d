"""Register on an app: commands, and the lazy ``flask db`` group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import click
from flask import current_app
from flask.cli import ScriptInfo

from .commands import COMMANDS
from .creation import guard_create_all
from .errors import ConfigurationError
from .guards import add_filter, hook_into_migrate

if TYPE_CHECKING:
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import Engine, MetaData


class SchemaFlow:
    """The extension: one object for one or more apps.

    ``SchemaFlow(app, db)`` or ``init_app(app)`` stand beside ``Migrate(app, db)`` in either order, or
    without it. Registering imports neither Alembic nor anything else that a web worker does not need, and
    touches no database.

    :param app: the app, if it is there already.
    :param db: the ``SQLAlchemy`` object; by default the one that is registered on the app.
    :param metadata: the metadata of models that are not on ``db``: plain declarative bases,
        Flask-AppBuilder.
    """

    def __init__(
        self,
        app: Flask | None = None,
        db: SQLAlchemy | None = None,
        *,
        metadata: MetaData | None = None,
    ) -> None:
        self.metadata = metadata
        self.db = db
        self.without_history: WeakSet[Engine] = WeakSet()
        if app is not None:
            self.init_app(app, db)

    def init_app(self, app: Flask, db: SQLAlchemy | None = None) -> None:
        """Register on an app. Touches no database.

        :raises ConfigurationError: another ``SchemaFlow`` is registered on it already.
        """
        if app.extensions.get("schemaflow", self) is not self:
            raise ConfigurationError(
                "A 'SchemaFlow' instance has already been registered on this Flask app. "
                "Use that instance instead."
            )
        app.extensions["schemaflow"] = self
        self.db = db or self.db
        hook_into_migrate(app)
        guard_create_all(app, self.db)
        for command in COMMANDS:
            app.cli.add_command(command)
        if "migrate" not in app.extensions:
            app.cli.add_command(LazyMigrateGroup("db", help="Perform database migrations."))


class LazyMigrateGroup(click.Group):
    """Flask-Migrate's own ``flask db``, imported when it is called."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Give the context of Flask-Migrate's group, so that click goes on with that one."""
        from .migrations import flask_db_group

        app = current_app._get_current_object() if current_app else _app_of(parent)  # type: ignore[attr-defined]
        db = app.extensions.get("sqlalchemy") or app.extensions["schemaflow"].db
        group = flask_db_group(app, db)
        add_filter(app)
        return group.make_context(info_name, args, parent, **extra)


def _app_of(context: click.Context | None) -> Flask:
    if context is None:
        raise ConfigurationError("`flask db` needs an app.")
    return context.ensure_object(ScriptInfo).load_app()
