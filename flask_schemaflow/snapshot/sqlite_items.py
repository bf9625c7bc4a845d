"""Cut the text of a SQLite table into its columns and constraints, and put them together otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .sqlite_grammar import Clause, clause_of_table, clauses_of_column
from .sqlite_tokens import Token, UnreadableText, closing, placed_tokens

Placed = tuple[Token, int, int]


@dataclass(frozen=True)
class Item:
    """A column, or a constraint of the table where ``column`` is None, as it was typed.

    ``clauses`` are its constraints, each with where it begins and ends in the text.
    """

    text: str
    clauses: tuple[tuple[Clause, int, int], ...]
    column: str | None = None

    def without(self, goes: Callable[[Clause], bool]) -> Item:
        """Leave out clauses of a column."""
        text, at = "", 0
        for clause, start, end in self.clauses:
            if goes(clause):
                text += self.text[at:start].rstrip()
                at = end
        return _read(text + self.text[at:])


@dataclass(frozen=True)
class TableItems:
    """What stands between the parentheses of CREATE TABLE, and what follows them."""

    items: tuple[Item, ...]
    options: str

    @property
    def columns(self) -> tuple[Item, ...]:
        """The columns among the items."""
        return tuple(each for each in self.items if each.column is not None)

    @property
    def constraints(self) -> tuple[Item, ...]:
        """The constraints of the table."""
        return tuple(each for each in self.items if each.column is None)

    def column(self, name: str) -> Item:
        """Give a column by its exact name."""
        return next(each for each in self.columns if each.column == name)

    def statement(self, name: str) -> str:
        """Write the statement that makes the table.

        :param name: as SQL has it, with quotes where it needs them.
        """
        return (
            f"CREATE TABLE {name} (\n\t"
            + ", \n\t".join(each.text for each in self.items)
            + f"\n){self.options}"
        )

    def with_columns(self, more: Iterable[Item]) -> TableItems:
        """Add columns behind the others."""
        return replace(self, items=(*self.columns, *more, *self.constraints))

    def with_column(self, item: Item) -> TableItems:
        """Put another text in the place of a column."""
        return replace(self, items=tuple(item if each.column == item.column else each for each in self.items))

    def with_constraints(self, texts: Iterable[str]) -> TableItems:
        """Add constraints of the table behind the others."""
        return replace(self, items=(*self.items, *(Item(each, ()) for each in texts)))

    def without(self, goes: Callable[[Clause], bool], column: str | None = None) -> TableItems:
        """Leave out clauses, wherever they stand.

        :param column: only those within this column.
        """
        return replace(self, items=tuple(_left(self.items, goes, column)))


def _left(items: Iterable[Item], goes: Callable[[Clause], bool], column: str | None) -> Iterator[Item]:
    for item in items:
        if column is not None and item.column != column:
            yield item
        elif item.column is not None:
            yield item.without(goes) if any(goes(each) for each, _, _ in item.clauses) else item
        elif not any(goes(each) for each, _, _ in item.clauses):
            yield item


def cut_table(text: str) -> TableItems:
    """Cut a CREATE TABLE statement.

    :raises UnreadableText: it does not follow the grammar.
    """
    placed = placed_tokens(text)
    tokens = [token for token, _, _ in placed]
    start = next((at for at, token in enumerate(tokens) if token.said == "("), None)
    if start is None:
        raise UnreadableText("a table without columns")
    end = closing(tokens, start)
    items = tuple(_item(text, part) for part in _parts(placed[start + 1 : end]))
    return TableItems(items, text[placed[end][2] :].rstrip())


def _parts(placed: Sequence[Placed]) -> Iterator[list[Placed]]:
    part: list[Placed] = []
    depth = 0
    for each in placed:
        said = each[0].said
        depth += (said == "(") - (said == ")")
        if said == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(each)
    yield part


def _item(text: str, placed: Sequence[Placed]) -> Item:
    if not placed:
        raise UnreadableText("nothing between two commas")
    return _read(text[placed[0][1] : placed[-1][2]])


def _read(text: str) -> Item:
    placed = placed_tokens(text)
    tokens = [token for token, _, _ in placed]
    clause = clause_of_table(tokens)
    if clause is not None:
        return Item(text, ((clause, 0, len(text)),))
    column, clauses = clauses_of_column(tokens)
    spans = tuple((clause, placed[start][1], placed[end - 1][2]) for clause, start, end in clauses)
    return Item(text, spans, column.name)
