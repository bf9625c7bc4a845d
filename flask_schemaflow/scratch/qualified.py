"""Tell ``shop.items``, a table of another database, from ``shop.id``, a column of a table named ``shop``.

In MariaDB and MySQL a name with one dot is a column wherever an expression stands, and a table or routine
of a database wherever a table or call stands (https://mariadb.com/kb/en/identifier-qualifiers/).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"(?P<quoted>`(?:[^`]|``)*`)|(?P<word>[\w$]+)|[^\s]")
# What a comma goes on with after these: tables, or expressions.
_LISTS_TABLES = frozenset("FROM JOIN UPDATE DELETE INTO TABLE TABLES USING TO VIEW TRUNCATE".split())
_LISTS_EXPRESSIONS = frozenset("SELECT SET WHERE HAVING BY VALUES RETURNING".split())
_JOINS = frozenset("FROM JOIN UPDATE DELETE USING".split())
_BEGINS_ANEW = frozenset("; BEGIN THEN DO ELSE UNION EXCEPT INTERSECT".split())
# What an expression stands behind, whatever is around it.
_BEFORE_EXPRESSIONS = frozenset(
    "= < > ! + - * / % | & ^ ~ SELECT WHERE HAVING AND OR NOT XOR BY DISTINCT CASE WHEN IS BETWEEN IN DIV "
    "MOD REGEXP RLIKE BINARY RETURN INTERVAL SET".split()
)
_TAKES_FROM = frozenset("EXTRACT TRIM SUBSTRING SUBSTR MID".split())
_TAKES_SEQUENCE = frozenset("NEXTVAL LASTVAL SETVAL".split())


@dataclass
class _Level:
    """What is known between two parentheses: what stands before them, and what a comma goes on with."""

    opener: str = ""
    lists_expressions: bool = False
    joins: bool = False


def named_database(statement: str, others: Collection[str]) -> str | None:
    """Give the first name in a statement that leads to one of these databases, with its dot.

    A name counts as a column's only where an expression stands, and where the statement has it as the name of
    a table too. Never touches a database.

    :param statement: without texts and comments.
    """
    tokens = [match[0] for match in _TOKEN.finditer(statement)]
    words = [each.upper() for each in tokens]
    bare = {name for name, before, after in _around(tokens) if "." not in (before, after)}
    if words[:1] in (["GRANT"], ["REVOKE"]):
        bare = set()
    is_like_of_table = words[:1] == ["CREATE"] and "TABLE" in words[1:5]
    levels = [_Level()]
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        after = words[place + 1 : place + 2]
        name = _unquoted(tokens[place])
        if after == ["."] and before != "." and name in others:
            is_column = _stands_for_expression(before, levels[-1], is_like_of_table=is_like_of_table)
            if not is_column or name not in bare or words[place + 3 : place + 4] in (["("], ["."]):
                return f"{tokens[place]}."
        _step(levels, word, before)
    return None


def _around(tokens: list[str]) -> Iterator[tuple[str, str, str]]:
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        yield _unquoted(token), before, after


def _unquoted(token: str) -> str:
    return token[1:-1].replace("``", "`") if token.startswith("`") else token


def _stands_for_expression(before: str, level: _Level, *, is_like_of_table: bool) -> bool:
    if before in _BEFORE_EXPRESSIONS:
        return True
    if before in (",", "("):
        return level.lists_expressions
    if before == "ON":
        return level.joins
    if before == "LIKE":
        return not is_like_of_table
    return before == "FROM" and level.opener in _TAKES_FROM


def _step(levels: list[_Level], word: str, before: str) -> None:
    """Go one token on."""
    level = levels[-1]
    if word == "(":
        is_table = not level.lists_expressions and before in (*_LISTS_TABLES, ",", "(", "")
        levels.append(_Level(opener=before, lists_expressions=not is_table and before not in _TAKES_SEQUENCE))
    elif word == ")" and len(levels) > 1:
        levels.pop()
    elif word in _BEGINS_ANEW:
        levels[-1] = _Level(opener=level.opener)
    elif before == ".":
        return
    elif word == "ON" and before in ("UPDATE", "DELETE"):
        level.joins = False  # of a trigger
    elif word in _LISTS_TABLES and not (word == "FROM" and level.opener in _TAKES_FROM):
        level.lists_expressions = before == "KEY"  # ON DUPLICATE KEY UPDATE
        level.joins = level.joins or word in _JOINS
    elif word in _LISTS_EXPRESSIONS:
        level.lists_expressions = True
