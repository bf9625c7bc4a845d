"""The baseline makes what ``create_all`` makes, whatever the schema."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from zoo import CASES, MARIADB, POSTGRESQL, SQLITE

from flask_schemaflow.baseline import Baseline, CannotRecord, Target, create_all_on, draft_baseline
from flask_schemaflow.drift import find_drift
from flask_schemaflow.snapshot import take_snapshot

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

ON_SQLITE = sorted(name for name, case in CASES.items() if SQLITE in case.engines)
ON_SEVERAL = [name for name in ON_SQLITE if len(CASES[name].engines) > 1 and "that_asks" not in name]
DIALECTS = {
    POSTGRESQL: sa.make_url("postgresql+psycopg://").get_dialect()(),
    MARIADB: sa.make_url("mariadb+pymysql://").get_dialect()(),
}


@pytest.fixture
def connections() -> Iterator[tuple[sa.Connection, sa.Connection, sa.Connection]]:
    """Give three empty databases: the real one, a fresh one, and scratch."""
    engines = [sa.create_engine("sqlite://") for _ in range(3)]
    opened = [engine.connect() for engine in engines]
    yield tuple(opened)  # type: ignore[misc]
    for connection, engine in zip(opened, engines, strict=True):
        connection.close()
        engine.dispose()


def run(baseline: Baseline, part: str, connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Run one function of a baseline as a revision file would."""
    context = MigrationContext.configure(connection, opts={"target_metadata": metadata})
    source = "from alembic import op\nimport sqlalchemy as sa\n" + "\n".join(baseline.imports)
    source += "\ndef function():\n" + indent(getattr(baseline, part).replace("\n    ", "\n"), "    ")
    namespace: dict[str, object] = {}
    with Operations.context(context):
        exec(source, namespace)
        namespace["function"]()  # type: ignore[operator]
    connection.commit()


def run_and_see(baseline: Baseline, connection: sa.Connection, metadata: sa.MetaData) -> list[str]:
    """Run the upgrade of a baseline and give what the driver gets."""
    sent: list[str] = []
    sa.event.listen(connection, "before_cursor_execute", lambda _c, _u, statement, *_: sent.append(statement))
    run(baseline, "upgrade", connection, metadata)
    return sent.copy()


def master(connection: sa.Connection) -> list[list[str]]:
    """Give what SQLite keeps, each statement as its sorted lines."""
    found = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'sqlite_sequence'"
    ).scalars()
    return sorted(sorted(line.strip(" ,\t") for line in sql.splitlines()) for sql in found)


@pytest.mark.parametrize("name", ON_SQLITE)
def test_a_fresh_database_is_the_same(name: str, connections: tuple[sa.Connection, ...]) -> None:
    """By ``sqlite_master`` and by our own comparison, a database from the baseline is the real one."""
    real, fresh, scratch = connections
    metadata = CASES[name].metadata()
    metadata.create_all(real)
    real.commit()

    baseline = draft_baseline(metadata, [Target(dialect=real.dialect, scratch=scratch)])
    run(baseline, "upgrade", fresh, metadata)

    assert master(fresh) == master(real)
    assert find_drift(take_snapshot(fresh), take_snapshot(real), "the baseline") == ()
    assert find_drift(take_snapshot(real), take_snapshot(fresh), "the baseline") == ()


@pytest.mark.parametrize("name", ON_SQLITE)
def test_what_is_tried_only_when_it_runs(name: str, connections: tuple[sa.Connection, ...]) -> None:
    """A baseline whose simple parts are tried only when it runs sends the same, and is seen to."""
    real, fresh, scratch = connections
    metadata = CASES[name].metadata()
    metadata.create_all(real)
    real.commit()

    baseline = draft_baseline(metadata, [Target(dialect=real.dialect, scratch=scratch)], tries_later=True)
    sent = run_and_see(baseline, fresh, metadata)

    assert baseline.sends(sent, real.dialect)
    assert master(fresh) == master(real)
    assert not baseline.sends(sent[:-1], real.dialect)
    assert not baseline.sends([*sent, "DROP TABLE t"], real.dialect)
    assert not baseline.sends([*sent[:-1], sent[-1].replace(" ", "  ", 1)], real.dialect)


@pytest.mark.parametrize("name", ON_SQLITE)
def test_the_downgrade_leaves_nothing(name: str, connections: tuple[sa.Connection, ...]) -> None:
    """After the downgrade the database is empty, and the upgrade works again."""
    _, fresh, scratch = connections
    metadata = CASES[name].metadata()
    baseline = draft_baseline(metadata, [Target(dialect=fresh.dialect, scratch=scratch)])

    run(baseline, "upgrade", fresh, metadata)
    run(baseline, "downgrade", fresh, metadata)
    assert master(fresh) == []
    run(baseline, "upgrade", fresh, metadata)


@pytest.mark.parametrize("name", ON_SEVERAL)
def test_a_baseline_for_several_engines_is_right_on_each(
    name: str, connections: tuple[sa.Connection, ...]
) -> None:
    """It sends to each dialect what create_all sends, and SQLite gets what it would get alone."""
    real, fresh, scratch = connections
    metadata = CASES[name].metadata()
    metadata.create_all(real)
    real.commit()
    targets = [Target(dialect=real.dialect, scratch=scratch)]
    targets += [Target(dialect=DIALECTS[each]) for each in CASES[name].engines if each != SQLITE]

    baseline = draft_baseline(metadata, targets)
    run(baseline, "upgrade", fresh, metadata)

    assert find_drift(take_snapshot(fresh), take_snapshot(real), "the baseline") == ()


def test_an_event_that_asks_cannot_be_known_on_paper(connections: tuple[sa.Connection, ...]) -> None:
    """What an event sends after it has asked the database is only known where there is one."""
    metadata = CASES["ev_by_function_that_asks"].metadata()
    targets = [Target(dialect=connections[2].dialect, scratch=connections[2])]
    targets.append(Target(dialect=DIALECTS[POSTGRESQL]))

    with pytest.raises(CannotRecord, match=r"events\.py:\d+: .* asks the database"):
        draft_baseline(metadata, targets)


def test_most_of_it_is_operations() -> None:
    """At least nine in ten pieces are written as operations."""
    operations = statements = 0
    for name in ON_SQLITE:
        engine = sa.create_engine("sqlite://")
        with engine.connect() as scratch:
            metadata = CASES[name].metadata()
            baseline = draft_baseline(metadata, [Target(dialect=engine.dialect, scratch=scratch)])
        engine.dispose()
        operations += baseline.operations
        statements += baseline.statements
    assert operations / (operations + statements) >= 0.9, (operations, statements)


def test_rows_that_an_event_writes_are_counted_and_left_out(connections: tuple[sa.Connection, ...]) -> None:
    """A baseline makes the structure; rows that create_all would write are not in it."""
    metadata = CASES["ev_rows"].metadata()

    baseline = draft_baseline(metadata, [Target(dialect=connections[0].dialect)])

    assert baseline.row_statements == 1
    assert "INSERT" not in baseline.upgrade


def test_a_baseline_reads_like_one_written_by_hand(connections: tuple[sa.Connection, ...]) -> None:
    """Names are final, expressions short, and nothing is there that is not needed."""
    metadata = CASES["ct_by_convention"].metadata()

    baseline = draft_baseline(metadata, [Target(dialect=connections[0].dialect)])

    assert baseline.upgrade == EXPECTED.strip().replace("\n", "\n    ")
    assert baseline.downgrade == "op.drop_table('t')\n    op.drop_table('p')"
    assert baseline.imports == frozenset()


EXPECTED = """
op.create_table(
    'p',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_p')),
)
op.create_table(
    't',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('a', sa.Integer(), nullable=True),
    sa.Column('b', sa.String(length=20), nullable=True),
    sa.Column('f', sa.Integer(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_t')),
    sa.UniqueConstraint('a', 'b', name=op.f('uq_t_a')),
    sa.CheckConstraint('a > 0', name=op.f('ck_t_positive')),
    sa.UniqueConstraint('b', name=op.f('uq_t_b')),
    sa.ForeignKeyConstraint(['f'], ['p.id'], name=op.f('fk_t_f_p')),
)
op.create_index(op.f('ix_t_a'), 't', ['a'])
"""


def test_a_baseline_for_servers_reads_like_one_written_by_hand() -> None:
    """Types come with their table, sequences with their construct; a key that nobody named is looked up."""
    metadata = sa.MetaData()
    numbers = sa.Sequence("numbers", start=100, metadata=metadata)
    color = sa.Enum("red", "green", name="color", metadata=metadata)
    key = sa.Column("id", sa.Integer, numbers, primary_key=True)
    sa.Table("t", metadata, key, sa.Column("c", color), sa.Column("u_id", sa.ForeignKey("u.id")))
    other = sa.Column("t_id", sa.ForeignKey("t.id", name="fk_u_t"))
    sa.Table("u", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("c", color), other)

    baseline = draft_baseline(metadata, [Target(dialect=DIALECTS[POSTGRESQL])])

    assert baseline.upgrade == UPGRADE_OF_SERVER.strip().replace("\n", "\n    ")
    assert baseline.downgrade == DOWNGRADE_OF_SERVER.strip().replace("\n", "\n    ")
    assert baseline.imports == {"from sqlalchemy.dialects import postgresql"}


UPGRADE_OF_SERVER = """
op.execute(postgresql.CreateEnumType(postgresql.ENUM('red', 'green', name='color')))
op.execute(sa.schema.CreateSequence(sa.Sequence('numbers', start=100)))
op.create_table(
    't',
    sa.Column('id', sa.Integer(), sa.Sequence('numbers'), nullable=False),
    sa.Column(
        'c',
        postgresql.ENUM('red', 'green', name='color', create_type=False),
        nullable=True,
    ),
    sa.Column('u_id', sa.Integer(), nullable=True),
    sa.PrimaryKeyConstraint('id'),
)
op.create_table(
    'u',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column(
        'c',
        postgresql.ENUM('red', 'green', name='color', create_type=False),
        nullable=True,
    ),
    sa.Column('t_id', sa.Integer(), nullable=True),
    sa.PrimaryKeyConstraint('id'),
)
op.create_foreign_key(None, 't', 'u', ['u_id'], ['id'])
op.create_foreign_key('fk_u_t', 'u', 't', ['t_id'], ['id'])
"""
DOWNGRADE_OF_SERVER = """
op.drop_constraint('fk_u_t', 'u', type_='foreignkey')
for key in sa.inspect(op.get_bind()).get_foreign_keys('t'):
    if key['constrained_columns'] == ['u_id']:
        op.drop_constraint(key['name'], 't', type_='foreignkey')
op.drop_table('u')
op.drop_table('t')
op.execute(sa.schema.DropSequence(sa.Sequence('numbers')))
op.execute('DROP TYPE color')
"""


def test_a_table_that_cannot_be_made_is_named() -> None:
    """What fails in ``create_all`` is told with the table at which it fails."""
    metadata = sa.MetaData()
    sa.Table("whole", metadata, sa.Column("id", sa.Integer))
    sa.Table("broken", metadata, sa.Column("id", sa.Integer, server_default=sa.text("((")))

    with sa.create_engine("sqlite://").connect() as scratch, pytest.raises(CannotRecord) as refused:
        create_all_on(metadata, scratch)

    assert "fails on an empty database, at broken: OperationalError" in str(refused.value)
