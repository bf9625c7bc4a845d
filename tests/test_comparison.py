"""``flask db migrate``, ``check`` and ``revision --autogenerate`` where the extension is registered."""

from __future__ import annotations

import re
from pathlib import Path

from anyshop import Shop, adopted_shop, open_shop
from projects import Ended, Project

NOTE = """
    import sqlalchemy as sa

    from app import db


    class Loud(sa.TypeDecorator):
        impl = sa.String
        cache_ok = True

        def process_bind_param(self, value, dialect):
            return value and value.upper()


    class Note(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        text = db.Column(Loud(40), nullable=False)
        at = db.Column(db.DateTime, server_default=sa.func.now())
"""


def written(shop: Shop) -> dict[str, str]:
    """Give the revisions that are there."""
    folder = shop.project.path / "migrations" / "versions"
    return {file.name: file.read_text() for file in folder.glob("*.py")}


def migrate(shop: Shop, *arguments: str) -> tuple[Ended, str]:
    """Run it, and give the new revision too."""
    before = written(shop)
    ended = shop.project.flask("db", *(arguments or ("migrate",)))
    text = "".join(text for name, text in written(shop).items() if name not in before)
    return ended, re.sub(r"\(\s+", "(", text)


def test_what_is_compared(project: Project, any_database: str) -> None:
    """All models and no table of others; own types as what stores them; without any model it is refused."""
    shop = adopted_shop(project, any_database)
    shop.execute("CREATE TABLE others (id INT)")

    ended, text = migrate(shop)
    assert (ended.code, text) == (0, ""), ended.stderr
    assert (
        "Nothing to write: there is no difference between the database and the models' 1 table."
        in ended.stderr
    )

    project.write("notes.py", NOTE)
    ended, text = migrate(shop, "check")
    assert (ended.code, text) == (1, "")
    ended, text = migrate(shop)
    assert ended.code == 0, ended.stderr
    assert "Nothing imports notes when the app loads; it declares note." in ended.stderr
    assert "Nothing to write" not in ended.stderr
    assert project.flask("db-snapshot", "--check").code == 0, ended.stderr
    assert "create_table('note'" in text
    assert "sa.Column('text', sa.String(length=40), nullable=False)" in text
    assert "notes" not in text
    assert "op.drop_table" not in text.partition("def downgrade")[0]
    assert project.flask("db", "upgrade").code == 0
    assert project.flask("db", "check").code == 0

    app = project.path / "app.py"
    source = app.read_text()
    app.write_text(
        source.partition("class Item")[0]
        + "class Item(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n"
    )
    ended, text = migrate(shop, "revision", "--autogenerate")
    assert "drop_column('item', 'name')" in text.replace("batch_op.drop_column(", "drop_column('item', "), (
        text
    )
    assert "others" not in text

    for name in [
        each for each in written(shop) if "drop_column" in written(shop)[each].partition("def downgrade")[0]
    ]:
        (project.path / "migrations" / "versions" / name).unlink()
    (project.path / "notes.py").unlink()
    app.write_text(source.partition("class Item")[0])
    for arguments in (("migrate",), ("check",), ("revision", "--autogenerate")):
        ended, text = migrate(shop, *arguments)
        assert (ended.code, text) == (3, ""), ended.stderr
        assert "The app has no tables: loading it registered none" in ended.stderr
    assert project.flask("db", "current").code == 0
    assert {"item", "note", "others"} <= set(shop.tables())


def test_a_removed_model_is_still_dropped(project: Project, tmp_path: Path) -> None:
    """Its table is in the revisions, so it is ours."""
    shop = adopted_shop(project, f"sqlite:///{tmp_path}/shop.db")
    app = project.path / "app.py"
    app.write_text(app.read_text().replace("class Item", "class Thing"))

    _, text = migrate(shop)

    assert "op.drop_table('item')" in text
    assert "create_table('thing'" in text


def test_tables_of_create_all_and_no_revision(project: Project, tmp_path: Path) -> None:
    """The other cause of an empty comparison has its own advice, whatever the app calls the group."""
    shop = open_shop(project, f"sqlite:///{tmp_path}/shop.db")
    with (project.path / "app.py").open("a") as file:
        file.write("\nfrom flask_migrate import Migrate\n\nMigrate(app, db, command='database')\n")
    assert project.flask("database", "init").code == 0

    for command in ("migrate", "check"):
        ended = project.flask("database", command)

        assert (ended.code, written(shop)) == (0, {}), ended.stderr
        assert "There is no revision yet: `flask db-adopt` writes it" in ended.stderr


def test_no_empty_revision_after_another_command(project: Project, tmp_path: Path) -> None:
    """In one process: env.py leaves a function behind that looks at the first command."""
    shop = adopted_shop(project, f"sqlite:///{tmp_path}/shop.db")

    project.python(
        "import flask_migrate\nfrom app import app, db\nflask_migrate.Migrate(app, db)\n"
        "with app.app_context():\n    flask_migrate.upgrade()\n    flask_migrate.migrate()\n"
    )

    assert len(written(shop)) == 1


# -- what a revision has to say besides -------------------------------------------------------------

PEOPLE = """

class Team(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    lead_id = db.Column(db.ForeignKey("person.id"))
    cut = db.Column(db.String(10), server_default="100%")


class Person(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    team_id = db.Column(db.ForeignKey("team.id"))
    code = db.Column(db.String(10), unique=True)
    mood = db.Column(db.Enum("calm", "busy", name="mood"), server_default="calm")
"""
ITEM = """

class Item(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(50), nullable=False, unique=True)
    owner_id = db.Column(db.ForeignKey("person.id"))
    size = db.Column(db.String(10))
    price = db.Column(db.Integer, nullable=False, default=1)
    state = db.Column(db.Enum("new", "old", name="state"))
    __table_args__ = (db.CheckConstraint("price > 0", name="ck_price"),)
"""
ITEM_LATER = (
    ITEM.replace("price > 0", "price > 0 AND price < 1000")
    .replace('"person.id"', '"person.id", ondelete="CASCADE"')
    .replace('"new", "old"', '"new", "ill", "old"')
    .replace("size = db.Column(db.String(10))", "size = db.Column(db.Integer)")
)
PEOPLE_LATER = (
    PEOPLE.replace('"100%"', '"50%"').replace('"busy"', '"busy", "angry"').replace(", unique=True", "")
)
ITEM_AT_LAST = """

class Item(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(50), nullable=False, default="none")
    owner_id = db.Column(db.Integer)
"""
CHANGES = (ITEM + PEOPLE, ITEM_LATER + PEOPLE_LATER, ITEM_AT_LAST)
"""Tables that refer to each other, enums, defaults, checks, keys; then others of these; then none."""


def say(shop: Shop, models: str) -> None:
    """Give the app other models."""
    app = shop.project.path / "app.py"
    app.write_text(f"{app.read_text().partition('class Item')[0].rstrip()}\n{models}")


def adopted_with(project: Project, url: str, models: str) -> Shop:
    """Give the shop with other models, whose tables ``create_all`` has made, and adopted."""
    shop = open_shop(project, url)
    shop.execute("DROP TABLE item")
    say(shop, models)
    project.python("from app import app, db\nwith app.app_context():\n    db.create_all()\n")
    assert shop.adopt().code == 0
    return shop


def test_a_chain_of_changes(project: Project, any_database: str) -> None:
    """What autogenerate alone gets wrong is right, with rows in the tables, and the way back as well."""
    shop = adopted_shop(project, any_database)
    for models in CHANGES:
        say(shop, models)
        ended, text = migrate(shop)
        assert ended.code == 0, ended.stderr
        assert "On a scratch database" not in ended.stderr
        assert project.flask("db", "upgrade").code == 0, text
        if models is ITEM_AT_LAST:
            assert "item.name is dropped, and item.title of the same type added." in ended.stderr
            assert "new_column_name='title'" in text
    assert shop.execute("SELECT title FROM item") == [("none",), ("none",)]
    ended = project.flask("db", "check")
    assert ended.code == 0, ended.stderr

    # Rows of item had a name, which is gone for good.
    shop.execute("DELETE FROM item")
    assert project.flask("db", "downgrade", "first").code == 0
    ended = project.flask("db-diff", "--check", "--to", "first")
    assert ended.code == 0, ended.stdout
    assert project.flask("db", "upgrade").code == 0


def test_one_set_of_revisions_for_every_engine(
    project: Project, tmp_path: Path, postgresql: str, mariadb: str
) -> None:
    """Written on SQLite, where neither enums nor names of constraints are kept."""
    urls = (f"sqlite:///{tmp_path}/shop.db", postgresql, mariadb)
    shop = open_shop(project, urls[0])
    shop.execute("DROP TABLE item")
    project.environment["FLASK_SCHEMAFLOW_ENGINES"] = "sqlite,postgresql,mariadb"
    assert project.flask("db", "init").code == 0

    for number, models in enumerate(CHANGES):
        say(shop, models)
        project.environment["DATABASE"] = urls[0]
        ended, text = migrate(shop, "migrate", "--rev-id", f"step{number}")
        assert ended.code == 0, ended.stderr
        assert "On a scratch database" not in ended.stderr
        for url in urls:
            project.environment["DATABASE"] = url
            ended = project.flask("db", "upgrade")
            assert ended.code == 0, (text, ended.stderr)
            if number == 0:
                Shop(project, url).execute("INSERT INTO item (id, name, price) VALUES (1, 'one', 3)")

    project.environment["DATABASE"] = urls[0]
    ended, text = migrate(shop)
    assert text == ""
    assert "It is compared on sqlite: what only mariadb and postgresql can tell" in ended.stderr
    for url in urls:
        project.environment["DATABASE"] = url
        ended = project.flask("db-diff", "--check")
        assert ended.code == 0, ended.stdout
        assert Shop(project, url).execute("SELECT title FROM item") == [("none",)]
        Shop(project, url).execute("DELETE FROM item")
        assert project.flask("db", "downgrade", "base").code == 0
        assert project.flask("db", "upgrade").code == 0


ODD = """

class Item(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(50, collation="NOCASE"), nullable=False)
    rank = db.Column(db.Integer, unique=True)
    price = db.Column(db.Integer)
    owner_id = db.Column(db.ForeignKey("owner.id"))
    twice = db.Column(db.Integer, db.Computed("price * 2"))
    __table_args__ = (
        db.CheckConstraint("rank > 0"),
        db.Index("ix_low", db.func.lower(name)),
        {"sqlite_autoincrement": True},
    )


class Owner(db.Model):
    id = db.Column(db.Integer, primary_key=True)
"""


def test_what_alembic_loses_on_sqlite(project: Project, tmp_path: Path) -> None:
    """A check without a name, a computed column, AUTOINCREMENT and COLLATE stay when the table is made anew."""
    shop = adopted_with(project, f"sqlite:///{tmp_path}/shop.db", ODD)
    shop.execute("INSERT INTO owner VALUES (1)", "INSERT INTO item VALUES (7, 'a', 3, 4, 1)")

    say(shop, ODD.replace(", unique=True", "").replace('db.ForeignKey("owner.id")', "db.Integer"))
    ended = project.flask("db", "check")
    assert ended.code == 1
    assert "The database has the unique item.rank (columns rank); the models do not." in ended.stderr
    size = "size = db.Column(db.Integer, nullable=False, default=5)\n    twice"
    app = project.path / "app.py"
    app.write_text(app.read_text().replace("twice", size))
    ended, text = migrate(shop)
    assert ended.code == 0, ended.stderr
    assert project.flask("db", "upgrade").code == 0, text

    assert shop.execute("SELECT id, name, price, size, twice FROM item") == [(7, "a", 4, 5, 8)]
    assert project.flask("db", "check").code == 0
    assert project.flask("db", "downgrade").code == 0
    assert project.flask("db-diff", "--check", "--to", "first").code == 0


def test_what_is_tried_on_scratch_warns_of_nothing_again(project: Project, tmp_path: Path) -> None:
    """SQLAlchemy has warned where Alembic compared; who reads it once need not read it of a scratch database."""
    shop = open_shop(project, f"sqlite:///{tmp_path / 'shop.db'}")
    file = project.path / "app.py"
    file.write_text(file.read_text() + '    __table_args__ = (db.Index("ix_lower", db.func.lower(name)),)\n')
    shop.execute("CREATE INDEX ix_lower ON item (lower(name))")
    assert shop.adopt().code == 0
    file.write_text(file.read_text() + "    size = db.Column(db.Integer)\n")

    ended, text = migrate(shop)

    assert (ended.code, "'size'" in text) == (0, True), ended.stderr
    assert ended.stderr.count("Skipped unsupported reflection of expression-based index ix_lower") == 1


def test_a_column_beside_a_computed_one(project: Project, tmp_path: Path) -> None:
    """Alembic's batch adds it on SQLite and cannot take it back: statements do."""
    shop = adopted_with(project, f"sqlite:///{tmp_path}/shop.db", ODD)
    say(shop, ODD.replace("    owner_id", "    note = db.Column(db.String(9))\n    owner_id"))

    ended, text = migrate(shop)

    assert "so the downgrade has statements for it." in ended.stderr
    assert "batch_op.add_column(sa.Column('note'" in text
    assert project.flask("db", "upgrade").code == 0
    assert project.flask("db", "downgrade").code == 0
    assert project.flask("db-diff", "--check", "--to", "first").code == 0


LINK = """
class Link(db.Model):
    one = db.Column(db.Integer, primary_key=True)
    other = db.Column(db.Integer, primary_key=True)
    __table_args__ = (db.UniqueConstraint("one", "other", name="both"),)
"""


def test_a_second_key_that_postgresql_never_makes(project: Project, postgresql: str) -> None:
    """It is the primary key's already; no revision is written for it, again and again."""
    shop = adopted_with(project, postgresql, LINK)

    ended, text = migrate(shop)

    assert (ended.code, text) == (0, ""), ended.stderr
    assert project.flask("db", "check").code == 0


def test_types_that_an_app_does_not_want_compared(project: Project, tmp_path: Path) -> None:
    """Neither by Alembic nor by us."""
    shop = adopted_shop(project, f"sqlite:///{tmp_path}/shop.db")
    app = project.path / "app.py"
    text = app.read_text().replace("String(50)", "String(60)")
    app.write_text(f"{text}\nfrom flask_migrate import Migrate\n\nMigrate(app, db, compare_type=False)\n")

    ended, text = migrate(shop)

    assert (ended.code, text) == (0, ""), ended.stderr
