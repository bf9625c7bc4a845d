"""What a revision was seen to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Dialect

    from ..revisions import TableName


@dataclass(frozen=True)
class Sent:
    """A statement that a revision sends itself: text, or an element of SQLAlchemy."""

    element: Any


@dataclass(frozen=True)
class Rebuild:
    """The end of a batch that copies a table into a new one of the same name."""

    table: TableName


@dataclass(frozen=True, kw_only=True)
class RecordedOperation:
    """One operation of a revision, in Alembic's own type where it has one.

    ``label`` is the operation for people, ``statements`` its SQL, ``line`` where the revision calls it.
    ``autocommit`` says that it runs in no transaction, ``rebuilt`` that its table is copied to do it.
    """

    action: MigrateOperation | Sent | Rebuild
    label: str
    statements: tuple[str, ...]
    line: int | None
    autocommit: bool = False
    rebuilt: bool = False


@dataclass(frozen=True)
class Unseen:
    """Something in a revision that cannot be known without a database."""

    reason: str
    line: int | None


@dataclass(frozen=True, kw_only=True)
class RecordedRevision:
    """What a revision does on one database, as far as it can be seen."""

    revision: str
    file: Path
    dialect: Dialect
    operations: tuple[RecordedOperation, ...]
    unseen: tuple[Unseen, ...]


def label_of(action: MigrateOperation | Sent | Rebuild, statements: tuple[str, ...]) -> str:
    """Put an operation into one line."""
    if isinstance(action, Rebuild):
        return f"rebuild {_dotted(action.table.schema, action.table.name)}"
    if isinstance(action, Sent):
        return f"execute {_shortened(statements[0] if statements else str(action.element))}"
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(action).__name__.removesuffix("Op")).lower()
    values = vars(action)
    table = values.get("table_name") or getattr(values.get("table"), "name", None)
    column = values.get("column_name") or getattr(values.get("column"), "name", None)
    other = values.get("index_name") or values.get("constraint_name") or values.get("new_table_name")
    place = ".".join(str(each) for each in (values.get("schema"), table, column) if each)
    return " ".join(str(each) for each in (name, place, other) if each)


def _dotted(schema: str | None, name: str) -> str:
    return name if schema is None else f"{schema}.{name}"


def _shortened(sql: str) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= 72 else f"{line[:69]}..."
