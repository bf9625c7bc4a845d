"""At which revision a database is, by its structure: lost, unknown and torn version rows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chain import STEPS, WALK, equal_to, found_for, write_chain
from projects import Project

def walked(project: Project, *, adopt: str) -> list[dict[str, Any]]:
    """Move a database from revision to revision, and let each be found without its version row.

    At one, or all of them, by the commands, also with a column that somebody made by hand.
    """
    ended = project.python(WALK, WALK=" ".join(each.id for each in STEPS), ADOPT=adopt)
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


def check_walk(seen: list[dict[str, Any]], method: str) -> None:
    assert [each["revision"] for each in seen] == [each.id for each in STEPS]
    for step, each in zip(STEPS, seen, strict=True):
        found, wanted = each["found"], found_for(step)
        if wanted is not None:
            assert (found["outcome"], found["rows"]) == ("adopted", [wanted]), each
            assert found["method"] == method
        else:
            assert (found["outcome"], found["rows"]) == ("refused", []), each
            assert found["candidates"] == equal_to(step)
            named = each.get("named", {"outcome": "adopted", "rows": [step.id]})
            assert (named["outcome"], named["rows"]) == ("adopted", [step.id]), each
        for refused in each.get("by hand", []):
            assert refused["differences"] == ["extra-column:users.by_hand"], refused
            assert f"The nearest is {equal_to(step)[-1]}; it differs in 1 way." in refused["message"]
            assert refused["rows"] == []


def test_a_chain_of_thirty_revisions(project: Project, any_database: str) -> None:
    """Each revision is found by its structure; what only changes rows is offered, and stamped when named."""
    write_chain(project, any_database)
    ended = project.flask("db-snapshot")
    assert ended.code == 0, ended.stderr

    check_walk(walked(project, adopt="r07"), "stored snapshot")


@pytest.mark.soak
def test_a_chain_of_thirty_revisions_without_snapshots(project: Project, any_database: str) -> None:
    """Where nothing is stored the revisions run on scratch, and say the same."""
    write_chain(project, any_database)

    check_walk(walked(project, adopt="all"), "scratch database")
