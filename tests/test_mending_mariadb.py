"""On MariaDB each statement leaves the tables whole, and no value goes without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from drifts.databases import two_databases

from flask_schemaflow.drift import find_drift
from flask_schemaflow.mending import RowsOf, Script, mend
from flask_schemaflow.snapshot import Snapshot, take_snapshot


@dataclass
class Mended:
    """A database after its script; ``left`` are the structural differences from what was wanted."""

    engine: sa.Engine
    script: Script
    left: set[str]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(each) for each in connection.exec_driver_sql(query)]


Mend = Callable[..., Mended]


@pytest.fixture(scope="module")
def databases(mariadb_server: sa.URL) -> Iterator[list[sa.Engine]]:
    """Give two databases, for all tests."""
    with two_databases(mariadb_server) as engines:
        yield engines


@pytest.fixture
def mended(databases: list[sa.Engine]) -> Mend:
    """Give a function that makes a database, and takes it to what other statements make."""

    def run(there: list[str], wanted: list[str], *accepted: str) -> Mended:
        models, real = databases
        after, before = made(models, wanted), made(real, there)
        script = mend(before, after, accepted=frozenset(accepted), rows=RowsOf(real))
        with real.connect() as connection:
            for each in script.statements:
                connection.exec_driver_sql(each)
            found = find_drift(after, take_snapshot(connection), "the models")
        left = {each.key for each in found if each.structural}
        assert left <= script.stays
        return Mended(real, script, left)

    return run


def made(engine: sa.Engine, statements: list[str]) -> Snapshot:
    with engine.connect() as connection:
        connection.exec_driver_sql("SET foreign_key_checks = 0")
        for name in sa.inspect(connection).get_table_names():
            connection.exec_driver_sql(f"DROP TABLE `{name}`")
        connection.exec_driver_sql("SET foreign_key_checks = 1")
        for each in statements:
            connection.exec_driver_sql(each)
        return take_snapshot(connection)


P = "CREATE TABLE p (id {} PRIMARY KEY, name VARCHAR(9), KEY {} (name))"
C = "CREATE TABLE c (id INT PRIMARY KEY, p_id {0}, {1}CONSTRAINT fk FOREIGN KEY (p_id) REFERENCES p (id))"


def test_foreign_keys_make_room(mended: Mend) -> None:
    """A key that leads to a column, from it or by an index is dropped before, and there again afterwards."""
    after = mended(
        [
            P.format("INT", "old"),
            C.format("INT", "KEY mine (p_id), "),
            "CREATE TABLE d (name VARCHAR(9), CONSTRAINT named FOREIGN KEY (name) REFERENCES p (name))",
            "INSERT INTO p VALUES (1, 'x')",
            "INSERT INTO c VALUES (1, 1)",
            "INSERT INTO d VALUES ('x')",
        ],
        [
            P.format("BIGINT", "old").replace("(name))", "(name, id))"),
            C.format("BIGINT", "KEY mine (p_id, id), "),
            "CREATE TABLE d (name VARCHAR(9), CONSTRAINT named FOREIGN KEY (name) REFERENCES p (name))",
        ],
    )

    assert after.left == set()
    assert after.rows("SELECT p_id FROM c") == [(1,)]
    with pytest.raises(sa.exc.IntegrityError):
        after.rows("INSERT INTO c VALUES (2, 2)")
    with pytest.raises(sa.exc.IntegrityError):
        after.rows("INSERT INTO d VALUES ('y')")


def test_a_key_that_goes_leaves_no_index_behind(mended: Mend) -> None:
    """The server made the index for the key: with the key it goes, or gets the key's new name."""
    other = C.format("INT", "").replace("TABLE c", "TABLE e").replace("fk", "fe")
    after = mended(
        [P.format("INT", "k"), C.format("INT", ""), other],
        [
            P.format("INT", "k"),
            "CREATE TABLE c (id INT PRIMARY KEY, p_id INT)",
            other.replace("fe", "renamed"),
        ],
    )

    assert after.left == set()
    assert after.rows("SHOW INDEX FROM c WHERE Key_name <> 'PRIMARY'") == []
    assert [each[2] for each in after.rows("SHOW INDEX FROM e WHERE Key_name <> 'PRIMARY'")] == ["renamed"]


def test_many_changes_of_one_table_are_one_statement(mended: Mend) -> None:
    """It is done as a whole or not at all; a moment of the last change is no change's."""
    after = mended(
        [
            "CREATE TABLE t (id INT, a VARCHAR(9), b INT, c TEXT, changed TIMESTAMP NOT NULL DEFAULT '2001-02-03' "
            "ON UPDATE CURRENT_TIMESTAMP, g INT AS (b * 2) VIRTUAL, gone INT, PRIMARY KEY (id), KEY k (g), "
            "CONSTRAINT ck CHECK (b > 0)) ENGINE=MyISAM DEFAULT CHARSET=latin1",
            "INSERT INTO t (id, a, b, c) VALUES (1, NULL, 4, 'é'), (2, 'y', 5, NULL)",
        ],
        [
            "CREATE TABLE t (id BIGINT AUTO_INCREMENT, a VARCHAR(20) NOT NULL DEFAULT 'x', b INT, c TEXT, "
            "changed TIMESTAMP NOT NULL DEFAULT '2001-02-03' ON UPDATE CURRENT_TIMESTAMP, g INT NOT NULL, d INT "
            "COMMENT 'it''s', PRIMARY KEY (id), KEY k (g), UNIQUE one (a, b), CONSTRAINT ck CHECK (b > 1)) "
            "DEFAULT CHARSET=utf8mb4 COMMENT='t'"
        ],
        "drop-column:t.gone",
    )

    assert after.left == set()
    assert after.rows("SELECT id, a, b, c, CAST(changed AS CHAR), g FROM t") == [
        (1, "x", 4, "é", "2001-02-03 00:00:00", 8),
        (2, "y", 5, None, "2001-02-03 00:00:00", 10),
    ]
    assert sum("ENGINE=InnoDB" in each for each in after.script.statements) == 1


@pytest.mark.parametrize(
    ("there", "value", "wanted", "stays"),
    [
        ("a INT", "NULL", "a INT NOT NULL", "changed-column-nullable:t.a"),
        ("a INT", "NULL", "a INT, c DATE NOT NULL", "changed-column-nullable:t.c"),
        ("a INT UNIQUE", "NULL", "a INT NOT NULL DEFAULT 1 UNIQUE", "changed-column-nullable:t.a"),
        ("a INT", "7", "a INT UNIQUE", "missing-unique:t.a"),
        ("a INT", "7", "a INT, CONSTRAINT ck CHECK (a > 7)", "missing-check:t.ck"),
        ("a INT", "7", "a INT CHECK (a > 7)", "missing-check:t.a"),
        ("a INT", "7", "a INT, CONSTRAINT fk FOREIGN KEY (a) REFERENCES p (id)", "missing-foreign-key:t.fk"),
        ("a INT", "7", "a INT AS (b + 1)", "changed-column-generated:t.a"),
        ("a VARCHAR(9)", "'1234567'", "a VARCHAR(5)", "changed-column-type:t.a"),
        ("a VARCHAR(9)", "'x'", "a INT", "changed-column-type:t.a"),
        ("a VARCHAR(9)", "'x'", "a DATETIME", "changed-column-type:t.a"),
        ("a ENUM('x', 'y')", "'y'", "a ENUM('x')", "changed-column-type:t.a"),
        ("a ENUM('x', 'y')", "'y'", "a INT", "changed-column-type:t.a"),
        ("a DATETIME(3)", "'2001-02-03 04:05:06.789'", "a DATETIME", "changed-column-type:t.a"),
        ("a DECIMAL(8, 4)", "1.2345", "a DECIMAL(8, 2)", "changed-column-type:t.a"),
        ("a INT", "-7", "a INT UNSIGNED", "changed-column-type:t.a"),
        (
            "a VARCHAR(9)",
            "'\N{CYRILLIC SMALL LETTER ZHE}'",
            "a VARCHAR(9) CHARACTER SET latin1",
            "changed-column-collation:t.a",
        ),
    ],
)
def test_what_rows_do_not_allow_is_named(
    mended: Mend, there: str, value: str, wanted: str, stays: str
) -> None:
    """It stays as it is, with the reason; all else of the table is mended."""
    columns = there.replace(" UNIQUE", ""), " UNIQUE (a)," if "UNIQUE" in there else ""
    after = mended(
        [
            "CREATE TABLE p (id INT PRIMARY KEY)",
            f"CREATE TABLE t (id INT PRIMARY KEY, {columns[0]}, b INT, {columns[1]} KEY k (b)) CHARSET utf8mb4",
            f"INSERT INTO t VALUES (1, {value}, 5), (2, {value}, 5)",
        ],
        [
            "CREATE TABLE p (id INT PRIMARY KEY)",
            f"CREATE TABLE t (id INT PRIMARY KEY, b BIGINT, {wanted}) CHARSET utf8mb4",
        ],
        "drop-index:t.k",
    )

    assert after.left == {stays}
    assert stays in {each.key for each in after.script.unmended}
    assert "rows" in next(each.hint for each in after.script.unmended if each.key == stays)
    assert after.rows(f"SELECT count(*) FROM t WHERE a <=> {value} AND b = 5") == [(2,)]
    assert after.rows("SHOW COLUMNS FROM t LIKE 'b'")[0][1] == "bigint(20)"
