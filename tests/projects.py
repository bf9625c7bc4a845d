"""Projects in throw-away folders: make one out of a case, run ``flask`` in it, look at its databases."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent / "cases"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on stdout, which must be all that is there."""
        return json.loads(self.stdout)

    @property
    def verdict(self) -> str:
        """The last line of the talk."""
        return self.stderr.rstrip("\n").rpartition("\n")[2]

    def findings(self, code: str | None = None) -> list[dict[str, Any]]:
        return [each for each in self.document["findings"] if code in (None, each["code"])]


class Zygote:
    """Runs programs in forks of a process that has the libraries loaded (see ``zygote.py``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.serial = 0
        self.process = self._born()

    def _born(self) -> subprocess.Popen[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FLASK")}
        return subprocess.Popen(
            [sys.executable, str(HERE / "zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        )

    def start(
        self, program: str, arguments: list[str], cwd: Path, environment: dict[str, str], closed: list[int]
    ) -> int:
        """Start a program and give its process id."""
        if self.process.poll() is not None:
            self.process.communicate()
            self.process = self._born()
        self.serial += 1
        request = {
            "serial": self.serial,
            "program": program,
            "arguments": arguments,
            "cwd": str(cwd),
            "environment": environment,
            "stdout": str(self.folder / "stdout"),
            "stderr": str(self.folder / "stderr"),
            "closed": closed,
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._number()

    def wait(self) -> Ended:
        """Wait for the program that was started last."""
        code = self._number()
        texts = [(self.folder / name).read_text(encoding="utf-8") for name in ("stdout", "stderr")]
        return Ended(code, *texts)

    def _number(self) -> int:
        """Read an answer to the last request; what a test before did not wait for is passed over."""
        assert self.process.stdout is not None
        while True:
            line = self.process.stdout.readline()
            assert line, f"the zygote died with {self.process.wait()}"
            serial, number = map(int, line.split())
            if serial == self.serial:
                return number

    def stop(self) -> None:
        self.process.communicate(timeout=10)


@dataclass
class Project:
    """A folder with an app in it."""

    path: Path
    zygote: Zygote
    app: str = "app"
    cwd: str = "."
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder in which commands run."""
        return self.path / self.cwd

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return file

    def copy(self, case: str) -> Project:
        """Fill the folder from a case."""
        shutil.copytree(CASES / case, self.path, dirs_exist_ok=True)
        return self

    def flask(self, *arguments: str, closed: tuple[int, ...] = (), **environment: str) -> Ended:
        """Run ``flask`` with these arguments."""
        self.start(*arguments, closed=closed, **environment)
        return self.zygote.wait()

    def start(self, *arguments: str, closed: tuple[int, ...] = (), **environment: str) -> int:
        """Start ``flask`` and give its process id; ``zygote.wait()`` waits for it."""
        app = ["--app", self.app] if self.app else []
        return self.zygote.start(
            "flask", [*app, *arguments], self.folder, self.environment | environment, list(closed)
        )

    def adopt(self, *arguments: str, **environment: str) -> Ended:
        """Run ``flask db-adopt --json``."""
        return self.flask("db-adopt", "--json", *arguments, **environment)

    def safe_upgrade(self, *arguments: str, **environment: str) -> Ended:
        """Run ``flask db-safe-upgrade --json``."""
        return self.flask("db-safe-upgrade", "--json", *arguments, **environment)

    def python(self, source: str, **environment: str) -> Ended:
        """Run a program in the project; it must end well."""
        program = self.write(".program.py", source)
        self.zygote.start("python", [str(program)], self.folder, self.environment | environment, [])
        ended = self.zygote.wait()
        assert ended.code == 0, ended.stderr
        program.unlink()
        return ended

    def create_all(self, *also_import: str) -> None:
        """Make the databases as the app's owner did: with ``create_all``, and a row in each table."""
        self.python(CREATE_ALL, MAKING="1", APP=self.app, ALSO=" ".join(also_import))

    def databases(self) -> list[Path]:
        """The SQLite files of the project."""
        return sorted(self.path.rglob("*.db"))

    def files(self) -> dict[str, bytes]:
        """Every file of the project with its content."""
        return {
            str(file.relative_to(self.path)): file.read_bytes()
            for file in sorted(self.path.rglob("*"))
            if file.is_file() and "__pycache__" not in file.parts
        }

    def contents(self) -> dict[str, tuple[list[str], dict[str, list[Any]]]]:
        """Structure and rows of every database, but for the version table and the history."""
        return {str(file.relative_to(self.path)): contents_of(file) for file in self.databases()}


def put_first(file: Path, code: str) -> None:
    """Put code before everything in a module but its ``from __future__ import``."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    after = 1 + max((i for i, line in enumerate(lines) if line.startswith("from __future__")), default=-1)
    file.write_text("".join([*lines[:after], f"{code}\n", *lines[after:]]), encoding="utf-8")


def reading(file: Path) -> closing[sqlite3.Connection]:
    """Open a database to read it, inside a with block."""
    return closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True))


def contents_of(file: Path) -> tuple[list[str], dict[str, list[Any]]]:
    """Structure (the statements as SQLite keeps them) and rows of a database, but for the bookkeeping."""
    with reading(file) as connection:
        master = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL "
            "AND tbl_name NOT IN ('alembic_version', 'schemaflow_history')"
        ).fetchall()
        tables = [name for name, sql in master if sql.lstrip().upper().startswith("CREATE TABLE")]
        quoted = {name: name.replace('"', '""') for name in tables}
        rows = {name: connection.execute(f'SELECT * FROM "{quoted[name]}"').fetchall() for name in tables}
    return sorted(sql for _, sql in master), rows


def same_structure(left: Path, right: Path) -> bool:
    """Compare two databases by ``sqlite_master``, the order of constraints inside a table apart."""
    return _sorted_lines(left) == _sorted_lines(right)


def _sorted_lines(file: Path) -> list[list[str]]:
    return sorted(sorted(line.strip(" ,\t") for line in sql.splitlines()) for sql in contents_of(file)[0])


def versions_of(file: Path) -> list[str]:
    """The rows of the version table."""
    with reading(file) as connection:
        return [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]


CREATE_ALL = """
import importlib
import os
import sys

import sqlalchemy as sa
from flask.cli import ScriptInfo

if os.path.exists("make_database.py"):
    exec(open("make_database.py").read())
    sys.exit()
app = ScriptInfo(app_import_path=os.environ["APP"] or None).load_app()
for name in os.environ["ALSO"].split():
    importlib.import_module(name)
db = app.extensions["sqlalchemy"]
with app.app_context():
    db.create_all()
    for key, engine in db.engines.items():
        for table in db.metadatas[key].sorted_tables:
            values = {c.name: 1 for c in table.columns if c.foreign_keys}
            values |= {c.name: "x" for c in table.columns if isinstance(c.type, sa.String)}
            with engine.begin() as connection:
                connection.execute(table.insert().values(**values))
"""
