"""Write a column's type as a revision can keep it: without the app, as what the engine stores."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import dialects as sa_dialects
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlalchemy.util import generic_repr

from .layout import write_call

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect


class CannotWriteType(Exception):
    """No expression gives this type; the table is written as a statement then."""


@dataclass
class Names:
    """What a revision may use: ``imports`` are the lines that it needs for that."""

    imports: set[str] = field(default_factory=set)

    def module(self, dialect: str) -> str:
        """Use ``sqlalchemy.dialects.<dialect>``."""
        self.imports.add(f"from sqlalchemy.dialects import {dialect}")
        return dialect

    def imports_of(self, code: str) -> frozenset[str]:
        """Give those of the imports that this code needs: not all that was tried is in it."""
        return frozenset(line for line in self.imports if f"{line.rpartition(' ')[2]}." in code)


def namespace() -> dict[str, Any]:
    """Give the names that a rendered operation may use."""
    names: dict[str, Any] = {"sa": sa}
    for dialect in ("sqlite", "postgresql", "mysql"):
        names[dialect] = getattr(__import__(f"sqlalchemy.dialects.{dialect}").dialects, dialect)
    return names


def write_type(
    type_: TypeEngine[Any], targets: Sequence[Dialect], names: Names, *, is_made: bool = True
) -> str:
    """Write an expression that compiles to the same as ``type_`` for each target.

    A type of the app is written as the type that stores it, with a variant where targets differ.

    :param is_made: if it is a type with a name of its own, a statement before has made it.
    :raises CannotWriteType: there is none.
    """
    wanted = {id(target): _compiled(type_, target) for target in targets}
    spells = _SPELLS if is_made else _SPELLS[1:]
    for code, imports in _spellings(type_, targets, spells):
        if _gives(code, wanted, targets):
            names.imports |= imports
            return code
    raise CannotWriteType(repr(type_))


Spelling = tuple[str, set[str]]
Spell = Callable[[TypeEngine[Any], Sequence["Dialect"], Names], str]


def _spellings(
    type_: TypeEngine[Any], targets: Sequence[Dialect], spells: Iterable[Spell]
) -> Iterator[Spelling]:
    for spell in spells:
        names = Names()
        with suppress(CannotWriteType):
            yield spell(type_, targets, names), names.imports


def _with_variants(type_: TypeEngine[Any], _targets: Sequence[Dialect], names: Names) -> str:
    """Write a type of SQLAlchemy with the variants that it has."""
    if not type(type_).__module__.startswith("sqlalchemy."):
        raise CannotWriteType(repr(type_))
    code = _plain(type_, names)
    for dialect, variant in sorted(type_._variant_mapping.items()):
        code = _variant(code, _plain(variant, names), (dialect,))
    return code


def _stored(type_: TypeEngine[Any], targets: Sequence[Dialect], names: Names) -> str:
    """Write what stores the type on the first target, and on the others as variants."""
    first, *others = targets
    code = base = _plain(_storing(type_, first), names)
    for target in others:
        other = _plain(_storing(type_, target), Names())
        if other != base:
            other = _plain(_storing(type_, target), names)
            code = _variant(code, other, names_of(target, targets))
    return code


def _already_created(type_: TypeEngine[Any], targets: Sequence[Dialect], names: Names) -> str:
    """Write a type that on PostgreSQL has a name of its own, and that a statement before has created."""
    for target in targets:
        if target.name == "postgresql":
            code = _named_type(_storing(type_, target), target, names)
            others = [each for each in targets if each.name != "postgresql"]
            return _variant(_stored(type_, others, names), code, ("postgresql",)) if others else code
    raise CannotWriteType(repr(type_))


NAMED_TYPES = (postgresql.ENUM, postgresql.DOMAIN)
"""Types that have a name of their own, and that a statement of their own makes."""


def named_type(type_: TypeEngine[Any], target: Dialect) -> postgresql.ENUM | postgresql.DOMAIN | None:
    """Give the type with a name of its own that a column has on a target, also as what an array holds."""
    stored = _storing(type_, target)
    stored = stored.item_type if isinstance(stored, sa.ARRAY) else stored
    found = stored.dialect_impl(target)
    is_named = isinstance(found, postgresql.DOMAIN) or (
        isinstance(found, postgresql.ENUM) and found.native_enum
    )
    return found if target.name == "postgresql" and is_named else None  # type: ignore[return-value]


def generic_type(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Give the type of any engine in the place of one that was read from a database, where it is the same."""
    if not type(type_).__name__.isupper() or type_._variant_mapping:
        return type_  # it is a model's
    try:
        generic = type_.as_generic()
        same = _compiled(generic, dialect) == _compiled(type_, dialect)
    except (CannotWriteType, NotImplementedError):
        return type_
    return generic if same else type_


def write_named_type(type_: TypeEngine[Any], names: Names) -> str:
    """Write a type with a name of its own as it is when it is made."""
    if isinstance(type_, postgresql.DOMAIN):
        return _domain(type_, names)
    assert isinstance(type_, postgresql.ENUM)
    return write_call(f"{names.module('postgresql')}.ENUM", _enum_parts(type_))


def _enum_parts(enum: postgresql.ENUM) -> list[str]:
    schema = [f"schema={enum.schema!r}"] * bool(enum.schema)
    return [*map(repr, enum.enums), f"name={str(enum.name)!r}", *schema]


def _named_type(type_: TypeEngine[Any], target: Dialect, names: Names) -> str:
    type_ = type_.dialect_impl(target)
    module = names.module("postgresql")
    if isinstance(type_, sa.ARRAY):
        dimensions = f", dimensions={type_.dimensions!r}" if type_.dimensions else ""
        return f"{module}.ARRAY({_named_type(type_.item_type, target, names)}{dimensions})"
    if isinstance(type_, postgresql.ENUM) and type_.native_enum:
        parts = _enum_parts(type_)
    elif isinstance(type_, postgresql.DOMAIN):
        parts = [repr(str(type_.name)), _plain(type_.data_type, names)]
        parts += [f"schema={type_.schema!r}"] * bool(type_.schema)
    else:
        raise CannotWriteType(repr(type_))
    return f"{module}.{type(type_).__name__}({', '.join(parts)}, create_type=False)"


def _variant(code: str, other: str, dialects: Iterable[str]) -> str:
    return write_call(f"{code}.with_variant", [other, *map(repr, dialects)])


def names_of(dialect: Dialect, targets: Iterable[Dialect]) -> tuple[str, ...]:
    """Give the names under which a dialect is met: a MariaDB server is reached by ``mysql://`` too."""
    others = {target.name for target in targets if target.name != dialect.name}
    names = (dialect.name, *({"mariadb", "mysql"} - {dialect.name}))
    return names if dialect.name in ("mariadb", "mysql") and not others & set(names) else (dialect.name,)


def _storing(type_: TypeEngine[Any], target: Dialect) -> TypeEngine[Any]:
    type_ = type_._variant_mapping.get(target.name, type_)
    while isinstance(type_, TypeDecorator) and not isinstance(type_, sa.Interval):
        type_ = type_.load_dialect_impl(target)
        type_ = type_._variant_mapping.get(target.name, type_)
    if isinstance(type_, sa.ARRAY):
        array = copy(type_)
        array.item_type = _storing(type_.item_type, target)
        return array
    return type_


def _plain(type_: TypeEngine[Any], names: Names) -> str:
    """Write one type without variants by its ``repr``, which SQLAlchemy makes an expression."""
    if isinstance(type_, postgresql.DOMAIN):
        return _domain(type_, names)
    public = _public_class(type_)
    inner = getattr(type_, "item_type", None)
    text = _repr(type_, public)
    if inner is not None:
        text = text.replace(_repr(inner, type(inner)), _plain(inner, names), 1)
    dialect = _DIALECT.match(public.__module__)
    return f"{names.module(dialect[1]) if dialect else 'sa'}.{text}"


def _domain(domain: postgresql.DOMAIN, names: Names) -> str:
    parts = [repr(str(domain.name)), _plain(domain.data_type, names)]
    options = "collation default constraint_name not_null check schema"
    for option in options.split():
        value = getattr(domain, option)
        if value is not None:
            parts.append(f"{option}={(value.text if isinstance(value, sa.TextClause) else value)!r}")
    return write_call(f"{names.module('postgresql')}.DOMAIN", parts)


_DIALECT = re.compile(r"sqlalchemy\.dialects\.(\w+)")


def _public_class(type_: TypeEngine[Any]) -> type[TypeEngine[Any]]:
    """Give the class itself or its nearest base that a revision can import."""
    for cls in type(type_).mro():
        dialect = _DIALECT.match(cls.__module__)
        home = getattr(sa_dialects, dialect[1], None) if dialect else sa
        if getattr(home, cls.__name__, None) is cls and issubclass(cls, TypeEngine):
            found: type[TypeEngine[Any]] = cls
            return found
    raise CannotWriteType(repr(type_))


def _repr(type_: TypeEngine[Any], cls: type[TypeEngine[Any]]) -> str:
    """Write a type as if it were of this class."""
    copied = copy(type_)
    if getattr(copied, "metadata", None) is not None:
        # An enum may name a metadata, which a revision does not have.
        copied.metadata = None  # type: ignore[attr-defined]
    # SQLAlchemy 2.1 asks repr_struct() for it.
    method = "repr_struct" if hasattr(TypeEngine, "repr_struct") else "__repr__"
    has_own = getattr(cls, method) not in (getattr(TypeEngine, method), getattr(TypeDecorator, method))
    text = str(getattr(cls, method)(copied)) if has_own else generic_repr(copied, to_inspect=cls)
    text = cls.__name__ + text[text.find("(") :]
    # JSONB(astext_type=Text()) and the like name types without their module.
    return re.sub(r"(?<==)(Text|String|Integer)\(", r"sa.\1(", text)


def _compiled(type_: TypeEngine[Any], target: Dialect) -> str:
    try:
        return type_.compile(dialect=target)
    except Exception as error:
        raise CannotWriteType(repr(type_)) from error


def _gives(code: str, wanted: Mapping[int, str], targets: Sequence[Dialect]) -> bool:
    try:
        made = _evaluated(code)
        return all(_compiled(made, target) == wanted[id(target)] for target in targets)
    except Exception:
        # An expression that does not even evaluate is one that does not give the type.
        return False


@lru_cache(maxsize=1000)
def _evaluated(code: str) -> TypeEngine[Any]:
    made: TypeEngine[Any] = eval(code, namespace())
    return made


_SPELLS: tuple[Spell, ...] = (_already_created, _with_variants, _stored)
