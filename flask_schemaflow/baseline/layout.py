"""Lay out Python calls as a person would."""

from __future__ import annotations

from collections.abc import Sequence

INDENT = "    "
WIDTH = 88
"""In characters, before the body of a function is indented."""


def write_call(function: str, parts: Sequence[str]) -> str:
    """Write a call on one line where it fits, else an argument a line."""
    line = f"{function}({', '.join(parts)})"
    if len(line) <= WIDTH and "\n" not in line:
        return line
    return write_long_call(function, parts)


def write_long_call(function: str, parts: Sequence[str]) -> str:
    """Write a call with an argument a line."""
    body = ",\n".join(parts).replace("\n", f"\n{INDENT}")
    comma = "," if len(parts) > 1 else ""
    return f"{function}(\n{INDENT}{body}{comma}\n)"
