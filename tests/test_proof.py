"""A proof that cannot be lied to: what a baseline forgets or does elsewhere is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_schemaflow import ProofFailed
from flask_schemaflow.discovery import find_binds
from flask_schemaflow.migrations import Migrations, open_migrations
from flask_schemaflow.migrations.writing import staging_area
from flask_schemaflow.proof import Proof, prove
from flask_schemaflow.revisions import TableName
from flask_schemaflow.session import reading_connection
from flask_schemaflow.snapshot import take_snapshot

GOOD = """
from alembic import op
import sqlalchemy as sa

revision = "a"
down_revision = None


def upgrade():
    op.create_table("p", sa.Column("id", sa.Integer(), nullable=False), sa.PrimaryKeyConstraint("id"))
    op.create_table(
        "t",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("a", sa.Integer(), nullable=True),
        sa.Column("f", sa.Integer(), nullable=True),
        sa.CheckConstraint("a > 0"),
        sa.ForeignKeyConstraint(["f"], ["p.id"]),
        sa.UniqueConstraint("a"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_t_f", "t", ["f"])
"""
LIES = {
    "a check too few": ('        sa.CheckConstraint("a > 0"),\n', ""),
    "another check": ('"a > 0"', '"a >= 0"'),
    "a key too few": ('        sa.ForeignKeyConstraint(["f"], ["p.id"]),\n', ""),
    "a key to elsewhere": ('["p.id"]', '["t.id"]'),
    "an index too few": ('    op.create_index("ix_t_f", "t", ["f"])\n', ""),
    "an index on something else": ('"t", ["f"])', '"t", ["a"])'),
    "a unique too few": ('        sa.UniqueConstraint("a"),\n', ""),
    "another type": ('sa.Column("a", sa.Integer()', 'sa.Column("a", sa.BigInteger()'),
    "nullable or not": ('"f", sa.Integer(), nullable=True', '"f", sa.Integer(), nullable=False'),
    "a default": ('"f", sa.Integer(), nullable=True', '"f", sa.Integer(), server_default="1"'),
    "a column too many": ('sa.Column("f"', 'sa.Column("g", sa.Integer()),\n        sa.Column("f"'),
    "a table too few": (
        '    op.create_table("p", sa.Column("id", sa.Integer(), nullable=False), sa.PrimaryKeyConstraint("id"))\n',
        "",
    ),
    "a table too many": (
        "def upgrade():\n",
        "def upgrade():\n    op.create_table('q', sa.Column('id', sa.Integer()))\n",
    ),
    "a trigger": (
        'op.create_index("ix_t_f", "t", ["f"])',
        'op.create_index("ix_t_f", "t", ["f"])\n    op.execute("CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END")',
    ),
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """Give an app whose database was made by hand, and is what GOOD makes."""
    app = Flask("proved", root_path=str(tmp_path), instance_path=str(tmp_path))
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/real.db"
    db = SQLAlchemy(app)
    with app.app_context():
        metadata = db.metadata
        sa.Table("p", metadata, sa.Column("id", sa.Integer, primary_key=True))
        sa.Table(
            "t",
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("a", sa.Integer, unique=True),
            sa.Column("f", sa.ForeignKey("p.id"), index=True),
            sa.CheckConstraint("a > 0"),
        )
        db.create_all()
        yield app
        db.engine.dispose()


@pytest.fixture
def folder(app: Flask, tmp_path: Path) -> Iterator[Migrations]:
    """Give a migrations folder without a revision."""
    found = open_migrations(app, app.extensions["sqlalchemy"], directory=str(tmp_path / "migrations"))
    with staging_area(found, several_databases=False) as staging:
        yield staging


def proof_of(app: Flask, folder: Migrations, source: str) -> Proof:
    assert folder.version_folder is not None
    (folder.version_folder / "a.py").write_text(source)
    binds = find_binds(app)
    with reading_connection(binds[0].engine) as connection:
        real = take_snapshot(connection)
    return prove(folder, binds, "a", {None: real}, {None: frozenset({TableName(None, "alembic_version")})})


def test_a_true_baseline_is_equal(app: Flask, folder: Migrations) -> None:
    """A hand-written baseline that is right is proved."""
    assert proof_of(app, folder, GOOD).equal


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found(app: Flask, folder: Migrations, lie: str) -> None:
    """Whatever the baseline forgets, adds or changes: it is not equal."""
    truth, untruth = LIES[lie]
    assert truth in GOOD

    assert not proof_of(app, folder, GOOD.replace(truth, untruth, 1)).equal


WAYS_OUT = {
    "the session": "from flask import current_app\n    db = current_app.extensions['sqlalchemy']\n    db.session.execute(sa.text('DELETE FROM t'))\n    db.session.commit()",
    "the engine": "from flask import current_app\n    current_app.extensions['sqlalchemy'].engine.connect()",
    "begin of the engine": "from flask import current_app\n    current_app.extensions['sqlalchemy'].engine.begin().__enter__()",
    "an engine of its own": "sa.create_engine('sqlite:///REAL').connect()",
    "a raw connection": "from flask import current_app\n    current_app.extensions['sqlalchemy'].engine.raw_connection()",
    "the driver": "import sqlite3\n    sqlite3.connect('REAL').execute('DELETE FROM t')",
    "the driver by a URI": "import sqlite3\n    sqlite3.connect('file:REAL?mode=rw', uri=True)",
    "ATTACH": "op.execute(\"ATTACH 'REAL' AS other\")\n    op.execute('DELETE FROM other.t')",
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_a_revision_on_scratch_cannot_reach_the_real_database(
    app: Flask, folder: Migrations, way: str
) -> None:
    """Every way out of scratch raises, and the proof says which revision tried."""
    file = Path(app.instance_path) / "real.db"
    before = file.read_bytes()
    body = WAYS_OUT[way].replace("REAL", str(file))

    with pytest.raises(ProofFailed) as raised:
        proof_of(app, folder, GOOD + f"    {body}\n")

    assert raised.value.findings[0].revision == "a"
    assert file.read_bytes() == before
