"""``flask db-backup`` and ``flask db-restore``: copies that are whole, and the way back."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from disks import mounted
from projects import Ended, Project, reading

from flask_schemaflow import BackupFailed, Busy, Refused
from flask_schemaflow.backup import (
    BackupPolicy,
    check_backup_possible,
    durability_findings,
    restore_backup,
    take_backup,
)
from flask_schemaflow.backup.arguments import connect_arguments
from flask_schemaflow.backup.manifest import manifest_path
from flask_schemaflow.backup.sqlite import restore as restore_sqlite
from flask_schemaflow.discovery import Bind
from flask_schemaflow.session import held_transaction

APP = """
    import os

    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("URI", "sqlite:///" + os.path.abspath("shop.db"))
    if "URI_2" in os.environ:
        app.config["SQLALCHEMY_BINDS"] = {"logs": os.environ["URI_2"]}
    db = SQLAlchemy(app)


    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)
"""
REAL = {name: shutil.which(name) for name in ("pg_dump", "mariadb-dump")}
# Names that a pattern, a shell or a dump could take for something else.
ODD = 'we.ird "t*b $x'
TEXT = "x;\n);\nINSERT INTO `usr` VALUES (1);\n\\.\nCOPY usr FROM stdin;\t'\""


@pytest.fixture
def shop(project: Project) -> Project:
    """Give a project whose database is not there yet, and which keeps its backups in ``kept``."""
    project.write("app.py", APP)
    project.environment["FLASK_SCHEMAFLOW_BACKUP_DIR"] = str(project.path / "kept")
    return project


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, shop: Project) -> str:
    """Lead the shop to a database of each family in turn, with rows in it."""
    url = f"sqlite:///{shop.path}/shop.db"
    if request.param != "sqlite":
        url = request.getfixturevalue(request.param)
        shop.environment["URI"] = url
    fill(url)
    return url


@pytest.fixture
def server(server_database: str, shop: Project) -> str:
    """Lead the shop to a database of each server in turn, with rows in it."""
    shop.environment["URI"] = server_database
    fill(server_database)
    return server_database


METADATA = sa.MetaData()
ODD_TABLE = sa.Table(
    ODD,
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("Na me", sa.Text),
    sa.Column("data", sa.LargeBinary),
)
PLAIN = sa.Table(
    "Ünï",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("odd", sa.ForeignKey(ODD_TABLE.c.id)),
    sa.Column("kind", sa.String(10), sa.CheckConstraint("kind IN ('a', 'b')"), server_default="a"),
)


@contextlib.contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def fill(url: str) -> None:
    """Make the tables, with rows."""
    with connected(url) as connection:
        METADATA.create_all(connection)
        rows = [{"id": n, "Na me": TEXT, "data": bytes(range(256))} for n in range(1, 51)]
        connection.execute(ODD_TABLE.insert(), rows)
        connection.execute(PLAIN.insert(), [{"id": n, "odd": n} for n in range(1, 51)])


def rows_of(url: str) -> list[Any]:
    with connected(url) as connection:
        tables = METADATA.sorted_tables
        return [connection.execute(sa.select(each).order_by(each.c.id)).all() for each in tables]


def bind_of(url: str, **options: Any) -> Bind:
    return Bind(key=None, engine=sa.create_engine(url, **options), metadata=METADATA)


def backup(project: Project, *arguments: str, **environment: str) -> Ended:
    return project.flask("db-backup", "--json", *arguments, **environment)


def restore(project: Project, file: str | Path, *arguments: str, **environment: str) -> Ended:
    return project.flask("db-restore", "--json", str(file), *arguments, **environment)


def taken(project: Project, *arguments: str, **environment: str) -> Path:
    """Take one backup and give its file."""
    ended = backup(project, *arguments, **environment)
    assert ended.code == 0, ended.stderr
    (found,) = ended.document["backups"]
    return Path(found["path"])


def kept(project: Project) -> list[str]:
    """Name everything in the folder of the backups."""
    folder = project.path / "kept"
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def program(folder: Path, name: str, script: str) -> str:
    """Write a program that is found before the real one, and give the PATH for it."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@contextlib.contextmanager
def database_named(url: str, name: str) -> Iterator[str]:
    """Give the URL of a database that is dropped at the end, whoever made it."""
    try:
        yield sa.make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
        engine.dispose()


def own_name(url: str, ending: str) -> str:
    return f"{sa.make_url(url).database}_{ending}"


# -- every engine ----------------------------------------------------------------------------------


def test_a_backup_is_verified_described_and_only_ours_to_read(shop: Project, url: str) -> None:
    """The document names file, size, hash and the command that brings it back; nobody else can read it."""
    ended = backup(shop)

    assert ended.code == 0, ended.stderr
    assert ended.document["outcome"] == "backed-up"
    (found,) = ended.document["backups"]
    file = Path(found["path"])
    manifest = json.loads(manifest_path(file).read_text(encoding="utf-8"))
    assert found["bytes"] == file.stat().st_size == manifest["bytes"]
    assert found["sha256"] == manifest["sha256"]
    assert len(found["sha256"]) == 64
    assert found["restore"].startswith(f"flask --app app db-restore {file}")
    assert (found["restore"].endswith("_restored")) == (not url.startswith("sqlite"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert kept(shop) == [file.name, f"{file.name}.json"]
    database = "shop" if url.startswith("sqlite") else sa.make_url(url).database
    assert file.name.startswith(f"{database}-2")
    assert file.stem.endswith("Z-none")


def test_a_backup_names_the_revision(shop: Project, url: str) -> None:
    """The revision in the version table is part of the name."""
    with connected(url) as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('1a2b')")

    ended = backup(shop)

    assert Path(ended.document["backups"][0]["path"]).stem.endswith("Z-1a2b")
    assert ended.document["databases"][0]["revision_before"] == "1a2b"


def test_a_backup_is_restored_for_a_test(shop: Project, url: str) -> None:
    """It is brought back on scratch and compared, and nothing of that is left."""
    ended = backup(shop, "--restore-test")

    assert ended.code == 0, ended.stderr
    assert ended.verdict.endswith("verified, and restored for a test.")
    # A container's own layer, where tests may run, is told of.
    assert {each["code"] for each in ended.document["findings"]} <= {"backup-not-durable"}


def test_the_text_says_where_it_is_and_how_to_restore_it(shop: Project, url: str) -> None:
    """Two lines a backup: the whole path with its size, and the command."""
    ended = shop.flask("db-backup")

    lines = ended.stdout.splitlines()
    assert lines[0].startswith(f"backup      {shop.path}/kept/")
    assert lines[0].endswith(" bytes)")
    assert "to restore: flask --app app db-restore " in lines[1]


def test_the_newest_are_kept(shop: Project, url: str) -> None:
    """Old ones go by what lies beside them, never by a name alone."""
    shop.environment["FLASK_SCHEMAFLOW_BACKUP_KEEP"] = "2"
    first = taken(shop)
    alike = first.with_name(first.name.replace("none", "nobody"))
    alike.write_bytes(b"mine")
    changed = taken(shop)
    with changed.open("ab") as file:
        file.write(b"something of a person's")
    elsewhere = first.with_name(first.name.replace("none", "other"))
    document = json.loads(manifest_path(first).read_text(encoding="utf-8"))
    elsewhere.write_bytes(first.read_bytes())
    manifest_path(elsewhere).write_text(
        json.dumps(document | {"file": elsewhere.name, "target": "another"}), encoding="utf-8"
    )
    output = shop.path / "kept" / "by-name"
    taken(shop, "--output", str(output))
    newest = [taken(shop), taken(shop)]

    there = {name for name in kept(shop) if not name.endswith(".json")}
    assert there == {each.name for each in (*newest, alike, changed, elsewhere, output)}


def test_an_output_is_never_written_over(shop: Project, url: str) -> None:
    """A file that is there is refused before anything ran, and stays."""
    there = shop.path / "there"
    there.write_bytes(b"mine")

    ended = backup(shop, "--output", str(there))

    assert ended.code == 3
    assert there.read_bytes() == b"mine"


def test_all_are_kept_on_demand(shop: Project, url: str) -> None:
    """With 0 none is removed."""
    shop.environment["FLASK_SCHEMAFLOW_BACKUP_KEEP"] = "0"

    names = {taken(shop).name for _ in range(7)}

    assert len(names) == 7
    assert names <= set(kept(shop))


def test_a_backup_that_was_changed_is_not_brought_back(shop: Project, url: str) -> None:
    """Its hash is compared before anything is touched."""
    file = taken(shop)
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    before = rows_of(url)

    ended = restore(shop, file)

    assert ended.code == 3
    assert "SHA-256" in ended.verdict
    assert rows_of(url) == before


def test_a_provider_takes_the_backup(shop: Project, url: str) -> None:
    """The command learns from its environment what to take, and no password; what it prints last is kept."""
    shop.environment["FLASK_SCHEMAFLOW_BACKUP_COMMAND"] = "env | grep SCHEMAFLOW_BACKUP_ >said; echo snap-17"

    ended = backup(shop)

    assert ended.code == 0, ended.stderr
    assert ended.document["backups"] == [
        {"bind": None, "path": "snap-17", "bytes": None, "sha256": None, "restore": ""}
    ]
    said = dict(line.split("=", 1) for line in (shop.path / "said").read_text().splitlines())
    assert said["SCHEMAFLOW_BACKUP_BIND"] == said["SCHEMAFLOW_BACKUP_REVISION"] == ""
    assert said["SCHEMAFLOW_BACKUP_ENGINE"] == ended.document["databases"][0]["engine"]
    assert said["SCHEMAFLOW_BACKUP_TARGET"] == ended.document["databases"][0]["target"]
    assert said["SCHEMAFLOW_BACKUP_DATABASE"] == str(sa.make_url(url).database)


def test_a_provider_that_fails_is_a_refusal(shop: Project, url: str) -> None:
    """Exit 0 is required, and what it says is shown."""
    ended = backup(shop, FLASK_SCHEMAFLOW_BACKUP_COMMAND="echo no quota >&2; exit 7")

    assert ended.code == 3
    assert ended.verdict == "Refused: SCHEMAFLOW_BACKUP_COMMAND failed (exit code 7): no quota"


# -- refused before anything ran -------------------------------------------------------------------


def test_too_large_a_backup_is_refused(shop: Project, url: str) -> None:
    """The engine is asked for the size."""
    ended = backup(shop, FLASK_SCHEMAFLOW_BACKUP_MAX_BYTES="4000")

    assert ended.code == 3
    assert "SCHEMAFLOW_BACKUP_MAX_BYTES allows 4,000" in ended.verdict
    assert kept(shop) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 256 KiB, in memory."""
    with mounted(tmp_path / "small", "size=256k") as folder:
        yield folder


def test_a_full_disk_is_noticed_before_anything_ran(shop: Project, url: str, small_disk: Path) -> None:
    """What a backup needs is compared with what is free."""
    (small_disk / "filling").write_bytes(b"x" * 240_000)

    ended = backup(shop, FLASK_SCHEMAFLOW_BACKUP_DIR=str(small_disk))

    assert ended.code == 3
    assert "free. Make room" in ended.verdict
    assert [each.name for each in small_disk.iterdir()] == ["filling"]


def test_a_disk_that_becomes_full_leaves_no_half_file(url: str, small_disk: Path) -> None:
    """The error of whoever writes is told, and what was written is gone."""
    with connected(url) as connection:
        rows = [{"id": n, "data": os.urandom(3000)} for n in range(100, 200)]
        connection.execute(ODD_TABLE.insert(), rows)
    policy = BackupPolicy(default_folder=small_disk, folder=small_disk)

    with pytest.raises(BackupFailed, match=r"full|No space left|28"):
        take_backup(bind_of(url), policy)

    assert [*small_disk.iterdir()] == []


def test_a_folder_that_cannot_be_written_is_noticed(url: str, tmp_path: Path) -> None:
    """Neither a read-only disk nor a file in the folder's place will do."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(BackupFailed, match="is a file"):
        check_backup_possible(bind_of(url), BackupPolicy(default_folder=file, folder=file / "more"))
    with mounted(tmp_path / "locked", "ro") as folder, pytest.raises(BackupFailed, match="cannot be written"):
        check_backup_possible(bind_of(url), BackupPolicy(default_folder=folder, folder=folder / "more"))


def test_a_folder_in_memory_is_said(shop: Project, url: str, small_disk: Path) -> None:
    """A backup that a restart takes away is a warning, by code and bind."""
    policy = BackupPolicy(default_folder=small_disk, folder=small_disk / "more")

    (finding,) = check_backup_possible(bind_of(url), policy)

    assert finding.key == "backup-not-durable:default"
    assert not (small_disk / "more").exists()
    assert durability_findings("default", Path("/proc")) == ()


@pytest.mark.parametrize("missing", ["dump", "restore"])
def test_a_missing_program_is_named(shop: Project, server: str, tmp_path: Path, missing: str) -> None:
    """Before anything ran, with the package that has it."""
    is_postgresql = server.startswith("postgresql")
    has_dump = program(tmp_path / "bin", "pg_dump" if is_postgresql else "mariadb-dump", "echo x 99.1")
    path = "/nowhere" if missing == "dump" else has_dump.partition(":")[0]

    ended = backup(shop, PATH=path)

    assert ended.code == 3
    wanted = {"dump": ("pg_dump", "mariadb-dump"), "restore": ("pg_restore", "mariadb")}[missing]
    assert f"The program {wanted[not is_postgresql]} is not installed" in ended.verdict
    assert "-client)" in ended.verdict
    assert kept(shop) == []


def test_too_old_a_client_is_named(shop: Project, postgresql: str, tmp_path: Path) -> None:
    """``pg_dump`` cannot read a newer server; both versions and the package are said."""
    path = program(tmp_path / "bin", "pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.24 (Debian 9.6.24-1)'")

    ended = backup(shop, URI=postgresql, PATH=path)

    assert ended.code == 3
    assert "pg_dump is of version 9 and the server of version" in ended.verdict
    assert kept(shop) == []


def test_an_engine_with_a_creator_has_no_url(shop: Project, postgresql: str) -> None:
    """Nobody knows how to connect, so it is refused with the setting that helps."""
    place = postgresql.replace("+psycopg", "")
    bind = bind_of("postgresql+psycopg://", creator=lambda: psycopg.connect(place))

    with pytest.raises(BackupFailed, match="SCHEMAFLOW_BACKUP_COMMAND"):
        check_backup_possible(bind, BackupPolicy(default_folder=shop.path))
    bind.engine.dispose()


def test_what_listeners_and_arguments_say_of_connecting_is_honoured() -> None:
    """Tokens that a listener puts in, and ``connect_args``, are among the arguments; nothing is connected."""
    engine = sa.create_engine(
        "postgresql+psycopg://u:old@[::1]:1/d?sslmode=require&host=h", connect_args={"options": "-c a=b"}
    )

    @sa.event.listens_for(engine, "do_connect")
    def token(_dialect: Any, _record: Any, _args: Any, arguments: dict[str, Any]) -> None:
        arguments["password"] = "token"

    found = connect_arguments(engine)

    assert {key: found[key] for key in ("password", "sslmode", "options", "dbname", "user")} == {
        "password": "token",
        "sslmode": "require",
        "options": "-c a=b",
        "dbname": "d",
        "user": "u",
    }


# -- SQLite ----------------------------------------------------------------------------------------

WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
print("ready", flush=True)
number = 0
while True:
    time.sleep(0.002)
    number += 1
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO one VALUES (?, randomblob(2000))", (number,))
    connection.execute("INSERT INTO two VALUES (?)", (number,))
    connection.execute("COMMIT")
"""
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN " + sys.argv[2])
connection.execute("INSERT INTO two VALUES (-1)")
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def running(source: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program beside the test until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", source, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(params=["wal", "delete"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def file(shop: Project, mode: str) -> Path:
    """Give the shop's SQLite file, in WAL mode or not, with some megabytes in it."""
    return make_file(shop.path / "shop.db", mode, 2000)


def make_file(path: Path, mode: str, rows: int) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("CREATE TABLE one (number INTEGER, data BLOB)")
        connection.execute("CREATE TABLE two (number INTEGER)")
        connection.executemany("INSERT INTO one VALUES (?, randomblob(2000))", [(n,) for n in range(rows)])
        connection.executemany("INSERT INTO two VALUES (?)", [(n,) for n in range(rows)])
    return path


def numbers(path: Path) -> tuple[str, int, int, str]:
    """Say whether a file is whole, how many rows its tables have, and hash those of the larger one."""
    # Not for reading only: what a killed process left in a journal has to be rolled back.
    with contextlib.closing(sqlite3.connect(path)) as connection:
        whole = connection.execute("PRAGMA integrity_check").fetchone()[0]
        one, total = connection.execute("SELECT count(*), hex(sum(length(data))) FROM one").fetchone()
        first = connection.execute("SELECT hex(data) FROM one ORDER BY number LIMIT 1").fetchone()[0]
        (two,) = connection.execute("SELECT count(*) FROM two").fetchone()
    return whole, one, two, f"{total}{first[:40]}"


def test_a_file_under_write_load_is_copied_as_it_is_at_one_moment(shop: Project, file: Path) -> None:
    """Another process writes pairs of rows all the time; no copy has half a pair, and it comes back equal."""
    with running(WRITER, str(file)):
        files = [taken(shop, "--restore-test"), *(taken(shop) for _ in range(4))]

    for each in files:
        whole, one, two, _ = numbers(each)
        assert (whole, one) == ("ok", two)
        assert not Path(f"{each}-wal").exists()
        with reading(each) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert numbers(files[-1])[1] > numbers(files[0])[1] >= 2000
    # The writer was killed, and may have left a journal that has to be rolled back.
    with contextlib.closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT * FROM one ORDER BY rowid").fetchall()
    ended = restore(shop, files[2])
    assert ended.code == 0, ended.stderr
    assert numbers(file) == numbers(files[2])
    (replaced,) = ended.document["backups"]
    with reading(Path(replaced["path"])) as connection:
        assert connection.execute("SELECT * FROM one ORDER BY rowid").fetchall() == rows


def test_a_backup_is_taken_beside_who_holds_the_lock_for_writing(shop: Project, file: Path) -> None:
    """It has what is committed, and nothing of the open transaction."""
    with running(HOLDER, str(file), "IMMEDIATE"):
        copy = taken(shop)

    assert numbers(copy)[:3] == ("ok", 2000, 2000)


def test_a_backup_is_taken_while_this_process_migrates(tmp_path: Path, mode: str) -> None:
    """The connection that holds the lock is another one, and keeps it."""
    path = make_file(tmp_path / "shop.db", mode, 2000)
    bind = bind_of(f"sqlite:///{path}")
    with held_transaction(bind.engine, app_listeners=True) as held:
        held.connection.exec_driver_sql("DELETE FROM two")
        found = take_backup(bind, BackupPolicy(default_folder=tmp_path))
        other = sqlite3.connect(path, timeout=0.1)
        with contextlib.closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        held.commit()

    assert numbers(Path(found.path))[:3] == ("ok", 2000, 2000)
    assert numbers(path)[:3] == ("ok", 2000, 0)


def test_a_file_that_stays_locked_is_busy(tmp_path: Path) -> None:
    """Somebody who lets nobody read ends it with 4 after a while, and nothing is left."""
    path = make_file(tmp_path / "shop.db", "delete", 1)
    policy = BackupPolicy(default_folder=tmp_path, folder=tmp_path / "kept", wait=0.1)
    with running(HOLDER, str(path), "EXCLUSIVE"), pytest.raises(Busy, match="locked"):
        take_backup(bind_of(f"sqlite:///{path}"), policy)

    assert [*(tmp_path / "kept").iterdir()] == []


def test_backups_lie_beside_the_file_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the setting a SQLite file has them beside it."""
    path = make_file(tmp_path / "shop.db", "wal", 1)

    found = take_backup(bind_of(f"sqlite:///{path}"), BackupPolicy(default_folder=Path("/nowhere")))

    assert Path(found.path).parent == tmp_path


def test_a_damaged_file_is_not_backed_up(shop: Project) -> None:
    """What SQLite finds wrong in the copy is told, and no copy is left that looks like a backup."""
    path = make_file(shop.path / "shop.db", "delete", 100)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE INDEX ix ON two (number)")
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX ix ON two (-number)' WHERE name = 'ix'"
        )

    ended = backup(shop)

    assert ended.code == 3
    assert "damaged" in ended.verdict
    assert kept(shop) == []


def test_rows_that_point_at_nothing_do_not_stop_a_backup(shop: Project) -> None:
    """They are in the file as they are in the copy."""
    path = make_file(shop.path / "shop.db", "wal", 1)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE child (id INTEGER REFERENCES parent)")
        connection.execute("INSERT INTO child VALUES (7)")

    assert backup(shop).code == 0


def test_functions_of_the_app_are_there_while_a_copy_is_verified(tmp_path: Path) -> None:
    """An index on a collation of the app's own can be checked only with it."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/shop.db")

    @sa.event.listens_for(engine, "connect")
    def collation(connection: Any, _record: Any) -> None:
        connection.create_collation("mine", lambda one, other: (one > other) - (one < other))
        connection.execute("PRAGMA journal_mode=WAL")

    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (name TEXT COLLATE mine UNIQUE)")
        connection.exec_driver_sql("INSERT INTO t VALUES ('b'), ('a')")
    bind = Bind(key=None, engine=engine, metadata=sa.MetaData())

    found = take_backup(bind, BackupPolicy(default_folder=tmp_path))
    restored = restore_backup(bind, Path(found.path), BackupPolicy(default_folder=tmp_path))

    assert restored.kept is not None
    engine.dispose()


def test_a_restore_keeps_what_it_replaces(shop: Project, file: Path, mode: str) -> None:
    """The content is that of the backup, the mode of the journal stays, and the way back is printed."""
    copy = taken(shop)
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TABLE two")
        connection.execute("CREATE TABLE three (x)")

    ended = restore(shop, copy, FLASK_SCHEMAFLOW_BACKUP_KEEP="1")

    assert ended.code == 0, ended.stderr
    assert ended.document["outcome"] == "restored"
    assert numbers(file) == numbers(copy)
    with reading(file) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == (mode,)
    (replaced,) = ended.document["backups"]
    assert copy.exists()
    again = restore(shop, replaced["path"])
    assert again.code == 0, again.stderr
    with reading(file) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert names == {"one", "three"}


def test_a_file_that_is_gone_is_made_again(shop: Project, file: Path) -> None:
    """There is nothing to be kept then."""
    copy = taken(shop)
    for each in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
        each.unlink(missing_ok=True)

    ended = restore(shop, copy)

    assert ended.code == 0, ended.stderr
    assert numbers(file) == numbers(copy)
    assert ended.document["backups"] == []


def test_what_cannot_be_kept_is_not_replaced(shop: Project, file: Path) -> None:
    """A damaged file stays where it is, and it is said what to do."""
    copy = taken(shop)
    for each in (Path(f"{file}-wal"), Path(f"{file}-shm")):
        each.unlink(missing_ok=True)
    file.write_bytes(b"this is no database" * 1000)
    before = kept(shop)

    ended = restore(shop, copy)

    assert ended.code == 3
    assert f"move {file} away" in ended.verdict
    assert file.read_bytes().startswith(b"this is no database")
    assert kept(shop) == before


def test_a_restore_waits_for_who_writes_and_gives_up(shop: Project, file: Path) -> None:
    """4 after the time that was given, and everything is as it was."""
    copy = taken(shop)
    before = numbers(file)
    with running(HOLDER, str(file), "IMMEDIATE"):
        ended = restore(shop, copy, "--wait", "1")
    assert ended.code == 4
    assert "locked by another process" in ended.verdict
    assert numbers(file) == before
    assert restore(shop, copy, "--wait", "1").code == 0


def test_what_is_written_before_the_lock_is_kept_too(tmp_path: Path, mode: str) -> None:
    """Whoever writes after the copy and before the lock is noticed, and the copy is made again."""
    live = make_file(tmp_path / "shop.db", mode, 5)
    other = make_file(tmp_path / "backup.sqlite3", "delete", 3)
    calls = []

    def keep() -> None:
        calls.append(1)
        if len(calls) < 3:
            with contextlib.closing(sqlite3.connect(live)) as connection, connection:
                connection.execute("INSERT INTO two VALUES (99)")

    restore_sqlite(sa.create_engine(f"sqlite:///{live}"), other, keep, show=lambda _done, _total: None)

    assert len(calls) == 3
    assert numbers(live) == numbers(other)


def has_content(file: Path) -> bool:
    """Say whether a file is there and not empty; it may go at any moment."""
    with contextlib.suppress(FileNotFoundError):
        return file.stat().st_size > 0
    return False


def test_a_restore_that_is_killed_leaves_the_old_or_the_new_content(shop: Project, mode: str) -> None:
    """SIGKILL at many moments: never a mixture, and the next restore goes through."""
    file = make_file(shop.path / "shop.db", mode, 3000)
    old = numbers(file)
    other = make_file(shop.path / "other.sqlite3", "delete", 4000)
    new = numbers(other)
    before = taken(shop)
    trace = Path(f"{file}-wal" if mode == "wal" else f"{file}-journal")
    for round_ in range(8):
        assert restore(shop, before).code == 0
        child = shop.start("db-restore", str(other))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not has_content(trace):
            time.sleep(0.001)
        time.sleep(round_ * 0.03)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        shop.zygote.wait()

        assert numbers(file) in (old, new)
    assert restore(shop, other).code == 0
    assert numbers(file) == new


def test_a_restore_is_stopped_before_its_last_page_or_not_at_all(shop: Project, mode: str) -> None:
    """Ctrl-C and SIGTERM at many moments: what the command says is what the database is."""
    file = make_file(shop.path / "shop.db", mode, 3000)
    old = numbers(file)
    other = make_file(shop.path / "other.sqlite3", "delete", 4000)
    new = numbers(other)
    before = taken(shop)
    for round_ in range(6):
        assert restore(shop, before).code == 0
        files = set(kept(shop))
        child = shop.start("db-restore", "--json", str(other))
        time.sleep(0.2 + round_ * 0.15)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGINT if round_ % 2 else signal.SIGTERM)
        ended = shop.zygote.wait()

        assert ended.code in (0, 4, -signal.SIGTERM, 1)
        if ended.code == 0:
            assert numbers(file) == new
            assert set(kept(shop)) > files
        else:
            assert numbers(file) == old
            # What was to be kept may be there by then: whole, with its manifest.
            more = {each for each in set(kept(shop)) - files if not each.endswith(".json")}
            assert all(f"{each}.json" in kept(shop) for each in more)
            assert all(numbers(shop.path / "kept" / each) == old for each in more)


def test_a_part_of_a_file_cannot_be_backed_up(shop: Project) -> None:
    """A SQLite file is copied whole."""
    make_file(shop.path / "shop.db", "wal", 1)

    assert backup(shop, "--table", "one").code == 2


def test_several_databases_are_backed_up_and_known_again(shop: Project) -> None:
    """All binds by default; the manifest says to which a backup belongs."""
    first = make_file(shop.path / "shop.db", "wal", 1)
    second = make_file(shop.path / "logs.db", "wal", 2)
    shop.environment["URI_2"] = f"sqlite:///{second}"

    ended = backup(shop)

    assert [each["bind"] for each in ended.document["backups"]] == [None, "logs"]
    with contextlib.closing(sqlite3.connect(second)) as connection, connection:
        connection.execute("DELETE FROM one")
    logs = Path(ended.document["backups"][1]["path"])
    assert restore(shop, logs).code == 0
    assert [numbers(each)[1] for each in (first, second)] == [1, 2]
    manifest_path(logs).unlink()
    assert restore(shop, logs).code == 2
    assert restore(shop, logs, "--bind", "logs").code == 0
    assert [each["bind"] for each in backup(shop, "--bind", "logs").document["backups"]] == ["logs"]
    assert backup(shop, "--bind", "nobody").code == 2


def test_a_missing_file_is_no_backup(shop: Project) -> None:
    """Nothing is made where there is no database."""
    ended = backup(shop)

    assert ended.code == 3
    assert not (shop.path / "shop.db").exists()
    assert kept(shop) == []


# -- servers ---------------------------------------------------------------------------------------


def test_a_server_is_restored_into_a_new_database(shop: Project, server: str) -> None:
    """Every row comes back there; the real one is left alone and cannot be named."""
    file = taken(shop)
    before = rows_of(server)
    with connected(server) as connection:
        connection.execute(PLAIN.delete())

    assert restore(shop, file).code == 2
    refused = restore(shop, file, "--into", str(sa.make_url(server).database))
    assert refused.code == 3
    assert "the app's own database" in refused.verdict
    name = own_name(server, "new")
    with database_named(server, name) as url:
        ended = restore(shop, file, "--into", name)
        assert ended.code == 0, ended.stderr
        assert rows_of(url) == before
        again = restore(shop, file, "--into", name)
        assert again.code == 3
        assert "is not empty" in again.verdict
    assert rows_of(server)[1] == []


def test_a_restore_that_fails_leaves_no_database(shop: Project, server: str) -> None:
    """A dump that ends in its middle is brought back nowhere."""
    file = taken(shop)
    manifest_path(file).unlink()
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 2 // 3])
    name = own_name(server, "half")

    with database_named(server, name) as url:
        ended = restore(shop, file, "--into", name)

        assert ended.code == 3, ended.stderr
        with pytest.raises(sa.exc.OperationalError), connected(url):
            pass


def test_single_tables_are_restored_beside_the_real_ones(shop: Project, server: str) -> None:
    """Their rows are in new tables, names that need quoting too, and the real ones stay as they are."""
    file = taken(shop, "--table", ODD, "--table", "Ünï")
    before = rows_of(server)
    with connected(server) as connection:
        connection.execute(PLAIN.delete())
        connection.execute(ODD_TABLE.delete())

    ended = restore(shop, file)

    assert ended.code == 0, ended.stderr
    with connected(server) as connection:
        names = sorted(each for each in sa.inspect(connection).get_table_names() if "__restored_" in each)
        assert [each.partition("__restored_")[0] for each in names] == sorted([ODD, "Ünï"])
        for name, rows in zip(names, sorted(before, key=lambda rows: len(rows[0]) == 3), strict=True):
            del rows
            original = PLAIN if name.startswith("Ünï") else ODD_TABLE
            copy = sa.table(name, *(sa.column(column.name, column.type) for column in original.columns))
            found = connection.execute(sa.select(copy).order_by(copy.c.id)).all()
            assert found == before[METADATA.sorted_tables.index(original)]
    assert rows_of(server) == [[], []]


def test_a_dump_of_tables_has_no_other_table(shop: Project, server: str) -> None:
    """A name is no pattern."""
    with connected(server) as connection:
        quoted = connection.dialect.identifier_preparer.quote_identifier('we.ird "txb $x')
        connection.exec_driver_sql(f"CREATE TABLE {quoted} (id int)")
    file = taken(shop, "--table", ODD)

    assert [["public" if server.startswith("postgresql") else None, ODD]] == json.loads(
        manifest_path(file).read_text(encoding="utf-8")
    )["tables"]
    listing = file.read_bytes()
    if server.startswith("postgresql"):
        listing = subprocess.run(["pg_restore", "--list", str(file)], capture_output=True, check=True).stdout
    assert b"txb" not in listing
    assert backup(shop, "--table", "nobody").code == 2


def test_a_dump_without_all_tables_is_no_backup(shop: Project, server: str, tmp_path: Path) -> None:
    """A program that leaves something out and ends with 0 is found out."""
    if server.startswith("postgresql"):
        path = program(tmp_path / "bin", "pg_dump", f'exec {REAL["pg_dump"]} "$@" --exclude-table="Ün*"')
    else:
        database = sa.make_url(server).database
        path = program(
            tmp_path / "bin",
            "mariadb-dump",
            f'first="$1"; shift; exec {REAL["mariadb-dump"]} "$first" --ignore-table={database}.Ünï "$@"',
        )

    ended = backup(shop, PATH=path)

    assert ended.code == 3
    assert "Ünï" in ended.verdict
    assert kept(shop) == []


def test_a_stopped_dump_leaves_nothing(shop: Project, server: str, tmp_path: Path) -> None:
    """Ctrl-C and SIGTERM end the program and what it started, and the half file is gone."""
    name = "pg_dump" if server.startswith("postgresql") else "mariadb-dump"
    running_now = tmp_path / "running"
    path = program(
        tmp_path / "bin",
        name,
        f'case "$*" in *--version*) exec {REAL[name]} --version;; esac\n'
        f"sleep 300 & echo $! >{running_now}; echo half; wait",
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        running_now.unlink(missing_ok=True)
        child = shop.start("db-backup", PATH=path)
        deadline = time.monotonic() + 20
        while not (running_now.exists() and running_now.read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert any(each.startswith(".schemaflow-") for each in kept(shop))
        os.kill(child, number)
        ended = shop.zygote.wait()

        assert ended.code == 4
        assert "Interrupted; nothing was changed." in ended.stderr
        assert kept(shop) == []
        sleeping = int(running_now.read_text())
        deadline = time.monotonic() + 2
        while is_alive(sleeping) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not is_alive(sleeping)


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


SECRET = "p\"a's\\s#w o$rd;:@/é"


def test_a_password_is_in_no_command_line(shop: Project, server: str, tmp_path: Path) -> None:
    """Whatever characters it has, it works, and neither a process nor our talk shows it."""
    is_postgresql = server.startswith("postgresql")
    role = own_name(server, "role")
    name = "pg_dump" if is_postgresql else "mariadb-dump"
    seen = tmp_path / "seen"
    path = program(
        tmp_path / "bin",
        name,
        f'{{ tr "\\0" " " </proc/$$/cmdline; tr "\\0" " " </proc/$PPID/cmdline; env; }} >>{seen}\n'
        f'exec {REAL[name]} "$@"',
    )
    with made_role(server, role) as url:
        ended = backup(shop, URI=url, PATH=path)

        assert ended.code == 0, ended.stderr
        assert "--version" in seen.read_text(encoding="utf-8")
        everything = seen.read_text(encoding="utf-8").replace(url, "") + ended.stdout + ended.stderr
        assert SECRET not in everything
        assert "a's" not in everything
        assert not any("a's" in each.read_text(errors="replace") for each in (shop.path / "kept").iterdir())


@contextlib.contextmanager
def made_role(url: str, role: str) -> Iterator[str]:
    """Make a role that may read the database, with the secret as its password."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    is_postgresql = engine.dialect.name == "postgresql"
    with engine.connect() as connection:
        run = connection.exec_driver_sql
        if is_postgresql:
            escaped = SECRET.replace("'", "''")
            run(f"CREATE ROLE {role} LOGIN PASSWORD '{escaped}'")
            run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
            run(f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}")
        else:
            # PyMySQL sends a password in Latin-1.
            run("SET NAMES latin1")
            escaped = SECRET.replace("\\", "\\\\").replace("'", "\\'")
            raw = connection.connection.dbapi_connection
            assert raw is not None
            raw._execute_command(3, f"CREATE USER {role} IDENTIFIED BY '{escaped}'".encode("latin-1"))
            raw._read_query_result()
            run("SET NAMES utf8mb4")
            run(f"GRANT ALL ON {engine.url.database}.* TO {role}")
        try:
            yield engine.url.set(username=role, password=SECRET).render_as_string(hide_password=False)
        finally:
            if is_postgresql:
                run(f"DROP OWNED BY {role}")
            run(f"DROP {'ROLE' if is_postgresql else 'USER'} {role}")
    engine.dispose()


def test_a_dump_that_names_its_database_is_not_brought_back(shop: Project, mariadb: str) -> None:
    """A dump of whole databases would be written to the real one, wherever it is sent."""
    shop.environment["URI"] = mariadb
    fill(mariadb)
    name = sa.make_url(mariadb).database
    file = shop.path / "foreign.sql"
    text = f"-- MariaDB dump 10.19\nUSE `{name}`;\nDROP TABLE `Ünï`;\n-- Dump completed\n"
    file.write_text(text, encoding="utf-8")
    before = rows_of(mariadb)

    ended = restore(shop, file, "--into", own_name(mariadb, "new"))

    assert ended.code == 3
    assert "names the database that it writes to" in ended.verdict
    assert rows_of(mariadb) == before


def test_a_sequence_of_the_real_database_is_left_alone(shop: Project, mariadb: str) -> None:
    """A default that takes from a sequence takes from that of its own database, where it is brought back."""
    shop.environment["URI"] = mariadb
    with connected(mariadb) as connection:
        connection.exec_driver_sql("CREATE SEQUENCE numbers NOCACHE")
        connection.exec_driver_sql("CREATE TABLE t (id bigint DEFAULT nextval(numbers), x int)")
        connection.exec_driver_sql("INSERT INTO t (x) VALUES (1), (2)")
    file = taken(shop, "--restore-test")
    name = own_name(mariadb, "new")
    with database_named(mariadb, name) as url:
        ended = restore(shop, file, "--into", name)

        assert ended.code == 0, ended.stderr
        with connected(url) as connection:
            connection.exec_driver_sql("INSERT INTO t (x) VALUES (3)")
            rows = connection.exec_driver_sql("SELECT id, x FROM t ORDER BY x").all()
        assert [tuple(row) for row in rows] == [(1, 1), (2, 2), (3, 3)]
        with connected(mariadb) as connection:
            assert connection.exec_driver_sql("SELECT nextval(numbers)").scalar() == 3


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    """By its marker and its age, and nothing else that looks like it."""
    path = make_file(tmp_path / "shop.db", "wal", 1)
    old, young, foreign = (tmp_path / f".schemaflow-{name}" for name in ("old", "young", "foreign"))
    for each in (old, young, foreign):
        each.mkdir()
        part = each / ("other" if each is foreign else "made-by-flask-schemaflow")
        part.touch()
        if each is not young:
            os.utime(part, (1, 1))

    take_backup(bind_of(f"sqlite:///{path}"), BackupPolicy(default_folder=tmp_path))

    assert [each.exists() for each in (old, young, foreign)] == [False, True, True]


def test_what_a_url_says_besides_is_honoured(tmp_path: Path, postgresql: str) -> None:
    """Options of libpq go along, with quotes and backslashes in them; what is the driver's own does not."""
    fill(postgresql)
    place = sa.make_url(postgresql).update_query_dict(
        {"options": "-c search_path=public", "application_name": "o'x\\ y", "sslmode": "prefer"}
    )
    bind = bind_of(place.render_as_string(hide_password=False), connect_args={"prepare_threshold": None})

    assert take_backup(bind, BackupPolicy(default_folder=tmp_path)).bytes
    bind.engine.dispose()


def test_a_restore_that_cannot_set_owners_says_so(shop: Project, postgresql: str) -> None:
    """A role that may not give things away brings everything back as its own."""
    fill(postgresql)
    file = taken(shop, URI=postgresql)
    name = own_name(postgresql, "own")
    with made_role(postgresql, own_name(postgresql, "role")) as url, database_named(postgresql, name):
        engine = sa.create_engine(postgresql, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} OWNER {own_name(postgresql, 'role')}")
        engine.dispose()

        ended = restore(shop, file, "--into", name, URI=url)
        text = shop.flask("db-restore", str(file), "--into", name, URI=url).stderr

        assert ended.code == 0, ended.stderr
        assert "is not empty" in text
        assert rows_of(sa.make_url(url).set(database=name).render_as_string(hide_password=False)) == rows_of(
            postgresql
        )


def test_a_killed_restore_of_a_server_is_no_danger(shop: Project, server: str, tmp_path: Path) -> None:
    """Stopped by Ctrl-C it drops the database that it made."""
    file = taken(shop)
    name = "pg_restore" if server.startswith("postgresql") else "mariadb"
    running_now = tmp_path / "running"
    path = program(tmp_path / "bin", name, f"echo $$ >{running_now}; exec sleep 300")
    new = own_name(server, "new")
    with database_named(server, new) as url:
        child = shop.start("db-restore", str(file), "--into", new, PATH=path)
        deadline = time.monotonic() + 20
        while not (running_now.exists() and running_now.read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(child, signal.SIGINT)
        ended = shop.zygote.wait()

        assert ended.code == 4
        assert not is_alive(int(running_now.read_text()))
        with pytest.raises(sa.exc.OperationalError), connected(url):
            pass


def test_unknown_tables_are_refused(server: str, tmp_path: Path) -> None:
    """A table that is not there cannot be kept."""
    with pytest.raises(Refused, match="There is no table nobody"):
        check_backup_possible(
            bind_of(server), BackupPolicy(default_folder=tmp_path), tables=[(None, "nobody")]
        )
