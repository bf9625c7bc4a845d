"""The rights that a plan needs are asked before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from anyshop import Shop, adopted_shop
from privileges import flask_without_privileges
from projects import Project

from flask_schemaflow.recording import RecordedOperation, RecordedRevision, Sent
from flask_schemaflow.rights import needs_of

ADD_SIZE = "op.add_column('item', sa.Column('size', sa.Integer()))"
ADD_TABLE = (
    "op.create_table('part', sa.Column('id', sa.Integer(), primary_key=True),"
    " sa.Column('item_id', sa.Integer(), sa.ForeignKey('item.id')))"
)
NEEDS = [
    ("postgresql", 'ALTER TABLE "Big" ADD COLUMN serial TEXT', "own Big"),
    ("postgresql", "ALTER TABLE item ADD n BIGSERIAL", "own item, CREATE item"),
    ("postgresql", "ALTER TABLE Item ADD CONSTRAINT u UNIQUE (a)", "own item, CREATE item"),
    ("postgresql", "ALTER TABLE item ADD CONSTRAINT u UNIQUE USING INDEX ix", "own item"),
    ("postgresql", "ALTER TABLE item ADD unique_code TEXT", "own item"),
    ("postgresql", "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES s.b (id)", "own a, REFERENCES s.b"),
    ("postgresql", "CREATE UNIQUE INDEX CONCURRENTLY ix ON s.item (a)", "own s.item, CREATE s.item"),
    ("postgresql", "DROP TABLE IF EXISTS a, s.b", "DROP a, DROP s.b"),
    ("postgresql", "/* x */ UPDATE item SET a = 'DROP TABLE b' -- c", "UPDATE item"),
    ("postgresql", "CREATE TEMP TABLE t (a INT); INSERT INTO t VALUES (1)", ""),
    ("postgresql", "DROP TABLE a; CREATE TABLE a (id INT); ALTER TABLE a ADD b INT", "DROP a, CREATE a"),
    ("postgresql", "DELETE FROM a; SET ROLE other; DELETE FROM b", "DELETE a"),
    ("postgresql", "DO $$ BEGIN EXECUTE 'DROP TABLE a'; END $$", ""),
    ("mariadb", "ALTER TABLE `a b` ADD COLUMN c INT", "ALTER a b"),
    ("mariadb", "ALTER TABLE a RENAME COLUMN b TO c", "ALTER a"),
    ("mariadb", "ALTER TABLE a RENAME TO b", "ALTER a, DROP a, CREATE b, INSERT b"),
    ("mariadb", "RENAME TABLE a TO b", "ALTER a, DROP a, CREATE b, INSERT b"),
    ("mariadb", "DROP INDEX ix ON a; CREATE INDEX ix ON a (b(10))", "INDEX a"),
    ("mariadb", "CREATE TABLE a (b INT, FOREIGN KEY (b) REFERENCES c (id))", "CREATE a, REFERENCES c"),
    ("mariadb", "TRUNCATE TABLE a; INSERT INTO b SELECT * FROM c", "DROP a, INSERT b"),
    ("sqlite", "DROP TABLE a", ""),
]


@pytest.mark.parametrize(("family", "sql", "expected"), NEEDS)
def test_what_statements_need(family: str, sql: str, expected: str) -> None:
    """By what the servers asked for when each right was taken away; what cannot be read needs nothing."""
    engine = sa.create_engine("sqlite://")
    operations = tuple(
        RecordedOperation(action=Sent(each), label=each, statements=(each,), line=1)
        for each in ([sql] if sql.startswith("DO") else sql.split("; "))
    )
    revision = RecordedRevision(
        revision="second", file=Path("second.py"), dialect=engine.dialect, operations=operations, unseen=()
    )

    needs = needs_of([revision], family)

    named = (
        f"{each.table.schema}.{each.table.name}" if each.table.schema else each.table.name for each in needs
    )
    assert ", ".join(f"{each.right} {name}" for each, name in zip(needs, named, strict=True)) == expected


ROLE, OTHER = f"sf_rights_{os.getpid()}", f"sf_owners_{os.getpid()}"


@pytest.fixture
def shop(project: Project, server_database: str) -> Iterator[Shop]:
    """Give an adopted shop on each server, with a user who may do nothing there but read and write rows."""
    shop = adopted_shop(project, server_database)
    url = sa.make_url(server_database)
    shop.execute(*_forgotten(shop), *_made(shop))
    project.environment["DATABASE"] = url.set(username=ROLE, password="secret").render_as_string(False)
    yield shop
    shop.execute(*_forgotten(shop))


def _made(shop: Shop) -> tuple[str, ...]:
    if shop.family == "postgresql":
        return (
            f"CREATE ROLE {ROLE} LOGIN PASSWORD 'secret'",
            f"CREATE ROLE {OTHER}",
            f"GRANT USAGE ON SCHEMA public TO {ROLE}, {OTHER}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE}",
        )
    name = sa.make_url(shop.url).database
    return (
        f"CREATE USER {ROLE}@'%' IDENTIFIED BY 'secret'",
        f"CREATE ROLE {OTHER}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO {ROLE}@'%'",
        f"GRANT {OTHER} TO {ROLE}@'%'",
        f"SET DEFAULT ROLE {OTHER} FOR {ROLE}@'%'",
    )


def _forgotten(shop: Shop) -> tuple[str, ...]:
    """Take the roles away, which are the server's and may be left by an earlier try."""
    if shop.family == "postgresql":
        there = [
            row[0]
            for row in shop.execute(f"SELECT rolname FROM pg_roles WHERE rolname IN ('{ROLE}', '{OTHER}')")
        ]
        owned = [f"DROP OWNED BY {each} CASCADE" for each in there]
        return (*owned, *(f"DROP ROLE {each}" for each in there))
    return f"DROP USER IF EXISTS {ROLE}@'%'", f"DROP ROLE IF EXISTS {OTHER}"


def refused(shop: Shop, *arguments: str) -> str:
    """Upgrade, which is refused before anything ran, and give the last line."""
    ended = shop.upgrade(*arguments)
    assert (ended.code, ended.document["outcome"]) == (3, "refused"), ended.stderr
    assert "secret" not in ended.stderr + ended.stdout
    assert shop.versions() == ["first"]
    assert shop.execute("SELECT * FROM item") == [(1, "one"), (2, "two")]
    return ended.verdict


def grant_of(verdict: str) -> str:
    """Give the statement that the last line advises."""
    return verdict.partition("Grant it: ")[2].partition(" And ")[0]


def test_a_lack_is_named_until_nothing_lacks(shop: Shop) -> None:
    """Each refusal names the table, the role and the one statement that helps; with these it goes through."""
    shop.add("second", "first", ADD_SIZE, "op.create_index('ix_size', 'item', ['size'])")
    shop.add("third", "second", ADD_TABLE, "op.execute('DROP TABLE IF EXISTS nowhere')")
    role = ROLE if shop.family == "postgresql" else f"{ROLE}@%"
    granted = []
    for _ in range(8):
        if shop.upgrade("--dry-run", "--backup", "never").code == 0:
            break
        verdict = refused(shop, "--backup", "never")
        assert role in verdict
        granted.append(grant_of(verdict))
        shop.execute(granted[-1])

    ended = shop.upgrade("--backup", "never")

    assert ended.code == 0, ended.stderr
    assert shop.versions() == ["third"]
    if shop.family == "postgresql":
        assert granted == [f"ALTER TABLE item OWNER TO {ROLE}", f"GRANT CREATE ON SCHEMA public TO {ROLE}"]
    else:
        name = sa.make_url(shop.url).database
        assert f"GRANT ALTER, INDEX, REFERENCES ON `{name}`.`item` TO '{ROLE}'@'%'" in granted
        assert f"GRANT CREATE, DROP ON `{name}`.`schemaflow_journal` TO '{ROLE}'@'%'" in granted
        assert f"GRANT CREATE ON `{name}`.`part` TO '{ROLE}'@'%'" in granted


def test_rights_that_come_by_a_role(shop: Shop) -> None:
    """They count as one's own, also where a grant names databases by a pattern."""
    shop.add("second", "first", ADD_SIZE)
    if shop.family == "postgresql":
        shop.execute(f"ALTER TABLE item OWNER TO {OTHER}", f"GRANT {OTHER} TO {ROLE}")
    else:
        pattern = str(sa.make_url(shop.url).database).replace("_", "\\_")
        shop.execute(f"GRANT ALTER, CREATE, DROP ON `{pattern}`.* TO {OTHER}")

    ended = shop.upgrade("--backup", "never")

    assert ended.code == 0, ended.stderr


def test_a_right_can_be_accepted_as_lacking(shop: Shop) -> None:
    """What is accepted is told and stops nothing; here the server says no in its own words."""
    shop.add("second", "first", ADD_SIZE)
    if shop.family == "mariadb":
        name = sa.make_url(shop.url).database
        shop.execute(f"GRANT CREATE, DROP ON {name}.schemaflow_journal TO {ROLE}@'%'")
    refused(shop, "--backup", "never")

    ended = shop.upgrade("--backup", "never", "--accept", "missing-right:item")

    assert ended.code == 5, ended.stderr
    assert [each["severity"] for each in ended.findings("missing-right")] == ["warning"]
    assert shop.versions() == ["first"]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_that_cannot_be_written(project: Project, what: str) -> None:
    """The file or its folder is named, also by a dry run, and nothing was copied away."""
    file = project.path / "data" / "shop.db"
    file.parent.mkdir()
    shop = adopted_shop(project, f"sqlite:///{file}")
    shop.add("second", "first", ADD_SIZE)
    target, mode = (file, 0o444) if what == "file" else (file.parent, 0o555)
    before = project.files()
    target.chmod(mode)
    try:
        backups = f"--backup={'auto' if what == 'file' else 'never'}"
        both = [
            flask_without_privileges(project, "db-safe-upgrade", backups, *more)
            for more in ((), ("--dry-run",))
        ]
    finally:
        target.chmod(0o755)

    for ended in both:
        assert ended.returncode == 3, ended.stderr
        assert f"may not write {target}" in ended.stderr.splitlines()[-1]
    assert project.files() == before
