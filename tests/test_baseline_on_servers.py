"""On PostgreSQL and MariaDB servers too, the baseline makes what ``create_all`` makes, by their own dumps.

A sixth of the zoo runs unless the environment has ``SCHEMAFLOW_ZOO=all``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from servers import Server
from test_baseline import run, run_and_see
from zoo import CASES, MARIADB, POSTGRESQL, SQLITE

from flask_schemaflow.baseline import Baseline, Target, draft_baseline, record_create_all
from flask_schemaflow.drift import find_drift
from flask_schemaflow.snapshot import Object, Part, Snapshot, take_snapshot

pytestmark = [
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
    # Newer SQLAlchemy warns of inherit_schema, which models still have.
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"),
]

ON_PAPER = {
    SQLITE: sa.make_url("sqlite://").get_dialect()(),
    POSTGRESQL: sa.make_url("postgresql+psycopg://").get_dialect()(),
    MARIADB: sa.make_url("mariadb+pymysql://").get_dialect()(),
}
DUMPS_WITH = {POSTGRESQL: "pg_dump", MARIADB: "mariadb-dump"}


def names_on(engine: str) -> list[str]:
    """Name the cases for an engine: all of them, or a sixth, for each engine another one."""
    names = sorted(name for name, case in CASES.items() if engine in case.engines)
    every = 1 if os.environ.get("SCHEMAFLOW_ZOO") == "all" else 6
    return names[list(DUMPS_WITH).index(engine) % every :: every]


ON_SERVERS = [(engine, name) for engine in DUMPS_WITH for name in names_on(engine)]
ON_SEVERAL = [
    (engine, name) for engine, name in ON_SERVERS if len(CASES[name].engines) > 1 and "that_asks" not in name
]


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[dict[str, Server]]:
    """Give the servers that were used so far; each is added when a test first needs it."""
    opened: dict[str, Server] = {}
    yield opened
    for each in opened.values():
        each.close()


@pytest.fixture
def place(engine: str, servers: dict[str, Server], request: pytest.FixtureRequest) -> Server:
    """Give three empty databases on the server of this engine."""
    if engine not in servers:
        url = request.getfixturevalue(f"{engine}_server")
        if shutil.which(DUMPS_WITH[engine]) is None:
            missing = f"{DUMPS_WITH[engine]} is not there."
            pytest.fail(missing) if os.environ.get("SCHEMAFLOW_TEST_ALL_ENGINES") else pytest.skip(missing)
        servers[engine] = Server(engine, url)
    servers[engine].empty()
    return servers[engine]


def draft(place: Server, metadata: sa.MetaData, *further: sa.Dialect) -> Baseline:
    """Draft for a server first, and for other engines on paper."""
    targets = [Target(dialect=place.dialect, scratch=place.scratch)]
    return draft_baseline(metadata, [*targets, *(Target(dialect=each) for each in further)])


def check(place: Server, baseline: Baseline, metadata: sa.MetaData) -> None:
    """Run a baseline, take it back, and run it again: then the dump is that of what create_all makes."""
    metadata.create_all(place.real)
    run(baseline, "upgrade", place.fresh, metadata)
    run(baseline, "downgrade", place.fresh, metadata)
    assert place.left(place.fresh) == []
    run(baseline, "upgrade", place.fresh, metadata)
    assert place.dump(place.fresh) == place.dump(place.real)


@pytest.mark.parametrize(("engine", "name"), ON_SERVERS)
def test_a_fresh_database_is_the_same(engine: str, name: str, place: Server) -> None:
    """The dumps are equal, also after a downgrade, which leaves nothing."""
    metadata = CASES[name].metadata()
    check(place, draft(place, metadata), metadata)


@pytest.mark.parametrize(("engine", "name"), ON_SERVERS)
def test_what_is_tried_only_when_it_runs(engine: str, name: str, place: Server) -> None:
    """A baseline whose simple parts are tried only when it runs is seen to send what create_all sends."""
    metadata = CASES[name].metadata()
    targets = [Target(dialect=place.dialect, scratch=place.scratch)]
    baseline = draft_baseline(metadata, targets, tries_later=True)

    sent = run_and_see(baseline, place.fresh, metadata)

    assert baseline.sends(sent, place.dialect)
    assert not baseline.sends(sent[:-1], place.dialect)


@pytest.mark.parametrize(("engine", "name"), ON_SEVERAL)
def test_a_baseline_for_several_engines_is_right_on_the_first(engine: str, name: str, place: Server) -> None:
    """With others as further targets, for which it is checked on paper, the server gets the same."""
    metadata = CASES[name].metadata()
    others = (ON_PAPER[each] for each in CASES[name].engines if each != engine)
    check(place, draft(place, metadata, *others), metadata)


@pytest.mark.parametrize("engine", DUMPS_WITH)
def test_most_of_it_is_operations(engine: str, place: Server) -> None:
    """At least nine in ten pieces are written as operations, whatever the app itself sends as SQL."""
    operations = statements = 0
    for name in names_on(engine):
        baseline = draft(place, CASES[name].metadata())
        operations += baseline.operations
        statements += baseline.statements
    assert operations / (operations + statements) >= 0.9, (operations, statements)


APPLICATIONS = [
    (engine, name) for name, case in CASES.items() if name.startswith("app_") for engine in case.engines
]


@pytest.mark.parametrize(("engine", "name"), APPLICATIONS)
def test_whole_applications_are_operations(engine: str, name: str) -> None:
    """Where many features meet in one schema, all is operations but what the app itself sends as SQL."""
    metadata = CASES[name].metadata()

    baseline = draft_baseline(metadata, [Target(dialect=ON_PAPER[engine])])

    assert len(metadata.tables) <= 25
    assert baseline.operations > len(metadata.tables)
    assert baseline.statements == len(sent_as_sql(metadata, ON_PAPER[engine]))


def sent_as_sql(metadata: sa.MetaData, dialect: sa.Dialect) -> set[str]:
    """Give what events of the app send as they have it: no operation says more than that."""
    recorded = record_create_all(metadata, dialect).statements
    return {each.sql for each in recorded if isinstance(each.element, sa.DDL | sa.TextClause)}


# -- accepted differences --------------------------------------------------------------------------

BY_HAND = {
    POSTGRESQL: (
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        "CREATE INDEX by_hand ON t USING hash (a) WHERE a > 5",
        "CREATE TRIGGER touched BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch()",
        "CREATE VIEW big AS SELECT a FROM t WHERE a > 5",
    ),
    MARIADB: (
        "CREATE INDEX by_hand ON t (s(5), a)",
        "CREATE TRIGGER touched BEFORE UPDATE ON t FOR EACH ROW SET NEW.a = 5",
        "CREATE VIEW big AS SELECT a FROM t WHERE a > 5",
    ),
}
# As the engines' own catalogs have them.
DEFINITIONS = {
    (POSTGRESQL, "index"): "SELECT pg_get_indexdef('by_hand'::regclass)",
    (POSTGRESQL, "trigger"): "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'touched'",
    (POSTGRESQL, "view"): "SELECT 'CREATE VIEW public.big AS ' || pg_get_viewdef('big'::regclass)",
    (MARIADB, "trigger"): "SHOW CREATE TRIGGER touched",
    (MARIADB, "view"): "SHOW CREATE VIEW big",
    (MARIADB, "index"): "SHOW CREATE TABLE t",
}


def models_with_touch(engine: str) -> sa.MetaData:
    metadata = sa.MetaData()
    columns = [
        sa.Column("a", sa.Integer),
        sa.Column("s", sa.String(9)),
        sa.Column("b", sa.Integer, index=True),
    ]
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), *columns)
    if engine == POSTGRESQL:
        sa.event.listen(metadata, "before_create", sa.DDL(BY_HAND[engine][0]))
    return metadata


def definition(place: Server, kind: str) -> str:
    """Ask the server for the text of what was made by hand."""
    row = place.real.exec_driver_sql(DEFINITIONS[place.name, kind]).one()
    if place.name == POSTGRESQL:
        return str(row[0])
    if kind == "index":
        return next(line.strip(" ,") for line in row[1].splitlines() if "by_hand" in line)
    return str(row[2] if kind == "trigger" else row[1])


def snapshot(family: str, *objects: Object) -> Snapshot:
    return Snapshot(family=family, objects=objects)


@pytest.mark.parametrize("engine", DUMPS_WITH)
def test_what_was_accepted_is_made_as_the_server_has_it(engine: str, place: Server) -> None:
    """An index, a trigger and a view made by hand are in the baseline, an index that is not there is not."""
    metadata = models_with_touch(engine)
    metadata.create_all(place.real)
    for statement in (*BY_HAND[engine][-3:], f"DROP INDEX ix_t_b{' ON t' * (engine == MARIADB)}"):
        place.real.exec_driver_sql(statement)
    missing = Part(kind="index", name="ix_t_b")
    parts = [
        Part(kind=kind, name=name, definition=definition(place, kind))
        for kind, name in (("index", "by_hand"), ("trigger", "touched"))
    ]
    real = snapshot(
        engine,
        Object(kind="table", name="t", parts=tuple(parts)),
        Object(kind="view", name="big", definition=definition(place, "view")),
    )
    wanted = snapshot(engine, Object(kind="table", name="t", parts=(missing,)))

    targets = [Target(dialect=place.dialect, scratch=place.scratch), Target(dialect=ON_PAPER[SQLITE])]
    targets = targets[: 1 if engine == POSTGRESQL else 2]
    differing = find_drift(wanted, real, "the models")
    baseline = draft_baseline(metadata, targets, differing=differing, real=real)
    run(baseline, "upgrade", place.fresh, metadata)

    assert place.dump(place.fresh) == place.dump(place.real)
    run(baseline, "downgrade", place.fresh, metadata)
    assert place.left(place.fresh) == []


INSIDE = {
    POSTGRESQL: (
        BY_HAND[POSTGRESQL][0],
        "CREATE TYPE size AS ENUM ('s', 'l')",
        "CREATE SEQUENCE numbers",
        "ALTER TYPE mood ADD VALUE 'odd' BEFORE 'good'",
        "ALTER TABLE owner ADD COLUMN size size DEFAULT 's', ALTER COLUMN code TYPE varchar(9)",
        "ALTER TABLE owner ADD COLUMN number bigint DEFAULT nextval('numbers')",
        "ALTER TABLE item DROP CONSTRAINT to_owner",
        "ALTER TABLE item ADD CONSTRAINT to_owner FOREIGN KEY (owner_id) REFERENCES owner (id) ON DELETE CASCADE",
        "CREATE TRIGGER touched BEFORE UPDATE ON same FOR EACH ROW EXECUTE FUNCTION touch()",
        "CREATE TRIGGER touched BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION touch()",
    ),
    MARIADB: (
        "ALTER TABLE owner MODIFY mood ENUM('bad', 'odd', 'good')",
        "ALTER TABLE owner ADD COLUMN number BIGINT DEFAULT 7, MODIFY code VARCHAR(9)",
        "ALTER TABLE item DROP FOREIGN KEY to_owner",
        "ALTER TABLE item ADD CONSTRAINT to_owner FOREIGN KEY (owner_id) REFERENCES owner (id) ON DELETE CASCADE",
        "CREATE TRIGGER `touched` BEFORE UPDATE ON `item` FOR EACH ROW SET NEW.id = OLD.id",
    ),
}


def owners_and_items() -> sa.MetaData:
    metadata = sa.MetaData()
    mood = sa.Enum("bad", "good", name="mood")
    sa.Table(
        "owner",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("code", sa.String(5), index=True),
        sa.Column("mood", mood),
    )
    to_owner = sa.ForeignKey("owner.id", name="to_owner")
    sa.Table("item", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("owner_id", to_owner))
    of_item = sa.ForeignKey("item.id", name="of_item")
    more = [sa.Column("item_id", of_item), sa.Column("mood", mood)]
    sa.Table("same", metadata, sa.Column("id", sa.Integer, primary_key=True), *more)
    return metadata


@pytest.mark.parametrize("engine", DUMPS_WITH)
def test_the_inside_of_tables_is_made_as_the_server_has_it(engine: str, place: Server) -> None:
    """Columns, types, keys and what they need are as a person has made them."""
    metadata = owners_and_items()
    for connection in (place.real, place.scratch):
        metadata.create_all(connection)
        connection.commit()
    for statement in INSIDE[engine]:
        place.real.exec_driver_sql(statement)
    real, wanted = take_snapshot(place.real), take_snapshot(place.scratch)
    differing = [each for each in find_drift(wanted, real, "the models") if each.structural]

    targets = [Target(dialect=place.dialect), Target(dialect=ON_PAPER[SQLITE])]
    baseline = draft_baseline(metadata, targets, differing=differing, real=real)
    run(baseline, "upgrade", place.fresh, metadata)

    assert place.dump(place.fresh) == place.dump(place.real)
    run(baseline, "downgrade", place.fresh, metadata)
    assert place.left(place.fresh) == []
