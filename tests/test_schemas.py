"""PostgreSQL databases with more schemas than one."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from dumps import dump
from projects import Project
from test_difference import client
from test_scratch import Limited, limited_postgresql
from test_servers import ADD_AGE, APP, MAKE, TENANT, add, execute

__all__ = ["limited_postgresql"]

IN_SHOP = ('"orders"\n', '"orders"\n    __table_args__ = {"schema": "shop"}\n')
MAKES_SHOP = """

sa.event.listen(db.metadata, "before_create", sa.DDL("CREATE SCHEMA shop"))
"""


@pytest.fixture
def app(project: Project, postgresql: str) -> Project:
    """Give an app whose database is empty so far."""
    project.environment["DATABASE"] = postgresql
    project.write("app.py", APP)
    return project


def change(project: Project, was: str, becomes: str) -> None:
    file = project.path / "app.py"
    text = file.read_text()
    assert was in text
    file.write_text(text.replace(was, becomes))


def version_table_in(project: Project, schema: str, where: str) -> None:
    """Have the version table in a schema, by Migrate's arguments or by env.py."""
    change(project, "from flask_schemaflow import SchemaFlow", "from flask_migrate import Migrate")
    if where == "Migrate":
        change(project, "SchemaFlow(app, db)", f"Migrate(app, db, version_table_schema={schema!r})")
        return
    change(project, "SchemaFlow(app, db)", "Migrate(app, db)")
    assert project.flask("db", "init").code == 0
    env = project.path / "migrations" / "env.py"
    wanted = f"connection=connection, version_table_schema={schema!r},"
    env.write_text(env.read_text().replace("connection=connection,", wanted))


@pytest.mark.parametrize("where", ["Migrate", "env.py"])
@pytest.mark.parametrize("schema", ["ledger", "public"])
def test_a_version_table_in_a_schema_of_its_own(app: Project, schema: str, where: str) -> None:
    """Scratch databases have that schema too; every command finds the table there."""
    version_table_in(app, schema, where)
    execute(app, f"CREATE SCHEMA IF NOT EXISTS {schema}")
    app.python(MAKE)

    ended = app.adopt("--rev-id", "first")

    assert (ended.code, ended.document["outcome"]) == (0, "adopted"), ended.stderr
    assert execute(app, f"SELECT version_num FROM {schema}.alembic_version") == [("first",)]
    assert app.adopt().document["outcome"] == "already-adopted"
    assert app.safe_upgrade().document["outcome"] == "nothing-to-do"
    add(app, "second", "first", ADD_AGE)
    upgraded = app.safe_upgrade()
    assert upgraded.code == 0, upgraded.stderr
    assert upgraded.document["databases"][0]["verified"] is True
    assert execute(app, f"SELECT version_num FROM {schema}.alembic_version") == [("second",)]
    stored = app.flask("db-snapshot", "--json")
    assert stored.code == 0, stored.stderr
    assert '"kind": "schema"' not in (app.path / "migrations/snapshots/first.postgresql.json").read_text()
    assert app.flask("db-snapshot", "--check", "--json").code == 0
    confirmed = app.adopt()
    assert confirmed.document["outcome"] == "already-adopted", confirmed.stderr
    assert confirmed.findings("foreign-table") == []


def test_temporary_tables_are_no_place_for_a_version_table_in_a_schema(
    project: Project, limited_postgresql: Limited
) -> None:
    """It would be one of the real database, if only until the rollback."""
    project.environment["DATABASE"] = limited_postgresql.url
    project.write("app.py", APP)
    version_table_in(project, "ledger", "Migrate")
    execute(project, "CREATE SCHEMA ledger")
    project.python(MAKE)
    before = dump(limited_postgresql.url)

    ended = project.adopt("--rev-id", "first")

    assert (ended.code, "SCHEMAFLOW_SCRATCH_URI" in ended.verdict) == (3, True), ended.stderr
    assert dump(limited_postgresql.url) == before
    assert project.adopt(FLASK_SCHEMAFLOW_SCRATCH_URI=limited_postgresql.spare).code == 0


def test_a_schema_that_was_made_by_hand(app: Project) -> None:
    """create_all() needs it to be there; the baseline makes it where nobody did."""
    change(app, *IN_SHOP)
    execute(app, "CREATE SCHEMA shop")
    app.python(MAKE)

    ended = app.adopt("--rev-id", "first")

    assert ended.code == 0, ended.stderr
    assert app.adopt().document["outcome"] == "already-adopted"
    before = dump(app.environment["DATABASE"], rows=False)
    execute(app, 'DROP TABLE shop.orders, alembic_version, "user"', "DROP TYPE color", "DROP SCHEMA shop")
    made = app.safe_upgrade()
    assert made.code == 0, made.stderr
    assert dump(app.environment["DATABASE"], rows=False) == before


@pytest.mark.parametrize("command", [("db-adopt",), ("db-diff", "--from", "database", "--to", "models")])
def test_a_schema_that_nobody_made(app: Project, command: tuple[str, ...]) -> None:
    """create_all() makes none: the message says which statement does, or how the app would."""
    app.python(MAKE)
    change(app, *IN_SHOP)

    ended = app.flask(*command)

    assert ended.code == 3, ended.stderr
    assert (
        "no schema, and the app's database has no shop: `CREATE SCHEMA shop` there, or have" in ended.stderr
    )
    file = app.path / "app.py"
    file.write_text(file.read_text() + MAKES_SHOP.replace("SCHEMA", "SCHEMA IF NOT EXISTS"))
    assert "create_all() fails" not in app.flask(*command).stderr


def test_a_schema_that_the_models_make(app: Project) -> None:
    """The baseline makes it, as an event of the models does; where it is missing, that is a difference."""
    change(app, *IN_SHOP)
    file = app.path / "app.py"
    file.write_text(file.read_text() + MAKES_SHOP)
    app.python(MAKE)
    execute(app, "CREATE SCHEMA others")

    ended = app.adopt("--rev-id", "first")

    assert ended.code == 0, ended.stderr
    (baseline,) = (app.path / "migrations" / "versions").glob("*.py")
    assert "CREATE SCHEMA shop" in baseline.read_text()
    stored = (app.path / "migrations/snapshots/first.postgresql.json").read_text()
    assert '"shop"' in stored
    assert "others" not in stored


@pytest.mark.parametrize("to", ["models", "head", "database"])
def test_a_script_from_nothing_makes_the_schemas_that_it_needs(app: Project, to: str) -> None:
    """The real database has them already, and so has scratch; an empty one has not."""
    change(app, *IN_SHOP)
    execute(app, "CREATE SCHEMA shop", "CREATE SCHEMA others")
    app.python(MAKE)
    assert app.adopt("--rev-id", "first").code == 0

    ended = app.flask("db-diff", "--from", "base", "--to", to, "--format", "sql")

    assert (ended.code, "-- Proved" in ended.stdout) == (0, True), ended.stderr
    assert ("CREATE SCHEMA others" in ended.stdout) == (to == "database")
    execute(
        app, 'DROP TABLE shop.orders, alembic_version, "user"', "DROP TYPE color", "DROP SCHEMA shop, others"
    )
    client(sa.make_url(app.environment["DATABASE"]), ended.stdout)
    assert execute(app, "SELECT count(*) FROM shop.orders") == [(0,)]


@pytest.mark.parametrize("making", ["CREATE SCHEMA audit", 'create  schema if not exists "audit"'])
def test_a_revision_that_makes_a_schema(app: Project, making: str) -> None:
    """It makes it on scratch too, also where the real database has it already."""
    app.python(MAKE)
    assert app.adopt("--rev-id", "first").code == 0
    add(app, "second", "first", f"op.execute({making!r})", ADD_AGE)
    assert app.safe_upgrade().code == 0
    execute(app, "DROP TABLE alembic_version")
    for stored in (app.path / "migrations").rglob("*.json"):
        stored.unlink()

    ended = app.adopt()

    assert (ended.code, ended.document["outcome"]) == (0, "adopted"), ended.stderr
    assert execute(app, "SELECT version_num FROM alembic_version") == [("second",)]


# -- translated schemas ----------------------------------------------------------------------------


def translate(project: Project, mapping: dict[str | None, str | None]) -> None:
    options = {"execution_options": {"schema_translate_map": mapping}}
    change(project, "db = SQLAlchemy(app)", f"db = SQLAlchemy(app, engine_options={options!r})")


@pytest.mark.parametrize(
    ("mapping", "schema"),
    [({None: "tenant"}, "tenant"), ({None: "tenant"}, "default"), ({"shop": "tenant"}, "public")],
)
def test_schemas_that_the_engine_translates(
    app: Project, mapping: dict[str | None, str | None], schema: str
) -> None:
    """Models and revisions name one schema, the database has another: for every command it is the same."""
    translate(app, mapping)
    if "shop" in mapping:
        change(app, *IN_SHOP)
    if schema == "tenant":
        version_table_in(app, schema, "Migrate")
    if schema == "default":
        file = app.path / "app.py"
        file.write_text(file.read_text() + TENANT)
        schema = "tenant"
    execute(app, "CREATE SCHEMA tenant")
    app.python(MAKE)
    assert execute(app, "SELECT to_regclass('tenant.orders')") != [(None,)]
    before = dump(app.environment["DATABASE"])

    ended = app.adopt("--rev-id", "first")

    assert (ended.code, ended.document["outcome"]) == (0, "adopted"), ended.stderr
    assert ended.findings("foreign-table") == []
    execute(app, f"SELECT version_num FROM {schema}.alembic_version")
    assert "tenant" not in (app.path / "migrations/versions/first_baseline.py").read_text()
    assert dump(app.environment["DATABASE"]) == before
    assert app.adopt().document["outcome"] == "already-adopted"
    assert app.safe_upgrade().document["outcome"] == "nothing-to-do"
    # Alembic itself translates no ALTER.
    add(app, "second", "first", f"{ADD_AGE[:-1]}, schema={schema!r})")
    upgraded = app.safe_upgrade()
    assert upgraded.code == 0, upgraded.stderr
    assert upgraded.document["databases"][0]["verified"] is True
    assert app.flask("db-snapshot", "--json").code == 0
    execute(app, f"DELETE FROM {schema}.alembic_version")
    found = app.safe_upgrade()
    assert found.code == 0, found.stderr
    assert execute(app, f"SELECT version_num FROM {schema}.alembic_version") == [("second",)]


def test_a_version_table_that_alembic_would_not_find_again(app: Project) -> None:
    """It makes the table in the other schema, and asks for it in the default one: refused, with the mend."""
    translate(app, {None: "tenant"})
    execute(app, "CREATE SCHEMA tenant")
    app.python(MAKE)

    ended = app.adopt()

    assert (ended.code, "version_table_schema='tenant'" in ended.verdict) == (2, True), ended.stderr


@pytest.fixture(params=["sqlite", "mariadb"])
def other_app(request: pytest.FixtureRequest, project: Project) -> Project:
    """Give an app on an engine where a schema is another database."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{project.path / 'here.db'}" if is_sqlite else request.getfixturevalue(request.param)
    project.environment["DATABASE"] = url
    project.write("app.py", APP)
    return project


@pytest.mark.parametrize("command", ["db-adopt", "db-safe-upgrade", "db-snapshot"])
def test_where_a_schema_is_another_database_it_is_not_translated(other_app: Project, command: str) -> None:
    """It is refused before anything is opened."""
    translate(other_app, {None: "tenant"})

    ended = other_app.flask(command)

    assert (ended.code, "schema_translate_map" in ended.verdict) == (2, True), ended.stderr


def test_schemas_that_the_engine_takes_away(other_app: Project) -> None:
    """What has a schema elsewhere may have none here."""
    translate(other_app, {"shop": None})
    change(other_app, *IN_SHOP)
    other_app.python(MAKE)

    ended = other_app.adopt()

    assert ended.code == 0, ended.stderr
    assert other_app.adopt().document["outcome"] == "already-adopted"


@pytest.mark.parametrize(("path", "code"), [("app,public", 3), ("public,app", 0)])
def test_a_table_in_a_further_schema_of_the_search_path(app: Project, path: str, code: int) -> None:
    """The app finds it there; a revision would make it in the first one, so that is refused before."""
    execute(app, "CREATE SCHEMA app")
    app.python(MAKE)
    app.environment["DATABASE"] += f"?options=-csearch_path%3D{path}"

    ended = app.adopt("--rev-id", "first")

    assert ended.code == code, ended.stderr
    told = "the table orders is in the schema public, which the search path (app, public) has behind app"
    assert (told in ended.verdict) is (code == 3)
    assert (app.path / "migrations").exists() is (code == 0)
