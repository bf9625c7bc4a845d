"""Put what discovery saw into findings."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from flask_sqlalchemy import SQLAlchemy

from ..findings import Finding, Severity
from .binds import Bind, registered_db
from .importing import Candidate, Declared, Failure, Imported, dangling_key
from .loaded import holders_of, metadata_with_tables

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import MetaData, Table

    from ..loading import LoadingRecord
    from .judging import Judges
    from .sources import Sources


def about_tables(
    kept: list[Table],
    left: list[Table],
    imported: Imported,
    candidates: list[Candidate],
    app: Flask,
) -> Iterator[Finding]:
    """Tell of tables that only discovery brought: ours, and left out."""
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


def about_failures(failures: list[Failure], binds: tuple[Bind, ...], judges: Judges) -> Iterator[Finding]:
    """Tell of modules that could not be brought in; those whose tables are needed stop."""
    declared = Declared(binds)
    for failure in failures:
        candidate = failure.candidate
        needed = [t.name or "" for t in candidate.tables if judges.miss(t, declared)]
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


def about_sources(sources: Sources) -> Iterator[Finding]:
    """Tell of files that were passed over."""
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


def about_others(app: Flask, ours: list[MetaData]) -> Iterator[Finding]:
    """Tell of tables on other metadata."""
    own = {id(metadata) for metadata in ours}
    registered = registered_db(app)
    of_registered = {id(metadata) for metadata in registered.metadatas.values()}
    left_out = {id(metadata) for key, metadata in registered.metadatas.items() if key is not None}
    others = [each for each in metadata_with_tables() if id(each) not in own | left_out]
    holding = _sqlalchemy_objects()
    places = holders_of([*others, *holding.values()])
    for metadata in others:
        place = places.get(id(holding.get(id(metadata), metadata)))
        module = sys.modules.get(place[0]) if place else None
        file = getattr(module, "__file__", None)
        if place is None or file is None or "site-packages" in file:
            continue
        unused = " of the registered db" if id(metadata) in of_registered else ""
        yield Finding(
            code="other-metadata",
            subject=f"{place[0]}:{place[1]}",
            message=f"{place[0]}:{place[1]}{unused} has tables that are not those of the registered db, and "
            f"are not looked after: {_listed(metadata)}.",
            hint="If they belong to this app, declare them on the registered db.",
            file=file,
        )


def _listed(metadata: MetaData) -> str:
    names = sorted(metadata.tables)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


_SHOWN = 4


def _sqlalchemy_objects() -> dict[int, SQLAlchemy]:
    """Give the ``SQLAlchemy`` objects that modules have, by the ids of their metadata."""
    found: dict[int, SQLAlchemy] = {}
    for module in list(sys.modules.values()):
        for value in list(getattr(module, "__dict__", {}).values()):
            if issubclass(type(value), SQLAlchemy):
                for metadata in value.metadatas.values():
                    found.setdefault(id(metadata), value)
    return found


def about_dangling(metadatas: list[MetaData], seen: LoadingRecord) -> Iterator[Finding]:
    """Tell of foreign keys of the app's own tables that name no table; they stop."""
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
