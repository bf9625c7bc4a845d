"""Records what revisions of a project that is never connected to would do."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from flask_migrate import init
from flask_sqlalchemy import SQLAlchemy

from flask_schemaflow.hazards import Hazard, Structures, find_hazards
from flask_schemaflow.migrations import open_migrations
from flask_schemaflow.recording import RecordedRevision, record_revisions
from flask_schemaflow.revisions import read_revision
from flask_schemaflow.snapshot import take_snapshot

BACK = "\n\ndef downgrade():\n    op.execute('SELECT 1')\n"
OF_ROWS = {"destructive", "data-dependent", "failing", "uninspectable"}
HEAD = 'import sqlalchemy as sa\nfrom alembic import context, op\n\nrevision = "second"\ndown_revision = "first"\n'
DIALECTS = {
    "sqlite": "sqlite://",
    "postgresql": "postgresql+psycopg://",
    "mariadb": "mariadb+pymysql://",
}
EVERY = tuple(DIALECTS)
TABLES = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(50), age BIGINT, born TIMESTAMP, price NUMERIC(10, 2))",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE)",
)


class Recorder:
    """Records revisions of a project that is never connected to."""

    def __init__(self, folder: Path) -> None:
        self.app = Flask(__name__)
        self.app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
        self.db = SQLAlchemy(self.app)
        self.file = folder / "migrations" / "versions" / "second.py"
        with self.app.app_context():
            self.migrations = open_migrations(self.app, self.db, directory=str(folder / "migrations"))
            init(str(folder / "migrations"))

    def record(self, *body: str, family: str = "sqlite", key: str | None = None) -> RecordedRevision:
        lines = "".join(f"    {line}\n" for line in body)
        return self.record_source(f"{HEAD}\n\ndef upgrade():\n{lines}{BACK}", family, key)

    def record_source(self, source: str, family: str = "sqlite", key: str | None = None) -> RecordedRevision:
        self.file.write_text(source)
        dialect = sa.create_engine(DIALECTS[family]).dialect
        with self.app.app_context():
            revision = read_revision(self.file)
            (found,) = record_revisions(
                self.migrations.environment, [revision], (key,), dialect, self.db.metadata
            )
            return found

    def hazards(self, *body: str, family: str = "sqlite") -> tuple[Hazard, ...]:
        """Find hazards to rows in a revision, given the tables above."""
        engine = sa.create_engine("sqlite://")
        with engine.begin() as connection:
            for statement in TABLES:
                connection.exec_driver_sql(statement)
            real = take_snapshot(connection)
        found = find_hazards([self.record(*body, family=family)], Structures(family=family, real=real))
        return tuple(each for each in found if OF_ROWS & {*each.classes} and not each.averted)

    def keys(self, *body: str, family: str = "sqlite") -> list[str]:
        return [each.key for each in self.hazards(*body, family=family)]
