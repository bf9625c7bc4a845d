"""``flask db upgrade`` of a database that has tables and no revision, where the extension is registered."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from anyshop import Shop, adopted_shop
from projects import Ended, Project, contents_of, versions_of
from test_upgrade_binds import ADD_AGE, ADD_TEXT, add, file_of
from test_upgrade_binds import APP as TWO_DATABASES

ADD_SIZE = "op.add_column('item', sa.Column('size', sa.Integer()))"
WATCHED = """

import sqlalchemy as sa


@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def note(connection, cursor, statement, *_):
    with open("statements", "a") as file:
        print(" ".join(statement.split()), file=file)
"""


def unmanaged(shop: Shop) -> Shop:
    """Take a shop's books away, as where production was made by ``create_all`` and never adopted."""
    shop.execute("DROP TABLE alembic_version", "DROP TABLE schemaflow_history")
    return shop


def stock(project: Project) -> None:
    """Have the app register Flask-Migrate in the place of the extension."""
    app = project.path / "app.py"
    source = app.read_text()
    app.write_text(
        source.replace("flask_schemaflow import SchemaFlow", "flask_migrate import Migrate").replace(
            "SchemaFlow(app", "Migrate(app"
        )
    )


def watched(project: Project, *arguments: str) -> tuple[Ended, list[str]]:
    """Run ``flask db upgrade`` and give what was sent to databases too."""
    file = project.path / "statements"
    file.unlink(missing_ok=True)
    ended = project.flask("db", "upgrade", *arguments)
    return ended, file.read_text().splitlines() if file.exists() else []


def test_the_structure_of_a_revision_is_stamped_and_upgraded(project: Project, any_database: str) -> None:
    """The stamp is the proof's; then Flask-Migrate runs what is pending, and every row is there."""
    shop = adopted_shop(project, any_database)
    shop.add("second", "first", ADD_SIZE)
    unmanaged(shop)

    ended = project.flask("db", "upgrade")

    assert ended.code == 0, ended.stderr
    assert shop.versions() == ["second"]
    assert shop.execute("SELECT name, size FROM item ORDER BY name") == [("one", None), ("two", None)]
    (line,) = (each for each in ended.stderr.splitlines() if "stamped" in each)
    assert line.endswith(" was stamped first, whose structure it has; no table was touched.")
    assert shop.history("event", "revision") == [("stamped", "first")]
    assert project.safe_upgrade().document["outcome"] == "nothing-to-do"


def test_another_structure_is_told_and_left_to_flask_migrate(project: Project, any_database: str) -> None:
    """One line says what is so and what to do, and everything else is as without the extension."""
    shop = adopted_shop(project, any_database)
    shop.add("second", "first", ADD_SIZE)
    unmanaged(shop).execute("ALTER TABLE item ADD COLUMN colour VARCHAR(10)")

    ended = project.flask("db", "upgrade")

    (line,) = (each for each in ended.stderr.splitlines() if "was not stamped" in each)
    assert "has tables and no revision, so `flask db upgrade` begins with the first one." in line
    assert "The nearest is first; it differs in 1 way." in line
    assert "`flask db-safe-upgrade --dry-run`" in line
    assert "schemaflow_history" not in shop.tables()
    stock(project)
    without = project.flask("db", "upgrade")
    assert (ended.code, ended.stdout) == (without.code, without.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1] == without.stderr.splitlines()[-1]
    assert shop.execute("SELECT name, colour FROM item ORDER BY name") == [("one", None), ("two", None)]


def test_everything_else_is_as_without_the_extension(project: Project, any_database: str) -> None:
    """An empty database, one with a revision (which is asked one query more), and SQL on paper."""
    shop = adopted_shop(project, any_database)
    shop.add("second", "first", ADD_SIZE)
    with (project.path / "app.py").open("a") as file:
        file.write(WATCHED)
    unmanaged(shop).execute("DROP TABLE item")

    empty, _ = watched(project)
    first, statements = watched(project)
    paper, on_paper = watched(project, "--sql")
    assert (first.code, paper.code, on_paper) == (0, 0, []), first.stderr
    assert shop.tables() == ["alembic_version", "item"]
    shop.execute("DROP TABLE alembic_version", "DROP TABLE item")
    stock(project)

    assert watched(project)[0] == empty
    ended, without = watched(project)
    assert ended == first
    assert watched(project, "--sql")[0] == paper
    more = [each for each in statements if each not in without]
    assert len(more) == 1, more
    assert more[0].startswith("SELECT")
    assert len(statements) == len(without) + 1


def test_each_database_by_itself(project: Project) -> None:
    """With two binds the one without a revision is stamped; the other goes on from its own."""
    project.write("app.py", TWO_DATABASES)
    project.create_all()
    assert project.adopt("--rev-id", "first").code == 0
    add(project, "second", "first", ADD_AGE, ADD_TEXT)
    files = [file_of(project, name) for name in ("shop.db", "logs.db")]
    unmanage_file(files[1])

    ended = project.flask("db", "upgrade")

    assert ended.code == 0, ended.stderr
    assert [versions_of(each) for each in files] == [["second"], ["second"]]
    assert [len(rows) for each in files for rows in contents_of(each)[1].values()] == [1, 1]
    (line,) = (each for each in ended.stderr.splitlines() if "stamped" in each)
    assert "logs.db was stamped first" in line


def unmanage_file(file: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    engine.dispose()
