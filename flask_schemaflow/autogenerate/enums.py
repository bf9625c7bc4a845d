"""Write new values of enums for every engine: PostgreSQL has a type of its own for them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects.postgresql import ENUM

from ..baseline import Names, Writer, named_type
from .operations import Written, on_table

if TYPE_CHECKING:
    from pathlib import Path

    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.engine import Dialect

Key = tuple[str | None, str]
Values = Mapping[str, Sequence[str]]
"""The values of enums, by name."""


def enums_written(files: Iterable[Path]) -> Values:
    """Give the values that revisions name of each enum that they do not drop again. Read-only.

    SQLite does not keep them, and the other engines only their own.

    :param files: parents first.
    """
    found: dict[str, dict[str, None]] = {}
    for file in files:
        for node in _nodes_of_upgrade(file):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("Enum", "ENUM"):
                if any(each.arg == "native_enum" for each in node.keywords):
                    continue  # it is true unless somebody says it
                names = [each.value for each in node.keywords if each.arg == "name"]
                values = [each.value for each in node.args if isinstance(each, ast.Constant)]
                if values and names and isinstance(names[0], ast.Constant):
                    found.setdefault(str(names[0].value), {}).update(dict.fromkeys(map(str, values)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                dropped = _DROP.match(node.value)
                if dropped is not None:
                    found.pop(dropped["name"], None)
    return {name: tuple(values) for name, values in found.items()}


_DROP = re.compile(r"\s*DROP\s+TYPE\s+(?:IF\s+EXISTS\s+)?\"?(?P<name>\w+)", re.IGNORECASE)


def _nodes_of_upgrade(file: Path) -> Iterator[ast.AST]:
    """Give what ``upgrade`` is made of, in the order in which it is written."""
    for function in ast.parse(file.read_bytes()).body:
        if isinstance(function, ast.FunctionDef) and function.name.startswith("upgrade"):
            nodes = (node for node in ast.walk(function) if isinstance(node, ast.expr))
            yield from sorted(nodes, key=lambda node: (node.lineno, node.col_offset))


def widen_enums(
    context: AutogenContext,
    targets: Sequence[Dialect],
    tables: Mapping[Key, sa.Table],
    known: Mapping[Any, ops.ModifyTableOps],
    before: Values,
) -> Iterator[Written]:
    """Write new values of enums, and take what Alembic says of them out of its operations.

    :param tables: models' tables that are there already.
    :param before: the values that there were.
    """
    postgresql = next((each for each in targets if each.name == "postgresql"), None)
    if postgresql is None or len(targets) < 2:
        return
    others = [each for each in targets if each is not postgresql]
    told: set[str] = set()
    for key, table in tables.items():
        for column in table.columns:
            enum = named_type(column.type, postgresql)
            if not isinstance(enum, ENUM) or not isinstance(column.type, sa.Enum):
                continue
            name = str(enum.name)
            if not before.get(name) or not set(enum.enums) - set(before[name]):
                continue
            if _is_added(known.get(key), column.name):
                continue
            _forget(known.get(key), column.name)
            adding = [] if name in told else _added_values(enum, before[name], postgresql)
            told.add(name)
            yield _written(context, others, key, column, adding, before[name])


def _is_added(table: ops.ModifyTableOps | None, column: str) -> bool:
    operations = table.ops if table is not None else ()
    return any(isinstance(each, ops.AddColumnOp) and each.column.name == column for each in operations)


def _forget(table: ops.ModifyTableOps | None, column: str) -> None:
    for each in table.ops if table is not None else ():
        if isinstance(each, ops.AlterColumnOp) and each.column_name == column:
            each.modify_type = None
    if table is not None:
        table.ops[:] = [each for each in table.ops if not _says_nothing(each)]


def _says_nothing(operation: ops.MigrateOperation) -> bool:
    return isinstance(operation, ops.AlterColumnOp) and not operation.has_changes()


def _added_values(enum: Any, before: Sequence[str], postgresql: Dialect) -> list[str]:
    """Give the statements, each value after the one before it in the model."""
    name = postgresql.identifier_preparer.format_type(enum)  # type: ignore[attr-defined]
    statements = []
    for place, value in enumerate(enum.enums):
        if value not in before:
            later = next((each for each in enum.enums[place:] if each in before), None)
            where = f" AFTER {_quoted(enum.enums[place - 1])}" if place else ""
            where = where or (f" BEFORE {_quoted(later)}" if later is not None else "")
            statements.append(f"ALTER TYPE {name} ADD VALUE IF NOT EXISTS {_quoted(value)}{where}")
    return statements


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''").replace(":", "\\:") + "'"


def _written(
    context: AutogenContext,
    others: Sequence[Dialect],
    key: Key,
    column: sa.Column[Any],
    adding: Sequence[str],
    before: Sequence[str],
) -> Written:
    writer = Writer(others, Names())
    enum = column.type
    assert isinstance(enum, sa.Enum)
    new = writer.type(enum)
    old = writer.type(sa.Enum(*before, name=enum.name))
    alter, back = (_alter(context, key, column, writer, *each) for each in ((old, new), (new, old)))
    undo = _if("!=", [back])
    if not adding:
        return Written(_if("!=", [alter]), undo, writer.names.imports)
    code = _if("==", [f"op.execute({each!r})" for each in adding]) + "\nelse:\n" + _inner(alter)
    return Written(code, undo, writer.names.imports)


def _if(test: str, lines: Iterable[str]) -> str:
    return f"if op.get_context().dialect.name {test} 'postgresql':\n" + "\n".join(map(_inner, lines))


def _inner(code: str) -> str:
    return "    " + code.replace("\n", "\n    ")


def _alter(
    context: AutogenContext, key: Key, column: sa.Column[Any], writer: Writer, old: str, new: str
) -> str:
    parts = [f"existing_type={old}", f"type_={new}", f"existing_nullable={column.nullable!r}"]
    if column.server_default is not None:
        parts.append(f"existing_server_default={writer.server_default(column.server_default)}")
    if column.comment is not None:
        parts.append(f"existing_comment={column.comment!r}")
    code = on_table(context, key, "alter_column", repr(column.name), *parts)
    return code.replace(
        f"op.alter_column({column.name!r}, {key[1]!r}", f"op.alter_column({key[1]!r}, {column.name!r}"
    )
