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
