"""Read an app's source as text: which modules declare tables, and which were left out.

Nothing is imported here. What a folder is, its content says and not its name.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_TEST_IMPORT = re.compile(r"^\s*(?:import|from)\s+(?:pytest|unittest|nose)\b", re.MULTILINE)
_TEST_NAME = re.compile(r"(?:test_.*|.*_tests?|conftest)\.py$")
_MIGRATION_ENV = re.compile(r"\brun_migrations|\balembic\b")
_MAY_DECLARE = re.compile(r"^\s*class\s|\bTable\s*\(|\.Model\b|_base\b", re.MULTILINE)
_CALL = re.compile(r"\b(?:create_all|drop_all|init_app|SQLAlchemy)\s*\(")
# A folder with one of these is an environment or a package store, whatever it is called.
_STORES = frozenset(("pyvenv.cfg", "conda-meta", ".package-lock.json"))


@dataclass(frozen=True, kw_only=True)
class DeclaredTable:
    """A table as the source declares it; ``name`` is None where only running the code would tell."""

    name: str | None
    declared_by: str
    line: int


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A Python file that declares tables.

    ``left_out`` says why it is none of the app's models (a test, a migration), else it is empty.
    """

    file: Path
    tables: tuple[DeclaredTable, ...]
    left_out: str = ""


@dataclass(frozen=True, kw_only=True)
class SourceCall:
    """A call that matters to us: ``db.create_all``, ``db.drop_all``, ``db.init_app``, ``SQLAlchemy``."""

    called: str
    file: Path
    line: int


@dataclass(frozen=True, kw_only=True)
class UnreadableSource:
    """A file that is not valid Python; ``line`` is where."""

    file: Path
    line: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What was found below the roots."""

    declaring: tuple[SourceFile, ...]
    calls: tuple[SourceCall, ...]
    unreadable: tuple[UnreadableSource, ...]
    files_read: int


IsBase = Callable[[Path | str, str], bool | None]


def scan_sources(roots: Iterable[Path], is_loaded_base: IsBase) -> Sources:
    """Read every Python file below the roots. Read-only.

    :param is_loaded_base: asked with a file or a module's name, and a name in it; says whether that is a
        declarative class, for what is loaded already, else None.
    """
    index = _Index(is_loaded_base)
    unreadable: list[UnreadableSource] = []
    calls: list[SourceCall] = []
    read = 0
    for file, left_out in _python_files(roots):
        source = _read(file)
        read += 1
        if source is None or not _is_worth_parsing(file, source):
            continue
        if not left_out and _is_test(file, source):
            left_out = "a test"
        try:
            tree = _parse(file, source)
            index.add(file, tree, left_out)
            calls.extend(() if left_out else _calls(file, source, tree))
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            unreadable.append(UnreadableSource(file=file, line=line, reason=str(error)))
    return Sources(
        declaring=tuple(index.declaring()),
        calls=tuple(calls),
        unreadable=tuple(unreadable),
        files_read=read,
    )


def _is_worth_parsing(file: Path, source: str) -> bool:
    return bool(_MAY_DECLARE.search(source) or _CALL.search(source) or file.name == "__init__.py")


def _parse(file: Path, source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an app's own invalid escapes are not our business
        return ast.parse(source, filename=str(file))


def _calls(file: Path, source: str, tree: ast.Module) -> Iterator[SourceCall]:
    if not _CALL.search(source):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = _dotted(node.func)
            registers = _last(called) == "SQLAlchemy" and bool(node.args)
            if registers or _last(called) in ("create_all", "drop_all", "init_app"):
                yield SourceCall(called=called, file=file, line=node.lineno)


# -- which files -----------------------------------------------------------------------------------


def _python_files(roots: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    seen: set[Path] = set()
    for root in roots:
        for file, left_out in _walk(root):
            real = file.resolve()
            if real not in seen:
                seen.add(real)
                yield real, left_out


def _walk(root: Path, left_out: str = "") -> Iterator[tuple[Path, str]]:
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return
    names = {entry.name for entry in entries}
    if names & _STORES:
        return
    left_out = left_out or _is_migrations_folder(root, names)
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__pycache__":
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), left_out)
        elif entry.name.endswith(".py"):
            yield Path(entry.path), left_out


def _is_migrations_folder(root: Path, names: set[str]) -> str:
    if "alembic.ini" in names and "env.py" in names:
        return "a migrations folder"
    if "env.py" in names and _MIGRATION_ENV.search(_read(root / "env.py") or ""):
        return "a migrations folder"
    return ""


def _read(file: Path) -> str | None:
    try:
        return file.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return None


def _is_test(file: Path, source: str) -> bool:
    return bool(_TEST_IMPORT.search(source)) or (bool(_TEST_NAME.match(file.name)) and "def test_" in source)


# -- what they declare -----------------------------------------------------------------------------


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


class _Index:
    """All modules read so far, and who inherits from whom across them."""

    def __init__(self, is_loaded_base: IsBase) -> None:
        self.modules: dict[Path, _Module] = {}
        self.by_stem: dict[str, list[Path]] = {}
        self.is_loaded_base = is_loaded_base

    def add(self, file: Path, tree: ast.Module, left_out: str) -> None:
        module = _Module(file, left_out)
        for node in _top_level(tree.body):
            _note(module, node)
        self.modules[file] = module
        stem = file.parent.name if file.name == "__init__.py" else file.stem
        self.by_stem.setdefault(stem, []).append(file)

    def declaring(self) -> Iterator[SourceFile]:
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
            yield DeclaredTable(name=name, declared_by=each.name, line=each.line)

    def _declares(self, module: _Module, each: _Class) -> bool:
        if any(_last(base) in _BASE_CLASSES for base in each.bases):
            return False
        known = [self.is_base(module.file, base) for base in each.bases]
        if any(known):
            return True
        # A base that only running the code would tell: a factory's result, an installed package's.
        unknown = any(state is None for state in known)
        return each.is_table or (unknown and each.names_table and each.has_columns)

    def is_base(self, file: Path, name: str, seen: frozenset[tuple[Path, str]] = frozenset()) -> bool | None:
        """Say whether a name in a file is a declarative class; None where that cannot be seen."""
        if _last(name) in _BASE_CLASSES:
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
            if value.endswith(".Model") or _last(value) in _BASE_MAKERS:
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
    if isinstance(value, ast.Call) and _last(_dotted(value.func)) == "Table" and value.args:
        first = value.args[0]
        name = first.value if isinstance(first, ast.Constant) else None
        module.tables.append(
            DeclaredTable(name=name if isinstance(name, str) else None, declared_by="Table", line=node.lineno)
        )
    expression = _dotted(value.func if isinstance(value, ast.Call) else value)
    targets = node.targets if isinstance(node, ast.Assign) else ()
    for target in targets:
        if isinstance(target, ast.Name) and expression:
            module.assigned[target.id] = expression


def _class(node: ast.ClassDef) -> _Class:
    found = _Class(
        name=node.name,
        line=node.lineno,
        bases=[_dotted(base.func if isinstance(base, ast.Call) else base) for base in node.bases],
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
        if isinstance(item.value, ast.Constant) and isinstance(item.value.value, str):
            found.table_name = item.value.value
    called = _last(_dotted(item.value.func)) if isinstance(item.value, ast.Call) else ""
    annotated = isinstance(item, ast.AnnAssign) and "Mapped" in ast.dump(item.annotation)
    found.has_columns |= called in _COLUMN_CALLS or annotated


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = _dotted(node.value)
        return f"{left}.{node.attr}" if left else node.attr
    if isinstance(node, ast.Subscript):  # Generic[...] and the like
        return _dotted(node.value)
    return ""


def _last(dotted: str) -> str:
    return dotted.rpartition(".")[2]


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _snake_case(name: str) -> str:
    """Name a table as Flask-SQLAlchemy does (``camel_to_snake_case``)."""
    name = re.sub(r"((?<=[a-z0-9])[A-Z]|(?!^)[A-Z](?=[a-z]))", r"_\1", name)
    return name.lower().lstrip("_")
