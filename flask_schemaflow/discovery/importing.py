"""Import modules that the app itself does not, so that one which fails leaves nothing behind."""

from __future__ import annotations

import contextvars
import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from ..loading import LoadingRecord, origin_of_error
from ..revisions import TableName

if TYPE_CHECKING:
    from sqlalchemy import MetaData, Table

    from .binds import Bind
    from .declarations import DeclaredTable


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A module that declares tables and is not loaded; ``tables`` are those that the text names."""

    module: str
    file: Path
    tables: tuple[DeclaredTable, ...]
    line: int
    named: bool


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a candidate could not be brought in cleanly, and where.

    ``again`` says that it was not even tried, because it declares a table that is declared already.
    """

    candidate: Candidate
    reason: str
    file: str
    line: int
    again: bool = False


@dataclass
class Imported:
    """What importing candidates brought: tables by the file that declares them, and failures."""

    tables: dict[Table, Path] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def import_candidates(
    candidates: Iterable[Candidate], binds: Iterable[Bind], record: LoadingRecord
) -> Imported:
    """Import modules one by one, in copied contexts; run inside ``guarded_loading``.

    What a failing module added to the metadata is taken out again, as are tables whose foreign keys name
    no table. A module that fails is tried once more after the others, for circular imports.
    """
    binds = tuple(binds)
    metadatas = tuple(bind.metadata for bind in binds)
    before = {table for metadata in metadatas for table in metadata.tables.values()}
    there = Declared(binds)
    failures: dict[Path, Failure] = {}
    waiting = list(candidates)
    for _attempt in range(2):
        for candidate in waiting:
            again = _declared_again(candidate, there, record)
            failure = again or _import_one(candidate, metadatas, before, record)
            if failure is None:
                failures.pop(candidate.file, None)
            else:
                failures[candidate.file] = failure
        waiting = [failure.candidate for failure in failures.values()]
    brought = {
        table: _declaring_file(table, record)
        for metadata in metadatas
        for table in metadata.tables.values()
        if table not in before
    }
    by_file = {candidate.file: candidate for candidate in candidates}
    for table, reason in _remove_dangling(brought):
        origin = record.table_origins.get(table)
        declared = by_file.get(brought.pop(table))
        if declared is not None:
            line = origin.line if origin else declared.line
            failures[declared.file] = Failure(
                candidate=declared, reason=reason, file=str(declared.file), line=line
            )
    return Imported(brought, list(failures.values()))


@contextmanager
def no_folders_left(candidates: Iterable[Candidate]) -> Iterator[None]:
    """Take the instance folders away again that are made, and left empty, while modules are imported.

    Flask-SQLAlchemy makes one for every app with a SQLite file of its own; another app in the tree has one
    beside it, or beside a package that it is in.
    """
    places = {folder / "instance" for candidate in candidates for folder in candidate.file.parents}
    absent = [place for place in places if not place.exists()]
    try:
        yield
    finally:
        for place in absent:
            with suppress(OSError):
                place.rmdir()


class Declared:
    """The tables that are declared at one moment, by bind key, schema and name."""

    def __init__(self, binds: Iterable[Bind]) -> None:
        self.default_schemas = {bind.key: bind.metadata.schema for bind in binds}
        self.tables = {
            (bind.key, TableName(table.schema, table.name)): table
            for bind in binds
            for table in bind.metadata.tables.values()
        }

    def name_of(self, table: DeclaredTable) -> TableName:
        """Give the name that a table in the source will have."""
        return TableName(table.schema or self.default_schemas.get(table.bind_key), table.name or "")


def _declared_again(candidate: Candidate, declared: Declared, record: LoadingRecord) -> Failure | None:
    """Say whether a module surely declares a table that is there: importing it could change that table."""
    for again in candidate.tables:
        table = declared.tables.get((again.bind_key, declared.name_of(again))) if again.is_placed else None
        if table is not None:
            origin = record.table_origins.get(table)
            where = f" ({origin})" if origin else ""
            return Failure(
                candidate=candidate,
                reason=f"it declares the table {table.fullname!r} again, which is declared already{where}",
                file=str(candidate.file),
                line=candidate.line,
                again=True,
            )
    return None


def _import_one(
    candidate: Candidate,
    metadatas: tuple[MetaData, ...],
    before: set[Table],
    record: LoadingRecord,
) -> Failure | None:
    try:
        contextvars.copy_context().run(importlib.import_module, candidate.module)
    except (Exception, SystemExit) as error:
        _forget_partial(metadatas, before, record)
        origin = origin_of_error(error)
        text = " ".join(str(error).split())
        return Failure(
            candidate=candidate,
            reason=f"{type(error).__name__}: {text}",
            file=origin.file if origin else str(candidate.file),
            line=origin.line if origin else candidate.line,
        )
    return None


def _forget_partial(metadatas: tuple[MetaData, ...], before: set[Table], record: LoadingRecord) -> None:
    """Remove the tables of modules that are not loaded after all; those of complete ones stay."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    complete = {os.path.realpath(file) for file in files if isinstance(file, str)}
    for metadata in metadatas:
        for table in list(metadata.tables.values()):
            if table not in before and str(_declaring_file(table, record)) not in complete:
                metadata.remove(table)


def _declaring_file(table: Table, record: LoadingRecord) -> Path:
    origin = record.table_origins.get(table)
    return Path(os.path.realpath(origin.file)) if origin else Path()


def _remove_dangling(tables: dict[Table, Path]) -> Iterator[tuple[Table, str]]:
    """Take out tables with foreign keys to no table, until none is left."""
    remaining = set(tables)
    while True:
        dangling = {t: reason for t in remaining if (reason := dangling_key(t)) is not None}
        if not dangling:
            return
        for table, reason in dangling.items():
            table.metadata.remove(table)
            remaining.discard(table)
            yield table, reason


def dangling_key(table: Table) -> str | None:
    """Say which foreign key of a table names no table or column, and why; None where all do."""
    for key in table.foreign_keys:
        try:
            target = key.column.table
        except SQLAlchemyError as error:
            return " ".join(str(error).split())
        if target.metadata.tables.get(target.key) is not target:
            return f"the foreign key of {key.parent} names the table {target.name!r}, which is not there"
    return None
