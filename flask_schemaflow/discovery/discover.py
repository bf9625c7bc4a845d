"""Bring every table of an app into its metadata, and say what was found where."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from flask_sqlalchemy import SQLAlchemy

from ..errors import ConfigurationError, ModelsMissing
from ..findings import Finding, Severity
from ..loading import LoadingRecord, guarded_loading
from ..revisions import TableName
from .binds import Bind, registered_db
from .importing import Candidate, Failure, Imported, dangling_key, import_candidates
from .loaded import LoadedCode, holder_of, mapped_classes, metadata_with_tables
from .sources import SourceCall, SourceFile, Sources, scan_sources

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import MetaData, Table

    from ..config import Settings

TablesPerBind = Mapping[str | None, frozenset[TableName]]


@dataclass(frozen=True, kw_only=True)
class DiscoveredModule:
    """A module that declares tables of ours; ``why`` says how it came in."""

    module: str
    file: str
    tables: tuple[str, ...]
    why: str


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """Everything that discovery found; the binds' metadata is complete now.

    ``calls`` are the calls of ``create_all``, ``drop_all`` and ``init_app`` in the app's source.
    """

    modules: tuple[DiscoveredModule, ...]
    findings: tuple[Finding, ...]
    calls: tuple[SourceCall, ...]


@dataclass(frozen=True)
class _Judges:
    """What the databases and the revisions have."""

    in_database: TablesPerBind
    in_revisions: frozenset[TableName]

    def know(self, table: Table, bind: Bind) -> bool:
        name = TableName(table.schema, table.name)
        return name in self.in_revisions or name in self.in_database.get(bind.key, frozenset())

    def have_name(self, name: str) -> bool:
        known = self.in_revisions.union(*self.in_database.values())
        return any(each.name == name for each in known)


def discover(
    app: Flask,
    binds: tuple[Bind, ...],
    settings: Settings,
    *,
    in_database: TablesPerBind,
    in_revisions: frozenset[TableName],
    keep_new: bool = False,
    record: LoadingRecord | None = None,
    every_thread: bool = False,
) -> Discovery:
    """Find the modules that declare tables, import those that the app does not, and judge their tables.

    Changes the binds' metadata only. Imports run the app's code, guarded as in :mod:`..loading`.

    :param in_database: the tables that each database has.
    :param in_revisions: the tables in the revisions' history.
    :param keep_new: keep tables that neither of both has.
    :param record: what was seen while the app loaded, where it loaded under our eyes.
    :raises ModelsMissing: there is no table at all, or a module whose table the database has cannot be
        brought in.
    :raises ConfigurationError: ``SCHEMAFLOW_MODELS`` names a module that does not exist.
    """
    judges = _Judges(in_database, in_revisions)
    loaded = LoadedCode()
    metadatas = [bind.metadata for bind in binds]
    roots = loaded.search_roots(app, _holders(app, metadatas))
    sources = scan_sources(roots, loaded.is_base)
    candidates = list(_candidates(sources, loaded, settings))
    with guarded_loading(every_thread=every_thread, servers_too=True) as seen:
        if record is not None:
            seen.table_origins.update(record.table_origins)
        imported = import_candidates(candidates, metadatas, seen)
    named = {candidate.file for candidate in candidates if candidate.named}
    kept, left = _judge(imported, binds, judges, named, keep_new=keep_new)
    for table in left:
        table.metadata.remove(table)
    findings = [
        *seen.findings(),
        *_about_tables(kept, left, imported, candidates, app),
        *_about_failures(imported.failures, binds, judges),
        *_about_sources(sources),
        *_about_others(app, metadatas),
        *_about_dangling(metadatas, seen),
    ]
    discovery = Discovery(
        modules=tuple(_modules(binds, seen, {c.file: c for c in candidates})),
        findings=tuple(findings),
        calls=sources.calls,
    )
    _check(discovery, metadatas, judges, roots, sources)
    return discovery


# -- candidates ------------------------------------------------------------------------------------


def _holders(app: Flask, metadatas: list[MetaData]) -> Iterator[str]:
    holder = holder_of(registered_db(app))
    if holder is not None:
        yield holder[0]
    yield from sorted({each.__module__ for each in mapped_classes(metadatas)})


def _candidates(sources: Sources, loaded: LoadedCode, settings: Settings) -> Iterator[Candidate]:
    if settings.models:
        yield from _named_candidates(sources, loaded, settings)
        return
    for source in sources.declaring:
        name = loaded.import_name(source.file)
        is_new = not source.left_out and source.file not in loaded.files and name is not None
        if is_new and not _excluded(name or "", settings):
            yield _candidate(name or "", source, named=False)


def _named_candidates(sources: Sources, loaded: LoadedCode, settings: Settings) -> Iterator[Candidate]:
    """Give what ``SCHEMAFLOW_MODELS`` names; a pattern matches the modules that declare tables."""
    declaring = {loaded.import_name(source.file): source for source in sources.declaring}
    for pattern in settings.models:
        plain = not set(pattern) & set("*?[")
        matches = [name for name in declaring if name is not None and fnmatchcase(name, pattern)]
        if not matches and plain:
            if pattern in sys.modules:
                continue
            matches = [_existing_module(pattern)]
        for name in matches:
            source = declaring.get(name)
            if source is None:
                yield Candidate(module=name, file=Path(), names=(), line=1, named=True)
            elif source.file not in loaded.files and not _excluded(name, settings):
                yield _candidate(name, source, named=True)


def _existing_module(name: str) -> str:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise ConfigurationError(f"SCHEMAFLOW_MODELS names {name!r}, and there is no such module.")
    return name


def _candidate(name: str, source: SourceFile, *, named: bool) -> Candidate:
    return Candidate(
        module=name,
        file=source.file,
        names=tuple(table.name for table in source.tables if table.name),
        line=source.tables[0].line,
        named=named,
    )


def _excluded(name: str, settings: Settings) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in settings.models_exclude)


# -- judging ---------------------------------------------------------------------------------------


def _judge(
    imported: Imported,
    binds: tuple[Bind, ...],
    judges: _Judges,
    named: set[Path],
    *,
    keep_new: bool,
) -> tuple[list[Table], list[Table]]:
    """Split what was imported into tables that are ours and tables that are left out."""
    by_metadata = {id(bind.metadata): bind for bind in binds}
    brought = list(imported.tables)
    before = sum(len(bind.metadata.tables) for bind in binds) - len(brought)
    kept = {
        table
        for table in brought
        if keep_new or imported.tables[table] in named or judges.know(table, by_metadata[id(table.metadata)])
    }
    if not before and not kept:
        kept = set(brought)
    wanted = kept | {table for bind in binds for table in bind.metadata.tables.values()} - set(brought)
    while more := {t for w in wanted for t in _referenced(w) if t in imported.tables} - kept:
        kept |= more
        wanted |= more
    return [t for t in brought if t in kept], [t for t in brought if t not in kept]


def _referenced(table: Table) -> Iterator[Table]:
    return (key.column.table for key in table.foreign_keys if dangling_key(table) is None)


# -- what there is to say --------------------------------------------------------------------------


def _about_tables(
    kept: list[Table],
    left: list[Table],
    imported: Imported,
    candidates: list[Candidate],
    app: Flask,
) -> Iterator[Finding]:
    home = getattr(sys.modules.get(app.import_name), "__file__", None) or app.import_name
    for candidate in candidates:
        ours = _names(table for table in kept if imported.tables[table] == candidate.file)
        dead = _names(table for table in left if imported.tables[table] == candidate.file)
        if ours and not candidate.named:
            yield Finding(
                code="unimported-model",
                subject=candidate.module,
                message=f"Nothing imports {candidate.module} when the app loads; it declares {ours}.",
                hint=f"Add `import {candidate.module}` where the app is made ({home}).",
                file=str(candidate.file),
                line=candidate.line,
            )
        if dead:
            yield Finding(
                code="model-left-out",
                subject=candidate.module,
                message=f"{candidate.module} declares {dead}, which neither the app loads nor the "
                "database or a revision has; left out.",
                hint="If the app needs it, import it; else remove it. SCHEMAFLOW_MODELS = "
                f'["{candidate.module}"] makes it count.',
                file=str(candidate.file),
                line=candidate.line,
            )


def _names(tables: Iterable[Table]) -> str:
    return ", ".join(sorted(table.fullname for table in tables))


def _about_failures(failures: list[Failure], binds: tuple[Bind, ...], judges: _Judges) -> Iterator[Finding]:
    ours = {table.name for bind in binds for table in bind.metadata.tables.values()}
    for failure in failures:
        candidate = failure.candidate
        needed = [n for n in candidate.names if n not in ours and judges.have_name(n)]
        needed_text = f" The database has its table {', '.join(needed)}." if needed else ""
        stops = bool(needed) or candidate.named
        harmless = Severity.INFO if failure.again else Severity.WARNING
        yield Finding(
            code="table-declared-again" if failure.again else "broken-models-module",
            subject=candidate.module,
            severity=Severity.ERROR if stops else harmless,
            message=f"{candidate.module} cannot be brought in: {failure.reason}.{needed_text}",
            hint="Mend or remove the module, or exclude it: "
            f'SCHEMAFLOW_MODELS_EXCLUDE = ["{candidate.module}"].',
            file=failure.file,
            line=failure.line,
        )


def _about_sources(sources: Sources) -> Iterator[Finding]:
    for source in sources.declaring:
        if source.left_out:
            names = ", ".join(table.name or table.declared_by for table in source.tables)
            yield Finding(
                code="source-left-out",
                subject=source.file.name,
                severity=Severity.INFO,
                message=f"It declares {names}, but is {source.left_out}; it was not looked at.",
                hint="Name the module in SCHEMAFLOW_MODELS if its tables are the app's.",
                file=str(source.file),
                line=source.tables[0].line,
            )
    for broken in sources.unreadable:
        yield Finding(
            code="unreadable-source",
            subject=broken.file.name,
            message=f"It is not valid Python and was not looked at: {broken.reason}.",
            file=str(broken.file),
            line=broken.line,
        )


def _about_others(app: Flask, ours: list[MetaData]) -> Iterator[Finding]:
    own = {id(metadata) for metadata in ours}
    registered = registered_db(app)
    of_registered = {id(metadata) for metadata in registered.metadatas.values()}
    for metadata in metadata_with_tables():
        if id(metadata) in own:
            continue
        place = holder_of(_sqlalchemy_with(metadata) or metadata)
        module = sys.modules.get(place[0]) if place else None
        file = getattr(module, "__file__", None)
        if place is None or file is None or "site-packages" in file:
            continue
        unused = " of the registered db" if id(metadata) in of_registered else ""
        yield Finding(
            code="other-metadata",
            subject=f"{place[0]}:{place[1]}",
            message=f"{place[0]}:{place[1]}{unused} has {len(metadata.tables)} tables that are not "
            "those of the registered db; they are not looked after.",
            hint="If they belong to this app, declare them on the registered db.",
            file=file,
        )


def _sqlalchemy_with(metadata: MetaData) -> SQLAlchemy | None:
    for module in list(sys.modules.values()):
        for value in list(getattr(module, "__dict__", {}).values()):
            if issubclass(type(value), SQLAlchemy) and metadata in value.metadatas.values():
                found: SQLAlchemy = value
                return found
    return None


def _about_dangling(metadatas: list[MetaData], seen: LoadingRecord) -> Iterator[Finding]:
    for metadata in metadatas:
        for table in metadata.tables.values():
            reason = dangling_key(table)
            if reason is not None:
                origin = seen.table_origins.get(table)
                yield Finding(
                    code="foreign-key-to-no-table",
                    subject=table.fullname,
                    severity=Severity.ERROR,
                    message=f"{reason}.",
                    hint="Import the module that declares it, or remove the foreign key; "
                    "create_all() fails on it too.",
                    file=origin.file if origin else None,
                    line=origin.line if origin else None,
                )


# -- results ---------------------------------------------------------------------------------------


def _modules(
    binds: tuple[Bind, ...], seen: LoadingRecord, candidates: Mapping[Path, Candidate]
) -> Iterator[DiscoveredModule]:
    classes = {
        each.__table__: each.__module__
        for each in mapped_classes(bind.metadata for bind in binds)
        if hasattr(each, "__table__")
    }
    files = {str(path): module.__name__ for path, module in LoadedCode().files.items()}
    found: dict[tuple[str, str], list[str]] = {}
    for bind in binds:
        for table in bind.metadata.tables.values():
            origin = seen.table_origins.get(table)
            file = str(Path(origin.file).resolve()) if origin else ""
            module = classes.get(table) or files.get(file, "")
            file = file or getattr(sys.modules.get(module), "__file__", None) or ""
            found.setdefault((module, file), []).append(table.fullname)
    for (module, file), tables in sorted(found.items()):
        candidate = candidates.get(Path(file))
        why = "loaded with the app"
        if candidate is not None:
            why = "named in SCHEMAFLOW_MODELS" if candidate.named else "found in the source"
        yield DiscoveredModule(module=module, file=file, tables=tuple(sorted(tables)), why=why)


def _check(
    discovery: Discovery,
    metadatas: list[MetaData],
    judges: _Judges,
    roots: Iterable[Path],
    sources: Sources,
) -> None:
    stopping = [each for each in discovery.findings if each.severity is Severity.ERROR]
    if stopping:
        first = stopping[0]
        where = f"{first.place}: " if first.place else ""
        raise ModelsMissing(f"{where}{first.message} {first.hint}", findings=discovery.findings)
    if not any(metadata.tables for metadata in metadatas):
        raise ModelsMissing(_no_tables(metadatas, judges, roots, sources), findings=discovery.findings)


def _no_tables(metadatas: list[MetaData], judges: _Judges, roots: Iterable[Path], sources: Sources) -> str:
    own = {id(metadata) for metadata in metadatas}
    for other in metadata_with_tables():
        shared = sorted(name for name in other.tables if judges.have_name(name))
        place = holder_of(other)
        if id(other) not in own and shared and place:
            return (
                f"The registered db has no table, but {place[0]}:{place[1]} has "
                f"{len(other.tables)}, {len(shared)} of them in the database ({shared[0]}, …). "
                f'Set SCHEMAFLOW_METADATA = "{place[0]}:{place[1]}".'
            )
    looked = ", ".join(map(str, roots)) or "nowhere (the app's module has no folder of its own)"
    return (
        f"The app has no tables: loading it registered none, and {sources.files_read} Python files "
        f"in {looked} declare none on its db. If the models are elsewhere, name their modules: "
        'SCHEMAFLOW_MODELS = ["shop.models"].'
    )
