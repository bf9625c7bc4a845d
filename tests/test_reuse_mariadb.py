"""A copy on MariaDB is used again where a test changed rows only, and never else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
import sqlalchemy as sa

from flask_schemaflow.testing.reuse.mysql import Reusable

TEMPLATE = [
    "CREATE TABLE kinds (id int AUTO_INCREMENT PRIMARY KEY, name varchar(20), mark varchar(20), "
    "weight float, price decimal(9, 3), state enum('', 'on'), at timestamp(6) NULL, photo longblob)",
    "INSERT INTO kinds VALUES (1, 'book', 's', 1, 1.5, '', '2020-01-01', 'x')",
    "INSERT INTO kinds VALUES (2, NULL, '', 1, 1.5, '', '2020-01-01', '')",
    "CREATE TABLE pairs (a int, b int)",
    "INSERT INTO pairs VALUES (1, 1), (2, 2)",
    "CREATE TABLE `Items %` (id int AUTO_INCREMENT PRIMARY KEY, kind int REFERENCES kinds (id), "
    "size int DEFAULT 1, note text, FULLTEXT KEY (note))",
    "CREATE TABLE links (item int, FOREIGN KEY (item) REFERENCES `Items %` (id) ON DELETE CASCADE)",
    "CREATE TABLE late (id int AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 50",
    "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 2",
    "CREATE TABLE gone (id int)",
    "CREATE TRIGGER going BEFORE DELETE ON `Items %` FOR EACH ROW INSERT INTO gone VALUES (OLD.id)",
    "CREATE VIEW seen AS SELECT id, name FROM kinds",
    "CREATE SEQUENCE numbers",
    "CREATE SEQUENCE further START WITH 7 INCREMENT BY 2",
    "SELECT NEXTVAL(further)",
    "CREATE FUNCTION seven() RETURNS int RETURN 7",
]
ADD = "INSERT INTO `Items %` (kind) VALUES (1)"
PUT_BACK = [
    ["SELECT 1"],
    [ADD, ADD],
    ["BEGIN", ADD, "ROLLBACK"],
    [ADD, "UPDATE `Items %` SET size = 2", "DELETE FROM `Items %`"],
    [ADD, "INSERT INTO links VALUES (1)"],
    ["INSERT INTO late VALUES ()"],
    ["INSERT INTO parts VALUES (1), (2)"],
    ["ALTER TABLE `Items %` AUTO_INCREMENT = 40"],
    ["BEGIN", "INSERT INTO kinds (name) VALUES ('film')", "ROLLBACK"],
    ["INSERT INTO kinds (id, name) VALUES (3, 'film')", "DELETE FROM kinds WHERE id = 3"],
    ["SELECT NEXTVAL(numbers)", "SELECT NEXTVAL(further)"],
    ["SELECT SETVAL(numbers, 3000)"],
    ["CREATE TABLE more (id int)", "DROP TABLE more"],
    ["CREATE TEMPORARY TABLE more (id int)", ADD],
    ["ANALYZE TABLE kinds, `Items %`"],
]
LEFT = [
    ["INSERT INTO kinds (name) VALUES ('film')"],
    ["UPDATE kinds SET name = 'Book' WHERE id = 1"],
    ["UPDATE kinds SET name = '' WHERE id = 2"],
    ["UPDATE kinds SET name = 'books', mark = '' WHERE id = 1"],
    ["UPDATE kinds SET weight = 1.0000001 WHERE id = 1"],
    ["UPDATE kinds SET price = 1.501 WHERE id = 1"],
    ["SET sql_mode = ''", "UPDATE kinds SET state = 'neither' WHERE id = 1"],
    ["UPDATE kinds SET at = at + INTERVAL 1 MICROSECOND WHERE id = 1"],
    ["UPDATE kinds SET photo = CONCAT(photo, 'y') WHERE id = 2"],
    ["UPDATE kinds SET photo = REPEAT('x', 9000000) WHERE id = 2"],
    ["DELETE FROM kinds WHERE id = 2"],
    ["UPDATE pairs SET b = 3 - b"],
    ["DELETE FROM pairs WHERE a = 1", "INSERT INTO pairs VALUES (1, 1)"],
    ["TRUNCATE TABLE pairs"],
    ["CREATE TABLE more (id int)"],
    ["DROP TABLE parts"],
    ["RENAME TABLE parts TO pieces"],
    ["ALTER TABLE `Items %` ALTER size SET DEFAULT 2", ADD],
    ["ALTER TABLE `Items %` COMMENT 'sold'"],
    ["ALTER TABLE kinds MODIFY name varchar(20) COMMENT 'what it is'"],
    ["ALTER TABLE kinds ADD CONSTRAINT named CHECK (price < 100)"],
    ["ALTER TABLE late ENGINE = MyISAM"],
    ["ALTER TABLE parts ADD PARTITION PARTITIONS 1"],
    ["CREATE INDEX by_name ON kinds (name)"],
    ["CREATE VIEW others AS SELECT id FROM kinds"],
    ["ALTER SQL SECURITY INVOKER VIEW seen AS SELECT id, name FROM kinds"],
    ["CREATE TRIGGER coming BEFORE INSERT ON links FOR EACH ROW SET NEW.item = 1"],
    ["DROP TRIGGER going"],
    ["CREATE OR REPLACE FUNCTION seven() RETURNS int RETURN 8"],
    ["CREATE OR REPLACE FUNCTION seven(a int) RETURNS int RETURN 7"],
    ["CREATE PROCEDURE nothing() SELECT 1"],
    ["SET sql_mode = ORACLE", "CREATE PACKAGE things AS FUNCTION f RETURN int; END"],
    ["CREATE EVENT never ON SCHEDULE EVERY 1 YEAR DO SELECT 1"],
    ["CREATE SEQUENCE more"],
    ["ALTER SEQUENCE numbers INCREMENT BY 2"],
    ["DROP SEQUENCE numbers", "CREATE SEQUENCE numbers NOCACHE"],
    ["ALTER TABLE kinds ADD SYSTEM VERSIONING"],
    ["ALTER DATABASE CHARACTER SET latin1"],
    ["ALTER DATABASE COMMENT 'ours'"],
]
UNKNOWN = [
    "CREATE TABLE loose (id int) ENGINE = MyISAM",
    "CREATE TABLE loose (id int) ENGINE = Aria",
    "CREATE TABLE loose (id int) ENGINE = MEMORY",
    "CREATE TABLE kept (id int) WITH SYSTEM VERSIONING",
    "CREATE EVENT never ON SCHEDULE EVERY 1 YEAR DISABLE DO SELECT 1",
    "CREATE TABLE places (at point) AS SELECT POINT(1, 2) AS at",
    "CREATE TABLE photos (photo longblob) AS SELECT REPEAT('x', 9000000) AS photo",
]
TABLES = ("kinds", "pairs", "`Items %%`", "links", "late", "parts", "gone", "numbers", "further")


@contextmanager
def connected(url: str | sa.URL) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def run(url: str, statements: list[str]) -> None:
    """Run statements in a session of their own, which ends."""
    with connected(url) as connection:
        for each in statements:
            connection.exec_driver_sql(each.replace("%", "%%"))


@pytest.fixture
def keeper(mariadb: str) -> Iterator[sa.Connection]:
    """Give a session that is not in the copy."""
    with connected(sa.make_url(mariadb).set(database="")) as connection:
        yield connection


@pytest.fixture
def reusable(mariadb: str, keeper: sa.Connection) -> Reusable:
    run(mariadb, TEMPLATE)
    return reusable_at(keeper, mariadb)


def reusable_at(keeper: sa.Connection, url: str) -> Reusable:
    return Reusable(keeper, sa.make_url(url).database or "")


def seen(url: str) -> list[object]:
    """Tell all rows, and the next ids."""
    ids = "SELECT table_name, auto_increment FROM information_schema.tables WHERE table_schema = DATABASE()"
    with connected(url) as connection:
        rows = [connection.exec_driver_sql(f"SELECT * FROM {each}").all() for each in TABLES]
        return [*rows, sorted(tuple(row) for row in connection.exec_driver_sql(ids))]


@pytest.mark.parametrize("statements", PUT_BACK, ids="; ".join)
def test_rows_are_put_back(mariadb: str, reusable: Reusable, statements: list[str]) -> None:
    before = seen(mariadb)
    for _ in range(2):
        run(mariadb, statements)
        assert reusable.put_back()
        assert seen(mariadb) == before


@pytest.mark.parametrize("statements", LEFT, ids="; ".join)
def test_what_is_more_than_rows_is_seen(mariadb: str, reusable: Reusable, statements: list[str]) -> None:
    run(mariadb, statements)
    assert not reusable.put_back()
    assert not reusable.put_back()


@pytest.mark.parametrize("statement", UNKNOWN)
def test_what_cannot_be_known_is_not_used_again(mariadb: str, keeper: sa.Connection, statement: str) -> None:
    assert reusable_at(keeper, mariadb).put_back()
    run(mariadb, [statement])
    assert not reusable_at(keeper, mariadb).put_back()


def test_numbers_begin_anew(mariadb: str, reusable: Reusable) -> None:
    """Ids and sequences give what they gave in the first test."""
    for _ in range(3):
        with connected(mariadb) as connection:
            assert connection.exec_driver_sql(ADD.replace("%", "%%")).lastrowid == 1
            assert connection.exec_driver_sql("INSERT INTO late VALUES ()").lastrowid == 50
            assert connection.exec_driver_sql("SELECT NEXTVAL(numbers)").scalar() == 1
            assert connection.exec_driver_sql("SELECT NEXTVAL(numbers)").scalar() == 2
            assert connection.exec_driver_sql("SELECT NEXTVAL(further)").scalar() == 2007
        assert reusable.put_back()


def test_the_sessions_of_a_test_are_ended(mariadb: str, reusable: Reusable) -> None:
    """What they had not committed is gone, and so are the ids that it took."""
    before = seen(mariadb)
    engine = sa.create_engine(mariadb)
    with engine.connect() as connection:
        for _ in range(100):
            connection.exec_driver_sql(ADD.replace("%", "%%"))
        connection.exec_driver_sql("UPDATE kinds SET name = 'x'")
        assert reusable.put_back()
        with pytest.raises(sa.exc.OperationalError):
            connection.exec_driver_sql("SELECT 1")
    engine.dispose()
    assert seen(mariadb) == before


def test_an_open_transaction_from_elsewhere_is_seen(
    mariadb: str, keeper: sa.Connection, reusable: Reusable
) -> None:
    """Its session has another database, and may commit later."""
    keeper.exec_driver_sql("SET SESSION lock_wait_timeout = 1")
    engine = sa.create_engine(sa.make_url(mariadb).set(database=""))
    with engine.connect() as connection:
        connection.exec_driver_sql(f"INSERT INTO {sa.make_url(mariadb).database}.pairs VALUES (3, 3)")
        assert not reusable.put_back()
        connection.rollback()
        assert reusable.put_back()
    engine.dispose()


def test_a_prepared_transaction_is_seen(mariadb: str, keeper: sa.Connection, reusable: Reusable) -> None:
    """Its session is gone, and it may be committed later."""
    name = f"'{uuid4().hex}'"
    with connected(mariadb) as connection:
        for each in (f"XA START {name}", ADD.replace("%", "%%"), f"XA END {name}", f"XA PREPARE {name}"):
            connection.exec_driver_sql(each)
        connection.invalidate()
    try:
        assert not reusable.put_back()
    finally:
        keeper.exec_driver_sql(f"XA ROLLBACK {name}")
    assert reusable.put_back()


def test_rights_in_a_copy_are_seen(mariadb: str, keeper: sa.Connection, reusable: Reusable) -> None:
    role = f"sf_role_{uuid4().hex[:8]}"
    name = sa.make_url(mariadb).database or ""
    keeper.exec_driver_sql(f"CREATE USER {role}")
    try:
        assert reusable.put_back()
        for what in (f"`{name}`.*", "`{}`.*".format(name.replace("_", "\\_")), f"{name}.kinds"):
            keeper.exec_driver_sql(f"GRANT SELECT ON {what} TO {role}")
            assert not reusable.put_back()
            keeper.exec_driver_sql(f"REVOKE SELECT ON {what} FROM {role}")
            assert reusable.put_back()
    finally:
        keeper.exec_driver_sql(f"DROP USER {role}")


def test_who_does_not_see_all_sessions_gets_new_copies(mariadb: str, keeper: sa.Connection) -> None:
    role = f"sf_role_{uuid4().hex[:8]}"
    keeper.exec_driver_sql(f"CREATE USER {role}")
    try:
        keeper.exec_driver_sql(f"GRANT ALL ON `{sa.make_url(mariadb).database}`.* TO {role}")
        keeper.exec_driver_sql(f"GRANT SELECT ON mysql.* TO {role}")
        few = sa.make_url(mariadb).set(username=role, database="information_schema")
        with connected(few) as connection:
            assert not reusable_at(connection, mariadb).put_back()
        keeper.exec_driver_sql(f"GRANT PROCESS ON *.* TO {role}")
        with connected(few) as connection:
            assert reusable_at(connection, mariadb).put_back()
    finally:
        keeper.exec_driver_sql(f"DROP USER {role}")


def test_who_sees_other_letters_gets_new_copies(mariadb: str, keeper: sa.Connection) -> None:
    """In latin1 two texts may look the same."""
    with connected(sa.make_url(mariadb).set(database="", query={"charset": "latin1"})) as connection:
        assert not reusable_at(connection, mariadb).put_back()
    assert reusable_at(keeper, mariadb).put_back()
