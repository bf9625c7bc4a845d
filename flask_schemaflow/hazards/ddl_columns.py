"""Read what raw DDL says of columns and constraints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from .effect import (
    AltersColumn,
    ChangesType,
    Column,
    Does,
    Effect,
    Key,
    RenamesColumn,
    SetsDefault,
    SetsNullable,
)
from .words import NotUnderstood, Token, Words, split_at_commas, written

if TYPE_CHECKING:
    from ..revisions import TableName

# What ends the type of a column, or its default.
_ENDS = (
    "NOT NULL DEFAULT PRIMARY UNIQUE REFERENCES CHECK CONSTRAINT COLLATE GENERATED AS AUTO_INCREMENT"
    " AUTOINCREMENT COMMENT AFTER FIRST ON KEY STORED VIRTUAL PERSISTENT USING INVISIBLE CHARSET DEFERRABLE"
    " INITIALLY ALGORITHM LOCK"
).split()
_SERIAL = ("SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL4", "SERIAL8", "SERIAL2")


def column_in(words: Words) -> Column:
    """Read the definition of a column.

    :raises NotUnderstood: it is none.
    """
    name = words.name()
    type_ = written(_type(words))
    return _Definition(name, type_).read(words)


def _type(words: Words) -> list[Token]:
    tokens = words.until(*_ENDS, "CHARACTER")
    return tokens or [words.token(), *words.until(*_ENDS)] if words.sees("CHARACTER") else tokens


class _Definition:
    """A column's definition while it is read."""

    def __init__(self, name: str, type_: str) -> None:
        self.name, self.type = name, type_
        self.nullable = True
        self.default: str | None = None
        self.generated: str | None = None
        self.counts = type_.upper() in _SERIAL
        self.keys: list[Key] = []

    def read(self, words: Words) -> Column:
        """Read on to its end."""
        while words.here is not None:
            self._next(words)
        return Column(
            name=self.name,
            type=self.type or None,
            nullable=self.nullable and not self.counts,
            default=self.default,
            generated=self.generated,
            counts=self.counts,
            keys=tuple(self.keys),
        )

    def _next(self, words: Words) -> None:
        if words.take("NOT", "NULL"):
            self.nullable = False
        elif words.take("DEFAULT"):
            first = words.token()
            self.default = written([first, *words.until(*_ENDS)])
        elif words.sees("PRIMARY|UNIQUE|REFERENCES|CHECK"):
            key = key_in(words, of=self.name)
            self.keys += [key] if key is not None else []
        elif words.take("CONSTRAINT"):
            words.name()
        elif words.take("GENERATED"):
            self._generated(words)
        elif words.take("AS"):
            words.group()
            self.generated = "VIRTUAL"
        elif words.take("STORED|PERSISTENT"):
            self.generated = "STORED"
        else:
            self.counts |= words.sees("AUTO_INCREMENT")
            words.token()

    def _generated(self, words: Words) -> None:
        words.until("AS")
        words.need("AS")
        if words.take("IDENTITY"):
            self.counts, self.nullable = True, False
        else:
            words.group()
            self.generated = "VIRTUAL"


def key_in(words: Words, of: str | None = None) -> Key | None:
    """Read a constraint; None where what is next is none.

    :param of: the column with which it stands.
    """
    start, name = words.at, None
    if words.take("CONSTRAINT"):
        words.take("IF", "NOT", "EXISTS")
        name = None if words.sees("PRIMARY|UNIQUE|FOREIGN|CHECK|EXCLUDE") else words.name()
    for first, read in _KEYS:
        if words.take(*first):
            key = read(words, name, of)
            break
    else:
        words.at = start
        return None
    if of is None:
        rest = [token.said for token in words.rest()]
        not_valid = ("NOT", "VALID") in pairwise(rest)
        key = replace(key, not_valid=not_valid)
    return key


def _unique(words: Words, name: str | None, of: str | None) -> Key:
    return _with_columns("unique", words, name, of)


def _primary(words: Words, name: str | None, of: str | None) -> Key:
    return _with_columns("primary-key", words, name, of)


def _with_columns(kind: str, words: Words, name: str | None, of: str | None) -> Key:
    if of is not None:
        words.take("KEY")
        return Key(kind=kind, columns=(of,))
    if words.take("USING", "INDEX"):
        return Key(kind=kind, name=name, using=words.name())
    words.take("INDEX|KEY")
    if words.take("NULLS"):
        words.until("(")
    if not words.sees("("):
        name = words.name()
    return Key(kind=kind, name=name, columns=words.names())


def _foreign(words: Words, name: str | None, _of: str | None) -> Key:
    if not words.sees("("):
        name = words.name()
    columns = words.names()
    words.need("REFERENCES")
    return _reference(words, name, columns)


def _references(words: Words, name: str | None, of: str | None) -> Key:
    return _reference(words, name, (of or "",))


def _reference(words: Words, name: str | None, columns: tuple[str, ...]) -> Key:
    table = words.table()
    targets = words.names() if words.sees("(") else ()
    return Key(kind="foreign-key", name=name, columns=columns, refers=table, refers_columns=targets)


def _check(words: Words, name: str | None, _of: str | None) -> Key:
    return Key(kind="check", name=name, expression=written(words.group()))


def _exclude(words: Words, name: str | None, _of: str | None) -> Key:
    if words.take("USING"):
        words.name()
    columns, operators = [], []
    for part in split_at_commas(words.group()):
        element = Words(part)
        columns.append(element.name())
        element.until("WITH")
        element.need("WITH")
        operators.append("".join(token.text for token in element.rest()))
        if len(part) < 3 or part[1].said == "(":  # a function's call
            return Key(kind="exclude", name=name)
    if any(token.said == "WHERE" for token in words.rest()):
        return Key(kind="exclude", name=name)
    return Key(kind="exclude", name=name, columns=tuple(columns), operators=tuple(operators))


_KEYS = (
    (("PRIMARY", "KEY"), _primary),
    (("UNIQUE",), _unique),
    (("FOREIGN", "KEY"), _foreign),
    (("REFERENCES",), _references),
    (("CHECK",), _check),
    (("EXCLUDE",), _exclude),
)


# -- ALTER COLUMN, MODIFY, CHANGE ------------------------------------------------------------------


def alter_column(words: Words, table: TableName) -> Iterator[Effect]:
    """Read what follows ALTER in ALTER TABLE."""
    words.take("COLUMN")
    words.take("IF", "EXISTS")
    name = words.name()
    yield AltersColumn(table, name)
    if words.take("SET", "NOT", "NULL"):
        yield SetsNullable(table, name, nullable=False)
    elif words.take("DROP", "NOT", "NULL"):
        yield SetsNullable(table, name, nullable=True)
    elif words.take("SET", "DEFAULT"):
        yield SetsDefault(table, name, default=written(words.rest()))
    elif words.take("DROP", "DEFAULT"):
        yield SetsDefault(table, name, default=None)
    elif words.take("TYPE") or words.take("SET", "DATA", "TYPE"):
        yield ChangesType(table, name, to=written(words.until("USING", "COLLATE")))
    elif words.take("ADD"):
        yield Does(table, "add-auto-increment-column", name)
    elif not words.sees("SET|RESET|DROP|RESTART"):
        raise NotUnderstood


def modify_column(words: Words, table: TableName) -> Iterator[Effect]:
    """Read what follows MODIFY in ALTER TABLE of MariaDB and MySQL: the whole column, said again."""
    words.take("COLUMN")
    words.take("IF", "EXISTS")
    yield from _said_again(column_in(words), table)


def change_column(words: Words, table: TableName) -> Iterator[Effect]:
    """Read what follows CHANGE in ALTER TABLE of MariaDB and MySQL: the old name, and the whole column."""
    words.take("COLUMN")
    words.take("IF", "EXISTS")
    old = words.name()
    said = column_in(words)
    yield from _said_again(said, table, old)
    if said.name != old:
        yield RenamesColumn(table, old, said.name)


def _said_again(said: Column, table: TableName, old: str | None = None) -> Iterator[Effect]:
    name = old or said.name
    yield AltersColumn(table, name)
    yield ChangesType(table, name, to=said.type)
    yield SetsNullable(table, name, nullable=said.nullable)
    yield SetsDefault(table, name, default=said.default)
