"""What a revision does, as far as its source tells without running it."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .files import Revision, parse_source, source_of


@dataclass(frozen=True)
class TableName:
    """A table as a revision names it; ``schema`` is None for the default schema."""

    schema: str | None
    name: str


def tables_in(revisions: Iterable[Revision], bind_key: str | None = None) -> frozenset[TableName]:
    """Say which tables and views the revisions make or rename to by a literal name, even if dropped.

    Read-only.

    :param bind_key: whose. Where a revision has a function for each database (``upgrade_<bind>``, as
        Flask-Migrate's multi-database template writes), that of this bind counts; a revision that has
        none is of the default database.
    """
    names: set[TableName] = set()
    for revision in revisions:
        source = source_of(revision.file)
        for root in _parts_for(parse_source(revision.file, source), bind_key):
            for node in ast.walk(root):
                names.update(_tables_in_node(node))
    return frozenset(names)


def concerns(revision: Revision, bind_key: str | None) -> bool:
    """Say whether a revision has something to run for a database; on doubt it has. Read-only."""
    tree = parse_source(revision.file, source_of(revision.file))
    parts = _parts_for(tree, bind_key)
    return any(not (isinstance(each, ast.FunctionDef) and _is_empty(each)) for each in parts)


def mentions_app_session(revision: Revision) -> bool:
    """Say whether a revision speaks of the ``session`` or ``engine`` of something like ``db``. Read-only."""
    tree = parse_source(revision.file, source_of(revision.file))
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in ("session", "engine", "engines", "get_engine")
        and isinstance(node.value, ast.Name | ast.Attribute)
        for node in ast.walk(tree)
    )


def does_nothing(revision: Revision, bind_keys: Iterable[str | None] | None = None) -> bool:
    """Say whether ``upgrade`` provably does nothing. Read-only.

    :param bind_keys: on which databases, None for any. It matters only where a revision has a function for
        each of them, as Flask-Migrate's multi-database template writes.
    """
    tree = parse_source(revision.file, source_of(revision.file))
    functions = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("upgrade")
    ]
    if bind_keys is not None and any(map(_is_dispatcher, functions)):
        names = {"upgrade", *(f"upgrade_{key or ''}" for key in bind_keys)}
        functions = [each for each in functions if each.name in names]
    return (
        bool(functions)
        and all(map(_is_harmless, tree.body))
        and all(_is_empty(each) or _is_dispatcher(each) for each in functions)
    )


_DECLARES = (ast.Import, ast.ImportFrom, ast.FunctionDef)


def _is_harmless(node: ast.stmt) -> bool:
    """Say whether a statement of a module only declares something."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return node.value is None or _is_literal(node.value)
    return isinstance(node, _DECLARES) or _is_text(node)


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_empty(function: ast.FunctionDef) -> bool:
    return all(isinstance(node, ast.Pass) or _is_text(node) for node in function.body)


def _is_dispatcher(function: ast.FunctionDef) -> bool:
    """Recognise ``globals()["upgrade_%s" % engine_name]()`` of Flask-Migrate's multi-database template."""
    body = [node for node in function.body if not _is_text(node)]
    parameters = [argument.arg for argument in function.args.args]
    return parameters == ["engine_name"] and [ast.unparse(node) for node in body] == [
        "globals()['upgrade_%s' % engine_name]()"
    ]


def _parts_for(tree: ast.Module, bind_key: str | None) -> list[ast.AST]:
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    own = functions.get(f"upgrade_{bind_key or ''}")
    if own is not None:
        return [own]
    dispatches = "upgrade" in functions and _is_dispatcher(functions["upgrade"])
    return [] if bind_key is not None or dispatches else [tree]


_NAME = r"(\w+|\"(?:[^\"]|\"\")+\"|`(?:[^`]|``)+`|\[[^\]]+\])"
_CREATE_TABLE = re.compile(
    r"\b(?:CREATE\s+(?:(?:VIRTUAL\s+|UNLOGGED\s+)?TABLE|(?:MATERIALIZED\s+)?VIEW)(?:\s+IF\s+NOT\s+EXISTS)?"
    r"|ALTER\s+TABLE\s+\S+\s+RENAME\s+TO)"
    rf"\s+(?:{_NAME}\s*\.\s*)?{_NAME}",
    re.IGNORECASE,
)
_NAME_ARGUMENT = {"create_table": (0, "table_name"), "rename_table": (1, "new_table_name")}


def _tables_in_node(node: ast.AST) -> Iterator[TableName]:
    if isinstance(node, ast.Call):
        yield from _tables_in_call(node)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        for schema, name in _CREATE_TABLE.findall(node.value):
            # SQLite calls its default schema main.
            yield TableName(None if schema in ("", "main") else _unquoted(schema), _unquoted(name))


def _unquoted(name: str) -> str:
    if name[0] not in '"`[':
        return name
    return name[1:-1].replace(name[0] * 2, name[0])


def _tables_in_call(call: ast.Call) -> Iterator[TableName]:
    function = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if function not in _NAME_ARGUMENT:
        return
    position, keyword = _NAME_ARGUMENT[function]
    keywords = {each.arg: each.value for each in call.keywords}
    name = call.args[position] if len(call.args) > position else keywords.get(keyword)
    schema = keywords.get("schema")
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        value = schema.value if isinstance(schema, ast.Constant) else None
        yield TableName(value if isinstance(value, str) else None, name.value)


def source_hash(source: str) -> str:
    """Hash what a revision does: its parsed source without comments, layout and docstrings.

    The same on every Python version, since fields that a version adds are empty where they are not used.
    """
    return hashlib.sha256(_canonical(ast.parse(source)).encode()).hexdigest()


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _canonical(node: ast.AST) -> str:
    """Write a tree in one way, without what is empty, the docstrings and how a text was typed."""
    text = f"{type(node).__name__}("
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            text += f"{name}={_canonical(value)},"
        elif isinstance(value, list):
            if name == "body" and value and _is_docstring(value[0]):
                value = value[1:]
            if value:
                text += f"{name}=[{''.join(map(_item, value))}],"
        elif value is not None and name != "kind":
            text += f"{name}={value!r},"
    return f"{text})"


def _item(value: object) -> str:
    return f"{_canonical(value) if isinstance(value, ast.AST) else repr(value)},"
