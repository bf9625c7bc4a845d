"""The structure of a PostgreSQL database: what is the same, and what differs."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from zoo import CASES, POSTGRESQL, Case

from flask_schemaflow.drift import find_drift, is_equal
from flask_schemaflow.revisions import Revision
from flask_schemaflow.snapshot import (
    Object,
    Snapshot,
    chain_hashes,
    read_stored,
    render_stored,
    stored_path,
    structure_hash,
    take_snapshot,
)
from flask_schemaflow.snapshot.postgresql_queries import queries_for
from flask_schemaflow.snapshot.postgresql_texts import normal_expression

EVERYTHING = Path(__file__).with_name("everything_postgresql.sql").read_text(encoding="utf-8")


@contextmanager
def new_engine(server: sa.URL, name: str) -> Iterator[sa.Engine]:
    """Give an engine for a new database, gone after the block."""
    name = f"sf_{os.getpid()}_{name}"
    root = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    engine = sa.create_engine(server.set(database=name), isolation_level="AUTOCOMMIT")
    with root.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield engine
        finally:
            engine.dispose()
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    root.dispose()


def run(tool: str, engine: sa.Engine, *options: str, text: str = "") -> str:
    """Run one of PostgreSQL's own programs on a database."""
    program = shutil.which(tool)
    if program is None:
        pytest.skip(f"{tool} is not installed")
    url = engine.url
    place = {"-h": url.host, "-p": url.port, "-U": url.username, "-d": url.database}
    where = [str(each) for pair in place.items() if pair[1] for each in pair]
    done = subprocess.run(
        [program, *where, *options],
        input=text,
        capture_output=True,
        text=True,
        env={**os.environ, "PGPASSWORD": url.password or ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def restore(source: sa.Engine, target: sa.Engine) -> None:
    """Put one database's dump into another."""
    dump = run("pg_dump", source)
    run("psql", target, "-qX", "-v", "ON_ERROR_STOP=1", text=dump)


def snapshot(engine: sa.Engine) -> Snapshot:
    with engine.connect() as connection:
        return take_snapshot(connection)


def assert_equal(left: Snapshot, right: Snapshot) -> None:
    """Say that there is no difference at all, either way."""
    for one, other in ((left, right), (right, left)):
        drift = find_drift(one, other, "the models")
        assert [(d.code, d.subject, d.expected, d.actual) for d in drift] == []


@pytest.fixture(scope="module")
def engine(postgresql_server: sa.URL) -> Iterator[sa.Engine]:
    """Give a database in which nothing stays."""
    with new_engine(postgresql_server, "tried") as made:
        yield made.execution_options(isolation_level="READ COMMITTED")


@pytest.fixture
def made(engine: sa.Engine) -> Iterator[Any]:
    """Give a function that reads what statements make; they are undone."""

    def make(statements: str) -> Snapshot:
        with engine.connect() as connection:
            raw = connection.connection.cursor()
            raw.execute(statements)
            return take_snapshot(connection)

    return make


# -- the zoo ---------------------------------------------------------------------------------------


def zoo() -> dict[str, Case]:
    return {name: case for name, case in CASES.items() if POSTGRESQL in case.engines}


pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")

EXTENSIONS = ("citext", "hstore")
"""What several cases make if it is not there."""


def build(case: Case, engine: sa.Engine) -> None:
    """Build a case in a schema of its own, which is the default one meanwhile."""
    with engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA of_{case.name}")
        connection.exec_driver_sql(f"SET search_path = of_{case.name}, public")
        case.metadata().create_all(connection)
        connection.exec_driver_sql("RESET search_path")
        if connection.exec_driver_sql("SELECT to_regnamespace('app')").scalar():
            # The cases that name a schema all name this one.
            connection.exec_driver_sql(f"ALTER SCHEMA app RENAME TO app_of_{case.name}")


@pytest.fixture
def zoo_engines(postgresql_server: sa.URL) -> Iterator[tuple[sa.Engine, ...]]:
    """Build all cases in two databases, and restore the first one's dump into a third."""
    with (
        new_engine(postgresql_server, "zoo1") as first,
        new_engine(postgresql_server, "zoo2") as second,
        new_engine(postgresql_server, "zoo3") as third,
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sa.exc.SADeprecationWarning)  # some cases are old-fashioned
            for engine in (first, second):
                with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                    for extension in EXTENSIONS:
                        connection.exec_driver_sql(f"CREATE EXTENSION {extension}")
            for case in zoo().values():
                build(case, first)
                build(case, second)
        restore(first, third)
        yield first, second, third


def of_case(taken: Snapshot, name: str) -> Snapshot:
    schemas = {table.schema for table in CASES[name].metadata().tables.values()} - {None, "app"}
    own = {f"of_{name}", f"app_of_{name}", *schemas}
    return taken.where(lambda each: each.schema in own or each.name in own)


def test_what_models_make_is_the_same_everywhere(zoo_engines: tuple[sa.Engine, ...]) -> None:
    """Two databases of the same models, and a restored dump of one, are equal in every detail.

    What belongs to no case, such as extensions, is equal too; the cases differ among each other.
    """
    first, second, restored = map(snapshot, zoo_engines)
    for name in zoo():
        made, again, from_dump = (of_case(each, name) for each in (first, second, restored))
        assert any(each.schema for each in made.objects), name
        assert_equal(made, again)
        assert_equal(made, from_dump)
    plain, wide = (
        tuple(replace(o, schema=None) for o in of_case(first, name).objects if o.schema)
        for name in ("tb_plain", "tb_wide")
    )

    assert_equal(first, second)
    assert_equal(first, restored)
    assert not is_equal(find_drift(replace(first, objects=plain), replace(first, objects=wide), "x"))


# -- everything at once ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything(postgresql_server: sa.URL) -> Iterator[sa.Engine]:
    """Give a database with one of everything that PostgreSQL has."""
    with new_engine(postgresql_server, "everything") as engine:
        run("psql", engine, "-qX", "-v", "ON_ERROR_STOP=1", text=EVERYTHING)
        yield engine


def test_a_restored_dump_of_everything_is_equal(everything: sa.Engine, postgresql_server: sa.URL) -> None:
    """Texts that change on their way through a dump do not count as changed."""
    with new_engine(postgresql_server, "restored") as restored:
        restore(everything, restored)

        assert_equal(snapshot(everything), snapshot(restored))


OF_EVERYTHING = {
    ("aggregate", None, "agg(integer)"),
    ("composite-type", None, "comp"),
    ("domain", None, "cc"),
    ("domain", None, "posint"),
    ("enum", "app", "en2"),
    ("enum", None, "en"),
    ("extension", None, "btree_gist"),
    ("extension", None, "citext"),
    ("extension", None, "plpgsql"),
    ("foreign-table", None, "ft"),
    ("function", None, "f()"),
    ("function", None, "f(integer, text)"),
    ("function", None, "sqlf(integer, character varying)"),
    ("materialized-view", None, "mv"),
    ("procedure", None, "pr(integer)"),
    ("range", None, "fr"),
    ("schema", None, "app"),
    ("sequence", None, "ds"),
    ("sequence", None, "fs"),
    ("sequence", None, "os"),
    ("table", "app", "q"),
    *(("table", None, name) for name in "c1 p par par1 par2 par3 t ul".split()),
    ("view", "app", "v3"),
    *(("view", None, name) for name in "today v v2".split()),
}


def test_all_kinds_are_read(everything: sa.Engine) -> None:
    """Nothing is left out but what belongs to something else; extensions' own objects are not there."""
    taken = snapshot(everything)

    assert {each.key for each in taken.objects} == OF_EVERYTHING
    assert {part.kind for each in taken.objects for part in each.parts} == set(
        "column primary-key unique foreign-key check exclude index trigger rule policy statistics".split()
    )
    assert taken.family == "postgresql"
    assert taken.server_version >= (10, 0)


SETTINGS = {
    "a session in other words": "-c timezone=Asia/Tokyo -c intervalstyle=iso_8601 -c datestyle=german "
    "-c extra_float_digits=-5 -c bytea_output=escape -c quote_all_identifiers=on",
    "a session that may only read": "-c default_transaction_read_only=on -c timezone=Asia/Tokyo",
}


@pytest.mark.parametrize("isolation", ["AUTOCOMMIT", "READ COMMITTED"])
@pytest.mark.parametrize("what", SETTINGS)
def test_settings_do_not_matter(everything: sa.Engine, what: str, isolation: str) -> None:
    """The session's settings change nothing in the structure, and reading changes no setting."""
    there = sa.create_engine(
        everything.url, connect_args={"options": SETTINGS[what]}, isolation_level=isolation
    )
    expected = snapshot(everything)

    with there.connect() as connection:
        assert take_snapshot(connection) == expected
        assert connection.exec_driver_sql("SHOW timezone").scalar() == "Asia/Tokyo"
    there.dispose()


def test_a_reading_that_fails_leaves_the_settings_alone(everything: sa.Engine) -> None:
    """Where a reading is cut short the session goes on as it was."""
    there = sa.create_engine(
        everything.url,
        connect_args={"options": "-c timezone=Asia/Tokyo -c lock_timeout=50ms"},
        isolation_level="AUTOCOMMIT",
    )
    other = sa.create_engine(everything.url)
    with other.connect() as blocker:
        blocker.exec_driver_sql("LOCK TABLE t")
        with there.connect() as connection:
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                take_snapshot(connection)
            assert connection.exec_driver_sql("SHOW timezone").scalar() == "Asia/Tokyo"
    there.dispose()
    other.dispose()


def test_a_role_without_rights_reads_the_same(everything: sa.Engine) -> None:
    """The catalogs are open to every role."""
    role = f"sf_{os.getpid()}_poor"
    with everything.connect() as connection:
        expected = take_snapshot(connection)
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        try:
            connection.exec_driver_sql(f"SET ROLE {role}")
            with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
                connection.exec_driver_sql("SELECT * FROM p")
            assert take_snapshot(connection) == expected
        finally:
            connection.exec_driver_sql("RESET ROLE")
            connection.exec_driver_sql(f"DROP ROLE {role}")


def test_the_other_driver_reads_the_same(everything: sa.Engine) -> None:
    """psycopg2 gives the same values as psycopg."""
    pytest.importorskip("psycopg2")
    there = sa.create_engine(everything.url.set(drivername="postgresql+psycopg2"))

    assert snapshot(there) == snapshot(everything)
    there.dispose()


def test_the_default_schema_need_not_be_public(made: Any) -> None:
    """The same tables in another first schema of the search path are the same structure."""
    statements = (
        "CREATE TYPE en AS ENUM ('a'); CREATE TABLE p (id serial PRIMARY KEY); CREATE TABLE \"order\" "
        "(id int REFERENCES p, e en DEFAULT 'a', CHECK (e <> 'b'::text::en), x int DEFAULT nextval('p_id_seq')); "
        "CREATE INDEX i ON \"order\" (e) WHERE e = 'a'; CREATE VIEW v AS SELECT * FROM p; "
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ begin return new; end $$; "
        'CREATE TRIGGER g BEFORE INSERT ON "order" FOR EACH ROW EXECUTE FUNCTION f(); '
        'CREATE RULE r AS ON DELETE TO "order" DO INSTEAD NOTHING; CREATE STATISTICS s ON id, x FROM "order"'
    )

    assert_equal(
        made(statements), made(f'CREATE SCHEMA "Of us"; SET LOCAL search_path = "Of us"; {statements}')
    )


# -- what is the same ------------------------------------------------------------------------------

SAME = {
    "names of sequences": (
        "CREATE TABLE t (id serial)",
        "CREATE TABLE x (id serial); ALTER TABLE x RENAME TO t",
    ),
    "a serial column written out": (
        "CREATE TABLE t (id serial)",
        "CREATE SEQUENCE s AS integer; CREATE TABLE t (id int NOT NULL DEFAULT nextval('s')); "
        "ALTER SEQUENCE s OWNED BY t.id",
    ),
    "the sequence of a parent table": (
        "CREATE TABLE t (id serial); CREATE TABLE c () INHERITS (t)",
        "CREATE TABLE t (id int NOT NULL); CREATE SEQUENCE s AS integer OWNED BY t.id; "
        "ALTER TABLE t ALTER id SET DEFAULT nextval('s'); CREATE TABLE c () INHERITS (t)",
    ),
    "a constraint without a name": (
        "CREATE TABLE t (a int PRIMARY KEY, b int UNIQUE CHECK (b > 0) REFERENCES t)",
        "CREATE TABLE t (a int, b int, CONSTRAINT k PRIMARY KEY (a), CONSTRAINT v UNIQUE (b), "
        "CONSTRAINT w CHECK (b > 0), CONSTRAINT x FOREIGN KEY (b) REFERENCES t)",
    ),
    "numbers of constraints without a name": (
        "CREATE TABLE t (a int, b int, CHECK (a > b), CHECK (a <> b), CHECK (a + b > 0))",
        "CREATE TABLE t (a int, b int, CHECK (a + b > 0), CHECK (a > b), CHECK (a <> b))",
    ),
    "the order of constraints": (
        "CREATE TABLE t (a int, b int, CONSTRAINT x UNIQUE (a), CONSTRAINT y UNIQUE (b))",
        "CREATE TABLE t (a int, b int, CONSTRAINT y UNIQUE (b), CONSTRAINT x UNIQUE (a))",
    ),
    "dropped columns": (
        "CREATE TABLE t (a int, b int UNIQUE)",
        "CREATE TABLE t (a int, z int, b int UNIQUE); ALTER TABLE t DROP z",
    ),
    "words for the default": (
        "CREATE TABLE t (a int REFERENCES u MATCH SIMPLE ON DELETE NO ACTION NOT DEFERRABLE); CREATE INDEX i ON "
        "t USING btree (a int4_ops ASC NULLS LAST)",
        "CREATE TABLE t (a int REFERENCES u); CREATE INDEX i ON t (a)",
    ),
    "names of types": (
        "CREATE TABLE t (a int4, b varchar(5), c timestamptz(3), d decimal(5, 2))",
        "CREATE TABLE t (a integer, b character varying(5), c timestamp(3) with time zone, d numeric(5, 2))",
    ),
}


@pytest.mark.parametrize("what", SAME)
def test_the_same(what: str, made: Any) -> None:
    """What does not count by PostgreSQL's rules is no difference."""
    parent = "CREATE TABLE u (id int PRIMARY KEY); "
    left, right = (made(parent + each) for each in SAME[what])

    assert is_equal(find_drift(left, right, "the models"))


def test_a_name_that_was_given_must_be_the_same(made: Any) -> None:
    """What the models name must be called so in the database; a name that the server gives is none."""
    unnamed = made("CREATE TABLE t (a int UNIQUE CHECK (a > 0))")
    named = made("CREATE TABLE t (a int, CONSTRAINT x UNIQUE (a), CONSTRAINT y CHECK (a > 0))")

    assert is_equal(find_drift(unnamed, named, "the models"))
    assert [each.code for each in find_drift(named, unnamed, "the models")] == [
        "changed-unique-name",
        "changed-check-name",
    ]


LONG = [
    "a" * 63,
    "b" * 40,
    "x",
    "größe" * 9,
    "日本語" * 7,
    "🙂" * 15,
    "Two Words",
    "table_with_quite_a_long_name_of_many_words",
]


def test_every_name_that_the_server_makes_up_is_known(made: Any) -> None:
    """Long names, names beyond ASCII and names that are taken: none is mistaken for a given one."""
    statements = []
    for table, (one, two) in itertools.product(LONG, itertools.combinations(LONG, 2)):
        statements.append(
            f'CREATE TABLE "{table}" ("{one}" int PRIMARY KEY UNIQUE CHECK ("{one}" > 0) CHECK ("{one}" < 9), '
            f'"{two}" int REFERENCES "{table}", UNIQUE ("{one}", "{two}") INCLUDE ("{one}"), '
            f'CHECK ("{one}" > "{two}"), CHECK ("{one}" <> "{two}"), CHECK (true), '
            f'UNIQUE ("{two}", "{one}"), FOREIGN KEY ("{one}", "{two}") REFERENCES "{table}" ("{one}", "{two}"), '
            f'EXCLUDE USING btree ("{one}" WITH =, abs("{two}") WITH =, ("{one}" + 1) WITH =))'
        )
        statements.append(f'CREATE SCHEMA "s{len(statements)}"')
        statements.append(f'ALTER TABLE "{table}" SET SCHEMA "s{len(statements) - 1}"')
    taken = made("; ".join(statements))

    parts = [part for table in taken.tables for part in table.parts if part.kind != "column"]
    assert len(parts) == 11 * 8 * 28
    assert [part.name for part in parts if part.named] == []


@pytest.mark.parametrize(
    "name", ["t_a_keys", "t_a_key01", "ta_key", "t_b_key", "t_key", "a_key", "t_a_key ", "T_a_key", "uq_t_a"]
)
def test_a_name_like_a_made_up_one_is_given(name: str, made: Any) -> None:
    """Only what the server itself would write is taken for made up."""
    (table,) = made(f'CREATE TABLE t (a int CONSTRAINT "{name}" UNIQUE, b int)').tables

    assert [part.named for part in table.parts if part.kind == "unique"] == [True]


# -- what differs ----------------------------------------------------------------------------------

# The columns and constraints of a table t: name, expected, actual, code, subject, structural.
COLUMNS = [
    ("server-default-literal-changed", "a int DEFAULT 1", "a int DEFAULT 2", "changed-column-default", "t.a"),
    ("server-default-added", "a int DEFAULT 1", "a int", "changed-column-default", "t.a"),
    ("server-default-removed", "a int", "a int DEFAULT 1", "changed-column-default", "t.a"),
    ("server-default-func-changed", "a date DEFAULT CURRENT_DATE", "a date DEFAULT now()", "changed-column-default", "t.a"),
    ("nullable-changed", "a int NOT NULL", "a int", "changed-column-nullable", "t.a"),
    ("string-length-50-to-100", "a varchar(100)", "a varchar(50)", "changed-column-type", "t.a"),
    ("numeric-10-2-to-12-4", "a numeric(12, 4)", "a numeric(10, 2)", "changed-column-type", "t.a"),
    ("integer-to-biginteger", "a bigint", "a int", "changed-column-type", "t.a"),
    ("string-to-text", "a text", "a varchar(50)", "changed-column-type", "t.a"),
    ("datetime-tz-false-to-true", "a timestamptz", "a timestamp", "changed-column-type", "t.a"),
    ("boolean-to-integer", "a int", "a boolean", "changed-column-type", "t.a"),
    ("float-to-numeric", "a numeric", "a float", "changed-column-type", "t.a"),
    ("json-to-jsonb", "a jsonb", "a json", "changed-column-type", "t.a"),
    ("array-dims-item", "a text[]", "a int[]", "changed-column-type", "t.a"),
    ("interval-fields", "a interval YEAR TO MONTH", "a interval", "changed-column-type", "t.a"),
    ("timestamp-precision", "a timestamp(3)", "a timestamp", "changed-column-type", "t.a"),
    ("collation-changed-2", 'a text COLLATE "C"', "a text", "changed-column-collation", "t.a"),
    ("non-native-enum-check-value-added", "a text, CONSTRAINT en CHECK (a IN ('x', 'y', 'z'))", "a text, CONSTRAINT en CHECK (a IN ('x', 'y'))", "changed-check-expression", "t.en"),
    ("named-check-added", "a int, CONSTRAINT ck CHECK (a > 0)", "a int", "missing-check", "t.ck"),
    ("named-check-text-changed", "a int, CONSTRAINT ck CHECK (a > 1)", "a int, CONSTRAINT ck CHECK (a > 0)", "changed-check-expression", "t.ck"),
    ("named-check-removed", "a int", "a int, CONSTRAINT ck CHECK (a > 0)", "extra-check", "t.ck"),
    ("unnamed-check-added", "a int CHECK (a > 0)", "a int", "missing-check", "t.t_a_check"),
    ("unnamed-check-changed", "a int CHECK (a > 0)", "a int CHECK (a > 1)", "changed-check-expression", "t.t_a_check"),
    ("check-no-inherit", "a int, CHECK (a > 0) NO INHERIT", "a int, CHECK (a > 0)", "changed-check-no-inherit", "t.t_a_check"),
    ("unnamed-unique-added", "a int UNIQUE", "a int", "missing-unique", "t.t_a_key"),
    ("unnamed-unique-removed", "a int", "a int UNIQUE", "extra-unique", "t.t_a_key"),
    ("unique-renamed", "a int CONSTRAINT uq_new UNIQUE", "a int CONSTRAINT uq_old UNIQUE", "changed-unique-name", "t.uq_new"),
    ("unique-deferrable", "a int UNIQUE DEFERRABLE", "a int UNIQUE", "changed-unique-deferrable", "t.t_a_key"),
    ("unique-include", "a int, b int, CONSTRAINT u UNIQUE (a) INCLUDE (b)", "a int, b int, CONSTRAINT u UNIQUE (a)", "changed-unique-include", "t.u"),
    ("fk-ondelete-added", "a int REFERENCES p ON DELETE CASCADE", "a int REFERENCES p", "changed-foreign-key-on-delete", "t.t_a_fkey"),
    ("fk-onupdate", "a int REFERENCES p ON UPDATE RESTRICT", "a int REFERENCES p", "changed-foreign-key-on-update", "t.t_a_fkey"),
    ("fk-match", "a int REFERENCES p MATCH FULL", "a int REFERENCES p", "changed-foreign-key-match", "t.t_a_fkey"),
    ("fk-deferrable", "a int REFERENCES p DEFERRABLE", "a int REFERENCES p", "changed-foreign-key-deferrable", "t.t_a_fkey"),
    ("fk-initially", "a int REFERENCES p DEFERRABLE INITIALLY DEFERRED", "a int REFERENCES p DEFERRABLE", "changed-foreign-key-deferrable", "t.t_a_fkey"),
    ("fk-target", "a int REFERENCES p", "a int REFERENCES q", "changed-foreign-key-table", "t.t_a_fkey"),
    ("fk-column", "a int REFERENCES q (u)", "a int REFERENCES q (id)", "changed-foreign-key-references", "t.t_a_fkey"),
    ("fk-renamed", "a int CONSTRAINT fk_new REFERENCES p", "a int CONSTRAINT fk_old REFERENCES p", "changed-foreign-key-name", "t.fk_new"),
    ("fk-removed", "a int", "a int REFERENCES p", "extra-foreign-key", "t.t_a_fkey"),
    ("pk-columns-changed", "a int, b int, PRIMARY KEY (a, b)", "a int, b int NOT NULL, PRIMARY KEY (a)", "changed-primary-key-columns", "t.t_pkey"),
    ("pk-name-changed", "a int CONSTRAINT pk_t PRIMARY KEY", "a int PRIMARY KEY", "changed-primary-key-name", "t.pk_t"),
    ("exclude-constraint-added", "r int4range, CONSTRAINT ex EXCLUDE USING gist (r WITH &&)", "r int4range", "missing-exclude", "t.ex"),
    ("exclude-constraint-changed", "r int4range, CONSTRAINT ex EXCLUDE USING gist (r WITH &&)", "r int4range, CONSTRAINT ex EXCLUDE USING gist (r WITH =)", "changed-exclude-definition", "t.ex"),
    ("exclude-text", "a text, CONSTRAINT ex EXCLUDE (a WITH =) WHERE (a <> 'x DEFERRABLE')", "a text, CONSTRAINT ex EXCLUDE (a WITH =) WHERE (a <> 'x')", "changed-exclude-definition", "t.ex"),
    ("exclude-deferrable", "a int, CONSTRAINT ex EXCLUDE (a WITH =) DEFERRABLE INITIALLY DEFERRED", "a int, CONSTRAINT ex EXCLUDE (a WITH =)", "changed-exclude-deferrable", "t.ex"),
    ("computed-expr-changed", "a int, g int GENERATED ALWAYS AS (a * 3) STORED", "a int, g int GENERATED ALWAYS AS (a * 2) STORED", "changed-column-generated", "t.g"),
    ("computed-removed", "a int, g int", "a int, g int GENERATED ALWAYS AS (a * 2) STORED", "changed-column-generated", "t.g"),
    ("autoincrement-off", "a int NOT NULL", "a serial", "changed-column-autoincrement", "t.a"),
    ("identity-to-serial", "a int GENERATED BY DEFAULT AS IDENTITY", "a serial", "changed-column-autoincrement", "t.a"),
    ("identity-always", "a int GENERATED ALWAYS AS IDENTITY", "a int GENERATED BY DEFAULT AS IDENTITY", "changed-column-autoincrement", "t.a"),
    ("identity-options", "a int GENERATED ALWAYS AS IDENTITY (START 5 CYCLE)", "a int GENERATED ALWAYS AS IDENTITY", "changed-column-sequence", "t.a"),
    ("sequence-of-another-column", "a int DEFAULT nextval('q_id_seq')", "a int DEFAULT nextval('q_u_seq')", "changed-column-default", "t.a"),
    ("column-added", "a int, b int", "a int", "missing-column", "t.b"),
    ("column-removed", "a int", "a int, b int", "extra-column", "t.b"),
    ("column-renamed", "b int", "a int", "missing-column", "t.b"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "actual", "code", "subject"), [row[1:] for row in COLUMNS], ids=[row[0] for row in COLUMNS]
)
def test_a_difference_in_a_table(expected: str, actual: str, code: str, subject: str, made: Any) -> None:
    """Each kind of difference is seen, with the object that has it, and nothing else."""
    others = "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE q (id serial PRIMARY KEY, u serial UNIQUE); "

    drift = find_drift(
        made(f"{others} CREATE TABLE t ({expected})"),
        made(f"{others} CREATE TABLE t ({actual})"),
        "the models",
    )

    assert (code, subject) in [(each.code, each.subject) for each in drift if each.structural]
    assert {each.table for each in drift} == {"t"}


T = "CREATE TABLE t (a int, b text)"
FUNCTION = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ begin return new; end $$"
TRIGGER = f"{T}; {FUNCTION}; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW"
PARTITIONED = "CREATE TABLE t (a int) PARTITION BY LIST (a)"
SECURED = f"{T}; ALTER TABLE t ENABLE ROW LEVEL SECURITY"

# name, expected statements, actual statements, code, subject, structural.
OBJECTS = [
    ("native-enum-value-added", "CREATE TYPE e AS ENUM ('x', 'y')", "CREATE TYPE e AS ENUM ('x')", "changed-enum-labels", "e", True),
    ("native-enum-value-reordered", "CREATE TYPE e AS ENUM ('x', 'y')", "CREATE TYPE e AS ENUM ('y', 'x')", "changed-enum-labels", "e", True),
    ("enum-labels-and-commas", "CREATE TYPE e AS ENUM ('x'', ''y')", "CREATE TYPE e AS ENUM ('x', 'y')", "changed-enum-labels", "e", True),
    ("enum-missing", "CREATE TYPE e AS ENUM ('x')", "", "missing-enum", "e", True),
    ("extra-enum-type-in-db", "", "CREATE TYPE e AS ENUM ('x')", "extra-enum", "e", False),
    ("unique-constraint-to-unique-index", "CREATE TABLE t (a int UNIQUE)", "CREATE TABLE t (a int); CREATE UNIQUE INDEX t_a_key ON t (a)", "missing-unique", "t.t_a_key", True),
    ("index-missing", f"{T}; CREATE INDEX i ON t (a)", T, "missing-index", "t.i", True),
    ("index-extra", T, f"{T}; CREATE INDEX i ON t (a)", "extra-index", "t.i", True),
    ("index-renamed", f"{T}; CREATE INDEX i_new ON t (a)", f"{T}; CREATE INDEX i_old ON t (a)", "changed-index-name", "t.i_new", True),
    ("index-like-made-up", f"{T}; CREATE INDEX t_a_idx ON t (a)", f"{T}; CREATE INDEX i ON t (a)", "changed-index-name", "t.t_a_idx", True),
    ("index-desc", f"{T}; CREATE INDEX i ON t (a DESC)", f"{T}; CREATE INDEX i ON t (a)", "changed-index-columns", "t.i", True),
    ("index-nulls-first", f"{T}; CREATE INDEX i ON t (a NULLS FIRST)", f"{T}; CREATE INDEX i ON t (a)", "changed-index-columns", "t.i", True),
    ("index-unique", f"{T}; CREATE UNIQUE INDEX i ON t (a)", f"{T}; CREATE INDEX i ON t (a)", "changed-index-unique", "t.i", True),
    ("index-collation", f'{T}; CREATE INDEX i ON t (b COLLATE "POSIX")', f"{T}; CREATE INDEX i ON t (b)", "changed-index-columns", "t.i", True),
    ("index-partial-where-added", f"{T}; CREATE INDEX i ON t (a) WHERE a > 0", f"{T}; CREATE INDEX i ON t (a)", "changed-index-where", "t.i", True),
    ("index-partial-where-changed", f"{T}; CREATE INDEX i ON t (a) WHERE a > 0", f"{T}; CREATE INDEX i ON t (a) WHERE a > 1", "changed-index-where", "t.i", True),
    ("expression-index-changed", f"{T}; CREATE INDEX i ON t (lower(b))", f"{T}; CREATE INDEX i ON t (upper(b))", "changed-index-columns", "t.i", True),
    ("expression-index-missing-in-db", f"{T}; CREATE INDEX i ON t (lower(b))", T, "missing-index", "t.i", True),
    ("index-method-btree-to-hash", f"{T}; CREATE INDEX i ON t USING hash (a)", f"{T}; CREATE INDEX i ON t (a)", "changed-index-method", "t.i", True),
    ("index-opclass-changed", f"{T}; CREATE INDEX i ON t (b text_pattern_ops)", f"{T}; CREATE INDEX i ON t (b)", "changed-index-columns", "t.i", True),
    ("index-include", f"{T}; CREATE INDEX i ON t (a) INCLUDE (b)", f"{T}; CREATE INDEX i ON t (a)", "changed-index-include", "t.i", True),
    ("index-storage", f"{T}; CREATE INDEX i ON t (a) WITH (fillfactor = 50)", f"{T}; CREATE INDEX i ON t (a)", "changed-index-storage", "t.i", False),
    ("check-not-valid", f"{T}; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", f"{T}; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID", "changed-check-not-valid", "t.c", True),
    ("table-renamed", "CREATE TABLE new (a int)", "CREATE TABLE old (a int)", "missing-table", "new", True),
    ("column-order", "CREATE TABLE t (a int, b int)", "CREATE TABLE t (b int, a int)", "changed-column-position", "t.a", False),
    ("extra-table-in-db", T, f"{T}; CREATE TABLE u (a int)", "extra-table", "u", True),
    ("view-dropped", f"{T}; CREATE VIEW v AS SELECT a FROM t", T, "missing-view", "v", True),
    ("extra-view", T, f"{T}; CREATE VIEW v AS SELECT a FROM t", "extra-view", "v", True),
    ("extra-view-of-the-server", T, f"{T}; CREATE VIEW v AS SELECT * FROM pg_stat_activity", "extra-view", "v", False),
    ("view-changed", f"{T}; CREATE VIEW v AS SELECT a FROM t", f"{T}; CREATE VIEW v AS SELECT b FROM t", "changed-view-definition", "v", True),
    ("view-options", f"{T}; CREATE VIEW v WITH (security_barrier) AS SELECT a FROM t", f"{T}; CREATE VIEW v AS SELECT a FROM t", "changed-view-options", "v", True),
    ("materialized-view", f"{T}; CREATE MATERIALIZED VIEW v AS SELECT a FROM t", f"{T}; CREATE VIEW v AS SELECT a FROM t", "missing-materialized-view", "v", True),
    ("index-of-a-materialized-view", f"{T}; CREATE MATERIALIZED VIEW v AS SELECT a FROM t; CREATE INDEX i ON v (a)", f"{T}; CREATE MATERIALIZED VIEW v AS SELECT a FROM t", "missing-index", "v.i", True),
    ("trigger-in-db", f"{T}; {FUNCTION}", f"{TRIGGER} EXECUTE FUNCTION f()", "extra-trigger", "t.g", True),
    ("trigger-changed", f"{TRIGGER} WHEN (new.a > 0) EXECUTE FUNCTION f()", f"{TRIGGER} EXECUTE FUNCTION f()", "changed-trigger-definition", "t.g", True),
    ("trigger-disabled", f"{TRIGGER} EXECUTE FUNCTION f()", f"{TRIGGER} EXECUTE FUNCTION f(); ALTER TABLE t DISABLE TRIGGER g", "changed-trigger-enabled", "t.g", True),
    ("rule", T, f"{T}; CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING", "extra-rule", "t.r", True),
    ("function-changed", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'", "changed-function-body", "f()", True),
    ("function-volatility", "CREATE FUNCTION f() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "changed-function-volatility", "f()", True),
    ("function-overloaded", "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION f(a text) RETURNS int LANGUAGE sql AS 'SELECT 1'", "missing-function", "f(integer)", True),
    ("extra-function", "", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "extra-function", "f()", False),
    ("sequence-missing", "CREATE SEQUENCE s", "", "missing-sequence", "s", True),
    ("sequence-changed", "CREATE SEQUENCE s START 5", "CREATE SEQUENCE s", "changed-sequence-options", "s", True),
    ("sequence-type", "CREATE SEQUENCE s AS smallint", "CREATE SEQUENCE s", "changed-sequence-type", "s", True),
    ("sequence-owned-and-unused", T, f"{T}; CREATE SEQUENCE s OWNED BY t.a", "extra-sequence", "s", False),
    ("sequence-of-old-serial", "CREATE TABLE t (a serial)", "CREATE TABLE t (a serial); ALTER SEQUENCE t_a_seq AS bigint", "changed-column-sequence-type", "t.a", False),
    ("extra-sequence-in-db", "", "CREATE SEQUENCE s", "extra-sequence", "s", False),
    ("domain-check", "CREATE DOMAIN d AS int CHECK (VALUE > 0)", "CREATE DOMAIN d AS int CHECK (VALUE > 1)", "changed-check-expression", "d.d_check", True),
    ("domain-type", "CREATE DOMAIN d AS bigint", "CREATE DOMAIN d AS int", "changed-domain-type", "d", True),
    ("domain-nullable", "CREATE DOMAIN d AS int NOT NULL", "CREATE DOMAIN d AS int", "changed-domain-nullable", "d", True),
    ("composite-type", "CREATE TYPE c AS (a int)", "CREATE TYPE c AS (a bigint)", "changed-column-type", "c.a", True),
    ("schema-missing", "CREATE SCHEMA app", "", "missing-schema", "app", True),
    ("extension-missing", "CREATE EXTENSION citext", "", "missing-extension", "citext", True),
    ("extra-extension", "", "CREATE EXTENSION citext", "extra-extension", "citext", False),
    ("table-in-another-schema", "CREATE SCHEMA app; CREATE TABLE app.t (a int)", "CREATE SCHEMA app; CREATE TABLE t (a int)", "missing-table", "app.t", True),
    ("partition-missing", f"{PARTITIONED}; CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1)", PARTITIONED, "missing-table", "t1", False),
    ("partition-extra", PARTITIONED, f"{PARTITIONED}; CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1)", "extra-table", "t1", False),
    ("partition-bounds", f"{PARTITIONED}; CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1)", f"{PARTITIONED}; CREATE TABLE t1 PARTITION OF t FOR VALUES IN (2)", "changed-table-partition-bounds", "t1", False),
    ("partition-detached", f"{PARTITIONED}; CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1)", f"{PARTITIONED}; CREATE TABLE t1 (a int)", "changed-table-partition-of", "t1", True),
    ("partition-by", PARTITIONED, "CREATE TABLE t (a int)", "changed-table-partition-by", "t", True),
    ("inheritance", "CREATE TABLE p (a int); CREATE TABLE t () INHERITS (p)", "CREATE TABLE p (a int); CREATE TABLE t (a int)", "changed-table-inherits", "t", True),
    ("rls-policy", T, f"{T}; CREATE POLICY y ON t USING (a > 0)", "extra-policy", "t.y", False),
    ("rls-policy-in-force", SECURED, f"{SECURED}; CREATE POLICY y ON t USING (a > 0)", "extra-policy", "t.y", True),
    ("rls-policy-changed", f"{SECURED}; CREATE POLICY y ON t USING (a > 1)", f"{SECURED}; CREATE POLICY y ON t USING (a > 0)", "changed-policy-using", "t.y", True),
    ("rls-policy-changed-idle", f"{T}; CREATE POLICY y ON t USING (a > 1)", f"{T}; CREATE POLICY y ON t USING (a > 0)", "changed-policy-using", "t.y", False),
    ("row-security", SECURED, T, "changed-table-row-security", "t", True),
    ("unlogged", "CREATE UNLOGGED TABLE t (a int)", "CREATE TABLE t (a int)", "changed-table-persistence", "t", False),
    ("fillfactor", "CREATE TABLE t (a int) WITH (fillfactor = 50)", "CREATE TABLE t (a int)", "changed-table-storage", "t", False),
    ("statistics", f"{T}; ALTER TABLE t ALTER a SET STATISTICS 9", T, "changed-column-statistics-target", "t.a", False),
    ("n-distinct", f"{T}; ALTER TABLE t ALTER a SET (n_distinct = 9)", T, "changed-column-options", "t.a", False),
    ("storage", f"{T}; ALTER TABLE t ALTER b SET STORAGE PLAIN", T, "changed-column-storage", "t.b", False),
    ("extended-statistics", T, f"{T}; CREATE STATISTICS s ON a, b FROM t", "extra-statistics", "t.s", False),
    ("generic-grant", T, f"{T}; GRANT SELECT ON t TO PUBLIC", "changed-table-grants", "t", False),
    ("table-comment", f"{T}; COMMENT ON TABLE t IS 'x'", T, "changed-table-comment", "t", False),
    ("column-comment", f"{T}; COMMENT ON COLUMN t.a IS 'x'", T, "changed-column-comment", "t.a", False),
    ("replica-identity", f"{T}; ALTER TABLE t REPLICA IDENTITY FULL", T, "changed-table-replica-identity", "t", False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "actual", "code", "subject", "structural"),
    [row[1:] for row in OBJECTS],
    ids=[row[0] for row in OBJECTS],
)
def test_a_difference_in_an_object(
    expected: str, actual: str, code: str, subject: str, structural: bool, made: Any
) -> None:
    """Indexes, views, triggers, types, sequences, functions: each difference has its code and object."""
    drift = find_drift(made(expected or "SELECT 1"), made(actual or "SELECT 1"), "the models")

    assert (code, subject, structural) in [(each.code, each.subject, each.structural) for each in drift]
    assert is_equal(drift) is not structural


def test_nulls_not_distinct(made: Any) -> None:
    """Servers since version 15 can treat nulls as equal in keys and indexes."""
    usual = made(f"{T}; ALTER TABLE t ADD UNIQUE (a); CREATE UNIQUE INDEX i ON t (b)")
    if usual.server_version < (15,):
        pytest.skip("PostgreSQL 15 is needed")
    other = made(
        f"{T}; ALTER TABLE t ADD UNIQUE NULLS NOT DISTINCT (a); CREATE UNIQUE INDEX i ON t (b) NULLS NOT DISTINCT"
    )

    assert [each.code for each in find_drift(other, usual, "the models")] == [
        "changed-unique-nulls-not-distinct",
        "changed-index-nulls-not-distinct",
    ]


def test_an_index_that_failed_is_seen(postgresql_server: sa.URL) -> None:
    """An index that was left invalid serves no query, and differs from one that does."""
    with new_engine(postgresql_server, "invalid") as engine:
        with engine.connect() as connection:
            connection.exec_driver_sql("CREATE TABLE t (a int)")
            connection.exec_driver_sql("INSERT INTO t VALUES (1), (1)")
            with pytest.raises(sa.exc.IntegrityError):
                connection.exec_driver_sql("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)")
        broken = snapshot(engine)
        with engine.connect() as connection:
            connection.exec_driver_sql("TRUNCATE t")
            connection.exec_driver_sql("REINDEX INDEX i")

        drift = find_drift(snapshot(engine), broken, "the models")

    assert [(each.code, each.structural) for each in drift] == [("changed-index-invalid", True)]


# -- texts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "lasting"),
    [
        ("(a > 0)", "a > 0"),
        ("((s)::text = ANY ((ARRAY['a'::character varying, 'b'::x])::text[]))", "(s)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::x)::text])"),
        ("((ARRAY[a, b])::timestamp(3) without time zone[])", "ARRAY[(a)::timestamp(3) without time zone, (b)::timestamp(3) without time zone]"),
        ('((ARRAY[ARRAY[a], ARRAY[b]])::"my app".en[])', 'ARRAY[ARRAY[(a)::"my app".en], ARRAY[(b)::"my app".en]]'),
        ("((ARRAY[a, b])::text)", "(ARRAY[a, b])::text"),
        ("((ARRAY[a, b])::x || (c)::text[])", "(ARRAY[a, b])::x || (c)::text[]"),
        ("((ARRAY[a])[1] = 'x')", "(ARRAY[a])[1] = 'x'"),
        ("(((a) AND (b)) AND (c))", "(a) AND (b) AND (c)"),
        ("((((a) AND (b)) AND (c)) OR ((d) OR (e)))", "((a) AND (b) AND (c)) OR ((d) OR (e))"),
        ("((a) AND ((b) AND (c)))", "(a) AND ((b) AND (c))"),
        ("(((a) OR (b)) AND (c))", "((a) OR (b)) AND (c)"),
        ("(t = ') AND ((ARRAY[a])::text[]'::text)", "t = ') AND ((ARRAY[a])::text[]'::text"),
        ('("AND" > 1)', '"AND" > 1'),
        ("CASE\n    WHEN (a) THEN b\nEND", "CASE WHEN (a) THEN b END"),
        ("'two\n  lines'::text", "'two\n  lines'::text"),
    ],
)  # fmt: skip
def test_a_text_in_its_lasting_form(text: str, lasting: str) -> None:
    """A text gets the form that the server gives when it reads it again."""
    assert normal_expression(text) == lasting
    assert normal_expression(lasting) == lasting


EXPRESSIONS = [
    "s IN ('a', 'b')", "s NOT IN ('a', NULL)", "t IN ('a', 'b')", "c IN ('a', 'b')", "e IN ('a', 'b')", "dm IN ('a', 'b')",
    "n IN (1, 2.5)", "f IN (1, 2.5)", "n = ANY (ARRAY[1, 2]::int[])", "s = ANY (ARRAY['a', 'b']::varchar(3)[])",
    "t = ANY (ARRAY['a', ']::text[]', s]::varchar[])", "t = ANY (ARRAY[(CASE WHEN a > 1 THEN s ELSE 'x' END), s])",
    "ta && (ARRAY[ARRAY['a', s], ARRAY['b', s]]::varchar[])::text[]", "ts = ANY (ARRAY['2024-01-01', '2024-02-02']::date[])",
    "iv = ANY (ARRAY['1 day', '2 days']::interval(3)[])", "t = ANY (ARRAY['a', 'b']::dom[])", "d IN ('2024-01-01', '2024-02-01')",
    "a BETWEEN 1 AND 5 AND n > 1", "a NOT BETWEEN 1 AND 5 OR n > 2", "(a > 1 AND n > 2) AND f > 3", "a > 1 AND (n > 2 AND f > 3)",
    "(a > 1 OR n > 2) OR (a < 0 OR a > 9 OR f < 0)", "a BETWEEN SYMMETRIC 5 AND 1 AND n > 1", "(bo AND a > 1) AND bo",
    "CASE WHEN s IN ('a', 'b') THEN a BETWEEN 1 AND 3 AND n > 1 ELSE bo END", "NOT (a BETWEEN 1 AND 2 AND n > 1)",
    "(a, n) IN ((1, 2), (3, 4))", "s LIKE 'x%'", "s SIMILAR TO 'x%'", "s ~ '^x'", "s COLLATE \"C\" IN ('a', 'b')", "lower(s) = t",
    "coalesce(a BETWEEN 1 AND 3 AND n > 1, false)", "t = 'it''s' OR t = E'a\\nb'", "a > -1 AND n > -1.5", "a % 2 = 0",
    "extract(year FROM d) > 2000", "ts > d - interval '1 day'", "ts AT TIME ZONE 'utc' > '2024-01-01'", "a::text || 'x' = s",
    "s IS DISTINCT FROM 'x'", "(a IS NULL) <> (n IS NULL)", "array_position(ARRAY['a', 'b']::varchar[], s) > 0",
    "\"AND\" BETWEEN 1 AND 2 AND \"ARRAY\" > 1", "substring(s from 1 for 2) = trim(t)", "overlay(s placing 'x' from 1) = 'y'",
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_text_that_goes_through_the_server_again_is_the_same(expression: str, engine: sa.Engine) -> None:
    """A check, an index and a view made from the server's own texts are equal to the first ones.

    And the form that is compared means to the server what its own text means.
    """
    before = (
        "CREATE TYPE en AS ENUM ('a', 'b'); CREATE DOMAIN dom AS varchar(9); CREATE TABLE t (a int, s varchar(9), "
        "t text, c char(3), n numeric, f float, e en, dm dom, ta text[], ts timestamp, d date, iv interval, bo boolean, "
        '"AND" int, "ARRAY" int)'
    )
    made = (
        "ALTER TABLE t ADD CONSTRAINT ck CHECK ({}); CREATE INDEX ix ON t (a) WHERE {}; CREATE VIEW v AS {}"
    )
    with engine.connect() as connection:
        raw = connection.connection.cursor()
        raw.execute(before)
        texts = (expression, expression, f"SELECT ({expression}) AS x FROM t WHERE {expression}")
        taken = []
        for _ in range(3):
            raw.execute(made.format(*texts))
            taken.append(take_snapshot(connection))
            raw.execute(
                "SELECT pg_get_expr(conbin, conrelid), pg_get_expr(indpred, indrelid), pg_get_viewdef('v'::regclass) "
                "FROM pg_constraint, pg_index WHERE conname = 'ck' AND indexrelid = 'ix'::regclass"
            )
            texts = raw.fetchone()
            raw.execute("ALTER TABLE t DROP CONSTRAINT ck; DROP INDEX ix; DROP VIEW v")
        raw.execute(f"ALTER TABLE t ADD CONSTRAINT ck CHECK ({normal_expression(texts[0])})")
        raw.execute("SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE conname = 'ck'")
        assert raw.fetchone() == (texts[0],)

    assert_equal(taken[0], taken[1])
    assert_equal(taken[1], taken[2])


# -- what belongs to what --------------------------------------------------------------------------


def names(objects: tuple[Object, ...]) -> list[str]:
    return [each.label for each in objects]


def test_views_and_partitions_belong_to_their_tables(made: Any) -> None:
    """Views of our tables, views of those views and partitions are kept, those of others not.

    A table of the same name in another schema is another table.
    """
    taken = made(
        "CREATE SCHEMA app; CREATE TABLE ours (a int) PARTITION BY LIST (a); CREATE TABLE app.ours (a int); "
        "CREATE TABLE part PARTITION OF ours FOR VALUES IN (1) PARTITION BY LIST (a); "
        "CREATE TABLE app.deep PARTITION OF part FOR VALUES IN (1); CREATE TYPE e AS ENUM ('a'); "
        "CREATE VIEW v AS SELECT a FROM ours; CREATE MATERIALIZED VIEW w AS SELECT a FROM v; "
        "CREATE VIEW x AS SELECT a FROM app.ours; CREATE VIEW n AS SELECT now()"
    )

    kept = names(taken.of_tables([(None, "ours")]).objects)
    assert kept == ["e", "plpgsql", "w", "app", "app.deep", "ours", "part", "n", "v"]
    assert names(taken.of_tables([("app", "ours")]).tables) == ["app.ours"]


def test_temporary_tables_are_nobodys_structure(made: Any) -> None:
    """A session's own tables, with all that they have, are not read."""
    taken = made(
        f"CREATE TEMP TABLE t (a serial PRIMARY KEY, b text UNIQUE CHECK (b <> ''), CHECK (a > 1)); {FUNCTION}; "
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); CREATE INDEX i ON t (b); "
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING; CREATE TEMP VIEW v AS SELECT a FROM t; "
        "CREATE POLICY y ON t USING (true); CREATE STATISTICS pg_temp.s ON a, b FROM t; "
        "CREATE TYPE pg_temp.e AS ENUM ('a')"
    )

    assert names(taken.objects) == ["plpgsql", "f()"]


def test_a_stored_snapshot_is_equal(everything: sa.Engine, tmp_path: Path) -> None:
    """What was written beside a revision and read again differs in nothing."""
    taken = snapshot(everything)
    source = tmp_path / "a.py"
    source.write_text("revision = 'a'\ndown_revision = None\n", encoding="utf-8")
    revisions = [Revision(id="a", parents=(), file=source)]
    stored = tmp_path / stored_path("a", "postgresql")
    stored.parent.mkdir()
    chain = chain_hashes(revisions)["a"]
    stored.write_text(render_stored("a", chain, {None: taken}, {}), encoding="utf-8")

    read = read_stored(tmp_path, revisions, ["a"], None, taken)

    assert_equal(read["a"], taken)
    assert read["a"].server_version == taken.server_version


def test_the_hash_is_of_the_structure_only(made: Any) -> None:
    """Partitions, policies out of force, comments and made-up names do not change the hash."""
    plain = made(f"{PARTITIONED}; ALTER TABLE t ADD CHECK (a > 0)")
    other = made(
        f"{PARTITIONED}; ALTER TABLE t ADD CONSTRAINT t_a_check7 CHECK (a > 0); "
        "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE POLICY y ON t USING (true); "
        "COMMENT ON TABLE t IS 'x'"
    )

    assert structure_hash(plain) == structure_hash(other)
    assert structure_hash(plain) != structure_hash(made(PARTITIONED))


def test_the_number_of_queries_does_not_grow(engine: sa.Engine) -> None:
    """A hundred tables are read with as many queries as one."""
    queries: list[str] = []
    counts = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        queries.append(statement)

    for number in (1, 100):
        with engine.connect() as connection:
            for position in range(number):
                connection.exec_driver_sql(
                    f"CREATE TABLE t{position} (id serial PRIMARY KEY, a int UNIQUE CHECK (a > 0) REFERENCES t{position})"
                )
            queries.clear()
            sa.event.listen(engine, "before_cursor_execute", count)
            assert len(take_snapshot(connection).tables) == number
            sa.event.remove(engine, "before_cursor_execute", count)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 18


@pytest.mark.parametrize("version", [*range(100000, 190000, 10000)])
def test_queries_are_complete_for_each_version(version: int) -> None:
    """No query has a gap, or a percent sign that a driver would take for a parameter."""
    queries = queries_for(version)

    texts = [getattr(queries, each.name) for each in fields(queries)]
    assert not any(sign in text for text in texts for sign in "{}%")


def test_now_has_two_names(made: Any) -> None:
    """CURRENT_TIMESTAMP is now(), and not LOCALTIMESTAMP."""
    one, other, third = (
        made(f"CREATE TABLE t (a timestamp DEFAULT {default})")
        for default in ("now()", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP")
    )
    assert find_drift(one, other, "the models") == ()
    assert not is_equal(find_drift(one, third, "the models"))
