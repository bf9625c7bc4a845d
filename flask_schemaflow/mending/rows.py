"""Ask the rows of the real database what a statement will meet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import sqlalchemy as sa

from ..probes import ALL, Question, ask
from ..revisions import TableName

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from ..snapshot import Object


class Rows(Protocol):
    """Says how many rows a table has that meet a condition."""

    def __call__(self, table: Object, condition: str | None = None) -> int | None:
        """Count; None where nobody knows, or not in time.

        :param condition: SQL in the engine's words, in which the columns have their names there; None: all.
        """


def _unknown(table: Object, condition: str | None = None) -> int | None:  # noqa: ARG001 - a Rows
    return None


NO_ROWS: Rows = _unknown
"""Knows nothing of any row."""


class RowsOf:
    """The rows of a database, each question asked once, in a transaction in which nothing can be written.

    A question has ten seconds, and all of them have sixty (:mod:`flask_schemaflow.probes`). Read-only.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._left = ALL
        self._known: dict[tuple[str, str | None], int | None] = {}

    def __call__(self, table: Object, condition: str | None = None) -> int | None:
        """Count the rows that meet the condition; None where there was no answer."""
        key = (table.label, condition)
        if key not in self._known:
            self._known[key] = self._asked(table, condition)
        return self._known[key]

    def _asked(self, table: Object, condition: str | None) -> int | None:
        text = None if condition is None else sa.literal_column(f"({condition})", sa.Boolean)
        began = time.monotonic()
        question = Question(TableName(table.schema, table.name), text)
        (answer,) = ask(self._engine, [question], together=self._left)
        self._left -= time.monotonic() - began
        return None if answer is None else answer.rows


def in_rows(number: int | None) -> str:
    """Put a number of rows into words."""
    if number is None:
        return "an unknown number of rows"
    return f"{number:,} row" + ("s" if number != 1 else "")
