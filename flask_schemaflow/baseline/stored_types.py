"""Have Alembic write the app's own types as the baseline does: as what stores them, without the app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .column_types import CannotWriteType, Names, write_type

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.engine import Dialect

RenderItem = Callable[[str, Any, "AutogenContext"], str | Literal[False]]


@dataclass(frozen=True)
class StoredTypes:
    """Alembic's ``render_item`` hook: what the app's own hook says, else an own type as what stores it.

    ``others`` is the app's hook; ``on_paper`` are the dialects on which the revision will run too. A type
    that no expression of SQLAlchemy's gives stays as it is, and is imported.
    """

    others: RenderItem | None
    on_paper: tuple[Dialect, ...] = ()

    def __call__(self, kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
        """Give the expression, or False for Alembic's own."""
        found = self.others(kind, item, context) if self.others is not None else False
        if found is not False or kind != "type" or type(item).__module__.startswith("sqlalchemy."):
            return found
        names = Names()
        dialect = context.dialect
        assert dialect is not None
        targets = [dialect, *(each for each in self.on_paper if each.name != dialect.name)]
        try:
            code = write_type(item, targets, names, is_made=False)
        except CannotWriteType:
            context.imports.add(f"import {type(item).__module__}")
            return False
        context.imports.update(names.imports_of(code))
        return code
