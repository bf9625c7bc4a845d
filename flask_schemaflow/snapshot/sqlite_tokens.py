"""Read the text that SQLite keeps of a table, an index, a view or a trigger.

SQLite has no normal form: ``sqlite_master`` holds what was typed. Two texts are the same here when their
tokens are, by SQLite's own lexical rules: keyword case, white space, comments, identifier quotes and outer
parentheses do not count, everything else does.
(https://sqlite.org/lang_createtable.html, tokenize.c and parse.y in SQLite's source.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

_SPACE = r"\s+|--[^\n]*|/\*.*?(?:\*/|\Z)"
_KINDS = {
    "string": r"'(?:[^']|'')*'",
    "blob": r"[xX]'[0-9A-Fa-f]*'",
    "quoted": r'"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]',
    "number": r"0[xX][0-9A-Fa-f]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?",
    "word": r"[A-Za-z_\u0080-\U0010ffff][\w$\u0080-\U0010ffff]*",
    "operator": r"\|\||->>|->|<<|>>|<=|>=|==|!=|<>|.",
}
_TOKEN = re.compile("|".join(f"(?P<{kind}>{text})" for kind, text in _KINDS.items()), re.DOTALL)
_NEXT_TOKEN = re.compile(rf"(?:{_SPACE})*({'|'.join(_KINDS.values())}|\Z)", re.DOTALL)
_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

# Words that can never be a name without quotes (parse.y), and those that mean a value.
RESERVED = frozenset(
    """ADD ALL ALTER AND AS AUTOINCREMENT BETWEEN CASE CHECK COLLATE COMMIT CONSTRAINT CREATE CROSS
    CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP DEFAULT DEFERRABLE DELETE DISTINCT DROP ELSE ESCAPE
    EXCEPT EXISTS FALSE FOREIGN FROM FULL GROUP HAVING IN INDEX INNER INSERT INTERSECT INTO IS ISNULL
    JOIN LEFT LIMIT NATURAL NOT NOTHING NOTNULL NULL ON OR ORDER OUTER PRIMARY REFERENCES RETURNING
    RIGHT SELECT SET TABLE THEN TO TRANSACTION TRUE UNION UNIQUE UPDATE USING VALUES WHEN WHERE""".split()
)
# Keywords that parse.y lets stand for a name (%fallback ID …).
_FALLBACK = frozenset(
    """ABORT ACTION AFTER ALWAYS ANALYZE ASC ATTACH BEFORE BEGIN BY CASCADE CAST COLUMN CONFLICT CURRENT
    DATABASE DEFERRED DESC DETACH DO EACH END EXCLUDE EXCLUSIVE EXPLAIN FAIL FILTER FIRST FOLLOWING FOR
    GENERATED GLOB GROUPS IF IGNORE IMMEDIATE INDEXED INITIALLY INSTEAD KEY LAST LIKE MATCH MATERIALIZED
    NO NULLS OF OFFSET OTHERS OVER PARTITION PLAN PRAGMA PRECEDING QUERY RAISE RANGE RECURSIVE REGEXP
    REINDEX RELEASE RENAME REPLACE RESTRICT ROLLBACK ROW ROWS SAVEPOINT TEMP TEMPORARY TIES TRIGGER
    UNBOUNDED VACUUM VIEW VIRTUAL WINDOW WITH WITHOUT""".split()
)
_KEYWORDS = RESERVED | _FALLBACK


@dataclass(frozen=True, slots=True)
class Token:
    """One token: ``kind`` as in the lexer, ``text`` in its normal form, ``raw`` as it was typed.

    ``said`` is an unquoted word or an operator in capitals, empty for all else; ``written`` is what stands
    for it in a normal text.
    """

    kind: str
    text: str
    raw: str = field(default="", compare=False)
    said: str = field(default="", compare=False)
    written: str = field(default="", compare=False)

    def is_word(self, *words: str) -> bool:
        """Say whether it is one of these unquoted words, in any case."""
        return self.kind == "word" and self.said in words


class UnreadableText(Exception):
    """A statement is not what SQLite's grammar says; it is compared as a whole then."""


def tokens_of(text: str) -> list[Token]:
    """Split a statement into tokens in their normal form, without spaces and comments."""
    return [_normal(each) for each in _NEXT_TOKEN.findall(text) if each]


def placed_tokens(text: str) -> list[tuple[Token, int, int]]:
    """Give the tokens with where each begins and ends in the text."""
    found = _NEXT_TOKEN.finditer(text)
    return [(_normal(each[1]), each.start(1), each.end(1)) for each in found if each[1]]


@lru_cache(maxsize=10_000)
def _normal(raw: str) -> Token:
    match = _TOKEN.match(raw)
    assert match is not None
    kind = match.lastgroup or ""
    if kind == "quoted":
        name = unquoted(raw)
        return Token("name", name, raw, written=element_of(name))
    upper = raw.upper()
    if kind == "word":
        text = upper if upper in _KEYWORDS else raw
        return Token(kind, text, raw, said=upper, written=text)
    if kind == "operator":
        return Token(kind, raw, raw, said=raw, written=raw)
    text = raw.lower() if kind in ("number", "blob") else raw
    return Token(kind, text, raw, written=text)


def unquoted(text: str) -> str:
    """Take the quotes of a name or text away."""
    if text[0] == "[":
        return text[1:-1]
    return text[1:-1].replace(text[0] * 2, text[0])


def render(tokens: Iterable[Token]) -> str:
    """Write tokens in the one way that equal token streams share."""
    text, before = "", None
    for token in tokens:
        written = token.written
        tight = before is None or written in (",", ")", ".", ";") or before.text in ("(", ".")
        call = written == "(" and before is not None and _can_be_called(before)
        text += written if tight or call else f" {written}"
        before = token
    return text


def _can_be_called(token: Token) -> bool:
    return token.kind == "name" or (token.kind == "word" and token.text not in RESERVED)


def normal_text(text: str) -> str:
    """Give a whole statement in its normal form."""
    return render(tokens_of(text))


def without_outer_parentheses(tokens: Sequence[Token]) -> Sequence[Token]:
    """Take away pairs of parentheses that enclose everything."""
    while len(tokens) >= 2 and tokens[0].text == "(" and closing(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return tokens


def closing(tokens: Sequence[Token], start: int) -> int:
    """Give the position of the parenthesis that closes the one at ``start``."""
    depth = 0
    for position in range(start, len(tokens)):
        token = tokens[position]
        if token.kind == "operator":
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                return position
    raise UnreadableText("parentheses do not match")


@lru_cache(maxsize=10_000)
def element_of(name: str) -> str:
    """Give a name as a normal text has it: in an expression, or in the list of a key or an index."""
    if _SIMPLE.match(name):
        upper = name.upper()
        if upper in _FALLBACK:
            return upper
        if upper not in RESERVED:
            return name
    return '"' + name.replace('"', '""') + '"'


def names_in(text: str) -> frozenset[str]:
    """Give every name and word of a statement: what it may refer to."""
    return frozenset(token.text for token in tokens_of(text) if token.kind in ("name", "word"))
