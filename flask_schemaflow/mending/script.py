"""What mending gives: statements in their order, and what they leave as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..drift import Drift


@dataclass(frozen=True, kw_only=True)
class Step:
    """Statements that belong together.

    ``mends`` are the keys (``CODE:SUBJECT``) of the differences that they take away; ``notes`` lines for a
    person, without comment marks; ``disabled`` statements that are to be written as comments only.
    """

    statements: tuple[str, ...] = ()
    mends: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Script:
    """The way from one structure to another.

    ``kept`` are differences that stay on purpose (what may hold data, what a person made), ``unmended`` those
    for which there are no statements that can run; the hint of each says why. Every difference is in one of
    the steps, in ``kept`` or in ``unmended``. The latter may also name what is left of one that a step
    mends in part: a column is there, but not NOT NULL yet.
    """

    steps: tuple[Step, ...] = ()
    kept: tuple[Drift, ...] = ()
    unmended: tuple[Drift, ...] = ()

    @property
    def statements(self) -> tuple[str, ...]:
        """All statements that run, in their order."""
        return tuple(self._statements())

    @property
    def stays(self) -> frozenset[str]:
        """The keys of all differences that there will be when the steps have run."""
        return frozenset(each.key for each in (*self.kept, *self.unmended))

    def _statements(self) -> Iterator[str]:
        for step in self.steps:
            yield from step.statements
