"""Read ``CREATE TABLE`` and ``CREATE INDEX`` as SQLite's grammar says.

(https://sqlite.org/lang_createtable.html, parse.y in SQLite's source.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .sqlite_tokens import (
    Token,
    UnreadableText,
    closing,
    element_of,
    render,
    tokens_of,
    unquoted,
    without_outer_parentheses,
)


@dataclass
class Clause:
    """One constraint of a column or table; ``words`` are further facts by name."""

    kind: str
    name: str | None = None
    columns: tuple[str, ...] = ()
    words: dict[str, str] = field(default_factory=dict)


@dataclass
class ColumnText:
    """A column as it was written."""

    name: str
    type: str
    clauses: list[Clause] = field(default_factory=list)


@dataclass
class TableText:
    """A ``CREATE TABLE`` statement as it was written."""

    columns: list[ColumnText]
    clauses: list[Clause]
    options: tuple[str, ...]


def read_table(text: str) -> TableText:
    """Read a ``CREATE TABLE`` statement.

    :raises UnreadableText: it does not follow the grammar.
    """
    return _Parser(tokens_of(text)).table()


def clauses_of_column(tokens: Sequence[Token]) -> tuple[ColumnText, list[tuple[Clause, int, int]]]:
    """Read one column, and say from which token to which each of its clauses goes.

    :raises UnreadableText: it does not follow the grammar.
    """
    parser = _Parser(tokens)
    column = ColumnText(parser.name(), parser.type_name())
    found = []
    while parser.peek() is not _END:
        start = parser.at
        clause = parser.next_column_clause(column)
        if clause is not None:
            column.clauses.append(clause)
            found.append((clause, start, parser.at))
    return column, found


def clause_of_table(tokens: Sequence[Token]) -> Clause | None:
    """Read one constraint of a table; None where the tokens are those of a column.

    :raises UnreadableText: it does not follow the grammar, or there is more than one.
    """
    parser = _Parser(tokens)
    if parser.said[0] not in _TABLE_CLAUSES:
        return None
    clause = parser.table_clause()
    if parser.peek() is not _END:
        raise UnreadableText(f"unexpected {parser.peek().text!r} after a constraint")
    return clause


_COLUMN_CLAUSES = frozenset(
    "CONSTRAINT PRIMARY NOT NULL UNIQUE CHECK DEFAULT COLLATE REFERENCES GENERATED AS DEFERRABLE".split()
)
_TABLE_CLAUSES = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})
_VALUE_CLAUSES = frozenset({"DEFAULT", "COLLATE", "GENERATED", "AS"})
_END = Token("end", "")


class _Parser:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = [*tokens, _END, _END]
        self.said = [token.said for token in self.tokens]
        self.at = 0

    # tokens

    def peek(self) -> Token:
        return self.tokens[self.at]

    def next(self) -> Token:
        token = self.tokens[self.at]
        if token is not _END:
            self.at += 1
        return token

    def take(self, *words: str) -> bool:
        """Take this sequence of words or operators if it comes next."""
        at = self.at
        for word in words:
            if self.said[at] != word:
                return False
            at += 1
        self.at = at
        return True

    def expect(self, *words: str) -> None:
        if not self.take(*words):
            raise UnreadableText(f"expected {' '.join(words)}, found {self.peek().text!r}")

    def name(self) -> str:
        token = self.next()
        if token.kind not in ("word", "name", "string"):
            raise UnreadableText(f"expected a name, found {token.text!r}")
        return token.raw if token.kind == "word" else unquoted(token.raw)

    def group(self) -> Sequence[Token]:
        """Take a parenthesised group and give what is inside."""
        if self.peek().text != "(":
            raise UnreadableText(f"expected (, found {self.peek().text!r}")
        end = closing(self.tokens, self.at)
        inside = self.tokens[self.at + 1 : end]
        self.at = end + 1
        return inside

    def rest(self) -> Sequence[Token]:
        return self.tokens[self.at : self.tokens.index(_END)]

    def expression(self) -> str:
        return render(without_outer_parentheses(self.group()))

    def elements(self) -> tuple[str, ...]:
        """Take a parenthesised list and give each element in its normal form."""
        parts: list[list[Token]] = [[]]
        depth = 0
        for token in self.group():
            if token.kind == "operator":
                depth += (token.text == "(") - (token.text == ")")
            if token.text == "," and token.kind == "operator" and depth == 0:
                parts.append([])
            else:
                parts[-1].append(token)
        return tuple(_element(part) for part in parts)

    # grammar

    def table(self) -> TableText:
        self.expect("CREATE")
        if not self.take("TEMP"):
            self.take("TEMPORARY")
        self.expect("TABLE")
        self.take("IF", "NOT", "EXISTS")
        self.name()
        if self.take("."):
            self.name()
        self.expect("(")
        columns = [self.column()]
        clauses: list[Clause] = []
        while self.take(","):
            if self.said[self.at] in _TABLE_CLAUSES:
                break
            columns.append(self.column())
        while not self.take(")"):
            clauses.append(self.table_clause())
            self.take(",")
        return TableText(columns, clauses, self.options())

    def options(self) -> tuple[str, ...]:
        found = []
        while self.peek().kind != "end":
            if self.take("WITHOUT"):
                self.name()
                found.append("WITHOUT ROWID")
            elif self.peek().is_word("STRICT"):
                self.next()
                found.append("STRICT")
            else:
                self.expect(",")
        return tuple(sorted(found))

    def column(self) -> ColumnText:
        column = ColumnText(self.name(), self.type_name())
        while self.said[self.at] not in (",", ")"):
            clause = self.next_column_clause(column)
            if clause is not None:
                column.clauses.append(clause)
        return column

    def next_column_clause(self, column: ColumnText) -> Clause | None:
        """Take a clause with its name; None where there is a name only."""
        name = None
        while self.take("CONSTRAINT"):
            name = self.name()
        if self.said[self.at] in (",", ")") or self.peek() is _END:
            return None
        return self.column_clause(name, column)

    def type_name(self) -> str:
        words = []
        while self.peek().kind in ("word", "name", "string") and self.said[self.at] not in _COLUMN_CLAUSES:
            words.append(self.name().upper())
        text = " ".join(words)
        if words and self.peek().text == "(":
            text += "(" + ", ".join(t.written for t in self.group() if t.text != ",") + ")"
            text = text.replace("(- ", "(-").replace(", - ", ", -")
        return text

    def column_clause(self, name: str | None, column: ColumnText) -> Clause:
        if self.take("PRIMARY", "KEY"):
            return self.column_key(name, column)
        if self.take("NOT", "NULL"):
            return Clause("not-null", name, words=self.conflict())
        if self.said[self.at] in _VALUE_CLAUSES:
            return self.value_clause(name, column)
        if self.take("NULL"):
            return Clause("null", name, words=self.conflict())
        if self.take("UNIQUE"):
            return Clause("unique", name, (element_of(column.name),), self.conflict())
        if self.take("CHECK"):
            return Clause("check", name, words={"expression": self.expression(), **self.conflict()})
        if self.peek().is_word("REFERENCES"):
            return self.references(name, (column.name,))
        if self.peek().is_word("NOT", "DEFERRABLE"):
            return Clause("deferrable", name, words=self.deferrable())
        return self.value_clause(name, column)

    def column_key(self, name: str | None, column: ColumnText) -> Clause:
        descending = self.take("DESC")
        if not descending:
            self.take("ASC")
        words = self.conflict()
        if self.take("AUTOINCREMENT"):
            words["autoincrement"] = "yes"
        if descending:
            words["inline-desc"] = "yes"
        element = element_of(column.name) + (" DESC" if descending else "")
        return Clause("primary-key", name, (element,), words)

    def value_clause(self, name: str | None, column: ColumnText) -> Clause:
        if self.take("DEFAULT"):
            return Clause("default", name, words={"default": self.default()})
        if self.take("COLLATE"):
            return Clause("collate", name, words={"collation": self.name().upper()})
        if self.take("GENERATED", "ALWAYS", "AS") or self.take("AS"):
            return Clause("generated", name, words={"generated": self.generated()})
        raise UnreadableText(f"unexpected {self.peek().text!r} in column {column.name}")

    def default(self) -> str:
        if self.peek().text == "(":
            return self.expression()
        sign = self.next().text if self.peek().text in ("+", "-") else ""
        value = self.next().written
        return value if sign in ("", "+") else f"- {value}"

    def generated(self) -> str:
        expression = self.expression()
        kind = "STORED" if self.take("STORED") else "VIRTUAL"
        if kind == "VIRTUAL":
            self.take("VIRTUAL")
        return f"({expression}) {kind}"

    def table_clause(self) -> Clause:
        name = self.name() if self.take("CONSTRAINT") else None
        if self.take("PRIMARY", "KEY"):
            columns = self.elements()
            words = {}
            if columns[-1].endswith(" AUTOINCREMENT"):
                words["autoincrement"] = "yes"
                columns = (*columns[:-1], columns[-1].removesuffix(" AUTOINCREMENT"))
            return Clause("primary-key", name, columns, {**words, **self.conflict()})
        if self.take("UNIQUE"):
            return Clause("unique", name, self.elements(), self.conflict())
        if self.take("CHECK"):
            return Clause("check", name, words={"expression": self.expression(), **self.conflict()})
        if self.take("FOREIGN", "KEY"):
            return self.references(name, self.column_list())
        raise UnreadableText(f"unexpected {self.peek().text!r} among the table's constraints")

    def column_list(self) -> tuple[str, ...]:
        inside = _Parser(self.group())
        names = [inside.name()]
        while inside.take(","):
            names.append(inside.name())
        return tuple(names)

    def references(self, name: str | None, columns: tuple[str, ...]) -> Clause:
        self.expect("REFERENCES")
        words = {"table": self.name()}
        if self.peek().text == "(":
            words["references"] = _list_of(self.column_list())
        while True:
            if self.take("ON", "DELETE"):
                self.action(words, "on-delete")
            elif self.take("ON", "UPDATE"):
                self.action(words, "on-update")
            elif self.take("MATCH"):
                words["match"] = self.name().upper()
            elif self.said[self.at] == "DEFERRABLE" or self.said[self.at : self.at + 2] == [
                "NOT",
                "DEFERRABLE",
            ]:
                words.update(self.deferrable())
            else:
                break
        return Clause("foreign-key", name, columns, words)

    def action(self, words: dict[str, str], key: str) -> None:
        text = self.next().text.upper()
        if text in ("SET", "NO"):
            text = f"{text} {self.next().text.upper()}"
        if text != "NO ACTION":
            words[key] = text

    def deferrable(self) -> dict[str, str]:
        negated = self.take("NOT")
        self.expect("DEFERRABLE")
        initially = "IMMEDIATE"
        if self.take("INITIALLY"):
            initially = self.next().text.upper()
        return {} if negated else {"deferrable": f"DEFERRABLE INITIALLY {initially}"}

    def conflict(self) -> dict[str, str]:
        if not self.take("ON", "CONFLICT"):
            return {}
        action = self.next().text.upper()
        return {} if action == "ABORT" else {"on-conflict": action}


def _element(tokens: Sequence[Token]) -> str:
    """Give an element of a key or index, without the ``ASC`` that is the default."""
    if tokens and tokens[-1].is_word("ASC"):
        tokens = tokens[:-1]
    return render(without_outer_parentheses(tokens))


def _list_of(names: Iterable[str]) -> str:
    return ", ".join(map(element_of, names))


# -- CREATE INDEX ----------------------------------------------------------------------------------


@dataclass
class IndexText:
    """A ``CREATE INDEX`` statement as it was written."""

    unique: bool
    elements: tuple[str, ...]
    where: str | None


def read_index(text: str) -> IndexText:
    """Read a ``CREATE INDEX`` statement.

    :raises UnreadableText: it does not follow the grammar.
    """
    parser = _Parser(tokens_of(text))
    parser.expect("CREATE")
    unique = parser.take("UNIQUE")
    parser.expect("INDEX")
    parser.take("IF", "NOT", "EXISTS")
    parser.name()
    if parser.take("."):
        parser.name()
    parser.expect("ON")
    parser.name()
    elements = parser.elements()
    where = None
    if parser.take("WHERE"):
        where = render(without_outer_parentheses(parser.rest()))
    return IndexText(unique, elements, where)
