"""Bring every table of an app into its metadata, and say what was found where."""

from __future__ import annotations

import contextvars
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, ModelsMissing
from ..findings import Finding, Severity
from ..loading import LoadingRecord, guarded_loading, origin_of_error
from .binds import Bind, registered_db
from .importing import Candidate, import_candidates, no_folders_left
from .judging import Judges, TablesPerBind, judge
from .loaded import LoadedCode, holder_of, mapped_classes, metadata_with_tables
from .sources import SourceCall, Sources, scan_sources
from .telling import (
    about_dangling,
    about_failures,
    about_others,
    about_sources,
    about_tables,
)

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import MetaData

    from ..config import Settings
    from ..revisions import TableName
    from .declarations import SourceFile


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


def discover(
    app: Flask,
    binds: tuple[Bind, ...],
    settings: Settings,
    *,
    in_database: TablesPerBind,
    in_revisions: frozenset[TableName],
    record: LoadingRecord | None = None,
    every_thread: bool = False,
    keeps_new: bool = False,
) -> Discovery:
    """Find the modules that declare tables, import those that the app does not, and judge their tables.

    Changes the binds' metadata only. Imports run the app's code, guarded as in :mod:`..loading`.

    :param in_database: the tables that each database has.
    :param in_revisions: the tables in the revisions' history.
    :param record: what was seen while the app loaded, where it loaded under our eyes.
    :param keeps_new: a table that neither a database nor a revision has is ours too: it is to be made.
    :raises ModelsMissing: there is no table at all, or a module whose table the database has cannot be
        brought in.
    :raises ConfigurationError: ``SCHEMAFLOW_MODELS`` names a module that does not exist.
    """
    judges = Judges(in_database, in_revisions)
    loaded = LoadedCode()
    metadatas = [bind.metadata for bind in binds]
    roots = loaded.search_roots(app, _holders(app, metadatas))
    sources = scan_sources(roots, loaded.is_base)
    with guarded_loading(every_thread=every_thread, servers_too=True) as seen:
        if record is not None:
            seen.table_origins.update(record.table_origins)
        candidates = list(_candidates(sources, loaded, settings))
        with no_folders_left(candidates):
            imported = import_candidates(candidates, binds, seen)
    named = {candidate.file for candidate in candidates if candidate.named}
    kept, left = (list(imported.tables), []) if keeps_new else judge(imported, binds, judges, named)
    for table in left:
        table.metadata.remove(table)
    findings = [
        *seen.findings(),
        *about_tables(kept, left, imported, candidates, app),
        *about_failures(imported.failures, binds, judges),
        *about_sources(sources),
        *about_others(app, metadatas),
        *about_dangling(metadatas, seen),
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
                yield Candidate(module=name, file=Path(), tables=(), line=1, named=True)
            elif source.file not in loaded.files and not _excluded(name, settings):
                yield _candidate(name, source, named=True)


def _existing_module(name: str) -> str:
    """Check that a module is there; looking for it imports the packages that it is in."""
    try:
        spec = contextvars.copy_context().run(importlib.util.find_spec, name)
    except (ModuleNotFoundError, ValueError):
        spec = None
    except (Exception, SystemExit) as error:
        origin = origin_of_error(error)
        raise ConfigurationError(
            f"SCHEMAFLOW_MODELS names {name!r}, whose package cannot be imported: "
            f"{type(error).__name__}: {error}" + (f" ({origin})" if origin else "")
        ) from None
    if spec is None:
        raise ConfigurationError(f"SCHEMAFLOW_MODELS names {name!r}, and there is no such module.")
    return name


def _candidate(name: str, source: SourceFile, *, named: bool) -> Candidate:
    return Candidate(
        module=name,
        file=source.file,
        tables=tuple(table for table in source.tables if table.name),
        line=source.tables[0].line,
        named=named,
    )


def _excluded(name: str, settings: Settings) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in settings.models_exclude)


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
    judges: Judges,
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


def _no_tables(metadatas: list[MetaData], judges: Judges, roots: Iterable[Path], sources: Sources) -> str:
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
