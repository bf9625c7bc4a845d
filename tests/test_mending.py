"""Every kind of difference is mended with rows in the tables, or it is named; no value is lost.

``pytest tests/test_mending.py -k table -s`` prints what becomes of each kind on each engine.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from drifts import ENGINES, MARIADB, POSTGRESQL, ROWS, SQLITE, Row
from drifts.databases import case_of, fill, make, two_databases

from flask_schemaflow.drift import Drift, find_drift
from flask_schemaflow.mending import RowsOf, Script, mend
from flask_schemaflow.snapshot import Snapshot, take_snapshot

# What stays on purpose, or cannot be said in statements, by case; what is not here has to be mended.
STAYS: Mapping[str, Mapping[str, str]] = {
    SQLITE: {
        "column-order": "kept",
        "column-renamed": "kept",
        "trigger-in-db": "kept",
        "view-dropped-extra-view": "kept",
    },
    MARIADB: {
        "column-order": "unmended",
        "column-renamed": "kept",
        "extra-function": "kept",
        "extra-sequence-in-db": "kept",
        "trigger-in-db": "kept",
        "view-dropped-extra-view": "kept",
    },
    POSTGRESQL: {
        "column-order": "unmended",
        "column-renamed": "kept",
        "extra-enum-type-in-db": "kept",
        "extra-function": "kept",
        "extra-sequence-in-db": "kept",
        "generic-grant": "kept",
        "rls-policy": "kept",
        "statistics-fillfactor": "kept",
        "trigger-in-db": "kept",
        "view-dropped-extra-view": "kept",
    },
}

Values = dict[str, list[dict[str, Any]]]


@dataclass
class Zoo:
    """What became of all rows of an engine: the script, the differences after it, the values on both sides."""

    script: Script
    before: Mapping[str, list[Drift]]
    after: Mapping[str, list[Drift]]
    values_before: Mapping[str, Values] = field(repr=False)
    values_after: Mapping[str, Values] = field(repr=False)

    def fate(self, case: str) -> str:
        """Say what became of a case: mended, kept, unmended or no difference."""
        keys = {each.key for each in self.before.get(case, [])}
        if keys & {each.key for each in self.script.unmended}:
            return "unmended"
        if keys & {each.key for each in self.script.kept}:
            return "kept"
        return "mended" if keys else "no difference"


@contextmanager
def databases_of(engine: str, request: pytest.FixtureRequest) -> Iterator[list[sa.Engine]]:
    """Give two new databases of an engine."""
    if engine != SQLITE:
        with two_databases(request.getfixturevalue(f"{engine}_server")) as engines:
            yield engines
        return
    folder = request.getfixturevalue("tmp_path_factory").mktemp("mending")
    engines = [
        sa.create_engine(f"sqlite:///{folder / name}.db", isolation_level="AUTOCOMMIT")
        for name in ("models", "real")
    ]
    yield engines
    for each in engines:
        each.dispose()


@pytest.fixture(scope="module")
def zoo(request: pytest.FixtureRequest) -> Callable[[str], Zoo]:
    """Give a function that mends all rows of an engine at once."""
    found: dict[str, Zoo] = {}

    def of(engine: str) -> Zoo:
        if engine not in found:
            with databases_of(engine, request) as engines:
                found[engine] = mended_zoo([row for row in ROWS if row.engine == engine], *engines)
        return found[engine]

    return of


def mended_zoo(rows: list[Row], models: sa.Engine, real: sa.Engine) -> Zoo:
    with models.connect() as connection:
        make(rows, connection, is_real=False)
        wanted = take_snapshot(connection)
    with real.connect() as connection:
        make(rows, connection, is_real=True)
        there = take_snapshot(connection)
        fill(connection, there, wanted)
        there = ours(there, wanted)
        values = values_of(connection, there)
    drift = find_drift(wanted, there, "the models")
    script = mend(there, wanted, rows=RowsOf(real))
    with real.connect() as connection:
        run(connection, script.statements)
        after = ours(take_snapshot(connection), wanted)
        return Zoo(
            script=script,
            before=by_case(drift),
            after=by_case(find_drift(wanted, after, "the models")),
            values_before=values,
            values_after=values_of(connection, after),
        )


def ours(there: Snapshot, wanted: Snapshot) -> Snapshot:
    return there.of_tables((each.schema, each.name) for each in wanted.tables)


def run(connection: sa.Connection, statements: tuple[str, ...]) -> None:
    """Send statements as a revision does: in one transaction, where the engine has such."""
    if connection.dialect.name == "mysql":
        for each in statements:
            connection.exec_driver_sql(each.replace("%", "%%"))
        return
    raw: Any = connection.connection.dbapi_connection
    cursor = raw.cursor()
    cursor.execute("BEGIN")
    for each in statements:
        try:
            cursor.execute(each)
        except Exception as error:
            raise AssertionError(f"{each}\n{error}") from error
    cursor.execute("COMMIT")


def by_case(drift: tuple[Drift, ...]) -> dict[str, list[Drift]]:
    found: dict[str, list[Drift]] = defaultdict(list)
    for each in drift:
        found[case_of(each.table)].append(each)
    return found


def values_of(connection: sa.Connection, there: Snapshot) -> dict[str, Values]:
    """Read all rows of all tables, by case and table, sorted by what their first column says."""
    quote = connection.dialect.identifier_preparer.quote
    found: dict[str, Values] = defaultdict(dict)
    for table in there.tables:
        result = connection.exec_driver_sql(f"SELECT * FROM {quote(table.name)}")
        rows = [dict(row) for row in result.mappings()]
        found[case_of(table.name)][table.name] = sorted(rows, key=_place)
    return found


def _place(row: Mapping[str, Any]) -> str:
    """Give an order that no change of a type changes."""
    return str(row.get("id", [str(plain(each)) for each in row.values()]))


# -- what must hold --------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.engine}-{row.case}")
def test_it_is_mended_or_named(row: Row, zoo: Callable[[str], Zoo]) -> None:
    """After the statements nothing differs but what the script said would stay."""
    found = zoo(row.engine)
    stays = STAYS[row.engine].get(row.case, "mended")

    was = {each.key for each in found.before.get(row.case, ())}

    assert {
        each.key for each in found.after.get(row.case, ()) if each.structural or each.key in was
    } <= found.script.stays
    assert found.fate(row.case) in (stays, "no difference")
    assert all(each.hint for each in (*found.script.kept, *found.script.unmended))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.engine}-{row.case}")
def test_values_stay(row: Row, zoo: Callable[[str], Zoo]) -> None:
    """Each row is still there, and each column that both structures have says what it said."""
    found = zoo(row.engine)
    for table, before in found.values_before.get(row.case, {}).items():
        after = found.values_after[row.case][table]

        assert len(after) == len(before)
        for old, new in zip(before, after, strict=True):
            kept = old.keys() & new.keys() - changed_by_meaning(row)
            assert {name: plain(old[name]) for name in kept} == {name: plain(new[name]) for name in kept}


def changed_by_meaning(row: Row) -> set[str]:
    """Give the columns whose values the engine computes, in the rows that change how."""
    return {"g"} if row.case.startswith("computed") else set()


def plain(value: Any) -> Any:
    """Give what a value means, whatever its type: a moment without a zone is one of UTC."""
    if isinstance(value, bool | int | float | Decimal):
        return Decimal(str(+value))
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    if isinstance(value, list):
        return [str(each) for each in value]
    return value


@pytest.mark.parametrize("engine", ENGINES)
def test_every_difference_has_one_answer(engine: str, zoo: Callable[[str], Zoo]) -> None:
    """Each difference is mended by a step, kept or unmended, and in no two of these."""
    found = zoo(engine)
    answers = Counter(
        [key for step in found.script.steps for key in dict.fromkeys(step.mends)]
        + [each.key for each in (*found.script.kept, *found.script.unmended)]
    )
    keys = {each.key for of_case in found.before.values() for each in of_case}

    assert {key: answers[key] for key in keys} == dict.fromkeys(keys, 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_table_of_fates(engine: str, zoo: Callable[[str], Zoo]) -> None:
    """At least nine of ten kinds that may be mended are; what a person made or what holds data stays."""
    fates = {row.case: zoo(engine).fate(row.case) for row in ROWS if row.engine == engine}
    for case, fate in fates.items():
        print(f"{engine},{case},{fate}")  # noqa: T201 - the table is for a person
    counted = Counter(fates.values())
    print(engine, dict(counted))  # noqa: T201 - the table is for a person

    assert counted["unmended"] <= len(fates) / 10
