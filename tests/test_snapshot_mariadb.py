"""The structure of a MariaDB database: what is the same, and what differs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from itertools import islice
from threading import Thread
from time import monotonic, sleep

import pytest
import sqlalchemy as sa
from zoo import CASES, MARIADB, Case

from flask_schemaflow.drift import Drift, find_drift, is_equal
from flask_schemaflow.errors import Busy, ConfigurationError
from flask_schemaflow.snapshot import Snapshot, structure_hash, take_snapshot
from flask_schemaflow.snapshot.mysql_grammar import read_table
from flask_schemaflow.snapshot.mysql_texts import Thing, ask_for_texts
from flask_schemaflow.snapshot.mysql_tokens import UnreadableText, normal_text, without_database

Read = Callable[..., Snapshot]


@pytest.fixture
def engine(mariadb: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(mariadb)
    yield engine
    engine.dispose()


def emptied(engine: sa.Engine) -> None:
    name = engine.url.database
    with engine.connect() as connection:
        for statement in (f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}", f"USE {name}"):
            connection.exec_driver_sql(statement)


def taken(engine: sa.Engine) -> Snapshot:
    with engine.connect() as connection:
        return take_snapshot(connection)


@pytest.fixture
def snapshot(engine: sa.Engine) -> Read:
    """Read a database that has what these statements made, and nothing else."""

    def read(*statements: str) -> Snapshot:
        emptied(engine)
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
            return take_snapshot(connection)

    return read


P = "CREATE TABLE p (id INT PRIMARY KEY, a INT, KEY (a))"

SAME = {
    "display widths and default actions": (
        [P, "CREATE TABLE t (a INT(5), b BIGINT(3) UNSIGNED, FOREIGN KEY (a) REFERENCES p (id) ON DELETE RESTRICT)"],
        [P, "CREATE TABLE t (a INT, b BIGINT UNSIGNED, FOREIGN KEY (a) REFERENCES p (id) ON UPDATE NO ACTION)"],
    ),
    "a unique constraint and a unique index": (
        ["CREATE TABLE t (a INT, CONSTRAINT u UNIQUE (a))"],
        ["CREATE TABLE t (a INT)", "CREATE UNIQUE INDEX u ON t (a)"],
    ),
    "names that the engine makes up": (
        [P, "CREATE TABLE t (a INT, b INT, UNIQUE (a), CHECK (a > 0), CHECK (b > 0), FOREIGN KEY (b) REFERENCES p (id))"],
        [P, "CREATE TABLE t (a INT, b INT, CONSTRAINT x UNIQUE (a), CONSTRAINT y CHECK (b > 0), CHECK (a > 0), CONSTRAINT z FOREIGN KEY (b) REFERENCES p (id))"],
    ),
    "numbers of unnamed keys": (
        [P, "CREATE TABLE t (a INT, b INT, FOREIGN KEY (a) REFERENCES p (id), FOREIGN KEY (b) REFERENCES p (a))"],
        [P, "CREATE TABLE t (a INT, b INT, FOREIGN KEY (b) REFERENCES p (a), FOREIGN KEY (a) REFERENCES p (id))"],
    ),
    "an index that only a foreign key asked for": (
        [P, "CREATE TABLE t (a INT, b INT, FOREIGN KEY (a) REFERENCES p (id), KEY i (a, b))"],
        [P, "CREATE TABLE t (a INT, b INT, FOREIGN KEY (a) REFERENCES p (id))", "CREATE INDEX i ON t (a, b)"],
    ),
    "where a check is written": (
        ["CREATE TABLE t (a INT CHECK (a > 0))"],
        ["CREATE TABLE t (a INT, CHECK ((a > 0)))"],
    ),
    "JSON and what it means": (
        ["CREATE TABLE t (a JSON)"],
        ["CREATE TABLE t (a LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin CHECK (json_valid(a)))"],
    ),
    "a time zone on a datetime, which there is not": (
        ["CREATE TABLE t (a DATETIME)"],
        ["CREATE TABLE t (a DATETIME DEFAULT NULL)"],
    ),
    "the next number": (
        ["CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT)"],
        ["CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT) AUTO_INCREMENT=77"],
    ),
    "the default index method": (
        ["CREATE TABLE t (a INT, KEY i (a) USING BTREE)"],
        ["CREATE TABLE t (a INT, KEY i (a ASC))"],
    ),
    "comments and spaces in a trigger": (
        ["CREATE TABLE t (a INT)", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1"],
        ["CREATE TABLE t (a INT)", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW /* one */ SET\n  NEW.a = 1"],
    ),
    "who made a view": (
        ["CREATE TABLE t (a INT)", "CREATE VIEW v AS SELECT a FROM t"],
        ["CREATE TABLE t (a INT)", "CREATE DEFINER='nobody'@'nowhere' VIEW v AS SELECT t.a AS a FROM t"],
    ),
    "when an event was made": (
        ["CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2031-01-01' DO SET @x = 1"],
        ["CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2032-01-01' DO SET @x = 1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SAME)
def test_the_same(what: str, snapshot: Read) -> None:
    """What means the same to the server is no difference."""
    left, right = (snapshot(*statements) for statements in SAME[what])

    assert [each.message for each in find_drift(left, right, "the models") if each.structural] == []


# The rows of drift.csv that are within a table: name, expected columns, actual columns, code, subject.
COLUMNS = [
    ("server-default-literal-changed", "a INT DEFAULT 1", "a INT DEFAULT 2", "changed-column-default", "t.a"),
    ("server-default-added", "a INT DEFAULT 1", "a INT", "changed-column-default", "t.a"),
    ("server-default-removed", "a INT", "a INT DEFAULT 1", "changed-column-default", "t.a"),
    ("server-default-func-changed", "a DATETIME DEFAULT now()", "a DATETIME DEFAULT utc_timestamp()", "changed-column-default", "t.a"),
    ("nullable-changed", "a INT NOT NULL", "a INT", "changed-column-nullable", "t.a"),
    ("string-length-50-to-100", "a VARCHAR(100)", "a VARCHAR(50)", "changed-column-type", "t.a"),
    ("numeric-10-2-to-12-4", "a NUMERIC(12,4)", "a NUMERIC(10,2)", "changed-column-type", "t.a"),
    ("integer-to-biginteger", "a BIGINT", "a INT", "changed-column-type", "t.a"),
    ("string-to-text", "a TEXT", "a VARCHAR(50)", "changed-column-type", "t.a"),
    ("boolean-to-integer", "a INT", "a BOOL", "changed-column-type", "t.a"),
    ("boolean-to-tinyint", "a TINYINT", "a BOOL", "changed-column-type", "t.a"),
    ("float-to-numeric", "a NUMERIC(10,2)", "a FLOAT", "changed-column-type", "t.a"),
    ("unsigned", "a INT UNSIGNED", "a INT", "changed-column-type", "t.a"),
    ("datetime-fsp", "a DATETIME(6)", "a DATETIME", "changed-column-type", "t.a"),
    ("collation-changed", "a VARCHAR(9) COLLATE utf8mb4_bin", "a VARCHAR(9)", "changed-column-collation", "t.a"),
    ("column-charset", "a VARCHAR(9) CHARACTER SET latin1", "a VARCHAR(9)", "changed-column-collation", "t.a"),
    ("native-enum-value-added", "a ENUM('x','y')", "a ENUM('x')", "changed-column-type", "t.a"),
    ("native-enum-value-reordered", "a ENUM('x','y')", "a ENUM('y','x')", "changed-column-type", "t.a"),
    ("non-native-enum-check-value-added", "a TEXT, CONSTRAINT en CHECK (a IN ('x', 'y'))", "a TEXT, CONSTRAINT en CHECK (a IN ('x'))", "changed-check-expression", "t.en"),
    ("named-check-added", "a INT, CONSTRAINT ck CHECK (a > 0)", "a INT", "missing-check", "t.ck"),
    ("named-check-text-changed", "a INT, CONSTRAINT ck CHECK (a > 1)", "a INT, CONSTRAINT ck CHECK (a > 0)", "changed-check-expression", "t.ck"),
    ("named-check-removed", "a INT", "a INT, CONSTRAINT ck CHECK (a > 0)", "extra-check", "t.ck"),
    ("unnamed-check-added", "a INT, CHECK (a > 0)", "a INT", "missing-check", "t.CONSTRAINT_1"),
    ("json-check-lost", "a JSON", "a LONGTEXT COLLATE utf8mb4_bin", "missing-check", "t.a"),
    ("unnamed-unique-added", "a INT, UNIQUE (a)", "a INT", "missing-unique", "t.a"),
    ("unnamed-unique-removed", "a INT", "a INT UNIQUE", "extra-unique", "t.a"),
    ("unique-renamed", "a INT, UNIQUE uq_new (a)", "a INT, UNIQUE uq_old (a)", "changed-unique-name", "t.uq_new"),
    ("index-missing", "a INT, KEY i (a)", "a INT", "missing-index", "t.i"),
    ("index-extra", "a INT", "a INT, KEY i (a)", "extra-index", "t.i"),
    ("index-renamed", "a INT, KEY i_new (a)", "a INT, KEY i_old (a)", "changed-index-name", "t.i_new"),
    ("index-desc", "a INT, KEY i (a DESC)", "a INT, KEY i (a)", "changed-index-columns", "t.i"),
    ("index-prefix-length", "a TEXT, KEY i (a(20))", "a TEXT, KEY i (a(10))", "changed-index-columns", "t.i"),
    ("index-method-btree-to-hash", "a INT, KEY i (a) USING HASH", "a INT, KEY i (a)", "changed-index-using", "t.i"),
    ("index-fulltext", "a TEXT, FULLTEXT i (a)", "a TEXT, KEY i (a(9))", "changed-index-type", "t.i"),
    ("index-ignored", "a INT, KEY i (a)", "a INT, KEY i (a) IGNORED", "changed-index-ignored", "t.i"),
    ("fk-ondelete-added", "a INT, CONSTRAINT f FOREIGN KEY (a) REFERENCES p (id) ON DELETE CASCADE", "a INT, CONSTRAINT f FOREIGN KEY (a) REFERENCES p (id)", "changed-foreign-key-on-delete", "t.f"),
    ("fk-renamed", "a INT, CONSTRAINT f_new FOREIGN KEY (a) REFERENCES p (id)", "a INT, CONSTRAINT f_old FOREIGN KEY (a) REFERENCES p (id)", "changed-foreign-key-name", "t.f_new"),
    ("fk-missing", "a INT, KEY i (a), FOREIGN KEY (a) REFERENCES p (id)", "a INT, KEY i (a)", "missing-foreign-key", "t.t_ibfk_1"),
    ("index-of-a-key-missing", "a INT, KEY ix_t_a (a), FOREIGN KEY (a) REFERENCES p (id)", "a INT, FOREIGN KEY (a) REFERENCES p (id)", "missing-index", "t.ix_t_a"),
    ("computed-expr-changed", "a INT, g INT AS (a * 3)", "a INT, g INT AS (a * 2)", "changed-column-generated", "t.g"),
    ("computed-persisted-changed", "a INT, g INT AS (a * 2) STORED", "a INT, g INT AS (a * 2) VIRTUAL", "changed-column-generated", "t.g"),
    ("computed-removed", "a INT, g INT", "a INT, g INT AS (a * 2)", "changed-column-generated", "t.g"),
    ("on-update", "a TIMESTAMP NULL ON UPDATE now()", "a TIMESTAMP NULL", "changed-column-on-update", "t.a"),
    ("invisible", "a INT INVISIBLE", "a INT", "changed-column-invisible", "t.a"),
    ("column-added", "a INT, b INT", "a INT", "missing-column", "t.b"),
    ("column-removed", "a INT", "a INT, b INT", "extra-column", "t.b"),
    ("column-renamed", "b INT", "a INT", "missing-column", "t.b"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "actual", "code", "subject"), [row[1:] for row in COLUMNS], ids=[row[0] for row in COLUMNS]
)
def test_a_difference_in_a_table(expected: str, actual: str, code: str, subject: str, snapshot: Read) -> None:
    """Each kind of difference is seen, as one or two findings with the object that has it."""
    left, right = (snapshot(P, f"CREATE TABLE t (id INT PRIMARY KEY, {each})") for each in (expected, actual))

    drift = find_drift(left, right, "the models")

    assert (code, subject) in told(drift)
    assert not is_equal(drift)
    assert len(drift) <= 2
    assert structure_hash(left) != structure_hash(right)


def told(drift: tuple[Drift, ...]) -> list[tuple[str, str]]:
    return [(each.code, each.subject) for each in drift]


TABLE = "CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT)"

# name, expected statements, actual statements, code, subject, structural.
OBJECTS = [
    ("pk-columns-changed", "CREATE TABLE t (a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a, b))", "CREATE TABLE t (a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a))", "changed-primary-key-columns", "t.primary-key", True),
    ("autoincrement-off", "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT)", "CREATE TABLE t (id INT PRIMARY KEY)", "changed-column-autoincrement", "t.id", True),
    ("engine-myisam-to-innodb", f"{TABLE} ENGINE=InnoDB", f"{TABLE} ENGINE=MyISAM", "changed-table-engine", "t", True),
    ("charset-latin1-to-utf8mb4", TABLE, f"{TABLE} CHARSET=latin1", "changed-table-collation", "t", True),
    ("collation-changed-3", f"{TABLE} COLLATE=utf8mb4_bin", TABLE, "changed-table-collation", "t", True),
    ("row-format", f"{TABLE} ROW_FORMAT=COMPACT", TABLE, "changed-table-storage", "t", False),
    ("column-order", "CREATE TABLE t (a INT, b INT)", "CREATE TABLE t (b INT, a INT)", "changed-column-position", "t.a", False),
    ("column-comment", "CREATE TABLE t (a INT COMMENT 'x')", "CREATE TABLE t (a INT)", "changed-column-comment", "t.a", False),
    ("table-comment", f"{TABLE} COMMENT 'x'", TABLE, "changed-table-comment", "t", False),
    ("index-comment", "CREATE TABLE t (a INT, KEY i (a) COMMENT 'x')", "CREATE TABLE t (a INT, KEY i (a))", "changed-index-comment", "t.i", False),
    ("partitioned", f"{TABLE} PARTITION BY HASH (id) PARTITIONS 2", TABLE, "changed-table-partitioning", "t", True),
    ("partition-added", f"{TABLE} PARTITION BY HASH (id) PARTITIONS 2", f"{TABLE} PARTITION BY HASH (id) PARTITIONS 3", "changed-table-partitions", "t", False),
    ("period-added", "CREATE TABLE t (a DATE, b DATE, PERIOD FOR x (a, b))", "CREATE TABLE t (a DATE NOT NULL, b DATE NOT NULL)", "changed-table-periods", "t", True),
    ("row-start", "CREATE TABLE t (a TIMESTAMP(6) AS ROW START, b TIMESTAMP(6) AS ROW END, d INT, PERIOD FOR SYSTEM_TIME (a, b)) WITH SYSTEM VERSIONING", "CREATE TABLE t (a TIMESTAMP(6) AS ROW START, b TIMESTAMP(6) AS ROW END, d INT, c INT, PERIOD FOR SYSTEM_TIME (a, b)) WITH SYSTEM VERSIONING", "extra-column", "t.c", True),
    ("column-compressed", "CREATE TABLE t (a TEXT COMPRESSED)", "CREATE TABLE t (a TEXT)", "changed-column-storage", "t.a", False),
    ("key-block-size", "CREATE TABLE t (a INT, KEY i (a) KEY_BLOCK_SIZE=4)", "CREATE TABLE t (a INT, KEY i (a))", "changed-index-storage", "t.i", False),
    ("trigger-order", "CREATE TABLE t (a INT); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1; CREATE TRIGGER h BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 2", "CREATE TABLE t (a INT); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1; CREATE TRIGGER h BEFORE INSERT ON t FOR EACH ROW PRECEDES g SET NEW.a = 2", "changed-trigger-order", "t.g", True),
    ("partitions-one-by-one", f"{TABLE} PARTITION BY RANGE (id) (PARTITION x VALUES LESS THAN (9))", f"{TABLE} PARTITION BY RANGE (id) (PARTITION x VALUES LESS THAN (9), PARTITION y VALUES LESS THAN (99))", "changed-table-partitions", "t", False),
    ("versioned", f"{TABLE} WITH SYSTEM VERSIONING", TABLE, "changed-table-versioning", "t", True),
    ("table-renamed", "CREATE TABLE new (a INT)", "CREATE TABLE old (a INT)", "missing-table", "new", True),
    ("extra-table-in-db", TABLE, f"{TABLE}; CREATE TABLE u (a INT)", "extra-table", "u", True),
    ("view-dropped", f"{TABLE}; CREATE VIEW v AS SELECT a FROM t", TABLE, "missing-view", "v", True),
    ("extra-view", TABLE, f"{TABLE}; CREATE VIEW v AS SELECT a FROM t", "extra-view", "v", True),
    ("view-changed", f"{TABLE}; CREATE VIEW v AS SELECT a FROM t", f"{TABLE}; CREATE VIEW v AS SELECT b AS a FROM t", "changed-view-definition", "v", True),
    ("view-rights", f"{TABLE}; CREATE VIEW v AS SELECT a FROM t", f"{TABLE}; CREATE SQL SECURITY INVOKER VIEW v AS SELECT a FROM t", "changed-view-security", "v", True),
    ("trigger-in-db", TABLE, f"{TABLE}; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1", "extra-trigger", "t.g", True),
    ("trigger-changed", f"{TABLE}; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1", f"{TABLE}; CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW SET NEW.a = 1", "changed-trigger-when", "t.g", True),
    ("sequence-missing", "CREATE SEQUENCE s", TABLE, "missing-sequence", "s", True),
    ("sequence-changed", "CREATE SEQUENCE s INCREMENT BY 2", "CREATE SEQUENCE s", "changed-sequence-definition", "s", True),
    ("extra-sequence-in-db", TABLE, f"{TABLE}; CREATE SEQUENCE s", "extra-sequence", "s", False),
    ("function-missing", "CREATE FUNCTION f() RETURNS INT RETURN 1", TABLE, "missing-function", "f", True),
    ("extra-function", TABLE, f"{TABLE}; CREATE FUNCTION f() RETURNS INT RETURN 1", "extra-function", "f", False),
    ("procedure-changed", "CREATE PROCEDURE f(a INT) SELECT a", "CREATE PROCEDURE f(a INT) SELECT 1", "changed-procedure-definition", "f", True),
    ("extra-event", TABLE, f"{TABLE}; CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SET @x = 1", "extra-event", "e", False),
    ("event-changed", "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SET @x = 1", "CREATE EVENT e ON SCHEDULE EVERY 2 DAY DO SET @x = 1", "changed-event-definition", "e", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "actual", "code", "subject", "structural"),
    [row[1:] for row in OBJECTS],
    ids=[row[0] for row in OBJECTS],
)
def test_a_difference_in_an_object(
    expected: str, actual: str, code: str, subject: str, structural: bool, snapshot: Read
) -> None:
    """Tables, views, triggers, sequences, routines and events: each difference has its code and object."""
    left, right = (snapshot(*text.split("; ")) for text in (expected, actual))

    drift = find_drift(left, right, "the models")

    assert (code, subject, structural) in [(each.code, each.subject, each.structural) for each in drift]
    assert is_equal(drift) is not structural


# -- the zoo -----------------------------------------------------------------------------------------

# MariaDB refuses a check on a column that counts by itself (error 1901).
NOT_ON_MARIADB = {"nm_quotes"}
ZOO = [case for case in CASES.values() if MARIADB in case.engines and case.name not in NOT_ON_MARIADB]
if os.environ.get("SCHEMAFLOW_ZOO") != "all":
    ZOO = list(islice(ZOO, 0, None, 3))


@pytest.fixture(scope="module")
def three_databases(mariadb_server: sa.URL) -> Iterator[tuple[sa.Engine, ...]]:
    """Give engines of three databases: two for ``create_all``, one for what is restored."""
    names = [f"sf_zoo_{os.getpid()}_{letter}" for letter in "abc"]
    engines = tuple(sa.create_engine(mariadb_server.set(database=name)) for name in names)
    server = sa.create_engine(mariadb_server, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        for name in names:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield engines
        finally:
            for engine, name in zip(engines, names, strict=True):
                engine.dispose()
                connection.exec_driver_sql(f"DROP DATABASE {name}")
    server.dispose()


@pytest.mark.parametrize("case", ZOO, ids=lambda case: case.name)
def test_the_zoo_is_equal_to_itself(case: Case, three_databases: tuple[sa.Engine, ...]) -> None:
    """What create_all makes twice, and what comes back from a dump, is equal in every fact."""
    first, second, restored = three_databases
    for engine in three_databases:
        emptied(engine)
    case.metadata().create_all(first)
    case.metadata().create_all(second)
    dump_and_restore(first, restored)

    snapshot = taken(first)

    assert [each.message for each in find_drift(snapshot, taken(second), "the models")] == []
    if "nextval" not in "".join(each.definition for each in snapshot.tables):
        assert [each.message for each in find_drift(snapshot, taken(restored), "the models")] == []
        assert structure_hash(snapshot) == structure_hash(taken(restored))
    assert {table.name for table in case.metadata().tables.values()} <= {
        each.name for each in snapshot.objects
    }
    assert not any("definition" in each.facts for each in snapshot.tables)


def dump_and_restore(source: sa.Engine, target: sa.Engine) -> None:
    url = source.url
    server = ["-u", url.username or "root", *((f"-p{url.password}",) if url.password else ())]
    socket = url.query.get("unix_socket")
    server += ["-S", str(socket)] if socket else ["-h", url.host or "", "-P", str(url.port or 3306)]
    dump = ["mariadb-dump", *server, "--routines", "--events", "--triggers", str(url.database)]
    text = subprocess.run(dump, check=True, capture_output=True).stdout
    subprocess.run(["mariadb", *server, str(target.url.database)], check=True, input=text)


def test_a_default_from_a_sequence_of_another_database_is_told(
    snapshot: Read, three_databases: tuple[sa.Engine, ...]
) -> None:
    """A dump names the database that a default's sequence is in: restored elsewhere, it counts there."""
    first, _, restored = three_databases
    emptied(first)
    emptied(restored)
    with first.connect() as connection:
        connection.exec_driver_sql("CREATE SEQUENCE s")
        connection.exec_driver_sql("CREATE TABLE t (a INT DEFAULT nextval(s))")
    dump_and_restore(first, restored)

    assert told(find_drift(taken(first), taken(restored), "the models")) == [
        ("changed-column-default", "t.a")
    ]


# -- reading -----------------------------------------------------------------------------------------


DAMAGED = (
    "CREATE TABLE m (a INT) ENGINE=MyISAM",
    "CREATE TABLE whole (a INT) ENGINE=MERGE UNION=(m)",
    "DROP TABLE m",
)


def test_the_session_does_not_matter_and_is_left_as_it_was(engine: sa.Engine) -> None:
    """Quotes, escapes, time zone and format of the session change nothing, and are set back."""
    statements = (
        "CREATE TABLE t (a INT, `b``c` VARCHAR(20) DEFAULT 'it''s \\\\ \"x\"', "
        "c TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00', CHECK (`b``c` <> 'a\\\\b'))",
        "CREATE VIEW v AS SELECT a FROM t WHERE `b``c` = 'x\\\\'",
    )
    asked = "SELECT @@sql_mode, @@time_zone, @@sql_quote_show_create, @@lock_wait_timeout"
    with engine.connect() as connection:
        connection.exec_driver_sql("SET time_zone = '+00:00'")
        for statement in statements:
            connection.exec_driver_sql(statement)
        usual = take_snapshot(connection)
        connection.exec_driver_sql(
            "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,ORACLE', time_zone = '+05:00', "
            "sql_quote_show_create = 0, lock_wait_timeout = 77"
        )
        before = connection.exec_driver_sql(asked).one()
        unusual = take_snapshot(connection)

        assert connection.exec_driver_sql(asked).one() == before
        for statement in DAMAGED:
            connection.exec_driver_sql(statement)
        with pytest.raises(ConfigurationError):
            take_snapshot(connection)
        assert connection.exec_driver_sql(asked).one() == before
    assert unusual == usual
    assert "definition" not in usual.tables[0].facts


def test_strange_names_are_read(snapshot: Read) -> None:
    """Dots, quotes, percent signs, unicode, line ends and keywords in names do not disturb."""
    strange = ["a.b", "it's", 'say "hi"', "100%", "größe", "two words", "select", "a,b", "(x)", "b`t", "l\nf"]
    columns = ", ".join(f"`{name.replace('`', '``')}` INT" for name in strange)
    key = "PRIMARY KEY (`a.b`, `b``t`), UNIQUE `u,)` (`a,b`, `(x)`)"

    taken = snapshot(f"CREATE TABLE `odd ``table\"' 1.0%` ({columns}, {key})".replace("%", "%%"))

    (table,) = taken.tables
    assert table.name == "odd `table\"' 1.0%"
    assert [part.name for part in table.parts if part.kind == "column"] == strange
    assert [part.facts["columns"] for part in table.parts if part.kind != "column"] == [
        "`a.b`, `b``t`",
        "`a,b`, `(x)`",
    ]


def test_however_many_tables_the_number_of_queries_is_the_same(engine: sa.Engine) -> None:
    """All texts come with one compound statement."""
    sent: list[int] = []

    def questions(connection: sa.Connection) -> int:
        row = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Com_compound_sql'").one()
        return int(row[1])

    with engine.connect() as connection:
        for number in range(20):
            connection.exec_driver_sql(f"CREATE TABLE t{number} (a INT)")
            if number in (0, 19):
                before = questions(connection)
                take_snapshot(connection)
                sent.append(questions(connection) - before)
    assert sent == [1, 1]


def test_a_statement_is_never_longer_than_the_server_takes(engine: sa.Engine) -> None:
    """More names than go into one statement are asked for in several; the order stays."""
    with engine.connect() as connection:
        things = [Thing("TABLE", f"t{number:03}") for number in range(40)]
        for thing in things:
            connection.exec_driver_sql(f"CREATE TABLE {thing.name} (a INT)")

        texts = ask_for_texts(connection, things, 400)

    assert [text.thing for text in texts] == things
    assert all(f"CREATE TABLE `{text.thing.name}`" in text.text for text in texts)


def test_what_went_away_meanwhile_is_no_partial_snapshot(engine: sa.Engine) -> None:
    """A table that another session dropped while we read stops the reading; the session goes on."""
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INT)")
        with pytest.raises(Busy, match="table gone went away"):
            ask_for_texts(connection, [Thing("TABLE", "gone"), Thing("TABLE", "t")], 1 << 20)

        assert [each.name for each in take_snapshot(connection).tables] == ["t"]


def test_a_damaged_table_is_named(engine: sa.Engine) -> None:
    """What the server cannot open is told, with its words."""
    with engine.connect() as connection:
        for statement in DAMAGED:
            connection.exec_driver_sql(statement)

        with pytest.raises(ConfigurationError, match=r"table whole cannot be read: .*Repair or remove it"):
            take_snapshot(connection)


def test_a_view_of_a_table_that_is_gone_is_read(snapshot: Read) -> None:
    """A broken view has a text all the same."""
    whole = snapshot("CREATE TABLE t (a INT)", "CREATE VIEW v AS SELECT a FROM t")
    broken = snapshot("CREATE TABLE t (a INT)", "CREATE VIEW v AS SELECT a FROM t", "DROP TABLE t")

    (view,) = (each for each in broken.objects if each.kind == "view")
    assert view.uses == {(None, "t")}
    assert ("missing-table", "t") in told(find_drift(whole, broken, "the models"))


def test_a_view_belongs_to_the_tables_that_it_reads(snapshot: Read) -> None:
    """A view over foreign tables is foreign, also through another view; what is in no table stays."""
    taken = snapshot(
        "CREATE TABLE ours (a INT)",
        "CREATE TABLE foreign_one (a INT)",
        "CREATE SEQUENCE s",
        "CREATE VIEW v AS SELECT a FROM ours",
        "CREATE VIEW w AS SELECT a AS ours FROM foreign_one",
        "CREATE VIEW x AS SELECT v.a FROM v JOIN foreign_one USING (a)",
    )

    kept = taken.of_tables([(None, "ours")])

    assert {each.name for each in kept.objects} == {"ours", "s", "v", "x"}


def test_a_view_that_reads_another_database_keeps_its_name_only(snapshot: Read, engine: sa.Engine) -> None:
    """The server writes the own database's name there too, which is no part of the structure."""
    taken = snapshot(
        "CREATE TABLE q (a INT)",
        "CREATE FUNCTION f(a INT) RETURNS INT RETURN a",
        "CREATE VIEW v AS SELECT u.user, q.a, 'q.a' AS b FROM q, mysql.user u",
        f"CREATE VIEW w AS SELECT f({engine.url.database}.a) FROM q AS {engine.url.database}",
    )

    assert [each.facts["definition"] for each in taken.objects if each.kind == "view"] == [
        "select `u`.`User` AS `user`,`q`.`a` AS `a`,'q.a' AS `b` from (`q` join `mysql`.`user` `u`)",
        f"select `f`(`{engine.url.database}`.`a`) AS `f({engine.url.database}.a)` "
        f"from `q` `{engine.url.database}`",
    ]


def test_what_was_made_in_another_sql_mode_is_read(engine: sa.Engine) -> None:
    """Routines are printed in the mode in which they were made; how they are read is a fact."""
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE FUNCTION f() RETURNS INT RETURN 1")
        connection.exec_driver_sql(
            "CREATE AGGREGATE FUNCTION g(x INT) RETURNS INT BEGIN DECLARE CONTINUE HANDLER FOR NOT FOUND "
            "RETURN 1; LOOP FETCH GROUP NEXT ROW; END LOOP; END"
        )
        connection.exec_driver_sql("SET sql_mode = 'ORACLE'")
        connection.exec_driver_sql("CREATE PACKAGE k AS FUNCTION f RETURN INT; END")
        connection.exec_driver_sql(
            "CREATE PACKAGE BODY k AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END; END"
        )
        taken = take_snapshot(connection)

    oracle = "ANSI_QUOTES, IGNORE_SPACE, ORACLE, PIPES_AS_CONCAT"
    assert [
        (each.kind, each.facts["definition"][:22], each.facts.get("syntax")) for each in taken.objects
    ] == [
        ("function", "CREATE FUNCTION `f`() ", None),
        ("function", "CREATE AGGREGATE FUNCT", None),
        ("package", 'CREATE PACKAGE "k" AS ', oracle),
        ("package-body", 'CREATE PACKAGE BODY "k', oracle),
    ]


def test_comments_that_look_like_options_are_read(snapshot: Read) -> None:
    """What is in quotes is neither an option nor the end of anything, and the next number is nowhere."""
    odd = ") ENGINE=x AUTO_INCREMENT=5"

    taken = snapshot(
        f"CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT COMMENT '{odd},\\n  (', a INT DEFAULT 1) "
        f"COMMENT '{odd} `x`=''y''' AUTO_INCREMENT=77 ROW_FORMAT=COMPACT STATS_PERSISTENT=1"
    )

    (table,) = taken.tables
    assert table.facts == {
        "engine": "InnoDB",
        "comment": f"'{odd} `x`=''y'''",
        "storage": "ROW_FORMAT=COMPACT, STATS_PERSISTENT=1",
    }
    assert [part.name for part in table.parts] == ["id", "a", None]
    assert table.definition.count("AUTO_INCREMENT=5") == 2
    assert "AUTO_INCREMENT=77" not in table.definition


def test_a_server_without_compound_statements_is_asked_one_by_one(engine: sa.Engine) -> None:
    """What MySQL cannot do at once gives the same objects, and the same errors, with more questions."""
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INT)")
        connection.exec_driver_sql("CREATE VIEW v AS SELECT a FROM t")
        at_once = take_snapshot(connection)
        engine.dialect.is_mariadb = False
        one_by_one = take_snapshot(connection)

        assert (one_by_one.family, one_by_one.objects) == ("mysql", at_once.objects)
        with pytest.raises(Busy, match="table gone went away"):
            ask_for_texts(connection, [Thing("TABLE", "gone")], 1 << 20)


def test_a_temporary_table_is_none_of_the_structure(engine: sa.Engine) -> None:
    """It is left out; one that hides a table stops the reading."""
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INT)")
        connection.exec_driver_sql("CREATE TEMPORARY TABLE passing (a INT)")
        assert [each.name for each in take_snapshot(connection).tables] == ["t"]

        connection.exec_driver_sql("CREATE TEMPORARY TABLE t (b INT)")
        with pytest.raises(Busy, match="hides the table t"):
            take_snapshot(connection)


@pytest.fixture
def role(engine: sa.Engine) -> Iterator[sa.Engine]:
    """Give an engine of a role that may read rows only."""
    name = f"sf_{os.getpid()}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE USER {name}@'%%' IDENTIFIED BY 'secret'")
        connection.exec_driver_sql(f"GRANT SELECT, EXECUTE ON {engine.url.database}.* TO {name}@'%%'")
        role = sa.create_engine(engine.url.set(username=name, password="secret"))
        yield role
        role.dispose()
        connection.exec_driver_sql(f"DROP USER {name}@'%%'")


def test_what_a_role_may_not_read_is_told(engine: sa.Engine, role: sa.Engine) -> None:
    """A right that is wanting for a view is named; a routine that nobody shows us is there all the same."""
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INT)")
        connection.exec_driver_sql("CREATE FUNCTION f() RETURNS INT RETURN 1")
        assert told(find_drift(taken(engine), taken(role), "the models")) == [
            ("changed-function-definition", "f")
        ]

        connection.exec_driver_sql("CREATE VIEW v AS SELECT a FROM t")
        with pytest.raises(ConfigurationError, match="no right to read the view v: SHOW VIEW"):
            taken(role)


def test_a_reader_does_not_wait_for_ever(engine: sa.Engine) -> None:
    """A table that another session locks for long ends in Busy, never in a part of a snapshot."""
    with engine.connect() as other, engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INT)")
        number = other.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
        long = Thread(target=interrupted, args=(other, "CREATE OR REPLACE TABLE t AS SELECT SLEEP(60) AS a"))
        long.start()
        running = f"SELECT count(*) FROM information_schema.processlist WHERE id = {number} AND state = 'User sleep'"
        while not connection.exec_driver_sql(running).scalar():
            sleep(0.02)
        connection.exec_driver_sql("SET lock_wait_timeout = 1")
        try:
            with pytest.raises(Busy, match="A table is locked by another session"):
                take_snapshot(connection)
            with pytest.raises(Busy, match="table t is locked by another session"):
                ask_for_texts(connection, [Thing("TABLE", "t")], 1 << 20)
        finally:
            connection.exec_driver_sql(f"KILL QUERY {number}")
            long.join()


def interrupted(connection: sa.Connection, statement: str) -> None:
    with pytest.raises(sa.exc.OperationalError, match="interrupted"):
        connection.exec_driver_sql(statement)


def test_a_url_without_a_database_is_refused(engine: sa.Engine) -> None:
    """There is nothing to read then, and the message says so."""
    without = sa.create_engine(engine.url.set(database=""))

    with pytest.raises(ConfigurationError, match="names no database"):
        taken(without)
    without.dispose()


# -- texts -------------------------------------------------------------------------------------------


def test_what_mysql_prints_is_read() -> None:
    """MySQL writes newer things as comments, expressions in double parentheses, and no widths."""
    table = read_table(
        "CREATE TABLE `t` (\n"
        "  `id` int unsigned NOT NULL AUTO_INCREMENT,\n"
        "  `a` varchar(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci DEFAULT (uuid()) /*!80023 INVISIBLE */,\n"
        "  `g` int GENERATED ALWAYS AS ((`id` + 1)) VIRTUAL NOT NULL COMMENT 'a */ b',\n"
        "  `p` point DEFAULT NULL /*!80003 SRID 4326 */,\n"
        "  `d` int,\n"
        "  PRIMARY KEY (`id`),\n"
        "  KEY `fn` ((lower(`a`)) DESC) /*!80000 INVISIBLE */,\n"
        "  CONSTRAINT `t_chk_1` CHECK ((`id` > 0)) /*!80016 NOT ENFORCED */\n"
        ") ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci\n"
        "/*!50100 PARTITION BY HASH (`id`)\nPARTITIONS 4 */",
        {},
        "utf8mb4_0900_ai_ci",
    )

    assert table.facts == {"engine": "InnoDB", "partitioning": "HASH (`id`)", "partitions": "PARTITIONS 4"}
    assert [(part.kind, part.name, dict(part.facts)) for part in table.parts] == [
        ("column", "id", {"type": "int unsigned", "nullable": "no", "autoincrement": "yes", "position": "0"}),
        ("column", "a", {"type": "varchar(20)", "default": "(uuid())", "invisible": "yes", "collation": "latin1_swedish_ci", "position": "1"}),
        ("column", "g", {"type": "int", "generated": "(`id` + 1) VIRTUAL", "nullable": "no", "comment": "'a */ b'", "position": "2"}),
        ("column", "p", {"type": "point", "srid": "4326", "position": "3"}),
        ("column", "d", {"type": "int", "default": "none, not even NULL", "position": "4"}),
        ("primary-key", None, {"columns": "id"}),
        ("index", "fn", {"columns": "(lower(a)) DESC", "ignored": "yes"}),
        ("check", "t_chk_1", {"expression": "`id` > 0", "enforced": "no"}),
    ]  # fmt: skip


def test_an_older_server_leaves_the_collation_out() -> None:
    """A character set alone means its default collation."""
    table = read_table(
        "CREATE TABLE `t` (\n  `a` text CHARACTER SET utf8 DEFAULT NULL\n) ENGINE=InnoDB DEFAULT CHARSET=latin1",
        {"latin1": "latin1_swedish_ci", "utf8": "utf8_general_ci"},
        "latin1_swedish_ci",
    )

    assert "collation" not in table.facts
    assert table.parts[0].facts["collation"] == "utf8mb3_general_ci"


@pytest.mark.parametrize(
    "line",
    [
        "  `a` int(11) DEFAULT NULL BRAND NEW",
        "  `a` text CHARACTER SET klingon",
        "  KEY `i` (`a`) OUTLANDISH",
        "  FOREIGN KEY (`a`) POINTS AT `p`",
        "  CONSTRAINT `c` CHECK (`a` > 0) SOMETIMES",
        "  CONSTRAINT `c` CHECK (`a` > 0",
        "  `g` int(11) GENERATED ALWAYS AS (1) SOMETIMES",
        "  (",
    ],
)
def test_what_the_grammar_does_not_know_is_not_guessed(line: str) -> None:
    """A clause of a newer server makes the table be compared as a whole."""
    with pytest.raises(UnreadableText):
        read_table(f"CREATE TABLE `t` (\n{line}\n) ENGINE=InnoDB", {}, "utf8mb4_bin")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("SET  NEW.a =\n 'a  b' -- done\n ;", "SET NEW.a = 'a  b'"),
        ("/* one */ SELECT /*+ hint */ 1 # two", "SELECT /*+ hint */ 1"),
        ("SELECT a--1, `b  c`  ,  f (x) ", "SELECT a--1, `b  c`, f (x)"),
    ],
)
def test_normal_text(text: str, normal: str) -> None:
    """A text that a person typed has one normal form."""
    assert normal_text(text) == normal


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("nextval(`shop`.`s`)", "nextval(`s`)"),
        ("INSERT INTO shop.log VALUES ('shop.log')", "INSERT INTO log VALUES ('shop.log')"),
        ("`other`.`shop`", "`other`.`shop`"),
        ("`other`.`shop`.`a`", "`other`.`shop`.`a`"),
        ("select `shop`.`a`,`shop`.`f`(1) from `t` `shop`", "select `shop`.`a`,`f`(1) from `t` `shop`"),
    ],
)
def test_a_database_is_not_in_its_own_names(text: str, rest: str) -> None:
    """Its name is taken away where it is one, and left in texts, aliases and columns of that name."""
    assert without_database(text, "shop") == rest


def test_a_table_that_is_made_in_another_database_is_nobody_elses_concern(mariadb: str) -> None:
    """A structure is read although another database of the server has a table that is locked by its maker."""
    other = f"{sa.make_url(mariadb).database}_other"
    engine = sa.create_engine(mariadb)

    def make() -> None:
        with engine.connect() as making:
            making.exec_driver_sql(f"CREATE TABLE {other}.t AS SELECT SLEEP(4) AS a")

    with engine.connect() as reading:
        reading.exec_driver_sql(f"CREATE DATABASE {other}")
        thread = Thread(target=make)
        thread.start()
        sleep(0.5)
        began = monotonic()
        try:
            take_snapshot(reading)
            assert monotonic() - began < 2
        finally:
            thread.join()
            reading.rollback()
            reading.exec_driver_sql(f"DROP DATABASE {other}")
    engine.dispose()
