"""On SQLite a table that changes is copied into a new one, which keeps all that the old one had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

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


@pytest.fixture
def mended(tmp_path: Path) -> Mend:
    """Give a function that makes a database, and takes it to what other statements make."""

    def run(there: list[str], wanted: list[str], *accepted: str) -> Mended:
        after = snapshot(tmp_path / "models.db", wanted)
        before = snapshot(tmp_path / "real.db", there)
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'real.db'}", isolation_level="AUTOCOMMIT")
        script = mend(before, after, accepted=frozenset(accepted), rows=RowsOf(engine))
        with engine.connect() as connection:
            for each in ("PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE", *script.statements):
                connection.exec_driver_sql(each)
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
            connection.exec_driver_sql("COMMIT")
            found = find_drift(after, take_snapshot(connection), "the models")
        left = {each.key for each in found if each.structural}
        assert left <= script.stays
        return Mended(engine, script, left)

    return run


def snapshot(file: Path, statements: list[str]) -> Snapshot:
    engine = sa.create_engine(f"sqlite:///{file}", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for each in statements:
            connection.exec_driver_sql(each)
        found = take_snapshot(connection)
    engine.dispose()
    return found


def test_a_copy_has_all_that_the_table_had(mended: Mend) -> None:
    """Columns, constraints, indexes, triggers and views of others stay, and so does the counter of ids."""
    after = mended(
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a VARCHAR(9), mine INT CHECK (mine > 0), "
            "more INT, CONSTRAINT one UNIQUE (mine, a))",
            "CREATE TABLE child (id INTEGER PRIMARY KEY, t_id INT REFERENCES t (id) ON DELETE CASCADE)",
            "CREATE INDEX by_hand ON t (more DESC) WHERE more > 1",
            "CREATE TRIGGER touch AFTER INSERT ON t BEGIN INSERT INTO child (t_id) VALUES (new.id); END",
            "CREATE VIEW v AS SELECT a FROM t",
            "CREATE TRIGGER into_v INSTEAD OF INSERT ON v BEGIN INSERT INTO t (a) VALUES (new.a); END",
            "CREATE VIEW broken AS SELECT * FROM gone",
            "INSERT INTO t VALUES (1, 'x', 5, 6), (7, 'y', 6, NULL)",
            "DELETE FROM t WHERE id = 7",
            "DELETE FROM child WHERE t_id = 7",
        ],
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT DEFAULT 'z')",
            "CREATE TABLE child (id INTEGER PRIMARY KEY, t_id INT REFERENCES t (id) ON DELETE CASCADE)",
        ],
    )

    assert after.left == {
        "extra-check:t.check",
        "extra-column:t.mine",
        "extra-column:t.more",
        "extra-index:t.by_hand",
        "extra-trigger:t.touch",
        "extra-unique:t.one",
        "extra-view:broken",
        "extra-view:v",
    }
    assert after.rows("SELECT * FROM t") == [(1, "x", 5, 6)]
    assert after.rows("SELECT t_id FROM child") == [(1,)]
    after.rows("INSERT INTO v VALUES ('new') RETURNING a")
    assert after.rows("SELECT id, a, mine FROM t WHERE id > 1") == [(8, "new", None)]
    assert after.rows("SELECT t_id FROM child WHERE t_id = 8") == [(8,)]
    with pytest.raises(sa.exc.IntegrityError, match="CHECK"):
        after.rows("INSERT INTO t (mine) VALUES (-1)")


def test_several_changes_of_one_table_are_one_copy(mended: Mend) -> None:
    """Columns come, go and change, keys too; the accepted ones go by statements of their own."""
    after = mended(
        [
            "CREATE TABLE t (a INT, b VARCHAR(9) UNIQUE, c INT, d INT AS (c + 1), PRIMARY KEY (a))",
            "CREATE INDEX old ON t (c)",
            "INSERT INTO t (a, b, c) VALUES (1, '007', 3), (2, NULL, 4)",
        ],
        ["CREATE TABLE t (a INT NOT NULL, b VARCHAR(20) NOT NULL DEFAULT 'x', e INT, PRIMARY KEY (a, b))"],
        "drop-column:t.c",
        "drop-column:t.d",
    )

    assert after.left == set()
    assert after.rows("SELECT * FROM t") == [(1, "007", None), (2, "x", None)]
    assert sum("INSERT INTO _alembic_tmp_t" in each for each in after.script.statements) == 1
    assert after.script.statements[-2:] == ("ALTER TABLE t DROP COLUMN d", "ALTER TABLE t DROP COLUMN c")


@pytest.mark.parametrize(
    ("there", "wanted", "stays"),
    [
        ("a INT", "a INT NOT NULL", "changed-column-nullable:t.a"),
        ("a INT", "a INT, UNIQUE (b)", "missing-unique:t.b"),
        ("a INT", "a INT, CONSTRAINT ck CHECK (b > 7)", "missing-check:t.ck"),
        ("a INT", "a INT CHECK (b > 7)", "missing-check:t.check"),
        (
            "a INT, CONSTRAINT ck CHECK (b > 0)",
            "a INT, CONSTRAINT ck CHECK (b > 7)",
            "changed-check-expression:t.ck",
        ),
        ("a INT", "a INT, FOREIGN KEY (b) REFERENCES p (id)", "missing-foreign-key:t.b"),
        ("a INT, c INT", "a INT, c INT AS (b + 1)", "changed-column-generated:t.c"),
        ("a INT", "a INT, c INT NOT NULL", "changed-column-nullable:t.c"),
        (
            "a INT UNIQUE",
            "a INT NOT NULL DEFAULT 1 UNIQUE",
            "changed-column-nullable:t.a",
        ),
    ],
)
def test_what_rows_do_not_allow_is_named(mended: Mend, there: str, wanted: str, stays: str) -> None:
    """It stays as it is, with the reason; all else of the table is mended."""
    values = "(1, NULL, 5{0}), (2, NULL, 5{0})".format(", 3" if "c INT" in there else "")
    after = mended(
        [
            "CREATE TABLE p (id INTEGER PRIMARY KEY)",
            f"CREATE TABLE t (id INTEGER PRIMARY KEY, {there.replace('a INT', 'a INT, b INT', 1)})".replace(
                "a INT, b INT UNIQUE", "a INT UNIQUE, b INT"
            ),
            f"INSERT INTO t VALUES {values}",
        ],
        [
            "CREATE TABLE p (id INTEGER PRIMARY KEY)",
            f"CREATE TABLE t (id INTEGER PRIMARY KEY, b BIGINT, {wanted})",
        ],
    )

    assert after.left == {stays}
    assert [each.key for each in after.script.unmended if each.structural] == [stays]
    assert "rows" in after.script.unmended[0].hint
    assert after.rows("SELECT id, a, b FROM t") == [(1, None, 5), (2, None, 5)]
    assert after.rows("SELECT type FROM pragma_table_info('t') WHERE name = 'b'") == [("BIGINT",)]


def test_a_virtual_table_is_left_alone(mended: Mend) -> None:
    """Its text is no table's, and its rows are behind it; a missing one is made."""
    after = mended(
        ["CREATE VIRTUAL TABLE words USING fts5(word)", "INSERT INTO words VALUES ('one')"],
        ["CREATE VIRTUAL TABLE words USING fts5(word, page)", "CREATE VIRTUAL TABLE more USING fts5(word)"],
    )

    assert after.left == {"changed-table-definition:words"}
    assert after.rows("SELECT * FROM words WHERE words MATCH 'one'") == [("one",)]
    assert after.rows("SELECT * FROM more") == []


def test_an_older_sqlite_drops_columns_by_a_copy(tmp_path: Path) -> None:
    """ALTER TABLE drops columns since 3.35 only."""
    before = snapshot(tmp_path / "real.db", ["CREATE TABLE t (a INT, b INT)", "INSERT INTO t VALUES (1, 2)"])
    after = snapshot(tmp_path / "models.db", ["CREATE TABLE t (a INT)"])

    script = mend(replace(before, server_version=(3, 34, 1)), after, accepted=frozenset({"drop-column:t.b"}))

    assert not any("DROP COLUMN" in each for each in script.statements)
    assert "INSERT INTO _alembic_tmp_t (a) SELECT a FROM t" in script.statements
    assert [step.mends for step in script.steps if step.mends] == [("extra-column:t.b",)]
