"""What ``env.py`` changes for the whole process, put back afterwards."""

from __future__ import annotations

import contextlib
import logging.config
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .folder import Migrations


@contextmanager
def logging_left_alone() -> Iterator[None]:
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
def stock_environment_excused() -> Iterator[None]:
    """Let Flask-Migrate's own ``env.py`` ask for an engine as it does, where warnings are errors."""
    with warnings.catch_warnings():
        # It asks in the old way first. Alembic names the file's module so.
        warnings.filterwarnings("ignore", "'get_engine' is deprecated", DeprecationWarning, "env_py")
        yield


@contextmanager
def alembic_quiet() -> Iterator[None]:
    """Let Alembic log nothing of what we try on scratch databases inside the block, unless it is wrong."""
    logger = logging.getLogger("alembic.runtime.migration")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def shared_arguments_restored(migrations: Migrations) -> Iterator[None]:
    """Give Flask-Migrate its shared arguments back as they were."""
    # The stock env.py stores a closure over its own config there, which a second run would meet.
    arguments = migrations.app.extensions["migrate"].configure_args
    before = dict(arguments)
    with contextlib.ExitStack() as stack:
        stack.callback(arguments.update, before)
        stack.callback(arguments.clear)
        yield
