"""A proof that cannot be lied to, wherever on a server the scratch database is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from dumps import dump
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from test_scratch import Limited, limited_mariadb, limited_postgresql

from flask_schemaflow import ProofFailed, Refused
from flask_schemaflow.discovery import Bind
from flask_schemaflow.migrations import Migrations, open_migrations
from flask_schemaflow.migrations.writing import staging_area
from flask_schemaflow.proof import Proof, prove
from flask_schemaflow.revisions import TableName
from flask_schemaflow.session import reading_connection
from flask_schemaflow.snapshot import take_snapshot

__all__ = ["limited_mariadb", "limited_postgresql"]

CREATE_TYPE = "    op.execute(\"CREATE TYPE mood AS ENUM ('good', 'bad')\")\n"
GOOD = """
from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "a"
down_revision = None


def upgrade():
TYPE    op.create_table("p", sa.Column("id", sa.Integer(), nullable=False), sa.PrimaryKeyConstraint("id"))
    op.create_table(
        "t",
        sa.Column("one", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("two", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("f", sa.Integer(), nullable=True),
        sa.Column("word", sa.String(length=9), server_default="x", nullable=True),
        sa.Column("mood", MOOD, nullable=True),
        sa.CheckConstraint("two > 0", name="positive"),
        sa.ForeignKeyConstraint(["f"], ["p.id"], name="to_p", ondelete="CASCADE"),
        sa.UniqueConstraint("f", "word", name="once"),
        sa.PrimaryKeyConstraint("one", "two"),
    )
    op.create_index("ix_t_word", "t", ["word"])
"""
LIES = {
    "another order of a key": ('PrimaryKeyConstraint("one", "two")', 'PrimaryKeyConstraint("two", "one")'),
    "another order of a unique": ('"f", "word", name', '"word", "f", name'),
    "a check too few": ('        sa.CheckConstraint("two > 0", name="positive"),\n', ""),
    "another check": ("two > 0", "two >= 0"),
    "an index too few": ('    op.create_index("ix_t_word", "t", ["word"])\n', ""),
    "a unique index": ('["word"])', '["word"], unique=True)'),
    "a key that does not cascade": (', ondelete="CASCADE"', ""),
    "a key of another name": ('name="to_p"', 'name="to_q"'),
    "another default": ('server_default="x"', 'server_default="y"'),
    "another length": ("length=9", "length=10"),
    "another value": ("'bad'", "'worse'"),
    "values in another order": ("'good', 'bad'", "'bad', 'good'"),
    "a column too many": ('sa.Column("f"', 'sa.Column("g", sa.Integer()),\n        sa.Column("f"'),
    "a table too many": (
        '    op.create_table(\n        "t"',
        '    op.create_table("q", sa.Column("a", sa.Integer()))\n    op.create_table(\n        "t"',
    ),
    "a table too few": ('sa.ForeignKeyConstraint(["f"], ["p.id"], name="to_p", ondelete="CASCADE"),\n', ""),
    "the app's session": (
        "    op.create_index(",
        "    from flask import current_app\n    current_app.extensions['sqlalchemy'].session.execute(sa.text('SELECT 1'))\n    op.create_index(",
    ),
}


@dataclass(frozen=True)
class Place:
    """A real database, and where its scratch database is."""

    url: str
    scratch_uri: str | None
    ours: bool


PLACES = ("postgresql", "postgresql given", "postgresql temporary", "mariadb", "mariadb given")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Place:
    engine, _, way = request.param.partition(" ")
    if not way:
        return Place(request.getfixturevalue(engine), None, ours=False)
    limited: Limited = request.getfixturevalue(f"limited_{engine}")
    return Place(limited.url, limited.spare if way == "given" else None, ours=way == "temporary")


@pytest.fixture
def app(place: Place, tmp_path: Path) -> Iterator[Flask]:
    """Give an app whose database was made by ``create_all``, and is what GOOD makes."""
    app = Flask("proved", root_path=str(tmp_path), instance_path=str(tmp_path))
    app.config["SQLALCHEMY_DATABASE_URI"] = place.url
    db = SQLAlchemy(app)
    sa.Table("p", db.metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table(
        "t",
        db.metadata,
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("two", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("f", sa.ForeignKey("p.id", name="to_p", ondelete="CASCADE")),
        sa.Column("word", sa.String(9), server_default="x", index=True),
        sa.Column("mood", sa.Enum("good", "bad", name="mood")),
        sa.CheckConstraint("two > 0", name="positive"),
        sa.UniqueConstraint("f", "word", name="once"),
    )
    with app.app_context():
        db.create_all()
        yield app
        db.engine.dispose()


def proofs(app: Flask, place: Place, tmp_path: Path, sources: list[str]) -> Iterator[Proof | Refused]:
    """Prove each of these in turn."""
    found = open_migrations(app, app.extensions["sqlalchemy"], directory=str(tmp_path / "migrations"))
    engine = app.extensions["sqlalchemy"].engine
    bind = Bind(key=None, engine=engine, metadata=sa.MetaData(), scratch_uri=place.scratch_uri)
    with reading_connection(engine) as connection:
        real = take_snapshot(connection)
    for source in sources:
        with staging_area(found, several_databases=False) as folder:
            yield _proof(folder, bind, real, source, ours=place.ours)


def _proof(folder: Migrations, bind: Bind, real: object, source: str, *, ours: bool) -> Proof | Refused:
    assert folder.version_folder is not None
    (folder.version_folder / "a.py").write_text(source)
    books = {None: frozenset({TableName(None, "alembic_version")})}
    try:
        return prove(folder, [bind], "a", {None: real}, books, ours=ours)  # type: ignore[dict-item]
    except Refused as error:
        return error


def truth(place: Place) -> str:
    is_postgresql = place.url.startswith("postgresql")
    mood = "postgresql.ENUM('good', 'bad', name='mood', create_type=False)"
    return GOOD.replace("TYPE", CREATE_TYPE if is_postgresql else "").replace(
        "MOOD", mood if is_postgresql else "sa.Enum('good', 'bad')"
    )


def test_the_truth_is_equal_and_every_lie_is_found(app: Flask, place: Place, tmp_path: Path) -> None:
    """Whatever the baseline forgets, adds, changes or goes around: it is not equal, and nothing is touched."""
    good = truth(place)
    lies = {name: good.replace(was, told) for name, (was, told) in LIES.items()}
    if place.url.startswith("postgresql"):
        lies["a type that was forgotten"] = good.replace(CREATE_TYPE, "")
    assert good not in lies.values()
    before = dump(place.url)

    first, *others = proofs(app, place, tmp_path, [good, *lies.values()])

    assert isinstance(first, Proof), first
    assert first.equal, first.drift
    believed = [
        name for name, each in zip(lies, others, strict=True) if isinstance(each, Proof) and each.equal
    ]
    assert believed == []
    (session,) = (each for name, each in zip(lies, others, strict=True) if name == "the app's session")
    assert isinstance(session, ProofFailed)
    assert session.findings[0].code == "uses-app-session"
    assert dump(place.url) == before


WAYS_OUT = {
    "postgresql": "import psycopg\n    psycopg.connect(host='127.0.0.1', user='postgres', dbname='postgres')",
    "mariadb": "import pymysql\n    pymysql.connect(host='127.0.0.1', user='root')",
}


@pytest.mark.parametrize("engine", WAYS_OUT)
@pytest.mark.parametrize("own", ["the driver", "an engine of its own"])
def test_a_revision_on_scratch_connects_nowhere(
    request: pytest.FixtureRequest, tmp_path: Path, engine: str, own: str
) -> None:
    """Neither the driver nor an engine that the revision makes leads anywhere."""
    place = Place(request.getfixturevalue(engine), None, ours=False)
    way = WAYS_OUT[engine] if own == "the driver" else f"sa.create_engine({place.url!r}).connect()"
    app = Flask("proved", root_path=str(tmp_path), instance_path=str(tmp_path))
    app.config["SQLALCHEMY_DATABASE_URI"] = place.url
    SQLAlchemy(app)
    with app.app_context():
        (refused,) = proofs(app, place, tmp_path, [truth(place) + f"    {way}\n"])

    assert isinstance(refused, ProofFailed)
    assert refused.findings[0].code == "uses-app-session"
