"""Tables that a broken-off rebuild left in a SQLite database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from ..acceptable import LEFTOVER
from ..findings import Finding, Severity
from ..probes import Answer, Question
from ..revisions import TableName
from ..snapshot import folded

if TYPE_CHECKING:
    from ..snapshot import Snapshot

_PREFIX = "_alembic_tmp_"
_LENGTH = 50  # characters, to which Alembic cuts the name (alembic.operations.batch)

Ask = Callable[[Iterable[Question]], tuple[Answer | None, ...]]


def leftover_tables(
    real: Snapshot, rebuilt: Iterable[str], target: str, ask: Ask, accepted: Collection[str]
) -> Iterator[Finding]:
    """Find the copies that a broken-off rebuild left, and say what to do; they are never dropped by us.

    One that stands in the way of the plan stops, and so does one whose original is gone: its rows are the
    only ones.

    :param rebuilt: the tables that the plan rebuilds.
    :param target: the database, for people.
    """
    in_the_way = {_copy_of(name) for name in rebuilt}
    names = [each.name for each in real.tables]
    for name in names:
        if folded(name, "sqlite").startswith(_PREFIX):
            original = next(
                (each for each in names if each != name and _copy_of(each) == folded(name, "sqlite")), None
            )
            stops = folded(name, "sqlite") in in_the_way
            finding = _finding(name, original, target, ask)
            if original is None:
                stops = stops or finding.key not in accepted
            yield finding if stops else _only_told(finding)


def _copy_of(table: str) -> str:
    return folded(f"{_PREFIX}{table}"[:_LENGTH], "sqlite")


def _finding(name: str, original: str | None, target: str, ask: Ask) -> Finding:
    tables = [name] if original is None else [name, original]
    rows = [_rows(each) for each in ask([Question(TableName(None, table)) for table in tables])]
    if original is None:
        was = name[len(_PREFIX) :]
        message = (
            f"{target} has the table {name} with {rows[0]}, which a broken-off rebuild left, and no table "
            f"{was}: these rows are the only copy."
        )
        hint = (
            f'Keep a copy of the file. Then ALTER TABLE "{name}" RENAME TO "{was}", and make its indexes and '
            "triggers again. Do not drop it."
        )
    else:
        message = (
            f"{target} has the table {name} with {rows[0]}, which a broken-off rebuild of {original} left; "
            f"{original} itself has {rows[1]}."
        )
        hint = (
            f'If {original} has all its rows: DROP TABLE "{name}". Every rebuild of {original} fails until '
            "then."
        )
    return Finding(code=LEFTOVER, subject=name, severity=Severity.ERROR, message=message, hint=hint)


def _rows(answer: Answer | None) -> str:
    if answer is None:
        return "an unknown number of rows"
    return f"{answer.rows:,} row" + ("s" if answer.rows != 1 else "")


def _only_told(finding: Finding) -> Finding:
    return Finding(code=finding.code, subject=finding.subject, message=finding.message, hint=finding.hint)
