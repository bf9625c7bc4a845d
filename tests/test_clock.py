"""A wall clock that jumps: nothing takes shorter or longer for it, and nothing comes out of order."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa
from anyshop import Shop, adopted_shop
from projects import Project

# The clock of the process that upgrades: two days on, two days back, each time that somebody looks.
JUMPS = """

import itertools
import time

days, real = itertools.cycle((2, -2, 0)), time.time
time.time = lambda: real() + next(days) * 86400
"""
TAKE = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "SELECT pg_advisory_lock(1936090726, 0)",
}


@pytest.fixture
def shop(project: Project, any_database: str) -> Shop:
    """Give an adopted shop with a revision to come, whose history is from the future."""
    made = adopted_shop(project, any_database)
    made.add("second", "first", "op.add_column('item', sa.Column('size', sa.Integer()))")
    made.execute("UPDATE schemaflow_history SET at = '2099-12-31 23:59:59.000000'")
    app = project.path / "app.py"
    app.write_text(app.read_text() + JUMPS)
    return made


@pytest.mark.parametrize("any_database", ["sqlite", "postgresql"], indirect=True)
def test_a_clock_that_jumps_changes_no_bound_and_no_order(shop: Shop) -> None:
    """The lock is waited for as long as was asked; what was written last is the newest, whatever it says."""
    engine = sa.create_engine(shop.url)
    started = time.monotonic()
    with engine.connect() as holder:
        holder.exec_driver_sql(TAKE[shop.family])
        busy = shop.upgrade("--lock-wait", "2")
    waited = time.monotonic() - started
    engine.dispose()

    assert (busy.code, busy.document["outcome"]) == (4, "busy"), busy.stderr
    assert 2000 <= busy.document["elapsed_ms"] <= waited * 1000

    upgraded = shop.upgrade()

    assert (upgraded.code, upgraded.document["outcome"]) == (0, "upgraded"), upgraded.stderr
    assert 0 <= upgraded.document["elapsed_ms"] < 60_000
    entries = shop.history("event", "duration_ms")
    assert [event for event, _ in entries] == ["adopted", "applied"]
    assert 0 <= entries[1][1] < 60_000
    assert shop.upgrade().document["outcome"] == "nothing-to-do"
    status = shop.project.flask("db-status", "--check", "--json")
    assert status.code == 0, status.stderr
    assert status.document["databases"][0]["revision_after"] == "second"
