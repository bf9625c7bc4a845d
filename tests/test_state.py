"""What a database is, by version rows, tables and revisions: the whole table of states."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_schemaflow.foreign import ForeignNames
from flask_schemaflow.revisions import Revision, TableName
from flask_schemaflow.state import Facts, State, classify


def revision(name: str, *parents: str) -> Revision:
    """Make a revision."""
    return Revision(id=name, parents=parents, file=Path(f"{name}.py"))


LINE = (revision("a"), revision("b", "a"))
FORK = (revision("a"), revision("b", "a"), revision("c", "a"))
MERGED = (*FORK, revision("d", "b", "c"))
OURS = frozenset({TableName(None, "user")})
FOREIGN = frozenset({TableName(None, "spatial_ref_sys")})
NONE: frozenset[TableName] = frozenset()


@pytest.mark.parametrize(
    ("revisions", "versions", "tables", "state"),
    [
        ((), None, NONE, State.EMPTY),
        ((), (), NONE, State.EMPTY),
        ((), None, FOREIGN, State.EMPTY),
        ((), None, OURS, State.UNMANAGED),
        ((), (), OURS | FOREIGN, State.UNMANAGED),
        ((), ("x",), OURS, State.ORPHANED),
        ((), ("x",), NONE, State.ORPHANED),
        (LINE, None, NONE, State.EMPTY),
        (LINE, (), FOREIGN, State.NOT_OURS),
        (LINE, None, OURS | FOREIGN, State.UNMANAGED),
        (LINE, ("a",), OURS, State.BEHIND),
        (LINE, ("b",), OURS, State.CURRENT),
        (LINE, ("b",), NONE, State.HOLLOW),
        (LINE, ("a",), FOREIGN, State.HOLLOW),
        (LINE, ("x",), OURS, State.UNKNOWN),
        (LINE, ("a", "b"), OURS, State.TORN),
        (LINE, ("b", "x"), OURS, State.TORN),
        (FORK, ("a",), OURS, State.BRANCHED),
        (FORK, None, NONE, State.BRANCHED),
        (MERGED, ("b", "c"), OURS, State.BEHIND),
        (MERGED, ("a", "c"), OURS, State.TORN),
        (MERGED, ("d",), OURS, State.CURRENT),
    ],
)
def test_state(
    revisions: tuple[Revision, ...],
    versions: tuple[str, ...] | None,
    tables: frozenset[TableName],
    state: State,
) -> None:
    """Each row of the table is told by what is there."""
    facts = Facts(
        revisions=revisions,
        versions=versions,
        tables=tables | {TableName(None, "alembic_version")},
        in_models=OURS,
        in_revisions=OURS,
        bookkeeping=frozenset({TableName(None, "alembic_version")}),
    )

    assert classify(facts).state is state


def test_a_pattern_makes_a_table_foreign() -> None:
    """A table that SCHEMAFLOW_FOREIGN_TABLES names is not ours, whatever the models say."""
    facts = Facts(
        revisions=LINE,
        versions=None,
        tables=OURS,
        in_models=OURS,
        in_revisions=OURS,
        never_ours=ForeignNames(patterns=("us*",)),
    )

    assert classify(facts).ours == frozenset()
    assert classify(facts).foreign == OURS
