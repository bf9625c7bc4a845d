"""The session in which texts are read: PostgreSQL writes constants as the session's settings say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

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
    names = [f"current_setting('{name}')" for name in _SETTINGS]
    version, schema, *values = connection.exec_driver_sql(
        "SELECT current_setting('server_version_num')::int, (current_schemas(false))[1]::text, "
        + ", ".join(names)
    ).one()
    before = dict(zip(_SETTINGS, values, strict=True))
    differing = {name: value for name, value in before.items() if value != _SETTINGS[name]}
    _apply(connection, {name: _SETTINGS[name] for name in differing})
    try:
        yield Server(version=version, default_schema=schema)
    except BaseException:
        with suppress(sa.exc.SQLAlchemyError):  # a failed transaction takes them back itself
            _apply(connection, differing)
        raise
    _apply(connection, differing)


def _apply(connection: Connection, settings: Mapping[str, str]) -> None:
    if settings:
        calls = (sa.func.set_config(name, value, sa.false()) for name, value in settings.items())
        connection.execute(sa.select(*calls)).all()
