"""Give names to constraints that have none, where an operation cannot do without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.operations import ops

from .operations import Written, on_table

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Dialect

    from ..snapshot import Snapshot

_ENDS = {"uq": "key", "fk": "fkey"}
_KINDS = {"unique": "uq", "foreignkey": "fk"}


def name_what_is_added(operation: MigrateOperation) -> None:
    """Name a constraint that the models do not name: as PostgreSQL would, since SQLite needs a name."""
    if isinstance(operation, ops.CreateUniqueConstraintOp) and operation.constraint_name is None:
        operation.constraint_name = sa.schema.conv(_name("uq", operation.table_name, operation.columns))
    if isinstance(operation, ops.CreateForeignKeyOp) and operation.constraint_name is None:
        operation.constraint_name = sa.schema.conv(_name("fk", operation.source_table, operation.local_cols))


def _name(kind: str, table: str, columns: Sequence[str]) -> str:
    # PostgreSQL cuts names at 63 bytes.
    return f"{table}_{'_'.join(columns)}_{_ENDS[kind]}"[:63]


def split_unnamed_drops(
    context: AutogenContext,
    table: ops.ModifyTableOps,
    before: Snapshot | None,
    targets: Sequence[Dialect],
) -> Iterator[MigrateOperation]:
    """Write drops of constraints that nobody named so that they run on every engine.

    Each engine has its own name for them, and SQLite none.
    """
    rest = []
    for each in table.ops:
        if isinstance(each, ops.DropConstraintOp) and _is_unnamed(each, before):
            yield _drop(context, each, targets)
        else:
            rest.append(each)
    if rest:
        yield ops.ModifyTableOps(table.table_name, rest, schema=table.schema)


def drop_leftover_indexes(
    table: ops.ModifyTableOps, model: sa.Table, here: Dialect, targets: Sequence[Dialect]
) -> Iterator[Written]:
    """Drop the indexes that MariaDB has made for foreign keys, and keeps when these are gone.

    Where MariaDB is at hand, it is seen which they are.
    """
    if here.name in ("mysql", "mariadb") or not any(each.name in ("mysql", "mariadb") for each in targets):
        return
    keys = (sa.PrimaryKeyConstraint, sa.UniqueConstraint, sa.ForeignKeyConstraint)
    constraints = (each for each in model.constraints if isinstance(each, keys))
    needed = [[column.name for column in each.columns] for each in (*model.indexes, *constraints)]
    for each in table.ops:
        if not isinstance(each, ops.DropConstraintOp) or each.constraint_type != "foreignkey":
            continue
        constraint = each.to_constraint()
        assert isinstance(constraint, sa.ForeignKeyConstraint)
        columns = [str(name) for name in constraint.column_keys]
        is_kept = any(names[: len(columns)] == columns for names in needed)
        if not is_kept and set(columns) <= {column.name for column in model.columns}:
            name = each.constraint_name or columns[0]
            schema = f", schema={each.schema!r}" if each.schema else ""
            yield Written(
                "if op.get_context().dialect.name in ('mariadb', 'mysql'):\n"
                f"    op.drop_index({str(name)!r}, table_name={each.table_name!r}{schema})"
            )


def _is_unnamed(drop: ops.DropConstraintOp, before: Snapshot | None) -> bool:
    if drop.constraint_type not in _KINDS or drop._reverse is None:
        return False
    if drop.constraint_name is None:
        return True
    parts = (
        part
        for each in (before.tables if before is not None else ())
        if (each.schema, each.name) == (drop.schema, drop.table_name)
        for part in each.parts
    )
    return any(part.name == drop.constraint_name and not part.named for part in parts)


def _drop(context: AutogenContext, drop: ops.DropConstraintOp, targets: Sequence[Dialect]) -> Written:
    constraint = drop.to_constraint()
    kind = _KINDS[drop.constraint_type or ""]
    assert isinstance(constraint, sa.UniqueConstraint | sa.ForeignKeyConstraint)
    columns = [column.name for column in constraint.columns]
    key = (drop.schema, drop.table_name)
    name = _name(kind, drop.table_name, columns)
    convention = {kind: f"%(table_name)s_%(column_0_N_name)s_{_ENDS[kind]}"}
    is_sqlite = any(each.name == "sqlite" for each in targets)
    code = ""
    called = f"op.f({name!r})"
    with_mariadb = any(each.name in ("mysql", "mariadb") for each in targets)
    if with_mariadb:
        code = _look_up(kind, key, columns, name, [each.name for each in targets])
        called = "op.f(name)"
    code += on_table(
        context,
        key,
        "drop_constraint",
        called,
        f"type_={drop.constraint_type!r}",
        options=f", naming_convention={convention!r}" if is_sqlite else "",
    )
    return Written(code, _undo(context, drop, constraint, name, with_mariadb=with_mariadb))


def _look_up(
    kind: str, key: tuple[str | None, str], columns: list[str], name: str, targets: Sequence[str]
) -> str:
    """Write how to find MariaDB's name: that of the first column, or a number."""
    if kind == "uq":
        found = repr(columns[0])
    else:
        schema = f", schema={key[0]!r}" if key[0] else ""
        found = (
            f"next(\n    each['name']\n"
            f"    for each in sa.inspect(op.get_bind()).get_foreign_keys({key[1]!r}{schema})\n"
            f"    if each['constrained_columns'] == {columns!r}\n)"
        )
    if not set(targets) - {"mysql", "mariadb"}:
        return f"name = {found}\n"
    inner = found.replace("\n", "\n    ")
    return f"name = {name!r}\nif op.get_context().dialect.name in ('mariadb', 'mysql'):\n    name = {inner}\n"


def _undo(
    context: AutogenContext,
    drop: ops.DropConstraintOp,
    constraint: sa.UniqueConstraint | sa.ForeignKeyConstraint,
    name: str,
    *,
    with_mariadb: bool,
) -> str:
    """Write what makes it again, where MariaDB gives the name itself as before."""
    key = (drop.schema, drop.table_name)
    called, head = f"op.f({name!r})", ""
    if with_mariadb:
        unnamed = "op.get_context().dialect.name in ('mariadb', 'mysql')"
        called, head = "name", f"name = None if {unnamed} else op.f({name!r})\n"
    if isinstance(constraint, sa.UniqueConstraint):
        columns = [column.name for column in constraint.columns]
        return head + on_table(context, key, "create_unique_constraint", called, repr(columns))
    targets = [each.target_fullname.rsplit(".", 1) for each in constraint.elements]
    schema, _, target = targets[0][0].rpartition(".")
    options = [f"referent_schema={schema!r}"] * bool(schema)
    options += [
        f"{option}={value!r}"
        for option in ("onupdate", "ondelete", "deferrable", "initially")
        if (value := getattr(constraint, option)) is not None
    ]
    columns = [str(each) for each in constraint.column_keys]
    rest = [repr(target), repr(columns), repr([column for _, column in targets])]
    return head + on_table(context, key, "create_foreign_key", called, *rest, *options)
