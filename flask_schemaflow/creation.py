"""What ``db.create_all()`` does in a running app whose database is under migrations: nothing, and says so."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from flask import appcontext_pushed, current_app
from sqlalchemy.exc import SQLAlchemyError

from .errors import ConfigurationError, Refused, SchemaFlowError
from .loading import app_origin, is_command_running

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import Engine, MetaData

    from .whereabouts import TableAndSchema

# What asks a database is imported when there is something to ask: every web worker imports this module.

BindKey = str | None
BindKeys = str | Iterable[BindKey] | None


def guard_create_all(app: Flask, db: Any = None) -> None:
    """Have the ``create_all`` of the app's ``SQLAlchemy`` object ask first. Touches no database.

    The object gets an attribute of that name; its class, and ``MetaData``, stay as they are. Where it is
    registered later, it gets it when a context of the app is pushed, without which ``create_all`` does
    not work.

    :param db: the object, if it is known.
    """

    def register(_app: Flask, **_: Any) -> None:
        found = app.extensions.get("sqlalchemy")
        if found is not None:
            appcontext_pushed.disconnect(register, app)
            _guard(found)

    known = db if db is not None else app.extensions.get("sqlalchemy")
    if known is not None:
        _guard(known)
    else:
        appcontext_pushed.connect(register, app, weak=False)


def _guard(db: Any) -> None:
    original = getattr(db, "create_all", None)
    is_known = hasattr(db, "metadatas")  # else it is of another library, which our commands refuse
    if is_known and original is not None and not isinstance(original, CreateAll):
        db.create_all = CreateAll(db, original)


class CreateAll:
    """``db.create_all`` of one object, for all apps that share it."""

    def __init__(self, db: Any, original: Callable[..., None]) -> None:
        self.db = db
        self.original = original
        self.__doc__ = original.__doc__

    def __call__(self, bind_key: BindKeys = "__all__", *args: Any, **options: Any) -> None:
        """Create the tables of those databases that no revision has made.

        :raises Refused: ``SCHEMAFLOW_CREATE_ALL`` is ``error``, and a database is under migrations.
        """
        # A subclass of the app's may take more arguments than Flask-SQLAlchemy's.
        what = _what_to_do(current_app._get_current_object())  # type: ignore[attr-defined]
        keys = self._keys(bind_key)
        managed = self._managed(keys) if what != "allow" else {}
        if not managed:
            self.original(bind_key, *args, **options)
            return
        _tell(managed, is_error=what == "error")
        rest = [key for key in keys if key not in managed]
        if rest:
            self.original(rest, *args, **options)

    def _keys(self, bind_key: BindKeys) -> list[BindKey]:
        """Give the bind keys that are meant, as Flask-SQLAlchemy reads its argument."""
        if bind_key == "__all__":
            return list(self.db.metadatas)
        return [bind_key] if bind_key is None or isinstance(bind_key, str) else list(bind_key)

    def _managed(self, keys: Iterable[BindKey]) -> dict[BindKey, str]:
        """Say of each database that is under migrations where it stands."""
        from .session import is_same_database, target_of
        from .whereabouts import version_table_of_app

        table = version_table_of_app(current_app._get_current_object())  # type: ignore[attr-defined]
        found = {}
        for key in keys:
            engine = self.db.engines.get(key)
            if engine is None or table is None:
                continue
            # Several binds may lead to one database, which has one version table.
            shared = [each for each, other in self.db.engines.items() if is_same_database(engine, other)]
            metadatas = [self.db.metadatas[each] for each in shared if each in self.db.metadatas]
            revision = _managed_at(engine, metadatas, table)
            if revision is not None:
                found[key] = f"{target_of(engine)} is at revision {revision}"
        return found


def _what_to_do(app: Flask) -> str:
    """Give the setting; ``allow`` where the app does not ask us, or is being tested.

    While one of our commands loads the app, what it creates is kept away from its database anyway.
    """
    if "schemaflow" not in app.extensions or app.testing or is_command_running():
        return "allow"
    from .config import Settings, read_setting

    try:
        return str(read_setting("create_all", app.config, os.environ))
    except ConfigurationError as error:
        # A wrong setting stops our commands, never a web worker.
        app.logger.warning("%s", error)
        return Settings.create_all


def _managed_at(engine: Engine, metadatas: list[MetaData], table: TableAndSchema) -> str | None:
    """Give the revision of a database that has one and a table of these models; None where it is not so.

    On a connection of our own: one of the app's pool may be in the middle of a transaction. Read-only.
    """
    from .session import database_exists, reading_connection
    from .versions import read_versions

    try:
        if not database_exists(engine):
            return None
        with reading_connection(engine) as connection:
            versions = read_versions(connection, *table)
            if not versions:
                return None
            inspector = sa.inspect(connection)
            translated = engine.get_execution_options().get("schema_translate_map") or {}
            names = ((t.name, t.schema) for metadata in metadatas for t in metadata.tables.values())
            if any(inspector.has_table(name, translated.get(schema, schema)) for name, schema in names):
                return ", ".join(versions)
    except (SchemaFlowError, SQLAlchemyError):
        # What is wrong with the database is what create_all() is going to say.
        return None
    return None


def _tell(managed: dict[BindKey, str], *, is_error: bool) -> None:
    origin = app_origin()
    place = f" ({origin})" if origin is not None else ""
    said = "is refused" if is_error else "was skipped"
    what = "; ".join(managed.values())
    fact = f"db.create_all(){place} {said}: {what}, and revisions make its tables."
    advice = "For a new model: `flask db migrate`, then `flask db-safe-upgrade`."
    if is_error:
        raise Refused(f"{fact} {advice}")
    current_app.logger.warning("%s %s", fact, advice)
