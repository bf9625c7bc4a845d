"""Signals while revisions run on servers."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from projects import Project
from shops import ADD_SIZE, add, execute, is_postgresql, shop_at, versions

SLEEPS = {
    "postgresql": "SELECT pg_sleep(60)",
    "mysql": "SELECT SLEEP(60)",
}
RUNNING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%' "
    "AND datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%' "
    "AND db = DATABASE()",
}

MAKES_INDEX = (
    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE INDEX CONC%' "
    "AND datname = current_database()"
)


def kind(shop: Project) -> str:
    return "postgresql" if is_postgresql(shop) else "mysql"


@pytest.fixture(params=["psycopg", "psycopg2", "pymysql"])
def shop(project: Project, request: pytest.FixtureRequest) -> Project:
    """Give an adopted shop, with each driver."""
    is_mysql = request.param == "pymysql"
    url = sa.make_url(request.getfixturevalue("mariadb" if is_mysql else "postgresql"))
    drivername = f"mysql+{request.param}" if is_mysql else f"postgresql+{request.param}"
    return shop_at(project, url.set(drivername=drivername).render_as_string(hide_password=False))


def add_long_statement(shop: Project, name: str, parent: str) -> None:
    add(
        shop,
        name,
        parent,
        "op.execute('UPDATE orders SET note = 1 WHERE id > 0')",
        "if op.get_bind().scalar(sa.text('SELECT count(*) FROM orders')):",
        f"    op.execute('{SLEEPS[kind(shop)]}')",
    )


def wait_until_running(shop: Project, running: str = "") -> None:
    for _ in range(600):
        if execute(shop, running or RUNNING[kind(shop)]) != [(0,)]:
            return
        time.sleep(0.05)
    raise AssertionError("the revision does not come to its long statement")


NUMBERS = [signal.SIGTERM, signal.SIGINT] if os.environ.get("SCHEMAFLOW_SOAK") else [signal.SIGTERM]


@pytest.mark.soak
@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_stops_a_long_statement(shop: Project, number: int) -> None:
    """The statement is stopped on the server, everything is undone, within ten seconds."""
    add(shop, "second", "first", ADD_SIZE)
    add_long_statement(shop, "third", "second")
    before = execute(shop, "SELECT note FROM orders")
    process = shop.start("db-safe-upgrade", "--json")
    wait_until_running(shop)
    started = time.monotonic()
    os.kill(process, number)
    ended = shop.zygote.wait()
    took = time.monotonic() - started

    assert ended.code == 5, ended.stderr
    assert (
        ended.verdict
        == ("✗ Interrupted while revisions ran. The last revision was undone; the database is at second.")
        or "Interrupted while revisions ran. The last revision was undone" in ended.verdict
    )
    assert took < 10
    assert execute(shop, RUNNING[kind(shop)]) == [(0,)]
    assert execute(shop, "SELECT note FROM orders") == before
    assert versions(shop) == ["second"]


@pytest.mark.parametrize("name", ["'ix_note'", "'ix_' + 'note'"])
def test_an_index_that_was_being_made_is_all_that_is_left(
    project: Project, postgresql: str, name: str
) -> None:
    """PostgreSQL leaves it as an invalid one; no backup has to be restored for it."""
    shop = shop_at(project, postgresql)
    making = f"    op.create_index({name}, 'orders', ['note'], postgresql_concurrently=True)"
    add(shop, "second", "first", "with op.get_context().autocommit_block():", making)
    other = sa.create_engine(postgresql)
    with other.connect() as connection:
        connection.exec_driver_sql("UPDATE orders SET note = note")
        process = shop.start("db-safe-upgrade", "--json")
        wait_until_running(shop, MAKES_INDEX)
        os.kill(process, signal.SIGINT)
        ended = shop.zygote.wait()
    other.dispose()

    assert ended.code == 6, ended.stderr
    assert "of revision second the invalid index ix_note is left, besides rows" in ended.verdict
    assert "backup" not in ended.verdict
    if "+" in name:
        assert "DROP INDEX CONCURRENTLY ix_note, and run this again." in ended.verdict
        execute(shop, "DROP INDEX ix_note")
    else:
        assert "Run this again, which drops it first." in ended.verdict
    again = shop.safe_upgrade()
    assert again.code == 0, again.stderr
    assert execute(shop, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_note'::regclass") == [
        (True,)
    ]


def test_a_second_signal_leaves_at_once(shop: Project) -> None:
    """Whatever the revision does with the first one; what is known is said, with 6."""
    add(
        shop,
        "second",
        "first",
        "import pathlib, time",
        "rows = op.get_bind().scalar(sa.text('SELECT count(*) FROM orders'))",
        "while rows:",
        "    try:",
        "        pathlib.Path('running').touch()",
        "        time.sleep(60)",
        "    except BaseException:",
        "        pass",
    )
    process = shop.start("db-safe-upgrade", "--json")
    wait_for(shop.path / "running")
    os.kill(process, signal.SIGTERM)
    time.sleep(0.3)
    os.kill(process, signal.SIGTERM)
    ended = shop.zygote.wait()

    assert ended.code == 6, ended.stderr
    assert ended.document["exit_code"] == 6
    assert "Left at once, by a second signal" in ended.verdict
    assert versions(shop) == ["first"]


def wait_for(file: Path) -> None:
    for _ in range(600):
        if file.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"there is no {file}")


def test_after_a_kill(shop: Project) -> None:
    """The next run waits for the server to end the statement, says so, and goes through then."""
    add_long_statement(shop, "second", "first")
    process = shop.start("db-safe-upgrade", "--json")
    wait_until_running(shop)
    os.kill(process, signal.SIGKILL)
    assert shop.zygote.wait().code == -signal.SIGKILL
    revision = shop.path / "migrations" / "versions" / "second.py"
    revision.write_text(revision.read_text().replace(SLEEPS[kind(shop)], "SELECT 1"))
    if not is_postgresql(shop):
        # PostgreSQL notices within a second that the client is gone; here the statement goes on.
        refused = shop.safe_upgrade("--lock-wait", "0.5")
        assert refused.code == 4, refused.stderr
        assert "A process that was killed holds it until its running statement ends." in refused.verdict
        kill_long_statement(shop)

    ended = shop.safe_upgrade("--lock-wait", "30")

    assert ended.code == 0, ended.stderr
    assert versions(shop) == ["second"]


def kill_long_statement(shop: Project) -> None:
    (process,) = execute(
        shop, RUNNING["mysql"].replace("count(*) FROM information", "id FROM information", 1)
    )
    with suppress(sa.exc.DBAPIError):
        execute(shop, f"KILL {process[0]}")


@pytest.mark.parametrize(
    ("shop", "when"), [("psycopg", "True"), ("pymysql", "rows"), ("pymysql", "True")], indirect=["shop"]
)
def test_an_interrupt_that_a_revision_makes_up_is_its_own_failure(shop: Project, when: str) -> None:
    """It is to be mended: 5, or 3 where it fails on scratch already and the engine takes no table back."""
    rows = "rows = op.get_bind().scalar(sa.text('SELECT count(*) FROM orders'))"
    add(shop, "second", "first", rows, f"if {when}: raise KeyboardInterrupt('no')")

    ended = shop.safe_upgrade()

    code, outcome = (5, "undone") if when == "rows" or is_postgresql(shop) else (3, "refused")
    assert (ended.code, ended.document["outcome"]) == (code, outcome), ended.stderr
    assert "revision second failed: KeyboardInterrupt: no" in ended.verdict
    assert versions(shop) == ["first"]
