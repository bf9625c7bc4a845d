"""Write a script for the engine's own client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..drift import Drift
    from ..mending import Script


def as_sql(script: Script, family: str) -> str:
    """Write a script as SQL: each statement below the differences that it takes away, in one transaction.

    What stays is told in comments at the end. MariaDB and MySQL commit each statement.
    """
    return "".join(f"{line}\n" for line in _lines(script, family))


def _lines(script: Script, family: str) -> Iterator[str]:
    if script.statements:
        yield from _BEGIN.get(family, ())
        for step in script.steps:
            yield from comments((*step.mends, *step.notes))
            for statement in step.statements:
                yield from _statement(statement, family)
            for statement in step.disabled:
                yield from comments(_statement(statement, family))
        yield from _END.get(family, ())
    yield from comments(stays(script))


def staying(script: Script) -> tuple[Drift, ...]:
    """Give what the script leaves as it is, and what decides equality; each has the reason as its hint."""
    return tuple(each for each in (*script.kept, *script.unmended) if each.structural)


def stays(script: Script) -> Iterator[str]:
    """Say what the script leaves as it is, and why."""
    for each in staying(script):
        how = "stays" if each in script.kept else "not mended"
        yield f"{how}: {each.key}: {each.hint or each.message}"


def comments(texts: Iterable[str], mark: str = "--") -> Iterator[str]:
    """Write texts as comments, line by line."""
    for text in texts:
        yield from (f"{mark} {line}".rstrip() for line in text.splitlines())


def _statement(statement: str, family: str) -> Iterator[str]:
    statement = statement.strip().rstrip(";").rstrip()
    if family in ("mariadb", "mysql") and ";" in statement:
        # Its client ends a statement at each semicolon (https://mariadb.com/kb/en/delimiters/).
        yield from ("DELIMITER //", f"{statement} //", "DELIMITER ;")
    else:
        yield f"{statement};"


_BEGIN = {"postgresql": ("BEGIN;",), "sqlite": ("PRAGMA foreign_keys=OFF;", "BEGIN IMMEDIATE;")}
_END = {"postgresql": ("COMMIT;",), "sqlite": ("PRAGMA foreign_key_check;", "COMMIT;")}
