"""Have Alembic write types and defaults as the baseline does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from ..session import family_of
from .column_types import Names, generic_type
from .rendering import CannotWrite, Writer

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.engine import Dialect

RenderItem = Callable[[str, Any, "AutogenContext"], str | Literal[False]]


@dataclass(frozen=True)
class StoredTypes:
    """Alembic's ``render_item`` hook: what the app's own hook says, else what the baseline writes.

    An own type is written as what stores it, without the app; one that no expression of SQLAlchemy's gives
    stays as it is, and is imported. ``others`` is the app's hook; ``on_paper`` are the dialects on which the
    revision will run too.
    """

    others: RenderItem | None
    on_paper: tuple[Dialect, ...] = ()

    def __call__(self, kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
        """Give the expression, or False for Alembic's own."""
        found = self.others(kind, item, context) if self.others is not None else False
        if found is not False:
            return found
        if kind == "type":
            return self._type(item, context)
        if kind == "server_default" and isinstance(item, sa.DefaultClause | sa.Computed | sa.Identity):
            return writer_in(context, self.on_paper).server_default(item)
        return False

    def _type(self, item: Any, context: AutogenContext) -> str | Literal[False]:
        writer = writer_in(context, self.on_paper)
        try:
            code = writer.type(generic_type(item, writer.dialect) if len(writer.targets) > 1 else item)
        except CannotWrite:
            if not type(item).__module__.startswith("sqlalchemy."):
                context.imports.add(f"import {type(item).__module__}")
            return False
        context.imports.update(writer.names.imports_of(code))
        return code


def writer_in(context: AutogenContext, on_paper: tuple[Dialect, ...]) -> Writer:
    """Give what writes operations for the dialect in use, and for those on paper."""
    assert context.dialect is not None
    return Writer(targets_in(context.dialect, on_paper), Names())


def targets_in(dialect: Dialect, on_paper: tuple[Dialect, ...]) -> list[Dialect]:
    """Give the dialect in use first, then the others."""
    return [dialect, *(each for each in on_paper if family_of(each) != family_of(dialect))]
