"""``db-status``: where each database stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from anyshop import Shop, adopted_shop, open_shop
from projects import Ended, Project

ADD_SIZE = "op.add_column('item', sa.Column('size', sa.Integer()))"


@pytest.fixture
def shop(project: Project, any_database: str) -> Shop:
    """Give an adopted shop on each engine."""
    return adopted_shop(project, any_database)


def status(shop: Shop, *arguments: str) -> Ended:
    return shop.project.flask("db-status", "--json", *arguments)


def test_a_current_database_is_current(shop: Shop) -> None:
    """With its last runs, and without drift."""
    ended = status(shop, "--check")

    assert (ended.code, ended.verdict) == (0, "Current: at first."), ended.stderr
    (database,) = ended.document["databases"]
    assert (database["state_before"], database["verified"]) == ("current", True)
    (run,) = ended.findings("run")
    assert "adopted first" in run["message"]


def test_a_database_that_is_behind_is_not_current(shop: Shop) -> None:
    """What is pending is listed; --check fails with 3."""
    shop.add("second", "first", ADD_SIZE)

    ended = status(shop)
    checked = status(shop, "--check")

    assert ended.code == 0
    assert [step["revision"] for step in ended.document["plan"]] == ["second"]
    assert (checked.code, checked.verdict) == (3, "Refused: Not current: default is behind.")
    assert [step["revision"] for step in checked.document["plan"]] == ["second"]


def test_drift_is_named(shop: Shop) -> None:
    """A column that somebody added by hand, by the stored structure of the revision."""
    shop.execute("ALTER TABLE item ADD COLUMN note INT")

    ended = status(shop)

    assert ended.code == 0
    assert [each["subject"] for each in ended.findings("extra-column")] == ["item.note"]
    assert ended.document["databases"][0]["verified"] is False


def test_drift_is_seen_without_a_stored_structure(shop: Shop) -> None:
    """By the hash in the history, as long as the server is of the same version."""
    shop.add("second", "first", ADD_SIZE)
    assert shop.upgrade().code == 0
    for file in (shop.project.path / "migrations" / "snapshots").iterdir():
        file.unlink()
    assert status(shop).document["databases"][0]["verified"] is True

    shop.execute("ALTER TABLE item ADD COLUMN note INT")

    assert status(shop).document["databases"][0]["verified"] is False


def test_it_never_writes(project: Project, any_database: str) -> None:
    """Not even into a database that was never adopted."""
    shop = open_shop(project, any_database)

    ended = status(shop)

    assert (ended.code, ended.verdict) == (0, "Not current: default is unmanaged."), ended.stderr
    assert shop.tables() == ["item"]


def test_a_server_that_does_not_answer_is_busy(project: Project, postgresql: str) -> None:
    """Exit code 4 for a readiness probe."""
    adopted_shop(project, postgresql)
    project.environment["DATABASE"] = "postgresql+psycopg://postgres@127.0.0.1:9/none"

    ended = project.flask("db-status", "--check")

    assert ended.code == 4, ended.stderr


def test_the_text_is_a_few_lines(shop: Shop) -> None:
    """State, revision, head, drift and runs of each database, without -v."""
    ended = shop.project.flask("db-status")

    labels = [line.split()[0] for line in ended.stdout.splitlines()]
    assert labels == ["database", "state", "current", "head", "drift", "run"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(ended.stdout)


def test_what_is_not_current_says_what_to_do(project: Project, tmp_path: Path) -> None:
    """From before it is adopted to a revision that nobody knows."""
    shop = open_shop(project, f"sqlite:///{tmp_path}/shop.db")
    told = [to_do(shop)]
    assert shop.adopt().code == 0
    shop.add("second", "first", ADD_SIZE)
    told.append(to_do(shop))
    shop.execute("UPDATE alembic_version SET version_num = 'nowhere'")
    told.append(to_do(shop))
    (tmp_path / "shop.db").unlink()
    told.append(to_do(shop))
    adopted = shop.adopt()

    assert told[:2] == [
        "`flask db-adopt` puts it under migrations",
        "`flask db-safe-upgrade` runs what is pending",
    ]
    assert told[3] == "`flask db-safe-upgrade --create` runs what is pending"
    assert adopted.verdict.endswith("`flask db-safe-upgrade --create` creates the tables.")
    assert told[2].startswith("the version table says nowhere, which no file in migrations has: ")


def test_tables_of_models_that_nothing_imports_are_not_current(project: Project) -> None:
    """Before the first revision only the models say which tables are ours, and the app loads none of them."""
    project.copy("discovery/models_package_that_imports_nothing")
    project.app = "shop"
    project.create_all("shop.models.user", "shop.models.order")

    ended = project.flask("db-status", "--check")

    assert (ended.code, ended.verdict) == (3, "Refused: Not current: default is unmanaged."), ended.stderr
    assert "`flask db-adopt` puts it under migrations" in ended.stdout


def test_without_any_model_there_is_nothing_to_be_current(project: Project) -> None:
    """An app whose tables nobody finds is told so, and not that all is well."""
    project.write(
        "bare.py",
        "from flask import Flask\nfrom flask_sqlalchemy import SQLAlchemy\n\napp = Flask(__name__)\n"
        "app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite:///bare.db'\ndb = SQLAlchemy(app)\n",
    )
    project.app = "bare"

    ended = project.flask("db-status", "--check")

    assert ended.code == 3, ended.stderr
    assert ended.verdict.startswith("Refused: The app has no tables: ")


def to_do(shop: Shop) -> str:
    (line,) = [x for x in shop.project.flask("db-status").stdout.splitlines() if x.startswith("to do")]
    return line.removeprefix("to do").strip()
