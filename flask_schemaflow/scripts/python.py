"""Write a script as the body of a revision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..baseline import write_statements
from .operations import as_operation
from .sql import comments

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from ..mending import Script


def as_python(script: Script, dialect: Dialect) -> str:
    """Write operations, or the statements where none says the same, below the differences they take away."""
    return "\n".join(_blocks(script, dialect)) or "pass"


def _blocks(script: Script, dialect: Dialect) -> Iterator[str]:
    for step in script.steps:
        yield from comments((*step.mends, *step.notes), "#")
        if step.statements:
            yield "\n".join(_written(each, dialect) for each in step.statements)
        for statement in step.disabled:
            yield from comments([_written(statement, dialect)], "#")
    if not script.statements:
        yield "pass"


def _written(statement: str, dialect: Dialect) -> str:
    return as_operation(statement, dialect) or write_statements([statement], dialect)


def only_on(family: str, body: str) -> str:
    """Keep a body to one engine, where the revisions run on others too."""
    if body == "pass":
        return body
    names = ("mariadb", "mysql") if family in ("mariadb", "mysql") else (family,)
    test = f"== {names[0]!r}" if len(names) == 1 else f"in {names!r}"
    inner = body.replace("\n", "\n    ")
    return f"if op.get_context().dialect.name {test}:\n    {inner}"


def no_way_back(problem: str) -> str:
    """Write what a downgrade does that cannot be done."""
    text = f"There is no way back by this revision, restore a backup: {problem}"
    return f"raise RuntimeError({text!r})"
