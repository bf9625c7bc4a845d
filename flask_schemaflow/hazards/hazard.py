"""The finding that every rule returns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ..probes import Answer, Question

ROWS = "{rows}"
"""What stands in a message for the number of rows."""

# What a hazard does to rows; where no row is met, it does nothing.
_OF_ROWS = frozenset({"destructive", "data-dependent", "failing"})


@dataclass(frozen=True)
class Kind:
    """What all findings of one code have in common; ``hint`` is the safe way."""

    code: str
    classes: tuple[str, ...]
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Hazard(Finding):
    """A danger in a pending revision.

    ``question`` is what the real rows are to be asked, its answer stands in the message for ``{rows}``.
    ``averted`` says that our own run does not let it happen; ``only_with_rows`` that without a row there is
    nothing to say.
    """

    question: Question | None = field(default=None, compare=False)
    averted: bool = False
    only_with_rows: bool = False

    def weighed(
        self,
        answer: Answer | None,
        fail_on: Collection[str],
        is_accepted: Callable[[Hazard], bool],
        *,
        small: int,
        asked: bool = True,
    ) -> Hazard:
        """Give the hazard with what is at stake, and with the weight that this makes.

        :param answer: None where nothing was asked, or there was no answer.
        :param fail_on: the classes that stop.
        :param small: tables with at most so many rows block nobody for long.
        :param asked: whether there is a database that could answer.
        """
        dangers = {each for each in self.classes if answer is None or _is_danger(each, answer, small)}
        told = replace(self, message=self.message.replace(ROWS, _in_words(answer, asked=asked)))
        harmless = answer is not None and not dangers & (_OF_ROWS | {"blocking"})
        if self.averted or (harmless and not dangers & set(fail_on) and set(self.classes) != dangers):
            none = answer is not None and answer.rows == 0
            return replace(told, severity=Severity.INFO, hint="" if none else told.hint)
        if not dangers & set(fail_on):
            return replace(told, severity=Severity.WARNING)
        if is_accepted(self):
            return replace(told, severity=Severity.WARNING, message=f"{told.message} (accepted)", hint="")
        return replace(told, severity=Severity.ERROR)


def _is_danger(class_: str, answer: Answer, small: int) -> bool:
    if class_ == "blocking":
        return answer.of > small
    return class_ not in _OF_ROWS or answer.rows > 0


def _in_words(answer: Answer | None, *, asked: bool) -> str:
    if answer is None:
        return f"an unknown number of rows ({'no answer in time' if asked else 'no database was asked'})"
    if answer.more:
        return f"more than {_counted(answer.of - 1)}"
    if answer.rows == answer.of:
        return _counted(answer.rows)
    return f"{answer.rows:,} of {_counted(answer.of)}"


def _counted(number: int) -> str:
    return f"{number:,} row" + ("s" if number != 1 else "")
