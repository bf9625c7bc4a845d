"""``db-diff``: in what databases, models and revisions differ."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from anyshop import Shop, adopted_shop, open_shop
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from projects import Ended, Project
from random_changes import Generator, Rows, by_hand, fill, metadata_of, rows_of

from flask_schemaflow import DiffOptions, DiffResult
from flask_schemaflow import diff as diff_of
from flask_schemaflow.drift import find_drift
from flask_schemaflow.snapshot import take_snapshot

ADD_SIZE = "op.add_column('item', sa.Column('size', sa.Integer()))"


@pytest.fixture
def shop(project: Project, any_database: str) -> Shop:
    """Give an adopted shop on each engine."""
    return adopted_shop(project, any_database)


def diff(shop: Shop, *arguments: str) -> Ended:
    return shop.project.flask("db-diff", "--json", *arguments)


def keys(ended: Ended) -> list[str]:
    """Give the differences as ``CODE:SUBJECT``."""
    return [
        f"{each['code']}:{each['subject']}"
        for each in ended.document["findings"]
        if each["code"].startswith(("missing-", "extra-", "changed-"))
    ]


def test_what_create_all_made_is_what_the_models_say(shop: Shop) -> None:
    """Database, models, head and the revision's own id are all the same."""
    ended = diff(shop, "--check")

    assert (ended.code, ended.verdict) == (0, "No difference between the database and the models."), (
        ended.stderr
    )
    assert ended.document["outcome"] == "nothing-to-do"
    assert ended.document["databases"][0]["verified"] is True
    for before, after in (("head", "models"), ("models", "fir"), ("first", "database")):
        ended = diff(shop, "--check", "--from", before, "--to", after)
        assert (ended.code, keys(ended)) == (0, []), ended.stderr


def test_each_difference_is_a_line(shop: Shop) -> None:
    """In words, with its code and subject, what is expected and what is there; nothing fails unless asked."""
    shop.execute("ALTER TABLE item ADD COLUMN note INT", "CREATE INDEX ix_name ON item (name)")

    told = shop.project.flask("db-diff")
    checked = diff(shop, "--check")
    back = diff(shop, "--from", "models", "--to", "database")

    assert told.code == 0, told.stderr
    assert told.stdout.splitlines()[1:] == [
        "warning     The database has the column item.note; the models have not. [extra-column:item.note]",
        "warning     The database has the index item.ix_name; the models have not. [extra-index:item.ix_name]",
    ]
    assert (checked.code, keys(checked)) == (3, ["extra-column:item.note", "extra-index:item.ix_name"])
    assert checked.verdict == "Refused: The database and the models differ in 2 ways."
    assert [each["message"] for each in back.findings("missing-column")] == [
        "The database has the column item.note; the models do not."
    ]


def test_two_revisions_are_compared(shop: Shop) -> None:
    """By their ids, a beginning of one, or as head and base; the database need not be at either."""
    shop.add("second", "first", ADD_SIZE)

    assert keys(diff(shop, "--from", "first", "--to", "head")) == ["missing-column:item.size"]
    assert keys(diff(shop, "--from", "sec", "--to", "first")) == ["extra-column:item.size"]
    assert keys(diff(shop, "--from", "base", "--to", "first")) == ["missing-table:item"]
    assert keys(diff(shop, "--from", "database", "--to", "second")) == ["missing-column:item.size"]
    assert diff(shop, "--from", "first", "--to", "second").findings("missing-column")[0]["message"] == (
        "Revision second has the column item.size; revision first does not."
    )


def test_a_database_that_was_never_adopted_is_compared_and_left_alone(
    project: Project, any_database: str
) -> None:
    """There are no revisions then, and saying one is an error that names what can be said."""
    shop = open_shop(project, any_database)

    ended = diff(shop, "--check")
    with_revision = diff(shop, "--to", "head")

    assert (ended.code, shop.tables()) == (0, ["item"]), ended.stderr
    assert (with_revision.code, with_revision.verdict) == (
        2,
        "Error: --to head: there are no revisions. Say `database`, `models` or `base`.",
    )


def test_tables_of_others_are_no_difference(shop: Shop) -> None:
    """A foreign table is listed; one of ours is too when the setting calls it foreign."""
    shop.execute("CREATE TABLE job (id INT)")

    ended = diff(shop, "--check")
    foreign = shop.project.flask("db-diff", "--json", "--check", FLASK_SCHEMAFLOW_FOREIGN_TABLES="it*")

    assert (ended.code, keys(ended)) == (0, []), ended.stderr
    assert [each["subject"] for each in ended.findings("foreign-table")] == ["job"]
    assert foreign.code == 0, foreign.stderr
    assert {each["subject"] for each in foreign.findings("foreign-table")} == {"item", "job"}


def test_an_accepted_difference_does_not_count(shop: Shop) -> None:
    """It is told, and --check passes; the others stop it."""
    shop.execute("CREATE INDEX ix_name ON item (name)")

    accepted = diff(shop, "--check", "--accept", "extra-index:item.ix_name")
    wrong = diff(shop, "--accept", "index:item")

    assert (accepted.code, keys(accepted)) == (0, ["extra-index:item.ix_name"]), accepted.stderr
    assert wrong.code == 2


def test_a_revision_that_is_not_there_is_an_error(shop: Shop) -> None:
    """So is one that is not clear."""
    shop.add("second", "first", ADD_SIZE)
    shop.add("third", "first")

    assert diff(shop, "--from", "nowhere").verdict == (
        "Error: --from nowhere: There is no revision 'nowhere': no revision begins with it. "
        "Or say `database`, `models`, `head` or `base`."
    )
    assert diff(shop, "--to", "head").verdict == (
        "Error: --to head: there are several heads, second, third. Say which, or join them: "
        "`flask db merge heads`."
    )


def test_a_server_that_does_not_answer_is_busy(project: Project, postgresql: str) -> None:
    """Exit code 4: nothing is known of the difference."""
    open_shop(project, postgresql)
    project.environment["DATABASE"] = "postgresql+psycopg://postgres@127.0.0.1:9/none"

    ended = project.flask("db-diff", "--check")

    assert ended.code == 4, ended.stderr


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

    told = shop.project.flask("db-diff", "--format", "sql", "--check")
    as_json = diff(shop)
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
    assert diff(shop, "--check").code == 0
    assert shop.project.flask("db-diff", "--format", "sql").stdout == ""


def test_the_revision_takes_the_database_to_the_models(shop: Shop) -> None:
    """Put into the folder as it comes, it runs behind the newest one and is verified."""
    change_models(shop)

    told = shop.project.flask("db-diff", "--format", "python")
    shop.project.write("migrations/versions/written.py", told.stdout)
    upgraded = shop.upgrade()

    assert told.code == 0, told.stderr
    assert "down_revision = 'first'" in told.stdout
    assert (upgraded.code, upgraded.document["outcome"]) == (0, "upgraded"), upgraded.stderr
    assert diff(shop, "--check").code == 0
    assert diff(shop, "--check", "--from", "head").code == 0
    assert shop.execute("SELECT name FROM item ORDER BY id") == [("one",), ("two",)]


def test_what_holds_data_stays_until_it_is_accepted(shop: Shop) -> None:
    """The drop of a column is a comment with its rows; accepted by its key, it is a statement."""
    shop.execute("ALTER TABLE item ADD COLUMN note INT")
    shop.execute("UPDATE item SET note = 7 WHERE id = 1")

    kept = shop.project.flask("db-diff", "--format", "sql")
    dropped = shop.project.flask("db-diff", "--format", "sql", "--accept", "drop-column:item.note")
    client(sa.make_url(shop.url), kept.stdout)

    assert "it leads there, but for what stays.\n" in kept.stdout
    assert "-- stays: extra-column:item.note: " in kept.stdout
    assert shop.execute("SELECT note FROM item ORDER BY id") == [(7,), (None,)]
    client(sa.make_url(shop.url), dropped.stdout)
    assert diff(shop, "--check").code == 0


def test_the_way_between_two_revisions_is_proved(shop: Shop) -> None:
    """There, and back where the drop is accepted; the database is at neither."""
    shop.add("second", "first", ADD_SIZE)

    there = diff(shop, "--from", "first", "--to", "second")
    back = diff(shop, "--from", "second", "--to", "base", "--accept", "drop-table:item")

    for ended in (there, back):
        assert (ended.code, ended.document["proof"]["equal"]) == (0, True), ended.stderr
        assert len(ended.document["plan"][0]["statements"]) == 1


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
        told = shop.project.flask("db-diff", "--format", "sql")
        document = diff(shop)
    finally:
        project.environment["DATABASE"] = postgresql
        shop.execute(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")

    assert told.code == 0, told.stderr
    assert "\n-- NOT PROVED: No scratch database can be made (" in told.stdout
    assert "ALTER TABLE item ADD COLUMN size" in told.stdout
    assert document.findings("script-not-proved")
    assert document.document["proof"]["equal"] is False


# -- random changes --------------------------------------------------------------------------------


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


def client(url: sa.URL, script: str) -> None:
    """Run a script by the engine's own client, which stops at the first error."""
    commands = {
        "sqlite": ["sqlite3", "-bail", str(url.database)],
        "postgresql": ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", _plain(url)],
        "mysql": ["mariadb", f"--user={url.username}", f"--database={url.database}"],
    }
    if url.get_backend_name() == "mysql":
        socket = url.query.get("unix_socket")
        where = [f"--socket={socket}"] if socket else [f"--host={url.host}", f"--port={url.port or 3306}"]
        commands["mysql"].extend(where)
    ended = subprocess.run(
        commands[url.get_backend_name()], input=script, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr + script


def _plain(url: sa.URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def compared(folder: str, url: str, metadata: sa.MetaData, **options: object) -> DiffResult:
    app = Flask(folder)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db = SQLAlchemy(app, metadata=metadata)
    try:
        return diff_of(app, DiffOptions(**options))
    finally:
        with app.app_context():
            db.engine.dispose()


ROUNDS = 50 if os.environ.get("SCHEMAFLOW_SOAK") else 5


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_after_the_script_there_is_no_difference(seed: int, folder: str, any_database: str) -> None:
    """40 random changes of 50 tables with rows: what is left is what the script says that it keeps."""
    round_of(seed, folder, any_database)


def differing(before: Rows, after: Rows, models: sa.MetaData) -> Iterator[tuple[object, ...]]:
    """Give the values that changed; a NULL that may no more be one has become the default."""
    for (table, column), values in before.items():
        may_be_null = models.tables[table].c[column].nullable
        for was, now in zip(values, after[table, column], strict=True):
            if was != now and (was is not None or may_be_null):
                yield table, column, was, now


def round_of(seed: int, folder: str, database: str) -> None:
    make, url = Generator(seed), sa.make_url(database)
    before = make.schema()
    after = make.changed(before)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        fill(connection, metadata_of(before))
        for statement in by_hand(make, before, after, engine.dialect.name):
            make.told.append(statement)
            connection.exec_driver_sql(statement)
    models = metadata_of(after)

    written = compared(folder, database, models, script="sql", accept=tuple(make.accepted))
    with engine.connect() as connection:
        rows = rows_of(connection, before, after, make.gone)
    client(url, written.document)

    script, wanted = written.scripts[None], written.differences[0].after
    with engine.connect() as connection:
        there = take_snapshot(connection).of_tables((each.schema, each.name) for each in wanted.objects)
    left = {each.key for each in find_drift(wanted, there, "the models") if each.structural}
    assert written.proof is not None
    assert written.proof.method == "scratch database"
    assert left <= script.stays, (left - script.stays, make.told, written.document)
    with engine.connect() as connection:
        assert [*differing(rows, rows_of(connection, before, after, make.gone), models)] == []
    engine.dispose()
