"""What hangs together in a PostgreSQL database is mended together, and rows decide what can be mended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from drifts.databases import two_databases

from flask_schemaflow.drift import find_drift
from flask_schemaflow.mending import RowsOf, Script, mend
from flask_schemaflow.snapshot import Snapshot, take_snapshot


@dataclass
class Pair:
    """A database as the models have it, and a real one."""

    models: sa.Engine
    real: sa.Engine

    def make(self, models: str, real: str) -> None:
        for engine, text in ((self.models, models), (self.real, real)):
            with engine.connect() as connection:
                connection.exec_driver_sql("DROP SCHEMA public CASCADE")
                connection.exec_driver_sql("CREATE SCHEMA public")
            send(engine, text)

    def script(self, *accepted: str) -> Script:
        return mend(
            structure(self.real), structure(self.models), accepted=frozenset(accepted), rows=RowsOf(self.real)
        )

    def mended(self, *accepted: str) -> set[str]:
        """Run the script in one transaction, and give what differs structurally then."""
        script = self.script(*accepted)
        send(self.real, ";\n".join(["BEGIN", *script.statements, "COMMIT"]))
        found = find_drift(structure(self.models), structure(self.real), "the models")
        assert {each.key for each in found if each.structural} <= script.stays
        return {each.key for each in found if each.structural}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.real.connect() as connection:
            return [tuple(each) for each in connection.exec_driver_sql(query)]


def structure(engine: sa.Engine) -> Snapshot:
    with engine.connect() as connection:
        return take_snapshot(connection)


def send(engine: sa.Engine, text: str) -> None:
    with engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        raw.execute(text)


@pytest.fixture(scope="module")
def pair(postgresql_server: sa.URL) -> Iterator[Pair]:
    with two_databases(postgresql_server) as (models, real):
        yield Pair(models, real)


def test_a_whole_database_is_written_from_its_snapshot(pair: Pair) -> None:
    """An empty database becomes one with everything that PostgreSQL has, but for what is named."""
    everything = Path(__file__).with_name("everything_postgresql.sql").read_text(encoding="utf-8")
    pair.make(everything, "")

    assert pair.mended() == {"missing-aggregate:agg(integer)", "missing-foreign-table:ft"}


COMMON = """
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
    CREATE TYPE mood AS ENUM ({moods});
    CREATE TABLE owner (id {key} PRIMARY KEY, code varchar({length}) UNIQUE);
    CREATE TABLE item (
        id serial PRIMARY KEY,
        owner_id {key} REFERENCES owner (id),
        code varchar({length}) REFERENCES owner (code),
        net {amount},
        gross {amount} GENERATED ALWAYS AS (net * {factor}) STORED,
        state mood DEFAULT 'good',
        flag {flag},
        CONSTRAINT gross_is_more CHECK (gross >= net)
    );
    CREATE INDEX item_good ON item (net) WHERE state = 'good';
    CREATE INDEX item_gross ON item (gross);
    CREATE VIEW sums AS SELECT owner_id, sum(gross) AS gross, min(state) AS worst FROM item GROUP BY owner_id;
    CREATE VIEW large AS SELECT * FROM sums WHERE gross > {limit};
    GRANT SELECT ON sums TO PUBLIC;
    CREATE TRIGGER item_touch BEFORE UPDATE OF net ON item FOR EACH ROW EXECUTE FUNCTION touch();
    ALTER TABLE item ENABLE ROW LEVEL SECURITY;
    CREATE POLICY mine ON item USING (flag IS NOT NULL AND net > 0);
"""
MODELS = COMMON.format(
    moods="'bad', 'fair', 'good'",
    key="bigint",
    length=40,
    amount="numeric(12,2)",
    factor=2,
    flag="int",
    limit=5,
)
REAL = COMMON.format(
    moods="'good', 'bad', 'odd'", key="text", length=20, amount="integer", factor=3, flag="boolean", limit=3
)
ROWS = """
    INSERT INTO owner VALUES ('7', 'seven'), ('8', 'eight');
    INSERT INTO item (owner_id, code, net, state, flag) VALUES
        ('7', 'seven', 10, 'good', true), ('8', 'eight', 20, 'bad', false), (NULL, NULL, NULL, NULL, NULL);
"""


def test_what_depends_on_a_column_is_made_anew_around_it(pair: Pair) -> None:
    """Types, enum values, computed columns and keys change under views, indexes, checks and policies."""
    pair.make(MODELS, REAL + ROWS + "CREATE INDEX by_hand ON item (flag) WHERE flag IS NOT NULL;")

    assert pair.mended() == {"extra-index:item.by_hand"}
    assert pair.rows("SELECT owner_id, code, net, gross, state, flag FROM item ORDER BY id") == [
        (7, "seven", 10, 20, "good", 1),
        (8, "eight", 20, 40, "bad", 0),
        (None, None, None, None, None, None),
    ]
    assert pair.rows("SELECT owner_id FROM large ORDER BY 1") == [(7,), (8,)]
    assert pair.rows("SELECT has_table_privilege('public', 'sums', 'SELECT')") == [(True,)]


def test_a_value_in_use_stays_in_its_enum(pair: Pair) -> None:
    """Where rows have a value that the models do not know, the type stays, and it is said how many."""
    pair.make(MODELS, MODELS.replace("'bad', 'fair', 'good'", "'odd', 'good'"))
    send(pair.real, "INSERT INTO item (state) VALUES ('odd'), ('odd'), ('good')")

    (found,) = pair.script().unmended

    assert found.key == "changed-enum-labels:mood"
    assert "2 rows have 'odd' in item.state." in found.hint
    assert pair.mended() == {"changed-enum-labels:mood"}


def test_values_are_added_where_they_belong(pair: Pair) -> None:
    """Values that are only new are added at their places, whatever is there."""
    pair.make("CREATE TYPE e AS ENUM ('a','b','c','d','e')", "CREATE TYPE e AS ENUM ('b','d')")

    assert pair.script().statements == (
        "ALTER TYPE e ADD VALUE 'a' BEFORE 'b'",
        "ALTER TYPE e ADD VALUE 'c' AFTER 'b'",
        "ALTER TYPE e ADD VALUE 'e'",
    )
    assert pair.mended() == set()


def test_rows_decide_on_not_null(pair: Pair) -> None:
    """NULLs get the default where there is one; else they are counted, and the steps are comments."""
    pair.make(
        "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL DEFAULT 7, b int NOT NULL, c int NOT NULL,"
        " d int NOT NULL DEFAULT 1, e serial)",
        "CREATE TABLE t (id int PRIMARY KEY, a int, b int); INSERT INTO t VALUES (1), (2), (3); UPDATE t SET a = 4, b = 5 WHERE id = 3",
    )

    script = pair.script()

    assert "NOT NULL for t.a: 2 rows have NULL there." in [
        note for step in script.steps for note in step.notes
    ]
    assert pair.mended() == {"changed-column-nullable:t.b", "changed-column-nullable:t.c"}
    assert pair.rows("SELECT id, a, b, c, d, e FROM t ORDER BY 1") == [
        (1, 7, None, None, 1, 1),
        (2, 7, None, None, 1, 2),
        (3, 4, 5, None, 1, 3),
    ]
    assert [each.hint for each in sorted(script.unmended, key=lambda each: each.key, reverse=True)] == [
        "3 rows of t need a value in the new column c, and the models have no server default for it.",
        "2 rows have NULL there, and the models have no server default to put in.",
    ]


def test_a_default_is_put_in_only_where_keys_allow_it(pair: Pair) -> None:
    """Not twice into a unique column, nor into a foreign key that would lead nowhere."""
    pair.make(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (a int NOT NULL DEFAULT 7 UNIQUE,"
        " b int NOT NULL DEFAULT 1 REFERENCES p, c int NOT NULL DEFAULT 2 REFERENCES p, d int NOT NULL DEFAULT 3 UNIQUE)",
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (a int UNIQUE, b int REFERENCES p, c int REFERENCES p,"
        " d int UNIQUE); INSERT INTO p VALUES (1); INSERT INTO t VALUES (1, 1, 1, 1), (NULL, NULL, NULL, 2),"
        " (NULL, 1, 1, NULL)",
    )

    assert pair.mended() == {"changed-column-nullable:t.a", "changed-column-nullable:t.c"}
    assert pair.rows("SELECT a, b, c, d FROM t ORDER BY d") == [
        (1, 1, 1, 1),
        (None, 1, None, 2),
        (None, 1, 1, 3),
    ]


def test_rows_decide_on_constraints(pair: Pair) -> None:
    """A constraint that rows do not meet is written as a comment, with their number."""
    pair.make(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, a int UNIQUE, b int REFERENCES p,"
        " c int CONSTRAINT positive CHECK (c > 0), d int UNIQUE, e int4range,"
        " CONSTRAINT apart EXCLUDE USING gist (e WITH &&))",
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, a int, b int, c int, d int,"
        " e int4range);"
        "INSERT INTO t VALUES (1, 1, 1, 0, 1, '[1,5)'), (2, 1, NULL, NULL, 2, '[4,6)')",
    )

    assert sorted(each.hint for each in pair.script().unmended) == [
        "1 row does not meet the check positive of t.",
        "1 row does not meet the foreign key t_b_fkey of t.",
        "2 rows do not meet the exclude apart of t.",
        "2 rows do not meet the unique t_a_key of t.",
    ]
    assert pair.mended() == {
        "missing-check:t.positive",
        "missing-exclude:t.apart",
        "missing-foreign-key:t.t_b_fkey",
        "missing-unique:t.t_a_key",
    }


def test_what_holds_data_goes_only_if_accepted(pair: Pair) -> None:
    """Columns and tables that the models do not know stay with their rows until they are accepted by name."""
    pair.make(
        "CREATE TABLE t (id int PRIMARY KEY, name text, tally int); CREATE TABLE later (id int, x text)",
        "CREATE TABLE t (id int PRIMARY KEY, title text, tally int NOT NULL); CREATE TABLE former (id int, x text);"
        "INSERT INTO t VALUES (1, 'one', 5); INSERT INTO former VALUES (1, 'x'), (2, 'y')",
    )

    script = pair.script()
    told = [line for step in script.steps for line in (*step.notes, *step.disabled)]

    assert "ALTER TABLE t RENAME COLUMN title TO name" in told
    assert "ALTER TABLE former RENAME TO later" in told
    assert "Or was former (2 rows) renamed to later? Then, instead:" in told
    assert "DROP TABLE former" in told
    assert "ALTER TABLE t DROP COLUMN title" in told
    assert {each.key for each in script.kept} == {"extra-column:t.title", "extra-table:former"}
    assert pair.mended("drop-table:former", "drop-column:t.title") == set()


def test_a_computed_column_takes_the_place_of_values_only_if_accepted(pair: Pair) -> None:
    """Values that were written are not replaced by computed ones unasked."""
    models = "CREATE TABLE t (a int, g int GENERATED ALWAYS AS (a * 2) STORED)"
    pair.make(models, "CREATE TABLE t (a int, g int); INSERT INTO t VALUES (1, 99)")

    assert pair.mended() == {"changed-column-generated:t.g"}
    assert pair.rows("SELECT * FROM t") == [(1, 99)]
    assert pair.mended("drop-column:t.g") == set()
    assert pair.rows("SELECT * FROM t") == [(1, 2)]


def test_what_does_not_fit_stays_as_it_is(pair: Pair) -> None:
    """No text is cut off and no number rounded: the type stays, and where nobody asks the engine refuses."""
    pair.make(
        "CREATE TABLE t (a varchar(3), b int, c numeric(8,2), d varchar(3), e int)",
        "CREATE TABLE t (a varchar(9), b bigint, c numeric(8,4), d varchar(9), e bigint); "
        "INSERT INTO t VALUES ('too long', 1099511627776, 0.125, 'a', 1)",
    )
    unasked = mend(structure(pair.real), structure(pair.models))
    assert unasked.stays == frozenset()
    with pytest.raises(Exception, match="too long|out of range"):
        send(pair.real, ";\n".join(["BEGIN", *unasked.statements, "COMMIT"]))

    assert pair.mended() == {f"changed-column-type:t.{name}" for name in "abc"}
    (row,) = pair.rows("SELECT * FROM t")
    assert [str(each) for each in row] == ["too long", "1099511627776", "0.1250", "a", "1"]


COUNTS = (
    "id int PRIMARY KEY",
    "id serial PRIMARY KEY",
    "id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT BY 5 MINVALUE 2) PRIMARY KEY",
)


def test_a_column_counts_on_from_its_rows(pair: Pair) -> None:
    """Serial, identity and plain keys become each other, and go on after the largest value."""
    pairs = [(one, other) for one in COUNTS for other in COUNTS if one != other]
    pair.make(
        ";".join(f"CREATE TABLE t{n} ({wanted}, a int)" for n, (wanted, _) in enumerate(pairs)),
        ";".join(
            f"CREATE TABLE t{n} ({there}, a int); INSERT INTO t{n} OVERRIDING SYSTEM VALUE VALUES (41, 1)"
            for n, (_, there) in enumerate(pairs)
        ),
    )

    assert pair.mended() == set()
    for number, (wanted, there) in enumerate(pairs):
        if wanted != COUNTS[0] and (wanted[:20] != there[:20]):
            (row,) = pair.rows(f"INSERT INTO t{number} (a) VALUES (2) RETURNING id")
            assert row[0] > 41, (wanted, there)
