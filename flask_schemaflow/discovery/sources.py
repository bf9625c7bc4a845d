"""Read an app's source as text: which modules declare tables, and which were left out.

Nothing is imported here. What a folder is, its content says and not its name.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .declarations import DeclarationIndex, IsBase, SourceFile, dotted_name, last_part

_TEST_IMPORT = re.compile(r"^\s*(?:import|from)\s+(?:pytest|unittest|nose)\b", re.MULTILINE)
_TEST_NAME = re.compile(r"(?:test_.*|.*_tests?|conftest)\.py$")
_MIGRATION_ENV = re.compile(r"\brun_migrations|\balembic\b")
_MAY_DECLARE = re.compile(r"^\s*class\s|\bTable\s*\(|\.Model\b|_base\b", re.MULTILINE)
_CALL = re.compile(r"\b(?:create_all|drop_all|init_app|SQLAlchemy)\s*\(")
# A folder with one of these is an environment or a package store, whatever it is called.
_STORES = frozenset(("pyvenv.cfg", "conda-meta", ".package-lock.json"))


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


def scan_sources(roots: Iterable[Path], is_loaded_base: IsBase) -> Sources:
    """Read every Python file below the roots. Read-only.

    :param is_loaded_base: asked with a file or a module's name, and a name in it; says whether that is a
        declarative class, for what is loaded already, else None.
    """
    index = DeclarationIndex(is_loaded_base)
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
            called = dotted_name(node.func)
            registers = last_part(called) == "SQLAlchemy" and bool(node.args)
            if registers or last_part(called) in ("create_all", "drop_all", "init_app"):
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
