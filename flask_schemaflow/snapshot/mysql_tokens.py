"""Read what MariaDB and MySQL print: quoted names and texts, parentheses, version comments.

(https://mariadb.com/kb/en/identifier-names/, https://mariadb.com/kb/en/string-literals/,
https://mariadb.com/kb/en/comment-syntax/.) It is read in a session without ANSI_QUOTES and
NO_BACKSLASH_ESCAPES, so that the quotes mean the same in every text that the server prints itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

QUOTED_NAME = r"`(?:[^`]|``)*`"
QUOTED_TEXT = r"'(?:[^'\\]|\\.|'')*'"

_TOKEN = re.compile(
    rf"""(?P<comment>--(?=[\s\x00-\x1f]|\Z)[^\n]*|\#[^\n]*|/\*(?!!|M!|\+).*?(?:\*/|\Z))
    |(?P<space>\s+)
    |(?P<text>{QUOTED_TEXT}|"(?:[^"\\]|\\.|"")*")
    |(?P<name>{QUOTED_NAME})
    |(?P<word>[\w$@\u0080-\U0010ffff]+)
    |(?P<operator><=>|<<|>>|<>|!=|<=|>=|:=|\|\||&&|->>|->|.)""",
    re.VERBOSE | re.DOTALL,
)
_LINE = re.compile(r"(?:[^`'\n]+|`[^`]*`|'(?:[^'\\]+|\\.)*')+", re.DOTALL)
_VERSION_COMMENT = re.compile(rf"({QUOTED_NAME}|{QUOTED_TEXT})|/\*M?!\d*\s?|\s?\*/", re.DOTALL)
_BRACKET = re.compile(rf"{QUOTED_NAME}|{QUOTED_TEXT}|[()]", re.DOTALL)
_PIECE = re.compile(rf"{QUOTED_NAME}|{QUOTED_TEXT}|[(), ]|[^`'(), ]+", re.DOTALL)
_QUOTED = re.compile(rf"{QUOTED_TEXT}|{QUOTED_NAME}", re.DOTALL)
_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\Z")


class UnreadableText(Exception):
    """A statement is not what the server's grammar says; it is compared as a whole then."""


def lines_of(text: str) -> list[str]:
    """Split a statement at its line ends, those within quotes left alone."""
    return _LINE.findall(text)


def without_version_comments(text: str) -> str:
    """Take away the marks around what only newer servers understand, and keep what is between them."""
    if "*/" not in text:
        return text
    return _VERSION_COMMENT.sub(lambda match: match[1] or "", text)


def unquoted(name: str) -> str:
    """Take the backticks of a name away."""
    return name[1:-1].replace("``", "`")


def quoted(name: str) -> str:
    """Put backticks around a name."""
    return "`" + name.replace("`", "``") + "`"


def with_plain_names(text: str) -> str:
    """Write names without backticks where they need none."""
    return _QUOTED.sub(lambda match: _plain(match[0]), text)


def _plain(text: str) -> str:
    return text[1:-1] if text[0] == "`" and _SIMPLE.match(text[1:-1]) else text


def closing(text: str, start: int) -> int:
    """Give the position of the parenthesis that closes the one at ``start``.

    :raises UnreadableText: there is none.
    """
    depth = 0
    for match in _BRACKET.finditer(text, start):
        if match[0] in "()":
            depth += 1 if match[0] == "(" else -1
            if depth == 0:
                return match.start()
    raise UnreadableText("parentheses do not match")


def end_of_word(text: str, start: int, stops: str = " ") -> int:
    """Give the position of the first of these characters that is in no quotes and no parentheses."""
    depth = 0
    for match in _PIECE.finditer(text, start):
        piece = match[0]
        if depth == 0 and piece in stops:
            return match.start()
        depth += (piece == "(") - (piece == ")")
    return len(text)


def elements_of(text: str) -> list[str]:
    """Split a list at its commas, those within quotes and parentheses left alone."""
    found, at = [], 0
    while at <= len(text):
        end = end_of_word(text, at, ",")
        found.append(text[at:end].strip())
        at = end + 1
    return found


def without_outer_parentheses(text: str) -> str:
    """Take away pairs of parentheses that enclose everything."""
    while text.startswith("(") and closing(text, 0) == len(text) - 1:
        text = text[1:-1]
    return text


def without_database(text: str, database: str) -> str:
    """Take a database's own name away from the names of its tables, functions and sequences.

    The server writes it in some places (functions, sequences, views that also read another database). Where
    something else has the same name (an alias), only what cannot be that alias is shortened.
    """
    if database not in text:
        return text
    tokens = list(_tokens(text))
    mine = [at for at, (kind, raw) in enumerate(tokens) if _is_name(kind, raw, database)]
    qualifies = {at for at in mine if _raw(tokens, at + 1) == "." and _raw(tokens, at - 1) != "."}
    if len(qualifies) < len(mine):
        qualifies = {at for at in qualifies if _cannot_be_an_alias(tokens, at)}
    left_out = qualifies | {at + 1 for at in qualifies}
    return "".join(raw for at, (_, raw) in enumerate(tokens) if at not in left_out)


def _cannot_be_an_alias(tokens: list[tuple[str, str]], at: int) -> bool:
    of_a_sequence = _raw(tokens, at - 1) == "(" and _raw(tokens, at - 2) in ("nextval", "lastval", "setval")
    return of_a_sequence or _raw(tokens, at + 3) in (".", "(")


def _is_name(kind: str, raw: str, name: str) -> bool:
    return (kind == "name" and unquoted(raw) == name) or (kind == "word" and raw == name)


def _raw(tokens: list[tuple[str, str]], at: int) -> str:
    return tokens[at][1] if 0 <= at < len(tokens) else ""


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(text):
        yield match.lastgroup or "", match[0]


def normal_text(text: str) -> str:
    """Give a text that a person typed (a trigger's, a routine's) without comments and extra spaces.

    Comments are no part of it: the command line client takes them away when it restores a dump
    (https://mariadb.com/kb/en/mariadb-command-line-client/#-c-comments).
    """
    written, gap = "", False
    for kind, raw in _tokens(text):
        if kind in ("space", "comment"):
            gap = True
            continue
        tight = not written or raw in (",", ")", ".", ";") or written[-1] in "(."
        written += f" {raw}" if gap and not tight else raw
        gap = False
    return written.rstrip("; ")


def names_read(text: str) -> frozenset[str]:
    """Give every name of a view's text that may be a table in the view's own database."""
    found, before = set(), ""
    for kind, raw in _tokens(text):
        if kind == "name" and before not in (".", "AS"):
            found.add(unquoted(raw))
        before = raw if kind != "space" else before
    return frozenset(found)
