"""Point out what is as likely another name for a thing that is there: its rows would be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from alembic.operations import ops

from ..baseline import CannotWrite
from .operations import Written, on_table

if TYPE_CHECKING:
    import sqlalchemy as sa
    from alembic.autogenerate.api import AutogenContext

    from ..baseline import Writer

Tell = Callable[[str], None]


def likely_columns(
    context: AutogenContext, table: ops.ModifyTableOps, writer: Writer, tell: Tell
) -> Iterator[Written]:
    """Say of each column that is added which dropped one of its type it may be, and how that is written."""
    dropped = [each for each in table.ops if isinstance(each, ops.DropColumnOp) and each._reverse]
    for each in table.ops:
        if not isinstance(each, ops.AddColumnOp):
            continue
        for gone in dropped:
            assert gone._reverse is not None
            if not _same_type(context, each.column, gone._reverse.column):
                continue
            old, new = gone.column_name, each.column.name
            tell(
                f"{table.table_name}.{old} is dropped, and {table.table_name}.{new} of the same type added. "
                "If that is another name for the column, its values would be lost: the revision says in a "
                "comment what to write instead."
            )
            instead = on_table(
                context,
                (table.schema, table.table_name),
                "alter_column",
                repr(old),
                f"new_column_name={new!r}",
                *_existing_type(each.column, writer),
            ).replace(f"({old!r}, {table.table_name!r}", f"({table.table_name!r}, {old!r}")
            yield _comment(
                f"If {table.table_name}.{new} is another name for {old}, write this instead of adding the "
                "one and dropping the other:",
                instead,
            )


def likely_tables(
    new: Sequence[sa.Table], removed: Sequence[ops.DropTableOp], tell: Tell
) -> Iterator[Written]:
    """Say of each new table which removed one with the same columns it may be."""
    for gone in removed:
        columns = {each.name for each in gone.to_table().columns}
        for table in new:
            if columns and columns == {each.name for each in table.columns}:
                tell(
                    f"{gone.table_name} is dropped, and {table.name} with the same columns added. If that is "
                    "another name for the table, its rows would be lost: the revision says in a comment what "
                    "to write instead."
                )
                schema = f", schema={gone.schema!r}" if gone.schema else ""
                yield _comment(
                    f"If {table.name} is another name for {gone.table_name}, write this instead of creating "
                    "the one and dropping the other; foreign keys to it follow by themselves, so leave their "
                    "drop and create out too:",
                    f"op.rename_table({gone.table_name!r}, {table.name!r}{schema})",
                )


def _same_type(context: AutogenContext, left: sa.Column[Any], right: sa.Column[Any]) -> bool:
    assert context.dialect is not None
    impl = context.migration_context.impl
    return not impl.compare_type(right, left)


def _existing_type(column: sa.Column[Any], writer: Writer) -> list[str]:
    try:
        return [f"existing_type={writer.type(column.type)}"]
    except CannotWrite:
        return []


def _comment(text: str, code: str) -> Written:
    return Written("\n".join(f"# {line}" for line in (text, *code.splitlines())))
