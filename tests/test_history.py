"""What was done to a database is written down in it, and what follows from that."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from anyshop import APP, Shop, adopted_shop, open_shop
from projects import Project

ADD_SIZE = "op.add_column('item', sa.Column('size', sa.Integer()))"
# Only with rows, as in the real database: what fails on scratch already is another matter.
HAS_ROWS = "op.get_bind().execute(sa.text('SELECT count(*) FROM item')).scalar()"
FAIL = f"if {HAS_ROWS}: raise ValueError('no such size')"
SLOW = f"if {HAS_ROWS}: __import__('time').sleep(4)"


@pytest.fixture
def shop(project: Project, any_database: str) -> Shop:
    """Give an adopted shop on each engine."""
    return adopted_shop(project, any_database)


def test_what_was_done_is_written_down(shop: Shop) -> None:
    """Adoption and each revision have an entry with title, duration, release and hashes."""
    shop.add("second", "first", ADD_SIZE)

    ended = shop.upgrade(FLASK_SCHEMAFLOW_RELEASE="2.3")

    assert ended.code == 0, ended.stderr
    assert shop.history("id", "event", "outcome", "revision", "title", "app_release") == [
        (1, "adopted", "done", "first", "", None),
        (2, "applied", "done", "second", "second of the shop", "2.3"),
    ]
    ((duration, source, structure, server, host),) = shop.history(
        "duration_ms", "source_hash", "structure_hash", "server_version", "host"
    )[1:]
    assert duration >= 0
    assert len(source) == len(structure) == 64
    assert server[0].isdigit()
    assert host


def test_a_failure_is_written_down_after_the_rollback(shop: Shop) -> None:
    """The database is as it was, but for the entry that says what failed."""
    shop.add("second", "first", FAIL)
    rows = shop.execute("SELECT * FROM item ORDER BY id")

    ended = shop.upgrade()

    assert ended.code == 5, ended.stderr
    assert shop.execute("SELECT * FROM item ORDER BY id") == rows
    (entry,) = shop.history("event", "outcome", "revision", "message")[1:]
    assert entry[:3] == ("failed", "undone", "first")
    assert "no such size" in entry[3]


def test_who_waits_for_a_run_that_fails_ends_like_it(shop: Shop, tmp_path: Path) -> None:
    """The plan is not run again by those who waited; whoever comes later tries it anew."""
    tries = tmp_path / "tries"
    count = f"if {HAS_ROWS}: open({str(tries)!r}, 'a').write('x')"
    shop.add("second", "first", count, SLOW, FAIL)

    ended = shop.replicas(4)

    assert [code for code, _ in ended] == [5] * 4, ended
    assert tries.read_text() == "x"
    assert sum("ran the same revisions while this one waited" in verdict for _, verdict in ended) == 3
    assert shop.upgrade().code == 5
    assert tries.read_text() == "xx"


def test_an_edited_revision_is_another_plan(shop: Shop) -> None:
    """A failure of the revision as it was says nothing of the revision as it is."""
    shop.add("second", "first", FAIL)
    assert shop.upgrade().code == 5
    shop.add("second", "first", ADD_SIZE)

    ended = shop.upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded"), ended.stderr


# -- ahead -----------------------------------------------------------------------------------------


@pytest.fixture
def rolled_back(shop: Shop) -> Shop:
    """Give a shop that release 2.3 has upgraded, with the code of the release before."""
    shop.add("second", "first", ADD_SIZE)
    assert shop.upgrade(FLASK_SCHEMAFLOW_RELEASE="2.3").code == 0
    (shop.project.path / "migrations" / "versions" / "second.py").unlink()
    return shop


def test_a_release_that_was_rolled_back_is_told_who_upgraded(rolled_back: Shop) -> None:
    """The refusal names revision, release and time."""
    ended = rolled_back.upgrade()

    assert (ended.code, ended.document["outcome"]) == (3, "refused"), ended.stderr
    assert "is at revision second, which release 2.3 applied at 20" in ended.verdict
    assert ended.document["databases"][0]["state_before"] == "ahead"


def test_a_release_that_was_rolled_back_may_start(rolled_back: Shop) -> None:
    """With --if-ahead ok it ends with 0 and changes nothing."""
    before = rolled_back.history("id")

    ended = rolled_back.upgrade("--if-ahead", "ok")

    assert (ended.code, ended.document["outcome"]) == (0, "ahead"), ended.stderr
    assert rolled_back.history("id") == before
    adopted = rolled_back.project.adopt()
    assert (adopted.code, adopted.document["outcome"]) == (0, "ahead"), adopted.stderr


# -- what was left broken --------------------------------------------------------------------------


@pytest.fixture
def broken(project: Project, mariadb: str) -> Shop:
    """Give a shop in which half of a revision is in, which MariaDB cannot take back."""
    shop = adopted_shop(project, mariadb)
    shop.add("second", "first", ADD_SIZE, FAIL)
    assert shop.upgrade().code == 6
    return shop


def test_a_broken_database_stays_broken_until_it_is_mended(broken: Shop) -> None:
    """Every run says it again, with the code of the first one, and runs nothing."""
    broken.add("second", "first", "pass")

    for _ in range(2):
        ended = broken.upgrade()

        assert (ended.code, ended.document["outcome"]) == (6, "broken"), ended.stderr
        assert "parts of revision second are in: statement 1 (ALTER TABLE item ADD COLUMN" in ended.verdict
    assert [each[0] for each in broken.history("event")] == ["adopted", "failed"]


def test_a_broken_database_that_was_mended_goes_on(broken: Shop) -> None:
    """Once the structure is that of its revision the failure is closed, and the plan runs."""
    broken.execute("ALTER TABLE item DROP COLUMN size")
    broken.add("second", "first", ADD_SIZE)

    ended = broken.upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded"), ended.stderr
    assert [each[0] for each in broken.history("event")] == ["adopted", "failed", "verified", "applied"]


@pytest.fixture
def unverified(project: Project, mariadb: str) -> Shop:
    """Give a shop in which a revision did less than it says, which MariaDB cannot take back."""
    shop = adopted_shop(project, mariadb)
    has_rows = "op.get_bind().execute(sa.text('SELECT count(*) FROM item')).scalar()"
    shop.add("second", "first", f"if not {has_rows}: {ADD_SIZE}")
    assert shop.upgrade().code == 7
    return shop


def test_an_unverified_database_stays_unverified_until_it_is_mended(unverified: Shop) -> None:
    """Though it is at the head: no run says that there is nothing to do."""
    for _ in range(2):
        ended = unverified.upgrade()

        assert (ended.code, ended.document["outcome"]) == (7, "unverified"), ended.stderr
        assert "It still differs from second: " in ended.verdict
    assert unverified.project.flask("db-status", "--check").code == 3

    unverified.execute("ALTER TABLE item ADD COLUMN size INT")

    assert unverified.upgrade().code == 0
    assert unverified.history("event", "outcome")[1:] == [("failed", "unverified"), ("verified", "done")]


# -- where there is no history ---------------------------------------------------------------------


def test_without_the_extension_there_is_no_history(project: Project, any_database: str) -> None:
    """Since nothing would keep ``flask db migrate`` from writing that the table is to be dropped."""
    shop = open_shop(project, any_database)
    project.write(
        "app.py",
        APP.replace("SchemaFlow(app, db)", "Migrate(app, db)").replace(
            "from flask_schemaflow import SchemaFlow", "from flask_migrate import Migrate"
        ),
    )

    assert shop.adopt().code == 0
    shop.add("second", "first", ADD_SIZE)
    assert shop.upgrade().code == 0
    assert shop.tables() == ["alembic_version", "item"]


def test_a_setting_switches_the_history_off(project: Project, any_database: str) -> None:
    """SCHEMAFLOW_HISTORY = False."""
    shop = open_shop(project, any_database)
    project.environment["FLASK_SCHEMAFLOW_HISTORY"] = "off"

    assert shop.adopt().code == 0
    assert shop.tables() == ["alembic_version", "item"]


def test_a_dry_run_makes_no_history(project: Project, any_database: str) -> None:
    """Neither command leaves the table behind."""
    shop = open_shop(project, any_database)

    assert shop.adopt("--dry-run").code == 0
    assert shop.tables() == ["item"]


def test_flask_db_migrate_leaves_the_history_alone(shop: Shop) -> None:
    """The stock commands neither drop our table nor report it."""
    ended = shop.project.flask("db", "check")
    assert "No new upgrade operations detected." in ended.stdout + ended.stderr

    ended = shop.project.flask("db", "migrate", "-m", "nothing")

    assert ended.code == 0, ended.stderr
    assert [each.name for each in (shop.project.path / "migrations" / "versions").glob("*.py")] == [
        "first_baseline.py"
    ]


def test_the_apps_own_filter_of_names_is_asked_too(shop: Shop) -> None:
    """``Migrate(include_name=…)`` goes on deciding about all other tables of the revisions."""
    shop.add(
        "second",
        "first",
        *(f"op.create_table({t!r}, sa.Column('a', sa.Integer()))" for t in ("theirs", "ours")),
    )
    assert shop.upgrade().code == 0
    shop.project.write(
        "app.py",
        APP
        + """
    from flask_migrate import Migrate

    Migrate(app, db, include_name=lambda name, kind, parents: name != "theirs")
""",
    )

    ended = shop.project.flask("db", "check")

    assert "'ours'" in ended.stdout + ended.stderr
    assert "theirs" not in ended.stdout + ended.stderr
    assert "schemaflow_history" not in ended.stdout + ended.stderr


def test_an_environment_with_its_own_filter_keeps_no_history(project: Project, any_database: str) -> None:
    """An env.py that gives ``include_name`` itself would fail if we gave it too."""
    shop = open_shop(project, any_database)
    assert shop.project.flask("db", "init").code == 0
    env = shop.project.path / "migrations" / "env.py"
    text = env.read_text().replace("**conf_args", "include_name=lambda *_: True, **conf_args")
    env.write_text(text)

    assert shop.adopt().code == 0
    assert shop.tables() == ["alembic_version", "item"]
    assert shop.project.flask("db", "check").code == 0


def test_a_role_that_may_make_no_table_goes_without_a_history(project: Project, postgresql: str) -> None:
    """The run itself is as always."""
    shop = adopted_shop(project, postgresql)
    role = f"sf_limited_{abs(hash(postgresql)) % 10**8}"
    shop.execute(
        "DROP TABLE schemaflow_history",
        f"CREATE ROLE {role} LOGIN",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"ALTER TABLE item OWNER TO {role}",
        f"GRANT ALL ON alembic_version TO {role}",
    )
    shop.add("second", "first", ADD_SIZE)
    shop.project.flask("db-snapshot")
    shop.project.environment["DATABASE"] = (
        sa.make_url(postgresql).set(username=role).render_as_string(hide_password=False)
    )
    try:
        ended = shop.upgrade()
    finally:
        shop.execute(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")

    assert (ended.code, ended.document["databases"][0]["verified"]) == (0, True), ended.stderr
