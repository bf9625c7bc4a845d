"""What ``env.py`` changes for the whole process, put back afterwards."""

from __future__ import annotations

import contextlib
import logging.config
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import SAWarning

if TYPE_CHECKING:
    from flask import Flask

    from .folder import Migrations


@contextmanager
def around_environment(migrations: Migrations) -> Iterator[None]:
    """Let ``env.py`` run inside the block, and have everything as it was afterwards."""
    with (
        _logging_left_alone(),
        _stock_environment_excused(),
        _default_bind_unnamed(migrations.app),
        _shared_arguments_restored(migrations),
    ):
        yield


@contextmanager
def alembic_quiet() -> Iterator[None]:
    """Let Alembic log nothing of what we try on scratch databases inside the block, unless it is wrong.

    Of what SQLAlchemy warns of there, it has warned before, when Alembic compared, or will in a real run.
    """
    logger = logging.getLogger("alembic.runtime.migration")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _logging_left_alone() -> Iterator[None]:
    """Let nobody configure logging inside the block."""
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
def _stock_environment_excused() -> Iterator[None]:
    """Let Flask-Migrate's own ``env.py`` ask for an engine as it does, where warnings are errors."""
    with warnings.catch_warnings():
        # It asks in the old way first. Alembic names the file's module so.
        warnings.filterwarnings("ignore", "'get_engine' is deprecated", DeprecationWarning, "env_py")
        yield


@contextmanager
def _default_bind_unnamed(app: Flask) -> Iterator[None]:
    """Leave the default database out of ``SQLALCHEMY_BINDS``, in which its key may be None.

    The stock ``env.py`` for several databases makes a section of each key, and knows the default one anyway.
    """
    binds = app.config.get("SQLALCHEMY_BINDS")
    if binds and None in binds:
        app.config["SQLALCHEMY_BINDS"] = {key: bind for key, bind in binds.items() if key is not None}
    try:
        yield
    finally:
        if binds:
            app.config["SQLALCHEMY_BINDS"] = binds


@contextmanager
def _shared_arguments_restored(migrations: Migrations) -> Iterator[None]:
    """Give Flask-Migrate its shared arguments back as they were."""
    # The stock env.py stores a closure over its own config there, which a second run would meet.
    arguments = migrations.app.extensions["migrate"].configure_args
    before = dict(arguments)
    with contextlib.ExitStack() as stack:
        stack.callback(arguments.update, before)
        stack.callback(arguments.clear)
        yield
