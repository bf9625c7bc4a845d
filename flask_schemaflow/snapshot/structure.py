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

# Facts that are reported when they differ, and never decide whether two structures are equal.
SURROUNDINGS = frozenset({("table", "comment"), ("column", "comment"), ("column", "position")})


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a table: ``kind`` is column, primary-key, unique, foreign-key, check, index, trigger.

    ``name`` is None where there is none, and ``named`` false where the engine made it up: it equals any
    name then. A fact that is absent has the engine's default. ``definition`` is how the engine itself
    would write it, for messages only.
    """

    kind: str
    name: str | None
    named: bool = True
    facts: Facts = field(default_factory=dict)
    definition: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Object:
    """A thing with a name in a database: ``kind`` is table, view, …; ``schema`` None the default one.

    ``definition`` is the engine's own text where it keeps one, ``uses`` the names of tables that a view
    reads; neither decides equality.
    """

    kind: str
    name: str
    schema: str | None = None
    facts: Facts = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    definition: str = field(default="", compare=False)
    uses: frozenset[str] = field(default=frozenset(), compare=False)

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
    """

    family: str
    server_version: tuple[int, ...] = field(default=(), compare=False)
    objects: tuple[Object, ...] = ()

    @property
    def tables(self) -> tuple[Object, ...]:
        """The tables among the objects."""
        return tuple(each for each in self.objects if each.kind == "table")

    def where(self, keep: Callable[[Object], bool]) -> Snapshot:
        """Give the same snapshot with fewer objects."""
        return replace(self, objects=tuple(each for each in self.objects if keep(each)))

    def of_tables(self, ours: Iterable[tuple[str | None, str]]) -> Snapshot:
        """Keep the tables named, by (schema, name), and what belongs to them.

        A view belongs to them when it reads one of them, or another view that does.
        """
        names = {(schema, self._folded(name)) for schema, name in ours}
        used = {name for _, name in names}
        views = {
            each.key: {self._folded(name) for name in each.uses}
            for each in self.objects
            if each.kind == "view"
        }
        kept: set[tuple[str, str | None, str]] = set()
        while more := {key for key, uses in views.items() if key not in kept and uses & used}:
            kept |= more
            used |= {self._folded(name) for _, _, name in more}
        return self.where(lambda each: each.key in kept or (each.schema, self._folded(each.name)) in names)

    def _folded(self, name: str) -> str:
        return folded(name, self.family)


def folded(name: str, family: str) -> str:
    """Give a name as the engine compares it: SQLite ignores the case of ASCII letters.

    (https://sqlite.org/faq.html#q18)
    """
    return name.translate(_LOWER) if family == "sqlite" else name


_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
