"""While a revision holds its locks on PostgreSQL, nobody waits for us because we wait for somebody else."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from projects import Ended, Project
from shops import ADD_AGE, ADD_SIZE, add, execute, shop_at, url_of, versions

from flask_schemaflow.snapshot import readings, take_snapshot

EVERYTHING = Path(__file__).with_name("everything_postgresql.sql").read_text(encoding="utf-8")
RELATIONS = """
SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE relkind IN ('r', 'p', 'v') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
"""
FUNCTION = "CREATE FUNCTION how_many() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM p; END"


@contextmanager
def locking(url: str, relation: str) -> Iterator[sa.Connection]:
    """Lock a relation in another session, as whoever rewrites it does."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"LOCK TABLE {relation} IN ACCESS EXCLUSIVE MODE")
        yield connection
    engine.dispose()


def lock_and_leave(url: str, relation: str) -> None:
    with locking(url, relation):
        pass


def test_what_others_have_locked_is_as_it_was(postgresql: str) -> None:
    """One relation after the other, of every kind: nothing is waited for, and nothing is missing."""
    engine = sa.create_engine(postgresql)
    with engine.begin() as connection:
        connection.exec_driver_sql(EVERYTHING.replace("%", "%%"))
        connection.exec_driver_sql(FUNCTION)
    with engine.connect() as connection:
        whole = take_snapshot(connection)
        relations = connection.exec_driver_sql(RELATIONS).scalars().all()
        connection.rollback()
        connection.exec_driver_sql("SET lock_timeout = 100")
        connection.commit()
        for relation in relations:
            with locking(postgresql, relation):
                around = next(readings(connection, whole))
            assert around == whole, relation
            connection.rollback()
    engine.dispose()
    assert len(relations) > 10


def test_what_we_hold_ourselves_is_read(postgresql: str) -> None:
    """Also where others queue for it already."""
    engine = sa.create_engine(postgresql)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE p (id integer DEFAULT 1)")
    with engine.connect() as connection:
        whole = take_snapshot(connection)
        connection.exec_driver_sql("ALTER TABLE p ADD more integer DEFAULT 2")
        waiting = threading.Thread(target=lock_and_leave, args=(postgresql, "p"))
        waiting.start()
        while connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar() == 0:
            time.sleep(0.02)
        names = [each.name for each in next(readings(connection, whole)).tables[0].parts]
        connection.rollback()
        waiting.join()
    engine.dispose()
    assert names == ["id", "more"]


@pytest.fixture
def shop(project: Project, postgresql: str) -> Project:
    """Give an adopted shop on PostgreSQL."""
    return shop_at(project, postgresql)


PAUSE = ("op.execute('SELECT pg_sleep(count(*)) FROM parts')",)
IS_ASLEEP = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(count%' AND state = 'active' "
    "AND datname = current_database() AND pid <> pg_backend_pid()"
)


def upgraded_beside_a_lock(shop: Project, relation: str, *options: str, seconds: float = 60) -> Ended:
    """Upgrade, and let another session lock a relation from within the last revision on, to the end at most."""
    is_over = threading.Event()

    def lock() -> None:
        while execute(shop, IS_ASLEEP) == [(0,)]:
            time.sleep(0.02)
        with locking(url_of(shop), relation):
            is_over.wait(seconds)

    other = threading.Thread(target=lock)
    other.start()
    ended = shop.safe_upgrade("--lock-timeout", "0.3", *options)
    is_over.set()
    other.join()
    return ended


def test_a_revision_does_not_wait_for_tables_that_it_does_not_touch(shop: Project) -> None:
    add(shop, "second", "first", "op.execute('CREATE TABLE parts (id integer)')")
    assert shop.safe_upgrade().code == 0
    execute(shop, "INSERT INTO parts VALUES (1)")
    add(shop, "third", "second", ADD_SIZE, *PAUSE)
    ended = upgraded_beside_a_lock(shop, '"user"')

    assert ended.code == 0, ended.stderr
    assert "Blocked" not in ended.stderr
    assert versions(shop) == ["third"]
    assert ended.document["databases"][0]["verified"] is True


def test_where_what_is_locked_depends_on_what_was_changed_it_is_waited_for(shop: Project) -> None:
    """The key of ``items`` follows the table that is renamed, whoever has locked ``items``."""
    add(
        shop,
        "second",
        "first",
        "op.execute('CREATE TABLE parts (id integer)')",
        "op.execute('CREATE TABLE items (id integer REFERENCES orders, size integer DEFAULT 1)')",
    )
    assert shop.safe_upgrade().code == 0
    execute(shop, "INSERT INTO parts VALUES (1)")
    add(shop, "third", "second", "op.rename_table('orders', 'purchases')", *PAUSE)
    ended = upgraded_beside_a_lock(shop, "items", seconds=2.5)

    assert ended.code == 0, ended.stderr
    assert re.search(r"^Blocked ", ended.stderr, re.MULTILINE)
    assert versions(shop) == ["third"]
    assert ended.document["databases"][0]["verified"] is True


def test_what_is_locked_for_long_is_no_reason_to_call_a_database_broken(shop: Project) -> None:
    """Whoever has locked the table that a revision changes keeps us from reading it too: 4 all the same."""
    add(shop, "second", "first", "op.execute('CREATE TABLE parts (id integer)')")
    assert shop.safe_upgrade().code == 0
    execute(shop, "INSERT INTO parts VALUES (1)")
    add(shop, "third", "second", *PAUSE, ADD_AGE)
    ended = upgraded_beside_a_lock(shop, '"user"', "--retries", "1")

    assert ended.code == 4, ended.stderr
    assert ended.verdict.endswith("Everything was undone; the database is at second.")
