"""At which revision a database is, by its structure: lost, unknown and torn version rows."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from chain import STEPS, WALK, equal_to, found_for, write_chain
from projects import Ended, Project, contents_of, put_first, versions_of
from shops import ADD_AGE, ADD_SIZE, FAIL, add, columns, execute, quoted, shop_at, versions


def walked(project: Project, *, adopt: str) -> list[dict[str, Any]]:
    """Move a database from revision to revision, and let each be found without its version row.

    At one, or all of them, by the commands, also with a column that somebody made by hand.
    """
    ended = project.python(WALK, WALK=" ".join(each.id for each in STEPS), ADOPT=adopt)
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


def check_walk(seen: list[dict[str, Any]], method: str) -> None:
    assert [each["revision"] for each in seen] == [each.id for each in STEPS]
    for step, each in zip(STEPS, seen, strict=True):
        found, wanted = each["found"], found_for(step)
        if wanted is not None:
            assert (found["outcome"], found["rows"]) == ("adopted", [wanted]), each
            assert found["method"] == method
        else:
            assert (found["outcome"], found["rows"]) == ("refused", []), each
            assert found["candidates"] == equal_to(step)
            named = each.get("named", {"outcome": "adopted", "rows": [step.id]})
            assert (named["outcome"], named["rows"]) == ("adopted", [step.id]), each
        for refused in each.get("by hand", []):
            assert refused["differences"] == ["extra-column:users.by_hand"], refused
            assert f"The nearest is {equal_to(step)[-1]}; it differs in 1 way." in refused["message"]
            assert refused["rows"] == []


def test_a_chain_of_thirty_revisions(project: Project, any_database: str) -> None:
    """Each revision is found by its structure; what only changes rows is offered, and stamped when named."""
    write_chain(project, any_database)
    ended = project.flask("db-snapshot")
    assert ended.code == 0, ended.stderr

    check_walk(walked(project, adopt="r07"), "stored snapshot")


@pytest.mark.soak
@pytest.mark.skipif("SCHEMAFLOW_SOAK" not in os.environ, reason="takes minutes: set SCHEMAFLOW_SOAK=1")
def test_a_chain_of_thirty_revisions_without_snapshots(project: Project, any_database: str) -> None:
    """Where nothing is stored the revisions run on scratch, and say the same."""
    write_chain(project, any_database)

    check_walk(walked(project, adopt="all"), "scratch database")


# -- version rows that are wrong -------------------------------------------------------------------

MOVE_ROWS = "op.execute(\"UPDATE orders SET note = 'moved' WHERE id > 0\")"


@pytest.fixture
def shop(project: Project, any_database: str) -> Project:
    """Give an adopted shop on each engine, with a pending column and a pending move of rows."""
    made = shop_at(project, any_database)
    add(made, "second", "first", ADD_AGE)
    add(made, "third", "second", MOVE_ROWS)
    engine = any_database.partition(":")[0]
    if engine not in _snapshots:
        assert made.flask("db-snapshot").code == 0
        found = (made.path / "migrations" / "snapshots").iterdir()
        _snapshots[engine] = {each.name: each.read_bytes() for each in found}
    for name, content in _snapshots[engine].items():
        (made.path / "migrations" / "snapshots" / name).write_bytes(content)
    return made


_snapshots: dict[str, dict[str, bytes]] = {}
"""What the revisions of the shop make, by engine; it is the same for every such shop."""


@pytest.fixture
def small(project: Project, tmp_path: Path) -> Project:
    """Give an adopted shop on SQLite."""
    return shop_at(project, f"sqlite:///{tmp_path / 'shop.db'}")


def says(shop: Project, *rows: str) -> None:
    """Let the version table say these revisions."""
    execute(
        shop, "DELETE FROM alembic_version", *(f"INSERT INTO alembic_version VALUES ('{r}')" for r in rows)
    )


def refused(ended: Ended, *texts: str) -> None:
    assert (ended.code, ended.document["outcome"]) == (3, "refused"), ended.stderr
    for text in texts:
        assert text in ended.verdict


def stamped(ended: Ended, text: str) -> None:
    assert (ended.code, ended.document["outcome"]) == (0, "adopted"), ended.stderr
    assert ended.document["proof"]["equal"] is True
    assert text in ended.verdict


def last_entry(shop: Project) -> tuple[str, ...]:
    columns = "event, outcome, revision, message"
    return tuple(execute(shop, f"SELECT {columns} FROM schemaflow_history ORDER BY id DESC")[0])


on_sqlite = pytest.mark.parametrize("any_database", ["sqlite"], indirect=True)
"""For what is the same on each engine."""


def test_rows_that_are_wrong(shop: Project) -> None:
    """The equal revision takes the place of an unknown row, and of one that is newer than a restored dump."""
    says(shop, "lost")
    refused(shop.adopt(), "the version table says lost", "Its structure is that of revision first:")

    stamped(shop.adopt("--restamp"), "Stamped first in place of lost:")

    assert versions(shop) == ["first"]
    assert last_entry(shop) == ("stamped", "done", "first", "The version table said lost before.")
    says(shop, "third")
    refused(shop.adopt(), "If it was restored from an older dump: `flask db-adopt --restamp`")
    stamped(shop.adopt("--restamp"), "Stamped first in place of third:")
    assert shop.safe_upgrade().code == 0
    assert versions(shop) == ["third"]
    assert "age" in columns(shop, "user")


@on_sqlite
def test_an_unknown_row_is_replaced_only_when_asked_and_once(shop: Project) -> None:
    """An upgrade names the way, a dry run writes nothing, and a second run has nothing to do."""
    says(shop, "lost")
    refused(shop.safe_upgrade(), "the version table says lost", "`flask db-adopt --restamp`")
    ended = shop.adopt("--restamp", "--dry-run")
    assert (ended.code, ended.document["outcome"]) == (0, "planned"), ended.stderr
    assert versions(shop) == ["lost"]
    stamped(shop.adopt("--restamp"), "Stamped first in place of lost:")
    file = Path(shop.environment["DATABASE"].removeprefix("sqlite:///"))
    before = file.read_bytes()

    again = shop.adopt("--restamp")

    assert (again.code, again.document["outcome"]) == (0, "already-adopted"), again.stderr
    assert file.read_bytes() == before


@on_sqlite
def test_rows_that_exclude_one_another(shop: Project) -> None:
    """Nobody guesses which row is right: the one is named that is proved, and stamped when a person says it."""
    says(shop, "first", "second")
    refused(shop.adopt(), "several rows (first, second)", "`flask db-adopt --restamp REV`")
    refused(shop.adopt("--restamp"), "several rows (first, second)", "`flask db-adopt --restamp first`")

    stamped(shop.adopt("--restamp", "first"), "Stamped first in place of first, second:")

    assert versions(shop) == ["first"]


def test_what_the_structure_cannot_tell_a_person_says(shop: Project) -> None:
    """Of revisions that only move rows the named one is stamped, also below the row; a wrong one is not."""
    assert shop.safe_upgrade().code == 0
    execute(shop, "DELETE FROM alembic_version")
    for ended in (shop.safe_upgrade(), shop.adopt("--restamp")):
        refused(ended, "second, third", "`flask db-adopt --restamp REV`")
        assert [each["subject"] for each in ended.findings("candidate-revision")] == ["second", "third"]
        assert versions(shop) == []
    wrong = shop.adopt("--restamp", "first")
    refused(wrong, "The structure is not that of revision first; it differs in 1 way.")
    assert [each["subject"] for each in wrong.findings("extra-column")] == ["user.age"]
    assert shop.adopt("--restamp", "nowhere").code == 2

    stamped(shop.adopt("--restamp", "third"), "Stamped third: ")
    stamped(shop.adopt("--restamp", "sec"), "Stamped second in place of third:")

    assert versions(shop) == ["second"]
    assert shop.adopt("--restamp").document["outcome"] == "already-adopted"


def test_a_lost_folder(shop: Project) -> None:
    """What is there becomes the baseline; the old row goes to the history, and may belong to another app."""
    execute(shop, "CREATE TABLE jobs (id INTEGER)")
    shutil.rmtree(shop.path / "migrations")
    refused(shop.adopt(), "tables of others (jobs)", "`flask db-adopt --restamp` writes a baseline")

    ended = shop.adopt("--restamp", "--rev-id", "again")

    assert ended.code == 0, ended.stderr
    (finding,) = ended.findings("version-row-of-others")
    assert "The row first in alembic_version" in finding["message"]
    assert versions(shop) == ["again"]
    assert last_entry(shop) == ("stamped", "done", "again", "The version table said first before.")


def test_a_folder_that_was_made_again(small: Project) -> None:
    """With other ids in it, the history knows the row and the code does not: a person says which one it is."""
    shutil.rmtree(small.path / "migrations")
    assert small.adopt("--restamp", "first").code == 3
    assert small.adopt("--restamp", "--rev-id", "again").code == 0
    (file,) = (small.path / "migrations" / "versions").glob("*.py")
    file.write_text(file.read_text().replace("again", "anew"))
    ahead = small.adopt()
    assert (ahead.code, ahead.document["outcome"]) == (0, "ahead")
    assert "If its file is lost: `flask db-adopt --restamp`" in ahead.verdict
    refused(small.adopt("--restamp"), "is at revision again", "`flask db-adopt --restamp anew`")

    stamped(small.adopt("--restamp", "anew"), "Stamped anew in place of again:")


def test_a_folder_that_was_made_again_on_the_live_database(small: Project) -> None:
    """Empty revisions, as autogenerate writes them there, are told from a database that drifted."""
    for file in (small.path / "migrations" / "versions").glob("*.py"):
        file.unlink()
    add(small, "empty", "", "pass")
    (file,) = (small.path / "migrations" / "versions").glob("*.py")
    file.write_text(file.read_text().replace('down_revision = ""', "down_revision = None"))

    ended = small.adopt("--restamp")

    refused(ended, "The revisions make nothing at all", "run `flask db-adopt --restamp`")
    file.unlink()
    stamped(small.adopt("--restamp"), "the baseline rebuilds exactly what is there")


# -- branches --------------------------------------------------------------------------------------


def branched(shop: Project) -> None:
    """Write two revisions after the first one."""
    add(shop, "left", "first", ADD_AGE)
    add(shop, "right", "first", ADD_SIZE)


def join(shop: Project, body: str) -> None:
    add(shop, "joined", "", body)
    file = shop.path / "migrations" / "versions" / "joined.py"
    file.write_text(file.read_text().replace('down_revision = ""', 'down_revision = ("left", "right")'))


def test_a_database_on_one_of_two_branches(small: Project) -> None:
    """Two heads are refused; once they are joined, each branch is found, and both before the join."""
    branched(small)
    says(small)
    refused(small.adopt("--restamp"), "flask db merge left right")
    join(small, "pass")
    for statements, found in (
        ("ALTER TABLE orders ADD COLUMN size INTEGER", "right"),
        ("ALTER TABLE user ADD COLUMN age INTEGER", "joined"),
    ):
        execute(small, statements, "DELETE FROM alembic_version")
        assert small.adopt().code == 0
        assert versions(small) == [found]


def test_a_join_that_moves_rows_is_not_guessed(small: Project) -> None:
    """Both branches before they are joined have the structure of the join."""
    branched(small)
    assert small.safe_upgrade("left").code == 3
    join(small, MOVE_ROWS)
    assert small.safe_upgrade().code == 0
    says(small)

    ended = small.adopt("--restamp")

    refused(ended, "left and right, joined")
    stamped(small.adopt("--restamp", "joined"), "Stamped joined: ")


def test_both_branches_and_not_their_join(small: Project) -> None:
    """A database before a join that changes the structure has two rows, which is said."""
    branched(small)
    join(small, "op.create_index('ix_age', 'user', ['age'])")
    execute(
        small,
        "ALTER TABLE orders ADD COLUMN size INTEGER",
        "ALTER TABLE user ADD COLUMN age INTEGER",
        "DELETE FROM alembic_version",
    )

    refused(
        small.adopt(), "that of left and right together", "`flask db stamp left` and `flask db stamp right`"
    )


# -- the search ------------------------------------------------------------------------------------


def test_a_revision_that_fails_ends_the_search(small: Project) -> None:
    """It is named, with the way round it: one revision that a person names needs no search."""
    add(small, "second", "first", ADD_AGE)
    add(small, "broken", "second", "op.execute('nonsense')")
    says(small, "lost")

    ended = small.adopt("--restamp")

    refused(ended, "revision broken failed", "The search for the revision ended there.")
    stamped(small.adopt("--restamp", "first"), "Stamped first in place of lost:")


def test_the_search_ends_in_time(small: Project) -> None:
    """When its time is over nothing is stamped."""
    add(small, "second", "first", ADD_AGE)
    says(small, "lost")

    refused(small.adopt("--restamp", "--search-time", "0"), "Give it more seconds with --search-time")

    assert versions(small) == ["lost"]


# -- failures that stand open ----------------------------------------------------------------------


def test_a_failure_is_closed_by_the_proof(shop: Project) -> None:
    """What a run left unverified or broken is mended by hand; --restamp proves it, and the next run goes on."""
    assert shop.safe_upgrade("second").code == 0
    execute(
        shop,
        "UPDATE schemaflow_history SET outcome = 'broken'",
        f"ALTER TABLE {quoted(shop)} ADD COLUMN part INTEGER",
    )
    assert shop.safe_upgrade().code == 6
    refused(shop.adopt("--restamp"), "it differs in 1 way")
    execute(shop, f"ALTER TABLE {quoted(shop)} DROP COLUMN part")

    ended = shop.adopt("--restamp")

    assert (ended.code, ended.document["outcome"]) == (0, "already-adopted"), ended.stderr
    assert "The failure of" in ended.verdict
    assert last_entry(shop)[:3] == ("verified", "done", "second")
    assert shop.safe_upgrade().document["outcome"] == "upgraded"


def test_parts_of_a_revision_are_not_guessed(project: Project, mariadb: str) -> None:
    """Rows that a broken revision changed are in no structure: a person says that they are mended."""
    shop = shop_at(project, mariadb)
    add(shop, "second", "first", ADD_AGE, MOVE_ROWS, FAIL)
    add(shop, "third", "second", ADD_SIZE)
    assert shop.safe_upgrade().code == 6
    refused(shop.adopt("--restamp"), "parts of revision second are in", "--restamp second")

    stamped(shop.adopt("--restamp", "second"), "Stamped second in place of first:")

    ended = shop.safe_upgrade()
    assert (ended.code, versions(shop)) == (0, ["third"]), ended.stderr
    assert execute(shop, "SELECT count(*) FROM orders WHERE note = 'moved'") == [(1,)]


# -- what no revision can say ----------------------------------------------------------------------


def test_a_table_that_no_revision_makes(small: Project) -> None:
    """A table of the models that create_all() made is named as such, and so are revisions that need one."""
    file = small.path / "app.py"
    file.write_text(
        f"{file.read_text()}\n\nclass Tag(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n"
    )
    execute(small, "CREATE TABLE tag (id INTEGER NOT NULL, PRIMARY KEY (id))")
    refused(small.adopt("--restamp"), "--accept extra-table:tag. No revision creates tag by name")
    passed = small.adopt("--restamp", "--accept", "extra-table:tag")
    assert passed.code == 0, passed.stderr
    assert "of revision first, but for 1 accepted difference." in passed.verdict

    written = small.flask("db-diff", "--from", "head", "--to", "database", "--format", "python")
    assert written.code == 0, written.stderr
    (small.path / "migrations" / "versions" / "tag.py").write_text(written.stdout)
    stamped(small.adopt("--restamp"), "in place of first:")

    says(small)
    shutil.rmtree(small.path / "migrations" / "versions")
    add(small, "second", "", ADD_AGE)
    (second,) = (small.path / "migrations" / "versions").iterdir()
    second.write_text(second.read_text().replace('down_revision = ""', "down_revision = None"))

    ended = small.adopt()

    refused(
        ended, "revision second failed", "No revision creates orders, tag, user by name", "db-adopt --restamp"
    )


def test_a_database_of_others(small: Project) -> None:
    """With none of our tables no row is replaced: it is the wrong database, or an empty one."""
    execute(small, "DROP TABLE orders", "DROP TABLE user", "CREATE TABLE jobs (id INTEGER)")
    for row, text in (("lost", "has none of this app's tables"), ("first", "none of the tables is there")):
        says(small, row)
        refused(small.adopt("--restamp"), text, "Is it the right database?")
        assert versions(small) == [row]
    execute(small, "DROP TABLE jobs", "DROP TABLE alembic_version")
    assert small.adopt("--restamp").document["outcome"] == "nothing-to-do"
    refused(small.adopt("--restamp", "first"), "There is no table yet.")


def two_databases(project: Project) -> tuple[Path, Path]:
    """Make an app with two databases, adopted, and give their files."""
    project.copy("discovery/binds")
    project.app = "shop"
    project.create_all("shop.models")
    assert project.adopt("--rev-id", "first").code == 0
    audit, default = project.databases()
    return audit, default


def in_file(file: Path, *statements: str) -> None:
    connection = sqlite3.connect(file)
    with connection:
        for each in statements:
            connection.execute(each)
    connection.close()


def test_one_of_two_databases(project: Project) -> None:
    """The one whose row is right keeps it."""
    audit, default = two_databases(project)
    in_file(audit, "UPDATE alembic_version SET version_num = 'lost'")
    before = default.read_bytes()

    stamped(project.adopt("--restamp"), "Stamped first in place of lost:")

    assert versions_of(audit) == versions_of(default) == ["first"]
    assert default.read_bytes() == before


def test_two_databases_at_different_revisions(project: Project) -> None:
    """Where one revision is not that of both, each is found by itself; what does nothing there is passed over."""
    audit, default = two_databases(project)
    (first,) = (project.path / "migrations" / "versions").glob("*.py")
    head = first.read_text().partition("\ndef upgrade_")[0]
    table = contents_of(default)[0][0].split()[2].strip('"')
    added = f"op.add_column('{table}', sa.Column('size', sa.Integer()))"
    bodies = {
        "second": ("pass", "op.add_column('event', sa.Column('size', sa.Integer()))"),
        "third": (added, "pass"),
        "fourth": ("pass", f"op.execute('DELETE FROM event WHERE id = {0}')"),
    }
    parent = "first"
    for name, (on_default, on_audit) in bodies.items():
        text = re.sub(r"^down_revision.*", f"down_revision = '{parent}'", head, flags=re.MULTILINE)
        text = re.sub(r"^revision.*", f"revision = '{name}'", text, flags=re.MULTILINE)
        functions = f"def upgrade_():\n    {on_default}\n\n\ndef upgrade_audit():\n    {on_audit}\n"
        project.write(f"migrations/versions/{name}.py", f"{text}\n{functions}")
        parent = name
    in_file(default, f'ALTER TABLE "{table}" ADD COLUMN size INTEGER', "DELETE FROM alembic_version")
    in_file(audit, "UPDATE alembic_version SET version_num = 'lost'")

    stamped(project.adopt("--restamp"), "Stamped fourth, first in place of lost:")

    assert (versions_of(default), versions_of(audit)) == (["fourth"], ["first"])
    assert project.safe_upgrade().code == 0
    assert versions_of(audit) == versions_of(default) == ["fourth"]


def test_an_id_that_the_version_table_cannot_hold(project: Project, postgresql: str) -> None:
    """It is refused with the statement that makes room, before anything is written."""
    shop = shop_at(project, postgresql)
    name = "a_name_that_says_what_this_revision_does"
    add(shop, name, "first", ADD_AGE)
    execute(shop, 'ALTER TABLE "user" ADD COLUMN age INTEGER')
    says(shop, "lost")

    refused(shop.adopt("--restamp"), "ALTER COLUMN version_num TYPE VARCHAR(40)")

    assert versions(shop) == ["lost"]


def test_somebody_else_is_quicker(small: Project) -> None:
    """What changed between the search and the stamp is seen under the lock."""
    says(small, "lost")
    (stored,) = (small.path / "migrations" / "snapshots").iterdir()
    stored.unlink()
    file = small.environment["DATABASE"].removeprefix("sqlite:///")
    change = "UPDATE alembic_version SET version_num = 'other'"
    program = f"import sqlite3; sqlite3.connect({file!r}).execute({change!r}).connection.commit()"
    put_first(
        small.path / "migrations" / "env.py",
        f"import subprocess\nimport sys\nsubprocess.run([sys.executable, '-c', {program!r}], check=True)",
    )

    ended = small.adopt("--restamp")

    assert ended.code == 4, ended.stderr
    assert "was changed by somebody else meanwhile. Nothing was written" in ended.verdict
    assert versions(small) == ["other"]
