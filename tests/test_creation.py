"""``db.create_all()`` in a running app whose database is under migrations."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from anyshop import Shop, adopted_shop
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from projects import Project
from sqlalchemy import MetaData

from flask_schemaflow import Refused, SchemaFlow

ADD_NOTE = "op.create_table('note', sa.Column('id', sa.Integer(), primary_key=True))"
WITH_A_NEW_MODEL = """
    class Note(db.Model):
        id = db.Column(db.Integer, primary_key=True)


    with app.app_context():
        db.create_all()
"""


@pytest.fixture
def a_file(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/shop.db"


def start(shop: Shop, **environment: str) -> str:
    """Start the app as a web worker does, and give what it logs."""
    ended = shop.project.python("import app\n", **environment)
    return ended.stderr


def managed(url: str, *tables: str, revision: str | None = "first") -> None:
    """Make a database that looks migrated."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        if revision is not None:
            connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{revision}')")
        for table in tables:
            connection.exec_driver_sql(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)")
    engine.dispose()


def tables_of(url: str) -> set[str]:
    engine = sa.create_engine(url)
    names = set(sa.inspect(engine).get_table_names())
    engine.dispose()
    return names


def app_with(url: str, *, binds: dict[str, str] | None = None, **config: object) -> Flask:
    app = Flask("shop")
    app.config.update({"SQLALCHEMY_DATABASE_URI": url, "SQLALCHEMY_BINDS": binds or {}} | config)
    return app


def declare(db: SQLAlchemy) -> None:
    db.Table("item", sa.Column("id", sa.Integer, primary_key=True))
    db.Table("note", sa.Column("id", sa.Integer, primary_key=True))
    db.Table("hit", sa.Column("id", sa.Integer, primary_key=True), bind_key="stats")


def create_all(app: Flask, db: SQLAlchemy, *arguments: object) -> None:
    with app.app_context():
        db.create_all(*arguments)


def test_create_all_at_start_and_a_new_model(project: Project, any_database: str) -> None:
    """The app is started with the new model before the upgrade, which stock Flask-Migrate does not survive."""
    shop = adopted_shop(project, any_database)
    with (project.path / "app.py").open("a") as file:
        file.write(WITH_A_NEW_MODEL.replace("\n    ", "\n"))
    shop.add("second", "first", ADD_NOTE)
    before = shop.tables()

    said = start(shop)

    assert shop.tables() == before
    (line,) = (each for each in said.splitlines() if "create_all" in each)
    assert "is at revision first" in line
    assert "app.py:" in line
    upgraded = shop.upgrade()
    assert (upgraded.code, upgraded.document["outcome"]) == (0, "upgraded"), upgraded.stderr
    assert set(shop.tables()) == {*before, "note"}
    assert "create_all" in start(shop)


ORDERS = ["before init_app", "after init_app", "without db", "inside the context"]


@pytest.mark.parametrize("order", ORDERS)
def test_whenever_it_is_registered(a_file: str, order: str, caplog: pytest.LogCaptureFixture) -> None:
    """It skips, in whatever order app, db and extension come together; no class is changed."""
    managed(a_file, "item")
    methods = (SQLAlchemy.create_all, MetaData.create_all)
    app, db, extension = app_with(a_file), SQLAlchemy(), SchemaFlow()
    declare(db)
    if order == "before init_app":
        extension.init_app(app, db)
        db.init_app(app)
    elif order == "after init_app":
        db.init_app(app)
        extension.init_app(app, db)
    elif order == "without db":
        extension.init_app(app)
        db.init_app(app)
    else:
        db.init_app(app)
        with app.app_context():
            extension.init_app(app)
            db.create_all(None)

    create_all(app, db, None)

    assert tables_of(a_file) == {"alembic_version", "item"}
    assert "is at revision first" in caplog.text
    assert (SQLAlchemy.create_all, MetaData.create_all) == methods


CREATES = {
    "no row": (None, False, ["item"]),
    "no table": ("first", False, []),
    "tables of others": ("first", False, ["others"]),
    "testing": ("first", True, ["item"]),
}


@pytest.mark.parametrize("why", CREATES)
def test_where_it_creates_as_ever(a_file: str, why: str) -> None:
    """No row in the version table, no table of ours, or an app that is being tested."""
    revision, testing, tables = CREATES[why]
    managed(a_file, *tables, revision=revision)
    app, db = app_with(a_file, TESTING=testing), SQLAlchemy()
    declare(db)
    db.init_app(app)
    SchemaFlow(app, db)

    create_all(app, db, None)

    assert tables_of(a_file) == {"alembic_version", "item", "note", *tables}


@pytest.mark.parametrize("value", ["error", "allow", "nonsense"])
def test_the_setting(a_file: str, value: str, caplog: pytest.LogCaptureFixture) -> None:
    """An error, or nothing of ours; a wrong value never stops the app."""
    managed(a_file, "item")
    app, db = app_with(a_file, SCHEMAFLOW_CREATE_ALL=value, SCHEMAFLOW_NO_SETTING=1), SQLAlchemy()
    declare(db)
    db.init_app(app)
    SchemaFlow(app, db)

    if value == "error":
        with pytest.raises(Refused, match=r"db\.create_all\(\) .* is refused: .* is at revision first"):
            create_all(app, db, None)
    else:
        create_all(app, db, None)

    assert ("note" in tables_of(a_file)) is (value == "allow")
    assert ("must be skip, error or allow" in caplog.text) is (value == "nonsense")


def test_each_bind_counts_for_itself(
    any_database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of several databases only those under migrations are left alone, in one line."""
    stats = f"sqlite:///{tmp_path}/stats.db"
    managed(any_database, "item")
    app, db = app_with(any_database, binds={"stats": stats}), SQLAlchemy()
    declare(db)
    db.init_app(app)
    SchemaFlow(app, db)

    create_all(app, db)
    assert tables_of(any_database) == {"alembic_version", "item"}
    assert tables_of(stats) == {"hit"}
    assert len([each for each in caplog.records if "create_all" in each.getMessage()]) == 1

    create_all(app, db, ["stats"])
    create_all(app, db, "stats")
    assert len([each for each in caplog.records if "create_all" in each.getMessage()]) == 1


def test_a_bind_that_leads_to_the_same_database(a_file: str) -> None:
    """It is under migrations with the other one, though none of its own tables is there yet."""
    managed(a_file, "item")
    app, db = app_with(a_file, binds={"stats": a_file}), SQLAlchemy()
    declare(db)
    db.init_app(app)
    SchemaFlow(app, db)

    create_all(app, db)

    assert tables_of(a_file) == {"alembic_version", "item"}


def test_apps_that_share_one_db(a_file: str, tmp_path: Path) -> None:
    """The app whose context is pushed decides: one without the extension creates as ever."""
    other = f"sqlite:///{tmp_path}/other.db"
    db = SQLAlchemy()
    declare(db)
    guarded, free = app_with(a_file), app_with(other)
    for app, url in ((guarded, a_file), (free, other)):
        managed(url, "item")
        db.init_app(app)
    SchemaFlow(guarded, db)

    create_all(guarded, db, None)
    create_all(free, db, None)

    assert "note" not in tables_of(a_file)
    assert "note" in tables_of(other)


def test_a_suite_that_makes_and_drops_all_tables_works_as_before(any_database: str) -> None:
    """With the extension registered, even where it forgot TESTING and its database was migrated once."""
    managed(any_database)
    app, db = app_with(any_database), SQLAlchemy()
    declare(db)
    db.init_app(app)
    SchemaFlow(app, db)

    for _ in range(3):
        with app.app_context():
            db.create_all(None)
            db.session.execute(db.metadata.tables["note"].insert().values(id=1))
            db.session.commit()
            assert (
                db.session.execute(
                    sa.select(sa.func.count()).select_from(db.metadata.tables["note"])
                ).scalar()
                == 1
            )
            db.session.remove()
            db.drop_all(None)
            db.engine.dispose()
    assert tables_of(any_database) == {"alembic_version"}


def test_a_database_in_memory_is_left_alone() -> None:
    """One connection is all there is: asking on it would end the transaction that the app has open."""
    app, db = app_with("sqlite://"), SQLAlchemy()
    declare(db)
    db.init_app(app)
    SchemaFlow(app, db)

    with app.app_context():
        db.create_all(None)
        db.session.execute(db.metadata.tables["item"].insert().values(id=1))
        db.create_all(None)
        assert db.session.execute(sa.select(db.metadata.tables["item"].c.id)).scalar() == 1
