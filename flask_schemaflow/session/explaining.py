"""What the errors of a database mean for who asked."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from ..errors import Busy, ConfigurationError, Refused, SchemaFlowError
from .targets import target_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Turn the errors of a database that cannot be reached, read or written into ours.

    :raises Busy: it is locked or does not answer.
    :raises ConfigurationError: it is damaged, cannot be opened, or refuses this user.
    :raises Refused: it takes no writes: a replica, a read-only server.
    """
    try:
        yield
    except (sqlite3.Error, DBAPIError, _driver_error(engine)) as error:
        raise _explain(engine, getattr(error, "orig", None) or error) from error


def _driver_error(engine: Engine) -> type[Exception]:
    """Give what the driver raises where SQLAlchemy does not come between, as when it sets a level."""
    error: type[Exception] = engine.dialect.loaded_dbapi.Error
    return error


def _explain(engine: Engine, error: BaseException) -> SchemaFlowError:
    text = " ".join(str(error).split()).rstrip(".?")
    return _BY_DIALECT.get(engine.dialect.name, _explain_mysql)(target_of(engine), text, code_of(error))


def code_of(error: BaseException) -> str:
    """Give PostgreSQL's SQLSTATE or MySQL's number, as the drivers keep them; empty where there is none."""
    if error.args and isinstance(error.args[0], int):
        return str(error.args[0])
    codes = (getattr(error, name, None) for name in ("sqlstate", "pgcode"))
    return next((code for code in codes if isinstance(code, str)), "")


def _explain_sqlite(target: str, text: str, _code: str) -> SchemaFlowError:
    if "locked" in text or "busy" in text:
        return Busy(
            f"{target} is locked by another process (SQLite cannot say which). Nothing was changed; try "
            "again."
        )
    if "disk is full" in text:
        return Busy(f"{target} cannot be written: {text}. Nothing was changed; make room, and try again.")
    if "not a database" in text:
        return ConfigurationError(
            f"{target} is not a SQLite database. Check SQLALCHEMY_DATABASE_URI, or restore the file from a "
            "backup."
        )
    if "malformed" in text:
        return ConfigurationError(f"{target} is damaged ({text}). Restore it from a backup.")
    return ConfigurationError(f"{target} cannot be read: {text}.")


# SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html); libpq gives none on connecting.
_REFUSES_USER = ("28000", "28P01")
_LOCKED = ("55P03", "57014", "40P01", "40001")
_READ_ONLY = ("25006",)
_MADE_MEANWHILE = ("23505", "42P07")
_MESSAGES_ON_CONNECTING = {
    r"authentication failed|no password supplied|role .* does not exist|no pg_hba\.conf entry": "28000",
    r"database .* does not exist": "3D000",
}


def pooled(target: str) -> ConfigurationError:
    """Say that something between us and the server lends its sessions for less than a connection."""
    return ConfigurationError(
        f"{target} goes through a pooler that lends sessions of the server for a transaction (PgBouncer in "
        "transaction mode?), where no lock and no setting holds. Set SCHEMAFLOW_DATABASE_URI to the direct "
        "URL of the database; the app may keep its own."
    )


def _explain_postgresql(target: str, text: str, code: str) -> SchemaFlowError:
    if "statement pooling mode" in text:  # PgBouncer's words, under the SQLSTATE of a lost connection
        return pooled(target)
    if not code:
        code = next(
            (c for pattern, c in _MESSAGES_ON_CONNECTING.items() if re.search(pattern, text)), "08001"
        )
    if code in _REFUSES_USER:
        return ConfigurationError(f"{target} refuses the user: {text}. Check SQLALCHEMY_DATABASE_URI.")
    if code == "3D000":
        return ConfigurationError(f"There is no database at {target}: {text}. Create it first.")
    if code in _LOCKED:
        return Busy(f"{target} is blocked by another session: {text}. Nothing was changed; try again.")
    if code in _READ_ONLY:
        return _read_only(target, text)
    if code in _MADE_MEANWHILE:
        return Busy(f"{target} is being changed by another session: {text}. Nothing was changed; try again.")
    if code == "42501":
        return _lacks_rights(target, text)
    if code[:2] in ("08", "53", "57"):
        return _unreachable(target, text)
    return ConfigurationError(f"{target} cannot be read: {text}.")


def _explain_mysql(target: str, text: str, code: str) -> SchemaFlowError:
    # Numbers: https://mariadb.com/kb/en/mariadb-error-code-reference/
    if code in ("1045", "1698"):
        return ConfigurationError(f"{target} refuses the user: {text}. Check SQLALCHEMY_DATABASE_URI.")
    if code == "1049":
        return ConfigurationError(f"There is no database at {target}: {text}. Create it first.")
    if code in ("1205", "1213"):
        return Busy(f"{target} is blocked by another session: {text}. Nothing was changed; try again.")
    if code in ("1290", "1792", "1836"):
        return _read_only(target, text)
    if code in ("1044", "1142", "1143", "1227", "1370"):
        return _lacks_rights(target, text)
    if code in ("1040", "1053", "1129", "1203", "2002", "2003", "2005", "2006", "2013"):
        return _unreachable(target, text)
    return ConfigurationError(f"{target} cannot be read: {text}.")


def _unreachable(target: str, text: str) -> Busy:
    return Busy(f"{target} does not answer: {text}. Nothing was changed; try again.")


def _read_only(target: str, text: str) -> Refused:
    return Refused(f"{target} takes no writes ({text}): is it a replica? Nothing was changed.")


def _lacks_rights(target: str, text: str) -> ConfigurationError:
    return ConfigurationError(f"The user of {target} lacks a right: {text}. Grant it, or use another user.")


_BY_DIALECT = {"sqlite": _explain_sqlite, "postgresql": _explain_postgresql}
