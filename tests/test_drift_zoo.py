"""Every kind of difference that real databases show is seen, named and weighed right, on each engine.

``pytest tests/test_drift_zoo.py`` counts them: one test for each kind and engine that can express it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

import pytest
import sqlalchemy as sa
from drifts import CANNOT, CASES, ENGINES, MARIADB, POSTGRESQL, ROWS, SQLITE, Row
from drifts.databases import case_of, make, two_databases

from flask_schemaflow.drift import find_drift
from flask_schemaflow.snapshot import Snapshot, take_snapshot

# What is told of a row: CODE:SUBJECT, and whether it is structure.
Told = set[tuple[str, bool]]


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest) -> Callable[[str], Mapping[str, Told]]:
    """Give a function that says what is found on an engine, by case."""
    found: dict[str, Mapping[str, Told]] = {}

    def on(engine: str) -> Mapping[str, Told]:
        if engine not in found:
            found[engine] = everything_found(engine, request)
        return found[engine]

    return on


def everything_found(engine: str, request: pytest.FixtureRequest) -> Mapping[str, Told]:
    """Make all rows in two databases, and compare these."""
    rows = [row for row in ROWS if row.engine == engine]
    if engine == SQLITE:
        engines = [sa.create_engine("sqlite://") for _ in range(2)]
        models, real = (
            made(rows, each, is_real) for each, is_real in zip(engines, (False, True), strict=True)
        )
        for each in engines:
            each.dispose()
    else:
        with two_databases(request.getfixturevalue(f"{engine}_server")) as (first, second):
            models, real = made(rows, first, False), made(rows, second, True)
    return compare(models, real)


def made(rows: list[Row], engine: sa.Engine, is_real: bool) -> Snapshot:
    with engine.connect() as connection:
        make(rows, connection, is_real=is_real)
        return take_snapshot(connection)


def compare(models: Snapshot, real: Snapshot) -> Mapping[str, Told]:
    """Compare as the commands do: tables that are none of ours are foreign, and listed."""
    ours = {(table.schema, table.name) for table in models.tables}
    found: dict[str, Told] = defaultdict(set)
    for each in find_drift(models, real.of_tables(ours), "the models"):
        found[case_of(each.table)].add((each.key, each.structural))
    for table in real.tables:
        if (table.schema, table.name) not in ours:
            found[case_of(table.name)].add((f"foreign-table:{table.name}", False))
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.engine}-{row.case}")
def test_it_is_seen(row: Row, told: Callable[[str], Mapping[str, Told]]) -> None:
    """Exactly the right objects are named with the right codes, as structure or as surroundings."""
    expected = {
        (finding, row.structural and not finding.startswith("foreign-table:")) for finding in row.findings
    }

    assert told(row.engine).get(row.case, set()) == expected


def test_nothing_is_seen_that_did_not_happen(told: Callable[[str], Mapping[str, Told]]) -> None:
    """No finding is about anything but a row of the zoo."""
    for engine in (SQLITE, POSTGRESQL, MARIADB):
        assert told(engine).keys() <= {row.case for row in ROWS if row.engine == engine}


def test_every_kind_is_there() -> None:
    """Each of the 76 kinds is tried on every engine, or it is said why the engine cannot express it."""
    seen = Counter(row.engine for row in ROWS)
    cannot = Counter(engine for _, engine in CANNOT)

    assert len(CASES) == 76
    assert {engine: (seen[engine], cannot[engine]) for engine in ENGINES} == {
        SQLITE: (43, 33),
        POSTGRESQL: (66, 10),
        MARIADB: (50, 26),
    }
    assert all(CANNOT.values())
