"""``flask db-adopt`` as a whole: on what there is, what it leaves, and what it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from projects import Project, put_first, reading, same_structure, versions_of

from flask_schemaflow.revisions import read_revision, read_revisions
from flask_schemaflow.snapshot import Snapshot, read_stored

SHOP = "discovery/models_package_that_imports_nothing"
MODELS = ("shop.models.user", "shop.models.order")


@pytest.fixture
def shop(project: Project) -> Project:
    """Give a shop whose factory imports no models, with a database made by create_all, with rows."""
    project.copy(SHOP)
    project.app = "shop"
    project.create_all(*MODELS)
    return project


def database(project: Project) -> Path:
    (file,) = project.databases()
    return file


def execute(file: Path, *statements: str) -> None:
    """Change a database behind everybody's back."""
    connection = sqlite3.connect(file)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def revisions(project: Project) -> list[Path]:
    return sorted(project.path.rglob("migrations/versions/*.py"))


def registered(project: Project, lines: str = "SchemaFlow(app, db)") -> Project:
    """Register the extension in the shop's factory."""
    file = project.path / "shop" / "__init__.py"
    text = file.read_text().replace(
        "    return app", f"    from flask_schemaflow import SchemaFlow\n\n    {lines}\n    return app"
    )
    file.write_text(text)
    return project


# -- the main job ----------------------------------------------------------------------------------


def test_the_trap(shop: Project) -> None:
    """Where stock Flask-Migrate drops every table, adopting finds every table and keeps every row."""
    registered(shop)
    before = shop.contents()
    stock = Project(shop.path.parent / "stock", shop.zygote, app="shop")
    stock.copy(SHOP)
    registered(stock, "from flask_migrate import Migrate\n\n    Migrate(app, db)")
    (stock.path / "instance").mkdir()
    (stock.path / "instance" / "shop.db").write_bytes(database(shop).read_bytes())
    assert stock.flask("db", "init").code == 0
    assert stock.flask("db", "migrate").code == 0
    (written,) = revisions(stock)
    dropped = re.findall(r"op\.drop_table\('(\w+)'\)", written.read_text().partition("def downgrade")[0])
    assert sorted(dropped) == ["orders", "user"]

    ended = shop.adopt()

    assert ended.code == 0, ended.stderr
    assert ended.document["outcome"] == "adopted"
    (baseline,) = revisions(shop)
    assert re.findall(r"op\.create_table\(\s+'(\w+)'", baseline.read_text()) == ["user", "orders"]
    assert shop.contents() == before


def test_adopting_changes_nothing_but_the_version_table(shop: Project) -> None:
    """Structure and rows are the same before and after, and the version table has the revision."""
    before = shop.contents()

    ended = shop.adopt()

    assert ended.code == 0, ended.stderr
    assert shop.contents() == before
    (result,) = ended.document["databases"]
    assert versions_of(database(shop)) == [result["revision_after"]]
    assert (result["state_before"], result["state_after"]) == ("unmanaged", "current")
    assert ended.document["proof"] == {"equal": True, "method": "scratch database", "engines": ["sqlite"]}


def test_a_fresh_database_from_the_baseline_is_equal(shop: Project) -> None:
    """What safe-upgrade builds from the baseline is what was adopted."""
    assert shop.adopt().code == 0
    adopted = database(shop).rename(shop.path / "instance" / "adopted")

    assert shop.safe_upgrade("--create").code == 0

    assert same_structure(database(shop), adopted)


def test_adopting_twice_changes_nothing(shop: Project) -> None:
    """The second time every byte stays, and the exit code is 0."""
    assert shop.adopt().code == 0
    before = shop.files()

    ended = shop.adopt()

    assert (ended.code, ended.document["outcome"]) == (0, "already-adopted")
    assert shop.files() == before


def test_a_dry_run_leaves_every_byte(shop: Project) -> None:
    """A dry run does everything but write."""
    before = shop.files()

    ended = shop.adopt("--dry-run")

    assert (ended.code, ended.document["outcome"]) == (0, "planned")
    assert ended.document["proof"]["equal"] is True
    assert shop.files() == before


def test_an_app_without_one_changed_line(shop: Project) -> None:
    """In an app that knows neither Migrate nor us, the lines to add are said with their place."""
    ended = shop.flask("db-adopt")

    assert ended.code == 0
    assert "SchemaFlow(app, db)" in ended.stdout
    assert "shop/__init__.py:9" in ended.stdout


def test_the_lines_to_add_belong_to_the_app_that_runs(shop: Project) -> None:
    """Another app in the same folder, which is not loaded, is not the place."""
    (shop.path / "shop" / "Another.py").write_text("def create_other(app, db):\n    db.init_app(app)\n")

    assert "shop/__init__.py:9" in shop.flask("db-adopt").stdout


def test_calls_in_an_installed_package_are_no_matter_of_the_app(shop: Project) -> None:
    """Who has models of a package cannot remove its create_all()."""
    shop.write("site-packages/plugin/__init__.py", "def make(db):\n    db.create_all()\n")
    shop.write(
        "site-packages/plugin/models.py",
        "from shop.database import db\n\n\nclass Plugin(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n",
    )
    shop.write("shop/work.py", "from plugin import make\n\n\ndef work(db):\n    db.create_all()\n")
    file = shop.path / "shop" / "__init__.py"
    text = file.read_text().replace("    return app", "    import plugin.models\n    return app")
    file.write_text("import sys\nsys.path.append('site-packages')\n" + text)

    calls = [each["file"] for each in shop.adopt("--dry-run").findings("calls-create-all")]
    assert [Path(each).name for each in calls] == ["work.py"]


def test_without_a_database_the_baseline_is_written_and_nothing_stamped(project: Project) -> None:
    """An app that never ran gets its baseline, and safe-upgrade makes the database from it."""
    project.copy(SHOP)
    project.app = "shop"

    ended = project.adopt()

    assert (ended.code, ended.document["outcome"]) == (0, "adopted")
    assert project.databases() == []
    assert project.safe_upgrade("--create").code == 0
    assert versions_of(database(project)) == [
        ended.document["databases"][0]["revision_after"] or revisions(project)[0].name[:12]
    ]


def test_two_databases_are_adopted_together(project: Project) -> None:
    """Each bind gets its own function, proof and stamp."""
    project.copy("discovery/binds")
    project.app = "shop"
    project.create_all("shop.models")
    before = project.contents()

    ended = project.adopt()

    assert ended.code == 0, ended.stderr
    assert project.contents() == before
    audit, default = project.databases()
    assert versions_of(audit) == versions_of(default) != []
    (baseline,) = revisions(project)
    assert "def upgrade_audit():\n    op.create_table(\n        'event'" in baseline.read_text()


def test_the_file_is_written_through_the_projects_own_template(shop: Project) -> None:
    """Template, file name pattern, version folder and message of the project are honoured."""
    registered(shop)
    assert shop.flask("db", "init").code == 0
    template = shop.path / "migrations" / "script.py.mako"
    template.write_text("# house style\n" + template.read_text())
    ini = shop.path / "migrations" / "alembic.ini"
    extra = "file_template = %%(year)d_%%(slug)s_%%(rev)s\nversion_locations = %(here)s/our_revisions\npath_separator = os\n"
    ini.write_text(ini.read_text().replace("[alembic]\n", f"[alembic]\n{extra}"))

    ended = shop.adopt("-m", "How it began", "--rev-id", "0001")

    assert ended.code == 0, ended.stderr
    (written,) = (shop.path / "migrations" / "our_revisions").glob("*.py")
    assert written.name == f"{time.gmtime().tm_year}_how_it_began_0001.py"
    assert written.read_text().startswith('# house style\n"""How it began\n')


def with_hook(shop: Project, script: str | None) -> Project:
    """Let a shell script run on each new revision; none is there for None."""
    registered(shop)
    assert shop.flask("db", "init").code == 0
    program = shop.path / "hook.sh"
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    ini = shop.path / "migrations" / "alembic.ini"
    hook = f"\n[post_write_hooks]\nhooks = a\na.type = exec\na.executable = {program}\na.options = REVISION_SCRIPT_FILENAME\n"
    ini.write_text(ini.read_text() + hook)
    return shop


@pytest.mark.parametrize("script", ['echo "# formatted" >> "$1"', 'echo "formatted = True" >> "$1"'])
def test_a_post_write_hook_runs_on_the_file(shop: Project, script: str) -> None:
    """Formatters of alembic.ini run on the baseline, and the stored snapshot is that of what they leave."""
    with_hook(shop, script)

    assert shop.adopt().code == 0

    (baseline,) = revisions(shop)
    assert "formatted" in baseline.read_text().splitlines()[-1]
    folder = shop.path / "migrations"
    like = Snapshot(family="sqlite")
    written = read_revisions([folder / "versions"])
    assert read_stored(folder, written, [read_revision(baseline).id], None, like)


SPOILING = {
    "changes what it does": ("sed -i \"s/'orders'/'oders'/\" \"$1\"", 3, "does not rebuild the database"),
    "leaves no Python": ('echo "def (" >> "$1"', 2, "hook of alembic.ini spoilt the revision: .* is not valid Python"),
    "leaves no text": ("printf '\\377' > \"$1\"", 2, "hook of alembic.ini spoilt the revision"),
    "takes the id away": ('sed -i "s/^revision = .*//" "$1"', 2, "hook of alembic.ini spoilt the revision"),
    "changes the id": ("sed -i \"s/^revision = .*/revision = 'x'/\" \"$1\"", 2, "changed the revision id"),
    "moves the file": ('mv "$1" "$1.new.py"', 2, "hook of alembic.ini moved or removed"),
    "removes the file": ('rm "$1"', 2, "hook of alembic.ini moved or removed"),
    "is not there": (None, 2, "hook of alembic.ini cannot run: .*hook.sh: No such file"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILING)
def test_a_post_write_hook_that_spoils_the_file_leaves_nothing(shop: Project, what: str) -> None:
    """A hook that does more than format ends the command with one clear message; the file goes again."""
    script, code, says = SPOILING[what]
    with_hook(shop, script)
    before = shop.files()

    ended = shop.adopt()

    assert ended.code == code, ended.stderr
    assert re.search(says, ended.verdict), ended.verdict
    assert shop.files() == before


@pytest.mark.parametrize(
    "registering",
    [
        "from flask_migrate import Migrate; Migrate(app, db, version_table='our_versions')",
        "from flask_migrate import Migrate; Migrate(app, db, directory='our_migrations', command='database')",
    ],
)
def test_what_migrate_was_told_is_honoured(shop: Project, registering: str) -> None:
    """Version table, folder and command name of the project are used."""
    registered(shop, registering)

    assert shop.adopt().code == 0
    assert shop.adopt().document["outcome"] == "already-adopted"

    folder = "our_migrations" if "our_migrations" in registering else "migrations"
    assert len(list((shop.path / folder / "versions").glob("*.py"))) == 1
    with reading(database(shop)) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert ("our_versions" if "our_versions" in registering else "alembic_version") in names


def test_a_version_table_that_only_env_py_names(shop: Project) -> None:
    """A version table that env.py passes to configure() is found by asking env.py."""
    registered(shop)
    assert shop.flask("db", "init").code == 0
    env = shop.path / "migrations" / "env.py"
    env.write_text(
        env.read_text().replace("connection=connection,", "connection=connection, version_table='ours',")
    )

    assert shop.adopt().code == 0
    assert shop.adopt().document["outcome"] == "already-adopted"
    assert shop.safe_upgrade().document["outcome"] == "nothing-to-do"


def test_an_env_py_with_an_engine_of_its_own(shop: Project) -> None:
    """An env.py that builds its engine from the URL is run on our connections too."""
    registered(shop)
    assert shop.flask("db", "init").code == 0
    env = shop.path / "migrations" / "env.py"
    text = env.read_text()
    own = "from sqlalchemy import engine_from_config\n    connectable = engine_from_config({'sqlalchemy.url': get_engine_url()}, prefix='sqlalchemy.')"
    env.write_text(text.replace("connectable = get_engine()", own))

    ended = shop.adopt()

    assert ended.code == 0, ended.stderr


RAW = """
    raw = connectable.raw_connection()
    raw.cursor().execute('SELECT 1')
"""


def changed_environment(shop: Project, was: str, becomes: str) -> None:
    registered(shop)
    assert shop.flask("db", "init").code == 0
    env = shop.path / "migrations" / "env.py"
    text = env.read_text()
    assert was in text
    env.write_text(text.replace(was, becomes))


def test_an_env_py_that_wants_the_drivers_own_connection(shop: Project) -> None:
    """One message: where it is, and what to write in its place; nothing is written."""
    line = "    connectable = get_engine()\n"
    changed_environment(shop, line, line + RAW)
    before = shop.contents()

    ended = shop.adopt()

    assert ended.code == 2, ended.stderr
    assert re.search(r"migrations/env\.py:\d+: .*raw_connection\(\).*connect\(\)", ended.verdict), (
        ended.verdict
    )
    assert shop.contents() == before


def test_the_apps_logging_survives(shop: Project) -> None:
    """env.py's fileConfig() disables no logger of the app."""
    shop.python(
        """
        import logging
        from shop import create_app
        from flask_schemaflow import adopt
        logger = logging.getLogger("shop.orders")
        app = create_app()
        result = adopt(app)
        assert result.outcome == "adopted", result
        assert result.baseline.is_file()
        assert not logger.disabled and not app.logger.disabled
        assert logging.getLogger().handlers == []
        """
    )


# -- differences -----------------------------------------------------------------------------------


def test_a_difference_is_shown_in_words_and_refused(shop: Project) -> None:
    """A column that the models do not have stops, is named, and nothing is written."""
    execute(
        database(shop), "ALTER TABLE user ADD COLUMN nickname TEXT", "CREATE INDEX ix_name ON user (name)"
    )
    before = shop.files()

    ended = shop.flask("db-adopt")

    assert ended.code == 3
    assert "The database has the column user.nickname; the models do not." in ended.stdout
    assert "[extra-index:user.ix_name]" in ended.stdout
    assert "The database differs from the models in 2 ways" in ended.verdict
    assert shop.files() == before


def test_an_accepted_difference_is_in_the_baseline(shop: Project) -> None:
    """What is accepted stays as the database has it, and the docstring names it."""
    execute(
        database(shop),
        "ALTER TABLE user ADD COLUMN nickname TEXT",
        "CREATE INDEX ix_name ON user (name)",
        "CREATE TRIGGER trg AFTER INSERT ON user BEGIN UPDATE user SET name = 'y'; END",
        "CREATE VIEW names AS SELECT name FROM user",
    )
    accepts = [
        f"--accept={each}"
        for each in (
            "extra-column:user.nickname",
            "extra-index:user.ix_name",
            "extra-trigger:user.trg",
            "extra-view:names",
        )
    ]

    ended = shop.adopt(*accepts)

    assert ended.code == 0, ended.stderr
    text = revisions(shop)[0].read_text()
    assert "extra-index:user.ix_name: The database has the index user.ix_name" in text.split('"""')[1]
    assert "'orders'" in text
    adopted = database(shop).rename(shop.path / "instance" / "adopted")
    assert shop.safe_upgrade("--create").code == 0
    assert same_structure(database(shop), adopted)


@pytest.mark.parametrize("name", ["user names", "select", "100%", 'say "hi"', "a:b"])
def test_an_accepted_view_of_any_name_is_dropped_again(shop: Project, name: str) -> None:
    """The downgrade of a baseline drops a view whose name needs quotes."""
    quoted = '"' + name.replace('"', '""') + '"'
    execute(database(shop), f"CREATE VIEW {quoted} AS SELECT name FROM user")
    registered(shop)

    ended = shop.adopt("--accept", f"extra-view:{name}")

    assert ended.code == 0, ended.stderr
    ended = shop.flask("db", "downgrade", "base")
    assert ended.code == 0, ended.stderr
    assert set(reading_tables(database(shop))) == {
        "alembic_version",
        "sqlite_autoindex_alembic_version_1",
        "schemaflow_history",
        "sqlite_autoindex_schemaflow_history_1",
    }


def test_a_table_that_no_operation_makes_is_written_as_its_statement(project: Project) -> None:
    """Where an operation turns out to send something else, the statement of create_all takes its place."""
    project.write(
        "app.py",
        """
        from flask import Flask
        from flask_sqlalchemy import SQLAlchemy
        from sqlalchemy.ext.compiler import compiles
        from sqlalchemy.schema import CreateColumn

        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
        db = SQLAlchemy(app)

        @compiles(CreateColumn)
        def with_check(element, compiler, **options):
            text = compiler.visit_create_column(element, **options)
            return f"{text} CHECK (a > 0)" if element.element.info.get("positive") else text

        class User(db.Model):
            id = db.Column(db.Integer, primary_key=True)
            a = db.Column(db.Integer, info={"positive": True})

        class Order(db.Model):
            id = db.Column(db.Integer, primary_key=True)
        """,
    )
    project.create_all()

    assert project.adopt().code == 0

    source = revisions(project)[0].read_text()
    assert "CHECK (a > 0)" in source
    assert "op.create_table(\n        'user'" not in source
    assert "op.create_table(\n        'order'" in source


def test_an_accepted_missing_index_is_not_in_the_baseline(project: Project) -> None:
    """An index that only the models have, accepted, is left to a later revision."""
    project.write(
        "app.py",
        """
        from flask import Flask
        from flask_sqlalchemy import SQLAlchemy

        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
        db = SQLAlchemy(app)

        class User(db.Model):
            id = db.Column(db.Integer, primary_key=True)
            a = db.Column(db.Integer, index=True)
            b = db.Column(db.Integer, index=True)
        """,
    )
    project.create_all()
    execute(database(project), "DROP INDEX ix_user_b")

    assert project.adopt("--accept", "missing-index:user.ix_user_b").code == 0

    assert "ix_user_a" in revisions(project)[0].read_text()
    assert "op.f('ix_user_b')" not in revisions(project)[0].read_text()


def test_a_baseline_for_more_engines_says_where_it_was_only_proved_on_paper(shop: Project) -> None:
    """Revisions for servers are compared statement by statement; what differs is under a check."""
    models = shop.path / "shop" / "models" / "user.py"
    kind = 'kind = db.Column(db.Enum("guest", "staff", name="user_kind"))'
    models.write_text(models.read_text().replace("    name =", f"    {kind}\n    name ="))
    database(shop).unlink()
    shop.create_all(*MODELS)

    ended = shop.adopt("--engine", "postgresql", "--engine", "mariadb")

    assert ended.code == 0, ended.stderr
    assert ended.document["proof"]["engines"] == ["sqlite", "mariadb (on paper)", "postgresql (on paper)"]
    text = revisions(shop)[0].read_text()
    assert "sa.Column('kind', sa.Enum('guest', 'staff', name='user_kind'), nullable=True)" in text
    assert (
        "if op.get_context().dialect.name == 'postgresql':\n        op.execute('DROP TYPE user_kind')" in text
    )


def test_the_text_tells_which_engines_were_proved_on_paper(shop: Project) -> None:
    """Who reads the text learns it like who reads the document; without other engines nothing is said."""
    more = shop.flask("db-adopt", "--dry-run", "--engine", "postgresql", "--engine", "mariadb")

    assert "not run     mariadb, postgresql: compared statement by statement" in more.stdout
    assert "not run" not in shop.flask("db-adopt", "--dry-run").stdout


def test_what_is_accepted_is_made_only_where_the_database_is(shop: Project) -> None:
    """Other engines get what the models say; only the one at hand has the difference."""
    execute(database(shop), "ALTER TABLE user ADD COLUMN nickname TEXT")

    ended = shop.adopt("--accept", "extra-column:user.nickname", "--engine", "postgresql")

    assert ended.code == 0, ended.stderr
    text = revisions(shop)[0].read_text()
    here, _, there = text.partition("dialect.name == 'postgresql'")
    assert "nickname TEXT" in here
    assert "op.create_table(" in there
    assert "nickname" not in there


@pytest.mark.parametrize("wrong", ["everything", "extra-index", "drop-table:user"])
def test_accepting_needs_a_code_and_a_subject(shop: Project, wrong: str) -> None:
    """There is no accepting of everything, and no unknown code."""
    ended = shop.adopt("--accept", wrong)

    assert ended.code == 2
    assert "say CODE:SUBJECT" in ended.verdict


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--rev-id", each] for each in ("head", "base", "a b", "", "../x", "a@b", "a+1", "a-1", "x" * 33)),
        *(["-m", each] for each in ('say """hi"""', "two\nlines", "c:\\x")),
    ],
)
def test_an_id_or_title_that_alembic_cannot_have_is_refused(shop: Project, arguments: list[str]) -> None:
    """What would make a revision that nobody can run or name is refused before anything is drafted."""
    before = shop.files()

    ended = shop.adopt(*arguments)

    assert ended.code == 2, ended.stderr
    assert {"-m": "--message"}.get(arguments[0], arguments[0]) in ended.verdict
    assert shop.files() == before


def test_an_unknown_engine_in_python_is_named(shop: Project) -> None:
    """AdoptOptions is checked like the options at the terminal."""
    shop.python(
        """
        from shop import create_app
        from flask_schemaflow import AdoptOptions, ConfigurationError, adopt
        try:
            adopt(create_app(), AdoptOptions(engines=("oracle",)))
        except ConfigurationError as error:
            assert "--engine oracle" in error.message
        else:
            raise AssertionError
        """
    )


@pytest.mark.parametrize("has_folder", [True, False])
def test_a_temporary_folder_behind_a_link(shop: Project, has_folder: bool) -> None:
    """Where TMPDIR is a symbolic link, as on macOS, everything works as elsewhere."""
    if has_folder:
        registered(shop)
        assert shop.flask("db", "init").code == 0
    real = shop.path.parent / "real"
    real.mkdir()
    link = shop.path.parent / "link"
    link.symlink_to(real)

    ended = shop.adopt(TMPDIR=str(link))

    assert ended.code == 0, ended.stderr
    assert list(real.iterdir()) == []


@pytest.mark.parametrize("lost", ["chain", "revision", "databases", "format", "server", "hash"])
def test_a_stored_snapshot_that_is_not_whole_is_named(shop: Project, lost: str) -> None:
    """A snapshot file that lacks something is named, with what to do."""
    adopted_shop(shop)
    (stored,) = (shop.path / "migrations" / "snapshots").iterdir()
    document = json.loads(stored.read_text())
    del (document if lost in document else document["databases"][""])[lost]
    stored.write_text(json.dumps(document))

    ended = shop.adopt()

    assert ended.code == 2, ended.stderr
    assert f"{stored} is not a readable snapshot (KeyError: '{lost}'). Remove it" in ended.verdict


MEANWHILE = """
import subprocess
import sys
from pathlib import Path

file = Path("instance/shop.db").resolve()
change = f"import sqlite3; sqlite3.connect({str(file)!r}).execute({STATEMENT!r}).connection.commit()"
subprocess.run([sys.executable, "-c", change], check=False)
"""


def changing_meanwhile(shop: Project, statement: str) -> None:
    """Let another process change the database whenever env.py runs, after the first look at it."""
    registered(shop)
    if not (shop.path / "migrations").exists():
        assert shop.flask("db", "init").code == 0
    env = shop.path / "migrations" / "env.py"
    put_first(env, f"STATEMENT = {statement!r}\n{MEANWHILE}")


def test_a_database_that_changes_while_it_is_adopted_is_not_stamped(shop: Project) -> None:
    """The structure is read again in the transaction that stamps; no file is left either."""
    changing_meanwhile(shop, "ALTER TABLE user ADD COLUMN sudden TEXT")

    ended = shop.adopt()

    assert ended.code == 4
    assert "was changed by somebody else meanwhile. Nothing was written" in ended.verdict
    assert revisions(shop) == []
    assert "alembic_version" not in str(reading_tables(database(shop)))


def test_a_database_that_changes_while_its_revision_is_searched_is_not_stamped(shop: Project) -> None:
    """Both commands look again under the lock."""
    assert shop.adopt().code == 0
    for stored in (shop.path / "migrations" / "snapshots").iterdir():
        stored.unlink()
    execute(database(shop), "DROP TABLE alembic_version")
    changing_meanwhile(shop, "CREATE INDEX sudden ON user (name)")

    for command in (shop.safe_upgrade, shop.adopt):
        ended = command()
        assert ended.code == 4
        assert "was changed by somebody else" in ended.verdict
        assert "alembic_version" not in str(reading_tables(database(shop)))
        execute(database(shop), "DROP INDEX sudden")


def reading_tables(file: Path) -> list[str]:
    with reading(file) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]


def test_arguments_reach_env_py(shop: Project) -> None:
    """``-x`` is there in a custom env.py, as with ``flask db upgrade -x``."""
    registered(shop)
    assert shop.flask("db", "init").code == 0
    env = shop.path / "migrations" / "env.py"
    put_first(
        env,
        "import sys\nfrom alembic import context as running\n"
        "print('asked for', running.get_x_argument(as_dictionary=True), file=sys.stderr)",
    )

    ended = shop.adopt("-x", "tenant=blue", "--x-arg", "dry=yes")

    assert ended.code == 0, ended.stderr
    assert "asked for {'tenant': 'blue', 'dry': 'yes'}" in ended.stderr
    ended = shop.safe_upgrade("-x", "tenant=red")
    assert ended.code == 0


def test_tables_of_others_are_listed_and_left_alone(shop: Project) -> None:
    """A table that no model and no revision has is foreign: told, not compared, not in the baseline."""
    execute(database(shop), "CREATE TABLE spatial_ref_sys (srid INTEGER)")

    ended = shop.adopt()

    assert ended.code == 0
    assert [each["subject"] for each in ended.findings("foreign-table")] == ["spatial_ref_sys"]
    assert "spatial_ref_sys" not in revisions(shop)[0].read_text()


EVENTS_APP = """
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
app.config["SCHEMAFLOW_FOREIGN_TABLES"] = {foreign!r}
db = SQLAlchemy(app)


class Post(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(50))


class Old(db.Model):
    id = db.Column(db.Integer, primary_key=True)


for statement in {statements!r}:
    sa.event.listen(db.metadata, "after_create", sa.DDL(statement))
"""

MADE_BY_EVENTS = {
    "a full-text table with its triggers": [
        "CREATE VIRTUAL TABLE post_words USING fts5(title, content='post', content_rowid='id')",
        "CREATE TRIGGER post_ai AFTER INSERT ON post BEGIN "
        "INSERT INTO post_words(rowid, title) VALUES (new.id, new.title); END",
    ],
    "a helper table": [
        "CREATE TABLE settings (name TEXT PRIMARY KEY)",
        "CREATE INDEX ix_s ON settings (name)",
    ],
    "names that need quotes": [
        'CREATE TABLE "my ""things""" (a INT)',
        "CREATE TABLE [other things] (a INT)",
        "CREATE VIRTUAL TABLE `full text` USING fts5(word)",
    ],
    "a view over none of our tables": ["CREATE VIEW today AS SELECT date('now') AS today"],
    "a view over a helper table": [
        "CREATE TABLE settings (name TEXT PRIMARY KEY)",
        "CREATE VIEW names AS SELECT name FROM settings",
    ],
}


def events_app(project: Project, statements: list[str], foreign: list[str]) -> Project:
    """Make an app whose create_all() sends these statements too."""
    project.write("app.py", EVENTS_APP.format(statements=statements, foreign=foreign))
    return project


@pytest.mark.parametrize("what", MADE_BY_EVENTS)
def test_what_only_events_make_is_ours(project: Project, what: str) -> None:
    """Whatever create_all() makes is in the baseline, though no metadata has it."""
    events_app(project, MADE_BY_EVENTS[what], []).create_all()
    before = project.contents()

    ended = project.adopt()

    assert ended.code == 0, ended.stderr
    assert project.contents() == before
    assert ended.findings("foreign-table") == []
    again = project.adopt()
    assert (again.code, again.document["outcome"]) == (0, "already-adopted"), again.stderr
    execute(database(project), "DELETE FROM alembic_version")
    again = project.safe_upgrade()
    assert again.code == 0, again.stderr
    adopted = database(project).rename(project.path / "instance" / "adopted")
    ended = project.safe_upgrade("--create")
    assert ended.code == 0, ended.stderr
    assert same_structure(database(project), adopted)


@pytest.mark.parametrize("what", MADE_BY_EVENTS)
def test_what_only_events_make_is_compared(project: Project, what: str) -> None:
    """A database that lacks what create_all() makes differs from the models."""
    events_app(project, [], []).create_all()
    events_app(project, MADE_BY_EVENTS[what], [])

    ended = project.adopt()

    assert ended.code == 3
    assert "The database differs from the models" in ended.verdict
    assert ended.findings()[0]["code"].startswith("missing-")


def test_a_mapped_table_that_a_setting_calls_foreign_is_left_out(project: Project) -> None:
    """SCHEMAFLOW_FOREIGN_TABLES wins over the models: not compared, not in the baseline."""
    events_app(project, [], ["ol*"]).create_all()
    execute(database(project), "ALTER TABLE old ADD COLUMN by_hand TEXT")

    ended = project.adopt()

    assert ended.code == 0, ended.stderr
    text = revisions(project)[0].read_text()
    assert "'post'" in text
    assert "'old'" not in text
    assert project.adopt().document["outcome"] == "already-adopted"


@pytest.mark.parametrize(
    "call",
    [
        "sqlite3.connect(database='x.db')",
        "sqlite3.connect('file:x.db', 5, 0, None, True, sqlite3.Connection, 9, True)",
    ],
)
def test_an_event_with_a_connection_of_its_own_is_refused(project: Project, call: str) -> None:
    """While create_all() runs on scratch, no other database can be opened, however the driver is called."""
    events_app(project, [], []).create_all()
    app = project.path / "app.py"
    opens = f"import sqlite3; sa.event.listen(db.metadata, 'after_create', lambda *_, **__: {call})"
    app.write_text(f"{app.read_text()}\n{opens}\n")

    ended = project.adopt()

    assert ended.code == 3, ended.stderr
    assert re.search(
        r"app.py:\d+: create_all\(\) fails .*: AppSessionUsed: it opens .*x.db by itself", ended.verdict
    )
    assert not (project.path / "x.db").exists()


def test_a_table_that_is_spelled_otherwise_is_the_same_table(project: Project) -> None:
    """SQLite ignores the case of names: nothing differs, and the baseline makes what is there."""
    events_app(project, [], []).create_all()
    execute(
        database(project),
        "ALTER TABLE old RENAME TO old_",
        "ALTER TABLE old_ RENAME TO OLD",
        "ALTER TABLE OLD ADD COLUMN by_hand TEXT",
    )

    ended = project.adopt("--accept", "extra-column:old.by_hand")

    assert ended.code == 0, ended.stderr
    assert ended.findings("foreign-table") == []
    assert 'CREATE TABLE "OLD"' in revisions(project)[0].read_text()
    assert project.adopt("--accept", "extra-column:old.by_hand").document["outcome"] == "already-adopted"


def test_models_that_create_all_cannot_make_are_refused(project: Project) -> None:
    """create_all() that fails on an empty database is the app's error, with its reason."""
    events_app(project, [], []).create_all()
    events_app(project, ["CREATE TABLE broken (nothing"], [])

    ended = project.adopt()

    assert ended.code == 3
    assert "create_all() fails on an empty database: OperationalError: near" in ended.verdict


# -- other states ----------------------------------------------------------------------------------


def adopted_shop(shop: Project) -> str:
    """Adopt, and give the revision."""
    ended = shop.adopt()
    assert ended.code == 0, ended.stderr
    revision: str = ended.document["databases"][0]["revision_after"]
    return revision


def add_revision(project: Project, name: str, parent: str, body: str) -> None:
    """Write a further revision by hand."""
    project.write(
        f"migrations/versions/{name}.py",
        f'"""{name}"""\nfrom alembic import op\nimport sqlalchemy as sa\n\nrevision = "{name}"\n'
        f'down_revision = "{parent}"\n\n\ndef upgrade():\n    {body}\n\n\ndef downgrade():\n    pass\n',
    )


def test_a_database_without_its_version_row_is_found_again(shop: Project) -> None:
    """An unmanaged database with revisions at hand is stamped at the revision that its structure equals."""
    first = adopted_shop(shop)
    add_revision(shop, "second", first, "op.add_column('user', sa.Column('age', sa.Integer()))")
    execute(database(shop), "DROP TABLE alembic_version")

    ended = shop.adopt()

    assert (ended.code, ended.document["outcome"]) == (0, "adopted"), ended.stderr
    assert versions_of(database(shop)) == [first]
    assert "Newer revisions are pending" in ended.verdict


def test_the_way_of_the_proof_is_told(shop: Project) -> None:
    """What is stored beside the revisions is enough; without it they run."""
    first = adopted_shop(shop)
    for method in ("stored snapshot", "scratch database"):
        assert shop.adopt().document["proof"]["method"] == method
        execute(database(shop), "DROP TABLE alembic_version")
        found = shop.adopt()
        assert found.document["proof"]["method"] == method
        assert versions_of(database(shop)) == [first]
        for stored in (shop.path / "migrations" / "snapshots").glob("*.json"):
            stored.unlink()


def test_revisions_that_only_change_rows_are_not_guessed(shop: Project) -> None:
    """Two revisions with one structure are offered, not chosen between."""
    first = adopted_shop(shop)
    add_revision(shop, "rows", first, "op.execute(\"UPDATE user SET name = 'x'\")")
    execute(database(shop), "DROP TABLE alembic_version")
    before = shop.files()

    ended = shop.adopt()

    assert ended.code == 3
    assert f"{first}, rows" in ended.verdict
    assert shop.files() == before


def test_an_empty_revision_is_passed_over(shop: Project) -> None:
    """A revision that provably does nothing does not make the answer ambiguous."""
    first = adopted_shop(shop)
    add_revision(shop, "nothing", first, "pass")
    execute(database(shop), "DELETE FROM alembic_version")

    assert shop.adopt().code == 0
    assert versions_of(database(shop)) == ["nothing"]


def test_a_database_that_is_no_revision_names_the_nearest(shop: Project) -> None:
    """A structure that no revision has is refused with the nearest and the difference."""
    first = adopted_shop(shop)
    execute(database(shop), "DROP TABLE alembic_version", "ALTER TABLE user ADD COLUMN x INT")

    ended = shop.adopt()

    assert ended.code == 3
    assert f"The nearest is {first}; it differs in 1 way." in ended.verdict
    assert [each["code"] for each in ended.findings() if each["severity"] == "error"] == ["extra-column"]


def test_an_adopted_database_that_drifted_is_refused(shop: Project) -> None:
    """Being at a revision is proved, not believed."""
    first = adopted_shop(shop)
    execute(database(shop), "ALTER TABLE user ADD COLUMN x INT")

    ended = shop.adopt()

    assert ended.code == 3
    assert f"The database says revision {first}, but its structure differs from it in 1 way." in ended.verdict


def refused_states() -> dict[str, tuple[list[str], str]]:
    """Give for each state what to do to an adopted shop, and what is said then."""
    return {
        "unknown": (
            ["UPDATE alembic_version SET version_num = 'lost'"],
            "the version table says lost, which no file in",
        ),
        "torn": (["INSERT INTO alembic_version VALUES ('lost')"], "the version table has several rows"),
        "hollow": (["DROP TABLE orders", "DROP TABLE user"], "but none of the tables is there"),
        "not-ours": (
            [
                "DROP TABLE orders",
                "DROP TABLE user",
                "DELETE FROM alembic_version",
                "CREATE TABLE wp_posts (id INT)",
            ],
            "not-our-database: it has tables (wp_posts)",
        ),
        "wrong columns": (
            ["DROP TABLE alembic_version", "CREATE TABLE alembic_version (release TEXT)"],
            "The version table 'alembic_version' has the columns release",
        ),
    }


@pytest.mark.parametrize("state", refused_states())
def test_a_state_that_is_refused(shop: Project, state: str) -> None:
    """Each state that adoption does not take on is refused with its reason, and every byte stays."""
    adopted_shop(shop)
    statements, says = refused_states()[state]
    execute(database(shop), *statements)
    before = shop.files()

    ended = shop.adopt()

    assert ended.code == 3
    assert says in ended.verdict
    assert shop.files() == before


@pytest.mark.parametrize("tables", [True, False])
def test_a_lost_migrations_folder_is_refused(shop: Project, tables: bool) -> None:
    """A version row without a folder is refused, with or without the tables."""
    execute(
        database(shop),
        "CREATE TABLE alembic_version (version_num VARCHAR(32))",
        "INSERT INTO alembic_version VALUES ('gone')",
    )
    if not tables:
        execute(database(shop), "DROP TABLE orders", "DROP TABLE user")

    ended = shop.adopt()

    assert ended.code == 3
    assert "the version table says gone" in ended.verdict
    assert not (shop.path / "migrations").exists()


def test_several_heads_are_refused_with_the_merge_command(shop: Project) -> None:
    """Two heads are named, with the command that joins them."""
    first = adopted_shop(shop)
    add_revision(shop, "left", first, "pass")
    add_revision(shop, "right", first, "pass")

    ended = shop.adopt()

    assert ended.code == 3
    assert "flask db merge left right" in ended.verdict


def test_a_folder_beside_the_app_is_named(shop: Project) -> None:
    """A migrations folder that lies elsewhere is not silently made a second time."""
    adopted_shop(shop)
    elsewhere = shop.path / "elsewhere"
    elsewhere.mkdir()
    shop.cwd = "elsewhere"

    ended = shop.flask("db-adopt", PYTHONPATH=str(shop.path))
    shop.app = "../shop"
    ended = shop.flask("db-adopt")

    assert ended.code == 2
    assert f"{shop.path}/migrations does" in ended.verdict


# -- interrupted -----------------------------------------------------------------------------------


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_at_any_moment(shop: Project, signal_number: int) -> None:
    """Stopped at whatever moment, nothing is written, or all of it; the next run adopts."""
    before = shop.contents()
    clean = shop.files()
    ends = set()
    began = time.monotonic()
    assert shop.adopt("--dry-run").code == 0
    lasts = time.monotonic() - began
    for step in range(1, 60):
        child = shop.start("db-adopt", "--json")
        time.sleep(lasts * step / 50)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal_number)
        ended = shop.zygote.wait()
        ends.add(ended.code)
        assert shop.contents() == before
        if "Adopted at" in ended.stderr:  # the signal may still have ended the process after that
            break
        assert shop.files() == clean, ended.stderr
    assert shop.adopt().code == 0
    assert 4 in ends


def test_a_table_spelled_in_another_case_is_the_same_on_sqlite(shop: Project) -> None:
    """SQLite does not tell User from user, so neither does the state of a database."""
    execute(
        database(shop),
        "ALTER TABLE user RENAME TO tmp",
        "ALTER TABLE tmp RENAME TO USER",
        "ALTER TABLE orders RENAME TO tmp",
        "ALTER TABLE tmp RENAME TO Orders",
    )

    ended = shop.adopt()

    assert ended.code == 0, ended.stderr
    assert shop.adopt().document["outcome"] == "already-adopted"
