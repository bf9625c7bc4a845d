"""Take what Alembic found, and give what a revision has to say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from alembic.operations import ops
from sqlalchemy.exc import DBAPIError

from ..baseline import CannotRecord, create_all_on, targets_in, writer_in
from ..drift import MODELS, find_differences, find_drift
from ..errors import Refused
from ..proof import made_on
from ..scratch import NoScratch, Source, scratch_database
from ..session import database_exists, family_of, reading_connection, sealed
from ..snapshot import Snapshot, take_snapshot
from .boolean_defaults import spell_boolean_defaults
from .casts import with_cast
from .enums import Values, widen_enums
from .false_alarms import leave_out_false_alarms
from .leading_indexes import keep_indexes_of_keys
from .names import drop_leftover_indexes, name_what_is_added, split_unnamed_drops
from .operations import Comment, Written
from .renames import likely_columns, likely_tables
from .requiring import Fill, with_values
from .tables import (
    Key,
    in_order,
    key_of,
    leave_out_second_keys,
    models_of,
    write_new_tables,
    write_new_types,
    write_removed_tables,
    write_removed_types,
    write_types_gone_on_paper,
)
from .trial import Trial
from .trying import CannotTry
from .unseen import find_unseen

if TYPE_CHECKING:
    import sqlalchemy as sa
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Dialect

    from ..drift import Drift
    from ..snapshot import Object, Part

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Around:
    """What is known besides Alembic's comparison.

    ``ours`` are the names of the tables that count, in lower case; ``on_paper`` the dialects on which the
    revision will run besides that of the database; ``is_check`` says that nothing will be written; ``enums``
    are the values that revisions name; ``ignored`` are facts of columns that the app does not want compared.
    """

    ours: frozenset[str]
    on_paper: tuple[Dialect, ...]
    tell: Tell
    scratch_uri: str | None = None
    is_check: bool = False
    ignored: frozenset[str] = frozenset()
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
        """Write, try and mend; for a check, say what differs."""
        leave_out_second_keys(self.upgrade, self.models, targets_in(self._dialect, self.around.on_paper))
        before = self._before()
        try:
            after = self._as_said(self._made_by_models(), before)
        except (NoScratch, CannotRecord) as error:
            if not self.around.is_check:
                self.upgrade.ops[:] = self.operations(before, None)
            self._not_tried(error.message)
            return
        compared, there = self._compared(after), self._compared(before)
        if not callable(self.context.migration_context.opts.get("compare_type")):
            differences = find_differences(compared, there, MODELS)
            leave_out_false_alarms(self.upgrade, self.models, differences)
        drift = find_drift(compared, there, MODELS)
        differing = [each for each in drift if each.structural]
        if self.around.is_check:
            self._check(differing)
            return
        self._tell_computed(drift)
        operations = self.operations(before, after)
        if operations or differing:
            operations = self._tried(operations, before, after)
        self.upgrade.ops[:] = operations

    def _check(self, differing: Sequence[Drift]) -> None:
        for each in differing:
            self.around.tell(f"{each.message} [{each.key}]")
        if differing and not self.upgrade.ops:
            self.upgrade.ops[:] = [Written(each.key) for each in differing]

    def _tell_computed(self, drift: Sequence[Drift]) -> None:
        for each in drift:
            if each.code == "changed-column-generated" and each.actual is None:
                self._tell(f"{each.subject} is to be computed, so the revision loses the values it has now.")

    @property
    def _dialect(self) -> Dialect:
        assert self.context.dialect is not None
        return self.context.dialect

    @property
    def _source(self) -> Source:
        assert self.context.connection is not None
        return Source(engine=self.context.connection.engine, uri=self.around.scratch_uri)

    def _made_by_models(self) -> Snapshot:
        """Give what ``create_all`` makes."""
        with scratch_database(self._source) as scratch, sealed():
            for metadata in dict.fromkeys(each.metadata for each in self.models.values()):
                create_all_on(metadata, scratch)
            return made_on(scratch)

    def _as_said(self, after: Snapshot, before: Snapshot) -> Snapshot:
        """Take the facts of columns that the app does not want compared from the database."""
        there = {
            (table.key, part.name): part.facts
            for table in before.tables
            for part in table.parts
            if part.kind == "column"
        }

        def kept(table: Object, part: Part) -> Part:
            facts = there.get((table.key, part.name)) if part.kind == "column" else None
            if facts is None:
                return part
            same = {fact: facts[fact] for fact in self.around.ignored if fact in facts}
            others = {fact: part.facts[fact] for fact in part.facts.keys() - self.around.ignored}
            return replace(part, facts=others | same)

        return _with_columns(after, kept) if self.around.ignored else after

    def _before(self) -> Snapshot:
        assert self.context.connection is not None
        engine = self.context.connection.engine
        if not database_exists(engine):
            return Snapshot(family=family_of(engine.dialect))
        with reading_connection(engine) as connection:
            there = take_snapshot(connection)
        # An app's own filter may let others' tables through to Alembic.
        named = {key[1].lower() for each in self.upgrade.ops if (key := key_of(each)) is not None}
        names = self.around.ours | named
        return there.of_tables(
            (each.schema, each.name) for each in there.objects if each.name.lower() in names
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
        for drop in self.removed:
            spell_boolean_defaults(drop)
        first: list[Written] = []
        last: list[Written] = []
        if after is not None:
            both = {key: each for key, each in self.models.items() if key not in made}
            seen = [each for table in known.values() for each in table.ops]
            differences = find_differences(self._compared(after), self._compared(before), MODELS)
            unseen = find_unseen(self.context, writer, both, differences, seen)
            first, last = unseen.first, unseen.last
            for each in unseen.within:
                _put_among(known, each)
        targets = targets_in(self._dialect, on_paper)
        there = {key: each for key, each in self.models.items() if key not in made}
        widened = list(widen_enums(self.context, targets, there, known, self._enums(before)))
        renames = list(likely_tables(self.new, self.removed, writer, tell))
        return [
            *(Comment(each.code) for each in renames),
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
            *(Comment("", each.undo) for each in renames),
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
        targets = targets_in(self._dialect, self.around.on_paper)
        renames = list(likely_columns(self.context, table, writer, self._tell))
        for each in table.ops:
            name_what_is_added(each)
            spell_boolean_defaults(each)
            if any(target.name == "postgresql" for target in targets):
                with_cast(each)
        model = self.models.get((table.schema, table.table_name))
        first, last = keep_indexes_of_keys(table, model, targets) if model is not None else ([], [])
        yield from first
        for each in split_unnamed_drops(self.context, in_order(table), before, targets):
            if isinstance(each, ops.ModifyTableOps):
                # Keys are looked up by the old names; on the way back the order is turned round.
                yield from (Comment(rename.code) for rename in renames)
                yield from with_values(each, writer, self._tell)
            else:
                yield each
        yield from last
        if model is not None:
            yield from drop_leftover_indexes(table, model, self.context.dialect, targets)
        yield from (Comment("", rename.undo) for rename in renames)

    # -- trying ------------------------------------------------------------------------------------

    def _tried(
        self, operations: list[MigrateOperation], before: Snapshot, after: Snapshot
    ) -> list[MigrateOperation]:
        """Run the operations there and back, and add what is left."""
        fills = [each for each in operations if isinstance(each, Fill)]
        trial = Trial(
            context=self.context,
            source=self._source,
            others=tuple(targets_in(self._dialect, self.around.on_paper)[1:]),
            tell=self._tell,
            keep=self._compared,
            whole=before,
            wanted=self._compared(after),
            without_values=self._before_filling(fills) if fills else None,
        )
        try:
            return trial.complete(operations)
        except (CannotTry, DBAPIError, Refused) as error:
            self._not_tried(str(getattr(error, "orig", None) or error))
            return operations

    def _before_filling(self, fills: Sequence[Fill]) -> Snapshot:
        """Give what the models make, but that columns which will be filled may be without a value."""
        columns = [self.models[each.key].columns[name] for each in fills for name in each.columns]
        for column in columns:
            column.nullable = True
        try:
            return self._compared(self._made_by_models())
        finally:
            for column in columns:
                column.nullable = False

    def _not_tried(self, why: str) -> None:
        self._tell(f"The revision was not tried on a scratch database: {' '.join(why.split())}")

    def _tell(self, text: str) -> None:
        self.around.tell(text)


def _with_columns(structure: Snapshot, change: Callable[[Object, Part], Part]) -> Snapshot:
    return replace(
        structure,
        objects=tuple(
            replace(each, parts=tuple(change(each, part) for part in each.parts))
            for each in structure.objects
        ),
    )


def _labels(text: str) -> list[str]:
    return [each.replace("''", "'") for each in re.findall(r"'((?:[^']|'')*)'", text)]


def _put_among(
    known: dict[Key | None, ops.ModifyTableOps], altered: ops.AlterColumnOp | ops.DropConstraintOp
) -> None:
    """Add an operation to those of its table; another default to what changes about a column."""
    key = key_of(altered)
    table = known.setdefault(key, ops.ModifyTableOps(altered.table_name, [], schema=altered.schema))
    if isinstance(altered, ops.AlterColumnOp):
        for each in table.ops:
            if isinstance(each, ops.AlterColumnOp) and each.column_name == altered.column_name:
                if each.modify_server_default is False:
                    each.existing_server_default = altered.existing_server_default
                    each.modify_server_default = altered.modify_server_default
                return
    table.ops.append(altered)
