"""Each hazard on the real engines: the bad example does what is said of it, the good one does not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from hazard_cases import BAD, EVERY, GOOD, Bad, Good, body, setup
from recorders import HEAD, Recorder
from servers import EMPTY

from flask_schemaflow.hazards import (
    CODES,
    KINDS,
    RULES_FOR_FILES,
    Hazard,
    Structures,
    find_hazards,
    find_table,
)
from flask_schemaflow.probes import Answer, ask, volatile_functions
from flask_schemaflow.snapshot import Snapshot, take_snapshot

STOPS = ("destructive", "data-dependent", "failing", "blocking")
CLASSES = {each.code: {*each.classes} for each in KINDS}
SMALL = 3  # each table has four rows


class Place:
    """A database with the same few tables for every case."""

    def __init__(self, family: str, url: str, recorder: Recorder) -> None:
        self.family, self.recorder = family, recorder
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)

        self.filled: bool | None = None  # with or without links, as long as nothing has changed

    def fill(self, text: str) -> None:
        """Make the tables anew, where an example has changed them, or where this one speaks of links."""
        links = "links" in text
        if self.filled is links and self.family != "sqlite":
            return
        if self.family == "sqlite":
            Path(str(self.engine.url.database)).unlink(missing_ok=True)
        with self.engine.begin() as connection:
            EMPTY.get(self.family, lambda _: None)(connection)
            for statement in setup(self.family, links=links):
                connection.exec_driver_sql(statement)
        with self.engine.connect() as connection:
            real = take_snapshot(connection)
            schema = connection.dialect.default_schema_name
        volatile = volatile_functions(self.engine) if self.family == "postgresql" else None
        self.structures = Structures(family=self.family, real=real, default_schema=schema, volatile=volatile)
        self.filled = links

    def weighed(self, text: str) -> tuple[Hazard, ...]:
        """Find hazards, asked of the rows."""
        recorded = self.recorder.record(*body(text).split("\n"), family=self.family)
        found = find_hazards([recorded], self.structures)
        answers = [self.answer(each, self.structures) for each in found]
        return tuple(
            each.weighed(answer, STOPS, lambda _: False, small=SMALL)
            for each, answer in zip(found, answers, strict=True)
        )

    def answer(self, hazard: Hazard, structures: Structures) -> Answer | None:
        if hazard.question is None:
            return None
        if find_table(structures.real, hazard.question.table, structures) is None:
            return Answer(0, 0)
        return ask(self.engine, [hazard.question], small=SMALL)[0]

    def run(self, connection: sa.Connection, text: str, at_its_end: Callable[[], None]) -> None:
        """Run a revision's body as Alembic does; look just before a commit.

        What may stay in a transaction that is open already is not committed.
        """
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        with context.begin_transaction(_per_migration=True):
            exec(text, {"op": Operations(context), "sa": sa})
            at_its_end()


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Give a database of the family that is asked for."""
    family: str = request.param
    recorder = Recorder(tmp_path_factory.mktemp("recorder"))
    if family == "sqlite":
        yield Place(family, f"sqlite:///{tmp_path_factory.mktemp('place')}/x.db", recorder)
        return
    server = sa.create_engine(request.getfixturevalue(f"{family}_server"), isolation_level="AUTOCOMMIT")
    name = f"sf_{os.getpid()}_hazards"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    made = Place(family, server.url.set(database=name).render_as_string(hide_password=False), recorder)
    yield made
    made.engine.dispose()
    with server.connect() as connection:
        force = " WITH (FORCE)" if family == "postgresql" else ""
        connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    server.dispose()


def name_of(case: object) -> str:
    """Name an example by its finding."""
    return case.key if isinstance(case, Bad) else case.code if isinstance(case, Good) else str(case)


BAD_CASES = [(family, bad) for family in EVERY for bad in BAD if family in bad.families]
GOOD_CASES = [(family, good) for family in EVERY for good in GOOD if family in good.families]


@pytest.mark.parametrize(("place", "bad"), BAD_CASES, indirect=["place"], ids=name_of)
def test_a_bad_example_is_found_and_does_what_is_said(place: Place, bad: Bad) -> None:
    """It is found with its weight and its rows, and the real engine fails, locks, rewrites or loses."""
    place.fill(bad.body)

    found = place.weighed(bad.body)

    (hazard,) = [each for each in found if each.key == bad.key]
    assert hazard.severity.value == bad.weight, hazard
    assert bad.says in hazard.message
    with place.engine.connect() as connection:
        did = Doing(place, connection, bad.body, asserting=bad.does == "copies")
        assert did.is_so(bad.does), (bad.does, did.error)


@pytest.mark.parametrize(("place", "good"), GOOD_CASES, indirect=["place"], ids=name_of)
def test_a_good_example_is_let_through_and_does_no_harm(place: Place, good: Good) -> None:
    """Nothing stops it, and it runs without what the bad one does."""
    place.fill(good.body)

    found = place.weighed(good.body)

    assert [each for each in found if each.severity.value == "error"] == []
    warned = [each.code for each in found if each.severity.value == "warning"]
    assert good.code not in warned or CLASSES[good.code] & {*STOPS}
    with place.engine.connect() as connection:
        did = Doing(place, connection, good.body, asserting=good.never == "copies")
        assert did.error is None
        assert not good.never or not did.is_so(good.never)


class Doing:
    """What a body did to an engine."""

    def __init__(self, place: Place, connection: sa.Connection, text: str, *, asserting: bool) -> None:
        self.place, self.connection, self.body = place, connection, body(text)
        self.error: Exception | None = None
        self.before = self.files()
        self.locks: list[tuple[str, str]] = []
        self.told: list[str] = []
        if place.family == "postgresql":
            connection.exec_driver_sql("SET client_min_messages = debug1")
            raw: Any = connection.connection.dbapi_connection
            raw.add_notice_handler(lambda notice: self.told.append(str(notice.message_primary)))
        connection.commit()
        self.refused = False
        stays = place.family == "postgresql" and "autocommit" not in self.body
        if stays:
            connection.begin()
        try:
            if asserting:
                self._run_online()
            else:
                place.run(connection, self.body, self.look)
        except (sa.exc.DBAPIError, NotImplementedError) as error:
            self.error = error
            connection.rollback()
        changed = self.error is None and not self.refused
        if not stays and (changed or "\n" in self.body):
            place.filled = None

    def _run_online(self) -> None:
        """Run the statements as ones that must not copy (1845, 1846: nothing is changed then)."""
        recorded = self.place.recorder.record(*self.body.split("\n"), family=self.place.family)
        for sql in (sql for each in recorded.operations for sql in each.statements):
            online = ", ALGORITHM=INPLACE, LOCK=NONE" if sql.startswith("ALTER") else ""
            try:
                self.connection.exec_driver_sql(f"{sql}{online}")
            except sa.exc.DBAPIError as error:
                self.refused = getattr(error.orig, "args", (0,))[0] in (1845, 1846)
                if not self.refused:
                    raise

    def look(self) -> None:
        """See what is locked."""
        if self.place.family == "postgresql":
            rows = self.connection.exec_driver_sql(
                "SELECT relname, mode FROM pg_locks JOIN pg_class ON pg_class.oid = relation "
                "WHERE pid = pg_backend_pid()"
            )
            self.locks += [tuple(row) for row in rows]

    def files(self) -> dict[str, int]:
        if self.place.family != "postgresql":
            return {}
        rows = self.connection.exec_driver_sql("SELECT relname, pg_relation_filenode(oid) FROM pg_class")
        return dict(tuple(row) for row in rows)

    def is_so(self, what: str) -> bool:
        """Say whether the body did this."""
        verb, _, rest = what.partition(" ")
        return bool(getattr(self, verb)(rest))

    def fails(self, _: str) -> bool:
        return self.error is not None

    def runs(self, _: str) -> bool:
        return self.error is None

    def gives(self, rest: str) -> bool:
        query, _, value = rest.rpartition(" = ")
        return self.error is None and str(self.connection.exec_driver_sql(query).scalar()) == value

    def leaves(self, rest: str) -> bool:
        """Say what is there although the body has failed."""
        query, _, value = rest.rpartition(" = ")
        return self.error is not None and str(self.connection.exec_driver_sql(query).scalar()) == value

    def rewrites(self, table: str) -> bool:
        return self.place.family == "postgresql" and self.files()[table] != self.before[table]

    def locks_table(self, rest: str) -> bool:
        return tuple(rest.split()) in self.locks

    def scans(self, table: str) -> bool:
        """Say whether PostgreSQL looked through all rows of a table, which it tells at this level."""
        return any(f'verifying table "{table}"' in each for each in self.told)

    def copies(self, _: str) -> bool:
        """Say whether MariaDB refused to do it beside those who write."""
        return self.refused


def test_an_old_server_makes_corrupt_indexes(tmp_path: Path) -> None:
    """CONCURRENTLY is destructive on PostgreSQL 14.0 to 14.3, and on no other."""
    text = "with op.get_context().autocommit_block(): op.create_index('ix', 't', ['a'], postgresql_concurrently=True)"
    recorded = Recorder(tmp_path).record(text, family="postgresql")
    for version, codes in (((14, 3), ["index-corruption-pg14"]), ((14, 4), []), ((13, 9), [])):
        real = Snapshot(family="postgresql", server_version=version)
        found = find_hazards([recorded], Structures(family="postgresql", real=real))
        assert [each.code for each in found if "destructive" in each.classes] == codes


@pytest.mark.parametrize(
    ("head", "back", "codes"),
    [
        ("", "op.drop_table('t')", []),
        ("", "pass", ["irreversible-migration"]),
        ("from shopmodels import User\n", "op.drop_table('t')", ["app-model-import-in-migration"]),
        ("import shopmodels.user\n", "op.drop_table('t')", ["app-model-import-in-migration"]),
        ("from shoptypes import Money\n", "op.drop_table('t')", []),
    ],
)
def test_the_file_itself_is_looked_at(tmp_path: Path, head: str, back: str, codes: list[str]) -> None:
    """A way back that does nothing, and imports of models, are told to those who write it."""
    recorder = Recorder(tmp_path)
    (tmp_path / "shoptypes.py").write_text("class Money: pass\n")
    (tmp_path / "shopmodels").mkdir()
    for name in ("__init__", "user"):
        (tmp_path / "shopmodels" / f"{name}.py").write_text(
            "class User(db.Model):\n    __tablename__ = 'user'\n"
        )
    up = "def upgrade():\n    op.create_table('t', sa.Column('a', sa.Integer()))"
    recorded = recorder.record_source(f"{HEAD}{head}\n\n{up}\n\n\ndef downgrade():\n    {back}\n")

    structures = Structures(family="sqlite", real=Snapshot(family="sqlite"))
    found = find_hazards([recorded], structures, rules=RULES_FOR_FILES)

    assert [each.code for each in found] == codes


def test_every_code_has_both_examples() -> None:
    """No rule is without a bad and a good one; those of files and old servers are above."""
    elsewhere = {
        "sqlite-recreate-lost-objects",
        "sqlite-recreate-cascade-delete",
        "uninspectable-operation",
        "index-corruption-pg14",
        "irreversible-migration",
        "edited-applied-revision",
        "non-linear-history",
        "app-model-import-in-migration",
    }

    assert {each.key.partition(":")[0] for each in BAD} == set(CODES) - elsewhere
    assert {each.code for each in GOOD} == set(CODES) - elsewhere
