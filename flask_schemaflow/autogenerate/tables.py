"""Write new tables as the baseline does, and take removed ones away after what refers to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import postgresql

from ..baseline import CannotRecord, Target, draft_baseline, generic_type, named_type, targets_in, writer_in
from ..errors import ProofFailed
from .operations import Written

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Dialect

    from ..snapshot import Object, Snapshot
    from .enums import Values

Key = tuple[str | None, str]


def key_of(operation: ops.MigrateOperation) -> Key | None:
    """Give schema and name of the table that an operation is about."""
    name = getattr(operation, "table_name", None)
    return None if name is None else (getattr(operation, "schema", None), name)


def models_of(context: AutogenContext) -> dict[Key, sa.Table]:
    """Give the models' tables, without the schema where it is the default one."""
    assert context.connection is not None
    default = context.connection.dialect.default_schema_name
    return {
        (None if table.schema == default else table.schema, table.name): table
        for table in context.sorted_tables
    }


def write_new_tables(
    context: AutogenContext, new: Sequence[sa.Table], on_paper: tuple[Dialect, ...]
) -> list[Written]:
    """Write what makes new tables, for every dialect on which the revision will run.

    :raises Refused: it cannot be written.
    """
    assert context.dialect is not None
    written = []
    for metadata in dict.fromkeys(table.metadata for table in new):
        tables = [each for each in metadata.tables.values() if each in new]
        made = draft_baseline(
            metadata,
            [Target(dialect=each) for each in targets_in(context.dialect, on_paper)],
            tables=tables,
            there=[each for each in metadata.tables.values() if each not in tables],
        )
        written.append(Written(_outdented(made.upgrade), _outdented(made.downgrade), made.imports))
    return written


def _outdented(body: str) -> str:
    return body.replace("\n    ", "\n")


def write_new_types(
    context: AutogenContext,
    columns: Iterable[sa.Column],  # type: ignore[type-arg]
    others: Iterable[sa.Column],  # type: ignore[type-arg]
    before: Snapshot | None,
    on_paper: tuple[Dialect, ...],
    written: Collection[str],
) -> list[Written]:
    """Write what makes the types with names of their own that new columns of tables have.

    :param others: the columns that are there.
    :param before: the structure of the database, where it is known.
    :param written: names of the types that revisions make.
    """
    assert context.dialect is not None
    targets = targets_in(context.dialect, on_paper)
    target = next((each for each in targets if each.name == "postgresql"), None)
    if target is None:
        return []
    is_here = before is not None and before.family == "postgresql"
    if before is not None and is_here:
        known = {(each.schema, each.name) for each in before.objects}
    else:
        known = {
            (each.schema, str(each.name)) for column in others if (each := named_type(column.type, target))
        }
    wanted = {
        (each.schema, str(each.name)): each for column in columns if (each := named_type(column.type, target))
    }
    writer = writer_in(context, on_paper)
    made = []
    for key, each in wanted.items():
        if key not in known and (is_here or key[1] not in written):
            code = writer.create_type(each)
            kind = "DOMAIN" if each.__visit_name__.upper() == "DOMAIN" else "TYPE"
            name = target.identifier_preparer.format_type(each)  # type: ignore[attr-defined]
            drop = f"op.execute({f'DROP {kind} {name}'!r})"
            imports = writer.names.imports_of(code)
            if len(targets) > 1:
                code, drop = (_only_on_postgresql(text) for text in (code, drop))
            made.append(Written(code, drop, imports))
    return made


def write_removed_tables(
    context: AutogenContext,
    removed: Sequence[ops.DropTableOp],
    kept: Sequence[sa.Table],
    on_paper: tuple[Dialect, ...],
) -> list[MigrateOperation]:
    """Write what drops tables, keys between them first, and makes them again as the database has them.

    :param kept: the models' tables, which may have the same types.
    """
    assert context.dialect is not None
    reflected = [each for each in map(reflected_table, removed) if each is not None]
    if len(reflected) < len(removed) or not reflected:
        return list(removed)
    targets = targets_in(context.dialect, on_paper)
    for column in (column for table in reflected for column in table.columns if len(targets) > 1):
        column.type = generic_type(column.type, context.dialect)
    for wanted in (targets, targets[:1]):
        with suppress(CannotRecord, ProofFailed):
            made = draft_baseline(
                reflected[0].metadata,
                [Target(dialect=each) for each in wanted],
                tables=reflected,
                there=kept,
            )
            return [Written(_outdented(made.downgrade), _outdented(made.upgrade), made.imports)]
    return list(removed)


def reflected_table(drop: ops.DropTableOp) -> sa.Table | None:
    """Give the table as Alembic has read it; one that a key led to it has read twice, with its indexes."""
    columns = drop._reverse.columns if drop._reverse is not None else ()
    table = next((each.table for each in columns if isinstance(each, sa.Column)), None)
    if isinstance(table, sa.Table):
        table.indexes = set({str(each.name): each for each in table.indexes}.values())
        return table
    return None


def write_removed_types(before: Snapshot, after: Snapshot, removed: Collection[Key | None]) -> list[Written]:
    """Write what drops the types with names of their own that only dropped columns had."""
    there = {each.label for each in after.objects}
    gone = []
    for each in before.objects:
        users = {(table.schema, table.name) for table in before.tables if _has(table, each)}
        if each.kind == "enum" and each.label not in there and users and not users & set(removed):
            name = _quoted(each.name)
            gone.append(_drop_enum(f"{each.schema}.{name}" if each.schema else name, each.facts["labels"]))
    return gone


def write_types_gone_on_paper(context: AutogenContext, target: Dialect, enums: Values) -> list[Written]:
    """Write what drops the types that revisions have made, and no model has any more.

    :param enums: the values that revisions name.
    """
    columns = (column for table in context.sorted_tables for column in table.columns)
    kept = {str(each.name) for column in columns if (each := named_type(column.type, target))}
    return [
        _drop_enum(_quoted(name), ", ".join("'" + each.replace("'", "''") + "'" for each in values))
        for name, values in enums.items()
        if name not in kept
    ]


def _quoted(name: str) -> str:
    dialect: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return dialect.identifier_preparer.quote(name)


def _drop_enum(name: str, labels: str) -> Written:
    make = f"CREATE TYPE {name} AS ENUM ({labels})"
    code, undo = (
        _only_on_postgresql(f"op.execute({text!r})")
        for text in (f"DROP TYPE {name}", make.replace(":", "\\:"))
    )
    return Written(code, undo)


def _has(table: Object, type_: Object) -> bool:
    types = (part.facts.get("type", "") for part in table.parts if part.kind == "column")
    return any(each.removesuffix("[]").replace('"', "") == type_.label for each in types)


def _only_on_postgresql(code: str) -> str:
    inner = code.replace("\n", "\n    ")
    return f"if op.get_context().dialect.name == 'postgresql':\n    {inner}"


def leave_out_second_keys(
    upgrade: ops.UpgradeOps, models: Mapping[Key, sa.Table], targets: Collection[Dialect]
) -> None:
    """Leave out unique constraints over the columns of the primary key, which PostgreSQL never makes.

    CREATE TABLE merges them into the key there (https://www.postgresql.org/docs/current/sql-createtable.html),
    so that Alembic misses them each time.
    """
    if {each.name for each in targets} != {"postgresql"}:
        return
    for table in [each for each in upgrade.ops if isinstance(each, ops.ModifyTableOps)]:
        model = models.get((table.schema, table.table_name))
        key = [each.name for each in model.primary_key.columns] if model is not None else []
        table.ops[:] = [each for each in table.ops if not _is_unique_over(each, key)]
        if not table.ops:
            upgrade.ops.remove(table)


def _is_unique_over(operation: ops.MigrateOperation, columns: list[str]) -> bool:
    return isinstance(operation, ops.CreateUniqueConstraintOp) and list(operation.columns) == columns


def in_order(table: ops.ModifyTableOps) -> ops.ModifyTableOps:
    """Put what changes a table in an order that every engine takes.

    A key goes before the index that it needs (MariaDB), and a column last.
    """
    return ops.ModifyTableOps(table.table_name, sorted(table.ops, key=_rank), schema=table.schema)


def _rank(operation: ops.MigrateOperation) -> int:
    if isinstance(operation, ops.DropConstraintOp):
        return 0 if operation.constraint_type == "foreignkey" else 2
    if isinstance(operation, ops.DropIndexOp):
        return 1
    if isinstance(operation, ops.AddColumnOp | ops.AlterColumnOp):
        return 3
    if isinstance(operation, ops.CreateForeignKeyOp):
        return 5
    return 6 if isinstance(operation, ops.DropColumnOp) else 4
