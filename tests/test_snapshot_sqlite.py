"""The structure of a SQLite database: what is the same, and what differs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from flask_schemaflow.drift import find_drift, is_equal
from flask_schemaflow.snapshot import Object, Part, Snapshot, folded, take_snapshot
from flask_schemaflow.snapshot.sqlite_tokens import normal_text


def snapshot(*statements: str) -> Snapshot:
    """Read a database that these statements made."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        taken = take_snapshot(connection)
    engine.dispose()
    return taken


SAME = {
    "case of keywords and white space": (
        "CREATE TABLE t (a INTEGER NOT NULL, b VARCHAR(20) DEFAULT 'x')",
        "create  table t (\n\ta integer not null,\n\tb varchar (20) default 'x')",
    ),
    "quotes of identifiers": (
        'CREATE TABLE "t" ("a" INTEGER, [b] TEXT, `key` TEXT, CHECK ("a" > 0))',
        "CREATE TABLE t (a INTEGER, b TEXT, key TEXT, CHECK (a > 0))",
    ),
    "comments": (
        "CREATE TABLE t (a INTEGER /* one */, -- two\n b TEXT)",
        "CREATE TABLE t (a INTEGER, b TEXT)",
    ),
    "outer parentheses": (
        "CREATE TABLE t (a INTEGER DEFAULT 0 CHECK (a >= 0), b DATETIME DEFAULT CURRENT_TIMESTAMP)",
        "CREATE TABLE t (a INTEGER DEFAULT (0) CHECK ((a >= 0)), b DATETIME DEFAULT (CURRENT_TIMESTAMP))",
    ),
    "where a constraint is written": (
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER UNIQUE "
        "REFERENCES p (id) ON DELETE CASCADE CHECK (a > 0))",
        "CREATE TABLE p (id INTEGER, PRIMARY KEY (id)); CREATE TABLE t (id INTEGER NOT NULL, a INTEGER, "
        "PRIMARY KEY (id), CHECK (a > 0), FOREIGN KEY (a) REFERENCES p (id) ON DELETE CASCADE, UNIQUE (a))",
    ),
    "order of constraints": (
        "CREATE TABLE t (a INTEGER, b INTEGER, UNIQUE (a), UNIQUE (b), CHECK (a > b))",
        "CREATE TABLE t (a INTEGER, b INTEGER, CHECK (a > b), UNIQUE (b), UNIQUE (a))",
    ),
    "NOT NULL of a rowid alias": (
        "CREATE TABLE t (id INTEGER NOT NULL, PRIMARY KEY (id))",
        "CREATE TABLE t (id INTEGER PRIMARY KEY)",
    ),
    "the parent's key left to be understood": (
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a INTEGER REFERENCES p)",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a INTEGER REFERENCES p (id))",
    ),
    "the default action": (
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a INTEGER REFERENCES p (id) ON DELETE NO ACTION)",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a INTEGER REFERENCES p (id))",
    ),
    "the default order of an index": (
        "CREATE TABLE t (a INTEGER); CREATE INDEX i ON t (a ASC)",
        "CREATE TABLE t (a INTEGER); CREATE INDEX i ON t (a)",
    ),
    "a column that was added later": (
        "CREATE TABLE t (a INTEGER); ALTER TABLE t ADD COLUMN b VARCHAR(5) DEFAULT 'x' NOT NULL",
        "CREATE TABLE t (a INTEGER, b VARCHAR(5) DEFAULT 'x' NOT NULL)",
    ),
    "case of the names of tables, indexes and constraints": (
        "CREATE TABLE users (id INTEGER PRIMARY KEY, a INT, CONSTRAINT uq UNIQUE (a)); "
        "CREATE TABLE t (a INT REFERENCES users); CREATE INDEX i ON t (a)",
        "CREATE TABLE Users (id INTEGER PRIMARY KEY, a INT, CONSTRAINT UQ UNIQUE (a)); "
        "CREATE TABLE T (a INT REFERENCES USERS (id)); CREATE INDEX I ON T (a)",
    ),
    "a table that was renamed": (
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a INTEGER REFERENCES p (id)); "
        "ALTER TABLE p RENAME TO q",
        "CREATE TABLE q (id INTEGER PRIMARY KEY); CREATE TABLE t (a INTEGER REFERENCES q (id))",
    ),
}


@pytest.mark.parametrize("what", SAME)
def test_the_same(what: str) -> None:
    """What does not count by SQLite's rules is no difference."""
    left, right = (snapshot(*text.split("; ")) for text in SAME[what])

    assert is_equal(find_drift(left, right, "the models"))
    assert is_equal(find_drift(right, left, "the models"))


BASE = (
    "CREATE TABLE p (id INTEGER PRIMARY KEY)",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, {columns}{constraints})",
)
COLUMN = "a VARCHAR(50)"

# The rows of drift.csv that SQLite can express: name, expected columns, actual columns, code, subject.
COLUMNS = [
    (
        "server-default-literal-changed",
        "a INT DEFAULT '1'",
        "a INT DEFAULT '2'",
        "changed-column-default",
        "t.a",
    ),
    ("server-default-added", "a INT DEFAULT 1", "a INT", "changed-column-default", "t.a"),
    ("server-default-removed", "a INT", "a INT DEFAULT 1", "changed-column-default", "t.a"),
    (
        "server-default-func-changed",
        "a INT DEFAULT CURRENT_DATE",
        "a INT DEFAULT CURRENT_TIME",
        "changed-column-default",
        "t.a",
    ),
    ("nullable-changed", "a INT NOT NULL", "a INT", "changed-column-nullable", "t.a"),
    ("string-length-50-to-100", "a VARCHAR(100)", "a VARCHAR(50)", "changed-column-type", "t.a"),
    ("numeric-10-2-to-12-4", "a NUMERIC(12, 4)", "a NUMERIC(10, 2)", "changed-column-type", "t.a"),
    ("integer-to-biginteger", "a BIGINT", "a INTEGER", "changed-column-type", "t.a"),
    ("string-to-text", "a TEXT", "a VARCHAR(50)", "changed-column-type", "t.a"),
    ("boolean-to-integer", "a INTEGER", "a BOOLEAN", "changed-column-type", "t.a"),
    ("float-to-numeric", "a NUMERIC", "a FLOAT", "changed-column-type", "t.a"),
    ("collation-changed", 'a TEXT COLLATE "NOCASE"', "a TEXT", "changed-column-collation", "t.a"),
    (
        "non-native-enum-check-value-added",
        "a TEXT, CONSTRAINT en CHECK (a IN ('x', 'y', 'z'))",
        "a TEXT, CONSTRAINT en CHECK (a IN ('x', 'y'))",
        "changed-check-expression",
        "t.en",
    ),
    ("named-check-added", "a INT, CONSTRAINT ck CHECK (a > 0)", "a INT", "missing-check", "t.ck"),
    (
        "named-check-text-changed",
        "a INT, CONSTRAINT ck CHECK (a > 1)",
        "a INT, CONSTRAINT ck CHECK (a > 0)",
        "changed-check-expression",
        "t.ck",
    ),
    ("named-check-removed", "a INT", "a INT, CONSTRAINT ck CHECK (a > 0)", "extra-check", "t.ck"),
    ("unnamed-check-added", "a INT, CHECK (a > 0)", "a INT", "missing-check", "t.check"),
    ("unnamed-unique-added", "a INT, UNIQUE (a)", "a INT", "missing-unique", "t.a"),
    ("unnamed-unique-removed", "a INT", "a INT UNIQUE", "extra-unique", "t.a"),
    (
        "unique-renamed",
        "a INT, CONSTRAINT uq_new UNIQUE (a)",
        "a INT, CONSTRAINT uq_old UNIQUE (a)",
        "changed-unique-name",
        "t.uq_new",
    ),
    (
        "fk-ondelete-added",
        "a INT REFERENCES p (id) ON DELETE CASCADE",
        "a INT REFERENCES p (id)",
        "missing-foreign-key",
        "t.a",
    ),
    (
        "fk-deferrable",
        "a INT, CONSTRAINT fk FOREIGN KEY (a) REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED",
        "a INT, CONSTRAINT fk FOREIGN KEY (a) REFERENCES p (id)",
        "changed-foreign-key-deferrable",
        "t.fk",
    ),
    (
        "fk-renamed",
        "a INT, CONSTRAINT fk_new FOREIGN KEY (a) REFERENCES p (id)",
        "a INT, CONSTRAINT fk_old FOREIGN KEY (a) REFERENCES p (id)",
        "changed-foreign-key-name",
        "t.fk_new",
    ),
    (
        "computed-expr-changed",
        "a INT, g INT AS (a * 3)",
        "a INT, g INT AS (a * 2)",
        "changed-column-generated",
        "t.g",
    ),
    (
        "computed-persisted-changed",
        "a INT, g INT AS (a * 2) STORED",
        "a INT, g INT AS (a * 2) VIRTUAL",
        "changed-column-generated",
        "t.g",
    ),
    ("computed-removed", "a INT, g INT", "a INT, g INT AS (a * 2)", "changed-column-generated", "t.g"),
    ("column-added", "a INT, b INT", "a INT", "missing-column", "t.b"),
    ("column-removed", "a INT", "a INT, b INT", "extra-column", "t.b"),
    ("on-conflict", "a INT NOT NULL ON CONFLICT FAIL", "a INT NOT NULL", "changed-column-on-conflict", "t.a"),
    (
        "inner-parentheses",
        "a INT CHECK ((a > 0) OR a IS NULL)",
        "a INT CHECK (a > 0 OR a IS NULL)",
        "missing-check",
        "t.check",
    ),
    (
        "quoted-keyword",
        'a INT CHECK ("null" IS NULL)',
        "a INT CHECK (null IS NULL)",
        "missing-check",
        "t.check",
    ),
]


@pytest.mark.parametrize(
    ("expected", "actual", "code", "subject"), [row[1:] for row in COLUMNS], ids=[row[0] for row in COLUMNS]
)
def test_a_difference_in_a_table(expected: str, actual: str, code: str, subject: str) -> None:
    """Each kind of difference is seen, with the object that has it."""
    table = "CREATE TABLE p (id INTEGER PRIMARY KEY)", "CREATE TABLE t (id INTEGER PRIMARY KEY, {})"

    drift = find_drift(
        snapshot(table[0], table[1].format(expected)),
        snapshot(table[0], table[1].format(actual)),
        "the models",
    )

    assert (code, subject) in [(each.code, each.subject) for each in drift]
    assert not is_equal(drift)
    assert all("the models" in each.message.lower() for each in drift)


TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, b TEXT)"

# name, expected statements, actual statements, code, subject, structural.
OBJECTS = [
    ("pk-columns", "CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b))", "CREATE TABLE t (a INT, b INT, PRIMARY KEY (a))", "changed-primary-key-columns", "t.primary-key", True),
    ("pk-name", "CREATE TABLE t (a INT, CONSTRAINT pk_t PRIMARY KEY (a))", "CREATE TABLE t (a INT, CONSTRAINT t_pk PRIMARY KEY (a))", "changed-primary-key-name", "t.pk_t", True),
    ("autoincrement", "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)", "CREATE TABLE t (id INTEGER PRIMARY KEY)", "changed-primary-key-autoincrement", "t.primary-key", True),
    ("rowid-alias-or-not", "CREATE TABLE t (id INTEGER PRIMARY KEY)", "CREATE TABLE t (id INT PRIMARY KEY)", "changed-column-type", "t.id", True),
    ("not-a-rowid-alias", "CREATE TABLE t (id INTEGER PRIMARY KEY DESC)", "CREATE TABLE t (id INTEGER, PRIMARY KEY (id DESC))", "changed-primary-key-inline-desc", "t.primary-key", True),
    ("strict", "CREATE TABLE t (a INT) STRICT", "CREATE TABLE t (a INT)", "changed-table-options", "t", True),
    ("without-rowid", "CREATE TABLE t (a INT PRIMARY KEY) WITHOUT ROWID", "CREATE TABLE t (a INT PRIMARY KEY)", "changed-table-options", "t", True),
    ("unique-constraint-to-unique-index", "CREATE TABLE t (a INT, UNIQUE (a))", "CREATE TABLE t (a INT); CREATE UNIQUE INDEX i ON t (a)", "missing-unique", "t.a", True),
    ("index-missing", f"{TABLE}; CREATE INDEX i ON t (a)", TABLE, "missing-index", "t.i", True),
    ("index-extra", TABLE, f"{TABLE}; CREATE INDEX i ON t (a)", "extra-index", "t.i", True),
    ("index-renamed", f"{TABLE}; CREATE INDEX i_new ON t (a)", f"{TABLE}; CREATE INDEX i_old ON t (a)", "changed-index-name", "t.i_new", True),
    ("index-desc", f"{TABLE}; CREATE INDEX i ON t (a DESC)", f"{TABLE}; CREATE INDEX i ON t (a)", "changed-index-columns", "t.i", True),
    ("index-unique", f"{TABLE}; CREATE UNIQUE INDEX i ON t (a)", f"{TABLE}; CREATE INDEX i ON t (a)", "changed-index-unique", "t.i", True),
    ("index-collation", f'{TABLE}; CREATE INDEX i ON t (b COLLATE "NOCASE")', f"{TABLE}; CREATE INDEX i ON t (b)", "changed-index-columns", "t.i", True),
    ("index-partial-where-added", f"{TABLE}; CREATE INDEX i ON t (a) WHERE a > 0", f"{TABLE}; CREATE INDEX i ON t (a)", "changed-index-where", "t.i", True),
    ("index-partial-where-changed", f"{TABLE}; CREATE INDEX i ON t (a) WHERE a > 0", f"{TABLE}; CREATE INDEX i ON t (a) WHERE a > 1", "changed-index-where", "t.i", True),
    ("expression-index-changed", f"{TABLE}; CREATE INDEX i ON t (lower(b))", f"{TABLE}; CREATE INDEX i ON t (upper(b))", "changed-index-columns", "t.i", True),
    ("expression-index-missing-in-db", f"{TABLE}; CREATE INDEX i ON t (lower(b))", TABLE, "missing-index", "t.i", True),
    ("column-order", "CREATE TABLE t (a INT, b INT)", "CREATE TABLE t (b INT, a INT)", "changed-column-position", "t.a", False),
    ("table-renamed", "CREATE TABLE new (a INT)", "CREATE TABLE old (a INT)", "missing-table", "new", True),
    ("extra-table", TABLE, f"{TABLE}; CREATE TABLE u (a INT)", "extra-table", "u", True),
    ("view-dropped", f"{TABLE}; CREATE VIEW v AS SELECT a FROM t", TABLE, "missing-view", "v", True),
    ("extra-view", TABLE, f"{TABLE}; CREATE VIEW v AS SELECT a FROM t", "extra-view", "v", True),
    ("view-changed", f"{TABLE}; CREATE VIEW v AS SELECT a FROM t", f"{TABLE}; CREATE VIEW v AS SELECT b FROM t", "changed-view-definition", "v", True),
    ("trigger-in-db", TABLE, f"{TABLE}; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END", "extra-trigger", "t.g", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "actual", "code", "subject", "structural"),
    [row[1:] for row in OBJECTS],
    ids=[row[0] for row in OBJECTS],
)
def test_a_difference_in_an_object(
    expected: str, actual: str, code: str, subject: str, structural: bool
) -> None:
    """Keys, indexes, views, triggers and tables: each difference has its code and object."""
    split = [text.replace("; END", "\x00 END").split("; ") for text in (expected, actual)]
    left, right = (snapshot(*(each.replace("\x00", ";") for each in part)) for part in split)

    drift = find_drift(left, right, "the models")

    assert (code, subject, structural) in [(each.code, each.subject, each.structural) for each in drift]
    assert is_equal(drift) is not structural


def test_a_constraint_without_a_name_equals_any_name() -> None:
    """What the models do not name may be called anything in the database; the other way round not."""
    unnamed = snapshot("CREATE TABLE t (a INT, UNIQUE (a), CHECK (a > 0))")
    named = snapshot("CREATE TABLE t (a INT, CONSTRAINT x UNIQUE (a), CONSTRAINT y CHECK (a > 0))")

    assert is_equal(find_drift(unnamed, named, "the models"))
    assert [each.code for each in find_drift(named, unnamed, "the models")] == [
        "changed-unique-name",
        "changed-check-name",
    ]


def test_a_text_that_nobody_can_read_is_compared_as_a_whole() -> None:
    """A virtual table has no columns that could be compared; its text decides, and its shadows are no tables."""
    left = snapshot("CREATE VIRTUAL TABLE words USING fts5(word, tokenize='porter')")
    right = snapshot("CREATE VIRTUAL TABLE words USING fts5(word)")

    assert [each.name for each in left.tables] == ["words"]
    assert [each.code for each in find_drift(left, right, "the models")] == ["changed-table-definition"]


@pytest.mark.parametrize(
    ("module", "own", "shadows"),
    [
        ("fts4(word)", "words_data", "content segments segdir docsize stat"),
        ("fts5(word)", "words_stat", "data idx content docsize config"),
        ("RTREE(id, a, b)", "words_config", "node rowid parent"),
    ],
)
def test_a_table_is_hidden_only_behind_its_own_kind_of_virtual_table(
    module: str, own: str, shadows: str
) -> None:
    """A table that is called like the shadow of another module is a table like any other."""
    taken = snapshot(f"CREATE VIRTUAL TABLE Words USING {module}", f"CREATE TABLE {own} (a INT)")

    assert [each.name for each in taken.tables] == ["Words", own]


def test_a_trigger_belongs_to_its_table_however_that_is_spelled() -> None:
    """SQLite keeps the table's name as the trigger spelled it."""
    body = "AFTER INSERT ON {} BEGIN SELECT 1; END"
    table = "CREATE TABLE t (a INT)"
    without = snapshot(table)
    shouted = snapshot(table, f"CREATE TRIGGER g {body.format('T')}")

    assert [each.key for each in find_drift(without, shouted, "the models")] == ["extra-trigger:t.g"]


def test_a_trigger_of_a_view_is_seen() -> None:
    """What an INSTEAD OF trigger does with what is written into a view is structure."""
    made = "CREATE TABLE t (a INT)", "CREATE VIEW v AS SELECT a FROM t"
    trigger = "CREATE TRIGGER g INSTEAD OF INSERT ON v BEGIN SELECT 1; END"

    drift = find_drift(snapshot(*made, trigger), snapshot(*made), "the models")

    assert [each.key for each in drift] == ["missing-trigger:v.g"]


def test_columns_are_compared_as_they_are_spelled() -> None:
    """A column comes back in rows as it was spelled, so that its spelling counts."""
    left, right = snapshot("CREATE TABLE t (name TEXT)"), snapshot("CREATE TABLE t (Name TEXT)")

    assert [each.key for each in find_drift(left, right, "the models")] == [
        "missing-column:t.name",
        "extra-column:t.Name",
    ]


def test_only_sqlite_ignores_the_case_of_names() -> None:
    """On other engines two spellings are two tables; on SQLite only ASCII letters are folded."""
    taken = snapshot("CREATE TABLE Users (a INT)", "CREATE TABLE \u00c4 (a INT)")
    names = [(None, "users"), (None, "\u00e4")]

    assert [each.name for each in taken.of_tables(names).objects] == ["Users"]
    assert replace(taken, family="postgresql").of_tables(names).objects == ()
    assert folded("Users", "postgresql") == "Users"


def test_strange_names_are_read() -> None:
    """Dots, quotes, percent signs, unicode, spaces and keywords in names do not disturb."""
    strange = ["a.b", "it's", 'say ""hi""', "100%", "größe", "two words", "select", "a,b", "(x)"]
    columns = ", ".join(f'"{name}" INT' for name in strange)
    taken = snapshot(f'CREATE TABLE "odd ""table"" 1.0%" ({columns}, PRIMARY KEY ("a.b", "say ""hi"""))')

    (table,) = taken.tables
    assert table.name == 'odd "table" 1.0%'
    assert [part.name for part in table.parts if part.kind == "column"] == [
        n.replace('""', '"') for n in strange
    ]
    assert "definition" not in table.facts


def test_a_view_belongs_to_the_tables_that_it_reads() -> None:
    """Views of our tables, and views of those views, are kept; views of others are not."""
    taken = snapshot(
        "CREATE TABLE ours (a INT)",
        "CREATE TABLE theirs (a INT)",
        "CREATE VIEW v AS SELECT a FROM ours",
        "CREATE VIEW w AS SELECT a FROM v",
        "CREATE VIEW x AS SELECT a FROM theirs",
    )

    assert [each.name for each in taken.of_tables([(None, "ours")]).objects] == ["ours", "v", "w"]


def test_the_number_of_queries_does_not_grow() -> None:
    """A hundred tables are read with as many queries as one."""
    counts = []
    for number in (1, 100):
        engine = sa.create_engine("sqlite://")
        queries: list[str] = []
        sa.event.listen(
            engine, "before_cursor_execute", lambda c, cu, statement, *_, seen=queries: seen.append(statement)
        )
        with engine.connect() as connection:
            for position in range(number):
                connection.exec_driver_sql(f"CREATE TABLE t{position} (id INTEGER PRIMARY KEY, a INT UNIQUE)")
            queries.clear()
            assert len(take_snapshot(connection).tables) == number
        counts.append(len(queries))
        engine.dispose()

    assert counts == [2, 2]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("a>=-1 AND b<>'x''y'", "a >= - 1 AND b <> 'x''y'"),
        ("Lower( a )||x'AB'", "Lower(a) || x'ab'"),
        ("[a b] IS NOT NULL", '"a b" IS NOT NULL'),
        ("a IN (1,2)", "a IN (1, 2)"),
    ],
)
def test_normal_text(text: str, normal: str) -> None:
    """A text has one normal form."""
    assert normal_text(text) == normal


def test_the_order_of_differences_does_not_depend_on_that_of_the_parts() -> None:
    """A stored snapshot has its parts in another order than a database gives them."""

    def table(names: str, *, backwards: bool) -> Snapshot:
        columns = [
            Part(kind="column", name=name, facts={"type": "INTEGER", "position": str(place)})
            for place, name in enumerate(names)
        ]
        checks = [Part(kind="check", name=None, named=False, facts={"expression": each}) for each in names]
        parts = [*columns, *checks]
        parts = parts[::-1] if backwards else parts
        return Snapshot(family="sqlite", objects=(Object(kind="table", name="t", parts=tuple(parts)),))

    first, *others = (
        find_drift(
            table("abcdefghijklm", backwards=one), table("nmlkjihgfedcb", backwards=other), "the models"
        )
        for one in (False, True)
        for other in (False, True)
    )

    assert len(first) > 10
    assert all(each == first for each in others)
