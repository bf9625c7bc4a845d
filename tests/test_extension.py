"""Registering on an app, with and without Flask-Migrate, and what that costs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from anyshop import BESIDE
from flask import Flask
from flask_migrate.cli import db as migrate_group
from flask_sqlalchemy import SQLAlchemy
from projects import Project, versions_of

import flask_schemaflow
from flask_schemaflow import ConfigurationError, SchemaFlow
from flask_schemaflow.commands import COMMANDS

APP = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    {imports}

    db = SQLAlchemy()


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)


    def create_app():
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
        {register}
        return app
"""
WAYS = {
    "alone": ("from flask_schemaflow import SchemaFlow", "db.init_app(app); SchemaFlow(app, db)"),
    "before db.init_app": (
        "from flask_schemaflow import SchemaFlow",
        "SchemaFlow(app, db); db.init_app(app)",
    ),
    "without db": ("from flask_schemaflow import SchemaFlow", "db.init_app(app); SchemaFlow(app)"),
    "init_app": ("from flask_schemaflow import SchemaFlow", "db.init_app(app); SchemaFlow().init_app(app)"),
    "after Migrate": (
        "from flask_migrate import Migrate\n    from flask_schemaflow import SchemaFlow",
        "db.init_app(app); Migrate(app, db); SchemaFlow(app, db)",
    ),
    "before Migrate": (
        "from flask_migrate import Migrate\n    from flask_schemaflow import SchemaFlow",
        "db.init_app(app); SchemaFlow(app, db); Migrate(app, db)",
    ),
    "Migrate alone": ("from flask_migrate import Migrate", "db.init_app(app); Migrate(app, db)"),
}


@pytest.fixture(params=WAYS)
def shop(request: pytest.FixtureRequest, project: Project) -> Project:
    imports, register = WAYS[request.param]
    project.write("shop.py", APP.format(imports=imports, register=register))
    project.app = "shop"
    project.create_all()
    return project


def test_every_order_works(shop: Project) -> None:
    """Adopting, upgrading and Flask-Migrate's own commands work in whatever order was registered."""
    ended = shop.adopt()

    assert ended.code == 0, ended.stderr
    revision = ended.document["databases"][0]["revision_after"]
    current = shop.flask("db", "current")
    assert current.code == 0, current.stderr
    assert current.stdout.startswith(f"{revision} (head)")
    if "check" in migrate_group.commands:
        assert shop.flask("db", "check").code == 0
    assert shop.flask("db", "upgrade").code == 0
    assert shop.safe_upgrade().document["outcome"] == "nothing-to-do"
    assert versions_of(shop.databases()[0]) == [revision]


def test_flask_db_has_the_options_of_flask_migrate(shop: Project) -> None:
    """The group is Flask-Migrate's own, with its options and all its commands."""
    ended = shop.flask("db", "--help")

    assert ended.code == 0
    words = ended.stdout.split()
    assert {name for option in migrate_group.params for name in option.opts} <= {
        word.strip(",") for word in words
    }
    assert set(migrate_group.commands) <= set(words)


def test_the_group_is_listed_without_importing_it(project: Project) -> None:
    """``flask --help`` names db and our commands."""
    imports, register = WAYS["alone"]
    project.write("shop.py", APP.format(imports=imports, register=register))
    project.app = "shop"

    text = project.flask("--help").stdout

    for name in ("db ", "db-adopt", "db-backup", "db-restore", "db-safe-upgrade", "db-snapshot"):
        assert f"\n  {name}" in text


def test_the_commands_are_one_set_of_objects() -> None:
    """Entry points and registered commands are the same objects."""
    from importlib.metadata import entry_points

    loaded = {
        point.name: point.load()
        for point in entry_points(group="flask.commands")
        if "schemaflow" in point.value
    }
    app = Flask(__name__)
    SchemaFlow(app)

    assert loaded == {command.name: command for command in COMMANDS}
    assert all(app.cli.commands[name] is command for name, command in loaded.items())
    assert "db" not in loaded


def test_several_apps_share_one_extension() -> None:
    """One SchemaFlow and one db serve several apps."""
    extension, db = SchemaFlow(), SQLAlchemy()
    for _ in range(2):
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
        db.init_app(app)
        extension.init_app(app)
        assert app.extensions["schemaflow"] is extension


def test_two_extensions_on_one_app_are_refused() -> None:
    """A second instance on the same app is a mistake that is said."""
    app = Flask(__name__)
    SchemaFlow(app)

    with pytest.raises(ConfigurationError, match="already been registered"):
        SchemaFlow(app)


def test_a_custom_flask_group_finds_the_commands(project: Project) -> None:
    """A manage.py with a FlaskGroup has the commands too."""
    imports, register = WAYS["alone"]
    project.write("shop.py", APP.format(imports=imports, register=register))
    project.write(
        "manage.py",
        "from flask.cli import FlaskGroup\nfrom shop import create_app\n\nFlaskGroup(create_app=create_app)()\n",
    )
    project.app = "shop"
    project.create_all()
    ended = subprocess.run(
        [sys.executable, "manage.py", "db-adopt", "--json"],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert '"outcome": "adopted"' in ended.stdout


def test_the_commands_run_in_an_apps_own_test_runner(project: Project) -> None:
    """``app.test_cli_runner()`` runs them on the app that is there already."""
    imports, register = WAYS["alone"]
    project.write("shop.py", APP.format(imports=imports, register=register))
    project.app = "shop"
    project.create_all()

    project.python(
        """
        from shop import create_app
        result = create_app().test_cli_runner().invoke(args=["db-adopt"])
        assert result.exit_code == 0, result.output
        assert "Adopted at" in result.output, result.output
        """
    )


HEAVY = "{'alembic', 'flask_migrate', 'mako', 'rich', 'sqlglot'}"


@pytest.mark.parametrize(
    "program",
    [
        "import flask_schemaflow",
        "from flask_schemaflow import SchemaFlow, in_command, SchemaFlowError",
        "import flask_schemaflow.commands",
        "from flask import Flask; from flask_schemaflow import SchemaFlow; SchemaFlow(Flask('x'))",
    ],
)
def test_what_is_imported_for_a_web_worker(program: str) -> None:
    """Importing and registering loads neither Alembic nor Flask-Migrate, Mako, rich or sqlglot."""
    check = f"{program}\nimport sys\nloaded = {HEAVY} & {{name.partition('.')[0] for name in sys.modules}}\nassert not loaded, loaded"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_the_entry_points_import_click_and_flask_only() -> None:
    """The module of the entry points loads nothing but click and flask.cli."""
    check = (
        "import click, flask.cli, sys\nbefore = set(sys.modules)\nimport flask_schemaflow.commands\n"
        "new = {name for name in set(sys.modules) - before if not name.startswith('flask_schemaflow')}\nassert not new, new\n"
        "ours = {n for n in sys.modules if n.startswith('flask_schemaflow')}\n"
        "assert ours == {'flask_schemaflow', 'flask_schemaflow._version', 'flask_schemaflow.commands'}, ours"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


def test_flask_routes_loads_no_alembic_through_us(project: Project) -> None:
    """``flask routes`` in an app with the extension loads neither Alembic nor rich."""
    imports, register = WAYS["alone"]
    project.write("shop.py", APP.format(imports=imports, register=register))
    program = (
        f"import sys\nfrom flask.cli import main\nsys.argv = ['flask', '--app', 'shop', 'routes']\ntry:\n    main()\n"
        f"except SystemExit:\n    pass\nloaded = {HEAVY} & {{name.partition('.')[0] for name in sys.modules}}\nassert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", program], cwd=project.path, check=True, capture_output=True)


FILTERS = {
    "stock": "",
    "Migrate": ", include_object=lambda it, name, *rest: name != 'others'",
    "env.py": "",
}


@pytest.mark.parametrize("where", FILTERS)
def test_tables_of_ours_are_not_dropped(project: Project, where: str) -> None:
    """``flask db migrate`` sees them as little as tables of others, whichever filter the app has."""
    imports, register = WAYS["after Migrate"]
    register = register.replace("Migrate(app, db)", f"Migrate(app, db{FILTERS[where]})")
    project.write("shop.py", APP.format(imports=imports, register=register))
    project.app = "shop"
    project.create_all()
    (file,) = project.databases()
    with closing(sqlite3.connect(file)) as connection:
        for name in ("schemaflow_history", "schemaflow_journal", "others"):
            connection.execute(f"CREATE TABLE {name} (id INTEGER)")
    assert project.flask("db", "init").code == 0
    if where == "env.py":
        environment = project.path / "migrations" / "env.py"
        own = "target_metadata=get_metadata(), include_object=lambda it, name, *rest: name != 'others'"
        environment.write_text(environment.read_text().replace("target_metadata=get_metadata()", own))

    ended = project.flask("db", "migrate")

    assert ended.code == 0, ended.stderr
    written = [each.read_text() for each in (project.path / "migrations" / "versions").glob("*.py")]
    assert not any("schemaflow_" in each for each in written)
    assert not any("others" in each for each in written)


def test_what_is_public_is_there() -> None:
    """Every public name can be had, and no other."""
    for name in flask_schemaflow.__all__:
        assert getattr(flask_schemaflow, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = flask_schemaflow.nothing


def test_no_error_of_ours_is_a_runtime_error() -> None:
    """Flask-Migrate's wrapper swallows every RuntimeError, so ours is none."""
    assert not issubclass(flask_schemaflow.SchemaFlowError, RuntimeError)


def test_migrate_is_refused_where_the_stock_environment_compares_another_metadata(
    project: Project, tmp_path: Path
) -> None:
    """It would write that every table is dropped; nothing is written, and the line to change is said."""
    project.write("app.py", BESIDE)
    project.environment["DATABASE"] = f"sqlite:///{tmp_path}/shop.db"
    project.python("from app import *\nwith app.app_context():\n    Base.metadata.create_all(db.engine)\n")
    assert project.adopt("--rev-id", "first").code == 0
    before = project.files()
    for command in ("migrate", "check"):
        ended = project.flask("db", command)
        assert ended.code == 3, ended.stderr
        assert (
            "env.py compares the database with db.metadata, and the models are on another one"
            in ended.verdict
        )
    assert project.files() == before

    environment = project.path / "migrations" / "env.py"
    text = environment.read_text().replace(
        "return target_db.metadatas[None]", "from app import Base\n        return Base.metadata"
    )
    environment.write_text(text)
    assert project.flask("db", "check").code == 0
