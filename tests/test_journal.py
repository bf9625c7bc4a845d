"""The journal of MariaDB: what is in when a revision breaks, and how it goes on."""

from __future__ import annotations

import os
from typing import Any

import pytest
import sqlalchemy as sa
from projects import Ended, Project

APP = """
    import os

    import sqlalchemy as sa
    from flask import Flask
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy

    import kill

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db = SQLAlchemy(app)
    Migrate(app, db)


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(50))
"""
MAKE = """
from app import User, app, db

with app.app_context():
    db.create_all()
    db.session.add_all([User(name="a"), User(name="b"), User(name="c")])
    db.session.commit()
"""
# Stops the process, or its connection, at the Nth command that goes over the wire of the connection which
# runs revisions: it is the one that makes the journal.
KILL = """
    import os
    import signal

    import pymysql
    from pymysql.connections import Connection

    AT = int(os.environ.get("KILL_AT", 0))
    HOW = os.environ.get("KILL_HOW", "")
    original = Connection._execute_command
    seen = {"count": 0, "connection": None}


    def stop(connection):
        if HOW == "drop":
            other.kill(connection.thread_id())
        else:
            os.kill(os.getpid(), getattr(signal, HOW))


    def execute(self, command, sql):
        text = sql if isinstance(sql, str) else bytes(sql).decode(errors="replace")
        if "CREATE TABLE IF NOT EXISTS" in text and "schemaflow_journal" in text:
            seen["connection"] = self
        if seen["connection"] is not self:
            return original(self, command, sql)
        seen["count"] += 1
        if "KILL_LOG" in os.environ:
            with open(os.environ["KILL_LOG"], "a") as log:
                log.write(" ".join(text.split()) + chr(10))
        if seen["count"] == AT and os.environ.get("KILL_WHEN") != "after":
            stop(self)
        result = original(self, command, sql)
        if seen["count"] == AT and os.environ.get("KILL_WHEN") == "after":
            stop(self)
        return result


    if HOW or "KILL_LOG" in os.environ:
        from sqlalchemy import make_url

        url = make_url(os.environ["DATABASE"])
        ARGUMENTS = dict(user=url.username, host=url.host or "localhost", password=url.password or "")
        if "unix_socket" in url.query:
            ARGUMENTS["unix_socket"] = url.query["unix_socket"]
        else:
            ARGUMENTS["port"] = url.port or 3306
        other = pymysql.connect(**ARGUMENTS)
        Connection._execute_command = execute
"""


@pytest.fixture
def shop(project: Project, mariadb: str) -> Project:
    """Give an adopted shop with three users."""
    project.environment |= {"DATABASE": mariadb, "FLASK_SCHEMAFLOW_FAIL_ON": "failing"}
    project.write("app.py", APP)
    project.write("kill.py", KILL)
    project.python(MAKE)
    ended = project.adopt("--rev-id", "first")
    assert ended.code == 0, ended.stderr
    return project


def add(shop: Project, name: str, parent: str, *body: str) -> None:
    """Write a revision."""
    lines = "\n".join(f"    {line}" for line in body) or "    pass"
    shop.write(
        f"migrations/versions/{name}.py",
        f'"""{name} of the shop"""\nimport os\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
        f'revision = "{name}"\ndown_revision = "{parent}"\n\n\ndef upgrade():\n{lines}\n\n\n'
        "def downgrade():\n    pass\n",
    )


def execute(shop: Project, *statements: str) -> list[Any]:
    """Run statements and give the rows of the last one."""
    engine = sa.create_engine(shop.environment["DATABASE"])
    with engine.begin() as connection:
        results = [connection.exec_driver_sql(each.replace("%", "%%")) for each in statements]
        rows = [tuple(row) for row in results[-1].all()] if results[-1].returns_rows else []
    engine.dispose()
    return rows


def tables(shop: Project) -> set[str]:
    return {row[0] for row in execute(shop, "SHOW TABLES")}


def columns(shop: Project) -> list[str]:
    return [row[0] for row in execute(shop, "SHOW COLUMNS FROM user")]


def version(shop: Project) -> str:
    return execute(shop, "SELECT version_num FROM alembic_version")[0][0]


ADD_AGE = "op.add_column('user', sa.Column('age', sa.Integer()))"
ADD_SIZE = "op.add_column('user', sa.Column('size', sa.Integer()))"
# Only with rows, as on the real database: what fails on scratch already is another matter.
BREAK = "op.execute('ALTER TABLE user ADD CONSTRAINT grown CHECK (LENGTH(name) > 9)')"
ADD_POSITIVE = "op.execute('ALTER TABLE user ADD CONSTRAINT grown CHECK (COALESCE(age, 0) > 0)')"
SET_AGE = "op.execute('UPDATE user SET age = 1')"
MENDED = "op.execute('UPDATE user SET name = CONCAT(name, 1234567890)')"


def codes(ended: Ended) -> dict[str, str]:
    """Give what is said of the journal; hazards have classes."""
    return {each["subject"]: each["code"] for each in ended.document["findings"] if not each["classes"]}


def test_what_is_in_is_said_and_resumed(shop: Project) -> None:
    """Each statement by its number; what is done is skipped, the rest may be another than it was."""
    add(shop, "second", "first", ADD_AGE, SET_AGE, BREAK)
    add(shop, "third", "second", ADD_SIZE)

    ended = shop.safe_upgrade()

    assert ended.code == 6, ended.stderr
    assert (
        "parts of revision second are in: statement 1 (ALTER TABLE user ADD COLUMN age INTEGER) is in"
        in ended.verdict
    )
    assert "statement 2 (UPDATE user SET age = ?) is in (3 rows)" in ended.verdict
    assert codes(ended) == {
        "second": "revision-failed",
        "second.1": "statement-applied",
        "second.2": "statement-applied",
        "second.3": "statement-failed",
    }
    again = shop.safe_upgrade()
    assert (again.code, codes(again)) == (6, {k: v for k, v in codes(ended).items() if k != "second"})
    assert "--resume" in again.verdict

    add(shop, "second", "first", ADD_AGE, SET_AGE, MENDED, BREAK)
    resumed = shop.safe_upgrade("--resume")

    assert resumed.code == 0, resumed.stderr
    (told,) = resumed.document["databases"]
    assert (told["applied"], told["verified"], version(shop)) == (["second", "third"], True, "third")
    assert execute(shop, "SELECT name, age FROM user") == [(f"{each}1234567890", 1) for each in "abc"]
    assert tables(shop) == {"user", "alembic_version"}
    assert shop.safe_upgrade().document["outcome"] == "nothing-to-do"


def test_nothing_of_it_is_in(shop: Project) -> None:
    """A revision whose first statement fails is undone: no journal is left, and the next run is a new one."""
    add(shop, "second", "first", BREAK)

    ended = shop.safe_upgrade()

    assert ended.code == 5, ended.stderr
    assert ended.verdict.endswith("Everything was undone; the database is at first.")
    assert tables(shop) == {"user", "alembic_version"}


def test_rows_that_a_failing_statement_has_committed_are_said(shop: Project) -> None:
    """The engine commits before it runs a statement that changes a table, and even if that fails."""
    add(shop, "second", "first", "op.execute(\"UPDATE user SET name = 'secret'\")", BREAK)

    ended = shop.safe_upgrade()

    assert ended.code == 6, ended.stderr
    assert "statement 1 (UPDATE user SET name = ?) is in (3 rows), statement 2 " in ended.verdict
    assert "secret" not in str(execute(shop, "SELECT * FROM schemaflow_journal"))
    confirmed = shop.adopt()  # its structure is that of the revision which it says
    assert confirmed.code == 3, confirmed.stderr
    assert "parts of revision second are in, rows perhaps" in confirmed.verdict


def test_rows_that_no_rollback_takes_back_are_said(shop: Project) -> None:
    """A table of MyISAM keeps what was done to it: that is in, what was done beside it is not."""
    made = "op.create_table('hits', sa.Column('n', sa.Integer(), primary_key=True), mysql_engine='MyISAM')"
    add(shop, "second", "first", made, "op.execute('INSERT INTO hits (n) VALUES (1)')")
    assert shop.safe_upgrade().code == 0
    hit = "op.execute('UPDATE hits SET n = n + 10')"
    twice = "op.execute('INSERT INTO user (id) SELECT id FROM user')"
    add(shop, "third", "second", hit, MENDED, twice)

    ended = shop.safe_upgrade()

    assert ended.code == 6, ended.stderr
    assert "statement 1 (UPDATE hits SET n = n + ?) is in (1 row), statement 3 " in ended.verdict
    assert execute(shop, "SELECT n FROM hits") == [(11,)]
    add(shop, "third", "second", hit, MENDED)
    resumed = shop.safe_upgrade("--resume")
    assert resumed.code == 0, resumed.stderr
    assert execute(shop, "SELECT n FROM hits") == [(11,)]
    assert execute(shop, "SELECT name FROM user") == [(f"{each}1234567890",) for each in "abc"]

    # Of three rows the second one stands already: nobody can say that nothing is in.
    rows = "if op.get_bind().scalar(sa.text('SELECT count(*) FROM user')): "
    add(shop, "fourth", "third", f"{rows}op.execute('INSERT INTO hits (n) VALUES (5), (11), (6)')")
    half = shop.safe_upgrade()
    assert half.code == 6, half.stderr
    assert "(INSERT INTO hits (n) VALUES (?), (?), (?)) is in doubt" in half.verdict
    assert execute(shop, "SELECT n FROM hits ORDER BY n") == [(5,), (11,)]


def test_a_hazard_stops_what_is_resumed_too(shop: Project) -> None:
    """The database is broken still then; what was accepted for the first run is accepted again."""
    add(shop, "second", "first", "op.drop_column('user', 'name')", ADD_AGE, ADD_POSITIVE)
    stops = {"FLASK_SCHEMAFLOW_FAIL_ON": "destructive"}
    assert shop.safe_upgrade(**stops).code == 3
    broken = shop.safe_upgrade("--accept", "drop-column:user.name", **stops)
    assert broken.code == 6, broken.stderr
    add(shop, "second", "first", "op.drop_column('user', 'name')", ADD_AGE)

    stopped = shop.safe_upgrade("--resume", **stops)
    resumed = shop.safe_upgrade("--resume", "--accept", "drop-column:user.name", **stops)

    assert stopped.code == 6, stopped.stderr
    assert stopped.verdict.endswith("Parts of revision second are in still.")
    assert (resumed.code, columns(shop)) == (0, ["id", "age"]), resumed.stderr


BOUND = "bind = op.get_bind()"
USER = "user = sa.table('user', sa.column('id'), sa.column('name'))"
USES = {
    "rows that it reads": ("bind.execute(sa.text('SELECT count(*) FROM user')).scalar()",),
    "rowcount": ("assert bind.execute(sa.text('UPDATE user SET name = 1')).rowcount >= 0",),
    "inserted_primary_key": (
        "made = sa.Table('user', sa.MetaData(), sa.Column('id', sa.Integer, primary_key=True), "
        "sa.Column('name', sa.String(50)))",
        "assert bind.execute(made.insert().values(name='long enough')).inserted_primary_key[0]",
    ),
    "lastrowid": (
        "assert bind.execute(sa.text(\"INSERT INTO user (name) VALUES ('long enough')\")).lastrowid",
    ),
    "gave a result": (
        "assert bind.execute(sa.text(\"INSERT INTO user (name) VALUES ('long enough') RETURNING id\")).scalar()",
    ),
    "has other values now": (
        "bind.execute(sa.text('UPDATE user SET name = :n'), {'n': os.urandom(4).hex()})",
    ),
    "gave a result, which": (
        "cursor = bind.connection.cursor()",
        "cursor.execute(\"UPDATE user SET name = 'long enough' WHERE id = 1\")",
        "assert cursor.rowcount >= 0",
    ),
    "what that gave then is not known": ("op.execute('SET @n = (SELECT max(id) FROM user)')",),
}


def test_what_depends_on_what_is_in_is_not_resumed(shop: Project) -> None:
    """Nothing is changed then, the rest is shown, and it can be done by hand."""
    for says, uses in USES.items():
        execute(
            shop,
            "DROP TABLE IF EXISTS schemaflow_journal",
            "ALTER TABLE user DROP CONSTRAINT IF EXISTS grown, DROP COLUMN IF EXISTS age, DROP COLUMN IF EXISTS size",
            "UPDATE user SET name = 'a'",
            "UPDATE alembic_version SET version_num = 'first'",
        )
        add(shop, "second", "first", BOUND, *uses, ADD_AGE, BREAK, ADD_SIZE)
        broken = shop.safe_upgrade()
        assert broken.code == 6, (says, broken.stderr)
        execute(shop, "UPDATE user SET name = 'long enough'")
        before = execute(shop, "SELECT * FROM user")

        ended = shop.safe_upgrade("--resume")

        assert ended.code == 6, (says, ended.stderr)
        assert ended.verdict.startswith("Broken: Revision second cannot be resumed: ")
        assert says in ended.verdict or says == "rows that it reads"
        assert (execute(shop, "SELECT * FROM user"), version(shop)) == (before, "first")
        rest = [each["message"] for each in ended.findings("statement-left")]
        assert [each.split(" ADD ")[1].split()[1] for each in rest] == ["grown", "size"]

    execute(shop, *rest)
    assert shop.flask("db", "stamp", "second").code == 0
    done = shop.safe_upgrade()
    assert (done.code, version(shop)) == (0, "second"), done.stderr
    assert tables(shop) == {"user", "alembic_version"}


def test_a_part_that_was_edited_is_not_resumed(shop: Project) -> None:
    """Only what comes after the statements that are in may be another."""
    add(shop, "second", "first", ADD_AGE, BREAK)
    assert shop.safe_upgrade().code == 6
    add(shop, "second", "first", ADD_SIZE, ADD_AGE)

    ended = shop.safe_upgrade("--resume")

    assert ended.code == 6, ended.stderr
    says = "statement 1 of revision second is ALTER TABLE user ADD COLUMN size INTEGER now, and what is in is"
    assert says in ended.verdict


def test_a_stamp_is_not_believed(shop: Project) -> None:
    """A revision that was stamped after it broke has to be all in."""
    add(shop, "second", "first", ADD_AGE, SET_AGE, BREAK, ADD_SIZE)
    assert shop.safe_upgrade().code == 6
    assert shop.flask("db", "stamp", "second").code == 0

    ended = shop.safe_upgrade()

    assert ended.code == 6, ended.stderr
    assert "its structure is not what that says" in ended.verdict


def test_what_was_undone_by_hand_runs_again(shop: Project) -> None:
    """Where only tables were changed, and are as they were before, nothing is open any more."""
    add(shop, "second", "first", ADD_AGE, BREAK)
    assert shop.safe_upgrade().code == 6
    execute(shop, "ALTER TABLE user DROP COLUMN age")
    add(shop, "second", "first", ADD_SIZE)

    ended = shop.safe_upgrade()

    assert (ended.code, version(shop)) == (0, "second"), ended.stderr
    assert tables(shop) == {"user", "alembic_version"}


SEES = (
    "bind = op.get_bind()",
    "op.execute('CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT)')",
    "made = bind.execute(sa.text('INSERT INTO t (n) VALUES (1), (2)'))",
    "seen = [made.lastrowid, made.rowcount]",
    "seen += bind.execute(sa.text('SELECT LAST_INSERT_ID(), ROW_COUNT()')).one()",
    "seen.append(bind.execute(sa.text('UPDATE t SET n = 5 WHERE id = 2')).rowcount)",
    "bind.execute(sa.text('SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1')).all()",
    "seen.append(bind.execute(sa.text('SELECT FOUND_ROWS()')).scalar())",
    "op.execute('ALTER TABLE t ADD COLUMN m INT')",
    "seen.append(bind.execute(sa.text('SELECT LAST_INSERT_ID()')).scalar())",
    "op.execute('DROP TABLE IF EXISTS nowhere')",
    "with bind.begin_nested() as inner:",
    "    op.execute('UPDATE t SET n = 7')",
    "    inner.rollback()",
    "op.execute('LOCK TABLES t WRITE')",
    "op.execute('UPDATE t SET m = 1')",
    "op.execute('UNLOCK TABLES')",
    "with op.get_context().autocommit_block():",
    "    op.execute('UPDATE t SET m = 2 WHERE id = 1')",
    "bind.connection.cursor().execute('UPDATE t SET m = 3 WHERE id = 2')",
    "assert seen == [1, 2, 1, 2, 1, 2, 1], seen",
)


def test_a_revision_sees_its_session_as_ever(shop: Project) -> None:
    """Counts, ids, savepoints, locks and blocks that commit by themselves are its own."""
    add(shop, "second", "first", *SEES)

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert execute(shop, "SELECT id, n, m FROM t") == [(1, 1, 2), (2, 5, 3)]

    execute(shop, "DROP TABLE t", "UPDATE alembic_version SET version_num = 'first'")
    add(shop, "second", "first", *SEES, BREAK)
    broken = shop.safe_upgrade()
    assert broken.code == 6, broken.stderr
    assert [(row[0], row[1], row[2]) for row in execute(shop, JOURNAL)] == [
        (1, "ddl", None), (2, "data", 2), (3, "data", 1), (4, "ddl", None), (5, "ddl", None),
        (7, "data", 2), (8, "data", 1), (9, "data", 1), (10, "ddl", None),
    ]  # fmt: skip


JOURNAL = "SELECT position, kind, `rows` FROM schemaflow_journal ORDER BY position"


def test_migrate_writes_nothing_of_ours(shop: Project) -> None:
    """After a run that ended well there is no journal that autogenerate could drop."""
    add(shop, "second", "first", "op.execute('UPDATE user SET name = 1')")
    assert shop.safe_upgrade().code == 0

    ended = shop.flask("db", "migrate", "-m", "nothing")

    assert "No changes in schema detected" in ended.stderr, ended.stderr


# -- killed anywhere -------------------------------------------------------------------------------

THREE = {
    "r1": (
        "op.create_table('pet', sa.Column('id', sa.Integer(), primary_key=True),"
        " sa.Column('name', sa.String(20)), sa.Column('user_id', sa.Integer()))",
        "pet = sa.table('pet', sa.column('name'))",
        "op.bulk_insert(pet, [{'name': 'x'}, {'name': 'y'}])",
        "op.execute('UPDATE user SET name = CONCAT(name, 1)')",
    ),
    "r2": (
        "op.execute('UPDATE pet SET user_id = 1')",
        "op.add_column('pet', sa.Column('age', sa.Integer()))",
        "op.execute('UPDATE pet SET age = 1')",
        "op.create_index('ix_pet', 'pet', ['user_id', 'age'])",
    ),
    "r3": (
        "op.execute('UPDATE user SET name = CONCAT(name, 2)')",
        "op.execute('INSERT INTO pet (name, age) SELECT name, 3 FROM user')",
        "op.alter_column('pet', 'age', existing_type=sa.Integer(), nullable=False)",
        "op.execute('UPDATE pet SET age = age + 1')",
    ),
}
AT_HEAD = (
    [("a12",), ("b12",), ("c12",)],
    [("a12", 4, None), ("b12", 4, None), ("c12", 4, None), ("x", 2, 1), ("y", 2, 1)],
)


def add_three(shop: Project) -> None:
    for name, parent in (("r1", "first"), ("r2", "r1"), ("r3", "r2")):
        add(shop, name, parent, *THREE[name])


def rows(shop: Project) -> tuple[list[Any], list[Any]]:
    users = execute(shop, "SELECT name FROM user ORDER BY id")
    return users, execute(shop, "SELECT name, age, user_id FROM pet ORDER BY name")


def begin_again(shop: Project) -> None:
    """Put the database back to its first revision."""
    execute(
        shop,
        "DROP TABLE IF EXISTS pet, schemaflow_journal",
        "UPDATE user SET name = LEFT(name, 1)",
        "UPDATE alembic_version SET version_num = 'first'",
    )


def commands_of_a_run(shop: Project) -> list[str]:
    """What goes over the wire while the three revisions run, but for what only reads the structure."""
    log = shop.path / "commands.log"
    ended = shop.safe_upgrade(KILL_LOG=str(log))
    assert ended.code == 0, ended.stderr
    assert rows(shop) == AT_HEAD
    lines = log.read_text().splitlines()
    log.unlink()
    return lines


READS_STRUCTURE = ("SHOW ", "SELECT ", "BEGIN NOT ATOMIC", "SET SESSION sql_mode")


def stopped_and_taken_up(shop: Project, how: str, when: str, at: int) -> tuple[int, int]:
    """Stop a run at a command, and bring the database to its end; gives the codes of the first two runs."""
    begin_again(shop)
    where = f"{how} {when} command {at}"
    stopped = shop.safe_upgrade(KILL_AT=str(at), KILL_HOW=how, KILL_WHEN=when)
    if how != "SIGKILL" and stopped.code != 6:
        assert stopped.code in (0, 4, 5), f"{where}: {stopped.stderr}"
        assert stopped.document["databases"][0]["revision_after"] == version(shop), (
            f"{where}: {stopped.stderr}"
        )
        assert stopped.code == 0 or version(shop) in stopped.verdict, f"{where}: {stopped.stderr}"
    again = shop.safe_upgrade()
    assert again.code in (0, 6), f"{where}: {again.stderr}"
    if again.code == 6:
        assert "parts of revision r" in again.verdict
        resumed = shop.safe_upgrade("--resume")
        assert resumed.code == 0, f"{where}: {resumed.stderr}"
    assert (version(shop), rows(shop)) == ("r3", AT_HEAD), where
    assert tables(shop) == {"user", "pet", "alembic_version"}, where
    return stopped.code, again.code


def test_a_stop_at_some_commands(shop: Project) -> None:
    """No row is lost or doubled, no lock is left, and what is in is known."""
    add_three(shop)
    commands = commands_of_a_run(shop)

    def place(text: str) -> int:
        return next(at for at, each in enumerate(commands, 1) if each.startswith(text))

    for how, when, text, codes in (
        ("SIGKILL", "after", "CREATE TABLE pet", (-9, 6)),
        ("SIGKILL", "before", "CREATE INDEX ix_pet", (-9, 6)),
        ("SIGTERM", "after", "UPDATE pet SET age = 1", (6, 6)),
        ("drop", "before", "UPDATE user SET name = CONCAT(name, 2)", (4, 0)),
        ("drop", "after", "UPDATE alembic_version SET version_num='r3'", (6, 6)),
    ):
        assert stopped_and_taken_up(shop, how, when, place(text)) == codes, (how, when, text)


@pytest.mark.soak
@pytest.mark.skipif("SCHEMAFLOW_SOAK" not in os.environ, reason="takes minutes: set SCHEMAFLOW_SOAK=1")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "drop"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_stop_at_every_command(shop: Project, how: str, when: str) -> None:
    """The same at every boundary of the connection that runs three revisions."""
    add_three(shop)
    for at, command in enumerate(commands_of_a_run(shop), 1):
        if not command.startswith(READS_STRUCTURE):
            stopped_and_taken_up(shop, how, when, at)


def test_the_first_revision_of_an_empty_database(shop: Project) -> None:
    """There is no version row yet: what was begun is no database that was never adopted."""
    add_three(shop)
    execute(shop, "DROP TABLE user, alembic_version")
    add(shop, "r0", "first", "op.execute(\"INSERT INTO user (name) VALUES ('a'), ('b'), ('c')\")")
    add(shop, "r1", "r0", *THREE["r1"])
    log = shop.path / "commands.log"
    assert shop.safe_upgrade(KILL_LOG=str(log)).code == 0
    at = next(
        n for n, each in enumerate(log.read_text().splitlines(), 1) if each.startswith("CREATE TABLE user")
    )
    execute(shop, "DROP TABLE user, pet, alembic_version")

    shop.safe_upgrade(KILL_AT=str(at), KILL_HOW="SIGKILL", KILL_WHEN="after")

    assert shop.safe_upgrade().code == 6
    resumed = shop.safe_upgrade("--resume")
    assert (resumed.code, rows(shop)) == (0, AT_HEAD), resumed.stderr


BINDS = """
    import os

    from flask import Flask
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    app.config["SQLALCHEMY_BINDS"] = {"logs": os.environ["DATABASE"] + "_logs"}
    db = SQLAlchemy(app)
    Migrate(app, db)


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)


    class Entry(db.Model):
        __bind_key__ = "logs"
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(50))
"""
TWO = """
    import sqlalchemy as sa
    from alembic import op

    revision = "second"
    down_revision = "first"


    def upgrade(engine_name):
        globals()["upgrade_%s" % engine_name]()


    def upgrade_():
        op.add_column("user", sa.Column("age", sa.Integer()))


    def upgrade_logs():
        op.add_column("entry", sa.Column("text", sa.Text()))
        op.execute("ALTER TABLE entry ADD CONSTRAINT long_name CHECK (LENGTH(name) > 9)")
"""


def test_one_of_two_databases_breaks(project: Project, mariadb: str) -> None:
    """The other one stays upgraded; each has a journal of its own."""
    name = sa.make_url(mariadb).database
    project.environment |= {"DATABASE": mariadb, "FLASK_SCHEMAFLOW_FAIL_ON": "failing"}
    execute(project, f"CREATE DATABASE {name}_logs")
    try:
        project.write("app.py", BINDS)
        project.create_all()
        assert project.adopt("--rev-id", "first").code == 0
        project.write("migrations/versions/second.py", TWO)

        broken = project.safe_upgrade()

        assert broken.code == 6, broken.stderr
        assert "statement 1 (ALTER TABLE entry ADD COLUMN text TEXT) is in, statement 2" in broken.verdict
        assert version(project) == "second"
        execute(project, f"UPDATE {name}_logs.entry SET name = 'long enough'")
        resumed = project.safe_upgrade("--resume")
        assert resumed.code == 0, resumed.stderr
        assert [each["verified"] for each in resumed.document["databases"]] == [True, True]
        assert execute(project, f"SHOW TABLES FROM {name}_logs") == [("alembic_version",), ("entry",)]
    finally:
        execute(project, f"DROP DATABASE {name}_logs")
