"""PostgreSQL's own texts of expressions, in a form that survives a dump.

When a text that the server wrote is given to the server again, it may come back in another form; after
that it stays. Two things change, and the rewriting here does what the server's parser does with them:

- a cast of a whole array goes into its elements: ``(ARRAY['a'::character varying])::text[]`` becomes
  ``ARRAY[('a'::character varying)::text]`` (transformTypeCast in parse_expr.c);
- a chain of ANDs or ORs that stands first in a longer one becomes part of it: ``((a AND b) AND c)``
  becomes ``(a AND b AND c)`` (makeAndExpr, makeOrExpr in gram.y).

As the server reads both forms as the same expression, no two different ones become equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""\s+
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | [\w$]+
    | .""",
    re.VERBOSE | re.DOTALL,
)
_CLOSING = {"(": ")", "[": "]"}
# What may follow the first one in the name of a type (format_type.c).
_TYPE_WORDS = frozenset(
    [" ", ".", *"varying precision with without time zone year month day hour minute second to".split()]
)
_NOTHING_TO_DO = re.compile(r"[\w.]*(?:\(\))?\Z|'[^'()\[\]\s]*'(?:::[\w ]+)?\Z")


@dataclass
class _Group:
    """What stands between two brackets."""

    opening: str
    items: list[_Item] = field(default_factory=list)


_Item = str | _Group


def normal_expression(text: str) -> str:
    """Give an expression in its lasting form, without parentheses around the whole. Read-only.

    CURRENT_TIMESTAMP is now() by another name
    (https://www.postgresql.org/docs/current/functions-datetime.html).
    """
    if text == "CURRENT_TIMESTAMP":
        return "now()"
    if _NOTHING_TO_DO.match(text):
        return text
    return _written(_bare(_parsed(text)))


def normal_statement(text: str) -> str:
    """Give a whole statement, such as a view's query, in its lasting form. Read-only."""
    return _written(_parsed(text))


@dataclass(frozen=True, kw_only=True)
class IndexText:
    """What a ``CREATE INDEX`` statement says of an index's method and elements."""

    method: str
    elements: tuple[str, ...]
    include: tuple[str, ...]


_PLAIN_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX [\w.]+ ON (?:ONLY )?[\w.]+ USING (\w+) \(([\w, ]+)\)\Z")


def read_index(definition: str) -> IndexText:
    """Read what ``pg_get_indexdef`` gave: ``… USING method (elements) [INCLUDE (columns)] …``."""
    plain = _PLAIN_INDEX.match(definition)
    if plain is not None:
        return IndexText(method=plain[1], elements=tuple(plain[2].split(", ")), include=())
    items = [item for item in _parsed(definition) if item != " "]
    using = items.index("USING")
    method, elements, *rest = items[using + 1 :]
    assert isinstance(method, str)
    include = rest[1] if rest[:1] == ["INCLUDE"] else _Group("(")
    return IndexText(method=method, elements=_listed(elements), include=_listed(include))


def _listed(group: _Item) -> tuple[str, ...]:
    assert isinstance(group, _Group)
    return tuple(_written(_bare(each)) for each in _split(group.items, ",")) if group.items else ()


# -- reading and writing ---------------------------------------------------------------------------


def _parsed(text: str) -> list[_Item]:
    """Sort a text into brackets, each in its lasting form; any white space becomes one blank."""
    open_groups = [_Group("")]
    for token in _TOKEN.findall(text):
        inner = open_groups[-1]
        if token in _CLOSING:
            open_groups.append(_Group(token))
        elif inner.opening and token == _CLOSING[inner.opening]:
            open_groups.pop()
            open_groups[-1].items.append(_lasting(inner))
        else:
            inner.items.append(" " if token.isspace() else token)
    assert len(open_groups) == 1, f"brackets do not match: {text}"
    return _lasting(open_groups[0]).items


def _written(items: Sequence[_Item]) -> str:
    return "".join(_pieces(items)).strip()


def _pieces(items: Sequence[_Item]) -> Iterator[str]:
    for item in items:
        if isinstance(item, str):
            yield item
        else:
            yield item.opening
            yield from _pieces(item.items)
            yield _CLOSING[item.opening]


def _bare(items: Sequence[_Item]) -> Sequence[_Item]:
    """Take away parentheses around the whole."""
    items = _trimmed(items)
    if len(items) == 1 and isinstance(items[0], _Group) and items[0].opening == "(":
        return _bare(items[0].items)
    return items


def _trimmed(items: Sequence[_Item]) -> list[_Item]:
    """Take away blanks at both ends; there is never more than one."""
    return list(items[items[:1] == [" "] : len(items) - (items[-1:] == [" "])])


def _split(items: Sequence[_Item], separator: str) -> list[list[_Item]]:
    parts: list[list[_Item]] = [[]]
    for item in items:
        if item == separator:
            parts.append([])
        else:
            parts[-1].append(item)
    return parts


# -- the two rewritings ----------------------------------------------------------------------------


def _lasting(group: _Group) -> _Group:
    return _Group(group.opening, _flat_chain(_casts_in_elements(_trimmed(group.items))))


def _flat_chain(items: list[_Item]) -> list[_Item]:
    for word, other in (("AND", "OR"), ("OR", "AND")):
        if word not in items or other in items:
            continue
        first, *_ = _split(items, word)
        inner = first[0] if len(first) == 2 else ""  # the group and a blank
        if isinstance(inner, _Group) and inner.opening == "(" and _is_chain(inner.items, word):
            return [*inner.items, *items[1:]]
    return items


def _is_chain(items: Sequence[_Item], word: str) -> bool:
    """Say whether these are operands of one operator, each in parentheses or a simple word."""
    return word in items and not {"AND", "OR", "BETWEEN", "SELECT"} - {word} & _words(items)


def _words(items: Sequence[_Item]) -> set[str]:
    return {item for item in items if isinstance(item, str)}


def _casts_in_elements(items: list[_Item]) -> list[_Item]:
    position = 0
    while position < len(items):
        array = _array_in(items[position])
        if array is not None and items[position + 1 : position + 3] == [":", ":"]:
            end = _end_of_array_type(items, position + 3)
            if end is not None:
                name = items[position + 3 : end - 1]
                items = [*items[:position], "ARRAY", _cast_elements(array, name), *items[end:]]
        position += 1
    return items


def _array_in(item: _Item) -> _Group | None:
    """Give the brackets of ``(ARRAY[…])``."""
    if isinstance(item, _Group) and item.opening == "(" and len(item.items) == 2:
        word, array = item.items
        if word == "ARRAY" and isinstance(array, _Group) and array.items:
            return array
    return None


def _end_of_array_type(items: Sequence[_Item], start: int) -> int | None:
    """Say where the name of an array type ends that begins here; None if it is none."""
    for position in range(start, len(items)):
        item = items[position]
        if isinstance(item, _Group):
            if item.opening == "[":
                return None if item.items else position + 1
        elif position > start and items[position - 1] != "." and item not in _TYPE_WORDS:
            return None
    return None


def _cast_elements(array: _Group, name: Sequence[_Item]) -> _Group:
    cast: list[_Item] = []
    for number, element in enumerate(_split(array.items, ",")):
        bare = _trimmed(element)
        cast += [",", " "] if number else []
        if len(bare) == 2 and bare[0] == "ARRAY" and isinstance(bare[1], _Group):
            cast += ["ARRAY", _cast_elements(bare[1], name)]
        else:
            cast += [_Group("(", bare), ":", ":", *name]
    return _Group("[", cast)
