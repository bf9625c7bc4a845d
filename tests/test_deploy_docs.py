"""What ``docs/deploy.md`` says: its snippets are run, its last lines are produced, its rights are enough."""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from anyshop import APP, MAKE, Shop, adopted_shop
from endings import ADD_SIZE, ENDINGS, HAS_ROWS, IMPATIENT, Ending
from projects import Ended, Project

from flask_schemaflow import ExitCode

if sys.version_info >= (3, 11):
    import tomllib
else:  # pytest brings it
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
DEPLOY = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")

# -- snippets --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Snippet:
    """A fenced block of the document, below its heading."""

    language: str
    text: str
    heading: str


def _snippets() -> Iterator[Snippet]:
    heading = ""
    for found in re.finditer(r"^#+ ([^\n]*)$|^```(\w+)\n(.*?)^```$", DEPLOY, re.MULTILINE | re.DOTALL):
        title, language, text = found.groups()
        if language is None:
            heading = title
        else:
            yield Snippet(language, text, heading)


SNIPPETS = tuple(_snippets())


def only(language: str, heading: str) -> str:
    """Give the one snippet of a language below a heading."""
    (text,) = (each.text for each in SNIPPETS if (each.language, each.heading) == (language, heading))
    return text


def _flask_in(command: str) -> list[list[str]]:
    words = shlex.split(command, comments=True)
    words = words[: next((i for i, word in enumerate(words) if word in ("&", ">", "&&", "|")), None)]
    return [["flask", *words[1:]]] if words and Path(words[0]).name == "flask" else []


def _in_values(value: Any) -> list[list[str]]:
    """Find the commands in a document, wherever they stand: as a text, or as a list of words."""
    if isinstance(value, str):
        return [found for line in value.splitlines() for found in _flask_in(line)]
    if isinstance(value, list) and value and value[0] == "flask":
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for part in parts for found in _in_values(part)]


def _in_shell(text: str) -> list[list[str]]:
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    return [found for line in text.splitlines() if "'" not in line for found in _flask_in(line)]


def _in_unit(text: str) -> list[list[str]]:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    assert {"Unit", "Service", "Install"} >= set(unit.sections())
    return [found for value in unit["Service"].values() for found in _flask_in(value)]


def _in_procfile(text: str) -> list[list[str]]:
    return [found for line in text.splitlines() for found in _flask_in(line.partition(": ")[2])]


def _in_dockerfile(text: str) -> list[list[str]]:
    for line in text.splitlines():
        instruction, _, rest = line.partition(" ")
        assert instruction in ("COPY", "ENTRYPOINT")
        if instruction == "ENTRYPOINT":
            assert json.loads(rest) == ["/app/entrypoint.sh"]
    return []


def _parsed(text: str) -> list[list[str]]:
    ast.parse(text)
    return []


PARSERS: dict[str, Callable[[str], list[list[str]]]] = {
    "sh": _in_shell,
    "yaml": lambda text: _in_values(yaml.safe_load(text)),
    "toml": lambda text: _in_values(tomllib.loads(text)),
    "ini": _in_unit,
    "procfile": _in_procfile,
    "dockerfile": _in_dockerfile,
    "python": _parsed,
    "sql": lambda _: [],  # run as it is, below
    "text": lambda _: [],  # the last lines, below
}
COMMANDS = sorted({tuple(found) for each in SNIPPETS for found in PARSERS[each.language](each.text)})


def test_every_snippet_is_parsed_and_the_commands_are_found() -> None:
    """Each in its own language; those that deploy have the command in them."""
    deploying = {each.heading for each in SNIPPETS if PARSERS[each.language](each.text)}

    assert {
        "Deploying",
        "Container entry point",
        "Kubernetes: a job",
        "Kubernetes: an init container",
        "Docker Compose",
        "Heroku",
        "Fly.io",
        "Render",
        "systemd",
        "GitHub Actions",
    } <= deploying
    for each in SNIPPETS:
        named = len(re.findall(r"\bflask --app|\"flask\", \"--app", each.text))
        assert len(PARSERS[each.language](each.text)) == named, each


@pytest.fixture
def sqlite(project: Project, tmp_path: Path) -> Shop:
    """Give an adopted shop on SQLite, with a pending revision."""
    return with_pending(adopted_shop(project, f"sqlite:///{tmp_path / 'shop.db'}"))


@pytest.fixture
def anywhere(project: Project, any_database: str) -> Shop:
    """Give an adopted shop on each engine, with a pending revision."""
    return with_pending(adopted_shop(project, any_database))


def with_pending(shop: Shop) -> Shop:
    shop.project.write("shop.py", "from app import app\n")
    shop.add("second", "first", ADD_SIZE)
    shop.project.app = ""
    shop.project.flask("--app", "shop", "db-snapshot")
    return shop


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_ends_well(sqlite: Shop, command: tuple[str, ...]) -> None:
    """In an app with a pending revision; what asks whether it is current says 3 before, and 0 after."""
    is_check = command[3:] == ("db-status", "--check")

    before = sqlite.project.flask(*command[1:])
    assert before.code == (3 if is_check else 0), before.stderr

    assert sqlite.project.flask("--app", "shop", "db-safe-upgrade").code == 0
    after = sqlite.project.flask(*command[1:])
    assert after.code == 0, after.stderr


def test_a_plan_that_would_be_refused_is_refused(sqlite: Shop) -> None:
    """The check in the pipeline ends with 3, as the run would, and its document is whole."""
    sqlite.add("second", "first", "op.drop_column('item', 'name')")

    ended = sqlite.project.flask("--app", "shop", "db-safe-upgrade", "--dry-run", "--json")

    assert (ended.code, ended.document["outcome"]) == (3, "refused"), ended.stderr
    assert [step["revision"] for step in ended.document["plan"]] == ["second"]


def test_the_job_tries_again_what_is_busy() -> None:
    """Kubernetes gives up on every code but that."""
    job = yaml.safe_load(only("yaml", "Kubernetes: a job"))["spec"]
    ignored, failed = job["podFailurePolicy"]["rules"]

    assert failed["onExitCodes"]["operator"] == "NotIn"
    assert failed["onExitCodes"]["values"] == [ExitCode.BUSY]
    assert failed["onExitCodes"]["containerName"] == job["template"]["spec"]["containers"][0]["name"]
    assert ignored["onPodConditions"] == [{"type": "DisruptionTarget"}]
    assert job["template"]["spec"]["restartPolicy"] == "Never"


PROBE = """
from flask import Flask
from app import Item, app, db
{probe}
print(app.test_client().get("/ready").status)
{start}
try:
    create_app()
except flask_schemaflow.NotCurrent as error:
    print("NotCurrent")
"""
ANOTHER_APP = """
def Flask(name):
    return app

db.init_app = lambda app: None
"""


def test_the_readiness_probe(sqlite: Shop) -> None:
    """Not ready and refusing to start with a pending revision; ready after the upgrade."""
    start = f"{ANOTHER_APP}\n{only('python', 'Refusing to start')}"
    program = PROBE.format(probe=only("python", "A readiness probe"), start=start)

    assert sqlite.project.python(program).stdout.splitlines() == ["503 SERVICE UNAVAILABLE", "NotCurrent"]
    assert sqlite.project.flask("--app", "shop", "db-safe-upgrade").code == 0
    assert sqlite.project.python(program).stdout.splitlines() == ["200 OK"]


# -- scripts ---------------------------------------------------------------------------------------


def script(shop: Shop, name: str, text: str) -> Path:
    """Write an executable script."""
    file = shop.project.path / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


@pytest.fixture
def entry_point(anywhere: Shop) -> Path:
    """Give the entry point, with a stand-in for gunicorn that writes down how it was called."""
    script(anywhere, "flask", f'#!/bin/sh\nexec "{sys.executable}" -m flask "$@"\n')
    script(anywhere, "gunicorn", '#!/bin/sh\necho "$$ $*" > gunicorn.txt\n')
    (text,) = (each.text for each in SNIPPETS if "exec gunicorn" in each.text)
    return script(anywhere, "entrypoint.sh", text)


def started(shop: Shop, file: Path, **environment: str) -> subprocess.Popen[str]:
    path = f"{file.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [str(file)],
        cwd=shop.project.path,
        env=os.environ | shop.project.environment | {"PATH": path} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    stdout, stderr = process.communicate(timeout=60)
    return Ended(process.returncode, stdout, stderr)


def test_the_entry_point_upgrades_and_becomes_the_web_server(anywhere: Shop, entry_point: Path) -> None:
    """Gunicorn takes the place of the shell, so that it is the one who is told to stop."""
    process = started(anywhere, entry_point)
    told = ended(process)

    assert told.code == 0, told.stderr
    assert anywhere.versions() == ["second"]
    served = (anywhere.project.path / "gunicorn.txt").read_text()
    assert served == f"{process.pid} --bind 0.0.0.0:8000 shop:create_app()\n"


def test_the_entry_point_of_an_older_release_starts_too(anywhere: Shop, entry_point: Path) -> None:
    """A container of the release before that is restarted meets a database that is ahead of it."""
    assert anywhere.project.flask("--app", "shop", "db-safe-upgrade").code == 0
    (anywhere.project.path / "migrations" / "versions" / "second.py").unlink()

    told = ended(started(anywhere, entry_point))

    assert told.code == 0, told.stderr
    assert (anywhere.project.path / "gunicorn.txt").exists()
    assert anywhere.versions() == ["second"]


def test_the_entry_point_does_not_serve_what_is_not_upgraded(anywhere: Shop, entry_point: Path) -> None:
    """A revision fails: the code of the command is that of the container."""
    anywhere.add("second", "first", ADD_SIZE, f"if {HAS_ROWS}: raise ValueError('no')")

    told = ended(started(anywhere, entry_point))

    assert told.code == (6 if anywhere.family == "mariadb" else 5), told.stderr
    assert not (anywhere.project.path / "gunicorn.txt").exists()
    assert anywhere.versions() == ["first"]


def test_the_entry_point_hands_the_signal_on(anywhere: Shop, entry_point: Path) -> None:
    """Only the shell is told to stop; the command rolls back and says so, and nothing is served."""
    running = anywhere.project.path / "running"
    slow = f"if {HAS_ROWS}: (open({str(running)!r}, 'w').close(), __import__('time').sleep(60))"
    anywhere.add("second", "first", slow, ADD_SIZE)

    process = started(anywhere, entry_point)
    deadline = time.monotonic() + 60
    while not running.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    told = ended(process)

    assert told.code == 5, told.stderr
    assert told.verdict.startswith("Undone: Interrupted while revisions ran. ")
    assert told.verdict.endswith("the database is at first.")
    assert not (anywhere.project.path / "gunicorn.txt").exists()
    assert anywhere.versions() == ["first"]


def test_a_providers_snapshot(sqlite: Shop) -> None:
    """The script runs before the upgrade; what it prints last is what the backup is called."""
    script(sqlite, "aws", '#!/bin/sh\necho "$2 $3" >> aws.txt\necho "{}"\n')
    (text,) = (each.text for each in SNIPPETS if "aws rds" in each.text)
    command = script(sqlite, "snapshot.sh", text)

    told = sqlite.project.flask(
        *("--app", "shop", "db-safe-upgrade", "--backup", "always", "--json"),
        FLASK_SCHEMAFLOW_BACKUP_COMMAND=str(command),
        PATH=f"{command.parent}{os.pathsep}{os.environ['PATH']}",
    )

    assert told.code == 0, told.stderr
    (backup,) = told.document["backups"]
    assert re.fullmatch(r"shop-\d{8}-\d{6}", backup["path"])
    asked = (sqlite.project.path / "aws.txt").read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["create-db-snapshot", "wait"]


# -- the last line ---------------------------------------------------------------------------------

_VARIABLE = (
    (r"\b(?:first|second|[0-9a-f]{12})\b", "REVISION"),
    (r"[\w+]+://[^\s,)]+", "URL"),
    (r"\S*/migrations/versions/\S+\.py", "FILE"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME"),
    (r"\(on [^)]+\)", "(on HOST)"),
    (r"(database is|Table) '[^']+?(\.nowhere)?'", r"\1 'NAME\2'"),
    (r"server on '[^']+'", "server on 'HOST'"),
    (r"\(user \w+", "(user NAME"),
    (r"(?<!\()\b\d+(?:\.\d+)?\b(?! way| revision)", "N"),
)


def shape(line: str) -> str:
    """Put words in the place of what is another one each time."""
    for pattern, word in _VARIABLE:
        line = re.sub(pattern, word, line)
    return line


def _quoted() -> dict[int, list[str]]:
    lines: dict[int, list[str]] = {}
    for line in only("text", "What to do on each exit code").splitlines():
        code, _, verdict = line.partition("  ")
        lines.setdefault(int(code), []).append(verdict)
    return lines


QUOTED = _quoted()


def test_every_last_line_that_is_quoted_has_a_case() -> None:
    """By code, in the same order."""
    assert {code: len(lines) for code, lines in QUOTED.items()} == {
        code: len([each for each in ENDINGS if each.code == code]) for code in ExitCode
    }


@pytest.mark.parametrize(
    ("ending", "engine"),
    [(each, engine) for each in ENDINGS for engine in each.engines],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_run_ends_as_quoted(
    project: Project, tmp_path: Path, request: pytest.FixtureRequest, ending: Ending, engine: str
) -> None:
    """With this code and last line, plain, and with one document on stdout, whatever the app prints."""
    url = f"sqlite:///{tmp_path / 'shop.db'}" if engine == "sqlite" else request.getfixturevalue(engine)
    shop = adopted_shop(project, url)
    with (project.path / "app.py").open("a") as app:
        app.write("\nprint('the app is loading')\n")

    with ending.prepare(shop):
        told = shop.upgrade(*ending.arguments)

    assert told.code == ending.code, told.stderr
    assert told.document["exit_code"] == ending.code
    assert told.verdict.endswith(told.document["message"])
    assert "the app is loading" in told.stderr
    assert ("Traceback" in told.stderr) is (ending.code == ExitCode.UNEXPECTED)
    assert "\x1b" not in told.stdout + told.stderr
    if ending.code in (ExitCode.BROKEN, ExitCode.UNVERIFIED):
        assert shop.upgrade().code == ending.code, "until it is mended"
    if engine == ending.engines[0]:
        same_code = [each for each in ENDINGS if each.code == ending.code]
        assert shape(told.verdict) == shape(QUOTED[ending.code][same_code.index(ending)])


def test_the_table_of_codes_is_the_enumeration() -> None:
    """Each code with its name, and 4 alone is tried again."""
    table = DEPLOY.partition("## What to do on each exit code")[2].partition("\n\nSeveral")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[4:]]

    assert [(row[0], row[1]) for row in rows] == [(str(code.value), code.name.lower()) for code in ExitCode]
    assert all(len(row) == 5 and all(row) for row in rows)
    assert [row[0] for row in rows if "tries again" in row[3]] == [str(ExitCode.BUSY.value)]
    assert [row[0] for row in rows if row[3] == "goes on"] == [str(ExitCode.DONE.value)]


# -- rights ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Production:
    """A database that was never adopted, and the role that the document describes."""

    shop: Shop
    migrations: str

    def flask(self, *arguments: str, **environment: str) -> Ended:
        """Run a command with the role's rights."""
        return self.shop.project.flask(*arguments, DATABASE=self.migrations, **environment)


NAME = f"sf_deploy_{os.getpid()}"
ROLES = {"postgresql": (f"{NAME}_migrations", f"{NAME}_shop"), "mariadb": (f"{NAME}_migrations",)}
# What a role must see: a trigger, a view, a key, an index.
OBJECTS = {
    "postgresql": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER noted BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE VIEW names AS SELECT name FROM item",
    ),
    "mariadb": (
        "CREATE TRIGGER noted BEFORE INSERT ON item FOR EACH ROW SET NEW.name = NEW.name",
        "CREATE VIEW names AS SELECT name FROM item",
    ),
}


def statements(family: str, database: str) -> list[str]:
    """Give the statements of the document, for this database and roles of our own."""
    keyword = "CREATE ROLE" if family == "postgresql" else "CREATE USER"
    (text,) = (each.text for each in SNIPPETS if each.language == "sql" and keyword in each.text)
    text = re.sub(r"^--.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"(DATABASE |ON )shop\b", rf"\g<1>{database}", text)
    text = re.sub(r"\bshop_migrations\b", f"{NAME}_migrations", text)
    text = re.sub(r"\bshop\b", f"{NAME}_shop", text)
    return [each.strip() for each in text.split(";") if each.strip()]


def run(url: str, *texts: str) -> list[Any]:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    rows: list[Any] = []
    with engine.connect() as connection:
        for each in texts:
            result = connection.exec_driver_sql(each.replace("%", "%%"))
            rows = list(result.all()) if result.returns_rows else []
    return rows


@pytest.fixture
def production(project: Project, server_database: str) -> Iterator[Production]:
    """Give a shop whose developer has adopted, and whose production was made by ``create_all``."""
    url = sa.make_url(server_database)
    shop = adopted_shop_with_objects(project, server_database)
    place = url.set(database=f"{url.database}_live")
    live = place.render_as_string(hide_password=False)
    run(server_database, f"CREATE DATABASE {place.database}")
    try:
        owner = live
        if shop.family == "postgresql":
            run(live, f"CREATE ROLE {NAME}_shop LOGIN", f"GRANT CREATE ON SCHEMA public TO {NAME}_shop")
            # Not even temporary tables.
            run(live, f"REVOKE TEMPORARY ON DATABASE {place.database} FROM PUBLIC")
            owner = place.set(username=f"{NAME}_shop").render_as_string(hide_password=False)
        project.python(MAKE, DATABASE=owner)
        run(live, *statements(shop.family, str(place.database)))
        shop.url = live
        role = place.set(username=f"{NAME}_migrations", password="another secret")
        yield Production(shop, role.render_as_string(hide_password=False))
    finally:
        force = " WITH (FORCE)" if url.get_backend_name() == "postgresql" else ""
        run(server_database, f"DROP DATABASE {place.database}{force}")
        kind = "ROLE" if force else "USER"
        run(server_database, *(f"DROP {kind} IF EXISTS {name}" for name in ROLES[shop.family]))


def adopted_shop_with_objects(project: Project, url: str) -> Shop:
    """Adopt a shop whose models make more than tables, and add a revision that does something of each kind."""
    family = "postgresql" if url.startswith("postgresql") else "mariadb"
    listeners = "".join(
        f"    sa.event.listen(db.metadata, 'after_create', sa.DDL({each!r}))\n" for each in OBJECTS[family]
    )
    project.write("app.py", APP + "\n    import sqlalchemy as sa\n\n" + listeners)
    project.environment["DATABASE"] = url
    project.python(MAKE)
    shop = Shop(project, url)
    assert (told := shop.adopt()).code == 0, told.stderr
    shop.add(
        "second",
        "first",
        ADD_SIZE,
        "op.create_table('tag', sa.Column('id', sa.Integer(), primary_key=True),",
        "    sa.Column('item_id', sa.Integer(), sa.ForeignKey('item.id', name='tag_item')))",
        "op.create_index('ix_item_name', 'item', ['name'])",
        "op.execute('UPDATE item SET size = 1 WHERE id = 1')",
        "op.execute('CREATE VIEW sizes AS SELECT size FROM item')",
    )
    shop.add("third", "second", "op.drop_index('ix_item_name', 'item')", "op.execute('DROP VIEW sizes')")
    assert (told := shop.project.flask("db-snapshot")).code == 0, told.stderr
    return shop


def test_the_rights_are_enough_to_follow(production: Production) -> None:
    """In one run, by the stored snapshots, without the right to make a database."""
    told = production.flask("db-safe-upgrade", "--require-proof", "--json")

    assert told.code == 0, told.stderr
    assert told.verdict == "Adopted at first by proof; upgraded to third, 2 revisions."
    assert told.document["databases"][0]["verified"] is True
    assert production.shop.versions() == ["third"]
    assert [row[:2] for row in production.shop.history("event", "outcome")][-2:] == [("applied", "done")] * 2
    assert production.flask("db-safe-upgrade").verdict == "Nothing to do: at third already."
    with pytest.raises(sa.exc.DBAPIError):
        run(production.migrations, f"CREATE DATABASE {NAME}_never")


def test_with_these_rights_a_difference_is_seen(production: Production) -> None:
    """A trigger that is missing, and a column too many."""
    on_table = " ON item" if production.shop.family == "postgresql" else ""
    production.shop.execute("ALTER TABLE item ADD COLUMN note INT", f"DROP TRIGGER noted{on_table}")

    told = production.flask("db-safe-upgrade", "--json")

    assert told.code == 3, told.stderr
    assert [each["subject"] for each in told.findings("extra-column")] == ["item.note"]
    assert [each["subject"] for each in told.findings("missing-trigger")] == ["item.noted"]
    assert "alembic_version" not in production.shop.tables()


def test_the_web_processes_can_use_what_the_role_made(production: Production) -> None:
    """And can ask whether the database is current."""
    assert production.flask("db-safe-upgrade").code == 0
    if production.shop.family == "mariadb":
        return  # rights belong to the database there
    url = sa.make_url(production.shop.url).set(username=f"{NAME}_shop")
    web = url.render_as_string(hide_password=False)

    run(web, "INSERT INTO tag (item_id) VALUES (1)")
    told = production.shop.project.flask("db-status", "--check", DATABASE=web)

    assert told.code == 0, told.stderr


def test_with_these_rights_it_gives_way(production: Production) -> None:
    """Whoever blocks it is named; on MariaDB only with the right that the document names for that."""
    assert production.flask("db-safe-upgrade", "second").code == 0
    engine = sa.create_engine(production.shop.url)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM item")
        if production.shop.family == "mariadb":
            told = production.flask("db-safe-upgrade", *IMPATIENT)
            assert told.code == 4, told.stderr
            assert "which session was in the way is not known" in told.verdict
            run(production.shop.url, f"GRANT PROCESS ON *.* TO '{NAME}_migrations'@'%'")
        told = production.flask("db-safe-upgrade", *IMPATIENT)
    engine.dispose()

    assert told.code == 4, told.stderr
    assert "blocked by process " in told.verdict
    assert told.verdict.endswith("Everything was undone; the database is at second.")
    assert production.flask("db-safe-upgrade").code == 0


@pytest.mark.parametrize("right", ["TRIGGER", "SHOW VIEW"])
@pytest.mark.parametrize("server_database", ["mariadb"], indirect=True)
def test_what_mariadb_does_not_show_is_asked_for(production: Production, right: str) -> None:
    """Without the right to read triggers and views nothing is compared: the rights are named."""
    database = sa.make_url(production.shop.url).database
    run(production.shop.url, f"REVOKE {right} ON {database}.* FROM '{NAME}_migrations'@'%'")

    told = production.flask("db-safe-upgrade")

    assert told.code == 2, told.stderr
    assert "The role has no right to read the " in told.verdict
    assert told.verdict.endswith("It needs SELECT, SHOW VIEW, TRIGGER and EVENT on the database.")


@pytest.mark.parametrize(("name", "code"), [("'shop_version'", 0), ("'shop' + '_version'", 3)])
def test_a_version_table_of_env_py_needs_no_scratch_database(
    production: Production, name: str, code: int
) -> None:
    """Where ``env.py`` has it in so many words; else it would have to be run to be known."""
    file = production.shop.project.path / "migrations" / "env.py"
    source = file.read_text()
    file.write_text(source.replace("context.configure(", f"context.configure(version_table={name}, "))

    told = production.flask("db-safe-upgrade", "--require-proof")

    assert told.code == code, told.stderr
    assert ("shop_version" in production.shop.tables()) is (code == 0)
    assert "alembic_version" not in production.shop.tables()


def test_a_database_without_models_needs_no_scratch_database(
    production: Production, server_database: str
) -> None:
    """A bind that the app only reads: nothing runs there."""
    shop, reports = production.shop, f"{NAME}_reports"
    app = shop.project.path / "app.py"
    bind = (
        'app.config["SQLALCHEMY_BINDS"] = {"reports": os.environ["DATABASE"].rpartition("/")[0] + "/REPORTS"}'
    )
    app.write_text(
        app.read_text()
        .replace("db = SQLAlchemy(app)", f"{bind}\ndb = SQLAlchemy(app)")
        .replace("REPORTS", reports)
    )
    run(server_database, f"CREATE DATABASE {reports}")
    try:
        if shop.family == "mariadb":
            run(server_database, f"GRANT SELECT ON {reports}.* TO '{NAME}_migrations'@'%'")
        told = production.flask("db-safe-upgrade", "--require-proof")
    finally:
        run(server_database, f"DROP DATABASE {reports}")

    assert told.code == 0, told.stderr
    assert shop.versions() == ["third"]


def test_the_role_goes_its_own_way_round(production: Production) -> None:
    """The app keeps its URL; SCHEMAFLOW_DATABASE_URI is the way of the commands."""
    told = production.shop.project.flask(
        "db-safe-upgrade",
        DATABASE=production.shop.url,
        FLASK_SCHEMAFLOW_DATABASE_URI=production.migrations,
    )

    assert told.code == 0, told.stderr
    assert f"{NAME}_migrations" in told.stderr
    assert "another secret" not in told.stderr


# -- is it current? --------------------------------------------------------------------------------


def test_a_release_that_was_rolled_back_is_not_current(sqlite: Shop) -> None:
    """It may start with ``--if-ahead ok``, and ``db-status --check`` says 3."""
    assert sqlite.project.flask("--app", "shop", "db-safe-upgrade").code == 0
    (sqlite.project.path / "migrations" / "versions" / "second.py").unlink()

    assert sqlite.project.flask("--app", "shop", "db-safe-upgrade", "--if-ahead", "ok").code == 0
    told = sqlite.project.flask("--app", "shop", "db-status", "--check")

    assert (told.code, told.verdict) == (3, "Refused: Not current: default is ahead.")


# -- the rest --------------------------------------------------------------------------------------


def test_the_history_can_be_asked(anywhere: Shop) -> None:
    """The query of the document tells what was done, by which release."""
    upgraded = anywhere.project.flask("--app", "shop", "db-safe-upgrade", FLASK_SCHEMAFLOW_RELEASE="2.4.0")
    assert upgraded.code == 0, upgraded.stderr

    rows = anywhere.execute(only("sql", "The history").strip().rstrip(";"))

    assert [tuple(row)[1:5] for row in rows] == [
        ("adopted", "done", "first", None),
        ("applied", "done", "second", "2.4.0"),
    ]


LOGGING = """
import logging

from app import app
from flask_schemaflow import SchemaFlowError, safe_upgrade


def state():
    every = {"": logging.getLogger(), **logging.root.manager.loggerDict}
    return {
        name: (each.level, each.disabled, each.propagate, list(each.handlers), list(each.filters))
        for name, each in every.items()
        if isinstance(each, logging.Logger)
    } | {"all": logging.root.manager.disable}


class Kept(logging.Handler):
    def emit(self, record):
        told.append(record.getMessage())


told = []
logging.basicConfig(handlers=[Kept()], level=logging.WARNING)
orders = logging.getLogger("shop.orders")
orders.setLevel(logging.DEBUG)
for name in ("alembic", "sqlalchemy.engine", "sqlglot"):
    logging.getLogger(name).addHandler(logging.NullHandler())
logging.getLogger("silent").disabled = True
app.logger.setLevel(logging.INFO)
before = state()
for ends in ENDS:
    try:
        outcome = safe_upgrade(app).outcome
    except SchemaFlowError as error:
        outcome = error.outcome
    assert outcome in ends, outcome
    after = state()
    assert {name: after[name] for name in before} == before
orders.debug("an order")
assert told == ["an order"], told
"""


@pytest.mark.parametrize("fails", [False, True])
def test_the_apps_logging_survives(anywhere: Shop, fails: bool) -> None:
    """Handlers, levels and flags are as they were after ``safe_upgrade(app)``, however it ends, also twice."""
    ends = "[('upgraded',), ('nothing-to-do',)]"
    if fails:
        anywhere.add("second", "first", ADD_SIZE, f"if {HAS_ROWS}: raise ValueError('no')")
        ends = "[('undone', 'broken')] * 2"

    anywhere.project.python(LOGGING.replace("ENDS", ends))


def test_the_readme_leads_to_it() -> None:
    """By a link to a file that is there; its own links lead to headings of its own."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert "(docs/deploy.md)" in readme
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", DEPLOY, flags=re.M | re.S), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}
    assert set(re.findall(r"\(#([^)]+)\)", DEPLOY)) <= anchors
