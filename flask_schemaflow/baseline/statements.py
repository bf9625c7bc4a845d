"""Write a statement as it is, where no operation says it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.sql.elements import TextClause

from .layout import write_call


def escape_binds(sql: str) -> str:
    """Escape what ``sa.text()`` would take for a bind parameter."""
    return TextClause._bind_params_regex.sub(lambda match: f"\\{match[0]}", sql)


def write_execute(sql: str) -> Iterator[str]:
    """Write a statement as it is, in ways that are tried in turn: a text, then a ``DDL`` object."""
    yield write_call("op.execute", [_lines(escape_binds(sql))])
    yield write_call("op.execute", [write_call("sa.DDL", [_lines(sql.replace("%", "%%"))])])


def _lines(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "\n".join(repr(line) for line in lines) if len(lines) > 1 else repr(text)
