"""Write what Alembic's comparison does not see: checks, expressions in indexes, defaults."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

from .operations import Written, on_table

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation

    from ..baseline import Writer
    from ..drift import Difference
    from ..snapshot import Object, Part

Key = tuple[str | None, str]


@dataclass(frozen=True)
class Unseen:
    """What to add to Alembic's operations: ``first`` before them, ``last`` after, ``within`` among."""

    first: list[Written] = field(default_factory=list)
    last: list[Written] = field(default_factory=list)
    within: list[ops.AlterColumnOp | ops.DropConstraintOp] = field(default_factory=list)


def find_unseen(
    context: AutogenContext,
    writer: Writer,
    tables: dict[Key, sa.Table],
    differences: Iterable[Difference],
    seen: Sequence[MigrateOperation],
) -> Unseen:
    """Write operations for differences about which Alembic's say nothing.

    :param differences: what the models have, and the database has not.
    :param seen: Alembic's operations.
    """
    found = Unseen()
    names = {str(name) for each in seen for name in (_name_of(each),) if name}
    for each in differences:
        thing = each.wanted_part or each.part_there
        owner = each.wanted or each.there
        if thing is None or owner is None or each.wanted is None or each.there is None:
            continue
        if not each.drift.structural or (owner.schema, owner.name) not in tables:
            continue
        one = _One(
            context=context,
            writer=writer,
            table=tables[owner.schema, owner.name],
            owner=owner,
            table_there=each.there,
            wanted=each.wanted_part,
            there=each.part_there,
        )
        if thing.kind == "check" and thing.name not in names:
            one.check(found)
        elif thing.kind == "index" and thing.name not in names:
            one.index(found)
        elif each.drift.code == "changed-column-default":
            one.default(found)
        elif each.drift.code == "extra-unique" and thing.name is None:
            one.unnamed_unique(found)
    return found


def _name_of(operation: MigrateOperation) -> Any:
    return getattr(operation, "index_name", None) or getattr(operation, "constraint_name", None)


@dataclass(frozen=True)
class _One:
    """One difference: the part as the models have it, and as the database has it."""

    context: AutogenContext
    writer: Writer
    table: sa.Table
    owner: Object
    table_there: Object
    wanted: Part | None
    there: Part | None

    @property
    def key(self) -> Key:
        return (self.owner.schema, self.owner.name)

    def check(self, found: Unseen) -> None:
        """Write a check that is new, gone or another one."""
        model = self._model_check() if self.wanted is not None else None
        if self.wanted is not None and model is None:
            return
        if model is not None and self._comes_with_a_column(model):
            return
        if self.there is not None:
            if self.there.name is None:
                return
            text = _portable(self.there.facts["expression"])
            name = f"op.f({self.there.name!r})"
            drop = self._on("drop_constraint", name, "type_='check'")
            found.first.append(Written(drop, self._create_check(name, repr(text.replace(":", "\\:")))))
        if model is not None:
            columns = "_".join(column.name for column in model.columns)
            name = self.writer.final_name(model)
            if name == "None":
                name = f"op.f({f'{self.owner.name}_{columns}_check'[:63]!r})"
            drop = self._on("drop_constraint", name, "type_='check'")
            found.last.append(Written(self._create_check(name, self.writer.text(model.sqltext)), drop))

    def _comes_with_a_column(self, check: sa.CheckConstraint) -> bool:
        """Say whether the type of a new column makes the check."""
        there = {part.name for part in self.table_there.parts if part.kind == "column"}
        return getattr(check, "_type_bound", False) and not {each.name for each in check.columns} <= there

    def _create_check(self, name: str, text: str) -> str:
        return self._on("create_check_constraint", name, f"sa.text({text})")

    def _on(self, call: str, name: str, *rest: str) -> str:
        return on_table(self.context, self.key, call, name, *rest)

    def _model_check(self) -> sa.CheckConstraint | None:
        assert self.wanted is not None
        checks = list(_checks_of(self.table))
        name = self.wanted.name if self.wanted.named else None
        if name is not None:
            named = (each for each in checks if _final(each, self.context) == name)
            return next(named, None)
        text = _bare(self.wanted.facts["expression"])
        unnamed = (each for each in checks if each.name is None)
        return next((each for each in unnamed if _bare(str(each.sqltext)) == text), None)

    def index(self, found: Unseen) -> None:
        """Write an index that is new, gone or another one."""
        model = None
        if self.wanted is not None:
            model = next((each for each in self.table.indexes if str(each.name) == self.wanted.name), None)
            if model is None:
                return
        if self.there is not None:
            definition = self.there.definition
            if not definition.upper().startswith("CREATE"):
                return
            # SQLite's batches lose an index with an expression.
            found.first.insert(
                0,
                Written(self._drop_index(f"op.f({self.there.name!r})"), f"op.execute({_text(definition)!r})"),
            )
        if model is not None:
            create = self.writer.create_index(model, grouped=self.context.dialect.name == "postgresql")
            found.last.append(Written(create, self._drop_index(self.writer.final_name(model))))

    def _drop_index(self, name: str) -> str:
        schema = f", schema={self.owner.schema!r}" if self.owner.schema else ""
        return f"op.drop_index({name}, table_name={self.owner.name!r}{schema})"

    def default(self, found: Unseen) -> None:
        """Give a column another default."""
        assert self.wanted is not None
        assert self.there is not None
        column = next((each for each in self.table.columns if each.name == self.wanted.name), None)
        if column is None or isinstance(column.server_default, sa.Computed | sa.Identity):
            return
        before = self.there.facts.get("default")
        found.within.append(
            ops.AlterColumnOp(
                self.owner.name,
                column.name,
                schema=self.owner.schema,
                existing_type=column.type,
                existing_nullable=self.there.facts.get("nullable") != "no",
                existing_server_default=None if before is None else sa.DefaultClause(sa.text(_text(before))),
                modify_server_default=column.server_default,
            )
        )

    def unnamed_unique(self, found: Unseen) -> None:
        """Drop a unique of SQLite's that has no name: Alembic compares none of these."""
        assert self.there is not None
        columns = self.there.facts["columns"].split(", ")
        if not set(columns) <= {column.name for column in self.table.columns}:
            return
        name, schema = self.owner.name, self.owner.schema
        made = ops.CreateUniqueConstraintOp(None, name, columns, schema=schema)
        found.within.append(ops.DropConstraintOp(None, name, "unique", schema=schema, _reverse=made))


def _checks_of(table: sa.Table) -> Iterator[sa.CheckConstraint]:
    yield from (each for each in table.constraints if isinstance(each, sa.CheckConstraint))


def _final(constraint: sa.CheckConstraint, context: AutogenContext) -> str | None:
    assert context.dialect is not None
    if constraint.name is None:
        return None
    name = context.dialect.identifier_preparer.format_constraint(constraint, _alembic_quote=False)
    return None if name is None else str(name)


def _bare(text: str) -> str:
    """Leave away what engines write in their own ways."""
    return re.sub(r"[\s\"`()]|::[a-z ]+", "", text).lower()


def _portable(text: str) -> str:
    """Leave away MariaDB's quotes around names that need none."""
    return re.sub(r"`([a-z_][a-z0-9_]*)`", r"\1", text)


def _text(sql: str) -> str:
    return sql.replace(":", "\\:")
