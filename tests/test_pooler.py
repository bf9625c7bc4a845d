"""A pooler between us and PostgreSQL: refused where it lends sessions by the transaction."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cutting import Cutter
from pgbouncers import HOW, pgbouncer, program
from projects import Project
from shops import ADD_AGE, APP, MAKE, add, adopted, execute, versions

from flask_schemaflow.errors import Busy, ConfigurationError
from flask_schemaflow.session import check_no_pooler

# How often the check must say the same.
TIMES = 20 if os.environ.get("SCHEMAFLOW_SOAK") else 2
TRANSACTION = {
    "transaction": ("pool_mode = transaction",),
    "round robin": ("pool_mode = transaction", "server_round_robin = 1", "min_pool_size = 3"),
    "one session": ("pool_mode = transaction", "default_pool_size = 1"),
}


pytestmark = pytest.mark.soak


@pytest.fixture(autouse=True)
def _there_is_pgbouncer() -> None:
    if program() is None:
        reason = f"There is no pgbouncer. Install it with `{HOW}`."
        if os.environ.get("SCHEMAFLOW_TEST_ALL_ENGINES"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(params=["psycopg", "psycopg2"])
def server(request: pytest.FixtureRequest, postgresql: str) -> str:
    """Give the URL of an empty database, with each driver."""
    url = sa.make_url(postgresql).set(drivername=f"postgresql+{request.param}")
    return url.render_as_string(hide_password=False)


def check(url: str) -> None:
    engine = sa.create_engine(url)
    try:
        check_no_pooler(engine)
    finally:
        engine.dispose()


@pytest.mark.parametrize("mode", TRANSACTION)
def test_sessions_lent_by_the_transaction_are_seen(server: str, tmp_path: Path, mode: str) -> None:
    """Each time, whatever the pool is like."""
    with pgbouncer(tmp_path / "pool", server, *TRANSACTION[mode]) as pooled:
        for _ in range(TIMES):
            with pytest.raises(ConfigurationError, match="Set SCHEMAFLOW_DATABASE_URI to the direct URL"):
                check(pooled)


@pytest.mark.parametrize("server", ["psycopg"], indirect=True)
def test_sessions_lent_by_the_statement_are_seen(server: str, tmp_path: Path) -> None:
    """There SQLAlchemy cannot even begin; psycopg2 loses the server's words for it."""
    with (
        pgbouncer(tmp_path / "pool", server, "pool_mode = statement") as pooled,
        pytest.raises(ConfigurationError, match="Set SCHEMAFLOW_DATABASE_URI to the direct URL"),
    ):
        check(pooled)


@pytest.mark.parametrize("server", ["psycopg"], indirect=True)
def test_sessions_lent_by_the_transaction_are_seen_under_load(server: str, tmp_path: Path) -> None:
    """Also while other clients take sessions away between two looks."""
    stop = threading.Event()

    def others(url: str) -> None:
        engine = sa.create_engine(url)
        while not stop.is_set():
            with engine.connect() as connection:
                connection.exec_driver_sql("SELECT pg_sleep(0.005)")
        engine.dispose()

    with pgbouncer(tmp_path / "pool", server, "pool_mode = transaction", "default_pool_size = 4") as pooled:
        threads = [threading.Thread(target=others, args=(pooled,)) for _ in range(3)]
        for each in threads:
            each.start()
        try:
            for _ in range(TIMES):
                with pytest.raises(ConfigurationError):
                    check(pooled)
        finally:
            stop.set()
            for each in threads:
                each.join()


def test_a_session_for_each_client_is_taken(server: str, tmp_path: Path) -> None:
    """Directly, and through a pooler that gives each client a session until it leaves."""
    with pgbouncer(tmp_path / "pool", server, "pool_mode = session") as pooled:
        for _ in range(TIMES):
            check(server)
            check(pooled)


@pytest.mark.parametrize("look", [3, 5])
def test_a_connection_that_breaks_is_no_pooler(server: str, look: int) -> None:
    """It is a reason to try again later, whether it is the first one or the second."""
    url = sa.make_url(server).update_query_dict({"sslmode": "disable"})
    with (
        Cutter((url.host or "127.0.0.1", url.port or 5432), b"pg_backend_pid", at=look) as cutter,
        pytest.raises(Busy, match="does not answer"),
    ):
        check(url.set(host="127.0.0.1", port=cutter.port).render_as_string(hide_password=False))


@pytest.fixture
def shop(project: Project, postgresql: str) -> Iterator[Project]:
    """Give an adopted shop with a revision to come."""
    project.write("app.py", APP)
    project.environment["DATABASE"] = postgresql
    project.python(MAKE)
    return project


def test_behind_a_pooler(shop: Project, postgresql: str, tmp_path: Path) -> None:
    """Both commands refuse with the advice, set nothing and leave no lock; the advice works."""
    with pgbouncer(tmp_path / "pool", postgresql, "pool_mode = transaction", "min_pool_size = 2") as pooled:
        shop.environment["DATABASE"] = pooled
        first = shop.adopt()
        direct = {"FLASK_SCHEMAFLOW_DATABASE_URI": postgresql}
        shop.environment |= direct
        adopted(shop)
        add(shop, "second", "first", ADD_AGE)
        del shop.environment["FLASK_SCHEMAFLOW_DATABASE_URI"]
        second = shop.safe_upgrade()
        locks = execute(
            shop,
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1936090726 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        timeouts = {tuple(execute(shop, "SHOW lock_timeout")[0]) for _ in range(6)}
        third = shop.safe_upgrade(**direct)

        assert versions(shop) == ["second"]

    for ended in (first, second):
        assert ended.code == 2, ended.stderr
        assert "Set SCHEMAFLOW_DATABASE_URI to the direct URL" in ended.verdict
    assert (locks, timeouts) == ([(0,)], {("0",)})
    assert third.code == 0, third.stderr


def test_nothing_to_do_behind_a_pooler(shop: Project, postgresql: str, tmp_path: Path) -> None:
    """That only reads, and needs no session of its own."""
    adopted(shop)
    with pgbouncer(tmp_path / "pool", postgresql, "pool_mode = transaction") as pooled:
        shop.environment["DATABASE"] = pooled
        ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "nothing-to-do"), ended.stderr
