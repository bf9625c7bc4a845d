"""``db-diff``: in what databases, models and revisions differ, and the script from one to the other."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from anyshop import Shop, adopted_shop, open_shop
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from projects import Ended, Project
from random_changes import Generator, Rows, by_hand, fill, metadata_of, rows_of

from flask_schemaflow import DiffOptions, DiffResult, DriftFound, ProofFailed
from flask_schemaflow import diff as diff_of
from flask_schemaflow.drift import find_drift
from flask_schemaflow.mending import Script, Step
from flask_schemaflow.models import structure_of_models
from flask_schemaflow.scripts import Attempt, try_scripts
from flask_schemaflow.snapshot import take_snapshot
from flask_schemaflow.survey import Where, open_project, survey_project

ADD_SIZE = "op.add_column('item', sa.Column('size', sa.Integer()))"


@pytest.fixture
def shop(project: Project, any_database: str) -> Shop:
    """Give an adopted shop on each engine."""
    return adopted_shop(project, any_database)


def items(*more: sa.Column[Any]) -> sa.MetaData:
    """Give the models of the shop, with further columns."""
    metadata = sa.MetaData()
    name = sa.Column("name", sa.String(50), nullable=False)
    sa.Table("item", metadata, sa.Column("id", sa.Integer, primary_key=True), name, *more)
    return metadata


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the import name of a package without any models, in whose folder commands run."""
    (tmp_path / "random_app").mkdir()
    module = types.ModuleType("random_app")
    module.__file__ = str(tmp_path / "random_app" / "__init__.py")
    Path(module.__file__).touch()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    return module.__name__


@pytest.fixture
def engine(any_database: str) -> Iterator[sa.Engine]:
    """Give an engine of a new database."""
    made = sa.create_engine(any_database)
    yield made
    made.dispose()


def client(url: sa.URL, script: str) -> None:
    """Run a script by the engine's own client, which stops at the first error."""
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database), isolation_level=None)) as connection:
            connection.executescript(script)
        return
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    socket = url.query.get("unix_socket")
    where = [f"--socket={socket}"] if socket else [f"--host={url.host}", f"--port={url.port or 3306}"]
    command = {
        "postgresql": ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", plain],
        "mysql": ["mariadb", f"--user={url.username}", *where, str(url.database)],
    }[url.get_backend_name()]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def compared(folder: str, url: sa.URL | str, metadata: sa.MetaData, **options: Any) -> DiffResult:
    """Compare in this process, with an app that has these models."""
    app = Flask(folder)
    app.config["SQLALCHEMY_DATABASE_URI"] = sa.make_url(url).render_as_string(hide_password=False)
    app.config["SCHEMAFLOW_FOREIGN_TABLES"] = options.pop("foreign", [])
    db = SQLAlchemy(app, metadata=metadata)
    try:
        return diff_of(app, DiffOptions(**options))
    finally:
        with app.app_context():
            db.engine.dispose()


def keys(result: DiffResult) -> list[str]:
    """Give the differences as ``CODE:SUBJECT``."""
    return [each.key for difference in result.differences for each in difference.drift]


def diff(shop: Shop, *arguments: str) -> Ended:
    return shop.project.flask("db-diff", *arguments)


# -- what differs ----------------------------------------------------------------------------------


def test_each_difference_is_a_line(shop: Shop) -> None:
    """In words, with its code and subject, what is expected and what is there; nothing fails unless asked."""
    equal = diff(shop, "--check", "--json")
    shop.execute("ALTER TABLE item ADD COLUMN note INT", "CREATE INDEX ix_name ON item (name)")

    told = diff(shop)
    checked = diff(shop, "--check", "--json", "--accept", "extra-index:item.ix_name")

    assert (equal.code, equal.verdict) == (0, "No difference between the database and the models."), (
        equal.stderr
    )
    assert (equal.document["outcome"], equal.document["databases"][0]["verified"]) == ("nothing-to-do", True)
    assert told.code == 0, told.stderr
    assert told.stdout.splitlines()[1:] == [
        "warning     The database has the column item.note; the models do not. [extra-column:item.note]",
        "warning     The database has the index item.ix_name; the models do not. [extra-index:item.ix_name]",
    ]
    assert (checked.code, checked.verdict) == (
        3,
        "Refused: The database and the models differ in 1 way (1 more for information only).",
    )
    weights = {each["code"]: each["severity"] for each in checked.findings()}
    assert weights == {"extra-column": "error", "extra-index": "warning"}


def test_database_models_and_revisions_are_compared(shop: Shop, folder: str) -> None:
    """Any two, revisions by their ids, a beginning of one, as head or base; the database need not be at either."""
    url, where = shop.url, {"directory": str(shop.project.path / "migrations")}

    def between(before: str, after: str) -> list[str]:
        return keys(compared(folder, url, items(), before=before, after=after, check=True, **where))

    assert between("database", "models") == between("first", "database") == between("models", "fir") == []
    shop.add("second", "first", ADD_SIZE)
    shop.execute("CREATE TABLE job (id INT)")
    assert between("head", "sec") == between("first", "database") == []
    for before, after, expected in (
        ("first", "head", "missing-column:item.size"),
        ("sec", "first", "extra-column:item.size"),
        ("base", "first", "missing-table:item"),
        ("models", "second", "missing-column:item.size"),
    ):
        with pytest.raises(DriftFound) as refused:
            between(before, after)
        assert [each.key for each in refused.value.findings] == [expected], (before, after)
    told = compared(folder, url, items(), before="first", after="second", **where)
    assert [each.message for each in told.findings] == [
        "Revision second has the column item.size; revision first does not."
    ]


def test_tables_of_others_are_no_difference(shop: Shop, folder: str) -> None:
    """A foreign table is listed; so is one of ours that a setting calls foreign."""
    shop.execute("CREATE TABLE job (id INT)")
    where = {"directory": str(shop.project.path / "migrations"), "check": True}

    for foreign, listed in (([], {"job"}), (["it*"], {"item", "job"})):
        result = compared(folder, shop.url, items(), foreign=foreign, **where)
        assert keys(result) == []
        told = {each.subject for each in result.findings if each.code == "foreign-table"}
        assert told - {"alembic_version"} == listed


def test_what_cannot_be_compared_is_an_error(
    project: Project, tmp_path: Path, postgresql_server: sa.URL
) -> None:
    """Revisions that are not there, not clear, or there are none; and 4 where the server does not answer."""
    shop = open_shop(project, f"sqlite:///{tmp_path / 'shop.db'}")
    assert diff(shop, "--to", "head").verdict == (
        "Error: --to head: there are no revisions. Say `database`, `models` or `base`."
    )
    assert shop.tables() == ["item"]

    assert shop.adopt().code == 0
    shop.add("second", "first", ADD_SIZE)
    shop.add("third", "first")

    assert diff(shop, "--from", "nowhere").verdict == (
        "Error: --from nowhere: There is no revision 'nowhere': no revision begins with it. "
        "Or say `database`, `models`, `head` or `base`."
    )
    several = diff(shop, "--to", "head")
    assert (several.code, several.verdict) == (
        2,
        "Error: --to head: there are several heads, second, third. Say which, or join them: "
        "`flask db merge heads`.",
    )
    assert diff(shop, "--accept", "index:item").code == 2
    project.environment["DATABASE"] = "postgresql+psycopg://postgres@127.0.0.1:9/none"
    assert diff(shop, "--check").code == 4


TWO = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
    app.config["SQLALCHEMY_BINDS"] = {"logs": "sqlite:///logs.db"}
    db = SQLAlchemy(app)
    SchemaFlow(app, db)


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)


    class Entry(db.Model):
        __bind_key__ = "logs"
        id = db.Column(db.Integer, primary_key=True)
"""


def test_each_of_several_databases_has_its_section(project: Project) -> None:
    """In the text and in the scripts; a revision has a function for each."""
    app = project.write("app.py", TWO)
    project.create_all()
    source = app.read_text(encoding="utf-8")
    column = "id = db.Column(db.Integer, primary_key=True)\n"
    app.write_text(source.replace(column, f"{column}    note = db.Column(db.Text)\n"), encoding="utf-8")

    text, sql, python = (project.flask("db-diff", "--format", form) for form in ("text", "sql", "python"))

    assert text.code == 0, text.stderr
    first, second = (f"sqlite:///{project.path}/instance/{name}.db" for name in ("shop", "logs"))
    assert [line for line in text.stdout.splitlines() if line.startswith(("database", "warning"))] == [
        f"database    {first} (default): 1 difference",
        "warning     default: The models have the column user.note; the database does not. "
        "[missing-column:user.note]",
        f"database    {second} (logs): 1 difference",
        "warning     logs: The models have the column entry.note; the database does not. "
        "[missing-column:entry.note]",
    ]
    sections = sql.stdout.split("\n\n")
    assert [each.splitlines()[0] for each in sections] == [
        f"-- {first} (default): from the database to the models",
        f"-- {second} (logs): from the database to the models",
    ]
    assert ["ADD COLUMN note TEXT" in each for each in sections] == [True, True]
    assert re.findall(
        r"def upgrade_(\w*)\(\):\n    #.*\n    op.execute\('ALTER TABLE (\w+) ", python.stdout
    ) == [
        ("", "user"),
        ("logs", "entry"),
    ]


# -- scripts ---------------------------------------------------------------------------------------

CHANGED = """
        name = db.Column(db.Text, nullable=False, server_default="it's 100%")
        size = db.Column(db.Integer, index=True)
"""


def change_models(shop: Shop) -> None:
    """Widen a column, give it a default, and add one with an index."""
    name = "    name = db.Column(db.String(50), nullable=False)\n"
    source = (shop.project.path / "app.py").read_text(encoding="utf-8")
    assert source.count(name) == 1
    shop.project.write("app.py", source.replace(name, textwrap.indent(textwrap.dedent(CHANGED), "    ")))


def test_the_sql_takes_the_database_to_the_models(shop: Shop) -> None:
    """It is all that stdout has, says that it was proved, and runs by the engine's own client."""
    change_models(shop)

    told = diff(shop, "--format", "sql", "--check")
    as_json = diff(shop, "--json", "--format", "sql")
    client(sa.make_url(shop.url), told.stdout)

    assert told.code == 3, told.stderr
    assert "-- Proved on a scratch database: it leads there.\n" in told.stdout
    assert "-- missing-column:item.size" in told.stdout
    assert "[missing-column:item.size]" in told.stderr
    assert (as_json.code, as_json.document["proof"]["equal"]) == (0, True)
    (step,) = as_json.document["plan"]
    assert (step["title"], "missing-column:item.size" in step["operations"]) == (
        "from the database to the models",
        True,
    )
    assert all(each in told.stdout for each in step["statements"])
    assert shop.execute("SELECT name, size FROM item ORDER BY id") == [("one", None), ("two", None)]
    nothing = diff(shop, "--check", "--format", "sql")
    assert (nothing.code, nothing.stdout) == (0, "")


def test_the_revision_takes_the_database_to_the_models(shop: Shop) -> None:
    """Put into the folder as it comes, it runs behind the newest one and is verified; there is a way back."""
    change_models(shop)

    told = diff(shop, "--format", "python")
    shop.project.write("migrations/versions/written.py", told.stdout)
    upgraded = shop.upgrade()

    assert told.code == 0, told.stderr
    assert "down_revision = 'first'" in told.stdout
    assert (upgraded.code, upgraded.document["outcome"]) == (0, "upgraded"), upgraded.stderr
    assert diff(shop, "--check", "--from", "head").code == 0
    back = shop.project.flask("db", "downgrade")
    assert back.code == 0, back.stderr
    assert diff(shop, "--check", "--to", "first").code == 0
    assert shop.execute("SELECT name FROM item ORDER BY id") == [("one",), ("two",)]


def test_what_holds_data_stays_until_it_is_accepted(shop: Shop, folder: str) -> None:
    """The drop of a column is a comment with its rows; accepted by its key, it is a statement."""
    shop.execute("ALTER TABLE item ADD COLUMN note INT")
    shop.execute("UPDATE item SET note = 7 WHERE id = 1")

    kept = compared(folder, shop.url, items(), script="sql")
    dropped = compared(folder, shop.url, items(), script="sql", accept=("drop-column:item.note",))
    client(sa.make_url(shop.url), kept.document)

    assert "it leads there, but for what stays.\n" in kept.document
    assert "-- stays: extra-column:item.note: " in kept.document
    assert shop.execute("SELECT note FROM item ORDER BY id") == [(7,), (None,)]
    client(sa.make_url(shop.url), dropped.document)
    assert keys(compared(folder, shop.url, items())) == []


def test_the_way_between_two_revisions_is_proved(shop: Shop, folder: str) -> None:
    """There, and back where the drop is accepted; the database is at neither."""
    shop.add("second", "first", ADD_SIZE)
    where = {"directory": str(shop.project.path / "migrations"), "script": "sql"}

    there = compared(folder, shop.url, items(), before="first", after="second", **where)
    drop = ("drop-table:item",)
    back = compared(folder, shop.url, items(), before="second", after="base", accept=drop, **where)

    for result in (there, back):
        assert result.proof is not None
        assert result.proof.equal
        assert len(result.scripts[None].statements) == 1


def test_a_script_that_nobody_could_try_says_so(project: Project, postgresql: str) -> None:
    """Without the right to make a scratch database: in the script, on stderr, and in the document."""
    shop = adopted_shop(project, postgresql)
    change_models(shop)
    role = sa.make_url(postgresql).database
    shop.execute(
        f"CREATE ROLE {role} LOGIN", f"GRANT ALL ON DATABASE {role} TO {role}", f"ALTER TABLE item OWNER TO {role}",
        f"GRANT ALL ON alembic_version, schemaflow_history TO {role}",
    )  # fmt: skip
    project.environment["DATABASE"] = str(sa.make_url(postgresql).set(username=role))
    try:
        told = diff(shop, "--format", "sql")
        document = diff(shop, "--json", "--format", "sql")
    finally:
        project.environment["DATABASE"] = postgresql
        shop.execute(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")

    assert told.code == 0, told.stderr
    assert "\n-- NOT PROVED: No scratch database can be made (" in told.stdout
    assert "ALTER TABLE item ADD COLUMN size" in told.stdout
    assert document.findings("script-not-proved")
    assert document.document["proof"]["equal"] is False


def test_a_script_that_leads_elsewhere_is_refused(folder: str, engine: sa.Engine) -> None:
    """One that does too little, one that leaves something behind, and one that fails; the right one passes."""
    items().create_all(engine)
    app = Flask(folder)
    app.config["SQLALCHEMY_DATABASE_URI"] = engine.url.render_as_string(hide_password=False)
    SQLAlchemy(app, metadata=items(sa.Column("size", sa.Integer)))
    add = "ALTER TABLE item ADD COLUMN size INTEGER"

    with app.app_context():
        survey = survey_project(open_project(app, Where(), str), with_discovery=True)
        (bind,) = survey.binds
        after = structure_of_models(bind, survey)
        for statements, problem in (
            ((), "What was asked for has the column item.size; the script does not."),
            ((add, "CREATE TABLE left_over (id INTEGER)"), "The script has the table left_over;"),
            ((add, "ALTER TABLE nowhere ADD COLUMN size INTEGER"), "fails on a scratch database"),
            ((add,), None),
        ):
            script = Script(steps=(Step(statements=statements),))
            attempt = Attempt(before=survey.ours(None), after=after, script=script)
            with pytest.raises(ProofFailed, match=problem) if problem else nullcontext():
                assert try_scripts(survey, {None: attempt}, None).proved
        bind.engine.dispose()


# -- random changes --------------------------------------------------------------------------------


def differing(before: Rows, after: Rows, models: sa.MetaData) -> Iterator[tuple[object, ...]]:
    """Give the values that changed; a NULL that may no more be one has become the default.

    What is computed is none of the rows' own.
    """
    for (table, column), values in before.items():
        wanted = models.tables[table].c[column]
        may_be_null = wanted.nullable and wanted.computed is None
        for was, now in zip(values, after[table, column], strict=True):
            if was != now and (was is not None or may_be_null):
                yield table, column, was, now


ROUNDS = 50 if os.environ.get("SCHEMAFLOW_SOAK") else 5


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_after_the_script_there_is_no_difference(seed: int, folder: str, engine: sa.Engine) -> None:
    """40 random changes of 50 tables with rows: all that is left is named in the script; no value is lost."""
    make = Generator(seed, engine.dialect.name)
    before = make.schema()
    after = make.changed(before)
    with engine.begin() as connection:
        fill(connection, metadata_of(before))
        for statement in by_hand(make, before, after):
            connection.execute(sa.DDL(statement.replace("%", "%%")))
        rows = rows_of(connection, before, after, make.gone)
    models = metadata_of(after)

    written = compared(folder, engine.url, models, script="sql", accept=tuple(make.accepted))
    client(engine.url, written.document)

    script, wanted = written.scripts[None], written.differences[0].after
    with engine.connect() as connection:
        there = take_snapshot(connection).of_tables((each.schema, each.name) for each in wanted.objects)
        values = rows_of(connection, before, after, make.gone)
    left = {each.key for each in find_drift(wanted, there, "the models") if each.structural}
    assert left - script.stays == set(), (make.told, script.statements)
    assert [*differing(rows, values, models)] == []
    assert written.proof is not None
    assert written.proof.method == "scratch database"
