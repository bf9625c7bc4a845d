"""``flask db-snapshot``: a snapshot of the structure beside every revision."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from projects import Project

from flask_schemaflow.revisions import read_revisions
from flask_schemaflow.snapshot import (
    Object,
    Part,
    Snapshot,
    read_file,
    read_stored,
    structure_hash,
    texts_not_in,
)

APP = """
    import os

    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("URI", "sqlite:///shop.db")
    db = SQLAlchemy(app)


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)
"""
ENV = """
    from alembic import context
    from flask import current_app

    db = current_app.extensions["migrate"].db
    with db.engine.connect() as connection:
        context.configure(connection=connection, target_metadata=db.metadata)
        with context.begin_transaction():
            context.run_migrations()
"""
ID = "sa.Column('id', sa.Integer(), primary_key=True)"


def create(table: str) -> str:
    return f"op.create_table('{table}', {ID})"


def add_column(table: str, column: str) -> str:
    return f"op.add_column('{table}', sa.Column('{column}', sa.Integer()))"


def add(project: Project, name: str, down: object, body: str, more: str = "") -> Path:
    """Write a revision."""
    return project.write(
        f"migrations/versions/{name}.py",
        f'"""Do {name}"""\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
        f"revision = {name!r}\ndown_revision = {down!r}\n{more}\n\ndef upgrade():\n    {body}\n",
    )


@pytest.fixture
def shop(project: Project) -> Project:
    """Give a project with three revisions in a line, and no database."""
    project.write("app.py", APP)
    project.write("migrations/alembic.ini", "[alembic]\n")
    project.write("migrations/env.py", ENV)
    add(project, "first", None, create("user"))
    add(project, "second", "first", create("orders"))
    add(project, "third", "second", add_column("orders", "amount"))
    return project


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def engine(request: pytest.FixtureRequest, shop: Project) -> str:
    """Lead the shop to a database of each family in turn."""
    family: str = request.param
    if family != "sqlite":
        shop.environment["URI"] = request.getfixturevalue(family)
    return family


def snapshot(project: Project, *arguments: str, **environment: str) -> Any:
    return project.flask("db-snapshot", "--json", *arguments, **environment)


def stored(project: Project, revision: str, family: str = "sqlite") -> Path:
    return project.path / "migrations" / "snapshots" / f"{revision}.{family}.json"


def names(project: Project) -> list[str]:
    return sorted(file.name for file in (project.path / "migrations" / "snapshots").glob("*"))


def document(project: Project, revision: str, family: str = "sqlite") -> dict[str, Any]:
    return json.loads(stored(project, revision, family).read_text(encoding="utf-8"))


def change(project: Project, revision: str, family: str, **changes: Any) -> None:
    """Change what a stored snapshot says of its default database."""
    found = document(project, revision, family)
    found["databases"][""].update(changes)
    stored(project, revision, family).write_text(json.dumps(found), encoding="utf-8")


def version_of(family: str, url: str) -> tuple[int, ...]:
    if family == "sqlite":
        return ()
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = connection.dialect.server_version_info or ()
    engine.dispose()
    return tuple(each for each in found if isinstance(each, int))


def structures(project: Project, family: str = "sqlite", key: str | None = None) -> dict[str, dict[str, Any]]:
    """Give, for each revision, the tables that its stored snapshot has, with their columns."""
    folder = project.path / "migrations"
    revisions = read_revisions([folder / "versions"])
    like = Snapshot(family=family, server_version=version_of(family, project.environment.get("URI", "")))
    found = read_stored(folder, revisions, [each.id for each in revisions], key, like)
    return {
        revision: {
            table.name: [part.name for part in table.parts if part.kind == "column"] for table in made.tables
        }
        for revision, made in found.items()
    }


# -- the main job ----------------------------------------------------------------------------------


def test_every_revision_gets_its_snapshot(shop: Project, engine: str) -> None:
    """One file a revision and family, which lists what the revision changed; the database is not made."""
    ended = snapshot(shop)

    assert (ended.code, ended.document["outcome"]) == (0, "written"), ended.stderr
    assert names(shop) == [f"{revision}.{engine}.json" for revision in ("first", "second", "third")]
    assert ended.verdict == f"Wrote 3 snapshots ({engine})."
    changed = document(shop, "second", engine)["databases"][""]["objects"]
    assert [each["name"] for each in changed] == ["orders"]
    assert structures(shop, engine) == {
        "first": {"user": ["id"]},
        "second": {"user": ["id"], "orders": ["id"]},
        "third": {"user": ["id"], "orders": ["id", "amount"]},
    }
    assert shop.databases() == []


def test_run_again_it_changes_nothing(shop: Project, engine: str) -> None:
    """The second time every byte stays; --check agrees."""
    assert snapshot(shop).code == 0
    before = shop.files()

    again, check = snapshot(shop), snapshot(shop, "--check")

    for ended in (again, check):
        assert (ended.code, ended.document["outcome"]) == (0, "nothing-to-do")
        assert ended.verdict == f"Nothing to do: each of the 3 revisions has its snapshot ({engine})."
    assert shop.files() == before


def test_written_files_are_named(shop: Project) -> None:
    """The talk and the document name each file."""
    ended = snapshot(shop)

    for revision in ("first", "second", "third"):
        assert f"Writing     {stored(shop, revision)}\n" in ended.stderr
    written = ended.findings("snapshot-written")
    assert [(each["revision"], each["file"]) for each in written] == [
        (revision, str(stored(shop, revision))) for revision in ("first", "second", "third")
    ]


def test_only_what_is_wanting_is_written(shop: Project, engine: str) -> None:
    """A file that is missing in the middle comes back; those above it stay as they are."""
    assert snapshot(shop).code == 0
    whole = shop.files()
    stored(shop, "second", engine).unlink()

    assert structures(shop, engine).keys() == {"first"}
    assert snapshot(shop).document["message"] == f"Wrote 1 snapshot ({engine})."

    assert shop.files() == whole


def test_an_edited_revision(shop: Project) -> None:
    """It and those above it are stale and made anew; a comment changes nothing."""
    assert snapshot(shop).code == 0
    file = add(shop, "second", "first", create("invoices"))
    add(shop, "third", "second", add_column("invoices", "amount"))

    check = snapshot(shop, "--check")
    ended = snapshot(shop)

    assert check.code == 3
    assert "2 revisions have no snapshot that can be used: second (stale), third (stale)." in check.verdict
    assert ended.document["message"] == "Wrote 2 snapshots (sqlite)."
    assert structures(shop)["third"] == {"user": ["id"], "invoices": ["id", "amount"]}
    file.write_text(file.read_text() + "# a note\n")
    assert snapshot(shop, "--check").code == 0


def test_a_file_above_that_says_something_else_is_made_anew(shop: Project) -> None:
    """What stands on top of a snapshot that is made anew is checked as a whole."""
    assert snapshot(shop).code == 0
    whole = shop.files()
    change(shop, "third", "sqlite", hash="other")
    assert structures(shop).keys() == {"first", "second"}
    stored(shop, "second").unlink()

    ended = snapshot(shop)

    assert ended.document["message"] == "Wrote 2 snapshots (sqlite)."
    assert shop.files() == whole


def test_adopting_and_upgrading_go_by_it(shop: Project) -> None:
    """A database that is upgraded is compared with the stored snapshots."""
    assert snapshot(shop).code == 0
    change(shop, "third", "sqlite", objects=[], hash=document(shop, "second")["databases"][""]["hash"])

    ended = shop.safe_upgrade("--create")

    assert ended.code == 5
    assert "the structure is not what they say: The database has the column orders.amount" in ended.verdict


# -- branches --------------------------------------------------------------------------------------


def branched(project: Project, merged: object) -> None:
    """Write two branches of two revisions each on top of the first one, and join them."""
    for name in ("second", "third"):
        (project.path / "migrations" / "versions" / f"{name}.py").unlink()
    add(project, "left1", "first", create("left1"))
    add(project, "left2", "left1", create("left2"))
    add(project, "right1", "first", create("right1"))
    add(project, "right2", "right1", add_column("user", "age"))
    if merged:
        add(project, "merged", merged, create("both"))


def tables(project: Project, family: str = "sqlite") -> dict[str, set[str]]:
    return {revision: set(found) for revision, found in structures(project, family).items()}


@pytest.mark.parametrize("merged", [("left2", "right2"), ["right2", "left2"], {"left2", "right2"}, None])
def test_a_snapshot_has_what_its_lineage_makes(shop: Project, merged: object) -> None:
    """Whatever ran before on the other branch is in no snapshot; a merge has both."""
    branched(shop, merged)

    ended = snapshot(shop)

    assert ended.code == 0, ended.stderr
    left, right = {"user", "left1", "left2"}, {"user", "right1"}
    expected = {
        "first": {"user"},
        "left1": {"user", "left1"},
        "left2": left,
        "right1": right,
        "right2": right,
    }
    assert tables(shop) == expected | ({"merged": {*left, *right, "both"}} if merged else {})
    assert structures(shop)["left2"]["user"] == ["id"]
    assert structures(shop)["right2"]["user"] == ["id", "age"]
    assert snapshot(shop, "--check").code == 0


def test_branches_on_servers(shop: Project, engine: str) -> None:
    """Each further pass has scratch databases of its own."""
    branched(shop, ("left2", "right2"))

    assert snapshot(shop).code == 0

    found = tables(shop, engine)
    assert found["left2"] == {"user", "left1", "left2"}
    assert found["right2"] == {"user", "right1"}
    assert found["merged"] == {"user", "left1", "left2", "right1", "both"}


def test_a_revision_that_depends_on_another_branch(shop: Project) -> None:
    """What a revision depends on, by id or label, has run before it; if that changes, it is stale."""
    add(shop, "stock1", None, create("stock"), "branch_labels = ('stock',)")
    add(shop, "stock2", "stock1", add_column("stock", "place"))
    add(shop, "fourth", "third", create("by_label"), "depends_on = 'stock'")
    add(shop, "fifth", "fourth", create("by_id"), "depends_on = 'stock2'")

    assert snapshot(shop).code == 0

    line = {"user", "orders", "stock", "by_label"}
    assert tables(shop) == {
        "first": {"user"},
        "second": {"user", "orders"},
        "third": {"user", "orders"},
        "stock1": {"stock"},
        "stock2": {"stock"},
        "fourth": line,
        "fifth": {*line, "by_id"},
    }
    add(shop, "stock2", "stock1", add_column("stock", "shelf"))
    assert "stock2 (stale)" in (verdict := snapshot(shop, "--check").verdict)
    assert "fifth (stale)" in verdict
    assert "fourth" not in verdict


def test_a_dependency_that_is_not_there(shop: Project) -> None:
    """It is named, with the file that wants it."""
    add(shop, "fourth", "third", "pass", "depends_on = 'nowhere'")

    ended = snapshot(shop)

    assert ended.code == 2
    assert "fourth.py depends on 'nowhere', which no file has" in ended.verdict


# -- checking --------------------------------------------------------------------------------------


def test_check_names_what_is_missing_and_writes_nothing(shop: Project) -> None:
    """Exit code 3, the revisions, and the command that makes them."""
    before = shop.files()

    ended = snapshot(shop, "--check")

    assert ended.code == 3
    assert ended.verdict == (
        "Refused: 3 revisions have no snapshot that can be used: first (missing), second (missing), "
        "third (missing). Make what is missing: flask db-snapshot"
    )
    findings = ended.findings("snapshot-missing")
    assert [(each["revision"], each["severity"]) for each in findings] == [
        ("first", "error"),
        ("second", "error"),
        ("third", "error"),
    ]
    assert shop.files() == before


@pytest.mark.parametrize(
    ("family", "uri"),
    [
        ("postgresql", "postgresql+psycopg://nobody@127.0.0.1:1/nowhere"),
        ("mariadb", "mariadb+pymysql://nobody@127.0.0.1:1/nowhere"),
        ("mariadb", "mysql+pymysql://nobody@127.0.0.1:1/nowhere"),
    ],
)
def test_check_needs_no_server(shop: Project, request: pytest.FixtureRequest, family: str, uri: str) -> None:
    """Where the server does not answer, the files are checked all the same."""
    assert snapshot(shop, URI=request.getfixturevalue(family)).code == 0

    ended = snapshot(shop, "--check", URI=uri)
    stored(shop, "third", family).unlink()
    missing = snapshot(shop, "--check", URI=uri)

    assert ended.code == 0, ended.stderr
    assert missing.code == 3
    assert "third (missing)" in missing.verdict
    assert snapshot(shop, URI=uri).code == 4


def test_check_opens_no_file(shop: Project) -> None:
    """A SQLite file that is none does not disturb it, nor the making of snapshots."""
    shop.write("instance/shop.db", "this is not a database")

    assert snapshot(shop).code == 0
    assert snapshot(shop, "--check").code == 0


def test_the_folder_of_the_option_is_in_the_command(shop: Project) -> None:
    """What makes the snapshots is told with the folder that was asked for."""
    (shop.path / "migrations").rename(shop.path / "our migrations")

    assert (
        "flask db-snapshot -d 'our migrations'" in snapshot(shop, "--check", "-d", "our migrations").verdict
    )


def test_without_revisions_it_is_refused(project: Project) -> None:
    """A folder that is not there is not taken for one that has nothing to do."""
    project.write("app.py", APP)

    ended = snapshot(project, "--check")

    assert ended.code == 3
    assert "There are no revisions in" in ended.verdict


# -- files of revisions that are no more -----------------------------------------------------------


def test_orphans(shop: Project) -> None:
    """--check tells of them, the command removes them, of every family; what is not ours stays."""
    assert snapshot(shop).code == 0
    other = shop.write("migrations/snapshots/third.postgresql.json", stored(shop, "third").read_text())
    kept = shop.write("migrations/snapshots/README.json", "{}")
    (shop.path / "migrations" / "versions" / "third.py").unlink()

    check = snapshot(shop, "--check")
    ended = snapshot(shop)

    assert check.code == 0
    assert [each["subject"] for each in check.findings("snapshot-orphaned")] == ["third", "third"]
    assert (ended.code, ended.document["outcome"]) == (0, "written")
    assert ended.verdict == "Removed 2 snapshots of revisions that are no more."
    assert [each["file"] for each in ended.findings("snapshot-removed")] == [
        str(other),
        str(stored(shop, "third")),
    ]
    assert not other.exists()
    assert names(shop) == [kept.name, "first.sqlite.json", "second.sqlite.json"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not a readable snapshot"),
        ("[]", "is not a readable snapshot"),
        ('{"format": 1}', "is not a readable snapshot"),
        ('{"format": 99}', "was written by another version of flask-schemaflow"),
    ],
)
@pytest.mark.parametrize("name", ["second", "gone"])
@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_a_file_that_cannot_be_read(
    shop: Project, name: str, text: str, says: str, arguments: list[str]
) -> None:
    """It is named, whether it is of a revision or of none, and nothing is written."""
    assert snapshot(shop).code == 0
    stored(shop, name).write_text(text)
    before = shop.files()

    ended = snapshot(shop, *arguments)

    assert ended.code == 2
    assert f"{stored(shop, name)} {says}" in ended.verdict
    assert "Remove it; it can be made again." in ended.verdict
    assert shop.files() == before


def test_a_folder_in_the_place_of_a_file(shop: Project) -> None:
    """It is named, and nothing is written."""
    stored(shop, "second").mkdir(parents=True)
    before = shop.files()

    ended = snapshot(shop)

    assert ended.code == 2
    assert f"{stored(shop, 'second')} is not a readable snapshot (IsADirectoryError" in ended.verdict
    assert shop.files() == before


# -- what fails ------------------------------------------------------------------------------------


def test_a_revision_that_fails(shop: Project, engine: str) -> None:
    """It is named with file and line, and nothing is written, not even what was made before it."""
    add(shop, "third", "second", add_column("nowhere", "amount"))
    before = shop.files()

    ended = snapshot(shop)

    assert ended.code == 3
    assert re.search(
        r"migrations/versions/third\.py:10: It fails on an empty database: .*third", ended.verdict
    )
    (finding,) = ended.findings("revision-fails")
    assert (finding["revision"], finding["line"]) == ("third", 10)
    assert shop.files() == before


def test_a_revision_with_the_apps_session(shop: Project) -> None:
    """What would go its own way to the real database is refused."""
    add(shop, "third", "second", "from app import db; db.session.execute(sa.text('DELETE FROM user'))")

    ended = snapshot(shop)

    assert ended.code == 3
    assert [each["revision"] for each in ended.findings("uses-app-session")] == ["third"]
    assert not (shop.path / "migrations" / "snapshots").exists()


def test_a_folder_that_cannot_be_written(shop: Project) -> None:
    """A file in the place of the folder is named, and every byte stays."""
    shop.write("migrations/snapshots", "")
    before = shop.files()

    ended = snapshot(shop)

    assert ended.code == 2
    assert "snapshots" in ended.verdict
    assert "cannot be written" in ended.verdict
    assert shop.files() == before


def test_interrupted_at_any_moment(shop: Project) -> None:
    """Stopped at whatever moment, no file is written, or all of them are."""
    clean = shop.files()
    ends = set()
    for step in range(1, 60):
        child = shop.start("db-snapshot", "--json")
        time.sleep(0.01 * step)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)
        ended = shop.zygote.wait()
        ends.add(ended.code)
        if "Wrote 3" in ended.stderr:
            break
        assert shop.files() == clean, ended.stderr
    assert snapshot(shop, "--check").code == 0
    assert 4 in ends


# -- several databases -----------------------------------------------------------------------------

TWO = """
    import os

    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
    app.config["SQLALCHEMY_BINDS"] = {"logs": os.environ.get("LOGS", "sqlite:///logs.db"), "cache": "sqlite://"}
    db = SQLAlchemy(app)
    SchemaFlow(app, db)


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)


    class Entry(db.Model):
        __bind_key__ = "logs"
        id = db.Column(db.Integer, primary_key=True)
"""


@pytest.fixture
def two(project: Project) -> Project:
    """Give an adopted project with two databases, and a second revision of one of them."""
    project.write("app.py", TWO)
    project.create_all()
    assert project.adopt("--rev-id", "first").code == 0
    project.write(
        "migrations/versions/second.py",
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        'revision = "second"\ndown_revision = "first"\n\n\n'
        'def upgrade(engine_name):\n    globals()["upgrade_%s" % engine_name]()\n\n\n'
        f"def upgrade_():\n    pass\n\n\ndef upgrade_logs():\n    {create('other')}\n\n\n"
        "def upgrade_cache():\n    pass\n",
    )
    return project


def test_one_file_has_all_databases_of_a_family(two: Project) -> None:
    """Each database's changes are in it; what adopting stored stays."""
    baseline = stored(two, "first").read_bytes()

    ended = snapshot(two)

    assert ended.code == 0, ended.stderr
    assert names(two) == ["first.sqlite.json", "second.sqlite.json"]
    assert stored(two, "first").read_bytes() == baseline
    assert structures(two)["second"] == {"user": ["id"]}
    assert structures(two, key="logs")["second"] == {"entry": ["id"], "other": ["id"]}
    assert [each["bind"] for each in ended.document["databases"]] == [None, "logs"]
    assert snapshot(two, "--check").code == 0


def test_a_file_that_lacks_a_database_is_stale(two: Project) -> None:
    """Where the revisions have something for a database that the file knows nothing of, it is made anew."""
    assert snapshot(two).code == 0
    changed = document(two, "second")
    del changed["databases"]["logs"]
    stored(two, "second").write_text(json.dumps(changed))

    ended = snapshot(two, "--check")
    assert "second (stale)" in ended.verdict
    assert "it lacks the database logs" in ended.findings("snapshot-stale")[0]["message"]

    assert snapshot(two).code == 0
    assert structures(two, key="logs").keys() == {"first", "second"}


def test_databases_of_two_families(two: Project, postgresql: str) -> None:
    """Each family has its own files, with its own databases."""
    two.environment["LOGS"] = postgresql

    ended = snapshot(two)

    assert ended.code == 0, ended.stderr
    assert ended.verdict == "Wrote 3 snapshots (postgresql, sqlite)."
    assert document(two, "second", "postgresql")["databases"].keys() == {"logs"}
    assert document(two, "second", "sqlite")["databases"].keys() == {"", "cache"}
    assert snapshot(two, "--check").code == 0


def test_a_version_table_that_only_env_py_names(shop: Project) -> None:
    """It is in no snapshot."""
    shop.write(
        "migrations/env.py",
        ENV.replace("connection=connection,", "connection=connection, version_table='v',"),
    )

    assert snapshot(shop).code == 0

    assert structures(shop)["first"] == {"user": ["id"]}


# -- servers of another version --------------------------------------------------------------------


@pytest.mark.parametrize(("family", "server"), [("postgresql", "9.6"), ("mariadb", "10.1")])
def test_a_snapshot_from_another_version_is_not_compared_with(
    shop: Project, request: pytest.FixtureRequest, family: str, server: str
) -> None:
    """It counts as missing: the structure is made on scratch, and the command makes the file anew."""
    shop.environment["URI"] = request.getfixturevalue(family)
    assert snapshot(shop).code == 0
    whole = shop.files()
    assert shop.safe_upgrade().code == 0
    change(
        shop,
        "third",
        family,
        server=server,
        objects=[],
        hash=document(shop, "second", family)["databases"][""]["hash"],
    )

    compared = shop.adopt()
    ended = snapshot(shop)

    assert compared.code == 0, compared.stderr
    assert ended.document["message"] == f"Wrote 1 snapshot ({family})."
    assert f"it was made on {server.partition('.')[0]}" in ended.findings("snapshot-written")[0]["message"]
    assert shop.files() == whole


@pytest.fixture
def role(postgresql: str) -> Iterator[str]:
    """Give the URL of an empty database for a role that cannot create databases."""
    url, name = sa.make_url(postgresql), f"sf_role_{os.getpid()}"
    engine = sa.create_engine(postgresql, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN NOCREATEDB")
        connection.exec_driver_sql(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {name}")
        connection.exec_driver_sql(f"GRANT ALL ON SCHEMA public TO {name}")
        yield url.set(username=name).render_as_string(hide_password=False)
        connection.exec_driver_sql(f"DROP OWNED BY {name}")
        connection.exec_driver_sql(f"DROP ROLE {name}")
    engine.dispose()


def test_without_scratch_the_stored_snapshots_do(shop: Project, postgresql: str, role: str) -> None:
    """A role that cannot create a database upgrades and is verified, once the snapshots are there."""
    assert shop.safe_upgrade("--require-proof", URI=role).code == 3
    assert snapshot(shop, URI=role).code == 3
    assert snapshot(shop, URI=postgresql).code == 0

    ended = shop.safe_upgrade("--require-proof", URI=role)

    assert ended.code == 0, ended.stderr
    assert ended.document["databases"][0]["verified"] is True
    assert snapshot(shop, URI=role).document["outcome"] == "nothing-to-do"


def at_head(shop: Project, url: str) -> None:
    """Upgrade a database, and store the snapshots."""
    assert snapshot(shop, URI=url).code == 0
    assert shop.safe_upgrade(URI=url).code == 0


def execute(url: str, statement: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def from_9_6(shop: Project, *, words: str = "") -> None:
    """Say that PostgreSQL 9.6 wrote the newest snapshot, and the expression of a check in other words."""
    found = document(shop, "third", "postgresql")["databases"][""]["objects"]
    for part in (part for each in found for part in each["parts"] if words and part["kind"] == "check"):
        part["facts"]["expression"] = words
    change(shop, "third", "postgresql", server="9.6", objects=found)
    after: Any = {}
    for revision in ("first", "second", "third"):
        after = read_file(stored(shop, revision, "postgresql")).applied_to(after)
    change(shop, "third", "postgresql", hash=structure_hash(after[None]))


def with_check(shop: Project) -> None:
    body = "op.create_check_constraint('positive', 'orders', 'amount + 1 > 0')"
    add(shop, "third", "second", f"{add_column('orders', 'amount')}; {body}")


@pytest.mark.parametrize("state", ["adopted", "unmanaged", "empty"])
def test_without_scratch_a_snapshot_from_another_version_does_where_its_words_are_the_same(
    shop: Project, postgresql: str, role: str, state: str
) -> None:
    """Facts can be compared across versions, and so can an expression that both have word for word."""
    if state != "empty":
        with_check(shop)
        at_head(shop, postgresql)
    assert snapshot(shop, URI=postgresql).code == 0
    from_9_6(shop)
    if state == "unmanaged":
        execute(postgresql, "DELETE FROM alembic_version")

    command = ("db-safe-upgrade", "--require-proof") if state == "empty" else ("db-adopt", "--dry-run")
    ended = shop.flask(*command, "--json", URI=role)

    assert ended.code == 0, ended.stderr
    assert ended.findings("snapshot-from-other-version") == []


def test_without_scratch_a_difference_from_another_versions_snapshot_is_seen(
    shop: Project, postgresql: str, role: str
) -> None:
    """A column too many is a difference on any version."""
    at_head(shop, postgresql)
    from_9_6(shop)
    execute(postgresql, "ALTER TABLE orders ADD COLUMN more INTEGER")

    ended = shop.flask("db-adopt", "--json", URI=role)

    assert ended.code == 3, ended.stderr
    assert [each["subject"] for each in ended.findings("extra-column")] == ["orders.more"]


@pytest.mark.parametrize("command", ["db-adopt", "db-safe-upgrade"])
def test_without_scratch_other_words_of_another_version_are_refused(
    shop: Project, postgresql: str, role: str, command: str
) -> None:
    """Nobody can say whether they mean the same: exit code 3, both versions, and the command that makes one."""
    with_check(shop)
    assert snapshot(shop, URI=postgresql).code == 0
    if command == "db-adopt":
        at_head(shop, postgresql)
    from_9_6(shop, words="0 < (amount + 1)")

    ended = shop.flask(command, "--json", URI=role)

    assert ended.code == 3, ended.stderr
    (finding,) = ended.findings("snapshot-from-other-version")
    assert "was made on postgresql 9, and this server is" in finding["message"]
    assert "the check expression '0 < (amount + 1)' in orders" in finding["message"]
    assert "flask db-snapshot" in finding["hint"]


@pytest.mark.parametrize(
    ("kind", "fact", "value", "is_text"),
    [
        ("column", "type", "numeric(10,2)", False),
        ("column", "default", "0.5", False),
        ("column", "default", "now()", False),
        ("column", "default", "'x'::text", True),
        ("column", "generated", "a * 2 STORED", True),
        ("index", "columns", 'a, "B c" DESC', False),
        ("index", "columns", "lower(a)", True),
        ("index", "where", "a > 0", True),
        ("foreign-key", "on-delete", "CASCADE", False),
    ],
)
def test_only_expressions_depend_on_the_version(kind: str, fact: str, value: str, is_text: bool) -> None:
    """Names, flags, types and numbers are the same in all versions; an expression must stand at its place."""
    part = Part(kind=kind, name="x", facts={fact: value})
    one, same, moved = (
        Snapshot(family="postgresql", objects=(Object(kind="table", name=name, parts=(part,)),))
        for name in ("t", "t", "u")
    )

    assert texts_not_in(one, same) == []
    assert [each.text for each in texts_not_in(one, moved)] == [value] * is_text


# -- from Python -----------------------------------------------------------------------------------


def test_from_python(shop: Project) -> None:
    """The function returns values and raises; it prints nothing."""
    ended = shop.python(
        """
        from app import app
        from flask_schemaflow import Refused, SnapshotOptions, SnapshotResult, store_snapshots

        try:
            store_snapshots(app, SnapshotOptions(check=True))
        except Refused as error:
            assert error.result.outcome == "refused"
            assert {each.code for each in error.findings} == {"snapshot-missing"}
        result = store_snapshots(app)
        assert isinstance(result, SnapshotResult)
        assert [each.name for each in result.written] == [f"{n}.sqlite.json" for n in ("first", "second", "third")]
        assert result.removed == ()
        assert store_snapshots(app, SnapshotOptions(check=True)).outcome == "nothing-to-do"
        """
    )

    assert ended.stdout == ""
