"""Hazards of a plan by the command: rebuilt tables, rows at stake on three engines, leftovers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from anyshop import adopted_shop
from projects import Ended, Project, reading

HEAD = 'import sqlalchemy as sa\nfrom alembic import context, op\n\nrevision = "second"\ndown_revision = "first"\n'


# -- rebuilt tables, by the command ----------------------------------------------------------------

APP = """
    import sqlalchemy as sa
    from flask import Flask
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
    db = SQLAlchemy(app)
    Migrate(app, db)


    @sa.event.listens_for(sa.engine.Engine, "connect")
    def keys_on(connection, _record):
        connection.execute("PRAGMA foreign_keys=ON")


    class Parent(db.Model):
        __table_args__ = (db.Index("ix_lower", sa.text("lower(name)")), {"sqlite_autoincrement": True})

        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(10, collation="NOCASE"))
        city = db.Column(db.String(10))


    class Child(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        parent_id = db.Column(db.ForeignKey("parent.id", ondelete="CASCADE"))
"""
TRIGGER = (
    "CREATE TRIGGER touched AFTER INSERT ON parent BEGIN UPDATE parent SET city = 'x' WHERE id = NEW.id; END"
)
ROWS = """
from app import app, db
with app.app_context(), db.engine.begin() as connection:
    connection.exec_driver_sql("INSERT INTO parent (id, name) VALUES (1, 'a')")
    for _ in range(1000):
        connection.exec_driver_sql("INSERT INTO child (parent_id) VALUES (1)")
"""
PLAIN = (
    "with op.batch_alter_table('parent') as batch:",
    "    batch.alter_column('city', type_=sa.String(20))",
)
# Each hint of the findings, as it is written there.
KEPT = (
    "with op.batch_alter_table('parent', table_kwargs={'sqlite_autoincrement': True},",
    "        reflect_args=[sa.Column('name', sa.String(10, collation='NOCASE'))]) as batch:",
    "    batch.alter_column('city', type_=sa.String(20))",
    'op.execute("CREATE INDEX ix_lower ON parent (lower(name))")',
    f'op.execute("""{TRIGGER}""")',
)


@pytest.fixture
def trap(project: Project) -> Project:
    """Give an adopted shop whose parent has 1000 children, a trigger, AUTOINCREMENT, COLLATE and an index by hand."""
    project.write("app.py", APP)
    project.create_all()
    execute(project, "DELETE FROM child", "DELETE FROM parent")
    assert project.adopt("--rev-id", "first").code == 0
    project.python(ROWS)
    execute(project, TRIGGER)
    return project


def database(project: Project) -> Path:
    (file,) = project.databases()
    return file


def execute(project: Project, *statements: str) -> None:
    connection = sqlite3.connect(database(project))
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def add(project: Project, *body: str) -> None:
    lines = "".join(f"    {line}\n" for line in body)
    project.write(
        "migrations/versions/second.py",
        f"{HEAD}\n\ndef upgrade():\n{lines}\n\ndef downgrade():\n    pass\n",
    )


def structure(project: Project) -> dict[str, str]:
    with reading(database(project)) as connection:
        return dict(
            connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        )


def count(project: Project, table: str) -> int:
    with reading(database(project)) as connection:
        return int(connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])


def errors(ended: Ended) -> dict[str, str]:
    return {
        f"{each['code']}:{each['subject']}": each["hint"]
        for each in ended.findings()
        if each["severity"] == "error"
    }


LOST = "sqlite-recreate-lost-objects"


def test_stock_loses_all_children_and_more(trap: Project) -> None:
    """Beside ours, for the record: `flask db upgrade` ends well, with no child, trigger, AUTOINCREMENT or COLLATE."""
    add(trap, *PLAIN)

    ended = trap.flask("db", "upgrade")

    assert ended.code == 0, ended.stderr
    assert count(trap, "child") == 0
    left = structure(trap)
    assert {"touched", "ix_lower"} & left.keys() == set()
    assert "AUTOINCREMENT" not in left["parent"]
    assert "NOCASE" not in left["parent"]


def test_what_a_rebuild_loses_is_refused_by_name(trap: Project) -> None:
    """Each lost object stops, the trigger that a person made too; nothing is changed."""
    add(trap, *PLAIN)
    before = trap.files()

    ended = trap.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (3, "refused"), ended.stderr
    assert set(errors(ended)) == {
        f"{LOST}:parent.{each}" for each in ("touched", "ix_lower", "AUTOINCREMENT", "name")
    }
    (told,) = ended.findings("sqlite-recreate-cascade-delete")
    assert told["severity"] == "info"
    assert "would delete 1,000 rows of child" in told["message"]
    assert {k: v for k, v in trap.files().items() if "__pycache__" not in k} == before


def test_followed_hints_keep_everything(trap: Project) -> None:
    """A revision that follows every hint goes through: all rows, trigger, AUTOINCREMENT, COLLATE and index are there."""
    add(trap, *PLAIN)
    hints = errors(trap.safe_upgrade())
    assert hints[f"{LOST}:parent.touched"] == f'After the batch: op.execute("""{TRIGGER}""")'
    assert "lower(name)" in hints[f"{LOST}:parent.ix_lower"]
    assert 'table_kwargs={"sqlite_autoincrement": True}' in hints[f"{LOST}:parent.AUTOINCREMENT"]
    assert (
        'reflect_args=[sa.Column("name", sa.String(..., collation="NOCASE"))]' in hints[f"{LOST}:parent.name"]
    )
    before = structure(trap)
    add(trap, *KEPT)

    ended = trap.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert (count(trap, "parent"), count(trap, "child")) == (1, 1000)
    after = structure(trap)
    assert after["touched"] == before["touched"]
    assert "lower(name)" in after["ix_lower"]
    assert "AUTOINCREMENT" in after["parent"]
    assert "NOCASE" in after["parent"]
    assert "VARCHAR(20)" in after["parent"]


@pytest.mark.parametrize(
    "body", [("op.rename_table('parent', 'p')", "p"), ("op.rename_table('parent', 'p')", "parent")]
)
def test_a_table_that_is_renamed_too_is_followed(trap: Project, body: tuple[str, str]) -> None:
    """Renamed before or after its rebuild in the same revision, it is still the same table."""
    rename, name = body
    rebuild = [line.replace("'parent'", f"'{name}'") for line in PLAIN]
    add(trap, *([rename, *rebuild] if name == "p" else [*rebuild, rename]))

    found = errors(trap.safe_upgrade())

    assert {f"{LOST}:{name}.touched", f"{LOST}:{name}.AUTOINCREMENT"} <= found.keys()


def test_an_accepted_loss_keeps_the_rows(trap: Project) -> None:
    """Who accepts what the table loses still keeps every child."""
    add(trap, f"# schemaflow: accept {LOST} -- the trigger is not needed any more", *PLAIN)

    ended = trap.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert count(trap, "child") == 1000
    assert "touched" not in structure(trap)
    assert {each["severity"] for each in ended.findings(LOST)} == {"warning"}


def test_a_counter_does_not_fall_back_unseen(trap: Project) -> None:
    """An AUTOINCREMENT counter above the highest id is told, and its hint keeps it."""
    execute(trap, "INSERT INTO parent (id, name) VALUES (70, 'gone')", "DELETE FROM parent WHERE id = 70")
    add(trap, *KEPT)
    ended = trap.safe_upgrade()
    assert set(errors(ended)) == {f"{LOST}:parent.sqlite_sequence"}
    hint = errors(ended)[f"{LOST}:parent.sqlite_sequence"]
    before, _, after = hint.removeprefix("Before the batch: ").partition(". After it: ")
    add(trap, before, *KEPT, *after.split("; "))

    ended = trap.safe_upgrade()

    assert ended.code == 0, ended.stderr
    execute(trap, "INSERT INTO parent (name) VALUES ('next')")
    with reading(database(trap)) as connection:
        assert connection.execute("SELECT max(id) FROM parent").fetchone() == (71,)


def with_table(trap: Project, *statements: str) -> None:
    """Put one more table into the database, the models and the first revision."""
    app = trap.path / "app.py"
    column = "db.Column('id', db.Integer, primary_key=True)"
    app.write_text(f"{app.read_text()}\n\ndb.Table('t', db.metadata, {column})\n")
    execute(trap, *statements)
    (file,) = (trap.path / "migrations" / "versions").glob("first*.py")
    lines = "".join(f"    op.execute({each!r})\n" for each in statements)
    file.write_text(file.read_text().replace("def upgrade():\n", f"def upgrade():\n{lines}", 1))
    for stale in (trap.path / "migrations" / "snapshots").glob("*.json"):
        stale.unlink()


@pytest.mark.parametrize(
    ("table", "extra", "lost", "arguments", "after"),
    [
        ("id INTEGER PRIMARY KEY, n TEXT, price INT CHECK (price > 0)", "", "check", "table_args=(sa.CheckConstraint('price > 0'),)", ""),
        ("id INTEGER PRIMARY KEY, n TEXT", "CREATE INDEX ix ON t (n DESC)", "ix", "", 'op.drop_index("ix"); op.execute("""CREATE INDEX ix ON t (n DESC)""")'),
        ("id INTEGER PRIMARY KEY, n TEXT, p INTEGER REFERENCES parent (id) ON DELETE CASCADE", "", "p", "copy_from=sa.Table('t', sa.MetaData(), sa.Column('id', sa.Integer, primary_key=True), sa.Column('n', sa.Text), sa.Column('p', sa.Integer, sa.ForeignKey('parent.id', ondelete='CASCADE')))", ""),
        ("id INTEGER PRIMARY KEY, n TEXT UNIQUE ON CONFLICT REPLACE", "", "n", "copy_from=sa.Table('t', sa.MetaData(), sa.Column('id', sa.Integer, primary_key=True), sa.Column('n', sa.Text, unique=True, sqlite_on_conflict_unique='REPLACE'))", ""),
        ("id INTEGER PRIMARY KEY, n TEXT COLLATE NOCASE", "", "n", "reflect_args=[sa.Column('n', sa.Text(collation='NOCASE'))]", ""),
    ],
)  # fmt: skip
def test_each_hint_keeps_what_it_is_about(
    trap: Project, table: str, extra: str, lost: str, arguments: str, after: str
) -> None:
    """What a rebuild would lose is named, and is there after a revision that follows the hint."""
    statements = [f"CREATE TABLE t ({table})", *filter(None, [extra])]
    with_table(trap, *statements)
    execute(trap, "INSERT INTO t (id, n) VALUES (1, 'x')")
    batch = "with op.batch_alter_table('t', recreate='always'{}) as batch:"
    add(trap, batch.format(""), "    batch.add_column(sa.Column('new', sa.Integer()))")

    refused = trap.safe_upgrade()
    assert list(errors(refused)) == [f"{LOST}:t.{lost}"], refused.stderr

    add(
        trap,
        batch.format(f", {arguments}" if arguments else ""),
        "    batch.add_column(sa.Column('new', sa.Integer()))",
        *after.split("; "),
    )
    ended = trap.safe_upgrade()
    assert ended.code == 0, ended.stderr
    assert count(trap, "t") == 1


def test_a_generated_column_makes_the_rebuild_fail(trap: Project) -> None:
    """Alembic cannot copy a table that has one: it fails, and everything is as it was."""
    with_table(trap, "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT, g TEXT AS (n || 'x'))")
    execute(trap, "INSERT INTO t (id, n) VALUES (1, 'x')")
    add(trap, "with op.batch_alter_table('t') as batch:", "    batch.alter_column('n', nullable=False)")
    before = structure(trap)

    ended = trap.safe_upgrade()

    assert ended.code == 5, ended.stderr
    assert "OperationalError" in ended.verdict
    assert structure(trap) == before
    assert count(trap, "t") == 1


def test_a_table_copied_by_hand_is_looked_at_too(trap: Project) -> None:
    """Create, copy, drop and rename is a rebuild: no drop-table, but the trigger and the column are missed."""
    add(
        trap,
        'op.execute("CREATE TABLE new_parent (id INTEGER PRIMARY KEY, name VARCHAR(10))")',
        'op.execute("INSERT INTO new_parent SELECT id, name FROM parent")',
        'op.execute("DROP TABLE parent")',
        'op.execute("ALTER TABLE new_parent RENAME TO parent")',
    )
    execute(trap, "UPDATE parent SET city = 'Rome'")

    found = errors(trap.safe_upgrade())

    assert "drop-table:parent" not in found
    assert {
        "drop-column:parent.city",
        f"{LOST}:parent.touched",
        f"{LOST}:parent.AUTOINCREMENT",
    } <= found.keys()


# -- by the command, on three engines --------------------------------------------------------------

SHOP = """
    import os

    from flask import Flask
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db = SQLAlchemy(app)
    Migrate(app, db)


    class User(db.Model):
        __tablename__ = "users"

        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(50))
        nickname = db.Column(db.String(50))


    class Note(db.Model):
        id = db.Column(db.Integer, primary_key=True)
"""
FILL = """
from app import Note, User, app, db
with app.app_context():
    db.create_all()
    db.session.add_all([User(name="somebody", nickname="x"), User(name="x")])
    db.session.commit()
"""
DROPS = (
    "with op.batch_alter_table('users') as batch:",
    "    batch.drop_column('nickname')",
    "op.drop_table('note')",
)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def shop(request: pytest.FixtureRequest, project: Project) -> Project:
    """Give an adopted shop with two users, one of them with a nickname, and no note, on each engine in turn."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{project.path / 'shop.db'}" if is_sqlite else request.getfixturevalue(request.param)
    project.environment["DATABASE"] = url
    project.write("app.py", SHOP)
    project.python(FILL)
    assert project.adopt("--rev-id", "first").code == 0
    return project


def columns(shop: Project) -> list[str]:
    engine = sa.create_engine(shop.environment["DATABASE"])
    names = [each["name"] for each in sa.inspect(engine).get_columns("users")]
    engine.dispose()
    return names


def test_a_drop_stops_with_its_rows_until_it_is_accepted(shop: Project) -> None:
    """Values in a dropped column stop the upgrade, an empty table that is dropped does not; accepted, it goes through."""
    add(shop, *DROPS)

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (3, "refused"), ended.stderr
    assert list(errors(ended)) == ["drop-column:users.nickname"]
    (found,) = ended.findings("drop-column")
    assert found["message"] == "Drops the column users.nickname, which has a value in 1 of 2 rows."
    assert (found["classes"], found["revision"], found["line"]) == (
        ["destructive", "incompatible", "irreversible"],
        "second",
        10,
    )
    (empty,) = ended.findings("drop-table")
    assert (empty["severity"], empty["message"]) == ("info", "Drops the table note with 0 rows.")
    assert "--accept drop-column:users.nickname" in ended.verdict
    assert "nickname" in columns(shop)

    assert shop.safe_upgrade("--accept", "drop-column:users.name").code == 3
    ended = shop.safe_upgrade("--accept", "drop-column:users.nickname")
    assert ended.code == 0, ended.stderr
    assert "nickname" not in columns(shop)


def test_a_plan_shows_operations_sql_and_rows(shop: Project) -> None:
    """A dry run has each operation and its SQL, and ends as the checks of the real run would."""
    add(shop, *DROPS)

    ended = shop.safe_upgrade("--dry-run")

    assert ended.code == 3, ended.stderr
    (step,) = ended.document["plan"]
    assert {"drop_column users.nickname", "drop_table note"} <= set(step["operations"])
    assert any("DROP TABLE" in sql and "note" in sql for sql in step["statements"])
    assert list(errors(ended)) == ["drop-column:users.nickname"]

    ended = shop.flask("db-safe-upgrade", "--plan", "-v", "--accept", "drop-column:users.nickname")
    assert ended.code == 0, ended.stderr
    assert "would run   second\n              drop_column users.nickname\n" in ended.stdout
    assert "sql             DROP TABLE note" in ended.stdout.replace("`", "")
    assert "Drops the table note with 0 rows. [drop-table:note]" in ended.stdout
    assert "nickname" in columns(shop)


def test_values_that_are_too_long_stop(shop: Project) -> None:
    """A shorter type is asked for on servers; SQLite takes every length."""
    add(
        shop,
        "with op.batch_alter_table('users') as batch:",
        "    batch.alter_column('name', type_=sa.String(3), existing_type=sa.String(50))",
    )

    ended = shop.safe_upgrade()

    if "sqlite" in shop.environment["DATABASE"]:
        assert ended.code == 0, ended.stderr
    else:
        assert list(errors(ended)) == ["narrow-column-type:users.name"], ended.stderr
        (found,) = ended.findings("narrow-column-type")
        assert "1 of 2 rows with a value that does not fit" in found["message"]


@pytest.mark.parametrize("source", ["environment", "comment"])
def test_other_ways_to_accept(shop: Project, source: str) -> None:
    """SCHEMAFLOW_ACCEPT, and a comment with a reason, accept as the option does."""
    comment = "    batch.drop_column('nickname')  # schemaflow: accept drop-column -- moved to profile"
    add(shop, DROPS[0], comment if source == "comment" else DROPS[1])
    accept = {"FLASK_SCHEMAFLOW_ACCEPT": "drop-column:users.nickname"} if source == "environment" else {}

    ended = shop.safe_upgrade(**accept)

    assert ended.code == 0, ended.stderr
    (found,) = ended.findings("drop-column")
    assert found["severity"] == "warning"
    assert found["message"].endswith("(accepted)")


def test_what_a_revision_hides_is_seen_in_the_structure(shop: Project) -> None:
    """A column that goes by operations that cannot be read is missed in the structure after it."""
    add(
        shop,
        "if 'users' in sa.inspect(op.get_bind()).get_table_names():",
        f"    {DROPS[0]}",
        f"    {DROPS[1]}",
    )

    ended = shop.safe_upgrade()

    assert list(errors(ended)) == ["drop-column:users.nickname"], ended.stderr
    assert ended.findings("uninspectable-operation")[0]["severity"] == "warning"
    assert "nickname" in columns(shop)


def test_a_rename_that_a_revision_hides_is_not_called_a_drop(shop: Project) -> None:
    """Nobody saw what it does: it may be a rename, and is told so, and stops all the same."""
    add(
        shop,
        "if sa.inspect(op.get_bind()).has_table('users'):",
        "    with op.batch_alter_table('users') as batch:",
        "        batch.alter_column('nickname', new_column_name='alias', existing_type=sa.String(50))",
    )

    ended = shop.safe_upgrade()

    assert list(errors(ended)) == ["drop-column:users.nickname"], ended.stderr
    assert "gone afterwards, and alias is new: renamed or dropped, that was not seen" in ended.verdict
    assert "Accept it if it is renamed" in errors(ended)["drop-column:users.nickname"]
    assert shop.safe_upgrade("--accept", "drop-column:users.nickname").code == 0
    assert "alias" in columns(shop)


def test_classes_that_stop_are_a_setting(shop: Project) -> None:
    """SCHEMAFLOW_FAIL_ON takes classes away and adds others."""
    add(shop, *DROPS)
    assert (
        shop.safe_upgrade(
            FLASK_SCHEMAFLOW_FAIL_ON="uninspectable",
        ).code
        == 0
    )
    add(shop, "op.get_bind().execute(sa.text('SELECT 1')).scalar()")
    file = shop.path / "migrations" / "versions" / "second.py"
    third = file.read_text().replace(
        'revision = "second"\ndown_revision = "first"', 'revision = "third"\ndown_revision = "second"'
    )
    add(shop, *DROPS)
    (file.parent / "third.py").write_text(third)

    ended = shop.safe_upgrade(FLASK_SCHEMAFLOW_FAIL_ON="uninspectable")
    assert list(errors(ended)) == ["uninspectable-operation:third"], ended.stderr
    assert shop.safe_upgrade().code == 0


BLOCKS = {
    "postgresql": (
        "op.add_column('users', sa.Column('token', sa.Uuid(), server_default=sa.text('gen_random_uuid()')))",
        "add-column-volatile-default:users.token",
    ),
    "mariadb": (
        "op.alter_column('users', 'id', type_=sa.BigInteger(), existing_type=sa.Integer())",
        "change-column-type:users.id",
    ),
}


@pytest.mark.parametrize("shop", BLOCKS, indirect=True)
def test_what_locks_a_large_table_stops(shop: Project, request: pytest.FixtureRequest) -> None:
    """Above SCHEMAFLOW_SMALL_TABLE_ROWS the table's size is told; two rows block nobody."""
    body, key = BLOCKS["postgresql" if "postgresql" in shop.environment["DATABASE"] else "mariadb"]
    add(shop, body)

    ended = shop.safe_upgrade(FLASK_SCHEMAFLOW_SMALL_TABLE_ROWS="1")

    assert (ended.code, list(errors(ended))) == (3, [key]), ended.stderr
    assert "more than 1 row" in ended.verdict
    assert shop.safe_upgrade().code == 0


def test_a_new_database_has_no_rows_at_stake(shop: Project) -> None:
    """From nothing to the head, drops included: there is nothing to ask, and nothing stops."""
    add(shop, *DROPS)
    engine = sa.create_engine(shop.environment["DATABASE"])
    with engine.begin() as connection:
        for table in ("users", "note", "alembic_version"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
    engine.dispose()

    ended = shop.safe_upgrade("--create")

    assert ended.code == 0, ended.stderr
    assert [each for each in ended.findings() if each["severity"] != "info"] == []


# -- mistakes and leftovers ------------------------------------------------------------------------


def test_a_wrong_comment_stops(trap: Project) -> None:
    """A comment that accepts without a reason, or an unknown code, is an error of its own."""
    add(trap, "op.add_column('child', sa.Column('x', sa.Integer()))  # schemaflow: accept drop-table")

    ended = trap.safe_upgrade()

    assert (ended.code, list(errors(ended))) == (3, ["acceptance-without-reason:second"]), ended.stderr


def test_an_unknown_code_on_the_command_line_is_a_usage_error(trap: Project) -> None:
    """--accept names a code that there is."""
    ended = trap.safe_upgrade("--accept", "drop-tabel:parent")

    assert ended.code == 2
    assert "drop-table" in ended.verdict


def test_an_unknown_code_in_a_setting_is_a_usage_error(trap: Project) -> None:
    """SCHEMAFLOW_ACCEPT too."""
    ended = trap.safe_upgrade(FLASK_SCHEMAFLOW_ACCEPT="drop-tabel:parent")

    assert ended.code == 2
    assert "SCHEMAFLOW_ACCEPT drop-tabel:parent: say CODE:SUBJECT" in ended.verdict


def test_leftovers_in_the_way_are_refused(trap: Project) -> None:
    """What a broken-off rebuild left is told with the rows of both tables, and never dropped by us."""
    execute(trap, "CREATE TABLE _alembic_tmp_parent (id INTEGER)")
    add(trap, *KEPT)

    ended = trap.safe_upgrade()

    assert list(errors(ended)) == ["leftover-table:_alembic_tmp_parent"], ended.stderr
    assert (
        "_alembic_tmp_parent with 0 rows, which a broken-off rebuild of parent left; parent itself has 1 row"
        in ended.verdict
    )
    assert 'DROP TABLE "_alembic_tmp_parent"' in errors(ended)["leftover-table:_alembic_tmp_parent"]
    execute(trap, 'DROP TABLE "_alembic_tmp_parent"')
    assert trap.safe_upgrade().code == 0


def test_leftovers_out_of_the_way_are_told(trap: Project) -> None:
    """A plan that rebuilds another table goes on."""
    execute(trap, "CREATE TABLE _alembic_tmp_parent (id INTEGER)")
    add(trap, "op.add_column('child', sa.Column('x', sa.Integer()))")

    ended = trap.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert ended.findings("leftover-table")[0]["severity"] == "warning"


def test_a_leftover_that_is_the_only_copy_stops(trap: Project) -> None:
    """Where the original is gone, its rows are in the leftover only: refused, with the way back."""
    execute(
        trap,
        "PRAGMA foreign_keys=OFF",
        "DROP TRIGGER touched",
        "ALTER TABLE parent RENAME TO _alembic_tmp_parent",
    )
    add(trap, "op.add_column('child', sa.Column('x', sa.Integer()))")
    before = structure(trap)

    ended = trap.safe_upgrade()

    assert ended.code == 3, ended.stderr
    found = errors(ended)
    assert (
        'ALTER TABLE "_alembic_tmp_parent" RENAME TO "parent"' in found["leftover-table:_alembic_tmp_parent"]
    )
    assert "with 1 row" in ended.verdict
    assert "the only copy" in ended.verdict
    assert structure(trap) == before


def test_nothing_of_this_is_loaded_where_nothing_is_to_do(trap: Project) -> None:
    """At the head neither the recorder nor the parser is imported."""
    code = (
        "import sys\nfrom app import app\nimport flask_schemaflow\n"
        "flask_schemaflow.safe_upgrade(app)\n"
        "assert 'sqlglot' not in sys.modules, 'parser'\n"
    )
    trap.python(code)


def test_each_database_has_its_own_hazards(project: Project) -> None:
    """With two databases each function is read for its own, and what stops in one stops both."""
    app = SHOP.replace(
        "db = SQLAlchemy(app)",
        'app.config["SQLALCHEMY_BINDS"] = {"logs": "sqlite:///logs.db"}\n    db = SQLAlchemy(app)',
    )
    project.write(
        "app.py", app.replace("class Note(db.Model):", 'class Note(db.Model):\n        __bind_key__ = "logs"')
    )
    project.environment["DATABASE"] = "sqlite:///shop.db"
    project.python(FILL + "\n    db.session.add(Note())\n    db.session.commit()\n")
    assert project.adopt("--rev-id", "first").code == 0
    project.write(
        "migrations/versions/second.py",
        f"{HEAD}\n\ndef upgrade(engine_name):\n    globals()['upgrade_%s' % engine_name]()\n\n\n"
        "def upgrade_():\n    op.add_column('users', sa.Column('x', sa.Integer()))\n\n\n"
        "def upgrade_logs():\n    op.drop_table('note')\n",
    )

    ended = project.safe_upgrade()

    assert list(errors(ended)) == ["drop-table:note"], ended.stderr
    operations = {step["bind"]: step["operations"] for step in ended.document["plan"]}
    assert operations == {None: ["add_column users.x"], "logs": ["drop_table note"]}
    assert ended.findings("drop-table")[0]["message"] == "Drops the table note with 1 row."
    assert project.safe_upgrade("--accept", "drop-table:note").code == 0


@pytest.mark.parametrize(
    "statement",
    ["VACUUM", "attach 'x.db' AS x", "/* x */ COMMIT", "PRAGMA journal_mode = WAL", "BEGIN; SELECT 1"],
)
def test_what_needs_another_transaction_is_refused_on_sqlite(
    project: Project, tmp_path: Path, statement: str
) -> None:
    """Before anything runs, with the line of the revision."""
    shop = adopted_shop(project, f"sqlite:///{tmp_path / 'shop.db'}")
    shop.add("second", "first", f"op.execute({statement!r})")

    ended = shop.upgrade()

    assert (ended.code, ended.document["outcome"]) == (3, "refused"), ended.stderr
    assert "cannot run inside the transaction in which all revisions run on SQLite" in ended.verdict
    assert "second.py:10: " in ended.verdict
    assert shop.versions() == ["first"]


def test_a_savepoint_may_be_rolled_back_on_sqlite(project: Project, tmp_path: Path) -> None:
    """It ends no transaction."""
    shop = adopted_shop(project, f"sqlite:///{tmp_path / 'shop.db'}")
    shop.add("second", "first", "op.execute('SAVEPOINT s')", "op.execute('ROLLBACK TO s')")

    assert shop.upgrade().code == 0
