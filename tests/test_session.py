"""The connections on which we work."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from flask_schemaflow.cli import _Stop
from flask_schemaflow.errors import Busy
from flask_schemaflow.interrupts import note_goal_reached
from flask_schemaflow.session import AppSessionUsed, Patience, held_transaction, sealed
from flask_schemaflow.session.preparing import prepare


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    """Give an engine of a file with one table."""
    made = sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with made.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a)")
    yield made
    made.dispose()


def ask(connect: Callable[[], Any]) -> Any:
    """Connect, ask something, close."""
    with closing(connect()) as connection:
        return connection.execute("SELECT 1").fetchone()


def test_a_thread_that_ran_before_keeps_its_connections(engine: sa.Engine) -> None:
    """A web worker's or a scheduler's thread is none of our business."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(ask, engine.raw_connection).result() == (1,)
        with sealed():
            assert pool.submit(ask, engine.raw_connection).result() == (1,)
            assert pool.submit(ask, lambda: sqlite3.connect(str(engine.url.database))).result() == (1,)


def test_a_thread_that_is_started_inside_gets_nothing(engine: sa.Engine) -> None:
    """What runs on scratch cannot go around through a thread of its own."""
    with sealed(), ThreadPoolExecutor(1) as pool:
        for way in (engine.connect, engine.raw_connection, lambda: sqlite3.connect(engine.url.database)):
            with pytest.raises(AppSessionUsed):
                pool.submit(way).result()


@pytest.mark.parametrize(
    "way",
    [
        lambda file: sqlite3.connect(file),
        lambda file: sqlite3.connect(database=file),
        lambda file: sqlite3.Connection(file),
        lambda file: sqlite3.connect(f"file:{file}?mode=ro", uri=True),
        sqlite3.dbapi2.connect,
    ],
)
def test_every_way_to_a_file_is_closed(engine: sa.Engine, way: Callable[[str], Any]) -> None:
    """Whichever name the driver's function was imported by."""
    assert engine.url.database is not None
    with sealed(), pytest.raises(AppSessionUsed, match="by itself"):
        way(engine.url.database)
    way(engine.url.database).close()


def test_one_thread_at_a_time_replaces_engines(engine: sa.Engine) -> None:
    """Two runs in one process wait for one another, and leave everything as it was."""
    connect = sa.Engine.connect
    inside = threading.Event()
    order: list[str] = []

    def second() -> None:
        inside.wait()
        with sealed():
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with sealed():
        inside.set()
        thread.join(0.2)
        order.append("first")
    thread.join()

    assert order == ["first", "second"]
    assert sa.Engine.connect is connect
    engine.connect().close()


def test_a_file_that_was_taken_away_while_we_waited_is_not_written(engine: sa.Engine) -> None:
    """Whoever waits for the lock of a file that is deleted meanwhile would write into nothing."""

    def wait_for_it() -> None:
        with held_transaction(engine, app_listeners=False):
            pass

    with ThreadPoolExecutor(1) as pool:
        with held_transaction(engine, app_listeners=False):
            waiting = pool.submit(wait_for_it)
            threading.Event().wait(0.3)
            Path(str(engine.url.database)).unlink()
        with pytest.raises(Busy, match="was replaced by another process"):
            waiting.result()


def test_nothing_stops_a_command_that_has_reached_its_goal() -> None:
    """A signal that comes when everything is committed does not turn success into a failure."""
    with _Stop() as stop:
        note_goal_reached()
        os.kill(os.getpid(), signal.SIGINT)
        stop("done")
    with _Stop(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("seconds", [1e-9, 0.0004])
def test_the_shortest_time_is_not_as_long_as_it_takes(server_database: str, seconds: float) -> None:
    """Servers round to what they count in, and 0 is no limit there."""
    engine = sa.create_engine(server_database)
    asking = {
        "postgresql": "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')",
        "mysql": "SELECT @@lock_wait_timeout, @@innodb_lock_wait_timeout, @@max_statement_time",
    }[engine.dialect.name]
    with engine.connect() as connection:
        prepare(connection, Patience(lock_timeout=seconds, statement_timeout=seconds))
        set_to = tuple(connection.exec_driver_sql(asking).one())
    engine.dispose()

    assert set_to == (("1ms", "1ms") if engine.dialect.name == "postgresql" else (1, 1, 0.001))


def test_a_time_that_postgresql_cannot_count_is_its_longest(postgresql: str) -> None:
    """It counts milliseconds up to 24 days."""
    engine = sa.create_engine(postgresql)
    with engine.connect() as connection:
        prepare(connection, Patience(lock_timeout=1e12))
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "2147483647ms"
    engine.dispose()
