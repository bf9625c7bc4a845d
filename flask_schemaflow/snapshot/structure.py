"""A database's structure as a comparable value, the same for every engine.

A snapshot holds objects (tables, views, types, …); an object has facts (name and value) and parts
(columns, keys, checks, indexes, triggers, …), which have facts of their own. What a fact is called and
which of them are structure is said here, once for all engines; what its value is, each engine's reader
says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from string import ascii_lowercase, ascii_uppercase

Facts = Mapping[str, str]

# Facts that are reported when they differ, and never decide whether two structures are equal, by what
# has them.
_SURROUNDINGS = {
    "table": "comment grants partitions persistence storage tablespace access-method replica-identity "
    "clustered-on",
    "view": "comment grants",
    "materialized-view": "comment grants persistence storage tablespace access-method clustered-on",
    "foreign-table": "comment grants options",
    "sequence": "comment grants persistence",
    "enum": "comment",
    "domain": "comment",
    "range": "comment",
    "composite-type": "comment",
    "function": "comment cost rows",
    "procedure": "comment",
    "aggregate": "comment",
    "schema": "comment",
    "extension": "version",
    "column": "comment position statistics-target storage compression options sequence-type",
    "primary-key": "comment storage tablespace",
    "unique": "comment storage tablespace",
    "foreign-key": "comment",
    "check": "comment",
    "exclude": "comment storage tablespace",
    "index": "comment storage tablespace",
    "trigger": "comment",
    "rule": "comment",
    "policy": "comment",
}
SURROUNDINGS = frozenset((kind, fact) for kind, facts in _SURROUNDINGS.items() for fact in facts.split())

# Objects that do no harm when a database has more of them than it should: others may use them.
MAY_BE_EXTRA = frozenset(
    "sequence enum domain range composite-type function procedure aggregate".split()
    + "schema extension foreign-table event package package-body".split()
)
VIEWS = frozenset({"view", "materialized-view"})


def facts_of(values: Mapping[str, str | None]) -> dict[str, str]:
    """Keep the facts that are there: None is the engine's default."""
    return {fact: value for fact, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a table: ``kind`` is column, primary-key, unique, foreign-key, check, index, trigger, ….

    ``name`` is None where there is none, and ``named`` false where the engine made it up: it equals any
    name then. A fact that is absent has the engine's default. ``definition`` is how the engine itself
    would write it, for messages only. With ``surrounding`` it is reported, and decides nothing.
    """

    kind: str
    name: str | None
    named: bool = True
    surrounding: bool = False
    facts: Facts = field(default_factory=dict)
    definition: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Object:
    """A thing with a name in a database: ``kind`` is table, view, …; ``schema`` None the default one.

    ``definition`` is the engine's own text where it keeps one, ``uses`` the tables that a view reads, by
    (schema, name); neither decides equality. With ``surrounding`` it is reported, and decides nothing: a
    partition is such a table, since they come and go.
    """

    kind: str
    name: str
    schema: str | None = None
    facts: Facts = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    surrounding: bool = False
    definition: str = field(default="", compare=False)
    uses: frozenset[tuple[str | None, str]] = field(default=frozenset(), compare=False)
    partition_of: tuple[str | None, str] | None = field(default=None, compare=False)

    @property
    def label(self) -> str:
        """The name, with its schema where it is not in the default one."""
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    @property
    def key(self) -> tuple[str, str | None, str]:
        """What identifies it within a snapshot."""
        return (self.kind, self.schema, self.name)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The structure of one database, or of a part of it.

    ``family`` is sqlite, postgresql, mariadb or mysql; ``server_version`` the server's, as numbers.
    ``origin`` says where the structure was made, in words; empty where it is a real database's.
    """

    family: str
    server_version: tuple[int, ...] = field(default=(), compare=False)
    origin: str = field(default="", compare=False)
    objects: tuple[Object, ...] = ()

    @property
    def tables(self) -> tuple[Object, ...]:
        """The tables among the objects."""
        return tuple(each for each in self.objects if each.kind == "table")

    def where(self, keep: Callable[[Object], bool]) -> Snapshot:
        """Give the same snapshot with fewer objects."""
        return replace(self, objects=tuple(each for each in self.objects if keep(each)))

    def of_tables(self, ours: Iterable[tuple[str | None, str]]) -> Snapshot:
        """Keep the tables named, by (schema, name), what belongs to them, and what is no table.

        A view belongs to them when it reads one of them, or another view that does, or no table at all; a
        partition belongs to its parent.
        """
        names = {(schema, self._folded(name)) for schema, name in ours}
        belonging = {
            each.key: {(schema, self._folded(name)) for schema, name in _masters(each)}
            for each in self.objects
            if each.kind in VIEWS or each.partition_of
        }
        kept = {each.key for each in self.objects if _reads_nothing(each)}
        while more := {key for key, masters in belonging.items() if key not in kept and masters & names}:
            kept |= more
            names |= {(schema, self._folded(name)) for _, schema, name in more}
        tables = {"table", *VIEWS}
        return self.where(
            lambda each: (
                each.key in kept or each.kind not in tables or (each.schema, self._folded(each.name)) in names
            )
        )

    def _folded(self, name: str) -> str:
        return folded(name, self.family)


def folded(name: str, family: str) -> str:
    """Give a name as the engine compares it: SQLite ignores the case of ASCII letters.

    (https://sqlite.org/faq.html#q18)
    """
    return name.translate(_LOWER) if family == "sqlite" else name


_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


def _masters(each: Object) -> frozenset[tuple[str | None, str]]:
    """Give those to which a view or partition belongs."""
    return each.uses if each.partition_of is None else frozenset({each.partition_of})


def _reads_nothing(each: Object) -> bool:
    return each.kind in VIEWS and not each.uses
