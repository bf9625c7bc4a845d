"""A zoo of schemas: everything that models can say, each in a metadata of its own.

A case builds its tables with ``build(metadata)``; ``engines`` are those that can express it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

SQLITE, POSTGRESQL, MARIADB = "sqlite", "postgresql", "mariadb"
ALL = (SQLITE, POSTGRESQL, MARIADB)

SQLALCHEMY = tuple(int(part) for part in sa.__version__.split(".")[:3])

Build = Callable[[sa.MetaData], None]


@dataclass(frozen=True)
class Case:
    """A schema; ``statements_only`` says that no operation can express it."""

    name: str
    build: Build
    engines: tuple[str, ...]
    metadata_options: dict[str, Any]

    def metadata(self) -> sa.MetaData:
        """Build the schema."""
        metadata = sa.MetaData(**self.metadata_options)
        self.build(metadata)
        return metadata


CASES: dict[str, Case] = {}


def case(*engines: str, **metadata_options: Any) -> Callable[[Build], Build]:
    """Add a function to the zoo, for all engines or for these."""

    def add(build: Build) -> Build:
        assert build.__name__ not in CASES, build.__name__
        CASES[build.__name__] = Case(build.__name__, build, engines or ALL, metadata_options)
        return build

    return add


def before(target: object, statement: str) -> None:
    """Send a statement before a table or a metadata is created."""
    sa.event.listen(target, "before_create", sa.DDL(statement))


def after(target: object, statement: str) -> None:
    """Send a statement after a table or a metadata was created."""
    sa.event.listen(target, "after_create", sa.DDL(statement))


def table(metadata: sa.MetaData, *items: Any, name: str = "t", **options: Any) -> sa.Table:
    """Make a table with an ``id`` and these columns and constraints."""
    return sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True), *items, **options)


from . import (  # noqa: E402
    app_blog,
    app_clinic,
    app_crm,
    app_forum,
    app_inventory,
    app_ledger,
    app_school,
    app_shop,
    app_tenants,
    app_tickets,
    constraints,
    defaults,
    events,
    events_of_postgresql,
    indexes,
    names,
    on_mariadb,
    on_postgresql,
    stored_types,
    tables,
    types_of_postgresql,
)

__all__ = [
    "ALL",
    "CASES",
    "Case",
    "after",
    "app_blog",
    "app_clinic",
    "app_crm",
    "app_forum",
    "app_inventory",
    "app_ledger",
    "app_school",
    "app_shop",
    "app_tenants",
    "app_tickets",
    "before",
    "case",
    "constraints",
    "defaults",
    "events",
    "events_of_postgresql",
    "indexes",
    "names",
    "on_mariadb",
    "on_postgresql",
    "stored_types",
    "table",
    "tables",
    "types_of_postgresql",
]
