"""What a signal does while revisions run: the first one undoes, the second one leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import ExitCode
from ..interrupts import signals_heard, way_to_leave

if TYPE_CHECKING:
    from ..session import HeldTransaction
    from .run import Run

BindKey = str | None


class Stopping:
    """Stops the statements that run when a signal arrives, so that what they did can be undone soon.

    ``arrived`` says whether one did.
    """

    def __init__(self, run: Run, held: Mapping[BindKey, HeldTransaction]) -> None:
        self._run, self._held = run, held
        self._leave = way_to_leave()
        self._may_cancel = True
        self._settle: Callable[[], None] = lambda: None
        self.arrived = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen inside the block."""
        with signals_heard(self._heard) as self._settle:
            yield

    def over(self) -> None:
        """Say that no statement runs any more which may be stopped.

        What arrived before is known then, and stops no statement that comes later.
        """
        self._settle()
        self._may_cancel = False
        self._settle()

    def _heard(self, count: int) -> None:
        if count == 1 and self._may_cancel:
            self.arrived = True
            for transaction in self._held.values():
                transaction.cancel()
        elif count > 1 and self._leave is not None:
            self._leave(self._run.progress.result("broken", self._known(), ExitCode.BROKEN))

    def _known(self) -> str:
        targets = ", ".join(bind.target for bind in self._run.survey.relevant)
        return (
            f"Left at once, by a second signal, while revisions ran: what is in {targets} was not read "
            "again. What was not committed is undone by the server when its statement ends. Look with `flask "
            "db-safe-upgrade --plan`."
        )
