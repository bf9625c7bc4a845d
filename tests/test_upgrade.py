"""``flask db-safe-upgrade``: by state and truth."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from projects import Project, put_first, reading, versions_of

APP = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
    db = SQLAlchemy(app)
    SchemaFlow(app, db)


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(50))


    class Order(db.Model):
        __tablename__ = "orders"

        id = db.Column(db.Integer, primary_key=True)
        user_id = db.Column(db.ForeignKey("user.id", ondelete="CASCADE"))
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """Give an adopted shop with a row in each table."""
    project.write("app.py", APP)
    project.create_all()
    assert project.adopt("--rev-id", "first").code == 0
    return project


def database(project: Project) -> Path:
    (file,) = project.databases()
    return file


def execute(project: Project, *statements: str) -> None:
    connection = sqlite3.connect(database(project))
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def add(project: Project, name: str, parent: str, *body: str, head: str = "") -> None:
    """Write a revision."""
    lines = "\n".join(f"    {line}" for line in body) or "    pass"
    project.write(
        f"migrations/versions/{name}.py",
        f'"""{name} of the shop"""\nimport sqlalchemy as sa\nfrom alembic import op\n{head}\nrevision = "{name}"\n'
        f'down_revision = "{parent}"\n\n\ndef upgrade():\n{lines}\n\n\ndef downgrade():\n    pass\n',
    )


def columns(project: Project, table: str) -> list[str]:
    with reading(database(project)) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


ADD_AGE = "op.add_column('user', sa.Column('age', sa.Integer()))"


def test_pending_revisions_run_and_are_verified(shop: Project) -> None:
    """Two pending revisions run in order, in one go, and the structure is compared."""
    add(shop, "second", "first", ADD_AGE)
    add(shop, "third", "second", "op.create_index('ix_age', 'user', ['age'])")

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded"), ended.stderr
    (result,) = ended.document["databases"]
    assert (result["applied"], result["verified"]) == (["second", "third"], True)
    assert (result["state_before"], result["state_after"]) == ("behind", "current")
    assert versions_of(database(shop)) == ["third"]
    assert "Applied     second second of the shop" in ended.stderr
    assert ended.verdict == "Upgraded to third, 2 revisions."


def test_nothing_to_do(shop: Project) -> None:
    """At the head already: 0, and every byte stays."""
    before = shop.files()

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "nothing-to-do")
    assert shop.files() == before


def test_only_up_to_a_revision(shop: Project) -> None:
    """REVISION, or a unique beginning of one, is the target; below the current one is a usage error."""
    add(shop, "second", "first", ADD_AGE)
    add(shop, "third", "second", "op.create_index('ix_age', 'user', ['age'])")

    assert shop.safe_upgrade("sec").code == 0
    assert versions_of(database(shop)) == ["second"]
    assert shop.safe_upgrade("first").code == 2
    assert shop.safe_upgrade("nonsense").code == 2
    assert versions_of(database(shop)) == ["second"]


@pytest.mark.parametrize("option", ["--dry-run", "--plan"])
def test_a_plan_runs_nothing(shop: Project, option: str) -> None:
    """A plan names the revisions and leaves every byte."""
    add(shop, "second", "first", ADD_AGE)
    before = shop.files()

    ended = shop.safe_upgrade(option)

    assert (ended.code, ended.document["outcome"]) == (0, "planned")
    assert [step["revision"] for step in ended.document["plan"]] == ["second"]
    assert shop.files() == before


def test_a_revision_that_fails_leaves_the_database_as_it_was(shop: Project) -> None:
    """The second of two revisions fails at its second statement: everything is undone, and where it failed is said."""
    add(shop, "second", "first", ADD_AGE)
    add(
        shop,
        "third",
        "second",
        "op.execute(\"UPDATE user SET name = 'changed' WHERE id > 0\")",
        "op.execute('ALTER TABLE nowhere ADD COLUMN x INT')",
    )
    before = shop.contents()

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (5, "undone")
    assert "third.py:11: revision third failed: OperationalError: no such table: nowhere." in ended.verdict
    assert "Everything was undone; the database is at first." in ended.verdict
    assert shop.contents() == before
    assert versions_of(database(shop)) == ["first"]


def test_a_revision_cannot_end_the_transaction(shop: Project) -> None:
    """A literal COMMIT in a revision is refused by the connection, so that nothing is in."""
    add(
        shop,
        "second",
        "first",
        ADD_AGE,
        # Seen before the run, it would be refused.
        "if op.get_bind().execute(sa.text('SELECT count(*) FROM orders')).scalar(): op.execute('COMMIT')",
        "op.execute('ALTER TABLE nowhere ADD COLUMN x INT')",
    )
    before = shop.contents()

    ended = shop.safe_upgrade()

    assert ended.code == 5
    assert shop.contents() == before


def test_autocommit_blocks_end_nothing_on_sqlite(shop: Project) -> None:
    """An autocommit block stays inside the one transaction."""
    add(
        shop,
        "second",
        "first",
        "with op.get_context().autocommit_block():",
        f"    {ADD_AGE}",
        "op.execute('ALTER TABLE nowhere ADD COLUMN x INT')",
    )
    before = shop.contents()

    assert shop.safe_upgrade().code == 5
    assert shop.contents() == before


def test_an_autocommit_block_is_nothing_special_on_sqlite(shop: Project) -> None:
    """A revision that was written for PostgreSQL too runs as it is."""
    add(shop, "second", "first", "with op.get_context().autocommit_block():", f"    {ADD_AGE}")

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert "age" in columns(shop, "user")


def test_a_batch_rebuild_keeps_the_rows_of_others(shop: Project) -> None:
    """A parent that is rebuilt keeps its children, though the app switches foreign keys on."""
    app = shop.path / "app.py"
    listener = "\n\nimport sqlalchemy as sa\n\n\n@sa.event.listens_for(sa.engine.Engine, 'connect')\ndef keys_on(connection, _record):\n    connection.execute('PRAGMA foreign_keys=ON')\n"
    app.write_text(app.read_text() + listener)
    add(
        shop,
        "second",
        "first",
        "with op.batch_alter_table('user') as batch:",
        "    batch.alter_column('name', type_=sa.String(80))",
    )
    rows = shop.contents()["instance/shop.db"][1]["orders"]
    assert rows

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert shop.contents()["instance/shop.db"][1]["orders"] == rows


def test_a_revision_that_uses_the_apps_session_is_refused(shop: Project) -> None:
    """db.session in a revision is found on scratch, before anything real is touched."""
    add(
        shop,
        "second",
        "first",
        "db.session.execute(sa.text(\"UPDATE user SET name = 'x'\"))",
        "db.session.commit()",
        head="from app import db\n",
    )
    before = shop.contents()

    ended = shop.safe_upgrade()

    assert ended.code == 3, ended.stderr
    assert "opens its own connection" in ended.verdict
    assert [each["code"] for each in ended.findings()] == ["uses-app-session"]
    assert shop.contents() == before


def test_a_revision_that_opens_the_file_itself_is_refused(shop: Project) -> None:
    """A revision that goes to the file by the driver is stopped too."""
    add(
        shop,
        "second",
        "first",
        f"sqlite3.connect({str(database(shop))!r}).execute('DROP TABLE orders')",
        head="import sqlite3\n",
    )
    before = shop.contents()

    ended = shop.safe_upgrade()

    assert (ended.code, ended.findings()[0]["code"]) == (3, "uses-app-session"), ended.stderr
    assert shop.contents() == before


def test_a_structure_that_is_not_what_the_revisions_say_is_undone(shop: Project) -> None:
    """A revision that does something else on the real database than on scratch is not committed."""
    add(
        shop,
        "second",
        "first",
        "rows = op.get_bind().execute(sa.text('SELECT count(*) FROM user')).scalar()",
        "op.add_column('user', sa.Column('real' if rows else 'scratch', sa.Integer()))",
    )
    before = shop.contents()

    ended = shop.safe_upgrade()

    assert ended.code == 5, ended.stderr
    assert "the structure is not what they say" in ended.verdict
    found = {each["code"] for each in ended.findings() if each["severity"] == "error"}
    assert found == {"missing-column", "extra-column"}
    assert shop.contents() == before


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        (["if not rows:", f"    {ADD_AGE}"], "missing-column:user.age"),
        (
            ["op.add_column('user', sa.Column('age', sa.Text() if rows else sa.Integer()))"],
            "changed-column-type:user.age",
        ),
        (
            ["if not rows:", "    op.drop_table('orders')  # schemaflow: accept drop-table -- a test"],
            "extra-table:orders",
        ),
        (
            ["if not rows:", "    op.create_table('made_' + 'up', sa.Column('id', sa.Integer))"],
            "missing-table:made_up",
        ),
    ],
)
def test_a_revision_that_does_less_than_it_says_is_undone(
    shop: Project, body: list[str], finding: str
) -> None:
    """What is missing after the run was not missing before it, measured against the current revision."""
    add(
        shop,
        "second",
        "first",
        "rows = op.get_bind().execute(sa.text('SELECT count(*) FROM user')).scalar()",
        *body,
    )
    before = shop.contents()

    ended = shop.safe_upgrade()

    assert ended.code == 5, ended.stderr
    found = [each for each in ended.findings() if each["severity"] == "error"]
    assert [f"{each['code']}:{each['subject']}" for each in found] == [finding]
    assert shop.contents() == before


def test_a_revision_that_mends_drift_is_verified(shop: Project) -> None:
    """An index that was missing is there again after the run: nothing differs any more."""
    add(shop, "second", "first", "op.create_index('ix_name', 'user', ['name'])")
    assert shop.safe_upgrade().code == 0
    execute(shop, "DROP INDEX ix_name")
    add(shop, "third", "second", "op.execute('CREATE INDEX IF NOT EXISTS ix_name ON user (name)')")

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert ended.document["databases"][0]["verified"] is True


def test_tables_under_computed_names_are_no_drift(shop: Project) -> None:
    """What a revision makes is ours, also where its source does not name it literally."""
    add(
        shop,
        "second",
        "first",
        "for year in (2025, 2026):",
        "    op.create_table(f'sales_{year}', sa.Column('id', sa.Integer, primary_key=True))",
        "op.execute('CREATE VIRTUAL TABLE search USING fts5(body)')",
    )

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert ended.document["databases"][0]["verified"] is True
    assert ended.findings() == []
    assert "structure is that of revision second" in shop.adopt().verdict


def test_orphaned_rows_are_undone(shop: Project) -> None:
    """While keys are off a DELETE cascades to nobody; the rows that are left are seen before the commit."""
    add(shop, "second", "first", ADD_AGE, "op.execute('DELETE FROM user WHERE id > 0')")
    before = shop.contents()

    ended = shop.safe_upgrade()

    assert ended.code == 5, ended.stderr
    assert [each["code"] for each in ended.findings()] == ["orphaned-rows"]
    assert "rows of orders point at rows of user that are not there" in ended.verdict
    assert shop.contents() == before


def test_rows_that_were_orphaned_before_do_not_stop(shop: Project) -> None:
    """An old orphan is not the revision's."""
    execute(shop, "PRAGMA foreign_keys=OFF", "INSERT INTO orders (user_id) VALUES (4711)")
    add(shop, "second", "first", ADD_AGE)

    assert shop.safe_upgrade().code == 0


def test_a_revision_that_rolls_back_is_undone(shop: Project) -> None:
    """A rollback from inside would take other revisions with it, so the run ends."""
    add(shop, "second", "first", ADD_AGE, "op.get_bind().rollback()")
    before = shop.contents()

    ended = shop.safe_upgrade()

    assert ended.code == 5, ended.stderr
    assert "revision second rolls back" in ended.verdict
    assert shop.contents() == before


def test_a_savepoint_may_be_rolled_back(shop: Project) -> None:
    """begin_nested() is the way to try something."""
    add(
        shop,
        "second",
        "first",
        "nested = op.get_bind().begin_nested()",
        "op.execute('DELETE FROM orders WHERE id > 0')",
        "nested.rollback()",
        ADD_AGE,
    )
    rows = shop.contents()["instance/shop.db"][1]["orders"]

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert shop.contents()["instance/shop.db"][1]["orders"] == rows


def test_a_revision_with_the_apps_session_is_refused_though_its_structure_is_stored(shop: Project) -> None:
    """A stored structure is no reason not to look what a pending revision does."""
    (stored,) = (shop.path / "migrations" / "snapshots").iterdir()
    (baseline,) = (shop.path / "migrations" / "versions").glob("*.py")
    source = baseline.read_text()
    body = source.replace(
        "def upgrade():",
        'def upgrade():\n    from app import db\n    db.session.execute(sa.text("SELECT 1"))',
    )
    assert body != source
    execute(shop, "DROP TABLE alembic_version", "DROP TABLE orders", "DROP TABLE user")
    baseline.write_text(body)
    from flask_schemaflow.revisions import source_hash

    stored.write_text(stored.read_text().replace(chain_of(source), chain_of(body)))
    assert source_hash(source) != source_hash(body)

    ended = shop.safe_upgrade()

    assert (ended.code, ended.findings()[0]["code"]) == (3, "uses-app-session"), ended.stderr


def chain_of(source: str) -> str:
    import hashlib

    from flask_schemaflow.revisions import source_hash

    return hashlib.sha256(source_hash(source).encode()).hexdigest()


@pytest.mark.parametrize(
    "opening",
    [
        "sqlite3.Connection({file!r}).execute('DROP TABLE orders')",
        "connect({file!r}).execute('DROP TABLE orders')",
        "sqlite3.connect(database={file!r}).execute('DROP TABLE orders')",
    ],
)
def test_importing_a_revision_opens_no_file(shop: Project, opening: str) -> None:
    """Nothing is done by the mere import of a revision, whichever way to the file it knows."""
    head = f"import sqlite3\nfrom sqlite3 import connect\n{opening.format(file=str(database(shop)))}\n"
    add(shop, "second", "first", ADD_AGE, head=head)
    before = shop.contents()

    ended = shop.safe_upgrade()

    assert ended.code == 2, ended.stderr
    assert "second.py" in ended.verdict
    assert "opens" in ended.verdict
    assert shop.contents() == before


def test_a_listener_that_begins_transactions_is_no_hindrance(shop: Project) -> None:
    """The recipe that sends BEGIN itself, for all engines, works with both commands."""
    app = shop.path / "app.py"
    app.write_text(
        app.read_text()
        + "\n\nimport sqlalchemy as sa\n\n\n@sa.event.listens_for(sa.engine.Engine, 'connect')\n"
        "def no_begin(connection, _record):\n    connection.isolation_level = None\n\n\n"
        "@sa.event.listens_for(sa.engine.Engine, 'begin')\n"
        "def begin(connection):\n    connection.exec_driver_sql('BEGIN')\n"
    )
    add(shop, "second", "first", ADD_AGE)

    assert shop.adopt().code == 0
    ended = shop.safe_upgrade()
    assert ended.code == 0, ended.stderr
    assert "age" in columns(shop, "user")


def test_a_reader_that_stays_is_a_reason_to_try_later(shop: Project) -> None:
    """A commit that another process's reading blocks is undone, and the exit code says: try again."""
    add(shop, "second", "first", ADD_AGE)
    before = shop.contents()
    with reading(database(shop)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM user").fetchone()
        ended = shop.safe_upgrade()

    assert ended.code == 4, ended.stderr
    assert "locked by another process" in ended.verdict
    assert shop.contents() == before


MEANWHILE = """
import os
import sqlite3
import subprocess
import sys

if not os.environ.get("MEANWHILE_DONE"):
    os.environ["MEANWHILE_DONE"] = "yes"
    subprocess.run([sys.executable, "-m", "flask", "--app", "app", "db-safe-upgrade"], check=True)
"""


def test_another_replica_that_was_faster_has_done_the_work(shop: Project) -> None:
    """Whoever comes second finds the database where it should be."""
    add(shop, "second", "first", ADD_AGE)
    put_first(shop.path / "migrations" / "env.py", MEANWHILE)

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "nothing-to-do"), ended.stderr
    assert versions_of(database(shop)) == ["second"]


def test_drift_that_was_there_before_is_reported_and_does_not_stop(shop: Project) -> None:
    """A column that somebody added is told, and the upgrade goes on."""
    execute(shop, "ALTER TABLE user ADD COLUMN nickname TEXT")
    add(shop, "second", "first", ADD_AGE)

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert [each["subject"] for each in ended.findings("extra-column")] == ["user.nickname"]
    assert ended.document["databases"][0]["verified"] is False


def test_revisions_that_cannot_run_on_scratch_run_unchecked(shop: Project) -> None:
    """Where no expectation can be had, that is said; --require-proof refuses."""
    add(
        shop, "second", "first", 'op.execute("UPDATE user SET name = needs_rows(name) WHERE id > 0")', ADD_AGE
    )
    app = shop.path / "app.py"
    app.write_text(
        app.read_text()
        + "\n\nimport sqlalchemy as sa\n\nwith app.app_context():\n    @sa.event.listens_for(db.engine, 'connect')\n"
        "    def functions(connection, _record):\n        if connection.execute('PRAGMA database_list').fetchone()[2]:\n"
        "            connection.create_function('needs_rows', 1, lambda x: x)\n"
    )

    refused = shop.safe_upgrade("--require-proof")
    assert refused.code == 3, refused.stderr
    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded-unchecked"), ended.stderr
    assert ended.findings("structure-will-not-be-checked")


def test_the_stored_snapshot_is_enough(shop: Project) -> None:
    """What adoption stored says what must come out; an edited revision makes it stale, never equal."""
    (stored,) = (shop.path / "migrations" / "snapshots").iterdir()
    assert stored.name == "first.sqlite.json"
    execute(shop, "DROP TABLE alembic_version", "DROP TABLE orders", "DROP TABLE user")

    assert shop.safe_upgrade().document["databases"][0]["verified"] is True

    (file,) = (shop.path / "migrations" / "versions").glob("*.py")
    file.write_text(file.read_text().replace("sa.String(length=50)", "sa.String(length=70)"))
    database(shop).unlink()
    ended = shop.safe_upgrade("--create")
    assert ended.code == 0, ended.stderr
    assert ended.document["databases"][0]["verified"] is True
    with reading(database(shop)) as connection:
        assert (
            "VARCHAR(70)"
            in connection.execute("SELECT sql FROM sqlite_master WHERE name = 'user'").fetchone()[0]
        )


# -- states ----------------------------------------------------------------------------------------


def test_production_follows_by_proof(shop: Project) -> None:
    """A database that was never adopted is stamped where its structure says, and upgraded, in one run."""
    execute(shop, "DROP TABLE alembic_version")
    add(shop, "second", "first", ADD_AGE)

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded"), ended.stderr
    assert versions_of(database(shop)) == ["second"]
    assert ended.verdict == "Adopted at first by proof; upgraded to second, 1 revision."


def test_an_unmanaged_database_that_differs_is_refused(shop: Project) -> None:
    """One hand-made column, and nothing is stamped by guess."""
    execute(shop, "DROP TABLE alembic_version", "ALTER TABLE user ADD COLUMN x INT")
    before = shop.files()

    ended = shop.safe_upgrade()

    assert ended.code == 3
    assert "The nearest is first" in ended.verdict
    assert [each["subject"] for each in ended.findings("extra-column")] == ["user.x"]
    assert shop.files() == before


def test_an_empty_database_is_upgraded_from_base(shop: Project) -> None:
    """--create makes a new database and builds it; a failure takes the file away again."""
    database(shop).unlink()
    add(shop, "broken", "first", "op.execute('nonsense')")

    assert shop.safe_upgrade("--create").code == 5
    assert shop.databases() == []
    (shop.path / "migrations" / "versions" / "broken.py").unlink()
    assert shop.safe_upgrade("--create").code == 0
    assert versions_of(database(shop)) == ["first"]


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (
            ["UPDATE alembic_version SET version_num = 'newer'"],
            "the version table says newer, which no file in",
        ),
        (["INSERT INTO alembic_version VALUES ('x')"], "the version table has several rows"),
        (["DROP TABLE orders", "DROP TABLE user"], "none of the tables is there"),
        (
            [
                "DROP TABLE orders",
                "DROP TABLE user",
                "DELETE FROM alembic_version",
                "CREATE TABLE theirs (a)",
            ],
            "not-our-database",
        ),
    ],
)
def test_a_state_that_is_refused(shop: Project, statements: list[str], says: str) -> None:
    """Each state that an upgrade does not take on is refused, and every byte stays."""
    execute(shop, *statements)
    before = shop.files()

    ended = shop.safe_upgrade()

    assert ended.code == 3
    assert says in ended.verdict
    adopting = shop.adopt().verdict
    # Of an unknown revision adoption says more: which one it is.
    one, other = (adopting, ended.verdict) if "newer" in says else (ended.verdict, adopting)
    assert one.startswith(other), "both commands say the same of one state"
    assert shop.files() == before


def test_a_database_of_others_can_be_accepted(shop: Project) -> None:
    """The one finding is accepted by code and subject."""
    execute(
        shop, "DROP TABLE orders", "DROP TABLE user", "DELETE FROM alembic_version", "CREATE TABLE theirs (a)"
    )

    assert shop.safe_upgrade("--accept", "not-our-database:default").code == 0
    assert versions_of(database(shop)) == ["first"]


def test_without_revisions_it_says_adopt(project: Project) -> None:
    """A project without revisions is sent to db-adopt."""
    project.write("app.py", APP)
    project.create_all()

    ended = project.safe_upgrade()

    assert ended.code == 3
    assert "`flask db-adopt` writes the first one" in ended.verdict


def test_several_heads_are_refused(shop: Project) -> None:
    """Two heads are named with the command that joins them."""
    add(shop, "left", "first")
    add(shop, "right", "first")

    ended = shop.safe_upgrade()

    assert ended.code == 3
    assert "flask db merge left right" in ended.verdict


def test_a_circle_of_revisions_is_named(shop: Project) -> None:
    """Two revisions that follow one another below a head do not hang the command."""
    add(shop, "left", "right")
    add(shop, "right", "left")
    add(shop, "top", "left")

    ended = shop.safe_upgrade()

    assert ended.code == 2
    assert "follow one another in a circle: " in ended.verdict


@pytest.mark.parametrize(
    "accepted", ["unknown:default", "torn:default", "branched:default", "not-our-database", "hollow:default"]
)
def test_only_what_can_pass_is_accepted(shop: Project, accepted: str) -> None:
    """--accept opens one door, not every."""
    before = shop.contents()

    ended = shop.safe_upgrade("--accept", accepted)

    assert ended.code == 2
    assert "say CODE:SUBJECT" in ended.verdict
    assert shop.contents() == before


def test_up_to_a_revision_below_the_head_leaves_it_behind(shop: Project) -> None:
    """The state afterwards is told as it is."""
    add(shop, "second", "first", ADD_AGE)
    add(shop, "third", "second")

    ended = shop.safe_upgrade("second")

    (told,) = ended.document["databases"]
    assert (told["revision_after"], told["state_after"]) == ("second", "behind")


def test_a_missing_database_is_not_made_though_no_model_was_imported(shop: Project) -> None:
    """The revisions alone say that there should be one."""
    app = shop.path / "app.py"
    app.write_text(app.read_text().partition("class User")[0])
    database(shop).unlink()

    ended = shop.safe_upgrade()

    assert ended.code == 2
    assert "There is no database at" in ended.verdict
    assert shop.databases() == []


def test_a_file_made_for_a_run_that_fails_is_gone_again(shop: Project) -> None:
    """--create leaves nothing behind when the revisions fail."""
    add(shop, "second", "first", "op.execute('ALTER TABLE nowhere ADD COLUMN x INT')")
    database(shop).unlink()

    ended = shop.safe_upgrade("--create")

    assert ended.code == 5, ended.stderr
    assert shop.databases() == []


def test_revisions_alone_are_enough_to_upgrade(shop: Project) -> None:
    """Neither a model nor a literal name is needed for a pending revision to run."""
    app = shop.path / "app.py"
    app.write_text(app.read_text().partition("class User")[0])
    for file in (shop.path / "migrations" / "versions").glob("*.py"):
        file.unlink()
    add(shop, "only", "", "op.create_table('a' + 'b', sa.Column('id', sa.Integer, primary_key=True))")
    only = shop.path / "migrations" / "versions" / "only.py"
    only.write_text(only.read_text().replace('down_revision = ""', "down_revision = None"))
    database(shop).unlink()

    ended = shop.safe_upgrade("--create")

    assert ended.code == 0, ended.stderr
    assert versions_of(database(shop)) == ["only"]
    assert columns(shop, "ab") == ["id"]


def test_one_branch_alone_is_not_taken_for_both(shop: Project) -> None:
    """An unmanaged database with what one of two branches makes is never stamped with the other."""
    add(shop, "left", "first", ADD_AGE)
    add(shop, "right", "first", "op.create_index('ix_name', 'user', ['name'])")
    shop.write(
        "migrations/versions/merged.py",
        "revision = 'merged'\ndown_revision = ('left', 'right')\n\n\ndef upgrade():\n    pass\n",
    )
    execute(shop, "ALTER TABLE user ADD COLUMN age INTEGER", "CREATE INDEX ix_name ON user (name)")
    execute(shop, "DROP TABLE alembic_version")

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert versions_of(database(shop)) == ["merged"]


def test_two_rows_below_a_merge_are_compared_with_just_those(shop: Project) -> None:
    """The structure of two branches is what these two make, not what the merge adds."""
    add(shop, "left", "first", ADD_AGE)
    add(shop, "right", "first", "op.create_index('ix_name', 'user', ['name'])")
    execute(shop, "ALTER TABLE user ADD COLUMN age INTEGER", "CREATE INDEX ix_name ON user (name)")
    execute(shop, "DELETE FROM alembic_version", "INSERT INTO alembic_version VALUES ('left'), ('right')")
    add(shop, "merged", "", "op.create_index('ix_age', 'user', ['age'])")
    merged = shop.path / "migrations" / "versions" / "merged.py"
    merged.write_text(merged.read_text().replace('down_revision = ""', "down_revision = ('left', 'right')"))

    ended = shop.adopt()

    assert (ended.code, ended.document["outcome"]) == (0, "already-adopted"), ended.stderr


def test_branches_before_a_merge_are_upgraded(shop: Project) -> None:
    """Two rows on two branches, with a merge revision above both, are sound."""
    add(shop, "left", "first", ADD_AGE)
    add(shop, "right", "first", "op.create_index('ix_name', 'user', ['name'])")
    execute(shop, "ALTER TABLE user ADD COLUMN age INTEGER", "CREATE INDEX ix_name ON user (name)")
    execute(shop, "DELETE FROM alembic_version", "INSERT INTO alembic_version VALUES ('left'), ('right')")
    shop.write(
        "migrations/versions/merged.py",
        "revision = 'merged'\ndown_revision = ('left', 'right')\n\n\ndef upgrade():\n    pass\n",
    )

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert versions_of(database(shop)) == ["merged"]


@pytest.mark.parametrize(
    ("how", "code", "says"),
    [
        ("os.replace(f'{file}.new', file)", 4, "was replaced by another process meanwhile; try again."),
        ("os.remove(file)", 6, "is not there any more. Restore it from a backup, and run this again."),
    ],
    ids=["replaced", "removed"],
)
def test_a_file_that_is_replaced_meanwhile_is_not_said_to_be_upgraded(
    shop: Project, how: str, code: int, says: str
) -> None:
    """What is committed to a file that has no name any more is gone with the command."""
    file = database(shop)
    only_real = "if op.get_bind().scalar(sa.text('SELECT count(*) FROM user')):"
    body = ("import os, shutil", f"file = {str(file)!r}", only_real, "    shutil.copy(file, f'{file}.new')")
    add(shop, "second", "first", ADD_AGE, *body, f"    {how}")

    ended = shop.safe_upgrade()

    assert ended.code == code, ended.stderr
    assert says in ended.verdict
    if code == 4:
        assert versions_of(file) == ["first"]
        add(shop, "second", "first", ADD_AGE)
        assert shop.safe_upgrade().code == 0


@pytest.mark.parametrize("how", ["async def upgrade", "yield"])
def test_a_revision_that_runs_nothing_when_it_is_called_is_not_applied(shop: Project, how: str) -> None:
    """A coroutine that nobody awaits, or a generator, would be said to be applied."""
    add(shop, "second", "first", ADD_AGE, *(["yield"] if how == "yield" else []))
    file = shop.path / "migrations" / "versions" / "second.py"
    if how != "yield":
        file.write_text(file.read_text().replace("def upgrade", how))

    ended = shop.safe_upgrade()

    assert ended.code == 5, ended.stderr
    assert "NothingRan: upgrade() is async or has a yield" in ended.verdict
    assert versions_of(database(shop)) == ["first"]
