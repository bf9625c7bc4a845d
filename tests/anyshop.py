"""A small shop on any of the three engines: adopted, with rows, and revisions to add."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from projects import Ended, Project

CROWD = Path(__file__).parent / "crowd.py"
APP = """
    import os

    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db = SQLAlchemy(app)
    SchemaFlow(app, db)


    class Item(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(50), nullable=False)
"""
MAKE = """
from app import Item, app, db

with app.app_context():
    db.create_all()
    db.session.add_all([Item(name="one"), Item(name="two")])
    db.session.commit()
"""

BESIDE = """
    import os

    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import Column, Integer
    from sqlalchemy.orm import DeclarativeBase

    from flask_schemaflow import SchemaFlow


    class Base(DeclarativeBase):
        pass


    class Item(Base):
        __tablename__ = "item"
        id = Column(Integer, primary_key=True)


    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    app.config["SCHEMAFLOW_METADATA"] = "app:Base.metadata"
    app.config["SCHEMAFLOW_ACCEPT"] = ["extra-column:item.old"]
    db = SQLAlchemy(app)
    SchemaFlow(app, db)
"""
"""Models that are on another metadata than the registered one."""


@dataclass
class Shop:
    """A project with its database."""

    project: Project
    url: str

    @property
    def family(self) -> str:
        """sqlite, postgresql or mariadb."""
        return {"mysql": "mariadb"}.get(name := sa.make_url(self.url).get_backend_name(), name)

    def adopt(self, *arguments: str, **environment: str) -> Ended:
        return self.project.adopt("--rev-id", "first", *arguments, **environment)

    def upgrade(self, *arguments: str, **environment: str) -> Ended:
        return self.project.safe_upgrade(*arguments, **environment)

    def replicas(self, number: int, *arguments: str, **environment: str) -> list[tuple[int, str]]:
        """Run ``flask db-safe-upgrade`` in several processes at once; give exit codes and last lines."""
        ended = subprocess.run(
            [sys.executable, str(CROWD), str(number), "--app", "app", "db-safe-upgrade", *arguments],
            cwd=self.project.path,
            env=os.environ | self.project.environment | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return [tuple(json.loads(line)) for line in ended.stdout.splitlines()]

    def execute(self, *statements: str) -> list[Any]:
        """Run statements in the database and give the rows of the last one."""
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            results = [connection.exec_driver_sql(each.replace("%", "%%")) for each in statements]
            rows = list(results[-1].all()) if results[-1].returns_rows else []
        engine.dispose()
        return rows

    def tables(self) -> list[str]:
        engine = sa.create_engine(self.url)
        names = sa.inspect(engine).get_table_names()
        engine.dispose()
        return sorted(names)

    def versions(self) -> list[str]:
        return [row[0] for row in self.execute("SELECT version_num FROM alembic_version")]

    def history(self, *columns: str) -> list[Any]:
        """Give columns of the history, oldest entry first."""
        return [
            tuple(row)
            for row in self.execute(f"SELECT {', '.join(columns)} FROM schemaflow_history ORDER BY id")
        ]

    def add(self, name: str, parent: str, *body: str) -> None:
        """Write a revision."""
        lines = "\n".join(f"    {line}" for line in body) or "    pass"
        self.project.write(
            f"migrations/versions/{name}.py",
            f'"""{name} of the shop"""\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
            f'revision = "{name}"\ndown_revision = "{parent}"\n\n\ndef upgrade():\n{lines}\n\n\n'
            "def downgrade():\n    pass\n",
        )


def open_shop(project: Project, url: str) -> Shop:
    """Make the shop's database as ``create_all`` makes it."""
    project.write("app.py", APP)
    project.environment["DATABASE"] = url
    project.python(MAKE)
    return Shop(project, url)


def adopted_shop(project: Project, url: str) -> Shop:
    """Make the shop and adopt it; after the first one on an engine by copying what that wrote."""
    shop = open_shop(project, url)
    if shop.family in _adoptions:
        _adoptions[shop.family].apply(shop)
        return shop
    ended = shop.adopt()
    assert ended.code == 0, ended.stderr
    _adoptions[shop.family] = _Adoption.of(shop)
    return shop


@dataclass(frozen=True)
class _Adoption:
    """What adopting a shop writes: files, and tables with their rows."""

    files: dict[str, bytes]
    tables: sa.MetaData
    rows: dict[str, list[dict[str, Any]]]

    @classmethod
    def of(cls, shop: Shop) -> _Adoption:
        files = {name: each for name, each in shop.project.files().items() if name.startswith("migrations")}
        tables, engine = sa.MetaData(), sa.create_engine(shop.url)
        tables.reflect(engine, only=["alembic_version", "schemaflow_history"])
        with engine.connect() as connection:
            rows = {
                table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
                for table in tables.sorted_tables
            }
        engine.dispose()
        return cls(files, tables, rows)

    def apply(self, shop: Shop) -> None:
        for name, content in self.files.items():
            file = shop.project.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        engine = sa.create_engine(shop.url)
        with engine.begin() as connection:
            self.tables.create_all(connection)
            for table in self.tables.sorted_tables:
                connection.execute(table.insert(), self.rows[table.name])
        engine.dispose()


_adoptions: dict[str, _Adoption] = {}
"""By engine family; the model of the shop is the same for all."""
