"""Read revision files as text, without importing them: ids, parents, titles, tables.

Three thousand files: 0.1 s by regular expression, 0.7 s by ``ast``, 1.3 s by import; an import also
runs whatever the file imports. So: expressions first, ``ast`` on doubt.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import ConfigurationError

# Alembic's own rule for what is a revision file (alembic.script.base).
_REVISION_FILE = re.compile(r"(?!\.#|__init__).*\.py$")
_LEGACY_NAME = re.compile(r"([a-f0-9]+)\.py$")
_QUOTED = r"""["']([^"'\\\n]+)["']"""
_ID = re.compile(rf"^revision\s*(?::[^=\n]+)?=\s*{_QUOTED}\s*(?:#.*)?$", re.MULTILINE)
_PARENT = re.compile(rf"^down_revision\s*(?::[^=\n]+)?=\s*(?:(None)|{_QUOTED})\s*(?:#.*)?$", re.MULTILINE)
_NAMES = ("revision", "down_revision", "branch_labels", "depends_on")


@dataclass(frozen=True, kw_only=True)
class Revision:
    """What a revision file says of itself.

    ``parents`` are the ids in ``down_revision``, empty for a base; ``depends_on`` ids or labels.
    """

    id: str
    parents: tuple[str, ...]
    file: Path
    title: str = ""
    branch_labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableName:
    """A table as a revision names it; ``schema`` is None for the default schema."""

    schema: str | None
    name: str


def read_revisions(folders: Iterable[Path], *, recursive: bool = False) -> tuple[Revision, ...]:
    """Read all revision files in the folders, sorted by path. Read-only.

    :raises ConfigurationError: a file is no revision, or two have the same id.
    """
    revisions = tuple(read_revision(file) for file in _revision_files(folders, recursive=recursive))
    seen: dict[str, Revision] = {}
    for revision in revisions:
        if revision.id in seen:
            raise ConfigurationError(
                f"Two revision files have the id {revision.id!r}: {seen[revision.id].file} and "
                f"{revision.file}. Give one of them a new id."
            )
        seen[revision.id] = revision
    return revisions


def _revision_files(folders: Iterable[Path], *, recursive: bool) -> Iterator[Path]:
    seen = set()
    for folder in folders:
        files = folder.rglob("*.py") if recursive else folder.glob("*.py")
        for file in sorted(files):
            real = file.resolve()
            if real not in seen and _REVISION_FILE.match(file.name):
                seen.add(real)
                yield file


def read_revision(file: Path) -> Revision:
    """Read one revision file. Read-only.

    :raises ConfigurationError: it cannot be read as Python, or has no revision id.
    """
    try:
        source = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The revision file {file} cannot be read: {error}.") from None
    return _read_by_expression(file, source) or _read_by_syntax(file, source)


def _read_by_expression(file: Path, source: str) -> Revision | None:
    ids, parents = _ID.findall(source), _PARENT.findall(source)
    others = re.search(r"^(?:branch_labels|depends_on)\s*(?::[^=\n]+)?=\s*(?!None\b)", source, re.MULTILINE)
    if len(ids) != 1 or len(parents) != 1 or others:
        return None
    title = re.match(r'\s*"""(.+)', source)
    parent = parents[0][1]
    return Revision(
        id=ids[0],
        parents=(parent,) if parent else (),
        file=file,
        title=title[1].strip('" ') if title else "",
    )


def _read_by_syntax(file: Path, source: str) -> Revision:
    tree = parse_source(file, source)
    values = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and target.id in _NAMES:
                    values[target.id] = _literal(file, target.id, node)
    identifier = values.get("revision")
    if not isinstance(identifier, str):
        legacy = _LEGACY_NAME.match(file.name)
        if legacy is None:
            raise ConfigurationError(
                f"{file} is in the versions folder but sets no revision id. "
                "Move it elsewhere, or give it `revision` and `down_revision`."
            )
        identifier = legacy[1]
    return Revision(
        id=identifier,
        parents=_texts(values.get("down_revision")),
        file=file,
        title=(ast.get_docstring(tree) or "").partition("\n")[0],
        branch_labels=_texts(values.get("branch_labels")),
        depends_on=_texts(values.get("depends_on")),
    )


def parse_source(file: Path, source: str) -> ast.Module:
    """Parse Python source.

    :raises ConfigurationError: it is not valid Python; the message has file:line.
    """
    try:
        return ast.parse(source, filename=str(file))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ConfigurationError(f"{file}:{line} is not valid Python: {error}.") from None


def _literal(file: Path, name: str, node: ast.Assign | ast.AnnAssign) -> object:
    assert node.value is not None
    try:
        return ast.literal_eval(node.value)
    except ValueError:
        raise ConfigurationError(
            f"{file}:{node.lineno} computes `{name}`; write it as a plain text."
        ) from None


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple | set):
        return tuple(part for part in value if isinstance(part, str))
    return ()


def heads_of(revisions: Iterable[Revision]) -> tuple[str, ...]:
    """Say which revisions no other one follows, sorted."""
    revisions = tuple(revisions)
    parents = {parent for revision in revisions for parent in revision.parents}
    return tuple(sorted(revision.id for revision in revisions if revision.id not in parents))


def lineage(ids: Iterable[str], by_id: Mapping[str, Revision]) -> set[str]:
    """Give these revisions and all below them."""
    found: set[str] = set()
    waiting = list(ids)
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(by_id[current].parents)
    return found


def parents_first(ids: Iterable[str], by_id: Mapping[str, Revision]) -> list[Revision]:
    """Give these revisions and all below them in an order in which they can run."""
    ordered: dict[str, Revision] = {}
    for start in ids:
        waiting = [start]
        while waiting:
            revision = by_id[waiting[-1]]
            missing = [parent for parent in revision.parents if parent not in ordered]
            if missing:
                waiting.extend(missing)
            else:
                waiting.pop()
                ordered.setdefault(revision.id, revision)
    return list(ordered.values())


def tables_in(revisions: Iterable[Revision], bind_key: str | None = None) -> frozenset[TableName]:
    """Say which tables, and views in SQL, the revisions make or rename to, even if dropped. Read-only.

    :param bind_key: where a revision has a function for each database (``upgrade_<bind>``, as Flask-Migrate's
        multi-database template writes), only that of this bind counts.
    """
    names: set[TableName] = set()
    for revision in revisions:
        source = revision.file.read_text(encoding="utf-8")
        for node in _nodes_for(parse_source(revision.file, source), bind_key):
            if isinstance(node, ast.Call):
                names.update(_tables_in_call(node))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.update(_created(node.value))
    return frozenset(names)


def _nodes_for(tree: ast.Module, bind_key: str | None) -> Iterator[ast.AST]:
    own = f"upgrade_{bind_key or ''}"
    functions: list[ast.AST] = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == own
    ]
    return (node for root in functions or [tree] for node in ast.walk(root))


_CREATED = re.compile(
    r"\bCREATE\s+(?:(?:VIRTUAL\s+)?TABLE|VIEW)\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r"(\w+\b|\"(?:[^\"]|\"\")+\"|`[^`]+`|\[[^\]]+\])(?!\s*\.)",
    re.IGNORECASE,
)


def _created(sql: str) -> Iterator[TableName]:
    for name in _CREATED.findall(sql):
        quoted = not name[0].isalnum() and name[0] != "_"
        yield TableName(None, name[1:-1].replace('""', '"') if quoted else name)


_POSITION_OF_NAME = {"create_table": 0, "rename_table": 1}


def _tables_in_call(call: ast.Call) -> Iterator[TableName]:
    function = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    position = _POSITION_OF_NAME.get(function)
    if position is None or len(call.args) <= position:
        return
    name = call.args[position]
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        schema = next((k.value for k in call.keywords if k.arg == "schema"), None)
        value = schema.value if isinstance(schema, ast.Constant) else None
        yield TableName(value if isinstance(value, str) else None, name.value)


def source_hash(source: str) -> str:
    """Hash what a revision does: its parsed source without comments, layout and docstrings.

    The same on every Python version, since fields that a version adds are empty where they are not used.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            del body[0]
    return hashlib.sha256(_canonical(tree).encode()).hexdigest()


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _canonical(node: object) -> str:
    if isinstance(node, ast.AST):
        parts = (
            f"{name}={_canonical(value)}"
            for name, value in ast.iter_fields(node)
            if value is not None and value != [] and name != "kind"
        )
        return f"{type(node).__name__}({','.join(parts)})"
    if isinstance(node, list):
        return f"[{','.join(map(_canonical, node))}]"
    return repr(node)
