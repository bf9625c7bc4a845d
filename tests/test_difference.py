"""``db-diff``: in what databases, models and revisions differ."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.parametrize("seed", range(5))
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
