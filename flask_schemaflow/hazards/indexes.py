"""Rules for indexes: what is locked while they are built, and what happens without them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..revisions import TableName
from .effect import Does, DropsColumn, DropsPart, MakesIndex
from .hazard import ROWS, Hazard, Kind
from .parts import columns_of, parts_of
from .pending import Met, Pending, label
from .questions import size_of

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_IN_A_BLOCK = "with op.get_context().autocommit_block(): op.{what}(..., postgresql_concurrently=True{more})"
_BUILT = Kind(
    "add-index-non-concurrently",
    ("blocking",),
    f"In a revision of its own: {_IN_A_BLOCK.format(what='create_index', more=', if_not_exists=True')}",
)
_DROPPED = Kind(
    "drop-index-non-concurrently",
    ("blocking",),
    f"In a revision of its own: {_IN_A_BLOCK.format(what='drop_index', more='')}",
)
_REINDEXED = Kind(
    "reindex-non-concurrently", ("blocking",), "REINDEX ... CONCURRENTLY, in an autocommit_block()."
)
_REPLACED = Kind(
    "replace-index-drop-first", ("blocking",), "Make the new index first, and drop the old one after it."
)
_CORRUPT = Kind(
    "index-corruption-pg14",
    ("destructive",),
    "Bring the server to 14.4 or later first; find corrupt indexes with amcheck.",
)
_VANISHES = Kind(
    "drop-column-drops-index", ("incompatible",), "Make the index without the column first, if it is needed."
)


def add_index_non_concurrently(pending: Pending) -> Iterator[Hazard]:
    """Find indexes that PostgreSQL builds while nobody can write the table."""
    if pending.family != "postgresql":
        return
    for effect, met in pending.of(MakesIndex):
        if not effect.concurrently and met.table is not None and not _is_partitioned(met.there):
            subject = label(effect.table, effect.name or None)
            message = f"Builds the index {subject} under SHARE: nobody writes {ROWS} meanwhile."
            yield pending.found(_BUILT, met, subject, message, question=size_of(met.table))


def _is_partitioned(table: Object | None) -> bool:
    """Say whether it has partitions: there is no CONCURRENTLY for those."""
    return table is not None and "partition-by" in table.facts


def drop_index_non_concurrently(pending: Pending) -> Iterator[Hazard]:
    """Find indexes that PostgreSQL drops while nobody can use the table."""
    if pending.family != "postgresql":
        return
    for effect, met in pending.of(DropsPart):
        if effect.kind != "index" or effect.concurrently:
            continue
        if not effect.table.name and _is_anybodys(pending, effect.name):
            message = (
                f"Drops the index {effect.name} under ACCESS EXCLUSIVE on its table, which is not known: it "
                "waits for everybody who uses the table, and everybody waits for it."
            )
            yield pending.found(_DROPPED, met, effect.name, message)
            continue
        owner = _owner(pending, effect, met)
        if owner is not None and not _is_partitioned(pending.table(pending.structures.real, owner)):
            message = (
                f"Drops the index {effect.name} of {label(owner)} under ACCESS EXCLUSIVE: it waits for "
                "everybody who "
                f"uses the table of {ROWS}, and everybody waits for it."
            )
            yield pending.found(_DROPPED, met, label(owner, effect.name), message, question=size_of(owner))


def _owner(pending: Pending, effect: DropsPart, met: Met) -> TableName | None:
    """Give the real table whose real index goes; None where the plan has made the one or the other."""
    owner = _table_of(effect.name, pending, "index")
    known = bool(pending.structures.real.tables)
    return owner or (None if known or not effect.table.name else met.table)


def _is_anybodys(pending: Pending, index: str) -> bool:
    """Say whether nothing is known of the tables, and the plan has not made the index either."""
    made = (effect.name for one in (*pending.so_far, pending) for effect, _ in one.of(MakesIndex))
    return not pending.structures.real.tables and index not in made


def _table_of(index: str, pending: Pending, *kinds: str) -> TableName | None:
    """Give the real table that has an index of this name."""
    for table in pending.structures.real.tables:
        if any(part.name == index for part in parts_of(table, *kinds)):
            return TableName(table.schema, table.name)
    return None


_WITH_AN_INDEX = ("index", "primary-key", "unique", "exclude")


def reindex_non_concurrently(pending: Pending) -> Iterator[Hazard]:
    """Find indexes that are built anew while nobody can write the table."""
    for effect, met in pending.of(Does):
        if effect.what == "reindex-non-concurrently" and pending.family == "postgresql":
            by_name = effect.table.name != ""
            table = met.table if by_name else _table_of(effect.name, pending, *_WITH_AN_INDEX)
            if table is None and by_name:
                continue
            question = size_of(table) if table is not None else None
            of = f" of {ROWS}" if question is not None else ""
            message = f"Builds {effect.name} anew under SHARE on its table{of}: nobody writes it meanwhile."
            yield pending.found(_REINDEXED, met, effect.name, message, question=question)


def replace_index_drop_first(pending: Pending) -> Iterator[Hazard]:
    """Find indexes that go before the one that takes their place is there."""
    if pending.family == "sqlite":
        return
    gone: list[tuple[TableName, Part, Met]] = []
    for met in pending.met:
        effect = met.effect
        if isinstance(effect, DropsPart) and effect.kind == "index":
            owner = _owner(pending, effect, met)
            if owner is not None:
                table = pending.table(pending.structures.real, owner)
                gone += [(owner, part, met) for part in parts_of(table, "index") if part.name == effect.name]
        elif isinstance(effect, MakesIndex) and met.table is not None:
            for owner, part, dropped in gone:
                if owner == met.table and _takes_the_place(part, effect) and not _is_covered(part, met.there):
                    subject = label(effect.table, part.name)
                    message = (
                        f"Drops the index {subject} before {effect.name}, which takes its place, is there: "
                        "queries read "
                        f"the whole table of {ROWS} meanwhile."
                    )
                    yield pending.found(_REPLACED, dropped, subject, message, question=size_of(met.table))


def _takes_the_place(old: Part, new: MakesIndex) -> bool:
    columns = columns_of(old)
    return columns is not None and new.columns is not None and new.columns[: len(columns)] == columns


def _is_covered(old: Part, table: Object | None) -> bool:
    columns = columns_of(old) or ()
    others = (columns_of(part) or () for part in parts_of(table, "index", "unique", "primary-key"))
    return any(each[: len(columns)] == columns for each in others)


def index_corruption_pg14(pending: Pending) -> Iterator[Hazard]:
    """Find CONCURRENTLY on the servers that make corrupt indexes with it.

    (https://www.postgresql.org/docs/release/14.4/)
    """
    version = pending.structures.real.server_version
    if pending.family != "postgresql" or not (14,) <= version < (14, 4):
        return
    for met in pending.met:
        effect = met.effect
        builds = (isinstance(effect, MakesIndex) and effect.concurrently) or (
            isinstance(effect, Does) and effect.what == "reindex-concurrently"
        )
        if builds:
            name = getattr(effect, "name", "")
            server = ".".join(map(str, version))
            message = (
                f"Builds the index {name} concurrently on PostgreSQL {server}, which can make a corrupt one."
            )
            yield pending.found(
                _CORRUPT, met, label(effect.table, name) if effect.table.name else name, message
            )


def drop_column_drops_index(pending: Pending) -> Iterator[Hazard]:
    """Find indexes on several columns that lose one of them."""
    if pending.family == "sqlite":
        return
    for effect, met in pending.of(DropsColumn):
        if met.table is None:
            continue
        for part in parts_of(met.there, "index", "unique"):
            columns = columns_of(part) or ()
            if effect.column in columns and len(columns) > 1:
                goes = "goes with it" if pending.family == "postgresql" else "loses it"
                name = part.name or "+".join(columns)
                subject = label(effect.table, name)
                message = f"Drops the column {label(effect.table, effect.column)}; the index {name} {goes}."
                yield pending.found(_VANISHES, met, subject, message)


RULES = (
    add_index_non_concurrently,
    drop_index_non_concurrently,
    reindex_non_concurrently,
    replace_index_drop_first,
    index_corruption_pg14,
    drop_column_drops_index,
)
KINDS = (_BUILT, _DROPPED, _REINDEXED, _REPLACED, _CORRUPT, _VANISHES)
