"""``flask db-safe-upgrade heads`` and ``label@head``, where the revisions have several heads."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from anyshop import APP, Shop, adopted_shop
from projects import Project, versions_of

ONLY_WITH_ROWS = "op.get_bind().execute(sa.text('SELECT count(*) FROM item')).scalar() and "
BILL = "op.create_table('bill', sa.Column('id', sa.Integer, primary_key=True))"
BILL_SUM = "op.add_column('bill', sa.Column('total', sa.Integer))"
ITEM_SIZE = "op.add_column('item', sa.Column('size', sa.Integer))"


def add(shop: Shop, name: str, parent: object, body: str = "pass", **also: str) -> Path:
    """Write a revision, with ``branch_labels`` or ``depends_on``."""
    lines = "".join(f"{key} = {value!r}\n" for key, value in also.items())
    return shop.project.write(
        f"migrations/versions/{name}.py",
        f'"""{name}"""\nimport sqlalchemy as sa\nfrom alembic import op\n\nrevision = {name!r}\n'
        f"down_revision = {parent!r}\n{lines}\n\ndef upgrade():\n    {body}\n\n\ndef downgrade():\n    pass\n",
    )


@pytest.fixture
def shop(project: Project, any_database: str) -> Shop:
    """Give an adopted shop with a branch of its own for bills, and another revision of its own."""
    shop = adopted_shop(project, any_database)
    add(shop, "size", "first", ITEM_SIZE)
    add(shop, "bill", None, BILL, branch_labels="billing")
    add(shop, "total", "bill", BILL_SUM)
    return shop


def rows(shop: Shop) -> list[str]:
    return sorted(shop.versions())


def columns(shop: Shop, table: str) -> set[str]:
    engine = sa.create_engine(shop.url)
    found = {each["name"] for each in sa.inspect(engine).get_columns(table)}
    engine.dispose()
    return found


def test_heads_brings_a_database_to_all_of_them(shop: Shop) -> None:
    """Every branch runs, verified and recorded; there is a row for each, and then nothing to do."""
    ended = shop.upgrade("heads")

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded"), ended.stderr
    (told,) = ended.document["databases"]
    assert (told["state_before"], told["state_after"], told["verified"]) == ("behind", "current", True)
    assert (told["revision_before"], told["revision_after"]) == ("first", "size, total")
    assert sorted(told["applied"]) == ["bill", "size", "total"]
    assert [each["revision"] for each in ended.document["plan"]] == told["applied"]
    assert ended.verdict == "Upgraded to size, total, 3 revisions."
    assert rows(shop) == ["size", "total"]
    assert (columns(shop, "item"), columns(shop, "bill")) == ({"id", "name", "size"}, {"id", "total"})
    applied = [(revision, outcome) for _, revision, outcome in shop.history("event", "revision", "outcome")]
    assert applied[1:] == [(each, "done") for each in told["applied"]]

    again = shop.upgrade("heads")

    assert (again.code, again.document["outcome"]) == (0, "nothing-to-do"), again.stderr
    assert again.verdict == "Nothing to do: at size, total already."
    status = shop.project.flask("db-status", "--check")
    assert (status.code, status.verdict) == (0, "Current: at size, total.")


def test_a_label_brings_a_database_to_the_head_of_its_branch(shop: Shop) -> None:
    """Only that branch runs; the row of the other one stays, and heads goes on from there."""
    ended = shop.upgrade("billing@head")

    assert (ended.code, ended.verdict) == (0, "Upgraded to first, total, 2 revisions."), ended.stderr
    (told,) = ended.document["databases"]
    assert (told["state_after"], told["verified"]) == ("behind", True)
    assert rows(shop) == ["first", "total"]
    again = shop.upgrade("billing@head")
    assert (again.code, again.document["outcome"]) == (0, "nothing-to-do"), again.stderr
    assert shop.project.flask("db-status", "--check").code == 3

    assert shop.upgrade("heads").verdict == "Upgraded to size, total, 1 revision."
    assert rows(shop) == ["size", "total"]


def test_without_a_word_of_branches_it_is_refused(shop: Shop) -> None:
    """Before and after heads, the run that names no branch is sent to the merge command."""
    for _ in range(2):
        for said in ((), ("head",), ("total",), ("+1",)):
            ended = shop.upgrade(*said)
            assert ended.code == 3, ended.stderr
            assert "flask db merge size total" in ended.verdict
        assert shop.upgrade("heads").code == 0


def test_a_dry_run_changes_nothing(shop: Shop) -> None:
    """It tells of all branches, with their statements."""
    ended = shop.upgrade("heads", "--dry-run")

    assert (ended.code, ended.document["outcome"]) == (0, "planned"), ended.stderr
    assert {each["revision"] for each in ended.document["plan"]} == {"size", "bill", "total"}
    assert all(each["statements"] for each in ended.document["plan"])
    assert (rows(shop), "bill" in shop.tables()) == (["first"], False)


def test_a_merge_that_comes_later_joins_the_rows(shop: Shop) -> None:
    """From both rows it goes on to one, without a word of branches."""
    assert shop.upgrade("heads").code == 0
    add(shop, "joined", ("size", "total"), "op.add_column('item', sa.Column('bill', sa.Integer))")

    ended = shop.upgrade()

    assert (ended.code, ended.verdict) == (0, "Upgraded to joined, 1 revision."), ended.stderr
    assert ended.document["databases"][0]["revision_before"] == "size, total"
    assert rows(shop) == ["joined"]


def test_stored_snapshots_are_of_one_branch_each(shop: Shop) -> None:
    """What a revision leaves beside another branch is not what is stored of it, and yet is verified."""
    add(shop, "joined", ("size", "total"))
    assert shop.project.flask("db-snapshot").code == 0

    ended = shop.upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded"), ended.stderr
    assert rows(shop) == ["joined"]


def test_the_second_branch_fails(shop: Shop) -> None:
    """What is in is told and recorded, and the mended branch goes on from there."""
    broken = add(shop, "late", "total", f"{ONLY_WITH_ROWS}op.execute('nonsense')")
    add(shop, "labelled", "first", branch_labels="other")

    ended = shop.upgrade("heads")

    assert ended.code == 5, ended.stderr
    (told,) = ended.document["databases"]
    at = {"sqlite": ["first"]}.get(shop.family) or rows(shop)
    assert rows(shop) == at
    assert (told["revision_after"], told["state_after"]) == (", ".join(at), "behind")
    assert ended.verdict.endswith(f"the database is at {', '.join(at)}.")
    assert told["applied"] == [each for (each,) in shop.history("revision")[1:-1]]
    assert shop.history("event", "outcome", "revision")[-1] == ("failed", "undone", ", ".join(at))
    broken.write_text(broken.read_text().replace("op.execute('nonsense')", "None"))

    mended = shop.upgrade("heads")

    assert mended.code == 0, mended.stderr
    assert rows(shop) == ["labelled", "late", "size"]


def test_a_branch_that_does_not_make_what_it_says(shop: Shop) -> None:
    """The revision of a second branch is verified beside what the first one made."""
    body = f"{ONLY_WITH_ROWS}op.add_column('bill', sa.Column('only_with_rows', sa.Integer))"
    add(shop, "late", "total", body)

    ended = shop.upgrade("heads")

    assert ended.code == {"mariadb": 7}.get(shop.family, 5), ended.stderr
    assert "extra-column" in {each["code"] for each in ended.document["findings"]}


def test_a_branch_that_depends_on_another_takes_its_row(shop: Shop) -> None:
    """There is the row that Alembic leaves, and the database is current everywhere."""
    add(shop, "needs", None, "op.execute('SELECT 1')", depends_on="size", branch_labels="needing")

    ended = shop.upgrade("needing@head")

    assert ended.code == 0, ended.stderr
    assert rows(shop) == ["needs"]
    assert shop.upgrade("heads").verdict == "Upgraded to needs, total, 2 revisions."
    assert rows(shop) == ["needs", "total"]
    assert shop.upgrade("heads").document["outcome"] == "nothing-to-do"
    assert shop.project.flask("db-status", "--check").code == 0
    assert shop.project.flask("db", "upgrade", "heads").code == 0
    assert rows(shop) == ["needs", "total"]


def test_a_dangerous_revision_of_any_branch_stops(shop: Shop) -> None:
    """Hazards are found on every branch; accepted, they run, after a backup of what they destroy."""
    add(shop, "poorer", "size", "op.drop_column('item', 'name')")

    ended = shop.upgrade("heads")

    assert (ended.code, rows(shop)) == (3, ["first"]), ended.stderr
    assert [each["subject"] for each in ended.findings("drop-column")] == ["item.name"]
    accepted = shop.upgrade("heads", "--accept", "drop-column:item.name")
    assert accepted.code == 0, accepted.stderr
    assert rows(shop) == ["poorer", "total"]
    assert len(accepted.document["backups"]) == 1


def test_replicas_at_once(shop: Shop) -> None:
    """One of them upgrades; the others find nothing to do."""
    ended = shop.replicas(3, "heads")

    assert [code for code, _ in ended] == [0, 0, 0], ended
    assert rows(shop) == ["size", "total"]
    assert [revision for (revision,) in shop.history("revision")].count("total") == 1


def test_a_new_database(project: Project, any_database: str) -> None:
    """From nothing to all heads."""
    shop = adopted_shop(project, any_database)
    add(shop, "bill", None, BILL, branch_labels="billing")
    shop.execute(*(f"DROP TABLE {name}" for name in shop.tables()))

    ended = shop.upgrade("heads")

    assert (ended.code, rows(shop)) == (0, ["bill", "first"]), ended.stderr
    assert ended.document["databases"][0]["state_before"] == "empty"


def test_an_unmanaged_database(shop: Shop) -> None:
    """At one revision of one branch it is stamped by proof; what two branches make together is said.

    The commands that are named then do it.
    """
    shop.execute("DROP TABLE alembic_version")

    ended = shop.upgrade("heads")

    assert ended.code == 0, ended.stderr
    assert ended.verdict == "Adopted at first by proof; upgraded to size, total, 3 revisions."
    shop.execute("DROP TABLE alembic_version")
    ended = shop.upgrade("heads")
    assert ended.code == 3, ended.stderr
    assert "Say so with `flask db stamp size` and `flask db stamp total`." in ended.verdict
    for revision in ("size", "total"):
        assert shop.project.flask("db", "stamp", revision).code == 0
    assert shop.upgrade("heads").verdict == "Nothing to do: at size, total already."


@pytest.mark.parametrize(
    ("said", "code", "says"),
    [
        ("shipping@head", 2, "There is no branch label 'shipping': there are billing."),
        ("billing@base", 2, "billing@base: say billing@head, or the revision."),
        ("forked@head", 3, "flask db merge left right"),
    ],
)
def test_a_branch_that_is_not_clear(shop: Shop, said: str, code: int, says: str) -> None:
    """No such label, another place than the head, or a branch with two heads of its own."""
    if said == "forked@head":
        add(shop, "fork", None, branch_labels="forked")
        add(shop, "left", "fork")
        add(shop, "right", "fork")

    ended = shop.upgrade(said)

    assert (ended.code, rows(shop)) == (code, ["first"]), ended.stderr
    assert says in ended.verdict


@pytest.mark.parametrize("by_hand", [False, True])
def test_parts_of_a_revision_of_the_second_branch(project: Project, mariadb: str, *, by_hand: bool) -> None:
    """What is in is known beside the other branch's tables; both ways on that are named lead on."""
    shop = adopted_shop(project, mariadb)
    add(shop, "size", "first", ITEM_SIZE)
    late = add(shop, "then", "first", f"{BILL}; {BILL_SUM}; {ONLY_WITH_ROWS}op.execute('nonsense')")

    ended = shop.upgrade("heads")

    assert (ended.code, rows(shop)) == (6, ["size"]), ended.stderr
    assert "is at size, and parts of revision then are in" in ended.verdict
    assert "`flask db-safe-upgrade heads --resume` goes on with it" in ended.verdict
    assert "`flask db stamp then` and `flask db-safe-upgrade heads`, which proves it" in ended.verdict
    assert (shop.upgrade("heads").code, shop.upgrade().code) == (6, 6)
    late.write_text(late.read_text().replace("op.execute('nonsense')", "None"))

    if by_hand:
        assert shop.project.flask("db", "stamp", "then").code == 0

    ended = shop.upgrade("heads", *(() if by_hand else ("--resume",)))

    assert ended.code == 0, ended.stderr
    assert (rows(shop), columns(shop, "bill")) == (["size", "then"], {"id", "total"})


def test_a_history_with_a_join_needs_no_scratch_database(shop: Shop) -> None:
    """What is stored is enough where a revision cannot run on scratch any more, which has no rows."""
    body = f"{ONLY_WITH_ROWS}1 or 'BROKEN' not in __import__('os').environ or op.execute('nonsense')"
    add(shop, "joined", ("size", "total"), body)
    assert shop.project.flask("db-snapshot").code == 0

    ended = shop.upgrade(BROKEN="1")

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded"), ended.stderr
    assert rows(shop) == ["joined"]


BINDS = """
app.config["SQLALCHEMY_BINDS"] = {"logs": "sqlite:///logs.db"}
"""
OF_EACH = """import sqlalchemy as sa
from alembic import op

revision = {name!r}
down_revision = None
branch_labels = "{name}ward"


def upgrade(engine_name):
    globals()["upgrade_%s" % engine_name]()


def upgrade_():
    op.create_table({name!r}, sa.Column("id", sa.Integer, primary_key=True))


def upgrade_logs():
    op.create_table({name!r} + "_log", sa.Column("id", sa.Integer, primary_key=True))
"""


def test_several_databases(project: Project) -> None:
    """Each goes on from the rows that it has, and has one for each head in the end."""
    app = APP.replace('os.environ["DATABASE"]', '"sqlite:///shop.db"')
    project.write(
        "app.py", app.replace("    db = SQLAlchemy(app)", f"    {BINDS.strip()}\n    db = SQLAlchemy(app)")
    )
    assert project.flask("db", "init", "--multidb").code == 0
    for name in ("left", "right"):
        project.write(f"migrations/versions/{name}.py", OF_EACH.format(name=name))
    assert project.safe_upgrade("leftward@head", "--create").code == 0
    with sqlite3.connect(project.path / "instance" / "logs.db") as connection:
        connection.execute("DELETE FROM alembic_version")
        connection.execute("DROP TABLE left_log")
    connection.close()

    ended = project.safe_upgrade("rightward@head")

    assert ended.code == 0, ended.stderr
    told = {each["bind"]: each["revision_after"] for each in ended.document["databases"]}
    assert told == {None: "left, right", "logs": "right"}
    ended = project.safe_upgrade("heads")
    assert (ended.code, ended.verdict) == (0, "Upgraded to left, right, 1 revision."), ended.stderr
    assert [sorted(versions_of(each)) for each in project.databases()] == [["left", "right"]] * 2
    assert project.safe_upgrade("heads").document["outcome"] == "nothing-to-do"
