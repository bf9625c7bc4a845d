"""Another way to the app's own databases (``SCHEMAFLOW_DATABASE_URI``), round a pooler for example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from ..errors import ConfigurationError
from ..session import identity_of, target_of
from .binds import registered_db

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask
    from sqlalchemy.engine import Engine

    from .binds import Bind

BindKey = str | None


def with_direct_engines(app: Flask, binds: Iterable[Bind], urls: Mapping[BindKey, str]) -> tuple[Bind, ...]:
    """Give the binds engines with these URLs, and else with the app's own options and listeners.

    Opens no connection; :func:`check_direct` says whether they lead to the same databases.

    :raises ConfigurationError: a bind is not the app's, or a URL is of another kind or cannot be used.
    """
    binds = tuple(binds)
    for key in urls:
        if all(bind.key != key for bind in binds):
            raise ConfigurationError(
                f"SCHEMAFLOW_DATABASE_URI names the bind {key or 'default'!r}, which the app does not have."
            )
    return tuple(
        replace(bind, engine=_direct(app, bind, urls[bind.key])) if bind.key in urls else bind
        for bind in binds
    )


def check_direct(app: Flask, binds: Iterable[Bind]) -> None:
    """Check that the engines lead to the app's own databases. Read-only.

    :raises ConfigurationError: one leads to another database.
    """
    engines = registered_db(app).engines
    for bind in binds:
        own = engines[bind.key]
        if bind.engine is not own and identity_of(bind.engine) != identity_of(own):
            raise ConfigurationError(
                f"SCHEMAFLOW_DATABASE_URI ({bind.target}) is another database than the app's "
                f"({target_of(own)}). Give it a URL of the same one."
            )


def _direct(app: Flask, bind: Bind, given: str) -> Engine:
    try:
        url = make_url(given)
        made = create_engine(url, **_options(app, bind.key))
    except (ArgumentError, ImportError, TypeError, ValueError) as error:
        raise ConfigurationError(f"SCHEMAFLOW_DATABASE_URI cannot be used: {type(error).__name__}.") from None
    if made.dialect.name != bind.engine.dialect.name:
        raise ConfigurationError(
            f"SCHEMAFLOW_DATABASE_URI is a {made.dialect.name} database, the app's is "
            f"{bind.engine.dialect.name}."
        )
    _copy_listeners(bind.engine, made)
    return made


# What says how the app pools, or connects by a function of its own, is not for another URL.
_NOT_COPIED = frozenset("url creator async_creator pool poolclass pool_size max_overflow".split())


def _options(app: Flask, key: BindKey) -> dict[str, Any]:
    """Give the engine options that Flask-SQLAlchemy used for a bind (``SQLAlchemy.init_app``)."""
    of_bind = app.config.get("SQLALCHEMY_BINDS", {}).get(key)
    options = {
        **registered_db(app)._engine_options,
        **(of_bind if isinstance(of_bind, Mapping) else {}),
        **(app.config.get("SQLALCHEMY_ENGINE_OPTIONS", {}) if key is None else {}),
    }
    return {name: value for name, value in options.items() if name not in _NOT_COPIED}


_EVENTS = {
    "connect": "pool",
    "checkout": "pool",
    "do_connect": "dialect",
    "engine_connect": None,
    "begin": None,
}


def _copy_listeners(source: Engine, to: Engine) -> None:
    """Let what the app does when it connects (tokens, SET ROLE, a search path) happen here as well."""
    for name, part in _EVENTS.items():
        holder: Any = getattr(source, part) if part else source
        for listener in getattr(holder.dispatch, name).listeners:
            if not (listener.__module__ or "").startswith("sqlalchemy."):
                event.listen(to, name, listener)
