"""A copy on PostgreSQL is used again where a test changed rows only, and never else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from flask_schemaflow.testing.reuse.postgresql import Reusable

TEMPLATE = """
CREATE TABLE kinds (id serial PRIMARY KEY, name text);
INSERT INTO kinds (name) VALUES ('book');
CREATE TABLE "Items %" (id serial PRIMARY KEY, kind integer REFERENCES kinds, size integer DEFAULT 1);
CREATE TABLE parts (id integer) PARTITION BY RANGE (id);
CREATE TABLE first_part PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE elders (id integer);
CREATE TABLE heirs (more integer) INHERITS (elders);
CREATE FUNCTION seven() RETURNS integer LANGUAGE sql AS 'SELECT 7';
"""
PUT_BACK = [
    "SELECT 1",
    'INSERT INTO "Items %" (kind) VALUES (1), (1)',
    'BEGIN; INSERT INTO "Items %" (kind) VALUES (1); ROLLBACK',
    'INSERT INTO "Items %" (kind) VALUES (1); UPDATE "Items %" SET size = 2; DELETE FROM "Items %"',
    "SELECT setval('\"Items %_id_seq\"', 40, false)",
    "INSERT INTO parts VALUES (1)",
    "INSERT INTO heirs VALUES (1, 2); INSERT INTO elders VALUES (3)",
    'ANALYZE; INSERT INTO "Items %" (kind) VALUES (1)',
    "BEGIN; CREATE TABLE more (id integer); ROLLBACK",
]
LEFT = [
    "INSERT INTO kinds (name) VALUES ('film')",
    "UPDATE kinds SET name = name",
    "DELETE FROM kinds",
    "DELETE FROM kinds; INSERT INTO kinds VALUES (1, 'book')",
    "TRUNCATE parts",
    "CREATE TABLE more (id integer)",
    'ALTER TABLE "Items %" ALTER size SET DEFAULT 2',
    'ALTER TABLE "Items %" ALTER size SET STATISTICS 10',
    'ALTER TABLE "Items %" ADD note text; ALTER TABLE "Items %" DROP note',
    'ALTER TABLE "Items %" DISABLE TRIGGER ALL',
    "CREATE OR REPLACE FUNCTION seven() RETURNS integer LANGUAGE sql AS 'SELECT 8'",
    "COMMENT ON COLUMN kinds.name IS 'what it is'",
    "COMMENT ON SCHEMA public IS 'ours'",
    "COMMENT ON TABLE kinds IS 'a'; COMMENT ON TABLE kinds IS NULL; CREATE SCHEMA other",
    "GRANT SELECT ON kinds TO PUBLIC",
    "CREATE VIEW seen AS SELECT * FROM kinds",
    "CREATE TYPE mood AS ENUM ('good')",
    "CREATE SEQUENCE numbers",
    "ALTER SEQUENCE kinds_id_seq INCREMENT 2",
    "CREATE RULE never AS ON DELETE TO parts DO INSTEAD NOTHING",
    "SELECT lo_create(0)",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 100', current_database()); END $$",
]


@pytest.fixture
def reusable(postgresql: str) -> Iterator[Reusable]:
    owner = sa.create_engine(postgresql, isolation_level="AUTOCOMMIT")
    run(postgresql, TEMPLATE)
    with owner.connect() as connection:
        yield Reusable(connection)
    owner.dispose()


def run(url: str, statements: str) -> None:
    """Run statements one by one in a session of their own, which ends."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    raw = engine.raw_connection()
    raw.cursor().execute(statements)
    raw.close()
    engine.dispose()


def rows(url: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = [
            connection.exec_driver_sql(query).all()
            for query in (
                "SELECT * FROM kinds",
                'SELECT * FROM "Items %%"',
                "SELECT * FROM parts",
                "SELECT * FROM elders",
                "SELECT last_value, is_called FROM kinds_id_seq",
                'SELECT last_value, is_called FROM "Items %%_id_seq"',
            )
        ]
    engine.dispose()
    return [tuple(row) for each in found for row in each]


@pytest.mark.parametrize("statements", PUT_BACK)
def test_rows_are_put_back(postgresql: str, reusable: Reusable, statements: str) -> None:
    before = rows(postgresql)
    for _ in range(2):
        run(postgresql, statements)
        assert reusable.put_back()
        assert rows(postgresql) == before


@pytest.mark.parametrize("statements", LEFT)
def test_what_is_more_than_rows_is_seen(postgresql: str, reusable: Reusable, statements: str) -> None:
    run(postgresql, statements)
    assert not reusable.put_back()
    assert not reusable.put_back()


def test_the_sessions_of_a_test_are_ended(postgresql: str, reusable: Reusable) -> None:
    engine = sa.create_engine(postgresql)
    with engine.connect() as connection:
        connection.exec_driver_sql('INSERT INTO "Items %%" (kind) VALUES (1)')
        assert reusable.put_back()
        with pytest.raises(sa.exc.OperationalError):
            connection.exec_driver_sql("SELECT 1")
    engine.dispose()
