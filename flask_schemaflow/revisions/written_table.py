"""Which version table ``env.py`` names, where that can be read without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

_NAME = "version_table"


def version_table_written_in(source: str) -> Mapping[str, Any] | None:
    """Give the arguments ``version_table…`` of ``configure(…)``, each a literal and everywhere the same.

    None where the name stands anywhere else, so that only running it tells.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_configure(node.func)]
    ours = [[each for each in call.keywords if (each.arg or "").startswith(_NAME)] for call in calls]
    read = [{each.arg: each.value.value for each in found if _is_literal(each)} for found in ours]  # type: ignore[attr-defined]
    known = {id(each) for found in ours for each in found if _is_literal(each)}
    elsewhere = any(id(node) not in known and _names_it(node) for node in ast.walk(tree))
    if elsewhere or not read or any(each != read[0] for each in read):
        return None
    return {str(name): value for name, value in read[0].items()}


def _is_configure(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == "configure"


def _is_literal(keyword: ast.keyword) -> bool:
    return isinstance(keyword.value, ast.Constant)


def _names_it(node: ast.AST) -> bool:
    return any(_NAME in text for text in _texts(node))


def _texts(node: ast.AST) -> Iterator[str]:
    """Give what a node itself is called, or says."""
    for _, value in ast.iter_fields(node):
        if isinstance(value, str):
            yield value
