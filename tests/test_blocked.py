"""Others in the way on servers: given way to, named, and tried again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import sqlalchemy as sa
from dumps import dump
from projects import Project
from shops import (
    ADD_AGE,
    ADD_SIZE,
    add,
    columns,
    execute,
    is_postgresql,
    quoted,
    shop_at,
    url_of,
    versions,
)

QUICK = ("--lock-timeout", "0.3")


@pytest.fixture
def shop(project: Project, server_database: str) -> Project:
    """Give an adopted shop."""
    return shop_at(project, server_database)


@pytest.fixture
def mariadb_shop(project: Project, mariadb: str) -> Project:
    """Give an adopted shop on MariaDB."""
    return shop_at(project, mariadb)


@pytest.fixture
def postgresql_shop(project: Project, postgresql: str) -> Project:
    """Give an adopted shop on PostgreSQL."""
    return shop_at(project, postgresql)


@contextmanager
def idle_in_transaction(shop: Project, statement: str) -> Iterator[sa.Connection]:
    """Hold a table's lock, doing nothing, as a forgotten console does."""
    options = {"application_name": "a forgotten console"} if is_postgresql(shop) else {}
    engine = sa.create_engine(url_of(shop), connect_args=options)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement).all()
        yield connection
    engine.dispose()


def process_of(connection: sa.Connection) -> int:
    query = "SELECT pg_backend_pid()" if connection.dialect.name == "postgresql" else "SELECT CONNECTION_ID()"
    number: int = connection.exec_driver_sql(query).scalar_one()
    return number


def test_a_blocker_that_stays(shop: Project) -> None:
    """It is named, and the database is as it was, at the revision that is said: 4."""
    add(shop, "second", "first", ADD_AGE)
    before = dump(url_of(shop))
    with idle_in_transaction(shop, f"SELECT * FROM {quoted(shop)}") as other:
        process = process_of(other)
        ended = shop.safe_upgrade(*QUICK, "--retries", "1")

    assert ended.code == 4, ended.stderr
    assert f"blocked by process {process} (user " in ended.verdict
    assert ended.verdict.endswith("Everything was undone; the database is at first.")
    assert "try 1 of 1 in" in ended.stderr
    if is_postgresql(shop):
        assert "application a forgotten console, idle in transaction" in ended.verdict
    assert dump(url_of(shop)) == before


def test_a_blocker_that_leaves(shop: Project) -> None:
    """It goes through then, each revision once; on PostgreSQL the whole revision ran again."""
    add(shop, "second", "first", "op.execute('UPDATE orders SET note = 1 WHERE id > 0')", ADD_AGE)
    add(shop, "third", "second", ADD_SIZE)
    with idle_in_transaction(shop, f"SELECT * FROM {quoted(shop)}") as other:
        leaving = threading.Thread(target=leave_later, args=(shop, other))
        leaving.start()
        ended = shop.safe_upgrade(*QUICK)
        leaving.join()

    assert ended.code == 0, ended.stderr
    assert re.search(r"^Blocked .* try 1 of 10 in ", ended.stderr, re.MULTILINE)
    assert ended.document["databases"][0]["applied"] == ["second", "third"]
    assert versions(shop) == ["third"]


WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
    "AND datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%' "
    "AND db = DATABASE()",
}


def leave_later(shop: Project, blocker: sa.Connection) -> None:
    """End a transaction when somebody has waited for it in vain."""
    statement = WAITING[blocker.dialect.name]
    for _ in range(400):
        if execute(shop, statement) != [(0,)]:
            break
        time.sleep(0.05)
    time.sleep(1.3)
    blocker.rollback()


READS = """
import sys, time
import sqlalchemy as sa

engine = sa.create_engine(sys.argv[1], isolation_level="AUTOCOMMIT")
longest = 0.0
with engine.connect() as connection:
    print("reading", flush=True)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        started = time.monotonic()
        connection.exec_driver_sql("SELECT count(*) FROM " + sys.argv[2]).scalar()
        longest = max(longest, time.monotonic() - started)
        time.sleep(0.02)
print(longest)
"""


def test_others_read_on_meanwhile(shop: Project) -> None:
    """Whoever comes after us waits for the lock timeout at most, since we give way."""
    add(shop, "second", "first", ADD_AGE)
    with (
        idle_in_transaction(shop, f"SELECT * FROM {quoted(shop)}"),
        subprocess.Popen(
            [sys.executable, "-c", READS, url_of(shop), quoted(shop)], stdout=subprocess.PIPE, text=True
        ) as reader,
    ):
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        ended = shop.safe_upgrade(*QUICK, "--retries", "2")
        longest = float(reader.stdout.read())

    assert ended.code == 4, ended.stderr
    timeout = 0.3 if is_postgresql(shop) else 1.0  # MariaDB knows whole seconds
    assert longest < timeout + 1.0


def test_a_signal_between_two_tries(mariadb_shop: Project) -> None:
    """Nothing of the statement is in, and nobody is left in doubt of it: 5, at the revision that is said."""
    shop = mariadb_shop
    add(shop, "second", "first", ADD_AGE)
    before = dump(url_of(shop))
    with idle_in_transaction(shop, f"SELECT * FROM {quoted(shop)}"):
        process = shop.start("db-safe-upgrade", "--json", *QUICK)
        wait_for_a_long_pause(shop)
        os.kill(process, signal.SIGTERM)
        ended = shop.zygote.wait()

    assert ended.code == 5, ended.stderr
    assert ended.verdict.endswith(
        "Interrupted while revisions ran. Everything was undone; the database is at first."
    )
    assert "statement-in-doubt" not in ended.stdout
    assert dump(url_of(shop)) == before
    assert shop.safe_upgrade().code == 0


def wait_for_a_long_pause(shop: Project) -> None:
    """Wait until the upgrade has said that it waits for more than a second until its next try."""
    talk = shop.zygote.folder / "stderr"
    for _ in range(1200):
        lines = talk.read_text().splitlines()
        pause = re.search(r"^Blocked .* in ([\d.]+) s$", lines[-1] if lines else "")
        if pause and float(pause[1]) > 1:
            return
        time.sleep(0.05)
    raise AssertionError(talk.read_text())


def test_no_retry_is_asked_for(postgresql_shop: Project) -> None:
    """The first lock timeout ends it."""
    shop = postgresql_shop
    add(shop, "second", "first", ADD_AGE)
    with idle_in_transaction(shop, f"SELECT * FROM {quoted(shop)}"):
        ended = shop.safe_upgrade(*QUICK, FLASK_SCHEMAFLOW_RETRIES="0")

    assert ended.code == 4, ended.stderr
    assert "Blocked     " not in ended.stderr


def test_what_has_committed_something_is_not_tried_again(postgresql_shop: Project) -> None:
    """It would do that twice."""
    shop = postgresql_shop
    add(
        shop,
        "second",
        "first",
        "with op.get_context().autocommit_block():",
        "    op.execute(\"UPDATE orders SET note = coalesce(note, '') || 'x' WHERE id > 0\")",
        ADD_AGE,
    )
    with idle_in_transaction(shop, f"SELECT * FROM {quoted(shop)}"):
        ended = shop.safe_upgrade(*QUICK)

    assert ended.code == 6, ended.stderr
    assert execute(shop, "SELECT note FROM orders") == [("x",)]


def test_an_index_made_without_a_transaction_waits_as_long_as_it_takes(postgresql_shop: Project) -> None:
    """Nobody waits for it, and giving up would leave an invalid index."""
    shop = postgresql_shop
    add(
        shop,
        "second",
        "first",
        "with op.get_context().autocommit_block():",
        "    op.create_index('ix_note', 'orders', ['note'], postgresql_concurrently=True)",
        "op.execute(\"INSERT INTO orders (note) SELECT current_setting('lock_timeout')\")",
    )
    with idle_in_transaction(shop, "UPDATE orders SET note = '' RETURNING id") as other:
        leaving = threading.Thread(target=leave_later, args=(shop, other))
        leaving.start()
        ended = shop.safe_upgrade(*QUICK)
        leaving.join()

    assert ended.code == 0, ended.stderr
    assert execute(shop, "SELECT note FROM orders ORDER BY id DESC LIMIT 1") == [("300ms",)]


def test_an_invalid_index_is_made_anew(postgresql_shop: Project) -> None:
    """What a failed CREATE INDEX CONCURRENTLY left is dropped where a revision makes it, else reported."""
    shop = postgresql_shop
    execute(shop, "INSERT INTO orders (note) VALUES ('same'), ('same')")
    engine = sa.create_engine(url_of(shop), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name in ("ix_note", "ix_of_somebody"):
            with suppress(sa.exc.IntegrityError):
                connection.exec_driver_sql(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON orders (note)")
    engine.dispose()
    execute(shop, "DELETE FROM orders WHERE note = 'same'")
    add(
        shop,
        "second",
        "first",
        "with op.get_context().autocommit_block():",
        "    op.create_index('ix_note', 'orders', ['note'], postgresql_concurrently=True)",
    )

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert "Dropping    the invalid index ix_note" in ended.stderr
    assert [each["subject"] for each in ended.findings("invalid-index")] == ["ix_of_somebody"]
    valid = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'orders'::regclass"
    assert dict(map(tuple, execute(shop, valid)))["ix_note"] is True


def test_a_deadlock_is_tried_again(postgresql_shop: Project) -> None:
    """Whoever is chosen to give way, the upgrade goes through."""
    shop = postgresql_shop
    add(
        shop,
        "second",
        "first",
        "op.execute('LOCK TABLE orders IN ACCESS EXCLUSIVE MODE')",
        "import time; time.sleep(0.7 if op.get_bind().scalar(sa.text('SELECT count(*) FROM orders')) else 0)",
        ADD_AGE,
    )
    engine = sa.create_engine(url_of(shop))

    def other() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"SELECT * FROM {quoted(shop)}").all()
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                locked = connection.exec_driver_sql(
                    "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass "
                    "AND mode = 'AccessExclusiveLock' AND granted"
                ).scalar()
                if locked:
                    break
                time.sleep(0.02)
            with suppress(sa.exc.OperationalError):
                connection.exec_driver_sql("SELECT * FROM orders").all()

    thread = threading.Thread(target=other)
    thread.start()
    ended = shop.safe_upgrade("--lock-timeout", "10")
    thread.join()
    engine.dispose()

    assert ended.code == 0, ended.stderr
    assert "age" in columns(shop, "user")


# -- the session is ended by somebody --------------------------------------------------------------

END = {
    "postgresql": "SELECT pg_terminate_backend({process})",
    "mysql": "KILL {process}",
}
# Where in a revision its session is ended, by a second connection that was there before.
SUICIDE = """
import os
import sqlalchemy as sa
from alembic import op


def end_session():
    connection = op.get_bind()
    if os.environ.get("ENDED") or not connection.scalar(sa.text("SELECT count(*) FROM orders")):
        return
    os.environ["ENDED"] = "yes"
    postgresql = connection.dialect.name == "postgresql"
    process = connection.scalar(sa.text("SELECT pg_backend_pid()" if postgresql else "SELECT CONNECTION_ID()"))
    with open("process", "w") as file:
        file.write(str(process))
    while not os.path.exists("ended"):
        pass
"""


@pytest.mark.parametrize("when", ["between", "at the end"])
def test_a_session_that_is_ended(shop: Project, when: str) -> None:
    """What it did not commit is gone; the last line says where the database is, and what is in."""
    shop.write("suicide.py", SUICIDE)
    shop.environment["PYTHONPATH"] = f"{shop.path}:{__import__('os').environ.get('PYTHONPATH', '')}"
    add(shop, "second", "first", ADD_SIZE)
    ends = ["import sys; sys.path.insert(0, '.')", "from suicide import end_session; end_session()"]
    add(
        shop,
        "third",
        "second",
        *(ends if when == "at the end" else []),
        ADD_AGE,
        *(ends if when == "between" else []),
    )
    if when == "at the end" and not is_postgresql(shop):
        add(shop, "third", "second", *ends)

    def end() -> None:
        place = shop.path / "process"
        for _ in range(600):
            if place.exists() and place.read_text():
                break
            time.sleep(0.05)
        name = "postgresql" if is_postgresql(shop) else "mysql"
        execute(shop, END[name].format(process=place.read_text()))
        (shop.path / "ended").touch()

    thread = threading.Thread(target=end)
    thread.start()
    ended = shop.safe_upgrade()
    thread.join()

    if when == "between" and not is_postgresql(shop):
        assert ended.code == 6, ended.stderr
        assert "parts of revision third are in" in ended.verdict
    else:
        assert ended.code == 4, ended.stderr
        assert "its connection to the database" in ended.verdict
        assert ended.verdict.endswith("The last revision was undone; the database is at second.") or (
            "at second" in ended.verdict
        )
    assert versions(shop) == ["second"]
    assert "Traceback" not in ended.stderr
    assert locks_left(shop) == 0


def locks_left(shop: Project) -> int:
    query = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1936090726 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        if is_postgresql(shop)
        else "SELECT 1 - IS_FREE_LOCK(CONCAT('schemaflow ', MD5(DATABASE())))"
    )
    ((number,),) = execute(shop, query)
    return int(number)


def test_a_revision_that_gives_the_lock_up(shop: Project) -> None:
    """That is for the revision to mend: it is undone where that can be, and nothing runs without the lock."""
    give_up = "SELECT pg_advisory_unlock_all()" if is_postgresql(shop) else "SELECT RELEASE_ALL_LOCKS()"
    add(shop, "second", "first", f"op.execute('{give_up}')")
    add(shop, "third", "second", ADD_AGE)

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (5, "undone"), ended.stderr
    assert "was given up by something that a revision or env.py did" in ended.verdict
    assert versions(shop) == ["first"]
    assert "age" not in columns(shop, "user")
