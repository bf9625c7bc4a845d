"""Tables of others in the same database: recognised, listed, never in a revision, never dropped."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from anyshop import Shop, open_shop
from projects import Project

from flask_schemaflow.foreign import foreign_names
from flask_schemaflow.revisions import TableName

PLAIN = {
    "apscheduler_jobs": "APScheduler",
    "celery_taskmeta": "Celery",
    "kombu_message": "Kombu",
    "procrastinate_jobs": "Procrastinate",
    "django_migrations": "Django",
    "flyway_schema_history": "Flyway",
    "spatial_ref_sys": "PostGIS or SpatiaLite",
    "somebodys": "The table somebodys is in no model",
}
CHAIN = "the version table of other revisions"
OWN = {
    "postgresql": [
        "CREATE SCHEMA topology",
        "CREATE TABLE topology.layer (id INTEGER)",
        # As PostGIS does: what an extension owns is not even listed.
        "CREATE EXTENSION hstore",
        "CREATE TABLE raster_overviews (id INTEGER)",
        "CREATE VIEW geometry_columns AS SELECT 1 AS srid",
        "ALTER EXTENSION hstore ADD TABLE raster_overviews",
        "ALTER EXTENSION hstore ADD VIEW geometry_columns",
    ],
    "mariadb": [],
    "sqlite": [
        "CREATE VIRTUAL TABLE notes USING fts5(body)",
        "INSERT INTO notes VALUES ('hello')",
        "CREATE VIRTUAL TABLE places USING rtree(id, least, most)",
    ],
}
LISTED = {
    "postgresql": {"topology.layer": "PostGIS"},
    "mariadb": {},
    "sqlite": {"notes": "virtual table of SQLite's module fts5", "places": "module rtree"},
}


@pytest.fixture
def shop(project: Project, any_database: str) -> Shop:
    """Give a shop whose database is everybody's."""
    shop = open_shop(project, any_database)
    shop.execute(
        *(f"CREATE TABLE {name} (id INTEGER, item_id INTEGER REFERENCES item (id))" for name in PLAIN),
        "CREATE TABLE ledger_versions (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO ledger_versions VALUES ('a1')",
        *OWN[shop.family],
    )
    return shop


def test_they_are_told_by_what_they_are_and_stay(shop: Shop) -> None:
    """Each is listed with its owner where that is known; no command of ours or of Flask-Migrate's drops one."""
    adopted = shop.adopt()

    assert adopted.code == 0, adopted.stderr
    told = {each["subject"]: each["message"] for each in adopted.findings("foreign-table")}
    wanted = {**PLAIN, "ledger_versions": CHAIN, **LISTED[shop.family]}
    assert told.keys() == wanted.keys()
    assert [name for name, words in wanted.items() if words not in told[name]] == []
    (baseline,) = (shop.project.path / "migrations" / "versions").glob("*.py")
    assert [name for name in wanted if name in baseline.read_text()] == []

    shop.add("second", "first", "op.add_column('item', sa.Column('size', sa.Integer()))")
    assert shop.upgrade().code == 0
    assert shop.adopt().document["outcome"] == "already-adopted"
    migrated = shop.project.flask("db", "migrate", "-m", "more", "--rev-id", "third")
    assert migrated.code == 0, migrated.stderr
    (written,) = (shop.project.path / "migrations" / "versions").glob("third*.py")
    assert "drop_table" not in written.read_text()
    assert "drop_column('size')" in written.read_text()
    assert {*PLAIN, "ledger_versions"} < {*shop.tables()}


def test_a_table_of_ours_without_a_model_is_still_dropped(project: Project, tmp_path: Path) -> None:
    """What the revisions made is no table of others, when its model is gone."""
    shop = open_shop(project, f"sqlite:///{tmp_path / 'shop.db'}")
    shop.execute("CREATE TABLE somebodys (id INTEGER)")
    file = shop.project.path / "app.py"
    with_box = (
        f"{file.read_text()}\n\nclass Box(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n"
    )
    app = file.read_text()
    file.write_text(with_box)
    shop.project.python("from app import app, db\nwith app.app_context():\n    db.create_all()")
    assert shop.adopt().code == 0
    file.write_text(app)

    migrated = shop.project.flask("db", "migrate", "--rev-id", "second")

    assert migrated.code == 0, migrated.stderr
    written = (shop.project.path / "migrations" / "versions" / "second_.py").read_text()
    upgrade, _, _ = written.partition("def downgrade")
    assert upgrade.count("drop_table") == 1
    assert "op.drop_table('box')" in upgrade


KEPT = """

class Kept(db.Model):
    __tablename__ = "kept_elsewhere"
    id = db.Column(db.Integer, primary_key=True)
"""


def test_a_setting_makes_a_models_table_foreign(shop: Shop) -> None:
    """It is in no baseline, no difference and no revision, named with or without the default schema."""
    file = shop.project.path / "app.py"
    file.write_text(file.read_text() + KEPT)
    default = {"postgresql": "public", "sqlite": "main"}.get(shop.family, shop.url.rpartition("/")[2])

    assert shop.adopt("--dry-run").code == 3
    assert shop.adopt("--dry-run", FLASK_SCHEMAFLOW_FOREIGN_TABLES="logs:kept_*, other.kept_*").code == 3
    ended = shop.adopt(FLASK_SCHEMAFLOW_FOREIGN_TABLES=f":{default}.kept_*")

    assert ended.code == 0, ended.stderr
    migrated = shop.project.flask("db", "migrate", FLASK_SCHEMAFLOW_FOREIGN_TABLES=f":{default}.kept_*")
    assert migrated.code == 0, migrated.stderr
    assert "No changes in schema detected" in migrated.stderr
    assert shop.upgrade(FLASK_SCHEMAFLOW_FOREIGN_TABLES="kept_*").document["outcome"] == "nothing-to-do"


def test_a_key_to_a_table_that_is_named_foreign(project: Project, server_database: str) -> None:
    """A server makes no such key where that table is not: refused by name."""
    shop = open_shop(project, server_database)
    file = shop.project.path / "app.py"
    spot = "\n\nclass Spot(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n"
    key = "    kept = db.Column(db.ForeignKey('kept_elsewhere.id'))\n"
    file.write_text(f"{file.read_text()}{KEPT}{spot}{key}")
    shop.project.python("from app import app, db\nwith app.app_context():\n    db.create_all()")

    ended = shop.adopt(FLASK_SCHEMAFLOW_FOREIGN_TABLES="kept_*")

    assert ended.code == 3, ended.stderr
    assert "spot.kept refers to kept_elsewhere, which SCHEMAFLOW_FOREIGN_TABLES names" in ended.verdict


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("log*", [("default", None, "log"), ("logs", None, "log"), ("logs", "x", "log")]),
        (":log", [("default", None, "log")]),
        ("logs:*", [("logs", None, "log"), ("logs", "x", "log")]),
        ("logs:x.*", [("logs", "x", "log")]),
        ("public.log", [("default", None, "log"), ("logs", None, "log")]),
        ("x*", []),
    ],
)
def test_what_a_pattern_names(pattern: str, matches: list[tuple[str, str | None, str]]) -> None:
    """A name, a name in a schema (the default one has its name too), each in one database or in all."""
    asked = [("default", None, "log"), ("logs", None, "log"), ("logs", "x", "log")]

    found = [
        (bind, schema, name)
        for bind, schema, name in asked
        if foreign_names([pattern], None if bind == "default" else bind, "public").pattern_for(
            TableName(schema, name)
        )
    ]

    assert found == matches


def test_virtual_tables_of_a_module_that_is_not_here(project: Project, tmp_path: Path) -> None:
    """SpatiaLite's tables need its module, which commands do not load: nothing asks them, nothing is said to be lost."""
    file = tmp_path / "shop.db"
    shop = open_shop(project, f"sqlite:///{file}")
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE geometry_columns (f_table_name TEXT NOT NULL)")
    connection.execute(
        "CREATE TRIGGER geometry_check BEFORE INSERT ON geometry_columns BEGIN "
        "SELECT RAISE(ABORT, 'no') WHERE GeometryType(NEW.f_table_name) = 1; END"
    )
    connection.execute("PRAGMA writable_schema = ON")
    for name, using in (("SpatialIndex", "VirtualSpatialIndex()"), ("texts_vec", "vec0(embedding float[4])")):
        connection.execute(
            "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES ('table', ?, ?, 0, ?)",
            (name, name, f"CREATE VIRTUAL TABLE {name} USING {using}"),
        )
    connection.commit()
    connection.close()
    assert shop.adopt().code == 0
    shop.add(
        "second",
        "first",
        "with op.batch_alter_table('item') as batch:",
        "    batch.alter_column('name', type_=sa.String(80))",
    )

    ended = shop.upgrade("--rehearse")

    assert (ended.code, ended.findings("drop-table")) == (0, []), ended.stderr
    assert ended.document["databases"][0]["verified"] is True
