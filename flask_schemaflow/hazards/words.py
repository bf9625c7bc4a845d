"""Take SQL word by word: names, texts, brackets; comments and white space left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..revisions import TableName

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*(?!!).*?\*/)
    |(?P<text>[eEnNbBxX]?'(?:[^'\\]|\\.|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[A-Za-z_][^\]]*\])
    |(?P<word>[^\W\d][\w$]*|@@?[\w.]+)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<operator>::|<=|>=|<>|!=|\|\||&&|.)""",
    re.VERBOSE | re.DOTALL,
)


class NotUnderstood(Exception):
    """A statement goes on otherwise than expected."""


@dataclass(frozen=True)
class Token:
    """One word, name, text or sign; ``said`` is an unquoted word or a sign in capitals."""

    text: str
    said: str
    kind: str
    at: int


def tokens_of(sql: str) -> list[Token]:
    """Split SQL into tokens."""
    found = []
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or ""
        kind = "text" if kind == "tag" else kind
        if kind != "space":
            said = match[0].upper() if kind in ("word", "operator", "number") else ""
            found.append(Token(match[0], said, kind, match.start()))
    return found


def statements_in(sql: str) -> list[tuple[list[Token], str]]:
    """Split SQL at its semicolons into statements, each with its text; what is empty is left out."""
    parts = [each for each in _split(tokens_of(sql), ";") if each]
    return [(each, sql[each[0].at : each[-1].at + len(each[-1].text)]) for each in parts]


def _split(tokens: Sequence[Token], sign: str) -> Iterator[list[Token]]:
    depth = 0
    part: list[Token] = []
    for token in tokens:
        depth += (token.said in ("(", "[")) - (token.said in (")", "]"))
        if token.said == sign and depth == 0:
            yield part
            part = []
        else:
            part.append(token)
    yield part


def unquoted(text: str) -> str:
    """Take the quotes of a name or a text away."""
    if text[0] == "[":
        return text[1:-1]
    quote = text[-1]
    if quote in "\"`'":
        return text[text.index(quote) + 1 : -1].replace(quote * 2, quote)
    return text


class Words:
    """A place in a statement, from which it is read on."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens, self.at = tokens, 0

    @property
    def here(self) -> Token | None:
        """The next token."""
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def sees(self, *words: str) -> bool:
        """Say whether these words are next, a choice written A|B."""
        ahead = self.tokens[self.at : self.at + len(words)]
        return len(ahead) == len(words) and all(
            token.said in word.split("|") for token, word in zip(ahead, words, strict=True)
        )

    def take(self, *words: str) -> bool:
        """Go on behind these words if they are next."""
        if not self.sees(*words):
            return False
        self.at += len(words)
        return True

    def need(self, *words: str) -> None:
        """Go on behind these words.

        :raises NotUnderstood: they are not next.
        """
        if not self.take(*words):
            raise NotUnderstood

    def token(self) -> Token:
        """Take one token.

        :raises NotUnderstood: there is none.
        """
        if self.here is None:
            raise NotUnderstood
        self.at += 1
        return self.tokens[self.at - 1]

    def name(self) -> str:
        """Take a name, without its quotes.

        :raises NotUnderstood: none is next.
        """
        token = self.token()
        if token.kind not in ("word", "name"):
            raise NotUnderstood
        return unquoted(token.text)

    def table(self) -> TableName:
        """Take the name of a table or another object, with its schema."""
        names = [self.name()]
        while self.take("."):
            names.append(self.name())
        return TableName(names[-2] if len(names) > 1 else None, names[-1])

    def tables(self) -> Iterator[TableName]:
        """Take names between commas."""
        yield self.table()
        while self.take(","):
            self.take("ONLY")
            yield self.table()

    def group(self) -> list[Token]:
        """Take what stands in brackets.

        :raises NotUnderstood: none are next.
        """
        self.need("(")
        start, depth = self.at, 1
        while depth:
            depth += {"(": 1, ")": -1}.get(self.token().said, 0)
        return list(self.tokens[start : self.at - 1])

    def names(self) -> tuple[str, ...]:
        """Take names in brackets; what follows a name, as its length or order, does not count."""
        return tuple(Words(part).name() for part in _split(self.group(), ","))

    def columns(self) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
        """Take the elements of an index: the columns, None where one is an expression; and as written."""
        parts = [part for part in _split(self.group(), ",") if part]
        plain = all(part[0].kind in ("word", "name") and not _is_call(part) for part in parts)
        names = tuple(unquoted(part[0].text) for part in parts) if plain else None
        return names, tuple(written(part) for part in parts)

    def until(self, *stops: str) -> list[Token]:
        """Take all before one of these words, those in brackets left alone."""
        start, depth = self.at, 0
        while self.here is not None and (depth or self.here.said not in stops):
            depth += {"(": 1, ")": -1}.get(self.token().said, 0)
        return list(self.tokens[start : self.at])

    def rest(self) -> list[Token]:
        """Take all that is left."""
        return self.until()


def _is_call(part: Sequence[Token]) -> bool:
    """Say whether it is a function's call; ``name(10)`` is a column with a length."""
    return len(part) > 2 and part[1].said == "(" and part[2].kind != "number"


def split_at_commas(tokens: Sequence[Token]) -> list[list[Token]]:
    """Split tokens at the commas outside of brackets."""
    return [part for part in _split(tokens, ",") if part]


def written(tokens: Sequence[Token]) -> str:
    """Write tokens as SQL again."""
    text, before = "", ""
    for token in tokens:
        tight = (
            not text or token.said in (")", ",", ".", "(", "[", "]", "::") or before in ("(", ".", "[", "::")
        )
        text += token.text if tight else f" {token.text}"
        before = token.said
    return text
