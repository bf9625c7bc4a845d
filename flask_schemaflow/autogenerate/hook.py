"""Where Alembic lets the differences that it found be completed: after its own comparison."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from alembic import util
from alembic.autogenerate import comparators

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps

Complete = Callable[["AutogenContext", "UpgradeOps"], None]

completing: ContextVar[Complete | None] = ContextVar("completing", default=None)
"""What completes the comparison that a command is about to make; None where none of ours is."""


def _complete(context: AutogenContext, upgrade: UpgradeOps, _schemas: Any) -> Any:
    complete = completing.get()
    if complete is not None:
        complete(context, upgrade)
    return getattr(getattr(util, "PriorityDispatchResult", None), "CONTINUE", None)


def _last() -> dict[str, Any]:
    """Ask to come after all others; before Alembic 1.18 the order is that of registration."""
    has_priority = "priority" in inspect.signature(comparators.dispatch_for).parameters
    return {"priority": util.DispatchPriority.LAST} if has_priority else {}


comparators.dispatch_for("schema", **_last())(_complete)
