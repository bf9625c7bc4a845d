"""How long a large schema takes, beside what Alembic and Flask-Migrate take for it, in one run.

    python tests/benchmarks/thousand_tables.py [--tables 1000] [engine …]

Engines are sqlite, postgresql and mariadb, at their usual local addresses.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from flask_schemaflow.snapshot import take_snapshot

SERVERS = {
    "postgresql": "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    "mariadb": "mysql+pymysql://root@127.0.0.1:3306/",
}
MODELS = """
    import os

    import sqlalchemy as sa
    from flask import Flask
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db = SQLAlchemy(app)
    Migrate(app, db)


    def add(number):
        columns = [sa.Column("id", sa.Integer, primary_key=True)]
        columns += [sa.Column(f"text_{i}", sa.String(50), nullable=False, server_default="x") for i in range(4)]
        columns += [sa.Column(f"number_{i}", sa.Integer) for i in range(3)]
        columns += [sa.Column("amount", sa.Numeric(10, 2)), sa.Column("on", sa.DateTime)]
        columns += [sa.Column("is_on", sa.Boolean), sa.Column("code", sa.String(20), unique=True)]
        columns.append(sa.Column("parent_id", sa.ForeignKey(f"table_{max(0, number - 1)}.id"), index=True))
        check = sa.CheckConstraint("number_0 > 0", name=f"positive_{number}")
        sa.Table(f"table_{number}", db.metadata, *columns, check)


    for number in range(int(os.environ["TABLES"])):
        add(number)
"""


@contextmanager
def new_database(engine: str, name: str, folder: Path) -> Iterator[str]:
    """Give the URL of an empty database, which is dropped afterwards."""
    if engine == "sqlite":
        yield f"sqlite:///{folder / name}.db"
        return
    server = sa.create_engine(SERVERS[engine], isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield server.url.set(database=name).render_as_string(hide_password=False)
        finally:
            force = " WITH (FORCE)" if engine == "postgresql" else ""
            connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    server.dispose()


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Give the shortest of some runs."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def models(tables: int) -> sa.MetaData:
    os.environ |= {"TABLES": str(tables), "DATABASE": "sqlite://"}
    namespace: dict[str, object] = {"__name__": "models"}
    exec(textwrap.dedent(MODELS), namespace)
    return namespace["db"].metadata  # type: ignore[attr-defined]


def reading(url: str, metadata: sa.MetaData) -> list[tuple[str, str]]:
    """Measure a snapshot beside its bare queries and ``compare_metadata``, on one connection."""
    engine = sa.create_engine(url)
    for part in _chunks(metadata.sorted_tables):
        metadata.create_all(engine, part)
    with engine.connect() as connection:
        statements: list[str] = []
        listener = lambda _c, _u, statement, *_: statements.append(statement)  # noqa: E731
        sa.event.listen(connection, "before_cursor_execute", listener)
        take_snapshot(connection)
        sa.event.remove(connection, "before_cursor_execute", listener)
        queries = [each for each in statements if not each.lstrip().startswith(("SET", "SELECT set_config"))]

        def ask() -> None:
            for each in queries:
                connection.exec_driver_sql(each).all()

        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        snapshot = seconds(lambda: take_snapshot(connection), 3)
        compare = seconds(lambda: compare_metadata(context, metadata))
        bare = seconds(ask, 3)
    engine.dispose()
    return [
        ("statements of a snapshot", str(len(statements))),
        ("snapshot", f"{snapshot:.2f} s"),
        ("its queries alone", f"{bare:.2f} s"),
        ("compare_metadata", f"{compare:.2f} s"),
        ("snapshot / compare_metadata", f"{snapshot / compare:.3f}"),
    ]


def _chunks(tables: list[sa.Table]) -> Iterator[list[sa.Table]]:
    """Give the tables in parts: PostgreSQL has a limit of locks in one transaction."""
    yield from (tables[i : i + 200] for i in range(0, len(tables), 200))


def adopting(engine: str, url: str, tables: int, folder: Path) -> list[tuple[str, str]]:
    """Measure a whole adoption with its proof beside ``flask db migrate`` and ``upgrade``."""
    ours = run(folder / "ours", url, tables, ["db-adopt", "--json"])
    with new_database(engine, "sf_bench_stock", folder) as empty:
        stock = run(
            folder / "stock", empty, tables, ["db", "init"], ["db", "migrate", "-m", "x"], ["db", "upgrade"]
        )
    total = sum(stock)
    return [
        ("flask db-adopt", f"{ours[0]:.1f} s"),
        (
            "flask db init, migrate, upgrade",
            " + ".join(f"{each:.1f}" for each in stock) + f" = {total:.1f} s",
        ),
        ("db-adopt / (migrate + upgrade)", f"{ours[0] / sum(stock[1:]):.2f}"),
    ]


def run(folder: Path, url: str, tables: int, *commands: list[str]) -> list[float]:
    folder.mkdir()
    (folder / "app.py").write_text(textwrap.dedent(MODELS))
    environment = {**os.environ, "DATABASE": url, "TABLES": str(tables), "FLASK_APP": "app"}
    taken = []
    for command in commands:
        start = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, "-m", "flask", *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        taken.append(time.perf_counter() - start)
        if ended.returncode:
            raise SystemExit(ended.stderr)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("engines", nargs="*", default=["sqlite", "postgresql", "mariadb"])
    arguments = parser.parse_args()
    metadata = models(arguments.tables)
    for engine in arguments.engines:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with new_database(engine, "sf_bench", folder) as url:
                figures = reading(url, metadata)
                figures += adopting(engine, url, arguments.tables, folder)
        print(f"{engine}, {arguments.tables} tables")
        for what, figure in figures:
            print(f"  {what:34} {figure}", flush=True)


if __name__ == "__main__":
    main()
