"""Many replicas start at once, and each runs ``flask db-safe-upgrade``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from anyshop import Shop, adopted_shop
from projects import Project, reading

IS_SOAK = bool(os.environ.get("SCHEMAFLOW_SOAK"))
NUMBER, ROUNDS = (32, 20) if IS_SOAK else (6, 1)
HAS_ROWS = "op.get_bind().execute(sa.text('SELECT count(*) FROM item')).scalar()"
SLOW = f"if {HAS_ROWS}: __import__('time').sleep(2)"


@pytest.fixture
def shop(project: Project, any_database: str) -> Shop:
    """Give an adopted shop on each engine."""
    return adopted_shop(project, any_database)


def count_in(tries: Path) -> str:
    """Give a statement that tells a file that a revision runs on the real database."""
    return f"if {HAS_ROWS}: open({str(tries)!r}, 'a').write('x')"


@pytest.mark.soak
def test_replicas_apply_a_revision_once(shop: Shop, tmp_path: Path) -> None:
    """All end with 0, and the revision was applied exactly once."""
    parent = "first"
    for number in range(ROUNDS):
        tries = tmp_path / f"tries{number}"
        name = f"step{number}"
        add = f"op.add_column('item', sa.Column('size{number}', sa.Integer()))"
        shop.add(name, parent, count_in(tries), SLOW, add)

        ended = shop.replicas(NUMBER)

        assert [code for code, _ in ended] == [0] * NUMBER, ended
        assert tries.read_text() == "x"
        assert shop.versions() == [name]
        parent = name
    applied = [row for row in shop.history("event", "revision") if row[0] == "applied"]
    assert applied == [("applied", f"step{number}") for number in range(ROUNDS)]


@pytest.mark.soak
def test_replicas_follow_by_proof_together(shop: Shop, tmp_path: Path) -> None:
    """One of them stamps a database that was never adopted, and one runs what is pending."""
    parent = "first"
    for number in range(ROUNDS):
        tries = tmp_path / f"tries{number}"
        name = f"step{number}"
        add = f"op.add_column('item', sa.Column('size{number}', sa.Integer()))"
        shop.add(name, parent, count_in(tries), add)
        shop.execute("DROP TABLE alembic_version")

        ended = shop.replicas(NUMBER // 2)

        assert [code for code, _ in ended] == [0] * (NUMBER // 2), ended
        assert tries.read_text() == "x"
        assert shop.versions() == [name]
        parent = name


@pytest.mark.soak
def test_replicas_fail_together(shop: Shop, tmp_path: Path) -> None:
    """One runs the revision that fails, and all end with its code."""
    code = 5
    for number in range(ROUNDS):
        tries = tmp_path / f"tries{number}"
        fail = f"if {HAS_ROWS}: raise ValueError('round {number}')"
        shop.add("second", "first", count_in(tries), SLOW, fail)

        ended = shop.replicas(NUMBER)

        assert [each for each, _ in ended] == [code] * NUMBER, ended
        assert tries.read_text() == "x"
        assert shop.versions() == ["first"]


IN_THREADS = """
import logging.config
import sys
from concurrent.futures import ThreadPoolExecutor

import flask_schemaflow
from app import SQLAlchemy, SchemaFlow
from flask import Flask


def tenant(uri):
    app = Flask("app")
    app.config["SQLALCHEMY_DATABASE_URI"] = uri
    db = SQLAlchemy(app)
    type("Item", (db.Model,), {"id": db.Column(db.Integer, primary_key=True), "__tablename__": "item"})
    SchemaFlow(app, db)
    return app


before = sys.stdout, sys.stderr, logging.config.fileConfig
apps = [tenant(uri) for uri in sys.argv[1].split()]
with ThreadPoolExecutor(len(apps)) as pool:
    outcomes = [each.outcome for each in pool.map(flask_schemaflow.safe_upgrade, apps)]
assert (sys.stdout, sys.stderr, logging.config.fileConfig) == before
print(*outcomes)
"""


def test_threads_take_turns(project: Project, tmp_path: Path) -> None:
    """Databases that are upgraded by threads of one process end well, and so does the process."""
    shop = adopted_shop(project, f"sqlite:///{tmp_path}/shop.db")
    add = "op.add_column('item', sa.Column('size{0}', sa.Integer()))"
    shop.add("second", "first", *(add.format(number) for number in range(20)))
    files = [tmp_path / f"tenant{number}.db" for number in range(3)]
    for file in files:
        file.write_bytes((tmp_path / "shop.db").read_bytes())

    argument = " ".join(f"sqlite:///{file}" for file in files)
    ended = project.python(f"import sys\nsys.argv.append({argument!r})\n{IN_THREADS}")

    assert ended.stdout.split() == ["upgraded"] * 3
    for file in files:
        with reading(file) as connection:
            assert len(connection.execute("PRAGMA table_info(item)").fetchall()) == 22
