"""The session in which texts are read: PostgreSQL writes constants as the session's settings say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..session import SEARCH_PATH

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "quote_all_identifiers": "off",
}


@dataclass(frozen=True, kw_only=True)
class Server:
    """What the queries depend on: ``server_version_num``, and the schema that need not be written."""

    version: int
    default_schema: str | None

    @property
    def is_temporary(self) -> bool:
        """Say whether only the session's temporary objects are looked at."""
        return (self.default_schema or "").startswith("pg_temp_")


@contextmanager
def reading_settings(connection: Connection) -> Iterator[Server]:
    """Have constants written in one way within the block; the settings are as before after it."""
    with _searched_as_at_first(connection):
        names = [f"current_setting('{name}')" for name in _SETTINGS]
        version, schema, *values = connection.exec_driver_sql(
            "SELECT current_setting('server_version_num')::int, (current_schemas(false))[1]::text, "
            + ", ".join(names)
        ).one()
        before = dict(zip(_SETTINGS, values, strict=True))
        with _set(connection, before):
            yield Server(version=version, default_schema=schema)


@contextmanager
def _set(connection: Connection, before: Mapping[str, str]) -> Iterator[None]:
    differing = {name: value for name, value in before.items() if value != _SETTINGS[name]}
    _apply(connection, {name: _SETTINGS[name] for name in differing})
    try:
        yield
    except BaseException:
        with suppress(sa.exc.SQLAlchemyError):  # a failed transaction takes them back itself
            _apply(connection, differing)
        raise
    _apply(connection, differing)


@contextmanager
def _searched_as_at_first(connection: Connection) -> Iterator[None]:
    """Take back inside the block what a revision has set for itself: names depend on it, and the default.

    For this transaction only, so that what it sets for the session or the transaction holds afterwards.
    """
    path = connection.info.get(SEARCH_PATH)
    asked = "SELECT current_setting('search_path')"
    now = path if path is None else connection.exec_driver_sql(asked).scalar()
    if now == path:
        yield
        return
    search = sa.text("SELECT set_config('search_path', :path, true)")
    connection.execute(search, {"path": path})
    try:
        yield
    finally:
        with suppress(sa.exc.SQLAlchemyError):  # a failed transaction takes it back itself
            connection.execute(search, {"path": now})


def _apply(connection: Connection, settings: Mapping[str, str]) -> None:
    if settings:
        calls = (sa.func.set_config(name, value, sa.false()) for name, value in settings.items())
        connection.execute(sa.select(*calls)).all()
