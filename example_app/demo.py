"""Show the main job: adopt the shop's databases, build fresh ones from the baseline, compare both.

    python demo.py

Works on a copy of this folder in a temporary place, and needs nothing but flask-schemaflow.
"""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
DATABASES = ("shop.db", "audit.db")


def run(place: Path, *command: str) -> None:
    print(f"\n$ {' '.join(command).replace(sys.executable, 'python')}", flush=True)
    subprocess.run(
        [sys.executable, *command[1:]] if command[0] == "python" else command, cwd=place, check=True
    )


def flask(place: Path, *arguments: str) -> None:
    print(f"\n$ flask --app shop {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "flask", "--app", "shop", *arguments], cwd=place, check=True)


def contents(file: Path) -> tuple[dict[str, list[str]], dict[str, list[tuple[object, ...]]]]:
    """Give the structure (statements, each as its sorted lines) and the rows of a database."""
    with sqlite3.connect(file) as connection:
        master = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
        ).fetchall()
        structure = {name: sorted(line.strip(" ,\t") for line in sql.splitlines()) for name, sql in master}
        tables = [name for name, sql in master if sql.lstrip().upper().startswith("CREATE TABLE")]
        rows = {name: sorted(connection.execute(f'SELECT * FROM "{name}"')) for name in tables}
    return structure, rows


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary, "example_app")
        shutil.copytree(HERE, place, ignore=shutil.ignore_patterns("__pycache__", "instance"))
        instance = place / "instance"

        run(place, "python", "legacy_database.py")
        before = {name: contents(instance / name) for name in DATABASES}

        flask(place, "db-adopt")
        after = {name: contents(instance / name) for name in DATABASES}

        for name in DATABASES:
            (instance / name).rename(instance / f"adopted-{name}")
        flask(place, "db-safe-upgrade", "--create")
        fresh = {name: contents(instance / name) for name in DATABASES}

        print()
        for name in DATABASES:
            count = sum(map(len, before[name][1].values()))
            kept = before[name] == after[name]
            equal = fresh[name][0] == before[name][0]
            print(f"{name}: {count} rows before, every one there after: {'yes' if kept else 'NO'}")
            print(f"{name}: the fresh database from the baseline is equal: {'yes' if equal else 'NO'}")
            if not (kept and equal):
                sys.exit(1)


if __name__ == "__main__":
    main()
