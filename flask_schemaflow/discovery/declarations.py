"""Which classes of a source are declarative, across modules, and which tables they declare."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

IsBase = Callable[[Path | str, str], bool | None]


@dataclass(frozen=True, kw_only=True)
class DeclaredTable:
    """A table as the source declares it; ``name`` is None where only running the code would tell.

    ``bind_key`` and ``schema`` are what the text says, None for the default; ``is_placed`` is false where
    something else may say it too, a base class that is not in the source or an expression.
    """

    name: str | None
    declared_by: str
    line: int
    bind_key: str | None = None
    schema: str | None = None
    is_placed: bool = True


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A Python file that declares tables.

    ``left_out`` says why it is none of the app's models (a test, a migration), else it is empty.
    """

    file: Path
    tables: tuple[DeclaredTable, ...]
    left_out: str = ""


@dataclass
class _Class:
    name: str
    line: int
    bases: list[str]
    is_table: bool  # SQLModel's table=True
    abstract: bool = False
    has_columns: bool = False
    table_name: str | None = None
    names_table: bool = False
    bind_key: ast.expr | None = None
    schema: ast.expr | None = None


@dataclass
class _Module:
    file: Path
    left_out: str
    classes: dict[str, _Class] = field(default_factory=dict)
    tables: list[DeclaredTable] = field(default_factory=list)
    imports: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    stars: list[tuple[str, int]] = field(default_factory=list)
    assigned: dict[str, str] = field(default_factory=dict)


_BASE_MAKERS = ("declarative_base", "automap_base", "generate_base", "make_declarative_base")
_BASE_CLASSES = ("DeclarativeBase", "DeclarativeBaseNoMeta", "MappedAsDataclass")
_COLUMN_CALLS = ("Column", "mapped_column")


class DeclarationIndex:
    """All modules read so far, and who inherits from whom across them."""

    def __init__(self, is_loaded_base: IsBase) -> None:
        self.modules: dict[Path, _Module] = {}
        self.by_stem: dict[str, list[Path]] = {}
        self.is_loaded_base = is_loaded_base

    def add(self, file: Path, tree: ast.Module, left_out: str) -> None:
        """Read a parsed module."""
        module = _Module(file, left_out)
        for node in _top_level(tree.body):
            _note(module, node)
        self.modules[file] = module
        stem = file.parent.name if file.name == "__init__.py" else file.stem
        self.by_stem.setdefault(stem, []).append(file)

    def declaring(self) -> Iterator[SourceFile]:
        """Give the modules that declare tables, by path."""
        for file, module in sorted(self.modules.items()):
            tables = [*module.tables, *self._class_tables(module)]
            if tables:
                yield SourceFile(
                    file=file,
                    tables=tuple(sorted(tables, key=lambda table: table.line)),
                    left_out=module.left_out,
                )

    def _class_tables(self, module: _Module) -> Iterator[DeclaredTable]:
        for each in module.classes.values():
            if each.abstract or not self._declares(module, each):
                continue
            name = each.table_name or (None if each.names_table else _snake_case(each.name))
            bind_key, schema = self._said(module, each, "bind_key"), self._said(module, each, "schema")
            yield DeclaredTable(
                name=name,
                declared_by=each.name,
                line=each.line,
                bind_key=bind_key or None,
                schema=schema or None,
                is_placed=None not in (bind_key, schema),
            )

    def _said(self, module: _Module, each: _Class, what: str) -> str | None:
        """Give what a class or its bases say of bind key or schema: empty for nothing, None for unknown."""
        own: ast.expr | None = getattr(each, what)
        if own is not None:
            return _text_of(own)
        for base in each.bases:
            if base.endswith(".Model") or base == "object" or last_part(base) in _BASE_CLASSES:
                continue
            found = self._class_of(module, base)
            said = self._said(*found, what) if found and found[1] is not each else None
            if said != "":
                return said
        return ""

    def _class_of(self, module: _Module, name: str) -> tuple[_Module, _Class] | None:
        """Find a class by the name that a module knows it by, in the source."""
        if name in module.classes:
            return module, module.classes[name]
        imported, level, original = module.imports.get(name, ("", 0, ""))
        others = (self.modules[file] for file in self._files_of(module.file, imported, level))
        return next(((m, m.classes[original]) for m in others if original in m.classes), None)

    def _declares(self, module: _Module, each: _Class) -> bool:
        if any(last_part(base) in _BASE_CLASSES for base in each.bases):
            return False
        known = [self.is_base(module.file, base) for base in each.bases]
        if any(known):
            return True
        # A base that only running the code would tell: a factory's result, an installed package's.
        unknown = any(state is None for state in known)
        return each.is_table or (unknown and each.names_table and each.has_columns)

    def is_base(self, file: Path, name: str, seen: frozenset[tuple[Path, str]] = frozenset()) -> bool | None:
        """Say whether a name in a file is a declarative class; None where that cannot be seen."""
        if last_part(name) in _BASE_CLASSES:
            return True
        if (file, name) in seen or name == "object":
            return False
        loaded = self.is_loaded_base(file, name)
        if loaded is not None:
            return loaded
        module = self.modules.get(file)
        if module is None:
            return None
        state = self._is_base_in(module, name, seen | {(file, name)})
        if state is None and name.endswith(".Model"):
            return not self._is_foreign_module(module, name.partition(".")[0]) or None
        return state

    def _is_foreign_module(self, module: _Module, head: str) -> bool:
        """Say whether a name is an installed module, such as ``peewee`` in ``peewee.Model``."""
        if head not in module.imports:
            return False
        imported, level, original = module.imports[head]
        return not original and not self._files_of(module.file, imported, level)

    def _is_base_in(self, module: _Module, name: str, seen: frozenset[tuple[Path, str]]) -> bool | None:
        if name in module.classes:
            states = [self.is_base(module.file, b, seen) for b in module.classes[name].bases]
            return True if any(states) else (None if None in states else False)
        if name in module.assigned:
            value = module.assigned[name]
            if value.endswith(".Model") or last_part(value) in _BASE_MAKERS:
                return True
            return self.is_base(module.file, value, seen)
        head, _, rest = name.partition(".")
        if head in module.imports:
            imported, level, original = module.imports[head]
            path = ".".join(part for part in (original, rest) if part)
            return self._is_base_elsewhere(module.file, imported, level, path, seen)
        starred = (
            self._is_base_elsewhere(module.file, imported, level, name, seen)
            for imported, level in module.stars
        )
        return next((state for state in starred if state is not None), None)

    def _is_base_elsewhere(
        self, file: Path, imported: str, level: int, name: str, seen: frozenset[tuple[Path, str]]
    ) -> bool | None:
        for target in self._files_of(file, imported, level):
            state = self.is_base(target, name, seen)
            if state is not None:
                return state
        if not level:
            state = self.is_loaded_base(imported, name)
            if state is not None:
                return state
        head, _, rest = name.partition(".")
        if rest:  # `from shop import base` and then base.Entity
            return self._is_base_elsewhere(file, f"{imported}.{head}", level, rest, seen)
        return None

    def _files_of(self, file: Path, imported: str, level: int) -> list[Path]:
        parts = imported.split(".") if imported else []
        if level:
            folder = file.parents[level - 1]
            return [p for p in _spellings(folder.joinpath(*parts)) if p in self.modules]
        suffix = f"{os.sep}{Path(*parts)}"
        files = self.by_stem.get(parts[-1], ()) if parts else ()
        return [
            each
            for each in files
            if str(each.with_suffix("")).endswith((suffix, f"{suffix}{os.sep}__init__"))
        ]


def _spellings(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".py"), path / "__init__.py"


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Give the statements that run when a module is imported, those under if, try and with too."""
    for node in body:
        yield node
        for inner in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from _top_level(getattr(node, inner, ()))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _top_level(handler.body)


def _note(module: _Module, node: ast.stmt) -> None:
    if isinstance(node, ast.ClassDef):
        module.classes[node.name] = _class(node)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            if alias.name == "*":
                module.stars.append((node.module or "", node.level))
            else:
                name = alias.asname or alias.name
                module.imports[name] = (node.module or "", node.level, alias.name)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname or "." not in alias.name:
                module.imports[alias.asname or alias.name] = (alias.name, 0, "")
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr) and node.value is not None:
        _note_value(module, node)


def _note_value(module: _Module, node: ast.Assign | ast.AnnAssign | ast.Expr) -> None:
    value = node.value
    assert value is not None
    if isinstance(value, ast.Call) and last_part(dotted_name(value.func)) == "Table" and value.args:
        first = value.args[0]
        said = {each.arg: _text_of(each.value) for each in value.keywords}
        module.tables.append(
            DeclaredTable(
                name=_text_of(first),
                declared_by="Table",
                line=node.lineno,
                bind_key=said.get("bind_key"),
                schema=said.get("schema"),
                is_placed=None not in (said.get("bind_key", ""), said.get("schema", "")),
            )
        )
    expression = dotted_name(value.func if isinstance(value, ast.Call) else value)
    targets = node.targets if isinstance(node, ast.Assign) else ()
    for target in targets:
        if isinstance(target, ast.Name) and expression:
            module.assigned[target.id] = expression


def _class(node: ast.ClassDef) -> _Class:
    found = _Class(
        name=node.name,
        line=node.lineno,
        bases=[dotted_name(base.func if isinstance(base, ast.Call) else base) for base in node.bases],
        is_table=any(k.arg == "table" and _is_true(k.value) for k in node.keywords),
    )
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__tablename__":
            found.names_table = True
        if isinstance(item, ast.Assign | ast.AnnAssign):
            _note_attribute(found, item)
    return found


def _note_attribute(found: _Class, item: ast.Assign | ast.AnnAssign) -> None:
    targets = item.targets if isinstance(item, ast.Assign) else [item.target]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    if "__abstract__" in names and item.value is not None:
        found.abstract = _is_true(item.value)
    if "__tablename__" in names or "__table__" in names:
        found.names_table = True
        found.table_name = _text_of(item.value)
    if "__bind_key__" in names:
        found.bind_key = item.value
    if "__table_args__" in names:
        found.schema = _schema_in(item.value)
    called = last_part(dotted_name(item.value.func)) if isinstance(item.value, ast.Call) else ""
    annotated = isinstance(item, ast.AnnAssign) and "Mapped" in ast.dump(item.annotation)
    found.has_columns |= called in _COLUMN_CALLS or annotated


def _schema_in(arguments: ast.expr | None) -> ast.expr | None:
    """Give the schema in the value of ``__table_args__``: a dict, or a tuple that ends in one."""
    if isinstance(arguments, ast.Tuple):
        arguments = arguments.elts[-1] if arguments.elts else None
    if not isinstance(arguments, ast.Dict):
        return arguments if isinstance(arguments, ast.Name | ast.Attribute) else None
    pairs = zip(arguments.keys, arguments.values, strict=True)
    return next((value for key, value in pairs if key is None or _text_of(key) == "schema"), None)


def _text_of(node: ast.expr | None) -> str | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else None


def dotted_name(node: ast.AST) -> str:
    """Give ``a.b.c`` of an expression that is a name; empty for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted_name(node.value)
        return f"{left}.{node.attr}" if left else node.attr
    if isinstance(node, ast.Subscript):  # Generic[...] and the like
        return dotted_name(node.value)
    return ""


def last_part(dotted: str) -> str:
    """Give ``c`` of ``a.b.c``."""
    return dotted.rpartition(".")[2]


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _snake_case(name: str) -> str:
    """Name a table as Flask-SQLAlchemy does (``camel_to_snake_case``)."""
    name = re.sub(r"((?<=[a-z0-9])[A-Z]|(?!^)[A-Z](?=[a-z]))", r"_\1", name)
    return name.lower().lstrip("_")
