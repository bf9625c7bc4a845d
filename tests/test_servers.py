"""Both commands on PostgreSQL and MariaDB, as they are on SQLite."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import sqlalchemy as sa
from dumps import dump
from projects import Project, put_first
from shops import (
    ADD_AGE,
    ADD_SIZE,
    APP,
    FAIL,
    MAKE,
    add,
    adopted,
    columns,
    execute,
    is_postgresql,
    quoted,
    url_of,
    versions,
)


@pytest.fixture
def shop(project: Project, server_database: str) -> Project:
    """Give a shop whose database was made by ``create_all``, with a row in each table."""
    project.write("app.py", APP)
    project.environment["DATABASE"] = server_database
    project.python(MAKE)
    return project


def scratch_left(shop: Project) -> list[str]:
    query = (
        "SELECT datname FROM pg_database"
        if is_postgresql(shop)
        else "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA"
    )
    return [row[0] for row in execute(shop, query) if row[0].startswith("schemaflow_scratch")]


# -- adopting --------------------------------------------------------------------------------------


def test_adopting_changes_nothing_but_the_version_table(shop: Project) -> None:
    """By the server's own dump, with every row."""
    before = dump(url_of(shop))

    ended = adopted(shop)

    assert ended.document["proof"]["equal"] is True
    assert dump(url_of(shop)) == before
    assert versions(shop) == ["first"]
    assert shop.adopt().document["outcome"] == "already-adopted"


def test_a_fresh_database_is_the_same(shop: Project) -> None:
    """What the baseline makes is what create_all made, by the server's own dump."""
    adopted(shop)
    before = dump(url_of(shop), rows=False)
    drop_all(shop)

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert ended.document["databases"][0]["verified"] is True
    assert dump(url_of(shop), rows=False) == before


def drop_all(shop: Project) -> None:
    execute(shop, f"DROP TABLE orders, {quoted(shop)}, alembic_version")
    if is_postgresql(shop):
        execute(shop, "DROP TYPE color")


def test_a_difference_is_refused_and_nothing_is_left_behind(shop: Project) -> None:
    """No file, no version table, no scratch database; the difference has a name."""
    execute(shop, "CREATE INDEX ix_extra ON orders (id)")
    before = dump(url_of(shop))

    ended = shop.adopt()

    assert ended.code == 3
    assert [each["code"] for each in ended.findings() if each["severity"] == "error"] == ["extra-index"]
    assert dump(url_of(shop)) == before
    assert "alembic_version" not in tables(shop)
    assert not (shop.path / "migrations").exists()


def tables(shop: Project) -> list[str]:
    engine = sa.create_engine(url_of(shop))
    names = sa.inspect(engine).get_table_names()
    engine.dispose()
    return names


def test_no_scratch_database_is_left(shop: Project) -> None:
    """Those of this process are gone; others may be at work on the same server."""
    before = set(scratch_left(shop))
    adopted(shop)
    assert not set(scratch_left(shop)) - before or is_busy_elsewhere(shop)


def is_busy_elsewhere(shop: Project) -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


MEANWHILE = """
import os, sqlalchemy
if not os.environ.get("MEANWHILE_DONE"):
    os.environ["MEANWHILE_DONE"] = "yes"
    import subprocess, sys
    subprocess.run([sys.executable, "-c", "import os, sqlalchemy as sa; c = sa.create_engine(os.environ['DATABASE']).connect(); c.exec_driver_sql('CREATE INDEX sudden ON orders (id)'); c.commit()"], check=True)
"""


def test_a_database_that_changes_meanwhile_is_not_stamped(shop: Project) -> None:
    """The structure is read again while the tables are held, and no version table is left."""
    assert shop.flask("db", "init").code == 0
    put_first(shop.path / "migrations" / "env.py", MEANWHILE)

    ended = shop.adopt()

    assert ended.code == 4, ended.stderr
    assert "was changed by somebody else meanwhile" in ended.verdict
    assert "alembic_version" not in tables(shop)


# -- upgrading -------------------------------------------------------------------------------------


def test_pending_revisions_run_and_are_verified(shop: Project) -> None:
    """Each is compared with what it says before it is committed."""
    adopted(shop)
    add(shop, "second", "first", ADD_AGE)
    add(shop, "third", "second", ADD_SIZE)

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    (told,) = ended.document["databases"]
    assert (told["verified"], told["applied"], told["revision_after"]) == (True, ["second", "third"], "third")
    assert "age" in columns(shop, "user")
    assert shop.safe_upgrade().document["outcome"] == "nothing-to-do"


def test_production_follows_by_proof(shop: Project) -> None:
    """A database that was never adopted is stamped where its structure is that of one revision."""
    adopted(shop)
    execute(shop, "DROP TABLE alembic_version")
    add(shop, "second", "first", ADD_AGE)

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert ended.verdict.startswith("Adopted at first by proof; upgraded to second")
    assert versions(shop) == ["second"]


ONLY_WITH_ROWS = """
        there = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'orders' AND table_schema = "
        there += "DATABASE()" if connection.dialect.name == "mysql" else "current_schema()"
        if connection.exec_driver_sql(there).scalar():
            if connection.exec_driver_sql("SELECT count(*) FROM orders").scalar():
                raise RuntimeError("not today")
"""


def test_what_stops_a_run_after_its_stamp_says_that_this_is_in(shop: Project) -> None:
    """It is no refusal that has changed nothing: 5, at the revision that was found."""
    adopted(shop)
    execute(shop, "DROP TABLE alembic_version")
    add(shop, "second", "first", ADD_AGE)
    env = shop.path / "migrations" / "env.py"
    source, begin = env.read_text(), "        with context.begin_transaction():\n"
    before, _, after = source.rpartition(begin)
    env.write_text(f"{before}{ONLY_WITH_ROWS}{begin}{after}")

    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (5, "undone"), ended.stderr
    assert "not today" in ended.verdict
    assert ended.verdict.endswith("was stamped and is at first.")
    assert ended.document["databases"][0]["revision_after"] == "first"
    assert versions(shop) == ["first"]
    assert "age" not in columns(shop, "user")


def test_a_failing_revision_leaves_those_before_it(shop: Project) -> None:
    """Servers commit revision by revision; the last line says where the database is."""
    adopted(shop)
    add(shop, "second", "first", ADD_AGE)
    add(shop, "third", "second", FAIL)

    ended = shop.safe_upgrade()

    assert ended.code == 5, ended.stderr
    assert ended.verdict.endswith("The last revision was undone; the database is at second.")
    (told,) = ended.document["databases"]
    assert (told["revision_after"], told["applied"], told["state_after"]) == ("second", ["second"], "behind")
    assert versions(shop) == ["second"]


def test_a_revision_that_fails_half_way(shop: Project) -> None:
    """PostgreSQL takes all of it back; MariaDB cannot, and that is said."""
    adopted(shop)
    add(shop, "second", "first", ADD_AGE, FAIL)
    before = dump(url_of(shop))

    ended = shop.safe_upgrade()

    assert versions(shop) == ["first"]
    if is_postgresql(shop):
        assert (ended.code, dump(url_of(shop))) == (5, before), ended.stderr
        assert ended.verdict.endswith("Everything was undone; the database is at first.")
    else:
        assert ended.code == 6, ended.stderr
        says = (
            "is at first, and parts of revision second are in: statement 1 (ALTER TABLE user ADD COLUMN age"
        )
        assert says in ended.verdict.replace("`", "")
        again = shop.safe_upgrade()
        assert again.code == 6, "a second try does not make it whole"
        assert says in again.verdict.replace("`", "")


def test_a_revision_that_fails_on_scratch(shop: Project) -> None:
    """It runs where it can be taken back, and elsewhere only if somebody says so."""
    adopted(shop)
    add(
        shop,
        "second",
        "first",
        "assert op.get_bind().execute(sa.text('SELECT count(*) FROM orders')).scalar()",
    )

    ended = shop.safe_upgrade()

    if not is_postgresql(shop):
        assert (ended.code, versions(shop)) == (3, ["first"]), ended.stderr
        ended = shop.safe_upgrade("--accept", "revision-fails:second")
    assert (ended.code, ended.document["outcome"]) == (0, "upgraded-unchecked"), ended.stderr


def test_drift_of_before_is_in_the_last_line(shop: Project) -> None:
    """Upgraded is not all that there is to say then."""
    adopted(shop)
    execute(shop, "ALTER TABLE orders ADD COLUMN hand_made INT")
    add(shop, "second", "first", ADD_AGE)

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert ended.verdict.endswith("It differs from that revision as it did before.")
    assert [each["severity"] for each in ended.findings("extra-column")] == ["warning"]


def at_once(shop: Project, command: str) -> list[subprocess.CompletedProcess[str]]:
    """Run a command in several processes at the same time."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "app", command],
            cwd=shop.path,
            env={**os.environ, **shop.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    ended = [(each, each.communicate()) for each in running]
    return [subprocess.CompletedProcess([], each.returncode, *texts) for each, texts in ended]


@pytest.mark.soak
@pytest.mark.skipif("SCHEMAFLOW_SOAK" not in os.environ, reason="test_replicas.py tries a few")
def test_several_replicas_upgrade_at_once(shop: Project) -> None:
    """One does the work; the others wait and find nothing to do."""
    adopted(shop)
    drop_all(shop)
    add(shop, "second", "first", ADD_AGE)

    ended = at_once(shop, "db-safe-upgrade")

    assert [each.returncode for each in ended] == [0, 0, 0], [each.stderr for each in ended]
    assert versions(shop) == ["second"]


def test_several_adopt_at_once(shop: Project) -> None:
    """One writes the folder and stamps; whoever comes later is told to try again, or has nothing to do."""
    ended = at_once(shop, "db-adopt")

    codes = sorted(each.returncode for each in ended)
    assert codes[0] == 0, [each.stderr for each in ended]
    assert set(codes) <= {0, 4}, [each.stderr for each in ended]
    assert len(versions(shop)) == 1
    assert len(list((shop.path / "migrations" / "versions").glob("*.py"))) == 1
    assert (shop.path / "migrations" / "env.py").exists()
    assert shop.adopt().document["outcome"] == "already-adopted"


def test_a_revision_that_does_less_than_it_says(shop: Project) -> None:
    """It is undone on PostgreSQL; on MariaDB, which cannot undo it, it is in and said to be unverified."""
    adopted(shop)
    add(
        shop,
        "second",
        "first",
        "rows = op.get_bind().execute(sa.text('SELECT count(*) FROM orders')).scalar()",
        ADD_SIZE,
        "if not rows:",
        f"    {ADD_AGE}",
    )

    ended = shop.safe_upgrade()

    assert [each["code"] for each in ended.findings() if each["severity"] == "error"] == ["missing-column"]
    if is_postgresql(shop):
        assert (ended.code, versions(shop)) == (5, ["first"]), ended.stderr
        assert "size" not in columns(shop, "orders")
    else:
        assert (ended.code, versions(shop)) == (7, ["second"]), ended.stderr
        assert ended.document["databases"][0]["revision_after"] == "second"


def test_a_revision_that_uses_the_apps_session_is_refused(shop: Project) -> None:
    """It is found on scratch, which it cannot leave."""
    adopted(shop)
    add(shop, "second", "first", "from app import db", "db.session.execute(sa.text('DELETE FROM orders'))")
    before = dump(url_of(shop))

    ended = shop.safe_upgrade()

    assert (ended.code, ended.findings()[0]["code"]) == (3, "uses-app-session"), ended.stderr
    assert dump(url_of(shop)) == before


def test_an_autocommit_block_works(shop: Project) -> None:
    """An index may be made without a transaction."""
    adopted(shop)
    concurrently = ", postgresql_concurrently=True" if is_postgresql(shop) else ""
    add(
        shop,
        "second",
        "first",
        "with op.get_context().autocommit_block():",
        f"    op.create_index('ix_note', 'orders', ['id']{concurrently})",
    )

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert ended.document["databases"][0]["verified"] is True


# -- what cannot be reached ------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["db-adopt", "db-safe-upgrade"])
@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"port": 1}, 4, "does not answer"),
        ({"database": "nowhere_to_be_found"}, 2, "There is no database at"),
        ({"username": "nobody_at_all", "password": "secret"}, 2, "refuses the user"),
    ],
)
def test_what_cannot_be_reached(
    shop: Project, command: str, change: dict[str, Any], code: int, says: str
) -> None:
    """One clear line, the right exit code, no password."""
    shop.environment["DATABASE"] = (
        sa.make_url(url_of(shop)).set(**change).render_as_string(hide_password=False)
    )

    ended = shop.flask(command)

    assert ended.code == code, ended.stderr
    assert says in ended.verdict
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr + ended.stdout


def test_a_table_that_somebody_locks(shop: Project) -> None:
    """A revision that waits too long for a lock is undone, and the exit code says: try again."""
    adopted(shop)
    add(shop, "second", "first", ADD_AGE)
    holder = sa.create_engine(url_of(shop))
    with holder.connect() as connection:
        connection.exec_driver_sql(f"SELECT * FROM {quoted(shop)}").all()
        ended = shop.safe_upgrade("--retries", "1", "--lock-timeout", "1")
    holder.dispose()

    assert ended.code in (4, 5), ended.stderr
    assert versions(shop) == ["first"]


# -- the other two engines' models -----------------------------------------------------------------


def test_what_a_killed_process_left_is_dropped(shop: Project) -> None:
    """A marked scratch database that is older than an hour, and in nobody's use, goes at the next run."""
    name = "schemaflow_scratch_" + "0" * 15 + ("a" if is_postgresql(shop) else "b")
    mark = "flask-schemaflow scratch database, made at 1000000000"
    other = f"schemaflow_scratch_{'1' * 15}" + ("a" if is_postgresql(shop) else "b")
    engine = sa.create_engine(url_of(shop), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for each in (name, other):
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {each}")
        if is_postgresql(shop):
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
            connection.exec_driver_sql(f"COMMENT ON DATABASE {name} IS '{mark}'")
        else:
            connection.exec_driver_sql(f"CREATE DATABASE {name} COMMENT '{mark}'")
        connection.exec_driver_sql(f"CREATE DATABASE {other}")
        try:
            adopted(shop)
            left = scratch_left(shop)
            assert name not in left
            assert other in left, "never by its name alone"
        finally:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {other}")
    engine.dispose()


def test_a_kill_leaves_a_whole_database(shop: Project) -> None:
    """Killed in the middle of a revision, the next run finds a database that it can say something of."""
    adopted(shop)
    add(shop, "second", "first", ADD_AGE, "import os, signal", "os.kill(os.getpid(), signal.SIGKILL)")
    (shop.path / "migrations" / "env.py").write_text((shop.path / "migrations" / "env.py").read_text())
    stored = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"],
        cwd=shop.path,
        env={**os.environ, **shop.environment},
        capture_output=True,
        check=False,
    )
    assert stored.returncode == -9
    assert versions(shop) == ["first"]
    assert ("age" in columns(shop, "user")) is not is_postgresql(shop)


def test_models_that_name_the_default_schema(shop: Project) -> None:
    """On PostgreSQL that is the same as naming none; on MariaDB it would lead scratch to the real database."""
    app = shop.path / "app.py"
    schema = "public" if is_postgresql(shop) else str(sa.make_url(url_of(shop)).database)
    named = app.read_text().replace(
        '"orders"\n', f'"orders"\n    __table_args__ = {{"schema": "{schema}"}}\n'
    )
    app.write_text(named)
    execute(shop, f"DROP TABLE orders, {quoted(shop)}")
    if is_postgresql(shop):
        execute(shop, "DROP TYPE color")
    shop.python(MAKE)
    before = dump(url_of(shop))

    ended = shop.adopt("--rev-id", "first")

    assert dump(url_of(shop)) == before
    if is_postgresql(shop):
        assert ended.code == 0, ended.stderr
        assert shop.adopt().document["outcome"] == "already-adopted"
    else:
        assert (ended.code, ended.findings("leaks-into-real-database") != []) == (3, True), ended.stderr


MOVED = """
    import os

    import sqlalchemy as sa
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db = SQLAlchemy(app)


    class Thing(db.Model):
        id = db.Column(sa.Uuid, primary_key=True)
        price = db.Column(sa.Double, nullable=False)
"""
# What SQLAlchemy 1.4.54 sent for String(36) and Float; 2.1 makes DOUBLE of Mapped[float], and has Uuid.
OF_1_4 = "CREATE TABLE thing (id VARCHAR(36) NOT NULL, price FLOAT NOT NULL, PRIMARY KEY (id))"


@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mariadb"])
def test_a_database_of_an_older_sqlalchemy(
    request: pytest.FixtureRequest, project: Project, engine: str
) -> None:
    """Types that moved between its versions are differences like others, seen and shown."""
    is_sqlite = engine == "sqlite"
    url = f"sqlite:///{project.path / 'old.db'}" if is_sqlite else request.getfixturevalue(engine)
    project.environment["DATABASE"] = url
    project.write("app.py", MOVED)
    execute(project, OF_1_4)

    ended = project.adopt()

    assert ended.code == 3, ended.stderr
    found = {each["subject"] for each in ended.findings("changed-column-type")}
    # PostgreSQL's FLOAT is double precision; SQLite's own UUID is CHAR(32).
    assert found == ({"thing.id"} if engine == "postgresql" else {"thing.id", "thing.price"})


@pytest.mark.parametrize(
    "body",
    [
        ["op.get_bind().commit()"],
        ["op.execute('COMMIT')"],
        [
            "with op.get_context().autocommit_block():",
            "    op.execute('UPDATE orders SET note = 2 WHERE id > 0')",
        ],
        ["op.create_table('q', sa.Column('a', sa.Integer))", "op.drop_table('q')"],
    ],
)
def test_a_revision_that_commits_by_itself_and_fails(shop: Project, body: list[str]) -> None:
    """Its rows are in, which no comparison of structures sees: nothing is said to be undone."""
    adopted(shop)
    add(shop, "second", "first", "op.execute('UPDATE orders SET note = 1 WHERE id > 0')", *body, FAIL)

    ended = shop.safe_upgrade()

    ((note,),) = execute(shop, "SELECT note FROM orders")
    is_in = note is not None
    assert ended.code == (6 if is_in else 5), ended.stderr
    assert is_in or "create_table" in body[0], "what is tested here is in"


def test_an_app_whose_engine_commits_every_statement(shop: Project) -> None:
    """Revisions run in transactions all the same."""
    app = shop.path / "app.py"
    app.write_text(
        app.read_text().replace(
            "db = SQLAlchemy(app)", 'db = SQLAlchemy(app, engine_options={"isolation_level": "AUTOCOMMIT"})'
        )
    )
    adopted(shop)
    add(shop, "second", "first", "op.execute('UPDATE orders SET note = 1 WHERE id > 0')", FAIL)

    ended = shop.safe_upgrade()

    if is_postgresql(shop):
        assert ended.code == 5, ended.stderr
        assert execute(shop, "SELECT note FROM orders") == [(None,)]
    else:
        assert ended.code == 6, "the ALTER that failed has committed what was before it"


TENANT = """

with app.app_context():

    @sa.event.listens_for(db.engine, "connect")
    def tenant(connection, _record):
        connection.cursor().execute("SET search_path TO tenant, public")
"""


def test_a_listener_that_sets_something_without_a_commit(project: Project, postgresql: str) -> None:
    """The search path of the app is that of adopting and of upgrading."""
    project.environment["DATABASE"] = postgresql
    app = project.write("app.py", APP)
    app.write_text(app.read_text() + TENANT)
    execute(project, "CREATE SCHEMA tenant")
    project.python(MAKE)

    ended = project.adopt("--rev-id", "first")

    assert ended.code == 0, ended.stderr
    schema = "tenant" if execute(project, "SELECT to_regclass('tenant.orders')") != [(None,)] else "public"
    assert execute(project, f"SELECT version_num FROM {schema}.alembic_version") == [("first",)]


def test_names_with_percent_signs(project: Project, server_database: str) -> None:
    """They are quoted once."""
    project.environment["DATABASE"] = server_database
    project.write("app.py", APP.replace('"orders"', '"or%ders"'))
    project.python(MAKE)

    ended = project.adopt()

    assert ended.code == 0, ended.stderr


def test_no_password_of_a_query_is_shown(shop: Project) -> None:
    """A password may stand in the query of a URL too."""
    url = sa.make_url(url_of(shop)).update_query_dict({"password": "s3cret"})
    shop.environment["DATABASE"] = url.render_as_string(hide_password=False)

    ended = shop.flask("db-adopt", "--dry-run")

    assert "s3cret" not in ended.stdout + ended.stderr


PARTITIONED = """
    import os

    import sqlalchemy as sa
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db = SQLAlchemy(app)


    class Event(db.Model):
        id = db.Column(db.Integer, primary_key=True)

        __table_args__ = {"postgresql_partition_by": "RANGE (id)"}
"""


def test_partitions_belong_to_their_table(project: Project, postgresql: str) -> None:
    """They come and go: none is a table of others, not even the partition of a partition."""
    project.environment["DATABASE"] = postgresql
    project.write("app.py", PARTITIONED)
    project.python("from app import app, db\nwith app.app_context():\n    db.create_all()")
    execute(
        project,
        "CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (9) PARTITION BY RANGE (id)",
        "CREATE TABLE event_1a PARTITION OF event_1 FOR VALUES FROM (0) TO (5)",
        "CREATE TABLE others (id INT) PARTITION BY RANGE (id)",
        "CREATE TABLE others_1 PARTITION OF others FOR VALUES FROM (0) TO (9)",
    )

    ended = project.adopt()

    assert ended.code == 0, ended.stderr
    assert [each["subject"] for each in ended.findings("foreign-table")] == ["others"]
    again = project.adopt()
    assert again.document["outcome"] == "already-adopted", again.stderr
    assert [each["subject"] for each in again.findings("foreign-table")] == ["others"]


@pytest.mark.parametrize("way", ["get_transaction", "get_nested_transaction"])
@pytest.mark.parametrize("end", ["rollback", "close"])
def test_an_env_py_cannot_end_the_transaction_of_a_revision(shop: Project, way: str, end: str) -> None:
    """Whatever it is given for a transaction ends nothing."""
    adopted(shop)
    env = shop.path / "migrations" / "env.py"
    callback = f"on_version_apply=lambda **_: connection.{way}() and connection.{way}().{end}(),"
    env.write_text(env.read_text().replace("connection=connection,", f"connection=connection, {callback}"))
    add(shop, "second", "first", ADD_AGE)

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert versions(shop) == ["second"]
    assert "age" in columns(shop, "user")


KILL = """
import pathlib
import sys

import sqlalchemy as sa

engine = sa.create_engine({url!r}, isolation_level="AUTOCOMMIT")
with engine.connect() as connection:
    others = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()"
    for (number,) in connection.exec_driver_sql(others).all():
        connection.exec_driver_sql(f"KILL {{number}}")
pathlib.Path(sys.argv[1]).unlink()
"""


def test_the_first_error_is_told(project: Project, mariadb: str) -> None:
    """Where the connection is gone, tidying up fails as well; that is not what went wrong first."""
    project.environment["DATABASE"] = mariadb
    project.write("app.py", APP)
    project.python(MAKE)
    assert project.flask("db", "init").code == 0
    kill = project.write("kill.py", KILL.format(url=mariadb))
    ini = project.path / "migrations" / "alembic.ini"
    hook = f"hooks = a\na.type = exec\na.executable = {sys.executable}\na.options = {kill} REVISION_SCRIPT_FILENAME\n"
    ini.write_text(f"{ini.read_text()}\n[post_write_hooks]\n{hook}")

    ended = project.adopt()

    assert ended.code == 2, ended.stderr
    assert "hook of alembic.ini moved or removed" in ended.verdict
