"""Rows that are gone although no statement of a revision deletes from their table."""

from __future__ import annotations

import subprocess
import sys

import pytest
from dumps import dump
from projects import Project
from shops import ADD_AGE, ADD_SIZE, add, execute, shop_at, url_of, versions


@pytest.fixture
def shop(project: Project, postgresql: str) -> Project:
    """Give an adopted shop on PostgreSQL."""
    return shop_at(project, postgresql)


@pytest.fixture
def sqlite_shop(project: Project) -> Project:
    """Give an adopted shop in a file."""
    return shop_at(project, f"sqlite:///{project.path / 'shop.db'}")


CASCADE = "op.execute('DELETE FROM \"user\" WHERE id = 1')"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (CASCADE, "1 rows, by ON DELETE CASCADE"),
        ("op.execute('TRUNCATE \"user\" CASCADE')", "it was emptied or written anew"),
    ],
)
def test_rows_that_go_along(shop: Project, body: str, says: str) -> None:
    """A statement on one table takes the rows of another: undone, unless that was accepted."""
    execute(shop, "ANALYZE orders")
    before = dump(url_of(shop))
    add(shop, "second", "first", body)
    meant = ("--accept", "truncate-table:user", "--accept", "truncate-cascade:user")

    ended = shop.safe_upgrade(*meant)

    assert ended.code == 5, ended.stderr
    assert [each["subject"] for each in ended.findings("unexplained-row-loss")] == ["orders"]
    assert f"Revision second lost rows of orders that no statement of it deletes: {says}" in ended.verdict
    assert dump(url_of(shop)) == before

    ended = shop.safe_upgrade(*meant, "--accept", "unexplained-row-loss:orders")
    assert ended.code == 0, ended.stderr
    assert execute(shop, "SELECT count(*) FROM orders") == [(0,)]


@pytest.mark.parametrize(
    "body",
    [
        ["op.execute('DELETE FROM orders WHERE id > 0')", CASCADE],
        ["op.execute('TRUNCATE orders, \"user\"')"],
        ["op.execute('DO $$ BEGIN DELETE FROM public.\"orders\" WHERE id > 0; END $$')", CASCADE],
        ["op.alter_column('orders', 'id', type_=sa.BigInteger())"],
        ["op.execute('DELETE FROM orders WHERE id > 0')", "op.rename_table('orders', 'bought')"],
        ["op.drop_table('orders')", CASCADE],
    ],
)
def test_what_a_statement_says_is_meant(shop: Project, body: list[str]) -> None:
    """Deleting, emptying, rewriting and dropping by name are what the revision is for."""
    execute(shop, "ANALYZE orders")
    add(shop, "second", "first", *body)
    hazards = ("truncate-table:orders", "truncate-table:user", "drop-table:orders")
    accepted = [each for hazard in hazards for each in ("--accept", hazard)]

    ended = shop.safe_upgrade(*accepted, "--backup", "never")

    assert ended.code == 0, ended.stderr


def test_rows_that_move_between_partitions(shop: Project) -> None:
    """They are deleted here and inserted there, and none is lost."""
    execute(
        shop,
        "CREATE TABLE part (id int, k int) PARTITION BY LIST (k)",
        "CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1)",
        "CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2)",
        "INSERT INTO part SELECT n, 1 FROM generate_series(1, 9) AS n",
    )
    there = "if op.get_bind().scalar(sa.text(\"SELECT to_regclass('part')\")):"
    add(shop, "second", "first", there, "    op.execute('UPDATE part SET k = 2 WHERE id > 0')")
    add(shop, "third", "second", there, "    op.execute('DELETE FROM part_2 WHERE id < 3')")

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert execute(shop, "SELECT count(*) FROM part") == [(7,)]


TRAFFIC = """
import sys, time
import sqlalchemy as sa

engine = sa.create_engine(sys.argv[1])
print("working", flush=True)
end = time.monotonic() + 4
while time.monotonic() < end:
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO orders (note) SELECT 'x' FROM generate_series(1, 50)")
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM orders WHERE note = 'x'")
"""


def test_live_traffic(shop: Project) -> None:
    """What other sessions delete and insert meanwhile is none of ours."""
    add(shop, "second", "first", ADD_AGE, "import time; time.sleep(0.5)")
    add(shop, "third", "second", ADD_SIZE, "op.execute('UPDATE orders SET size = 1 WHERE id > 0')")
    traffic = [
        subprocess.Popen([sys.executable, "-c", TRAFFIC, url_of(shop)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for each in traffic:
        assert each.stdout is not None
        assert each.stdout.readline() == "working\n"
    ended = shop.safe_upgrade()
    for each in traffic:
        each.communicate()
        assert each.returncode == 0, "live sessions never fail for it"

    assert ended.code == 0, ended.stderr
    assert versions(shop) == ["third"]
    assert ended.findings("unexplained-row-loss") == []


def test_a_rebuilt_table_that_lost_rows(sqlite_shop: Project) -> None:
    """A copy that leaves rows out is undone on SQLite, unless that was accepted; a whole one is fine."""
    shop = sqlite_shop
    execute(shop, "INSERT INTO orders (user_id, note) VALUES (1, 'keep'), (1, NULL)")
    add(
        shop,
        "second",
        "first",
        "op.execute('CREATE TABLE copy AS SELECT * FROM orders')",
        "op.execute('DELETE FROM copy WHERE note IS NULL')",
        "op.execute('CREATE TABLE kept AS SELECT * FROM copy')",
        "op.execute('DROP TABLE copy')",
        "op.execute('DROP TABLE kept')",
    )
    add(shop, "third", "second", *REBUILD)
    before = shop.contents()

    ended = shop.safe_upgrade()

    assert ended.code == 5, ended.stderr
    assert "lost rows of orders that no statement of it deletes: 2 of 3 rows" in ended.verdict
    assert shop.contents() == before
    assert shop.safe_upgrade("--accept", "unexplained-row-loss:orders").code == 0


REBUILD = (
    "old = op.get_bind().scalar(sa.text(\"SELECT sql FROM sqlite_master WHERE name = 'orders'\"))",
    "op.execute(old.replace('orders', 'orders_new'))",
    "op.execute('INSERT INTO orders_new SELECT * FROM orders WHERE note IS NOT NULL')",
    "op.execute('DROP TABLE orders')",
    "op.execute('ALTER TABLE orders_new RENAME TO orders')",
    "op.execute('CREATE INDEX ix_orders_user_id ON orders (user_id)')",
)


def test_a_batch_and_a_delete_lose_nothing_unsaid(sqlite_shop: Project) -> None:
    """Alembic's own rebuild keeps every row, and what is deleted by name is meant."""
    shop = sqlite_shop
    add(
        shop,
        "second",
        "first",
        "with op.batch_alter_table('orders') as batch:",
        "    batch.alter_column('note', type_=sa.String(50))",
        "op.execute('DELETE FROM orders WHERE id > 0')",
    )

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
