"""``env.py`` files that do less than they should: nothing is said to be done that was not."""

from __future__ import annotations

import pytest
from projects import Project
from test_upgrade import ADD_AGE, add, columns, database, shop, versions_of

__all__ = ["shop"]

ENV = """
    from alembic import context
    from flask import current_app

    db = current_app.extensions["migrate"].db
    with db.engine.connect() as connection:
        context.configure(connection=connection, target_metadata=db.metadata)
        {run}
"""
SWALLOWS = """try:
            with context.begin_transaction():
                context.run_migrations()
        except Exception as error:
            print("went wrong:", error)
"""


def test_an_environment_that_runs_nothing_is_an_error(shop: Project) -> None:
    """An ``env.py`` that never calls ``run_migrations()`` upgrades nothing, and that is said."""
    add(shop, "second", "first", ADD_AGE)
    shop.write("migrations/env.py", ENV.format(run="pass"))

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (2, "error"), ended.stderr
    assert "calls no context.run_migrations()" in ended.verdict
    assert versions_of(database(shop)) == ["first"]


@pytest.mark.parametrize(
    "body",
    [
        ('op.execute("INSERT INTO user (id) SELECT 1 FROM user")',),
        (
            ADD_AGE,
            "if op.get_bind().execute(sa.text('SELECT count(*) FROM user')).scalar():",
            "    op.execute('ALTER TABLE user ADD COLUMN more INTEGER')",
        ),
    ],
    ids=["a revision fails", "the structure is another one"],
)
def test_an_environment_that_goes_on_after_a_failure_hides_nothing(
    shop: Project, body: tuple[str, ...]
) -> None:
    """What an ``env.py`` catches and forgets is undone and told all the same."""
    add(shop, "second", "first", *body)
    shop.write("migrations/env.py", ENV.format(run=SWALLOWS))

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (5, "undone"), ended.stderr
    assert "the database is at first" in ended.verdict
    assert versions_of(database(shop)) == ["first"]
    assert "age" not in columns(shop, "user")


def test_a_revision_that_leaves_the_process_has_failed(shop: Project) -> None:
    """A revision that ends the process, be it with 0, is undone and named."""
    add(shop, "second", "first", ADD_AGE, "raise SystemExit(0)")

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (5, "undone"), ended.stderr
    assert "revision second failed" in ended.verdict
    assert versions_of(database(shop)) == ["first"]


def test_an_old_failure_stops_nobody_where_no_history_is_kept_any_more(shop: Project) -> None:
    """The plan of a run that failed runs again, though the history that says so is not kept any more."""
    add(shop, "second", "first", "import os", "os.environ['WORKS']", ADD_AGE)
    assert shop.safe_upgrade().code == 5

    ended = shop.safe_upgrade(WORKS="1", FLASK_SCHEMAFLOW_HISTORY="false")

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded"), ended.stderr


def test_a_password_in_somebody_elses_error_is_hidden(shop: Project) -> None:
    """An error of ``env.py`` or of a revision that names a URL is told without its password, in the history too."""
    add(shop, "second", "first", "raise ValueError('postgresql://me:hidden@db/shop is not there')")

    ended = shop.safe_upgrade()

    assert ended.code == 5
    assert "postgresql://me:***@db/shop" in ended.verdict
    assert not any(b"hidden" in file.read_bytes() for file in shop.databases())
    shop.write("migrations/env.py", "raise ValueError('postgresql://me:hidden@db/shop is not there')")

    after = shop.safe_upgrade()

    assert after.code == 2, after.stderr
    assert "hidden" not in ended.stdout + ended.stderr + after.stdout + after.stderr
