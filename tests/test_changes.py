"""Changes of models that are written, run, taken back and run again, each on every engine."""

from __future__ import annotations

import re

from alembic.operations import ops
from anyshop import Shop
from projects import Project
from test_comparison import adopted_with, migrate, say

from flask_schemaflow.autogenerate.false_alarms import leave_out_false_alarms

PLAIN = """
class Item(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(50), server_default="old")
    price = db.Column(db.Integer, index=True)
    other_id = db.Column(db.ForeignKey("item.id", name="leads"))
"""


def changed_there_and_back(shop: Shop, models: str) -> str:
    """Write the revision of other models, and run it, back and again; give what was said."""
    flask = shop.project.flask
    say(shop, models)
    ended, text = migrate(shop)
    assert (ended.code, bool(text)) == (0, True), ended.stderr
    for arguments in (
        ("db", "upgrade"),
        ("db", "check"),
        ("db", "downgrade"),
        ("db-diff", "--check", "--to", "first"),
        ("db", "upgrade"),
        ("db-diff", "--check", "--from", "database", "--to", "models"),
    ):
        done = flask(*arguments)
        assert done.code == 0, f"{arguments} {done.stdout}{done.stderr}\n{text}"
    again, text = migrate(shop)
    assert (again.code, text) == (0, ""), again.stderr
    return ended.stderr


def test_a_foreign_key_with_another_name(project: Project, any_database: str) -> None:
    """The index that MariaDB has made for the old one is no longer there to be dropped."""
    shop = adopted_with(project, any_database, PLAIN)
    shop.execute("INSERT INTO item (id, other_id) VALUES (1, 1)")

    said = changed_there_and_back(shop, PLAIN.replace('"leads"', '"led_by", ondelete="CASCADE"'))

    assert "was not stored" not in said
    assert shop.execute("SELECT id, other_id FROM item") == [(1, 1)]


def test_text_that_becomes_an_enum(project: Project, any_database: str) -> None:
    """Its type is new on PostgreSQL, and text is read as it all the same, the default too."""
    shop = adopted_with(project, any_database, PLAIN)
    shop.execute("INSERT INTO item (id, name) VALUES (1, 'new')")

    said = changed_there_and_back(shop, PLAIN.replace("db.String(50)", 'db.Enum("old", "new", name="age")'))

    assert "No conversion" not in said
    assert shop.execute("SELECT id, name FROM item") == [(1, "new")]


def test_a_column_that_becomes_computed(project: Project, any_database: str) -> None:
    """Its values are lost, which is said; it is done all the same, with its index."""
    shop = adopted_with(project, any_database, PLAIN)
    shop.execute("INSERT INTO item (id, other_id, price) VALUES (1, 1, 7)")

    said = changed_there_and_back(
        shop,
        PLAIN.replace("db.Integer, index", 'db.Integer, db.Computed("other_id + 1", persisted=True), index'),
    )

    assert "item.price is to be computed, so the revision loses the values it has now." in said
    assert shop.execute("SELECT price FROM item") == [(2,)]


def test_an_index_that_alembic_takes_for_another(project: Project, any_database: str) -> None:
    """Where the catalogs say that it is the models', no revision is written for it, again and again."""
    order = '    __table_args__ = (db.Index("newest", db.text("name DESC")),)\n'
    shop = adopted_with(project, any_database, PLAIN + order)

    for arguments in (("migrate",), ("check",), ("revision", "--autogenerate")):
        ended, text = migrate(shop, *arguments)
        assert (ended.code, text) == (0, ""), ended.stderr

    changed_there_and_back(shop, PLAIN + order.replace(" DESC", ""))


OTHER_NAME = PLAIN.replace(
    "name = db.Column(db.String(50),", "title = db.Column(db.String(50), nullable=False,"
)
NAMED = OTHER_NAME.replace("title", "name")


def as_the_comments_say(text: str, old: str, new: str) -> str:
    """Write what the comments say, and nothing where a column is added or dropped."""
    if "the unique constraint on it follows by itself" in text:
        text = re.sub(rf"\w+\.(create_unique|drop)_constraint\(.*{new}_key'.*", "pass", text)
    written = re.sub(r"^( +)# (?=with op\.batch|    batch_op)", r"\1", text, flags=re.MULTILINE)
    return re.sub(rf"\w+\.(add|drop)_column\(.*'({old}|{new})'.*", "pass", written)


def test_a_column_with_another_name(project: Project, any_database: str) -> None:
    """As the comments say, on both ways: it keeps its values, its default, and that it has to have one."""
    shop = adopted_with(project, any_database, NAMED)
    shop.execute("INSERT INTO item (id, name) VALUES (1, 'lamp')")
    say(shop, OTHER_NAME)
    ended, _ = migrate(shop)
    assert "item.name is dropped, and item.title of the same type added." in ended.stderr
    (file,) = (
        each for each in (project.path / "migrations/versions").glob("*.py") if "first" not in each.name
    )
    file.write_text(as_the_comments_say(file.read_text(), "name", "title"))

    for arguments in (
        ("db", "upgrade"),
        ("db", "check"),
        ("db", "downgrade"),
        ("db-diff", "--check", "--to", "first"),
        ("db", "upgrade"),
        ("db-diff", "--check", "--from", "database", "--to", "models"),
    ):
        done = project.flask(*arguments)
        assert done.code == 0, f"{arguments} {done.stdout}{done.stderr}\n{file.read_text()}"
    assert shop.execute("SELECT id, title FROM item") == [(1, "lamp")]


def test_a_table_with_another_name(project: Project, any_database: str) -> None:
    """The comments rename its indexes too, so that nothing is left to be done."""
    shop = adopted_with(project, any_database, PLAIN)
    shop.execute("INSERT INTO item (id, other_id) VALUES (1, 1)")
    say(shop, PLAIN.replace("class Item", "class Thing").replace('"item.id"', '"thing.id"'))
    ended, _ = migrate(shop)
    assert ended.code == 0, ended.stderr
    (file,) = (
        each for each in (project.path / "migrations/versions").glob("*.py") if "first" not in each.name
    )
    head, *bodies = re.split(r"(?=^def )", file.read_text(), flags=re.MULTILINE)
    wanted = (re.findall(r"^    # (op\..*)$", body, re.MULTILINE) for body in bodies)
    functions = (
        f"{body.splitlines()[0]}\n    " + "\n    ".join(lines)
        for body, lines in zip(bodies, wanted, strict=True)
    )
    file.write_text(head + "\n\n\n".join(functions) + "\n")

    for arguments in (
        ("db", "upgrade"),
        ("db", "check"),
        ("db", "downgrade"),
        ("db-diff", "--check", "--to", "first"),
    ):
        done = project.flask(*arguments)
        assert done.code == 0, f"{arguments} {done.stdout}{done.stderr}\n{file.read_text()}"
    assert shop.execute("SELECT id, other_id FROM item") == [(1, 1)]


def test_a_key_that_counts_with_another_name(project: Project, mariadb: str) -> None:
    """The comments let it go on counting, which MariaDB forgets where it is not said again."""
    shop = adopted_with(project, mariadb, PLAIN.split("    other_id")[0])
    say(shop, PLAIN.split("    other_id")[0].replace("    id =", "    number ="))

    _, text = migrate(shop)

    assert text.count("existing_autoincrement=True)") == 2


class Remark(ops.MigrateOperation):
    """An operation of somebody's addition to Alembic."""


def test_what_additions_to_alembic_see_stays() -> None:
    """Of Alembic's own operations those on a table are left out that is as the models make it."""
    index = ops.CreateIndexOp("ix_item", "item", ["price"])
    upgrade = ops.UpgradeOps([ops.ModifyTableOps("item", [remark := Remark(), index])])

    leave_out_false_alarms(upgrade, [(None, "item")], [])

    assert [each.ops for each in upgrade.ops] == [[remark]]
