"""What ``db-safe-upgrade`` copies away before it runs, and the rehearsal on that copy."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from anyshop import Shop, adopted_shop
from disks import mounted
from flask import Flask
from projects import Project

from flask_schemaflow import ConfigurationError, UpgradeOptions, safe_upgrade

ADD_SIZE = "op.add_column('item', sa.Column('size', sa.Integer()))"
DROP_NAME = "op.execute('ALTER TABLE item DROP COLUMN name')"
HAS_ROWS = "op.get_bind().execute(sa.text('SELECT count(*) FROM item')).scalar()"


@pytest.fixture
def shop(project: Project, any_database: str) -> Shop:
    """Give an adopted shop on each engine."""
    return adopted_shop(project, any_database)


@pytest.fixture
def file_shop(project: Project, tmp_path: Path) -> Shop:
    """Give an adopted shop in a SQLite file."""
    return adopted_shop(project, f"sqlite:///{tmp_path / 'shop.db'}")


def rows_in(file: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute("SELECT id, name FROM item ORDER BY id").fetchall()
    finally:
        connection.close()


def test_a_sqlite_file_is_copied_whenever_something_is_pending(file_shop: Shop) -> None:
    """The copy is what the file was; the command that brings it back is printed."""
    file_shop.add("second", "first", ADD_SIZE)

    ended = file_shop.upgrade()

    assert ended.code == 0, ended.stderr
    (backup,) = ended.document["backups"]
    assert rows_in(backup["path"]) == [(1, "one"), (2, "two")]
    assert backup["restore"].startswith("flask --app app db-restore ")
    assert file_shop.upgrade().document["backups"] == []


def test_a_server_keeps_the_tables_that_are_destroyed(shop: Shop) -> None:
    """By the backup's restore command the column is back, in a table beside the real one."""
    shop.add("second", "first", DROP_NAME)
    refused = shop.upgrade()
    assert (refused.code, refused.document["backups"]) == (3, [])

    ended = shop.upgrade("--accept", "drop-column:item.name", "--accept", "backup-not-durable:default")

    assert ended.code == 0, ended.stderr
    (backup,) = ended.document["backups"]
    assert Path(backup["path"]).stat().st_size == backup["bytes"]
    if shop.family != "sqlite":
        arguments = backup["restore"].partition(" db-restore ")[2].split()
        restored = shop.project.flask("db-restore", *arguments)
        assert restored.code == 0, restored.stderr
        (copy,) = [name for name in shop.tables() if name.startswith("item__restored")]
        assert sorted(shop.execute(f"SELECT name FROM {copy}")) == [("one",), ("two",)]


def test_a_server_copies_nothing_that_nobody_loses(shop: Shop) -> None:
    """``auto`` is about what is destroyed; ``always`` takes the whole database."""
    shop.add("second", "first", ADD_SIZE)
    shop.add("third", "second", ADD_SIZE.replace("size", "weight"))
    assert shop.upgrade("second", "--backup", "never").document["backups"] == []

    ended = shop.upgrade("--backup", "always")

    assert ended.code == 0, ended.stderr
    assert len(ended.document["backups"]) == 1


def test_a_backup_that_cannot_be_taken_stops_before_anything_runs(shop: Shop, tmp_path: Path) -> None:
    """Exit code 3; the database is as it was."""
    (tmp_path / "file").write_text("")
    shop.add("second", "first", ADD_SIZE)

    ended = shop.upgrade("--backup", "always", FLASK_SCHEMAFLOW_BACKUP_DIR=str(tmp_path / "file" / "backups"))

    assert (ended.code, ended.document["outcome"]) == (3, "refused"), ended.stderr
    assert shop.versions() == ["first"]


def test_a_rebuilt_table_needs_room_on_the_disk(project: Project, tmp_path: Path) -> None:
    """Twice its size, beside the backup: else it is refused before anything runs, also by a dry run."""
    with mounted(tmp_path / "disk", "size=4m") as disk:
        shop = adopted_shop(project, f"sqlite:///{disk / 'shop.db'}")
        shop.execute(
            "WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            "INSERT INTO item (id, name) SELECT i, 'a name of forty letters, or nearly so many' FROM n"
        )
        shop.add("second", "first", ADD_SIZE)
        shop.add(
            "third",
            "second",
            "with op.batch_alter_table('item') as batch:",
            "    batch.alter_column('name', existing_type=sa.String(50), type_=sa.String(80))",
        )
        assert shop.upgrade("second", "--backup", "never").code == 0  # which rebuilds nothing
        filling = disk / "filling"
        filling.write_bytes(b"x" * 1_500_000)

        never = shop.upgrade("--dry-run", "--backup", "never")
        beside = shop.upgrade()
        filling.unlink()
        ended = shop.upgrade("--backup", "never")

    for refused in (never, beside):
        assert (refused.code, refused.document["outcome"]) == (3, "refused"), refused.stderr
    assert "The table item of 1," in never.verdict
    assert ended.code == 0, ended.stderr


def test_a_disk_that_is_full_when_everything_is_committed(project: Project, tmp_path: Path) -> None:
    """Nothing of it is in; it is the disk that is to be mended, and not the revision."""
    fills = "INSERT INTO item (id, name) VALUES (:id, :name)"
    with mounted(tmp_path / "disk", "size=400k") as disk:
        shop = adopted_shop(project, f"sqlite:///{disk / 'shop.db'}")
        rows = "[{'id': n, 'name': 'x' * 1000} for n in range(10, 1000)]"
        fill = f"    op.get_bind().execute(sa.text({fills!r}), {rows})"
        shop.add("second", "first", ADD_SIZE, f"if {HAS_ROWS}:", fill)
        ended = shop.upgrade("--backup", "never")
        assert (shop.versions(), [each.name for each in disk.iterdir()]) == (["first"], ["shop.db"])

    assert (ended.code, ended.document["outcome"]) == (4, "busy"), ended.stderr
    assert "cannot be written: database or disk is full. Nothing was changed; make room" in ended.verdict
    assert ended.verdict.endswith("When it was read, the database was at first.")


def test_a_dry_run_takes_no_backup(file_shop: Shop, tmp_path: Path) -> None:
    """Nothing is written beside the file."""
    file_shop.add("second", "first", ADD_SIZE)
    before = sorted(tmp_path.iterdir())

    assert file_shop.upgrade("--dry-run").code == 0
    assert sorted(tmp_path.iterdir()) == before


# -- the rehearsal ---------------------------------------------------------------------------------


def test_a_rehearsal_that_fails_leaves_the_database_alone(file_shop: Shop) -> None:
    """What fails with the real rows fails on the copy; exit code 5 says where the database is."""
    file_shop.add("second", "first", ADD_SIZE, f"if {HAS_ROWS}: raise ValueError('no such size')")
    before = file_shop.execute("SELECT * FROM item")

    ended = file_shop.upgrade("--rehearse")

    assert (ended.code, ended.document["outcome"]) == (5, "undone"), ended.stderr
    assert "The rehearsal on a copy failed; the database itself was not touched" in ended.verdict
    assert file_shop.execute("SELECT * FROM item") == before
    assert file_shop.versions() == ["first"]
    assert [row[0] for row in file_shop.history("event")] == ["adopted"]


def test_a_rehearsal_that_goes_well_is_followed_by_the_run(file_shop: Shop, tmp_path: Path) -> None:
    """The revision runs twice: on the copy, and on the database, which is upgraded once."""
    tries = tmp_path / "tries"
    file_shop.add("second", "first", f"if {HAS_ROWS}: open({str(tries)!r}, 'a').write('x')", ADD_SIZE)

    ended = file_shop.upgrade("--rehearse")

    assert (ended.code, ended.document["outcome"]) == (0, "upgraded"), ended.stderr
    assert tries.read_text() == "xx"
    assert file_shop.versions() == ["second"]
    assert [row[0] for row in file_shop.history("event")] == ["adopted", "applied"]
    assert rows_in(ended.document["backups"][0]["path"]) == [(1, "one"), (2, "two")]


def test_only_a_sqlite_file_can_be_rehearsed(project: Project, postgresql: str) -> None:
    """On a server it is exit code 2, as is a rehearsal without a backup."""
    shop = adopted_shop(project, postgresql)
    shop.add("second", "first", ADD_SIZE)

    ended = shop.upgrade("--rehearse")

    assert ended.code == 2, ended.stderr
    assert "--rehearse runs on a copy of a SQLite file's backup" in ended.verdict


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (UpgradeOptions(backup="Always"), "backup='Always': say one of auto, always, never."),
        (UpgradeOptions(if_ahead="yes"), "if_ahead='yes': say one of fail, ok."),
    ],
)
def test_a_mistyped_word_of_python_is_an_error(options: UpgradeOptions, said: str) -> None:
    """And no other word in its place: a backup that was asked for would not be taken."""
    with pytest.raises(ConfigurationError) as raised:
        safe_upgrade(Flask("shop"), options)
    assert str(raised.value) == said
