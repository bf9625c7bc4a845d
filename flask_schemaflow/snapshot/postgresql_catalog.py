"""What the catalogs of a PostgreSQL database hold: the rows of each query, and how to say a number's name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from .postgresql_queries import queries_for
from .postgresql_session import reading_settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

Rows = Sequence[Any]

_SIMPLE = re.compile(r"[a-z_][a-z0-9_$]*\Z")


@dataclass(frozen=True)
class Relation:
    """A row of ``pg_class``: anything that is called like a table; ``schema`` None the default one."""

    oid: int
    schema: str | None
    name: str
    written_schema: str
    written_name: str
    kind: str
    persistence: str
    is_partition: bool
    row_security: bool
    row_security_forced: bool
    replica_identity: str
    options: str | None
    tablespace: str | None
    access_method: str | None
    parents: Sequence[int] | None
    partition_by: str | None
    partition_bounds: str | None
    of_type: str | None
    query: str | None
    server: str | None
    server_options: str | None
    grants: str | None
    of_extension: bool

    @property
    def label(self) -> str:
        """The name, with its schema where it is not in the default one."""
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    @property
    def written(self) -> str:
        """The name as it stands in a statement."""
        return self.written_name if self.schema is None else self.written_in_full

    @property
    def written_in_full(self) -> str:
        """The name as it stands in a statement that names every schema."""
        return f"{self.written_schema}.{self.written_name}"


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """The rows of each query by its name, and the names of relations and columns by number."""

    version: int
    default_schema: str | None
    rows: Mapping[str, Rows]
    relations: dict[int, Relation] = field(default_factory=dict)
    columns: dict[int, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    comments: dict[tuple[int, int], str] = field(default_factory=dict)

    def schema(self, name: str) -> str | None:
        """Give None for the schema that need not be written."""
        return None if name == self.default_schema else name

    def table(self, oid: int) -> str:
        """Give the label of a relation, also of one that cannot be seen."""
        return self.relations[oid].label if oid in self.relations else "a table that cannot be seen"

    def column(self, relation: int, number: int) -> str:
        """Give the name of a column, also of one that cannot be seen."""
        return self.columns[relation].get(number, f"column {number}")

    def listed(self, relation: int, numbers: Iterable[int] | None) -> str:
        """Write columns as a list."""
        return ", ".join(quoted(self.column(relation, number)) for number in numbers or ())


def read_catalog(connection: Connection, without: Collection[int] = ()) -> Catalog:
    """Send each query once. Read-only.

    :param without: relations and functions of which only the names and columns are read.
    """
    with reading_settings(connection) as server:
        queries = queries_for(server.version, temporary=server.is_temporary, without=without)
        rows = {
            each.name: connection.exec_driver_sql(getattr(queries, each.name)).all()
            for each in fields(queries)
        }
    catalog = Catalog(version=server.version, default_schema=server.default_schema, rows=rows)
    for oid, schema, *more in rows["relations"]:
        catalog.relations[oid] = Relation(oid, catalog.schema(schema), *more)
    for relation, number, name, *_ in rows["columns"]:
        catalog.columns[relation][number] = name
    for oid, number, text in rows["comments"]:
        catalog.comments[oid, number] = text
    return catalog


def quoted(name: str) -> str:
    """Write a name as it stands in a statement; a keyword stays bare, since only names are compared."""
    return name if _SIMPLE.match(name) else '"' + name.replace('"', '""') + '"'


def yes(condition: bool) -> str | None:  # noqa: FBT001 - it is the only thing said
    """Give the value of a fact that is there or not."""
    return "yes" if condition else None
