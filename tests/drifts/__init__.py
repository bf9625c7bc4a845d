"""A zoo of drift: every kind of difference that real databases show, on each engine that can express it.

A row makes a table called ``of_<case>``, and whatever else it makes is called ``of_<case>__…``. The
models' database has what ``was`` says; in the other one ``change`` has happened to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

SQLITE, POSTGRESQL, MARIADB = "sqlite", "postgresql", "mariadb"
ENGINES = (SQLITE, POSTGRESQL, MARIADB)


@dataclass(frozen=True)
class Change:
    """What happens to a database; ``was`` and ``findings`` are those of the row where they are None."""

    statements: tuple[str, ...]
    was: tuple[str, ...] | None = None
    findings: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Cannot:
    """The engine cannot express it, and why."""

    why: str


@dataclass(frozen=True)
class Row:
    """One kind of difference on one engine; ``findings`` are exactly those that must come."""

    case: str
    engine: str
    was: tuple[str, ...]
    change: tuple[str, ...]
    findings: tuple[str, ...]
    structural: bool


ROWS: list[Row] = []
CANNOT: dict[tuple[str, str], str] = {}
CASES: list[str] = []


def row(
    case: str,
    *findings: str,
    was: str | tuple[str, ...] = (),
    structural: bool = True,
    sqlite: Change | Cannot,
    postgresql: Change | Cannot,
    mariadb: Change | Cannot,
) -> None:
    """Add a case to the zoo; ``findings`` as CODE:SUBJECT, ``{t}`` is the name of its table."""
    assert case not in CASES, case
    CASES.append(case)
    for engine, change in zip(ENGINES, (sqlite, postgresql, mariadb), strict=True):
        if isinstance(change, Cannot):
            CANNOT[case, engine] = change.why
            continue
        texts = (
            change.was if change.was is not None else _made(was),
            change.statements,
            change.findings if change.findings is not None else findings,
        )
        name = "of_" + case.replace("-", "_")
        named = [tuple(text.replace("{t}", name) for text in each) for each in texts]
        ROWS.append(Row(case, engine, *named, structural))


def becomes(body: str, *findings: str, was: str | None = None) -> Change:
    """Make the table anew, with other columns and constraints."""
    return _with(Change(("DROP TABLE {t}", table(body))), findings, was)


def alter(clause: str, *findings: str, was: str | None = None) -> Change:
    """Alter the table."""
    return _with(Change((f"ALTER TABLE {{t}} {clause}",)), findings, was)


def then(*statements: str, was: str | tuple[str, ...] | None = None, finding: str | None = None) -> Change:
    """Send some statements."""
    return _with(Change(statements), (finding,) if finding is not None else (), was)


def same(change: Change) -> Change:
    """Say that this is no difference to the engine: nothing must be found."""
    return replace(change, findings=())


def table(body: str, name: str = "{t}") -> str:
    """Write the statement that makes a table; ``body`` is what follows its key."""
    return f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {body})"


def _with(change: Change, findings: tuple[str, ...], was: str | tuple[str, ...] | None) -> Change:
    return replace(change, findings=findings or None, was=None if was is None else _made(was))


def _made(was: str | tuple[str, ...]) -> tuple[str, ...]:
    """Take a single text for what is in the table, else for the statements themselves."""
    return was if isinstance(was, tuple) else (table(was),)


from . import columns, constraints, indexes, objects, on_one_engine  # noqa: E402

__all__ = [
    "CANNOT",
    "CASES",
    "ENGINES",
    "ROWS",
    "Cannot",
    "Change",
    "Row",
    "alter",
    "becomes",
    "columns",
    "constraints",
    "indexes",
    "objects",
    "on_one_engine",
    "row",
    "same",
    "table",
    "then",
]
