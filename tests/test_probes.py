"""The real rows are asked, and nothing is written."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_schemaflow.errors import Busy
from flask_schemaflow.hazards.narrowing import does_not_fit
from flask_schemaflow.probes import Answer, Question, ask, named
from flask_schemaflow.revisions import TableName

AWKWARD = 'a "b" `c` 5% :d {rows}'


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path):
    """Give an engine of an empty database, on each family in turn."""
    url = (
        f"sqlite:///{tmp_path}/x.db" if request.param == "sqlite" else request.getfixturevalue(request.param)
    )
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def fill(engine: sa.Engine, table: sa.Table, *rows: dict[str, object]) -> None:
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), list(rows))


def on_table(table: str, condition: sa.ColumnElement[bool] | None = None) -> Question:
    return Question(TableName(None, table), condition)


def test_rows_are_counted(engine: sa.Engine) -> None:
    """All rows of a table, and those that meet a condition; an empty table has none."""
    table = sa.Table(
        "t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.Integer)
    )
    empty = sa.Table("e", table.metadata, sa.Column("a", sa.Integer))
    fill(engine, table, {"a": 1}, {"a": None}, {"a": 3})

    answers = ask(
        engine,
        [on_table("t"), on_table("t", named("a").is_not(None)), on_table(empty.name, named("a") > 1)],
    )

    assert answers == (Answer(3, 3), Answer(2, 3), Answer(0, 0))


def test_awkward_names_are_quoted(engine: sa.Engine) -> None:
    """Quotes, percent signs, colons and braces in names of tables and columns harm nothing."""
    table = sa.Table(
        AWKWARD, sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column(AWKWARD, sa.Text)
    )
    fill(engine, table, {AWKWARD: "100%"}, {AWKWARD: None})

    assert ask(engine, [on_table(AWKWARD, named(AWKWARD).is_not(None))]) == (Answer(1, 2),)


def test_a_question_that_fails_is_unknown_and_harms_no_other(engine: sa.Engine) -> None:
    """A table or column that is not there gives no answer; those after it do."""
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    fill(engine, table, {"id": 1})

    answers = ask(engine, [on_table("nowhere"), on_table("t", named('no " column').is_(None)), on_table("t")])

    assert answers[0] is None
    assert answers[2] == Answer(1, 1)


def test_nothing_can_be_written(engine: sa.Engine) -> None:
    """A question cannot write, whatever it calls: the transaction is read-only."""
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    fill(engine, table, {"id": 1})
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no function that writes.")
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DELETE FROM t RETURNING 1'"
            )
        else:
            connection.exec_driver_sql("CREATE FUNCTION f() RETURNS int BEGIN DELETE FROM t; RETURN 1; END")

    assert ask(engine, [on_table("t", sa.func.f() == 1)]) == (None,)
    assert ask(engine, [on_table("t")]) == (Answer(1, 1),)


SLOW = {
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c) > 0",
    "postgresql": "pg_sleep(30) IS NULL",
    "mysql": "SLEEP(30) = 1",
}


def test_a_question_has_its_time(engine: sa.Engine) -> None:
    """A question that takes too long has no answer; those after it do, until the time of all is over."""
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    fill(engine, table, {"id": 1})
    slow = on_table("t", sa.text(SLOW[engine.dialect.name]))  # type: ignore[arg-type]
    started = time.monotonic()

    assert ask(engine, [slow, on_table("t")], each=0.5) == (None, Answer(1, 1))
    assert ask(engine, [slow, slow, on_table("t")], each=5, together=0.5) == (None, None, None)
    assert time.monotonic() - started < 5


def test_a_locked_table_gives_no_answer(postgresql: str) -> None:
    """Somebody's exclusive lock is waited for five seconds at most."""
    engine = sa.create_engine(postgresql)
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    fill(engine, table, {"id": 1})
    with engine.begin() as other:
        other.exec_driver_sql("LOCK TABLE t")
        assert ask(engine, [on_table("t")], each=1) == (None,)
    engine.dispose()


def test_no_question_needs_no_connection() -> None:
    """Where nothing is asked, nobody connects."""
    assert ask(sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:9/x"), []) == ()
    with pytest.raises(Busy):
        ask(sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:9/x"), [on_table("t")])


FITS = [
    ("VARCHAR(50)", "VARCHAR(3)", ["abc", "abcd", None, "äöü"], 1),
    ("TEXT", "VARCHAR(3)", ["abc", "abcd"], 1),
    ("BIGINT", "SMALLINT", [32767, 32768, -32769, None], 2),
    ("INTEGER", "SMALLINT", [1, 2], 0),
    ("NUMERIC(10, 2)", "NUMERIC(4, 2)", [99.99, 100, -100], 2),
    ("NUMERIC(10, 2)", "NUMERIC(10, 1)", [1.5, 1.25], 1),
    ("NUMERIC(10, 2)", "INTEGER", [1, 1.5, 5_000_000], 1),
    ("BIGINT", "NUMERIC(4, 2)", [99, 100], 1),
    ("BIGINT", "VARCHAR(3)", [999, 1000], 1),
    ("VARCHAR(20)", "INTEGER", ["12", " -3 ", "x", "1.5", ""], 3),
]


@pytest.mark.parametrize(("was", "to", "values", "lost"), FITS)
@pytest.mark.parametrize("family", ["postgresql", "mariadb"])
def test_values_that_do_not_fit_are_counted(
    family: str, was: str, to: str, values: list[object], lost: int, request: pytest.FixtureRequest
) -> None:
    """What the server would cut, round or refuse is counted, and nothing else."""
    engine = sa.create_engine(request.getfixturevalue(family))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE t (v {was})")
        for value in values:
            connection.execute(sa.text("INSERT INTO t VALUES (:v)"), {"v": value})
    condition = does_not_fit("v", was, to, family)
    assert condition is not None

    assert ask(engine, [on_table("t", condition)]) == (Answer(lost, len(values)),)
    engine.dispose()


@pytest.mark.parametrize("family", ["postgresql", "mariadb"])
def test_times_are_lost_in_a_date(family: str, request: pytest.FixtureRequest) -> None:
    """A moment that is not midnight does not fit into a date."""
    engine = sa.create_engine(request.getfixturevalue(family))
    kind = "TIMESTAMP" if family == "postgresql" else "DATETIME"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE t (v {kind})")
        connection.exec_driver_sql("INSERT INTO t VALUES ('2024-05-01 00:00:00'), ('2024-05-01 10:00:00')")

    assert ask(engine, [on_table("t", does_not_fit("v", kind, "DATE", family))]) == (Answer(1, 2),)
    engine.dispose()


@pytest.mark.parametrize(
    ("was", "to", "values", "lost"),
    [
        ("VARCHAR(50)", "INTEGER", ["12", "x", "1.5", None], 2),
        ("VARCHAR(50)", "DATETIME", ["2024-05-01 10:00:00"], 1),
        ("FLOAT", "INTEGER", [1.0, 1.5], 1),
        ("DATETIME", "DATE", ["2024-05-01 10:00:00"], 1),
        ("INTEGER", "VARCHAR(1)", [1, 22], 0),
    ],
)
def test_what_sqlite_casts_is_counted(
    tmp_path: Path, was: str, to: str, values: list[object], lost: int
) -> None:
    """Alembic copies with a CAST when the kind of a type changes; values that come out as others are counted."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/x.db")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE t (v {was})")
        for value in values:
            connection.exec_driver_sql("INSERT INTO t VALUES (?)", (value,))
    condition = does_not_fit("v", was, to, "sqlite")

    assert ask(engine, [on_table("t", condition)]) == (Answer(lost, len(values)),)
    assert does_not_fit("v", "VARCHAR(50)", "VARCHAR(1)", "sqlite") is None
    engine.dispose()


def test_the_elements_of_arrays_are_asked(postgresql: str) -> None:
    """A row counts whose array has an element that does not fit; nothing is known of other conversions."""
    engine = sa.create_engine(postgresql)
    table = sa.Table("t", sa.MetaData(), sa.Column("a", sa.ARRAY(sa.String)))
    fill(engine, table, {"a": ["1", "2"]}, {"a": ["1", "x", "y"]}, {"a": []}, {"a": None})
    condition = does_not_fit("a", "character varying[]", "integer[]", "postgresql")

    assert ask(engine, [on_table("t", condition)]) == (Answer(1, 4),)
    assert does_not_fit("a", "integer[]", "bigint[]", "postgresql") is None
    engine.dispose()
