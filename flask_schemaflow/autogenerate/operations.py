"""Operations of ours among Alembic's: pieces of a revision that are written already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import renderers
from alembic.operations.ops import MigrateOperation

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


class Written(MigrateOperation):
    """Code of ``upgrade``, and what takes it back.

    :param imports: lines that both may need.
    """

    def __init__(self, code: str, undo: str = "", imports: Iterable[str] = ()) -> None:
        self.code = code
        self.undo = undo
        self.imports = frozenset(imports)

    def reverse(self) -> Written:
        """Give the same for ``downgrade``."""
        return type(self)(self.undo, self.code, self.imports)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Say what differs, for ``flask db check``."""
        return ("written", self.code)


class Comment(Written):
    """Lines that a person may write in the place of others; they run nothing."""


@renderers.dispatch_for(Written)
@renderers.dispatch_for(Comment)
def _render(context: AutogenContext, written: Written) -> list[str]:
    context.imports.update(line for line in written.imports if f"{line.rpartition(' ')[2]}." in written.code)
    # As one line: Alembic's printer would take the indentation of several for its own.
    return [written.code] if written.code else []


def on_table(
    context: AutogenContext, key: tuple[str | None, str], call: str, name: str, *rest: str, options: str = ""
) -> str:
    """Write an operation on a table as Alembic would, in a batch where the app says so.

    :param name: code of what comes before the table's name.
    :param options: further arguments of the batch.
    """
    schema, table = key
    if context.opts.get("render_as_batch"):
        head = f"with op.batch_alter_table({table!r}, schema={schema!r}{options}) as batch_op:"
        return f"{head}\n    batch_op.{call}({', '.join((name, *rest))})"
    word = "source_schema" if call == "create_foreign_key" else "schema"
    schemas = [f"{word}={schema!r}"] * bool(schema)
    return f"op.{call}({', '.join((name, repr(table), *rest, *schemas))})"
