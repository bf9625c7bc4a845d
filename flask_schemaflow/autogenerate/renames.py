"""Point out what is as likely another name for a thing that is there: its rows would be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

from ..baseline import CannotWrite
from .operations import Comment, on_table
from .tables import reflected_table

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

    from ..baseline import Writer

Tell = Callable[[str], None]


def likely_columns(
    context: AutogenContext, table: ops.ModifyTableOps, writer: Writer, tell: Tell
) -> Iterator[Comment]:
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
            old_column = gone._reverse.column
            there, back = (
                _renamed(
                    context,
                    (table.schema, table.table_name),
                    *names,
                    _existing(each.column, old_column, writer),
                )
                for names in ((old, new), (new, old))
            )
            yield _comment(
                f"If {table.table_name}.{new} is another name for {old}, write this instead of adding the "
                f"one and dropping the other{_WITH_IT if _keeps_unique(table, old, new) else ''}:",
                there,
                back,
            )


_WITH_IT = "; the unique constraint on it follows by itself, so leave its create out too"


def _keeps_unique(table: ops.ModifyTableOps, old: str, new: str) -> bool:
    """Say whether a unique constraint would be there twice: SQLite's without a name nobody drops."""
    dropped: set[str] = set()
    for each in table.ops:
        if isinstance(each, ops.DropConstraintOp) and each.constraint_type == "unique" and each._reverse:
            dropped.update(each.to_constraint().columns.keys())  # type: ignore[attr-defined]
        elif isinstance(each, ops.DropIndexOp):
            dropped.update(each.to_index().columns.keys())
    made = (each for each in table.ops if isinstance(each, ops.CreateUniqueConstraintOp))
    return old not in dropped and any(new in each.columns for each in made)


def _renamed(
    context: AutogenContext, key: tuple[str | None, str], old: str, new: str, existing: list[str]
) -> str:
    code = on_table(context, key, "alter_column", repr(old), f"new_column_name={new!r}", *existing)
    return code.replace(f"({old!r}, {key[1]!r}", f"({key[1]!r}, {old!r}")


def likely_tables(
    new: Sequence[sa.Table], removed: Sequence[ops.DropTableOp], writer: Writer, tell: Tell
) -> Iterator[Comment]:
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
                yield _comment(
                    f"If {table.name} is another name for {gone.table_name}, write this instead of creating "
                    "the one and dropping the other; foreign keys to it follow by themselves, so leave their "
                    "drop and create out too:",
                    *_renamed_table(table, gone, writer),
                )


def _renamed_table(table: sa.Table, gone: ops.DropTableOp, writer: Writer) -> tuple[str, str]:
    """Write another name for a table, with the names that its indexes get from it, and the way back."""
    schema = f", schema={gone.schema!r}" if gone.schema else ""
    there, back = [], []
    reflected = reflected_table(gone)
    indexes = {} if reflected is None else {tuple(each.columns.keys()): each for each in reflected.indexes}
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        old = indexes.get(tuple(index.columns.keys()))
        if old is None or old.name == index.name or old.unique != index.unique:
            continue
        # MariaDB drops no index that a foreign key needs, before there is another.
        there.append(writer.create_index(index, grouped=True))
        there.append(f"op.drop_index(op.f({old.name!r}), table_name={table.name!r}{schema})")
        unique = ", unique=True" * index.unique
        columns = [column.name for column in old.columns]
        back.append(f"op.create_index(op.f({old.name!r}), {gone.table_name!r}, {columns!r}{unique}{schema})")
        back.append(f"op.drop_index({writer.final_name(index)}, table_name={gone.table_name!r}{schema})")
    names = (gone.table_name, str(table.name))
    first, last = (f"op.rename_table({old!r}, {new!r}{schema})" for old, new in (names, names[::-1]))
    return "\n".join([first, *there]), "\n".join([last, *back])


def _same_type(context: AutogenContext, left: sa.Column[Any], right: sa.Column[Any]) -> bool:
    assert context.dialect is not None
    impl = context.migration_context.impl
    return not impl.compare_type(right, left)


def _existing(column: sa.Column[Any], gone: sa.Column[Any], writer: Writer) -> list[str]:
    """Write what a column keeps under its new name: MariaDB forgets all that is not said again."""
    try:
        parts = [f"existing_type={writer.type(column.type)}", f"existing_nullable={gone.nullable!r}"]
        default = gone.server_default
        if default is not None and not isinstance(default, sa.Computed | sa.Identity):
            default = column.server_default if column.server_default is not None else default
            parts.append(f"existing_server_default={writer.server_default(default)}")
    except CannotWrite:
        return []
    if gone.autoincrement is True and {each.name for each in writer.targets} & {"mariadb", "mysql"}:
        parts.append("existing_autoincrement=True")
    if gone.comment is not None:
        parts.append(f"existing_comment={gone.comment!r}")
    return parts


def _comment(text: str, code: str, back: str) -> Comment:
    undo = "And here, if it was another name, write this instead:"
    written, undone = (
        "\n".join(f"# {line}" for line in (said, *lines.splitlines()))
        for said, lines in ((text, code), (undo, back))
    )
    return Comment(written, undone)
