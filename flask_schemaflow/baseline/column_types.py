"""Write a column's type as a revision can keep it: without the app, as what the engine stores."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import dialects as sa_dialects
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine


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


def namespace() -> dict[str, Any]:
    """Give the names that a rendered operation may use."""
    names: dict[str, Any] = {"sa": sa}
    for dialect in ("sqlite", "postgresql", "mysql"):
        names[dialect] = getattr(__import__(f"sqlalchemy.dialects.{dialect}").dialects, dialect)
    return names


def write_type(type_: TypeEngine[Any], targets: Sequence[Dialect], names: Names) -> str:
    """Write an expression that compiles to the same as ``type_`` for each target.

    A type of the app is written as the type that stores it, with a variant where targets differ.

    :raises CannotWriteType: there is none.
    """
    wanted = {id(target): _compiled(type_, target) for target in targets}
    for code, imports in _spellings(type_, targets):
        if _gives(code, wanted, targets):
            names.imports |= imports
            return code
    raise CannotWriteType(repr(type_))


Spelling = tuple[str, set[str]]


def _spellings(type_: TypeEngine[Any], targets: Sequence[Dialect]) -> Iterator[Spelling]:
    plain, stored = Names(), Names()
    with suppress(CannotWriteType):
        if not _is_custom(type_):
            yield _with_variants(type_, plain), plain.imports
    with suppress(CannotWriteType):
        yield _stored(type_, targets, stored), stored.imports


def _is_custom(type_: TypeEngine[Any]) -> bool:
    return not type(type_).__module__.startswith("sqlalchemy.")


def _with_variants(type_: TypeEngine[Any], names: Names) -> str:
    code = _plain(type_, names)
    for dialect, variant in sorted(type_._variant_mapping.items()):
        code += f".with_variant({_plain(variant, names)}, {dialect!r})"
    return code


def _stored(type_: TypeEngine[Any], targets: Sequence[Dialect], names: Names) -> str:
    """Write what stores the type on the first target, and on the others as variants."""
    first, *others = targets
    code = _plain(_storing(type_, first), names)
    for target in others:
        other = _plain(_storing(type_, target), Names())
        if other != code.partition(".with_variant(")[0]:
            other = _plain(_storing(type_, target), names)
            code += f".with_variant({other}, {target.name!r})"
    return code


def _storing(type_: TypeEngine[Any], target: Dialect) -> TypeEngine[Any]:
    type_ = type_._variant_mapping.get(target.name, type_)
    while isinstance(type_, TypeDecorator):
        type_ = type_.load_dialect_impl(target)
        type_ = type_._variant_mapping.get(target.name, type_)
    return type_


def _plain(type_: TypeEngine[Any], names: Names) -> str:
    """Write one type without variants by its ``repr``, which SQLAlchemy makes an expression."""
    module = type(type_).__module__
    if _is_custom(type_):
        raise CannotWriteType(repr(type_))
    inner = getattr(type_, "item_type", None)
    text = _repr(type_)
    if inner is not None:
        text = text.replace(_repr(inner), _plain(inner, names), 1)
    dialect = re.match(r"sqlalchemy\.dialects\.(\w+)", module)
    if dialect is not None and hasattr(sa_dialects, dialect[1]):
        return f"{names.module(dialect[1])}.{text}"
    if not hasattr(sa, type(type_).__name__):
        raise CannotWriteType(repr(type_))
    return f"sa.{text}"


def _repr(type_: TypeEngine[Any]) -> str:
    copied = type_.copy() if hasattr(type_, "copy") else type_
    text = repr(copied)
    # JSONB(astext_type=Text()) and the like name types without their module.
    return re.sub(r"(?<==)(Text|String|Integer)\(", r"sa.\1(", text)


def _compiled(type_: TypeEngine[Any], target: Dialect) -> str:
    try:
        return type_.compile(dialect=target)
    except Exception as error:
        raise CannotWriteType(repr(type_)) from error


def _gives(code: str, wanted: Mapping[int, str], targets: Sequence[Dialect]) -> bool:
    try:
        made: TypeEngine[Any] = eval(code, namespace())
        return all(_compiled(made, target) == wanted[id(target)] for target in targets)
    except Exception:
        # An expression that does not even evaluate is one that does not give the type.
        return False
