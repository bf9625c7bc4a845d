"""What is loaded already: modules by real path, roots to search, names to import by."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData
from sqlalchemy.orm import registry

from ..loading import is_library

if TYPE_CHECKING:
    from flask import Flask


def _real(path: str) -> Path:
    return Path(os.path.realpath(path or "."))


class LoadedCode:
    """The modules that are loaded at one moment, and what they tell."""

    def __init__(self) -> None:
        self.files: dict[Path, ModuleType] = {}
        self.packages: dict[Path, str] = {}
        self.sys_path = tuple(map(_real, sys.path))
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.endswith(".py"):
                self.files.setdefault(_real(file), module)
            for folder in getattr(module, "__path__", None) or ():
                self.packages.setdefault(_real(folder), name)

    def is_base(self, place: Path | str, name: str) -> bool | None:
        """Say whether a name in a loaded module is a declarative class; None where it is not loaded."""
        module = self.files.get(place) if isinstance(place, Path) else sys.modules.get(place)
        value = _attribute(module, name)
        if not issubclass(type(value), type):
            return None
        return isinstance(getattr(value, "metadata", None), MetaData)

    def search_roots(self, app: Flask, holders: Iterable[str]) -> list[Path]:
        """Say which folders may hold the app's models.

        The top-level package of the app and of each module named; for a single module its folder, unless
        that belongs to an installed environment.

        :param holders: names of modules, such as that of the registered ``db``.
        """
        roots = dict.fromkeys(root for name in (app.import_name, *holders) for root in _roots(name, app))
        return [a for a in roots if not any(a != b and a.is_relative_to(b) for b in roots)]

    def import_name(self, file: Path) -> str | None:
        """Tell by which dotted name the app itself would import a file; None where it could not.

        Below a loaded package its name counts; else the deepest folder of ``sys.path`` that holds it.
        """
        inside = file.parent if file.name == "__init__.py" else file.with_suffix("")
        package = next((folder for folder in inside.parents if folder in self.packages), None)
        if package is not None:
            parts = (self.packages[package], *inside.relative_to(package).parts)
        else:
            roots = [root for root in self.sys_path if inside.is_relative_to(root)]
            if not roots:
                return None
            parts = inside.relative_to(max(roots, key=lambda root: len(root.parts))).parts
        name = ".".join(parts)
        return name if parts and all(part.isidentifier() for part in name.split(".")) else None


def _roots(name: str, app: Flask) -> Iterator[Path]:
    top = None if name == "__main__" else sys.modules.get(name.partition(".")[0])
    if getattr(top, "__path__", None) is not None:
        yield from map(_real, getattr(top, "__path__", ()))
        return
    file = getattr(top, "__file__", None)
    if file is None and name == app.import_name:
        file = str(Path(app.root_path, "app.py"))
    if file is not None and not is_library(os.path.realpath(file)):
        yield _real(file).parent


def _attribute(module: ModuleType | None, dotted: str) -> Any:
    value: Any = module
    for name in dotted.split("."):
        # vars() and type() throughout: a Flask proxy that is asked anything looks for its application.
        if issubclass(type(value), ModuleType):
            value = vars(value).get(name)
        elif issubclass(type(value), type) or type(value).__module__.startswith("flask_sqlalchemy"):
            value = getattr(value, name, None)
        else:
            return None
    return value


def mapped_classes(metadatas: Iterable[MetaData]) -> Iterator[type]:
    """Give the loaded classes that are mapped to tables of these metadata."""
    wanted = {id(metadata) for metadata in metadatas}
    for each in _alive(registry):
        for mapper in each.mappers:
            if id(getattr(mapper.local_table, "metadata", None)) in wanted:
                yield mapper.class_


def metadata_with_tables() -> list[MetaData]:
    """Give every metadata that is alive and has tables."""
    return [each for each in _alive(MetaData) if each.tables]


def _alive(kind: type) -> list[Any]:
    return [each for each in gc.get_objects() if issubclass(type(each), kind)]


def holder_of(value: Any) -> tuple[str, str] | None:
    """Say in which module, under which name, an object stands (or a class whose metadata it is)."""
    return holders_of([value]).get(id(value))


def holders_of(values: Iterable[Any]) -> dict[int, tuple[str, str]]:
    """Say of several objects, by their ids, where they stand; without those that no module has."""
    wanted = {id(value) for value in values}
    found: dict[int, tuple[str, str]] = {}
    for name, module in sorted(sys.modules.items()):
        if not issubclass(type(module), ModuleType) or name.startswith(("sqlalchemy", "flask_schemaflow")):
            continue
        for attribute, held in list(vars(module).items()):
            if id(held) in wanted:
                found.setdefault(id(held), (name, attribute))
            if issubclass(type(held), type):
                metadata = id(vars(held).get("metadata"))
                if metadata in wanted:
                    found.setdefault(metadata, (name, f"{attribute}.metadata"))
    return found


def nearness(file: Path, app: Flask) -> int:
    """Say how near a file (its real path) is to the app: 0 makes it, 1 is loaded too, 2 is not."""
    module = LoadedCode().files.get(file)
    return 2 if module is None else int(module.__name__ != app.import_name)
