"""Where a scratch database can be had, and where it cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from dumps import dump
from projects import Project
from test_servers import ADD_AGE, APP, FAIL, MAKE, add, is_postgresql, tables, url_of, versions

from flask_schemaflow.errors import Busy, ConfigurationError
from flask_schemaflow.proof import made_on
from flask_schemaflow.scratch import DROPS_MEANWHILE, NoScratch, Source, scratch_database
from flask_schemaflow.scratch.fence import LeavesScratch
from flask_schemaflow.scratch.qualified import named_database


@dataclass(frozen=True)
class Limited:
    """A role that owns one database and may make no other; ``admin`` is the server's URL."""

    url: str
    admin: sa.URL
    spare: str


def run(admin: sa.URL, *statements: str) -> None:
    engine = sa.create_engine(admin, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for each in statements:
            connection.exec_driver_sql(each.replace("%", "%%"))
    engine.dispose()


def names(tag: str) -> tuple[str, str, str]:
    number = f"{tag}{os.getpid()}"
    return f"sf_role_{number}", f"sf_real_{number}", f"sf_spare_{number}"


@pytest.fixture
def limited_postgresql(postgresql_server: sa.URL) -> Iterator[Limited]:
    role, real, spare = names("p")
    run(
        postgresql_server,
        f"CREATE ROLE {role} LOGIN PASSWORD 'x'",
        f"CREATE DATABASE {real} OWNER {role}",
        f"CREATE DATABASE {spare} OWNER {role}",
    )
    url = postgresql_server.set(username=role, password="x")
    yield Limited(
        url.set(database=real).render_as_string(hide_password=False),
        postgresql_server,
        url.set(database=spare).render_as_string(hide_password=False),
    )
    run(
        postgresql_server,
        f"DROP DATABASE {real} WITH (FORCE)",
        f"DROP DATABASE {spare} WITH (FORCE)",
        f"DROP ROLE {role}",
    )


@pytest.fixture
def limited_mariadb(mariadb_server: sa.URL) -> Iterator[Limited]:
    role, real, spare = names("m")
    run(
        mariadb_server,
        f"CREATE USER {role}@'%' IDENTIFIED BY 'x'",
        f"CREATE USER {role}@localhost IDENTIFIED BY 'x'",
        *(
            statement
            for each in (real, spare)
            for statement in (
                f"CREATE DATABASE {each}",
                f"GRANT ALL ON {each}.* TO {role}@'%'",
                f"GRANT ALL ON {each}.* TO {role}@localhost",
            )
        ),
    )
    url = mariadb_server.set(username=role, password="x")
    yield Limited(
        url.set(database=real).render_as_string(hide_password=False),
        mariadb_server,
        url.set(database=spare).render_as_string(hide_password=False),
    )
    run(
        mariadb_server,
        f"DROP DATABASE {real}",
        f"DROP DATABASE IF EXISTS {spare}",
        f"DROP USER {role}@'%'",
        f"DROP USER {role}@localhost",
    )


@pytest.fixture(params=["limited_postgresql", "limited_mariadb"])
def limited(request: pytest.FixtureRequest) -> Limited:
    made: Limited = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def shop(project: Project, limited: Limited) -> Project:
    """Give a shop whose role may make nothing but tables of its own."""
    project.write("app.py", APP)
    project.environment["DATABASE"] = limited.url
    project.python(MAKE)
    return project


FUNCTION = "CREATE FUNCTION important() RETURNS int LANGUAGE sql AS 'SELECT 1'"


def test_a_role_that_may_make_no_database(shop: Project) -> None:
    """PostgreSQL proves in temporary tables; on MariaDB there is no such way, and it says what to do."""
    before = dump(url_of(shop))

    ended = shop.adopt("--rev-id", "first")

    assert dump(url_of(shop)) == before
    if is_postgresql(shop):
        assert ended.code == 0, ended.stderr
        assert ended.document["proof"]["method"] == "temporary tables"
        assert versions(shop) == ["first"]
        again = shop.adopt()
        assert again.document["outcome"] == "already-adopted", again.stderr
        assert again.document["proof"]["method"] == "stored snapshot"
    else:
        assert ended.code == 3, ended.stderr
        assert "SCHEMAFLOW_SCRATCH_URI" in ended.verdict
        assert "alembic_version" not in tables(shop)


def test_a_database_that_was_given_for_it(shop: Project, limited: Limited) -> None:
    """It is used, and empty afterwards; revisions that we did not write run there too."""
    shop.environment["FLASK_SCHEMAFLOW_SCRATCH_URI"] = limited.spare
    ended = shop.adopt("--rev-id", "first")
    assert ended.code == 0, ended.stderr
    assert ended.document["proof"]["method"] == "the given scratch database"
    add(shop, "second", "first", ADD_AGE)

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert ended.document["databases"][0]["verified"] is True
    engine = sa.create_engine(limited.spare)
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


def test_others_revisions_never_run_in_the_real_database(shop: Project, limited: Limited) -> None:
    """Not even in its temporary schema: without a database the upgrade goes on unchecked, and says so."""
    shop.environment["FLASK_SCHEMAFLOW_SCRATCH_URI"] = limited.spare
    assert shop.adopt("--rev-id", "first").code == 0
    del shop.environment["FLASK_SCHEMAFLOW_SCRATCH_URI"]
    add(shop, "second", "first", ADD_AGE)

    refused = shop.safe_upgrade("--require-proof")
    assert refused.code == 3, refused.stderr
    ended = shop.safe_upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded-unchecked"), ended.stderr
    assert versions(shop) == ["second"]


def test_a_failure_of_an_unchecked_run_is_told_all_the_same(shop: Project, limited: Limited) -> None:
    """What is there after a failure is compared with what was read, not with what revisions say."""
    shop.environment["FLASK_SCHEMAFLOW_SCRATCH_URI"] = limited.spare
    assert shop.adopt("--rev-id", "first").code == 0
    del shop.environment["FLASK_SCHEMAFLOW_SCRATCH_URI"]
    add(shop, "second", "first", ADD_AGE)
    add(shop, "third", "second", FAIL)

    ended = shop.safe_upgrade()

    assert ended.code == 5, ended.stderr
    assert ended.verdict.endswith("The last revision was undone; the database is at second.")


def test_production_with_few_rights_follows_by_stored_structures(shop: Project, limited: Limited) -> None:
    """What was stored where the baseline was made is enough to find the revision of a database."""
    shop.environment["FLASK_SCHEMAFLOW_SCRATCH_URI"] = limited.spare
    assert shop.adopt("--rev-id", "first").code == 0
    del shop.environment["FLASK_SCHEMAFLOW_SCRATCH_URI"]
    run(limited.admin.set(database=sa.make_url(limited.url).database), "DROP TABLE alembic_version")

    ended = shop.safe_upgrade()

    assert ended.code == 0, ended.stderr
    assert ended.verdict.startswith("Adopted at first by proof")
    assert versions(shop) == ["first"]


def source(limited: Limited, uri: str | None) -> Source:
    return Source(engine=sa.create_engine(limited.url), uri=uri)


def test_the_real_database_is_no_scratch_database(limited: Limited) -> None:
    """Naming the app's own database would empty it."""
    with (
        pytest.raises(ConfigurationError, match="is the app's own database"),
        scratch_database(source(limited, limited.url)),
    ):
        pass


def test_a_database_that_is_not_empty_is_not_used(limited: Limited) -> None:
    """What is in it belongs to somebody, and stays."""
    run(sa.make_url(limited.spare), "CREATE TABLE precious (a INT)")
    with (
        pytest.raises(ConfigurationError, match="is not empty: it has .*precious"),
        scratch_database(source(limited, limited.spare)),
    ):
        pass
    engine = sa.create_engine(limited.spare)
    assert sa.inspect(engine).get_table_names() == ["precious"]
    engine.dispose()


def test_another_engine_is_no_scratch_database(limited: Limited) -> None:
    """A structure can only be compared with one of the same kind."""
    with (
        pytest.raises(ConfigurationError, match="SCHEMAFLOW_SCRATCH_URI is a sqlite database"),
        scratch_database(source(limited, "sqlite:///x.db")),
    ):
        pass


def test_one_process_at_a_time_uses_it(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one waits, and not for ever."""
    monkeypatch.setattr("flask_schemaflow.scratch.given._WAIT", 1)
    with scratch_database(source(limited, limited.spare)) as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INT)")
        connection.commit()
        with pytest.raises(Busy), scratch_database(source(limited, limited.spare)):
            pass


def test_without_any_way_it_says_what_to_do(limited: Limited) -> None:
    """The reasons of all ways that were tried are in one message."""
    with (
        pytest.raises(NoScratch, match="Grant the right to make one, or name an empty database"),
        scratch_database(source(limited, None)),
    ):
        pass


def test_what_is_made_in_the_temporary_schema_is_seen_there_alone(limited_postgresql: Limited) -> None:
    """A type of the real database is not found, and nothing stays."""
    url = limited_postgresql.url
    run(sa.make_url(url), "CREATE TYPE mood AS ENUM ('good', 'bad')")
    before = dump(url)
    with (
        scratch_database(source(limited_postgresql, None), ours=True) as connection,
        pytest.raises(sa.exc.ProgrammingError, match='type "mood" does not exist'),
    ):
        connection.exec_driver_sql("CREATE TABLE t (a mood)")
    assert dump(url) == before


@pytest.fixture
def server(server_database: str) -> Iterator[sa.Engine]:
    """Give an engine of a role that may do everything."""
    engine = sa.create_engine(server_database)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE intruder",
        "DROP DATABASE {database}",
        "create  user intruder",
        "ALTER USER root IDENTIFIED BY 'x'",
        "SET GLOBAL max_connections = 1",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "CREATE/**/ROLE intruder",
        "CREATE GROUP intruder",
        "CREATE OR REPLACE DATABASE {database}",
        "GRANT some_role TO other",
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "COMMENT ON DATABASE {database} IS 'x'",
        "DO $$ BEGIN EXECUTE 'CREATE ROLE intruder'; END $$",
        "EXECUTE IMMEDIATE 'DROP DATABASE {database}'",
        "/*!50000 DROP DATABASE {database} */",
        "SET @@global.max_connections = 1",
    ],
)
def test_what_is_the_whole_servers_does_not_run_on_scratch(server: sa.Engine, statement: str) -> None:
    """It is refused before it is sent."""
    with (
        scratch_database(Source(engine=server)) as connection,
        pytest.raises(LeavesScratch, match="reaches out of a scratch database"),
    ):
        connection.exec_driver_sql(statement.format(database=server.url.database))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE {database}.t (a INT)",
        "INSERT INTO `{database}` . t VALUES (1)",
        "USE {database}",
        "CREATE VIEW v AS SELECT * FROM {database}.t",
        "DELETE FROM {database}/**/.t",
        "# it's\nDELETE FROM {database}.t # isn't it",
        "DROP SCHEMA IF EXISTS {database}",
    ],
)
def test_mariadb_names_other_databases_and_does_not_reach_them(mariadb: str, statement: str) -> None:
    """The scratch database is on the same server, so a qualified name would lead to the real one."""
    engine = sa.create_engine(mariadb)
    with (
        scratch_database(Source(engine=engine)) as connection,
        pytest.raises(LeavesScratch),
    ):
        connection.exec_driver_sql(statement.format(database=engine.url.database))
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


OF_ITS_OWN = [
    "UPDATE {d} SET a = {d}.id, b = {d}.a WHERE {d}.id = 1 AND {d}.a IN ({d}.b, 2)",
    "CREATE VIEW v AS SELECT `{d}`.`id` AS id, {d}.a, count({d}.b) FROM `{d}` GROUP BY {d}.id, {d}.a",
    "INSERT INTO t (id, a) SELECT {d}.id, {d}.a FROM t AS {d} JOIN t ON {d}.id = t.id AND (t.a = {d}.a)",
    "INSERT INTO t (id) VALUES (3) ON DUPLICATE KEY UPDATE a = 1, b = t.a",
    "DELETE {d} FROM {d} JOIN t ON {d}.id = t.id WHERE EXTRACT(YEAR FROM {d}.d) = 2020",
    "UPDATE t {d} SET {d}.a = 1 ORDER BY {d}.id",
    "ALTER TABLE {d} ADD CONSTRAINT c CHECK (`{d}`.`a` > 0)",
]
OF_ANOTHER = [
    "UPDATE {d} SET a = 1 WHERE id IN (SELECT id FROM {d}.t)",
    "DELETE {d}.t FROM {d}.t",
    "DELETE FROM {d} USING {d}, {d}.t",
    "INSERT INTO t (a) SELECT {d}.id FROM {d}, {d}.t",
    "INSERT INTO t (a) SELECT {d}.id FROM {d} JOIN t ON {d}.id = t.id, {d}.t AS u",
    "INSERT INTO t (a) SELECT {d}.f(1) FROM {d}",
    "INSERT INTO t (a) SELECT {d}.t.a FROM {d}",
    "INSERT INTO t (a) SELECT NEXTVAL({d}.s) FROM {d}",
    "INSERT INTO t (a) SELECT NEXT VALUE FOR {d}.s FROM {d}",
    "INSERT INTO t (a) SELECT {d}.id FROM ({d}.t)",
    "INSERT INTO t (a) SELECT {d}.id FROM ({d} JOIN {d}.t)",
    "INSERT {d}.t SELECT {d}.id FROM {d}",
    "REPLACE {d}.t SELECT {d}.id FROM {d}",
    "CREATE TABLE {d} LIKE {d}.t",
    "CREATE TABLE {d} (LIKE {d}.t)",
    "CREATE VIEW {d}.v AS SELECT {d}.id FROM {d}",
    "RENAME TABLE {d} TO {d}.t",
    "ALTER TABLE {d} RENAME {d}.t",
    "ALTER TABLE {d} ADD FOREIGN KEY (a) REFERENCES {d}.t (id)",
    "DROP TABLE {d}, {d}.t",
    "DROP TABLE IF EXISTS {d}.t",
    "DROP TRIGGER {d}.x",
    "TRUNCATE {d}.t",
    "CREATE INDEX {d} ON {d}.t (a)",
    "UPDATE {d}, {d}.t SET a = 1",
    "UPDATE {d} JOIN {d}.t ON 1 SET a = 1",
    "LOCK TABLES {d} READ, {d}.t WRITE",
    "CREATE TRIGGER x BEFORE INSERT ON {d} FOR EACH ROW DELETE FROM {d}.t",
    "CREATE TRIGGER x BEFORE INSERT ON {d} FOR EACH ROW CALL {d}.p()",
    "CREATE TRIGGER x BEFORE INSERT ON {d}.t FOR EACH ROW SET NEW.a = 1",
    "CREATE TRIGGER x BEFORE INSERT ON {d} FOR EACH ROW BEGIN UPDATE {d} SET a = 1; INSERT INTO {d}.t VALUES (1); END",
    "CREATE TRIGGER {d} BEFORE UPDATE ON {d}.t FOR EACH ROW SET NEW.a = 1",
    "GRANT SELECT ON {d}.* TO x",
    "GRANT UPDATE (a) ON {d}.t TO {d}",
]


def test_a_table_that_is_named_like_a_database_is_not_it(mariadb: str) -> None:
    """A column of a table, or of an alias, is none of another database, whatever that is called."""
    engine = sa.create_engine(mariadb)
    name = engine.url.database
    columns = "(id INT PRIMARY KEY, a INT, b INT, d DATETIME)"
    with scratch_database(Source(engine=engine)) as connection:
        for statement in (f"CREATE TABLE {name} {columns}", f"CREATE TABLE t {columns}", *OF_ITS_OWN):
            connection.exec_driver_sql(statement.format(d=name))
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


@pytest.mark.parametrize("statement", OF_ANOTHER)
def test_a_table_of_another_database_is_found_beside_one_of_its_name(statement: str) -> None:
    """Where a table or a call stands, the name before the dot is a database's."""
    assert named_database(statement.format(d="shop"), {"shop"}) == "shop."
    assert named_database(statement.format(d="`shop`"), {"shop"}) == "`shop`."


def test_tables_that_stay_locked_do_not_keep_scratch_there(mariadb: str) -> None:
    """Whoever drops the database would wait a day for that."""
    engine = sa.create_engine(mariadb)
    with scratch_database(Source(engine=engine)) as connection:
        name = connection.exec_driver_sql("SELECT DATABASE()").scalar_one()
        connection.exec_driver_sql("CREATE TABLE t (a INT)")
        connection.exec_driver_sql("LOCK TABLES t WRITE")
    assert name not in sa.inspect(engine).get_schema_names()
    engine.dispose()


def test_texts_and_comments_are_no_statements(server: sa.Engine) -> None:
    """A row may speak of roles, databases and users."""
    with scratch_database(Source(engine=server)) as connection:
        connection.exec_driver_sql("CREATE TABLE notes (a VARCHAR(99))")
        connection.exec_driver_sql("INSERT INTO notes VALUES ('it''s: CREATE ROLE x') -- DROP DATABASE y")
        connection.exec_driver_sql(f"INSERT INTO notes VALUES ('{server.url.database}.t')")


def test_cursors_of_the_driver_are_fenced_too(server: sa.Engine) -> None:
    """A revision that goes below SQLAlchemy meets the same fence."""
    with scratch_database(Source(engine=server)) as connection:
        cursor = connection.connection.cursor()
        with pytest.raises(LeavesScratch):
            cursor.execute("CREATE ROLE intruder")
        cursor.execute("CREATE TABLE t (a INT)")
    with server.connect() as connection:
        connection.connection.cursor().execute("SELECT 1")


@pytest.mark.parametrize("what", ["CREATE TYPE mood AS ENUM ('a')", "CREATE SCHEMA keep_me", FUNCTION])
def test_whatever_is_in_a_given_database_makes_it_not_empty(limited_postgresql: Limited, what: str) -> None:
    """Not only tables are worth keeping."""
    run(sa.make_url(limited_postgresql.spare), what)
    before = dump(limited_postgresql.spare)

    with (
        pytest.raises(ConfigurationError, match="is not empty"),
        scratch_database(source(limited_postgresql, limited_postgresql.spare)),
    ):
        pass

    assert dump(limited_postgresql.spare) == before


def test_a_given_database_is_as_it_was(limited_postgresql: Limited) -> None:
    """Its schema keeps owner and grants; what was made in it is gone."""
    run(
        limited_postgresql.admin.set(database=sa.make_url(limited_postgresql.spare).database),
        "GRANT ALL ON SCHEMA public TO PUBLIC",
    )
    before = dump(limited_postgresql.spare)
    with scratch_database(source(limited_postgresql, limited_postgresql.spare)) as connection:
        for each in (
            'CREATE TABLE "a b" (a serial)',
            "CREATE TYPE m AS ENUM ('x')",
            FUNCTION,
            "CREATE SCHEMA more",
        ):
            connection.exec_driver_sql(each)
        connection.commit()
    assert dump(limited_postgresql.spare) == before


@pytest.mark.parametrize("uri", ["foo://x:s3cret@h/d", "not a url", "mysql+aiomysql://x:s3cret@h/d"])
def test_a_wrong_scratch_uri_is_one_clear_error(limited: Limited, uri: str) -> None:
    """No traceback, no password."""
    with pytest.raises(ConfigurationError) as raised, scratch_database(source(limited, uri)):
        pass
    assert "SCHEMAFLOW_SCRATCH_URI" in raised.value.message
    assert "s3cret" not in raised.value.message


LISTENER = """

@sa.event.listens_for(db.metadata, "after_create")
def after(target, connection, **_):
    connection.execute(sa.text("INSERT INTO public.notes VALUES (1)"))
    connection.commit()
"""


def test_what_the_app_does_itself_never_runs_in_the_temporary_schema(
    project: Project, limited_postgresql: Limited
) -> None:
    """An event could write a row into the real database, and commit it."""
    app = project.write("app.py", APP)
    project.environment["DATABASE"] = limited_postgresql.url
    project.python(MAKE)
    run(sa.make_url(limited_postgresql.url), "CREATE TABLE notes (a INT)")
    app.write_text(app.read_text() + LISTENER)
    before = dump(limited_postgresql.url)

    ended = project.adopt("--dry-run")

    assert ended.code == 3, ended.stderr
    assert dump(limited_postgresql.url) == before


def test_what_needs_the_real_database_is_no_proof(project: Project, limited_postgresql: Limited) -> None:
    """A function that somebody made by hand is there in the real database, and nowhere else."""
    run(
        sa.make_url(limited_postgresql.url),
        "CREATE SCHEMA util",
        FUNCTION.replace("important", "util.important"),
    )
    default = 'note = db.Column(db.Text, server_default=sa.text("util.important()::text"))'
    project.write("app.py", APP.replace("note = db.Column(db.Text)", default))
    project.environment["DATABASE"] = limited_postgresql.url
    project.python(MAKE)

    ended = project.adopt()

    assert ended.code == 3, ended.stderr
    assert "of the real database" in ended.verdict


def test_a_database_that_is_dropped_meanwhile_is_gone_in_the_end(mariadb: str) -> None:
    """Dropping goes on beside other work, and whoever leaves the work waits for it."""
    engine = sa.create_engine(mariadb)
    with ExitStack() as afterwards, scratch_database(Source(engine=engine)) as scratch:
        scratch.info[DROPS_MEANWHILE] = afterwards
        scratch.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        name = scratch.exec_driver_sql("SELECT DATABASE()").scalar_one()
        scratch.exec_driver_sql("SELECT * FROM t")  # a transaction that is open
    with engine.connect() as connection:
        assert name not in connection.exec_driver_sql("SHOW DATABASES").scalars().all()
    engine.dispose()


def test_a_database_whose_connection_is_lost_is_dropped_too(mariadb: str) -> None:
    """Another connection drops it at once."""
    engine = sa.create_engine(mariadb)
    with engine.connect() as other, ExitStack() as afterwards:
        with scratch_database(Source(engine=engine)) as scratch:
            scratch.info[DROPS_MEANWHILE] = afterwards
            name = scratch.exec_driver_sql("SELECT DATABASE()").scalar_one()
            other.exec_driver_sql(f"KILL {scratch.exec_driver_sql('SELECT CONNECTION_ID()').scalar_one()}")
        afterwards.close()
        assert name not in other.exec_driver_sql("SHOW DATABASES").scalars().all()
    engine.dispose()


WITH_EXTENSIONS = """
    import os

    import sqlalchemy as sa
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy.dialects import postgresql

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db = SQLAlchemy(app)


    class Person(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        email = db.Column(postgresql.CITEXT, unique=True, server_default=sa.text("'x'::citext"))
        tags = db.Column(postgresql.HSTORE)

        __table_args__ = (
            db.Index("ix_email", "email", postgresql_using="gin", postgresql_ops={"email": "gin_trgm_ops"}),
        )


    class Order(db.Model):
        __tablename__ = "orders"

        id = db.Column(db.Integer, primary_key=True)
        person_id = db.Column(db.ForeignKey("person.id"))
"""


@pytest.mark.parametrize("schema", ["public", "extensions"])
def test_types_of_extensions_are_proved_in_temporary_tables(
    project: Project, limited_postgresql: Limited, schema: str
) -> None:
    """They are found where the extensions are; a version table that is there already is not."""
    role, real = (getattr(sa.make_url(limited_postgresql.url), name) for name in ("username", "database"))
    run(
        limited_postgresql.admin.set(database=real),
        "CREATE SCHEMA IF NOT EXISTS extensions",
        *(f"CREATE EXTENSION {each} SCHEMA {schema}" for each in ("citext", "hstore", "pg_trgm")),
        "GRANT USAGE ON SCHEMA extensions TO PUBLIC",
        f"ALTER ROLE {role} SET search_path = public, extensions",
    )
    project.write("app.py", WITH_EXTENSIONS)
    project.environment["DATABASE"] = limited_postgresql.url
    project.python("from app import app, db\nwith app.app_context():\n    db.create_all()")
    run(
        sa.make_url(limited_postgresql.url),
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
    )
    before = dump(limited_postgresql.url)

    ended = project.adopt("--rev-id", "first")

    assert ended.code == 0, ended.stderr
    assert ended.document["proof"]["method"] == "temporary tables"
    assert versions(project) == ["first"]
    assert dump(limited_postgresql.url) == before


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("CREATE TABLE t (a mood)", "depends on type public.mood"),
        ("CREATE TABLE t (a INT DEFAULT important())", "depends on function public.important"),
        ("CREATE TABLE t (a INT REFERENCES precious (a))", "may reference only temporary tables"),
    ],
)
def test_beside_extensions_nothing_of_the_real_database_is_believed(
    limited_postgresql: Limited, statement: str, says: str
) -> None:
    """The schema of an extension has other things too."""
    real = sa.make_url(limited_postgresql.url)
    run(limited_postgresql.admin.set(database=real.database), "CREATE EXTENSION citext SCHEMA public")
    run(real, "CREATE TYPE mood AS ENUM ('good')", FUNCTION, "CREATE TABLE precious (a INT PRIMARY KEY)")
    before = dump(limited_postgresql.url)

    def make() -> None:
        connection.exec_driver_sql(statement)
        made_on(connection)

    with (
        scratch_database(source(limited_postgresql, None), ours=True) as connection,
        pytest.raises((LeavesScratch, sa.exc.ProgrammingError), match=says),
    ):
        make()
    assert dump(limited_postgresql.url) == before


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX i ON precious (a)",
        "CREATE UNIQUE INDEX IF NOT EXISTS i ON ONLY precious (a)",
        "ALTER TABLE precious ADD COLUMN b citext",
        "DROP TABLE precious",
        "INSERT INTO precious VALUES (1)",
    ],
)
def test_beside_extensions_no_table_of_the_real_database_is_found(
    limited_postgresql: Limited, statement: str
) -> None:
    """Not even for a moment: it would be locked until the end."""
    real = sa.make_url(limited_postgresql.url)
    run(limited_postgresql.admin.set(database=real.database), "CREATE EXTENSION citext SCHEMA public")
    run(real, "CREATE TABLE precious (a INT PRIMARY KEY)")

    with (
        scratch_database(source(limited_postgresql, None), ours=True) as connection,
        pytest.raises(sa.exc.ProgrammingError, match='"precious" does not exist'),
    ):
        connection.exec_driver_sql(statement)
