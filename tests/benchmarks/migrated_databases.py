"""200 tests that each get their own migrated database: copies of a template beside running the revisions.

    python tests/benchmarks/migrated_databases.py [--tests 200] [--revisions 50] [--engine sqlite …]

Runs pytest on the same suite in two ways: with the plugin's fixture, and with a fixture that makes a database
and runs ``flask_migrate.upgrade()``. The second one runs fewer tests (``--stock``), each of which does the same.
The time per test is that of setup, call and teardown; the first one, with the template, is told apart. In
brackets the fixture's part alone: the rest is the test, which connects and writes a row.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa

from flask_schemaflow.testing.marks import project_of

SERVERS = {
    "postgresql": os.environ.get(
        "SCHEMAFLOW_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
    ),
    "mariadb": os.environ.get("SCHEMAFLOW_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/"),
}
APP = """
import os

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


def create_app(uri=None):
    app = Flask("app")
    app.config["SQLALCHEMY_DATABASE_URI"] = uri or os.environ["DATABASE"]
    db.init_app(app)
    Migrate(app, db)
    return app
"""
CONFTEST = """
import json
import time

import flask_migrate
import pytest
import sqlalchemy as sa
from app import create_app

whole, fixture = {}, {}


def pytest_runtest_logreport(report):
    whole[report.nodeid] = whole.get(report.nodeid, 0) + report.duration
    if report.when != "call":
        fixture[report.nodeid] = fixture.get(report.nodeid, 0) + report.duration


def pytest_sessionfinish():
    print("\\nTIMES", json.dumps([list(whole.values()), list(fixture.values())]))


@pytest.fixture
def stock(tmp_path, request):
    server = sa.make_url(create_app().config["SQLALCHEMY_DATABASE_URI"])
    if server.get_backend_name() == "sqlite":
        uri = f"sqlite:///{tmp_path}/own.db"
        upgrade(uri)
        yield uri
        return
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"sf_bench_own_{abs(hash(request.node.name)) % 10**9}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            uri = server.set(database=name).render_as_string(hide_password=False)
            upgrade(uri)
            yield uri
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
    engine.dispose()


def upgrade(uri):
    app = create_app(uri)
    with app.app_context():
        flask_migrate.upgrade()
        app.extensions["sqlalchemy"].engine.dispose()


def use(uri):
    engine = sa.create_engine(uri)
    with engine.begin() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM table_0")) == 0
        connection.execute(sa.text("INSERT INTO table_0 (id, name) VALUES (1, 'x')"))
    engine.dispose()
"""
TESTS = """
import pytest
from conftest import use


@pytest.mark.parametrize("number", range({tests}))
def test_with_its_own_database({fixture}, number):
    use({value})
"""
FIXTURES = {"plugin": ("schemaflow_database", "schemaflow_database.uri"), "stock": ("stock", "stock")}


def revision(number: int) -> str:
    """Write a revision as apps have them: every third makes a table, the others add a column or an index."""
    table = f"table_{number - number % 3}"
    body = {
        0: f"op.create_table({table!r}, sa.Column('id', sa.Integer(), primary_key=True), "
        "sa.Column('name', sa.String(50), nullable=False), sa.Column('at', sa.DateTime()))",
        1: f"op.add_column({table!r}, sa.Column('size', sa.Integer()))",
        2: f"op.create_index('ix_{table}_name', {table!r}, ['name'])",
    }[number % 3]
    below = f"'r{number - 1:04}'" if number else "None"
    return (
        f'"""number {number}"""\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
        f"revision = 'r{number:04}'\ndown_revision = {below}\n\n\ndef upgrade():\n    {body}\n\n\n"
        "def downgrade():\n    pass\n"
    )


def make_project(folder: Path, revisions: int) -> None:
    """Write the app, its migrations and the suite's fixtures."""
    (folder / "app.py").write_text(APP)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\nschemaflow_app = app:create_app\n")
    environment = os.environ | {"DATABASE": "sqlite://", "FLASK_APP": "app"}
    subprocess.run(
        [sys.executable, "-m", "flask", "db", "init"], cwd=folder, env=environment, check=True, stdout=-3
    )
    for number in range(revisions):
        (folder / "migrations" / "versions" / f"r{number:04}.py").write_text(revision(number))


def run(folder: Path, way: str, tests: int, database: str) -> tuple[list[float], list[float]]:
    """Run a suite and give the seconds of each test, and of its fixture alone."""
    fixture, value = FIXTURES[way]
    (folder / f"test_{way}.py").write_text(TESTS.format(tests=tests, fixture=fixture, value=value))
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"test_{way}.py"],
        cwd=folder,
        env=os.environ | {"DATABASE": database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    times = re.search(r"^TIMES (.*)$", ended.stdout, re.MULTILINE)
    assert times is not None
    whole, alone = json.loads(times[1])
    return whole, alone


def measure(engine: str, options: argparse.Namespace) -> None:
    """Run both suites on one engine and print a line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder, options.revisions)
        with Database(engine, folder) as uri:
            plugin, plugin_alone = run(folder, "plugin", options.tests, uri)
            stock, stock_alone = run(folder, "stock", options.stock, uri)
    ours, theirs = statistics.mean(plugin[1:]) * 1000, statistics.mean(stock) * 1000
    ours_alone, theirs_alone = statistics.mean(plugin_alone[1:]) * 1000, statistics.mean(stock_alone) * 1000
    print(
        f"{engine:<11} plugin {ours:7.1f} ms a test [{ours_alone:.1f}] (mean of {len(plugin) - 1}; the first one "
        f"{plugin[0]:.2f} s), revisions each time {theirs:7.1f} ms [{theirs_alone:.1f}] (mean of {len(stock)}): "
        f"{ours / theirs:.3f} times [{ours_alone / theirs_alone:.3f}]",
        flush=True,
    )


class Database:
    """The app's own database: a file, or an empty one on the server."""

    def __init__(self, engine: str, folder: Path) -> None:
        self.engine, self.folder = engine, folder

    def __enter__(self) -> str:
        if self.engine == "sqlite":
            return f"sqlite:///{self.folder}/app.db"
        self.server = sa.create_engine(SERVERS[self.engine], isolation_level="AUTOCOMMIT")
        self.name = f"sf_bench_{os.getpid()}"
        with self.server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {self.name}")
        return self.server.url.set(database=self.name).render_as_string(hide_password=False)

    def __exit__(self, *_: object) -> None:
        if self.engine != "sqlite":
            with self.server.connect() as connection:
                connection.exec_driver_sql(f"DROP DATABASE {self.name}")
                if self.engine == "postgresql":
                    self.drop_template(connection)
            self.server.dispose()

    def drop_template(self, connection: sa.Connection) -> None:
        """Drop what the plugin would keep for the next session."""
        mark = f" of {project_of(self.folder)}, "
        query = "SELECT datname, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database"
        for name, comment in connection.exec_driver_sql(query).all():
            if mark in comment:
                connection.exec_driver_sql(f"DROP DATABASE {name}")


def main() -> None:
    """Measure on each engine that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", type=int, default=200)
    parser.add_argument("--stock", type=int, default=20)
    parser.add_argument("--revisions", type=int, default=50)
    parser.add_argument("--engine", action="append", choices=["sqlite", *SERVERS])
    options = parser.parse_args()
    for engine in options.engine or ["sqlite", *SERVERS]:
        measure(engine, options)


if __name__ == "__main__":
    main()
