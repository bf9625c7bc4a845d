"""What has to be known of a server's database before it is dumped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import Refused

Name = tuple[str | None, str]


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table: ``schema`` is None on servers where that is the database, ``size`` is in bytes.

    ``is_default`` says whether it is found without its schema; ``has_rows`` is false for what only has
    partitions.
    """

    schema: str | None
    name: str
    size: int
    owner: str = ""
    is_default: bool = True
    has_rows: bool = True
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """The name for people."""
        return self.name if self.is_default or self.schema is None else f"{self.schema}.{self.name}"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server's database: its name, the server's version, every table."""

    database: str
    version: tuple[int, ...]
    encoding: str
    tables: tuple[Table, ...]

    def chosen(self, names: Iterable[Name] | None) -> tuple[Table, ...]:
        """Give the tables of these names, with their partitions; all of them where there is no choice.

        :raises Refused: there is no such table.
        """
        if names is None:
            return self.tables
        found: dict[tuple[str | None, str], Table] = {}
        by_name = {(each.schema, each.name): each for each in self.tables}
        for schema, name in names:
            table = self._find(schema, name)
            found[(table.schema, table.name)] = table
            found |= {part: by_name[part] for part in table.parts if part in by_name}
        return tuple(found.values())

    def _find(self, schema: str | None, name: str) -> Table:
        for each in self.tables:
            if each.name == name and (each.schema == schema or (schema is None and each.is_default)):
                return each
        label = name if schema is None else f"{schema}.{name}"
        raise Refused(f"There is no table {label} in {self.database}. Nothing was backed up.")


def size_of(tables: Iterable[Table]) -> int:
    """Give the size of tables in bytes."""
    return sum(each.size for each in tables)
