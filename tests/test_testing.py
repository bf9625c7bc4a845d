"""The pytest plugin: fresh databases out of the revisions."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from anyshop import BESIDE, Shop, adopted_shop
from projects import Ended, Project
from test_health import MULTIDB

from flask_schemaflow.testing.marks import Session, project_of

ADD_SIZE = "op.add_column('item', sa.Column('size', sa.Integer()))"
PYTEST = "import sys\nimport pytest\nsys.exit(pytest.main(['-q', '--assert=plain', *{arguments!r}]))\n"
ADD_PART = (
    "op.create_table('part', sa.Column('id', sa.Integer(), primary_key=True), "
    "sa.Column('item_id', sa.Integer(), sa.ForeignKey('item.id'), nullable=False))"
)
BUILT = "with open('built.txt', 'a') as file: file.write('x')"
SUITE = """
    import pytest
    import sqlalchemy as sa

    import flask_schemaflow
    from app import app
    from flask_schemaflow.testing import assert_models_match_revisions

    left_open = []


    @pytest.mark.parametrize("what", ["rows", "a table", "rows", "rows that were there", "rows", "open", "rows"])
    def test_each_has_its_own(schemaflow_database, what):
        assert schemaflow_database.uris == {None: schemaflow_database.uri}
        engine = sa.create_engine(schemaflow_database.uri)
        connection = engine.connect()
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "second"
        assert connection.execute(sa.text("SELECT * FROM item")).all() == [(1, "a", 3)]
        assert set(sa.inspect(connection).get_table_names()) == {"alembic_version", "item", "part"}
        connection.execute(sa.text("INSERT INTO item (name) VALUES ('x')"))
        connection.execute(sa.text("INSERT INTO part (id, item_id) VALUES (7, 2)"))
        connection.commit()
        assert connection.scalar(sa.text("SELECT id FROM item WHERE name = 'x'")) == 2
        if what == "a table":
            connection.execute(sa.text("CREATE TABLE other (id INT)"))
            connection.commit()
        elif what == "rows that were there":
            connection.execute(sa.text("UPDATE item SET size = 4 WHERE id = 1"))
            connection.commit()
        elif what == "open":
            connection.execute(sa.text("UPDATE item SET size = 4 WHERE id = 1"))
            left_open.append(connection)
            return
        connection.close()
        engine.dispose()
"""
MORE = """

    def test_the_upgrade_from_the_previous_release(schemaflow_database_at, monkeypatch):
        database = schemaflow_database_at("first")
        engine = sa.create_engine(database.uri)
        with engine.begin() as connection:
            assert [c["name"] for c in sa.inspect(connection).get_columns("item")] == ["id", "name"]
            connection.execute(sa.text("INSERT INTO item (id, name) VALUES (7, 'x')"))
        monkeypatch.setenv("DATABASE", database.uri)

        result = flask_schemaflow.safe_upgrade(create_app())

        assert result.outcome == "upgraded"
        with engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT name, size FROM item ORDER BY name")).all()
            assert rows == [("a", 3), ("x", None)]
        engine.dispose()


    def test_there_is_no_such_revision(schemaflow_database_at):
        with pytest.raises(pytest.fail.Exception, match="has no revision 'third'"):
            schemaflow_database_at("third")


    def test_the_models_say_something_else():
        with pytest.raises(AssertionError, match="extra-column:item.size"):
            assert_models_match_revisions(app)
"""
FACTORY = """

def create_app():
    made = Flask("app")
    made.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db.init_app(made)
    SchemaFlow(made, db)
    return made
"""


@pytest.fixture
def shop(project: Project, any_database: str) -> Iterator[Shop]:
    """Give a shop on each engine."""
    yield from shop_with_suite(project, any_database)


@pytest.fixture
def shop_on_server(project: Project, server_database: str) -> Iterator[Shop]:
    """Give a shop on each server."""
    yield from shop_with_suite(project, server_database)


def shop_with_suite(project: Project, url: str) -> Iterator[Shop]:
    """Make an adopted shop with a second revision, which writes a row; its templates are dropped afterwards."""
    made = adopted_shop(project, url)
    with (project.path / "app.py").open("a") as file:
        file.write(FACTORY)
    made.add("second", "first", ADD_SIZE, ROW, ADD_PART, BUILT)
    project.write("pytest.ini", "[pytest]\nschemaflow_app = app:app\nfilterwarnings = error\n")
    yield made
    if made.family == "postgresql":
        mine = project_of(project.path)
        for name, comment in made.execute(COMMENTS):
            if f" of {mine}, " in (comment or ""):
                drop(made, name)


ROW = "op.execute(\"INSERT INTO item (name, size) VALUES ('a', 3)\")"
COMMENTS = (
    "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname LIKE 'schemaflow%'"
)


def drop(shop: Shop, name: str) -> None:
    engine = sa.create_engine(shop.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    engine.dispose()


def run_suite(shop: Shop, suite: str, *arguments: str) -> Ended:
    project = shop.project
    project.write("test_shop.py", textwrap.dedent(suite))
    program = project.write(".suite.py", PYTEST.format(arguments=["test_shop.py", *arguments]))
    project.zygote.start("python", [str(program)], project.folder, project.environment, [])
    return project.zygote.wait()


def databases(shop: Shop) -> set[str]:
    """Name the copies that are on the server."""
    query = "SELECT datname FROM pg_database" if shop.family == "postgresql" else "SHOW DATABASES"
    return {name for (name,) in shop.execute(query) if name.startswith("schemaflow_test_")}


def leave_behind(shop: Shop, comment: str) -> str:
    """Make a database as a session does that is killed."""
    name = f"schemaflow_test_{uuid4().hex[:16]}"
    engine = sa.create_engine(shop.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if shop.family == "postgresql":
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
            connection.exec_driver_sql(f"COMMENT ON DATABASE {name} IS '{comment}'")
        else:
            connection.exec_driver_sql(f"CREATE DATABASE {name} COMMENT '{comment}'")
    engine.dispose()
    return name


def test_databases_out_of_the_revisions(shop: Shop) -> None:
    """Built once for all processes and sessions; each test has its own; the app's own is left alone."""
    built = shop.project.path / "built.txt"
    before = shop.execute("SELECT * FROM item"), shop.tables(), shop.versions()

    if shop.family == "postgresql":  # elsewhere a file is copied
        ended = run_suite(shop, SUITE, "-n2", "-k", "rows0 or rows1")
        assert "2 passed" in ended.stdout, ended.stdout + ended.stderr
        assert built.read_text() == "x"

    ended = run_suite(shop, SUITE.replace("import app\n", "import app, create_app\n") + MORE)
    assert "10 passed" in ended.stdout, ended.stdout + ended.stderr
    assert (shop.execute("SELECT * FROM item"), shop.tables(), shop.versions()) == before


AGAIN = """
    import pytest
    import sqlalchemy as sa

    uris = []


    @pytest.mark.parametrize("number", range(3))
    def test_it(schemaflow_database, number):
        uris.append(schemaflow_database.uri)
        engine = sa.create_engine(uris[-1])
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO part (id, item_id) VALUES (7, 1)"))
        engine.dispose()
        assert len(set(uris)) == 1
        with open("copy.txt", "w") as file:
            file.write(engine.url.database)
"""


def test_a_copy_is_used_again(shop_on_server: Shop) -> None:
    """Where tests change rows only there is one copy, and none after the session."""
    ended = run_suite(shop_on_server, AGAIN)
    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr
    assert (shop_on_server.project.path / "copy.txt").read_text() not in databases(shop_on_server)


BINDS = """
    from app import app
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow.testing import assert_models_match_revisions


    def test_the_models_say_the_same():
        assert_models_match_revisions(app)


    def test_both(schemaflow_database):
        assert set(schemaflow_database.uris) == {None, "stats"}
        other = Flask("other")
        other.config["SQLALCHEMY_BINDS"] = schemaflow_database.uris
        db = SQLAlchemy(other)
        with other.app_context():
            for key, table in ((None, "item"), ("stats", "hit")):
                with db.engines[key].connect() as connection:
                    assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
                    assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "first"
                db.engines[key].dispose()
"""


def test_every_bind_has_its_own(project: Project, tmp_path: Path) -> None:
    """The mapping of URLs is what Flask-SQLAlchemy takes; an app in memory will do, for its models alone."""
    source = MULTIDB.format(folder=str(tmp_path)).replace(', "others": "sqlite:///others.db"', "")
    project.write("app.py", source)
    project.create_all()
    assert project.flask("db", "init", "--multidb").code == 0
    assert project.adopt("--rev-id", "first").code == 0
    project.write("app.py", source.replace("sqlite:///main.db", "sqlite://"))
    project.write("pytest.ini", "[pytest]\nschemaflow_app = app:app\n")

    ended = run_suite(Shop(project, ""), BINDS)

    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr


def test_a_role_with_few_rights_gets_new_copies(project: Project, postgresql: str) -> None:
    """Only a superuser can put rows back past keys and triggers."""
    role = f"sf_role_{uuid4().hex[:8]}"
    owner = sa.create_engine(postgresql, isolation_level="AUTOCOMMIT")
    own = owner.url.database
    with owner.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN CREATEDB")
        connection.exec_driver_sql(f"ALTER DATABASE {own} OWNER TO {role}")
        try:
            url = owner.url.set(username=role).render_as_string(hide_password=False)
            for shop in shop_with_suite(project, url):
                ended = run_suite(shop, SUITE, "-k", "rows0 or rows1")
            assert "2 passed" in ended.stdout, ended.stdout + ended.stderr
            of_role = f"SELECT datname FROM pg_database WHERE datdba = '{role}'::regrole"
            assert connection.exec_driver_sql(of_role).scalars().all() == [own]
        finally:
            connection.exec_driver_sql(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
            connection.exec_driver_sql(f"DROP OWNED BY {role}")
            connection.exec_driver_sql(f"DROP ROLE {role}")
    owner.dispose()


def test_the_plugin_is_cheap_where_nobody_uses_it(project: Project) -> None:
    """It is loaded in every run of pytest: neither Flask nor SQLAlchemy nor Alembic come with it."""
    program = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport flask_schemaflow.testing.plugin\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "assert not new & {'flask', 'click', 'sqlalchemy', 'alembic', 'flask_migrate', 'flask_sqlalchemy'}, new"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    project.write("pytest.ini", "[pytest]\nfilterwarnings = error\n")
    asked = run_suite(Shop(project, ""), "def test_it(schemaflow_database):\n    pass\n")
    assert "Say which app it is: schemaflow_app = shop:create_app in the ini file." in asked.stdout


def test_an_edited_revision_is_run_again(project: Project, tmp_path: Path) -> None:
    """Templates are known by what the revisions say; one that fails is named with its line."""
    for shop in shop_with_suite(project, f"sqlite:///{tmp_path}/shop.db"):
        assert "1 passed" in run_suite(shop, SUITE, "-k", "a and table").stdout
        shop.add("second", "first", ADD_SIZE, "raise ValueError('no')")

        said = run_suite(shop, SUITE, "-k", "a and table").stdout

        assert re.search(r"second\.py:\d+: In an empty database revision second failed: ValueError: no", said)


def test_what_a_killed_session_left_is_dropped(shop_on_server: Shop) -> None:
    """And nothing else: not what a living session has, nor what has only the name."""
    shop = shop_on_server
    dead, living = leave_behind(shop, Session().mark), Session()
    kept = [leave_behind(shop, "of somebody")]
    engine = sa.create_engine(shop.url)
    lock = {
        "postgresql": f"SELECT pg_advisory_lock({living.number})",
        "mariadb": f"SELECT GET_LOCK('{living.lock}', 0)",
    }
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(lock[shop.family])
            kept.append(leave_behind(shop, living.mark))
            ended = run_suite(shop, SUITE, "-k", "a and table")
            assert "1 passed" in ended.stdout, ended.stdout + ended.stderr
            assert dead not in databases(shop)
            assert databases(shop) >= set(kept)
    finally:
        engine.dispose()
        for name in kept:
            drop(shop, name)


def test_the_newest_templates_of_a_project_are_kept(project: Project, postgresql: str) -> None:
    """Every edit of a revision makes one more; whether pytest has a cache makes no difference."""
    for shop in shop_with_suite(project, postgresql):
        arguments = ("-p", "no:cacheprovider", "-k", "a and table")
        for number in range(7):
            shop.add("second", "first", ADD_SIZE, ROW, ADD_PART, BUILT, f"note = {number}")
            ended = run_suite(shop, SUITE, *arguments)
            assert "1 passed" in ended.stdout, ended.stdout + ended.stderr
        mine = f" of {project_of(project.path)}, "
        assert len([comment for _, comment in shop.execute(COMMENTS) if mine in (comment or "")]) == 6


def test_the_folder_is_found_beside_the_app(project: Project, tmp_path: Path) -> None:
    """Of an app in a folder below the one in which pytest runs; where there is none, that is said."""
    suite, which = SUITE.replace("import app\n", "import app, create_app\n") + MORE, "a and table or say"
    for shop in shop_with_suite(project, f"sqlite:///{tmp_path}/shop.db"):
        backend = project.path / "backend"
        backend.mkdir()
        for name in ("app.py", "migrations"):
            (project.path / name).rename(backend / name)
        project.write("pytest.ini", "[pytest]\nschemaflow_app = app:app\npythonpath = backend\n")
        ended = run_suite(shop, suite, "-k", which)
        assert "2 passed" in ended.stdout, ended.stdout

        (backend / "migrations").rename(project.path / "elsewhere")
        said = run_suite(shop, suite, "-k", which).stdout
        assert "1 failed, 8 deselected, 1 error" in said, said
        assert (
            f"ConfigurationError: {project.path}/migrations does not exist, nor is it beside the app" in said
        )


SAME = """
    from app import app
    from flask_schemaflow.testing import assert_models_match_revisions


    def test_same():
        assert_models_match_revisions(app)
"""


def test_models_on_another_metadata(project: Project, tmp_path: Path) -> None:
    """They are those that count; the difference that a setting accepts does not; others are sentences."""
    project.write("app.py", BESIDE)
    project.environment["DATABASE"] = f"sqlite:///{tmp_path}/shop.db"
    project.python("from app import *\nwith app.app_context():\n    Base.metadata.create_all(db.engine)\n")
    shop = Shop(project, project.environment["DATABASE"])
    assert shop.adopt().code == 0
    shop.add("second", "first", "op.add_column('item', sa.Column('old', sa.Integer()))")
    assert "1 passed" in run_suite(shop, SAME).stdout

    shop.add("third", "second", "op.add_column('item', sa.Column('older', sa.Integer()))")
    said = run_suite(shop, SAME).stdout
    assert (
        "  extra-column:item.older: What the revisions make has the column item.older; the models do not."
        in said
    )
