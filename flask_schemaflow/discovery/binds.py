"""Which databases an app has, and which metadata belongs to each."""

from __future__ import annotations

import contextvars
import importlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData, Table
from sqlalchemy.schema import ExecutableDDLElement

from ..errors import ConfigurationError, SchemaFlowError
from ..loading import guarded_loading, is_command_running, origin_of_error
from ..scratch import Source
from ..session import family_of, is_same_database, target_of
from ..sqlite_file import file_of_url

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.engine import Engine


@dataclass(frozen=True, kw_only=True)
class Bind:
    """A bind key with its engine and the metadata of its tables; the key None is the default database.

    ``others`` are further binds that lead to the same database: they share its connection, its lock, its
    version table and its revisions.
    """

    key: str | None
    engine: Engine
    metadata: MetaData
    scratch_uri: str | None = None
    others: tuple[Bind, ...] = ()

    @property
    def members(self) -> tuple[Bind, ...]:
        """The bind itself and those that share its database."""
        return (self, *self.others)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables of all models in the database."""
        return tuple(table for each in self.members for table in each.metadata.tables.values())

    @property
    def stored_as(self) -> str | None:
        """Under which key the structure is stored: alone it is another one than together with others."""
        return "+".join(each.key or "" for each in self.members) if self.others else self.key

    @property
    def source(self) -> Source:
        """What a scratch database for it is made from."""
        return Source(engine=self.engine, uri=self.scratch_uri)

    @property
    def is_plain(self) -> bool:
        """Say whether its models name no schema, and run nothing of the app's while tables are made."""
        tables = self.tables
        return (
            not self.translations
            and all(table.schema is None for table in tables)
            and not any(map(_has_events, (*(each.metadata for each in self.members), *tables)))
        )

    @property
    def translations(self) -> Mapping[str | None, str | None]:
        """Which schemas the engine sends in the place of others (``schema_translate_map``)."""
        return self.engine.get_execution_options().get("schema_translate_map") or {}

    def translated(self, schema: str | None) -> str | None:
        """Give the schema that the database has for one of the models or revisions."""
        return self.translations.get(schema, schema)

    @property
    def setting(self) -> str:
        """The setting of Flask-SQLAlchemy that says where it is."""
        return "SQLALCHEMY_DATABASE_URI" if self.key is None else f"SQLALCHEMY_BINDS[{self.key!r}]"

    @property
    def label(self) -> str:
        """The bind key, in a form to print."""
        return self.key or "default"

    @property
    def target(self) -> str:
        """The database, without a password."""
        return target_of(self.engine)

    @property
    def family(self) -> str:
        """The engine family."""
        return family_of(self.engine.dialect)


def _has_events(target: Any) -> bool:
    """Say whether the app listens to the making of tables; SQLAlchemy's own types do as well."""
    listeners = (
        listener for name in ("before_create", "after_create") for listener in getattr(target.dispatch, name)
    )
    return not all(map(_is_of_sqlalchemy, listeners))


def _is_of_sqlalchemy(listener: Any) -> bool:
    function = listener.func if isinstance(listener, partial) else listener
    module = getattr(function, "__module__", None) or type(function).__module__
    is_ddl = isinstance(function, ExecutableDDLElement)
    return module.startswith("sqlalchemy.") and not is_ddl


def registered_db(app: Flask) -> SQLAlchemy:
    """Give the app's ``SQLAlchemy`` object.

    :raises ConfigurationError: there is none, or it is of another library.
    """
    db = app.extensions.get("sqlalchemy")
    if isinstance(db, SQLAlchemy):
        return db
    for name, library in (
        ("alchemical", "Alchemical"),
        ("sqlalchemy", "another SQLAlchemy library"),
    ):
        found: Any = app.extensions.get(name)
        if found is not None:
            if type(found).__module__.startswith("flask_sqlalchemy_lite"):
                library = "Flask-SQLAlchemy-Lite"
            raise ConfigurationError(
                f"The app uses {library} ({type(found).__module__}); flask-schemaflow works with "
                "Flask-SQLAlchemy 3.1 or newer only."
            )
    raise ConfigurationError(
        f"The app {app.import_name!r} has no Flask-SQLAlchemy: `db.init_app(app)` was not called "
        "while it loaded."
    )


def find_binds(
    app: Flask,
    *,
    metadata: MetaData | None = None,
    import_string: str | None = None,
    left_out: Collection[str | None] = (),
) -> tuple[Bind, ...]:
    """Pair each engine of the app with its metadata, the default database first. Read-only.

    Needs an application context. What the import string names is imported as in :mod:`..loading`.

    :param metadata: replaces the default database's metadata.
    :param import_string: the same as ``module:attribute``, and wins.
    :param left_out: bind keys of databases of others, of whatever kind.
    :raises ConfigurationError: there is no Flask-SQLAlchemy, an engine is asynchronous or leads to another
        database by its schemas, a database with tables is in memory, or the import string leads nowhere.
    """
    db = registered_db(app)
    if import_string is not None:
        metadata = import_metadata(import_string)
    metadatas = dict(db.metadatas)
    if metadata is not None:
        metadatas[None] = metadata
    binds = []
    for key, engine in sorted(db.engines.items(), key=lambda item: item[0] or ""):
        if key in left_out:
            continue
        if engine.dialect.is_async:
            raise ConfigurationError(
                f"The engine of {target_of(engine)} is asynchronous, which Flask-Migrate cannot use."
            )
        binds.append(Bind(key=key, engine=engine, metadata=metadatas.get(key, MetaData())))
        _refuse_translations(binds[-1])
    refuse_in_memory(bind for bind in binds if bind.metadata.tables)
    return tuple(binds)


def with_scratch_uris(binds: Iterable[Bind], given: Mapping[str | None, str]) -> tuple[Bind, ...]:
    """Give the binds the scratch databases that were named for them.

    :raises ConfigurationError: a bind is not the app's, or one database is named for two.
    """
    binds = tuple(binds)
    for key in given:
        if all(bind.key != key for bind in binds):
            raise ConfigurationError(
                f"SCHEMAFLOW_SCRATCH_URI names the bind {key!r}, which the app does not have."
            )
    if len(set(given.values())) < len(given):
        raise ConfigurationError("SCHEMAFLOW_SCRATCH_URI names one database for two binds.")
    return tuple(replace(bind, scratch_uri=given.get(bind.key)) for bind in binds)


def share_databases(binds: Iterable[Bind]) -> tuple[Bind, ...]:
    """Put binds together that lead to one database as their URLs say, under the first of them."""
    found: list[Bind] = []
    for bind in binds:
        for position, first in enumerate(found):
            same_place = is_same_database(first.engine, bind.engine)
            if same_place and first.translations == bind.translations:
                found[position] = replace(first, others=(*first.others, bind))
                break
        else:
            found.append(bind)
    return tuple(found)


def _refuse_translations(bind: Bind) -> None:
    other = next(filter(None, bind.translations.values()), None)
    if other is not None and bind.engine.dialect.name != "postgresql":
        raise ConfigurationError(
            f"The engine options of the database {bind.label!r} have a schema_translate_map that leads to "
            f"{other!r}. On {bind.family} that is another database, which cannot be proved on scratch: name "
            f"{other!r} in the URL, and leave the map out."
        )


def refuse_in_memory(binds: Iterable[Bind]) -> None:
    """Check that databases that count are kept anywhere. Read-only.

    :raises ConfigurationError: one is SQLite in memory.
    """
    for bind in binds:
        if bind.family == "sqlite" and file_of_url(bind.engine.url) is None:
            raise ConfigurationError(
                f"The app's database {bind.label!r} is SQLite in memory, which is gone when the command "
                f"ends. Set {bind.setting} to the real database."
            )


def import_metadata(import_string: str) -> MetaData:
    """Give what ``SCHEMAFLOW_METADATA`` names, imported as in :mod:`..loading`.

    :raises ConfigurationError: it leads nowhere.
    """
    module, _, path = import_string.partition(":")
    try:
        with guarded_loading(every_thread=is_command_running(), servers_too=True):
            value: Any = contextvars.copy_context().run(importlib.import_module, module)
            for name in path.split(".") if path else ():
                value = getattr(value, name)
    except SchemaFlowError:
        raise
    except (Exception, SystemExit) as error:
        origin = origin_of_error(error)
        raise ConfigurationError(
            f"SCHEMAFLOW_METADATA = {import_string!r} cannot be imported: "
            f"{type(error).__name__}: {error}" + (f" ({origin})" if origin else "")
        ) from None
    value = getattr(value, "metadata", value)
    if not isinstance(value, MetaData):
        raise ConfigurationError(
            f"SCHEMAFLOW_METADATA = {import_string!r} is a {type(value).__name__}, not a MetaData "
            "and not a class that has one."
        )
    return value
