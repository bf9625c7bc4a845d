"""Whether ``env.py`` gives Alembic a filter of its own, as far as that can be read without running it."""

from __future__ import annotations

import ast


def gives_filter(source: str, name: str) -> bool:
    """Say whether ``configure(…)`` may get an argument from ``env.py``: then it cannot come from us as well.

    It may be named there, or be in a mapping beside ``Migrate``'s own arguments, wherever that comes from:
    Python takes no argument twice.
    """
    if name in source:
        return True
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    configures = (call for call in calls if getattr(call.func, "attr", "") == "configure")
    return any(sum(each.arg is None for each in call.keywords) > 1 for call in configures)
