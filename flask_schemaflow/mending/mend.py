"""Take two structures, and give the statements that lead from the one to the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..drift import Drift, find_differences
from .changes import Action, Left, Mend, Outcome, Task, changes_of
from .mysql import mend_mysql
from .postgresql import mend_postgresql
from .rows import NO_ROWS, Rows
from .script import Script, Step
from .sqlite import mend_sqlite

if TYPE_CHECKING:
    from ..snapshot import Object, Snapshot


def mend(
    before: Snapshot,
    after: Snapshot,
    *,
    accepted: frozenset[str] = frozenset(),
    rows: Rows = NO_ROWS,
    others: Iterable[Object] = (),
    source: str = "the models",
) -> Script:
    """Write the statements that take a database from ``before`` to ``after``, its rows kept. Read-only.

    What holds data is not dropped, nor is an index, a trigger or a right that a person made.

    :param accepted: ``drop-column:TABLE.COLUMN`` and ``drop-table:TABLE``, which may be dropped.
    :param rows: asked how many rows of ``before`` a statement will meet.
    :param others: tables that are none of ours, any of which may be one of ours under another name.
    :param source: what gave ``after``, for the messages.
    """
    differences = find_differences(after, before, source)
    task = Task(
        before=before,
        after=after,
        changes=changes_of(differences),
        accepted=accepted,
        rows=rows,
        others=tuple(others),
    )
    write = FAMILIES.get(before.family)
    outcomes = list(write(task)) if write is not None else []
    return _script(tuple(each.drift for each in differences), outcomes)


def _script(drifts: Iterable[Drift], outcomes: list[Outcome]) -> Script:
    actions = [each for each in outcomes if isinstance(each, Action)]
    left = [each for each in outcomes if isinstance(each, Left)]
    answered = {key for each in actions for key in each.mends} | {each.drift.key for each in left}
    left += [Left(drift=each, reason=_NO_STATEMENT) for each in drifts if each.key not in answered]
    return Script(
        steps=tuple(_steps(actions)),
        kept=tuple(each.told for each in left if each.kept),
        unmended=tuple(each.told for each in left if not each.kept),
    )


_NO_STATEMENT = "No statement is known that mends it; do it by hand."


def _steps(actions: Iterable[Action]) -> Iterator[Step]:
    for each in sorted(actions, key=lambda each: (each.phase, each.after)):
        yield Step(statements=each.statements, mends=each.mends, notes=each.notes, disabled=each.disabled)


FAMILIES: Mapping[str, Mend] = {
    "mariadb": mend_mysql,
    "mysql": mend_mysql,
    "postgresql": mend_postgresql,
    "sqlite": mend_sqlite,
}
