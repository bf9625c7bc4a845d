"""What a revision commits by itself on PostgreSQL, in whatever way, is never said to be undone."""

from __future__ import annotations

import pytest
from anyshop import adopted_shop
from projects import Project
from shops import ADD_AGE, add, execute, shop_at, versions

# Only with rows: on scratch all is well.
FAILS = (
    "if op.get_bind().execute(sa.text('SELECT count(*) FROM orders')).scalar():",
    "    raise ValueError('after that')",
)
IN_A_TEXT = "op.execute(\"BEGIN; UPDATE public.user SET name = 'changed'; COMMIT;\")"
IN_THE_MIDDLE = "op.execute(\"UPDATE public.user SET name = 'changed'; COMMIT; BEGIN\")"
BELOW = "op.get_bind().connection.dbapi_connection.commit()"
UPDATES = "op.execute(\"UPDATE public.user SET name = 'changed'\")"


@pytest.fixture
def shop(project: Project, postgresql: str) -> Project:
    """Give an adopted shop on PostgreSQL."""
    made = shop_at(project, postgresql)
    made.environment["FLASK_SCHEMAFLOW_FAIL_ON"] = "failing"
    return made


@pytest.mark.parametrize(
    "body",
    [(IN_A_TEXT,), (IN_THE_MIDDLE,), (UPDATES, BELOW), (UPDATES, "op.execute('/* now */ COMMIT')")],
    ids=["a script", "several statements", "the driver", "after a comment"],
)
def test_what_was_committed_is_not_said_to_be_undone(shop: Project, body: tuple[str, ...]) -> None:
    """Rows that a revision committed before it failed make it broken, not undone."""
    add(shop, "second", "first", *body, *FAILS)

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (6, "broken"), ended.stderr
    assert "had committed something of its own before it failed" in ended.verdict
    assert set(execute(shop, "SELECT name FROM public.user")) == {("changed",)}
    assert versions(shop) == ["first"]


def test_what_was_not_committed_is_undone(shop: Project) -> None:
    """A revision that fails after the one before it was committed is undone alone."""
    add(shop, "second", "first", ADD_AGE)
    add(shop, "third", "second", UPDATES, *FAILS)

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (5, "undone"), ended.stderr
    assert ("changed",) not in execute(shop, "SELECT name FROM public.user")
    assert versions(shop) == ["second"]


def test_what_a_revision_rolls_back_is_not_lost_without_a_word(
    project: Project, server_database: str
) -> None:
    """The run fails, and says why: what came before the rollback is gone."""
    shop = adopted_shop(project, server_database)
    before = "op.execute(\"UPDATE item SET name = 'lost' WHERE id = 1\")"
    after = "op.execute(\"UPDATE item SET name = 'kept' WHERE id = 2\")"
    shop.add("second", "first", before, "op.get_bind().rollback()", after)

    ended = shop.upgrade()

    assert ended.code == 5, ended.stderr
    assert "revision second rolls back, so that what it did before is gone" in ended.verdict
    assert shop.execute("SELECT name FROM item ORDER BY id") == [("one",), ("two",)]


def test_a_rollback_on_the_drivers_connection_is_seen(project: Project, postgresql: str) -> None:
    """PostgreSQL is asked what became of the transaction in which the revision began."""
    shop = adopted_shop(project, postgresql)
    before = "op.execute(\"UPDATE item SET name = 'lost' WHERE id = 1\")"
    shop.add("second", "first", before, "op.get_bind().connection.rollback()")

    ended = shop.upgrade()

    assert ended.code == 5, ended.stderr
    assert "revision second rolls back" in ended.verdict


def test_a_failure_that_a_revision_catches_is_its_own(shop: Project) -> None:
    """Not ``env.py`` is blamed, neither on scratch nor for the version row that cannot be written then."""
    add(shop, "second", "first", ADD_AGE)
    catches = ("try:", "    op.execute('SELECT gone FROM public.user')", "except Exception:", "    pass")
    add(shop, "third", "second", UPDATES, *catches)

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (5, "undone"), ended.stderr
    assert "revision third failed" in ended.verdict
    assert "env.py" not in ended.verdict
    assert "a statement of it failed, and the revision went on" in ended.verdict
    assert versions(shop) == ["second"]


@pytest.mark.parametrize(
    "leaves",
    [
        "op.execute(\"SELECT pg_catalog.set_config('search_path', '', false)\")",
        "op.execute('SET ROLE pg_read_all_data')",
        "op.execute(\"UPDATE alembic_version SET version_num = 'gone' WHERE 1 = 1\")",
    ],
    ids=["search path", "role", "version"],
)
def test_a_revision_after_which_its_row_cannot_be_written_is_named(shop: Project, leaves: str) -> None:
    """As SQL that pg_dump wrote does; neither ``env.py`` nor the empty scratch database is to blame."""
    shop.environment["FLASK_SCHEMAFLOW_FAIL_ON"] = "failing"
    add(shop, "second", "first", ADD_AGE, leaves)

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (5, "undone"), ended.stderr
    assert "second.py: revision second failed: VersionNotWritten: its version row cannot" in ended.verdict
    assert "env.py" not in ended.verdict
    assert versions(shop) == ["first"]


@pytest.mark.parametrize("after", [(), ("op.execute('SELECT 1')",)], ids=["at its end", "in the middle"])
def test_a_connection_that_a_revision_closes_is_not_lost(
    project: Project, any_database: str, after: tuple[str, ...]
) -> None:
    """Trying again would not help: it is to be mended."""
    shop = adopted_shop(project, any_database)
    body = ("with op.get_bind() as connection:", "    connection.execute(sa.text('SELECT 1'))", *after)
    shop.add("second", "first", *body)

    ended = shop.upgrade()

    assert ended.code == (3 if shop.family == "mariadb" else 5), ended.stderr
    assert "ConnectionClosed: it closes the connection of op.get_bind()" in ended.verdict
    assert shop.versions() == ["first"]


@pytest.mark.parametrize("how", ["SET", "SET LOCAL"])
def test_a_revision_that_makes_its_tables_in_another_schema_goes_through(shop: Project, how: str) -> None:
    """What it sets for itself changes neither where ours are looked for, nor where it makes its own."""
    path = (
        "op.execute('CREATE SCHEMA IF NOT EXISTS stock')",
        f"op.execute('{how} search_path = stock, public')",
    )
    add(shop, "second", "first", *path, "op.create_table('shelf', sa.Column('id', sa.Integer))", ADD_AGE)
    add(shop, "third", "second", "op.add_column('shelf', sa.Column('place', sa.Integer), schema='stock')")

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded"), ended.stderr
    found = "SELECT schemaname FROM pg_tables WHERE tablename IN ('shelf', 'user') ORDER BY 1"
    assert execute(shop, found) == [("public",), ("stock",)]
    assert versions(shop) == ["third"]
