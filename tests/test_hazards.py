"""What is dangerous in a revision is found, asked of the rows, and stops the upgrade unless it is accepted."""

from __future__ import annotations

import logging
import sys
from io import StringIO
from pathlib import Path

import pytest
from recorders import EVERY, HEAD, Recorder

from flask_schemaflow.hazards import CODES, Acceptances
from flask_schemaflow.probes import Answer


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    return Recorder(tmp_path_factory.mktemp("recorder"))


# -- recording -------------------------------------------------------------------------------------


def test_operations_are_recorded_with_their_lines_and_sql(recorder: Recorder) -> None:
    """Each operation has its label, its line in the file, and the SQL of the engine."""
    recorded = recorder.record(
        "op.add_column(",
        "    'users', sa.Column('x', sa.String(5), server_default='50%')",
        ")",
        "op.execute(sa.text('UPDATE users SET x = :x').bindparams(x='%'))",
        family="postgresql",
    )

    assert [(each.line, each.label, each.statements) for each in recorded.operations] == [
        (9, "add_column users.x", ("ALTER TABLE users ADD COLUMN x VARCHAR(5) DEFAULT '50%'",)),
        (12, "execute UPDATE users SET x = '%'", ("UPDATE users SET x = '%'",)),
    ]
    assert recorded.unseen == ()


def test_a_batch_on_a_server_has_the_sql_of_its_operations(recorder: Recorder) -> None:
    """A batch that rebuilds nothing is written as ALTER TABLE."""
    body = ("with op.batch_alter_table('users') as batch:", "    batch.drop_column('name')")

    recorded = recorder.record(*body, family="mariadb")
    assert [each.label for each in recorded.operations] == ["drop_column users.name"]
    assert recorded.operations[0].statements == ("ALTER TABLE users DROP COLUMN name",)
    on_sqlite = recorder.record(*body)
    assert [(each.line, each.label) for each in on_sqlite.operations] == [
        (10, "drop_column users.name"),
        (9, "rebuild users"),
    ]


@pytest.mark.parametrize("kind", ["foreignkey", "unique", "primary", "check"])
def test_a_dropped_constraint_of_mariadb_is_written(recorder: Recorder, kind: str) -> None:
    """Alembic's own statement for it takes no options; nothing after it stays unseen."""
    recorded = recorder.record(
        f"op.drop_constraint('one', 'users', type_='{kind}')",
        "with op.batch_alter_table('users') as batch:",
        f"    batch.drop_constraint('two', type_='{kind}')",
        "op.drop_table('orders')",
        family="mariadb",
    )

    assert recorded.unseen == ()
    assert [len(each.statements) for each in recorded.operations] == [1, 1, 1]


@pytest.mark.parametrize("asked", ["str(url).startswith('sqlite')", "url.get_backend_name() == 'sqlite'"])
def test_the_url_tells_the_engine(recorder: Recorder, asked: str) -> None:
    body = ("url = op.get_bind().engine.url", f"op.drop_table('orders' if {asked} else 'users')")

    assert recorder.keys(*body)[0] == "drop-table:orders"
    assert recorder.record(*body).unseen == ()


def test_nobody_is_asked(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revision that waits for an answer from a person would wait for ever: its prompt is not seen."""
    monkeypatch.setattr("sys.stdin", StringIO("yes\n"))

    (told,) = recorder.record("input('Sure? ')", "op.drop_table('orders')").unseen
    assert "EOFError" in told.reason
    assert sys.stdin.readline() == "yes\n"


def test_what_is_sent_past_op_is_recorded_too(recorder: Recorder) -> None:
    """op.get_bind() takes statements, enum types are made by their own statements, rows are counted."""
    recorded = recorder.record(
        "bind = op.get_bind()",
        "bind.execute(sa.text('DELETE FROM orders WHERE id = :id'), {'id': 1})",
        "bind.exec_driver_sql('UPDATE users SET age = 1 WHERE name LIKE \"%%x\"')",
        "table = op.create_table('t', sa.Column('mood', sa.Enum('a', name='mood')))",
        "op.bulk_insert(table, [{'mood': 'a'}, {'mood': 'a'}])",
        "with op.get_context().autocommit_block():",
        "    op.create_index('ix', 't', ['mood'], postgresql_concurrently=True)",
        family="postgresql",
    )

    statements = [sql for each in recorded.operations for sql in each.statements]
    assert statements[:3] == [
        "DELETE FROM orders WHERE id = :id",
        'UPDATE users SET age = 1 WHERE name LIKE "%x"',
        "CREATE TYPE mood AS ENUM ('a')",
    ]
    assert statements[4:] == ["-- INSERT INTO t: 2 rows", "CREATE INDEX CONCURRENTLY ix ON t (mood)"]


@pytest.mark.parametrize(
    ("body", "reason", "rest_is_seen"),
    [
        ("rows = op.get_bind().execute(sa.text('SELECT 1')).fetchall()", "asks the database", True),
        ("for row in op.get_bind().execute(sa.select(sa.literal(1))).scalars(): pass", "asks", True),
        ("assert op.get_bind().scalar(sa.text('SELECT 1')) is None", "asks the database", True),
        ("sa.inspect(op.get_bind()).has_table('users')", "asks what is in the database (sa.inspect)", False),
        ("op.get_bind().execute(sa.text('SELECT 1')).one()", "uses .one of an answer", False),
        ("op.get_bind().connection.cursor()", "uses .connection of its connection", False),
        ("op.get_bind().engine.url.database", "uses .database of its database's URL", False),
        ("raise SystemExit('no')", "stops without one (SystemExit: no)", False),
    ],
)
def test_what_needs_a_database_is_told_and_is_no_failure(
    recorder: Recorder, body: str, reason: str, rest_is_seen: bool
) -> None:
    """A question has no answer and is noted with its line; what cannot go on without one ends the recording."""
    hazards = recorder.hazards(body, "op.drop_table('orders')")

    told = [each for each in hazards if each.code == "uninspectable-operation"]
    assert reason in told[-1].message
    assert (told[0].line, told[0].classes, told[0].subject) == (9, ("uninspectable",), "second")
    assert ("drop-table:orders" in [each.key for each in hazards]) is rest_is_seen


def test_a_revision_cannot_connect_while_it_is_recorded(recorder: Recorder, tmp_path: Path) -> None:
    """Neither an engine of its own nor the driver opens anything."""
    for way in (
        f"sa.create_engine('sqlite:///{tmp_path}/x.db').connect()",
        f"__import__('sqlite3').connect('{tmp_path}/x.db')",
    ):
        (told,) = recorder.hazards(way)
        assert "AppSessionUsed" in told.message
    assert list(tmp_path.iterdir()) == []


def test_each_bind_has_its_function(recorder: Recorder) -> None:
    """A revision for several databases is recorded for the one that is asked for."""
    source = (
        f"{HEAD}\n\ndef upgrade(engine_name):\n    globals()['upgrade_%s' % engine_name]()\n\n\n"
        "def upgrade_():\n    op.drop_table('users')\n\n\ndef upgrade_logs():\n    op.drop_table('entry')\n"
    )

    for key, label in ((None, "drop_table users"), ("logs", "drop_table entry")):
        recorded = recorder.record_source(source, key=key)
        assert [each.label for each in recorded.operations] == [label]


# -- rules: a bad and a good example each ----------------------------------------------------------

BAD = [
    ("op.drop_table('orders')", "drop-table:orders", EVERY),
    ("op.execute('DROP TABLE IF EXISTS \"orders\"')", "drop-table:orders", ("sqlite", "postgresql")),
    ("op.execute('create index i on users (name); drop table orders')", "drop-table:orders", ("postgresql",)),
    ("op.execute('DROP TABLE ORDERS')", "drop-table:ORDERS", ("sqlite", "postgresql")),
    ("op.rename_table('orders', 'old'); op.drop_table('old')", "drop-table:old", EVERY),
    ("op.execute('RENAME TABLE orders TO old'); op.drop_table('old')", "drop-table:old", ("mariadb",)),
    ("op.drop_column('users', 'name')", "drop-column:users.name", EVERY),
    ("op.execute('ALTER TABLE users DROP COLUMN name')", "drop-column:users.name", EVERY),
    ("op.alter_column('users', 'name', new_column_name='n'); op.drop_column('users', 'n')", "drop-column:users.n", ("postgresql",)),
    ("op.execute('TRUNCATE TABLE orders')", "truncate-table:orders", ("postgresql", "mariadb")),
    ("op.execute('DELETE FROM orders')", "unfiltered-data-change:orders", EVERY),
    ("op.execute('/* all */ DELETE FROM orders WHERE true')", "unfiltered-data-change:orders", EVERY),
    ("op.execute('DELETE FROM orders WHERE 1 = 1')", "unfiltered-data-change:orders", EVERY),
    ("op.execute(sa.table('orders').delete().where(sa.true()))", "unfiltered-data-change:orders", EVERY),
    ("op.execute(sa.DDL('DROP TABLE orders'))", "drop-table:orders", EVERY),
    ("sa.Table('orders', sa.MetaData()).drop(op.get_bind())", "drop-table:orders", EVERY),
    ("op.execute('UPDATE users SET age = age + 1')", "unfiltered-data-change:users", EVERY),
    ("op.execute(sa.table('users', sa.column('age')).update().values(age=1))", "unfiltered-data-change:users", EVERY),
    ("op.get_bind().execute(sa.table('orders').delete())", "unfiltered-data-change:orders", EVERY),
    ("op.execute('WITH gone AS (DELETE FROM orders RETURNING *) SELECT 1 FROM gone')", "unfiltered-data-change:orders", ("postgresql",)),
    ("op.alter_column('users', 'name', type_=sa.String(10))", "narrow-column-type:users.name", ("postgresql", "mariadb")),
    ("op.alter_column('users', 'age', type_=sa.SmallInteger())", "narrow-column-type:users.age", ("postgresql", "mariadb")),
    ("op.alter_column('users', 'price', type_=sa.Numeric(8, 2))", "narrow-column-type:users.price", ("postgresql", "mariadb")),
    ("op.alter_column('users', 'born', type_=sa.Date())", "narrow-column-type:users.born", ("postgresql", "mariadb")),
    ("op.alter_column('users', 'name', type_=sa.Integer(), postgresql_using='name::int')", "narrow-column-type:users.name", ("postgresql",)),
    ("op.execute('ALTER TABLE users ALTER COLUMN name TYPE varchar(10)')", "narrow-column-type:users.name", ("postgresql",)),
    ("op.execute('ALTER TABLE users MODIFY name VARCHAR(10)')", "narrow-column-type:users.name", ("mariadb",)),
    ("op.execute('ALTER TABLE users CHANGE name n VARCHAR(10)')", "narrow-column-type:users.name", ("mariadb",)),
    ("with op.batch_alter_table('users') as b: b.alter_column('name', type_=sa.Integer())", "narrow-column-type:users.name", ("sqlite",)),
    ("op.execute('this is no sql')", "uninspectable-operation:second", EVERY),
    ("op.execute('DO $$ BEGIN DELETE FROM users; END $$')", "uninspectable-operation:second", ("postgresql",)),
]  # fmt: skip
GOOD = [
    ("op.create_table('t', sa.Column('id', sa.Integer)); op.drop_table('t')", EVERY),
    ("op.execute('CREATE TABLE t (id INTEGER)'); op.execute('DELETE FROM t'); op.execute('DROP TABLE t')", EVERY),
    ("op.rename_table('orders', 'purchases')", EVERY),
    (
        "op.execute('CREATE TABLE new_orders (id INTEGER)'); op.execute('INSERT INTO new_orders SELECT id FROM orders'); "
        "op.execute('DROP TABLE orders'); op.execute('ALTER TABLE new_orders RENAME TO orders')",
        EVERY,
    ),
    ("op.add_column('users', sa.Column('x', sa.Integer())); op.drop_column('users', 'x')", EVERY),
    ("op.add_column('users', sa.Column('x', sa.Integer())); op.execute('UPDATE users SET x = 1')", EVERY),
    ("op.execute('ALTER TABLE users ADD COLUMN x INT'); op.execute('UPDATE users SET x = age')", EVERY),
    ("op.execute('UPDATE users SET age = 1 WHERE age IS NULL')", EVERY),
    ("op.execute(sa.text('DELETE FROM orders WHERE id = 1'))", EVERY),
    ("op.execute('DELETE FROM orders WHERE EXISTS (SELECT 1 FROM users WHERE age > 1)')", EVERY),
    ("op.get_bind().execute(sa.text('DELETE FROM orders WHERE :all'), {'all': False})", EVERY),
    ("op.execute(sa.table('orders', sa.column('id')).delete().where(sa.column('id') == 1))", EVERY),
    ("op.execute('DELETE orders FROM orders JOIN users ON users.id = user_id')", ("mariadb",)),
    ("op.alter_column('users', 'name', type_=sa.String(80))", ("postgresql", "mariadb")),
    ("op.alter_column('users', 'name', type_=sa.Text())", ("postgresql", "mariadb")),
    ("op.alter_column('users', 'price', type_=sa.Numeric(12, 2))", ("postgresql", "mariadb")),
    ("with op.batch_alter_table('orders') as b: b.alter_column('user_id', type_=sa.BigInteger())", ("sqlite",)),
    ("with op.batch_alter_table('users') as b: b.add_column(sa.Column('x', sa.Integer()))", EVERY),
    ("op.execute('CREATE TRIGGER t AFTER INSERT ON users BEGIN DELETE FROM orders; END')", ("sqlite",)),
    ("op.execute('CREATE FUNCTION f() RETURNS void AS $$ BEGIN DELETE FROM users; END $$ LANGUAGE plpgsql')", ("postgresql",)),
    ("op.execute('CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN DELETE FROM users; END $$ LANGUAGE plpgsql; CREATE TRIGGER t AFTER INSERT ON users EXECUTE FUNCTION f()')", ("postgresql",)),
    ("op.execute('CREATE FUNCTION f() RETURNS void BEGIN ATOMIC DELETE FROM users; END')", ("postgresql",)),
    ("op.execute('ALTER TABLE users ENABLE ROW LEVEL SECURITY')", ("postgresql",)),
    ("op.execute('UPDATE users SET price.a = 1, price.b = 2, age[1] = 1, age[2] = 2 WHERE id = 1')", ("postgresql",)),
    ("op.execute('INSERT INTO orders (id) VALUES (1)')", EVERY),
]  # fmt: skip


@pytest.mark.parametrize(
    ("family", "body", "key"), [(family, body, key) for body, key, families in BAD for family in families]
)
def test_bad_examples(recorder: Recorder, family: str, body: str, key: str) -> None:
    """Each is found, with its line."""
    found = recorder.hazards(*_lines(body), family=family)
    assert [each.key for each in found] == [key]
    (hazard,) = found
    assert hazard.revision == "second"
    assert hazard.line is not None


@pytest.mark.parametrize(
    ("family", "body"), [(family, body) for body, families in GOOD for family in families]
)
def test_good_examples(recorder: Recorder, family: str, body: str) -> None:
    """Nothing is found in what loses nothing."""
    assert recorder.keys(*_lines(body), family=family) == []


def _lines(body: str) -> list[str]:
    """Give each operation a line of its own, a batch apart."""
    return [body] if body.startswith("with") else body.replace("; op.", "\nop.").split("\n")


def test_the_parser_is_loaded_for_raw_sql_only(recorder: Recorder) -> None:
    """Typed operations need none, and its warnings go to nobody."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "sqlglot"]:
        del sys.modules[name]
    recorder.keys("op.drop_table('orders')", "op.execute('PRAGMA user_version = 3')")
    assert "sqlglot" not in sys.modules

    heard: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = heard.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        recorder.keys("op.execute('REPLACE INTO users SELECT * FROM users')")
    finally:
        logging.getLogger().removeHandler(handler)
    assert "sqlglot" in sys.modules
    assert heard == []


# -- weight ----------------------------------------------------------------------------------------

STOPS = ("destructive", "data-dependent", "failing", "blocking")


@pytest.mark.parametrize(
    ("answer", "fail_on", "severity", "words"),
    [
        (Answer(3, 40112), STOPS, "error", "3 of 40,112 rows"),
        (Answer(1, 1), STOPS, "error", "1 row"),
        (Answer(0, 7), STOPS, "info", "0 of 7 rows"),
        (None, STOPS, "error", "an unknown number of rows"),
        (Answer(3, 3), ("failing",), "warning", "3 rows"),
        (Answer(3, 3), (), "warning", "3 rows"),
        (Answer(0, 0), ("incompatible",), "error", "0 rows"),
        (Answer(10_001, 10_001, more=True), STOPS, "error", "more than 10,000 rows"),
    ],
)
def test_rows_and_classes_decide(
    recorder: Recorder, answer: Answer | None, fail_on: tuple[str, ...], severity: str, words: str
) -> None:
    """Without rows nothing stops, but for classes that are not about rows; no answer stops too."""
    (hazard,) = recorder.hazards("op.drop_table('orders')")

    weighed = hazard.weighed(answer, fail_on, lambda _: False, small=10_000)

    assert weighed.severity.value == severity
    assert words in weighed.message


# -- accepting in the file -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "accepted"),
    [
        (["op.drop_table('orders')  # schemaflow: accept drop-table -- moved"], True),
        (["# schemaflow: accept drop-table -- moved", "op.drop_table('orders')"], True),
        (["op.drop_table(", "    'orders',  # schemaflow: accept drop-table -- moved", ")"], True),
        (["# schemaflow: accept drop-column, drop-table -- moved", "op.drop_table('orders')"], True),
        (["# schemaflow: accept drop-table:orders -- moved", "op.drop_table('orders')"], True),
        (["# schemaflow: accept drop-table:users -- moved", "op.drop_table('orders')"], False),
        (["# schemaflow: accept drop-column -- moved", "op.drop_table('orders')"], False),
        (["# schemaflow: accept drop-table", "op.drop_table('orders')"], False),
        (["# schemaflow: accept drop-table -- moved", "", "op.drop_table('orders')"], False),
        (
            ["op.execute('SELECT 1')  # schemaflow: accept drop-table -- moved", "op.drop_table('orders')"],
            False,
        ),
        (["s = '# schemaflow: accept drop-table -- moved'", "op.drop_table('orders')"], False),
    ],
)
def test_a_comment_accepts_its_own_operation_only(
    recorder: Recorder, lines: list[str], accepted: bool
) -> None:
    """On the operation's lines or alone above it, with the code and a reason."""
    (hazard,) = recorder.hazards(*lines)

    assert Acceptances(recorder.file).accept(hazard) is accepted


@pytest.mark.parametrize(
    ("comment", "code"),
    [
        ("# schemaflow: accept drop-tabel -- moved", "acceptance-of-unknown-code"),
        ("# schemaflow: accept -- all of it", "acceptance-of-unknown-code"),
        ("# schemaflow: accept drop-table", "acceptance-without-reason"),
        ("# schemaflow: accept drop-table --", "acceptance-without-reason"),
    ],
)
def test_a_wrong_comment_is_an_error(recorder: Recorder, comment: str, code: str) -> None:
    """A comment without a reason, or with a code that there is not, is named with its line."""
    recorder.record(comment, "pass")

    (mistake,) = Acceptances(recorder.file).mistakes("second", CODES)

    assert (mistake.code, mistake.line, mistake.severity.value) == (code, 9, "error")
