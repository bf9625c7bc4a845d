"""A session of MariaDB that is lost to us, while the server still keeps it, and our lock with it."""

from __future__ import annotations

from anyshop import adopted_shop
from projects import Project
from test_journal import ADD_AGE, ADD_SIZE, add, columns, shop, version

__all__ = ["shop"]

# Only with rows: on scratch all is well.
IF_REAL = "if op.get_bind().execute(sa.text('SELECT count(*) FROM user')).scalar():"
CUT = "    op.get_bind().connection.dbapi_connection._sock.shutdown(2)"
CLOSE = "    op.get_bind().close()"


def test_a_session_that_the_server_keeps_is_not_another_process(shop: Project) -> None:
    """A revision that loses its connection half-way is broken, and not said to be undone by somebody else."""
    add(shop, "second", "first", ADD_AGE, IF_REAL, CLOSE, ADD_SIZE)

    ended = shop.safe_upgrade("--lock-wait", "1")

    assert (ended.code, ended.document["outcome"]) == (6, "broken"), ended.stderr
    assert "statement 1 (ALTER TABLE user ADD COLUMN age INTEGER) is in" in ended.verdict
    assert "Another process" not in ended.verdict
    assert ("age" in columns(shop), version(shop)) == (True, "first")
    assert shop.safe_upgrade().code == 6

    add(shop, "second", "first", ADD_AGE, ADD_SIZE)
    assert shop.safe_upgrade("--resume").code == 0
    assert {"age", "size"} <= {*columns(shop)}


def test_a_connection_that_breaks_leaves_the_revision_half_done(shop: Project) -> None:
    """The network goes away in the middle of a revision: what is in is said."""
    add(shop, "second", "first", ADD_AGE, IF_REAL, CUT, ADD_SIZE)

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (6, "broken"), ended.stderr
    assert "statement 1 (ALTER TABLE user ADD COLUMN age INTEGER) is in" in ended.verdict


def test_a_revision_that_goes_to_another_database_is_named(project: Project, mariadb: str) -> None:
    """Its version row is not there; nobody else has the lock for that."""
    shop = adopted_shop(project, mariadb)
    shop.add("second", "first", "op.execute('USE mysql')")

    ended = shop.upgrade()

    assert (ended.code, ended.document["outcome"]) == (5, "undone"), ended.stderr
    assert "second.py: revision second failed: VersionNotWritten: its version row cannot" in ended.verdict
    assert ended.verdict.endswith("Everything was undone; the database is at first.")
