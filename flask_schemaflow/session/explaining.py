"""What the errors of a database mean for who asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from ..errors import Busy, ConfigurationError, SchemaFlowError
from .targets import target_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Turn the errors of a database that cannot be reached or read into ours.

    :raises Busy: it is locked or does not answer.
    :raises ConfigurationError: it is damaged, or cannot be opened.
    """
    try:
        yield
    except (sqlite3.Error, DBAPIError) as error:
        raise _explain(engine, getattr(error, "orig", None) or error) from error


def _explain(engine: Engine, error: BaseException) -> SchemaFlowError:
    text = " ".join(str(error).split())
    if "locked" in text or "busy" in text:
        return Busy(
            f"{target_of(engine)} is locked by another process (SQLite cannot say which). "
            "Nothing was changed; try again."
        )
    if "not a database" in text:
        return ConfigurationError(
            f"{target_of(engine)} is not a SQLite database. Check SQLALCHEMY_DATABASE_URI, or restore the "
            "file from a backup."
        )
    if "malformed" in text:
        return ConfigurationError(f"{target_of(engine)} is damaged ({text}). Restore it from a backup.")
    return ConfigurationError(f"{target_of(engine)} cannot be read: {text}.")
