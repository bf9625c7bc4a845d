"""Take what Alembic found, and give what a revision has to say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from alembic.operations import ops
from sqlalchemy.exc import DBAPIError

from ..baseline import CannotRecord, create_all_on, targets_in, writer_in
from ..drift import MODELS, find_differences, find_drift
from ..errors import Refused
from ..proof import made_on
from ..scratch import NoScratch, Source, scratch_database
from ..scripts import staying
from ..session import database_exists, reading_connection, sealed
from ..snapshot import Snapshot, take_snapshot
from .enums import Values, widen_enums
from .names import name_what_is_added, split_unnamed_drops
from .operations import Written
from .renames import likely_columns, likely_tables
from .requiring import with_values
from .tables import (
    Key,
    in_order,
    key_of,
    models_of,
    write_new_tables,
    write_new_types,
    write_removed_tables,
    write_removed_types,
    write_types_gone_on_paper,
)
from .trying import CannotTry, Trying
from .unseen import find_unseen

if TYPE_CHECKING:
    import sqlalchemy as sa
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Dialect

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Around:
    """What is known besides Alembic's comparison.

    ``ours`` are the names of the tables that count, in lower case; ``on_paper`` the dialects on which the
    revision will run besides that of the database; ``is_check`` says that nothing will be written; ``enums``
    are the values that revisions name.
    """

    ours: frozenset[str]
    on_paper: tuple[Dialect, ...]
    tell: Tell
    scratch_uri: str | None = None
    is_check: bool = False
    enums: Values = field(default_factory=dict)


def complete(context: AutogenContext, upgrade: ops.UpgradeOps, around: Around) -> None:
    """Put the operations of a revision in the place of those that Alembic found.

    They make what the models' ``create_all`` makes, as far as operations can. Read-only for the database:
    they are tried on a scratch database.

    :raises Refused: a new table cannot be written.
    """
    _Completing(context, upgrade, around).complete()


@dataclass
class _Completing:
    context: AutogenContext
    upgrade: ops.UpgradeOps
    around: Around

    @cached_property
    def models(self) -> dict[Key, sa.Table]:
        """The models' tables that are compared."""
        return {
            key: table
            for key, table in models_of(self.context).items()
            if self.context.run_object_filters(table, table.name, "table", False, None)  # noqa: FBT003 -- Alembic's
        }

    @cached_property
    def new(self) -> list[sa.Table]:
        wanted = [key_of(each) for each in self.upgrade.ops if isinstance(each, ops.CreateTableOp)]
        return [self.context.table_key_to_table[f"{s}.{t}" if s else t] for s, t in filter(None, wanted)]

    @cached_property
    def removed(self) -> list[ops.DropTableOp]:
        return [each for each in self.upgrade.ops if isinstance(each, ops.DropTableOp)]

    def complete(self) -> None:
        """Write, try and mend."""
        assert self.context.connection is not None
        engine = self.context.connection.engine
        before = self._before()
        source = Source(engine=engine, uri=self.around.scratch_uri)
        try:
            with scratch_database(source) as scratch, sealed():
                for metadata in dict.fromkeys(each.metadata for each in self.models.values()):
                    create_all_on(metadata, scratch)
                after = made_on(scratch)
        except (NoScratch, CannotRecord) as error:
            self.upgrade.ops[:] = self.operations(before, None)
            self._not_tried(error.message)
            return
        operations = self.operations(before, after)
        if not operations and not find_drift(self._compared(after), self._compared(before), MODELS):
            self.upgrade.ops[:] = []
            return
        with scratch_database(source) as scratch, sealed():
            trying = Trying(scratch, self.context, self._compared)
            try:
                trying.build(before)
            except (CannotTry, DBAPIError, Refused) as error:
                self._not_tried(str(getattr(error, "orig", None) or error))
            else:
                operations = self._tried(trying, operations, before, after)
        self.upgrade.ops[:] = operations

    def _before(self) -> Snapshot:
        assert self.context.connection is not None
        engine = self.context.connection.engine
        if not database_exists(engine):
            return Snapshot(family=engine.dialect.name)
        with reading_connection(engine) as connection:
            there = take_snapshot(connection)
        return there.of_tables(
            (each.schema, each.name) for each in there.objects if each.name.lower() in self.around.ours
        )

    def _compared(self, structure: Snapshot) -> Snapshot:
        """Keep what the models' tables that are compared have."""
        return structure.of_tables(self.models)

    # -- operations --------------------------------------------------------------------------------

    def operations(self, before: Snapshot, after: Snapshot | None) -> list[MigrateOperation]:
        """Give Alembic's operations as we write them, and those that it did not see."""
        on_paper, tell = self.around.on_paper, self._tell
        writer = writer_in(self.context, on_paper)
        gone = {key_of(each) for each in self.removed}
        made = {key_of(each) for each in self.upgrade.ops if isinstance(each, ops.CreateTableOp)}
        modified = {key_of(each): each for each in self.upgrade.ops if isinstance(each, ops.ModifyTableOps)}
        known = {key: each for key, each in modified.items() if key not in made | gone}
        others = [
            each
            for each in self.upgrade.ops
            if not isinstance(each, ops.CreateTableOp | ops.DropTableOp | ops.ModifyTableOps)
        ]
        first: list[Written] = []
        last: list[Written] = []
        if after is not None:
            both = {key: each for key, each in self.models.items() if key not in made}
            seen = [each for table in known.values() for each in table.ops]
            differences = find_differences(self._compared(after), self._compared(before), MODELS)
            unseen = find_unseen(self.context, writer, both, differences, seen)
            first, last = unseen.first, unseen.last
            for altered in unseen.altered:
                _alter(known, altered)
        assert self.context.dialect is not None
        targets = targets_in(self.context.dialect, on_paper)
        there = {key: each for key, each in self.models.items() if key not in made}
        widened = list(widen_enums(self.context, targets, there, known, self._enums(before)))
        return [
            *likely_tables(self.new, self.removed, tell),
            *self._types(known, made, before),
            *write_new_tables(self.context, self.new, on_paper),
            *others,
            *first,
            *widened,
            *(each for table in known.values() for each in self._modified(table, before)),
            *last,
            *(write_removed_types(before, after, gone) if after is not None else ()),
            *write_removed_tables(self.context, self.removed, list(self.models.values()), on_paper),
            *self._types_gone(before),
        ]

    def _enums(self, before: Snapshot) -> Values:
        """Give the values that enums have: the server's, where it tells them, else the revisions'."""
        if before.family != "postgresql":
            return self.around.enums
        enums = (each for each in before.objects if each.kind == "enum")
        return {each.name: _labels(each.facts["labels"]) for each in enums}

    def _types_gone(self, before: Snapshot) -> list[Written]:
        """Drop on PostgreSQL, which is not at hand, what no model needs any more."""
        paper = next((each for each in self.around.on_paper if each.name == "postgresql"), None)
        if before.family == "postgresql" or paper is None:
            return []
        return write_types_gone_on_paper(self.context, paper, self.around.enums)

    def _types(
        self, known: dict[Key | None, ops.ModifyTableOps], made: set[Key | None], before: Snapshot
    ) -> list[Written]:
        added = {
            (key, each.column.name)
            for key, table in known.items()
            for each in table.ops
            if isinstance(each, ops.AddColumnOp)
        } | {
            (key, each.column_name)
            for key, table in known.items()
            for each in table.ops
            if isinstance(each, ops.AlterColumnOp) and each.modify_type is not None
        }
        there = {
            (key, column.name): column
            for key, table in self.models.items()
            if key not in made
            for column in table.columns
        }
        new = [column for place, column in there.items() if place in added]
        others = [column for place, column in there.items() if place not in added]
        return write_new_types(
            self.context, new, others, before, self.around.on_paper, self.around.enums.keys()
        )

    def _modified(self, table: ops.ModifyTableOps, before: Snapshot) -> Iterator[MigrateOperation]:
        writer = writer_in(self.context, self.around.on_paper)
        assert self.context.dialect is not None
        targets = targets_in(self.context.dialect, self.around.on_paper)
        yield from likely_columns(self.context, table, writer, self._tell)
        for each in table.ops:
            name_what_is_added(each)
        for each in split_unnamed_drops(self.context, in_order(table), before, targets):
            if isinstance(each, ops.ModifyTableOps):
                yield from with_values(each, writer, self._tell)
            else:
                yield each

    # -- trying ------------------------------------------------------------------------------------

    def _tried(
        self, trying: Trying, operations: list[MigrateOperation], before: Snapshot, after: Snapshot
    ) -> list[MigrateOperation]:
        """Run the operations there and back, and add what is left."""
        is_only = len(targets_in(trying.scratch.dialect, self.around.on_paper)) == 1
        wanted = self._compared(after)
        problem = trying.run(operations)
        if problem:
            self._tell(f"On a scratch database the revision fails, mend it before you run it: {problem}")
            return operations
        script, code = trying.mended(wanted, is_only=is_only)
        if code and not is_only:
            self._tell(
                f"What no operation says for every engine was written for {before.family} only: "
                f"{', '.join(key for step in script.steps for key in step.mends)}."
            )
        for each in staying(script):
            self._tell(f"{each.message} {each.hint}")
            if self.around.is_check:
                operations = [*operations, Written(f"# {each.message}")]
        if not operations and not code:
            return []
        return self._with_way_back(trying, operations, code, self._compared(before), is_only=is_only)

    def _with_way_back(
        self,
        trying: Trying,
        operations: Sequence[MigrateOperation],
        code: str,
        before: Snapshot,
        *,
        is_only: bool,
    ) -> list[MigrateOperation]:
        problem = trying.run_back(operations)
        back = ""
        if problem:
            self._tell(f"On a scratch database the revision's downgrade fails, mend it: {problem}")
        else:
            _, back = trying.mended(before, is_back=True, is_only=is_only)
        head = [Written("", back)] if back else []
        return [*head, *operations, *([Written(code)] if code else [])]

    def _not_tried(self, why: str) -> None:
        self._tell(f"The revision was not tried on a scratch database: {' '.join(why.split())}")

    def _tell(self, text: str) -> None:
        if not self.around.is_check:
            self.around.tell(text)


def _labels(text: str) -> list[str]:
    return [each.replace("''", "'") for each in re.findall(r"'((?:[^']|'')*)'", text)]


def _alter(known: dict[Key | None, ops.ModifyTableOps], altered: ops.AlterColumnOp) -> None:
    """Add another default to what changes about a column."""
    key = key_of(altered)
    table = known.setdefault(key, ops.ModifyTableOps(altered.table_name, [], schema=altered.schema))
    for each in table.ops:
        if isinstance(each, ops.AlterColumnOp) and each.column_name == altered.column_name:
            if each.modify_server_default is False:
                each.existing_server_default = altered.existing_server_default
                each.modify_server_default = altered.modify_server_default
            return
    table.ops.append(altered)
