"""Binds of which no revision speaks: refused with the steps, and the steps lead on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from anyshop import Shop, adopted_shop
from projects import Project

LOGS = """

class Entry(db.Model):
    __bind_key__ = "logs"
    id = db.Column(db.Integer, primary_key=True)
"""
BINDS = "db = SQLAlchemy(app)"
SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "second"
down_revision = "first"


def upgrade(engine_name):
    globals()["upgrade_%s" % engine_name]()


def downgrade(engine_name):
    globals()["downgrade_%s" % engine_name]()


def upgrade_():
    pass


def downgrade_():
    pass


def upgrade_logs():
    op.create_table("entry", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade_logs():
    op.drop_table("entry")
"""
DISPATCH = """

def upgrade(engine_name):
    globals()["upgrade_%s" % engine_name]()


def downgrade(engine_name):
    globals()["downgrade_%s" % engine_name]()


def upgrade_logs():
    pass


def downgrade_logs():
    pass
"""


@pytest.fixture
def logs(any_database: str) -> Iterator[str]:
    """Give the URL of a second database on each engine."""
    url = sa.make_url(any_database)
    if url.get_backend_name() == "sqlite":
        yield any_database.replace("shop.db", "logs.db")
        return
    name = f"{url.database}_logs"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            force = " WITH (FORCE)" if url.get_backend_name() == "postgresql" else ""
            connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    engine.dispose()


def shop_with_logs(project: Project, url: str, logs: str) -> Shop:
    """Make an adopted shop that got a second database since."""
    shop = adopted_shop(project, url)
    file = project.path / "app.py"
    with_binds = f'app.config["SQLALCHEMY_BINDS"] = {{"logs": "{logs}"}}\n{BINDS}'
    file.write_text(file.read_text().replace(BINDS, with_binds) + LOGS)
    project.python("from app import app, db\nwith app.app_context():\n    db.create_all()")
    return shop


def test_it_is_refused_with_the_steps_and_they_lead_on(
    project: Project, any_database: str, logs: str
) -> None:
    """What to do is said so exactly that doing it ends with both databases at the same revision."""
    shop = shop_with_logs(project, any_database, logs)
    folder = shop.project.path / "migrations"

    refused, adopted = shop.upgrade(), shop.project.adopt()
    status = shop.project.flask("db-status", "--json")

    assert (refused.code, adopted.code) == (3, 3), refused.stderr
    assert refused.verdict == adopted.verdict
    assert "The tables of the bind logs (entry) are in no revision, since" in refused.verdict
    assert "SCHEMAFLOW_FOREIGN_TABLES = ['logs:*']" in refused.verdict
    assert [each["subject"] for each in status.findings("bind-not-covered")] == ["logs"]
    foreign = shop.upgrade(FLASK_SCHEMAFLOW_FOREIGN_TABLES="logs:*")
    assert foreign.document["outcome"] == "nothing-to-do", foreign.stderr

    new = Path(f"{folder}-multidb")
    assert f"`flask db init --multidb -d {new}`" in refused.verdict
    assert shop.project.flask("db", "init", "--multidb", "-d", str(new)).code == 0
    for name in ("env.py", "alembic.ini", "script.py.mako"):
        shutil.copy(new / name, folder / name)
    (first,) = (folder / "versions").glob("*.py")
    renamed = first.read_text().replace("def upgrade()", "def upgrade_()")
    first.write_text(renamed.replace("def downgrade()", "def downgrade_()") + DISPATCH)
    shop.project.write("migrations/versions/second.py", SECOND)

    ended = shop.upgrade()

    assert ended.code == 0, ended.stderr
    told = {each["bind"]: each for each in ended.document["databases"]}
    assert {key: each["revision_after"] for key, each in told.items()} == {None: "second", "logs": "second"}
    assert {each["verified"] for each in told.values()} == {True}
    assert shop.project.adopt().document["outcome"] == "already-adopted"


@pytest.mark.parametrize("layout", ["one database", "several databases"])
def test_a_database_of_others_is_not_even_opened(project: Project, tmp_path: Path, layout: str) -> None:
    """It may be of a kind that we do not know, or down: a setting leaves it out, whatever ``env.py`` does."""
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
    shop = shop_with_logs(project, f"sqlite:///{tmp_path / 'shop.db'}", f"sqlite:///{tmp_path / 'logs.db'}")
    app = project.path / "app.py"
    app.write_text(app.read_text().replace(f"sqlite:///{tmp_path / 'logs.db'}", nowhere))
    if layout == "several databases":
        shutil.rmtree(project.path / "migrations")
        shop.execute("DROP TABLE alembic_version", "DROP TABLE schemaflow_history")
        assert project.flask("db", "init", "--multidb").code == 0
    project.environment["FLASK_SCHEMAFLOW_FOREIGN_TABLES"] = "logs:*"

    adopted = shop.adopt()

    assert adopted.code == 0, adopted.stderr
    assert [each["bind"] for each in adopted.document["databases"]] == [None]
    assert adopted.findings("other-metadata") == []
    if layout == "several databases":
        shop.project.write("migrations/versions/second.py", SECOND)
    else:
        shop.add("second", "first", "op.add_column('item', sa.Column('size', sa.Integer()))")
    ended = shop.upgrade()
    assert (ended.code, ended.document["outcome"]) == (0, "upgraded"), ended.stderr
    assert shop.versions() == ["second"]


def test_a_folder_without_revisions_is_made_anew(project: Project, tmp_path: Path) -> None:
    """An ``env.py`` for one database, and no revision yet: the folder can go."""
    url, logs = (f"sqlite:///{tmp_path / name}" for name in ("shop.db", "logs.db"))
    shop = shop_with_logs(project, url, logs)
    folder = shop.project.path / "migrations"
    for each in [*(folder / "versions").glob("*.py"), *(folder / "snapshots").glob("*")]:
        each.unlink()
    shop.execute("DROP TABLE alembic_version", "DROP TABLE schemaflow_history")

    refused = shop.project.adopt()

    assert refused.code == 3, refused.stderr
    assert f"remove {folder}, and run this again" in refused.verdict
    shutil.rmtree(folder)
    assert shop.project.adopt().document["outcome"] == "adopted"
