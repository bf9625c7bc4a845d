"""Say how PostgreSQL takes values to another type, where it does not know by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import render, renderers
from alembic.operations.ops import AlterColumnOp
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation


class Cast(AlterColumnOp):
    """A column gets another type, on PostgreSQL as well."""


def with_cast(operation: MigrateOperation) -> None:
    """Have an operation written so that PostgreSQL can do it."""
    if type(operation) is AlterColumnOp and operation.modify_type is not None:
        operation.__class__ = Cast


@renderers.dispatch_for(Cast)
def _render(context: AutogenContext, cast: Cast) -> str:
    text = render._alter_column(context, cast)
    using = _using(cast)
    return text if using is None else f"{text.rstrip()[:-1]},\n               postgresql_using={using!r})"


def _using(cast: Cast) -> str | None:
    old, new = _name(cast.existing_type), _name(cast.modify_type)
    if (
        old is None
        or new is None
        or _kind(old) == _kind(new) != "other"
        or _kind(new) == "text"
        or old == new
    ):
        return None
    between = "integer" if {_kind(old), _kind(new)} == {"number", "boolean"} else "text"
    column = postgresql.dialect().identifier_preparer.quote(cast.column_name)  # type: ignore[no-untyped-call]
    return f"{column}::{between}::{new}"


def _name(type_: Any) -> str | None:
    try:
        return None if type_ is None else str(type_.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    except (SQLAlchemyError, NotImplementedError):
        return None


def _kind(name: str) -> str:
    return next((kind for kind, pattern in _KINDS.items() if re.match(pattern, name, re.IGNORECASE)), "other")


# Between types of one kind PostgreSQL converts by itself, and to text from all.
_KINDS = {
    "number": r"(small|big)?int|numeric|decimal|real|double|float",
    "text": r"(var)?char|text",
    "time": r"date|timestamp",
    "boolean": r"bool",
}
