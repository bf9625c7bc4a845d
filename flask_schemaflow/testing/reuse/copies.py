"""Keep the copies that tests have used, until the next test asks for one or the session ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol


class Reusable(Protocol):
    """A copy as it was before anybody had used it."""

    def put_back(self) -> bool:
        """Put the rows back, and say whether everything is as it was; if not, nobody must use it again.

        Ends the sessions that are still there.
        """


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A copy; leaving ``until_dropped`` drops it."""

    name: str
    reusable: Reusable
    until_dropped: ExitStack


@dataclass(frozen=True)
class Copies:
    """The copies that no test uses now, by what the place calls their template."""

    _used: dict[str, list[Copy]] = field(default_factory=dict)

    @contextmanager
    def lent(self, template: str, make: Callable[[str], Copy]) -> Iterator[Copy]:
        """Give a copy whose last test changed rows only, or a new one.

        What a test leaves behind is removed when the next one begins, or at the session's end: then the
        test's own sessions, which it has just closed, are gone.

        :param make: makes a new copy of a template.
        """
        copy = self._reused(template) or make(template)
        try:
            yield copy
        finally:
            self._used.setdefault(template, []).append(copy)

    def close(self) -> None:
        """Drop what is left."""
        for used in self._used.values():
            while used:
                used.pop().until_dropped.close()

    def _reused(self, template: str) -> Copy | None:
        used = self._used.get(template, [])
        while used:
            copy = used.pop(0)
            if copy.reusable.put_back():
                return copy
            copy.until_dropped.close()
        return None
