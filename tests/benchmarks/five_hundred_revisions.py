"""How long `flask db-lint` takes for a long history.

python tests/benchmarks/five_hundred_revisions.py [--revisions 500] [engine …]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from flask_schemaflow import HazardsFound, LintOptions, lint

BODIES = (
    "op.create_table('{t}', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('name', sa.String(50)))",
    "op.add_column('{t}', sa.Column('c{n}', sa.String(20)))",
    "op.create_index('ix{n}', '{t}', ['name'])",
    "op.execute(\"UPDATE {t} SET name = 'x' WHERE name IS NULL\")",
    "op.alter_column('{t}', 'name', type_=sa.String(80), existing_type=sa.String(50))",
    "op.execute('ALTER TABLE {t} ADD COLUMN d{n} INTEGER')",
    "op.add_column('{t}', sa.Column('u{n}', sa.Integer(), sa.ForeignKey('t0.id')))",
    "op.drop_column('{t}', 'name')",
    "op.create_check_constraint('ck{n}', '{t}', 'id > 0')",
    'op.execute("INSERT INTO {t} (id) VALUES (1)")',
)


def write(folder: Path, revisions: int) -> None:
    """Write a history of this length."""
    (folder / "versions").mkdir()
    (folder / "env.py").touch()
    for n in range(revisions):
        body = BODIES[n % len(BODIES)].format(t=f"t{n // len(BODIES)}", n=n)
        parent = f"r{n - 1:05}" if n else None
        (folder / "versions" / f"r{n:05}.py").write_text(
            f"import sqlalchemy as sa\nfrom alembic import op\n\nrevision = 'r{n:05}'\ndown_revision = {parent!r}\n\n\n"
            f"def upgrade():\n    {body}\n\n\ndef downgrade():\n    pass\n"
        )


def main() -> None:
    """Lint it for each engine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--revisions", type=int, default=500)
    parser.add_argument("engines", nargs="*", default=["sqlite", "postgresql", "mariadb"])
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), said.revisions)
        for engine in said.engines:
            started, findings = time.monotonic(), 0
            try:
                lint(LintOptions(directory=folder, engines=(engine,)))
            except HazardsFound as error:
                findings = len(error.findings)
            taken = time.monotonic() - started
            print(f"{said.revisions} revisions for {engine}: {taken:.2f} s, {findings} findings stop")


if __name__ == "__main__":
    main()
