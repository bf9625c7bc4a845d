"""Every way in which apps keep their models: a tiny app each in ``cases/discovery``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from projects import CASES, Project

from flask_schemaflow.discovery.sources import scan_sources

SITUATIONS = sorted(folder.name for folder in (CASES / "discovery").iterdir())


@pytest.mark.parametrize("situation", SITUATIONS)
def test_situation(situation: str, project: Project) -> None:
    """Discovery sees what the case says, and not a byte of a row changes."""
    project.copy(f"discovery/{situation}")
    case = json.loads((project.path / "case.json").read_text())
    project.app, project.cwd = case["app"], case.get("cwd", ".")
    if case.get("database", True):
        project.create_all(*case.get("also_import", ()))
    before = project.contents()

    ended = project.adopt(*case.get("arguments", ()), **case.get("environment", {}))

    assert ended.code == case.get("exit_code", 0), ended.stderr
    assert case.get("says", "") in ended.document["message"]
    found = ended.document["discovery"]
    assert found is not None or ended.code != 0
    if found is not None:
        assert sorted(table for module in found["modules"] for table in module["tables"]) == case["tables"]
    assert project.contents() == before
    if "findings" in case:
        weighty = [each for each in ended.findings() if each["severity"] != "info"]
        subjects: dict[str, list[str]] = {}
        for finding in weighty:
            subjects.setdefault(finding["code"], []).append(finding["subject"])
        assert {code: sorted(names) for code, names in subjects.items()} == case["findings"]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_each_situation_has_its_sentence(situation: str) -> None:
    """A case says in one sentence what it is about."""
    case = json.loads(Path(CASES, "discovery", situation, "case.json").read_text())
    assert case["sentence"].endswith(".")


SIBLING = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///sibling.db"
    db = SQLAlchemy(app)


    class Note(db.Model):
        id = db.Column(db.Integer, primary_key=True)
"""


@pytest.mark.parametrize("is_there", [True, False])
def test_another_app_in_the_tree_leaves_no_folder(project: Project, *, is_there: bool) -> None:
    """Flask-SQLAlchemy makes the instance folder of every app that is imported; one that was there stays."""
    app = SIBLING.replace("sqlite:///sibling.db", f"sqlite:///{project.path / 'a.db'}")
    project.write("app.py", app.replace("Note", "User"))
    project.write("tools/main.py", SIBLING)
    folder = project.path / "instance"
    if is_there:
        folder.mkdir()

    ended = project.adopt("--dry-run")

    assert ended.code == 0, ended.stderr
    assert [each["subject"] for each in ended.findings("other-metadata")] == ["tools.main:db"]
    assert folder.exists() is is_there


PLACES = {
    "class A(db.Model): pass": (None, None, True),
    "class A(db.Model): __bind_key__ = 'audit'": ("audit", None, True),
    "class A(db.Model): __bind_key__ = BIND": (None, None, False),
    "class A(db.Model): __table_args__ = {'schema': 'past'}": (None, "past", True),
    "class A(db.Model): __table_args__ = (db.Index('i', 'a'), {'schema': 'past'})": (None, "past", True),
    "class A(db.Model): __table_args__ = OPTIONS": (None, None, False),
    "from past import Base\nclass A(Base): __tablename__ = 'a'; a = db.Column()": ("audit", None, True),
    "from other import Mixin\nclass A(Mixin, db.Model): pass": (None, None, False),
    "a = db.Table('a', db.metadata, schema='past', bind_key='audit')": ("audit", "past", True),
    "a = db.Table('a', db.metadata, schema=PAST)": (None, None, False),
}


@pytest.mark.parametrize("source", PLACES)
def test_the_place_of_a_table_is_read_from_the_source(source: str, tmp_path: Path) -> None:
    """Bind key and schema are what class, bases or call say; where more may say it, that is known too."""
    (tmp_path / "models.py").write_text(f"from shop import db\n{source}\n")
    (tmp_path / "past.py").write_text(
        "class Base(db.Model):\n    __abstract__ = True\n    __bind_key__ = 'audit'\n"
    )

    (declaring,) = scan_sources([tmp_path], lambda *_: None).declaring

    (table,) = declaring.tables
    assert (table.bind_key, table.schema, table.is_placed) == PLACES[source]
