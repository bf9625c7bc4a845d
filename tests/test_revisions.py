"""Revision files, read as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_schemaflow import ConfigurationError
from flask_schemaflow.revisions import (
    TableName,
    below,
    circle_in,
    heads_of,
    lineage,
    parents_first,
    read_revision,
    read_revisions,
    source_hash,
    tables_in,
)

PLAIN = '''"""first

Revision ID: a1
"""
revision = "a1"
down_revision = None
branch_labels = None
depends_on = None
'''


def write(folder: Path, name: str, text: str) -> Path:
    """Write a revision file."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_the_usual_form_is_read(tmp_path: Path) -> None:
    """Id, parent and title of the stock template are read."""
    revision = read_revision(write(tmp_path, "a1_first.py", PLAIN))

    assert (revision.id, revision.parents, revision.title) == ("a1", (), "first")


@pytest.mark.parametrize(
    ("text", "parents"),
    [
        ("revision: str = 'b2'\ndown_revision: Union[str, None] = 'a1'\n", ("a1",)),
        ("revision = 'b2'  # the second\ndown_revision = 'a1'\n", ("a1",)),
        ("revision, x = 'b2', 1\nrevision = 'b2'\ndown_revision = ('a1', 'a0')\n", ("a1", "a0")),
        ("revision = 'b2'\ndown_revision = 'a1'\nbranch_labels = ('shop',)\ndepends_on = 'c3'\n", ("a1",)),
        ("revision = (\n    'b2'\n)\ndown_revision = 'a1'\n", ("a1",)),
    ],
)
def test_other_forms_are_read(tmp_path: Path, text: str, parents: tuple[str, ...]) -> None:
    """Annotations, comments, merges, labels and line breaks are read too."""
    revision = read_revision(write(tmp_path, "b2.py", text))

    assert (revision.id, revision.parents) == ("b2", parents)


def test_labels_and_dependencies_are_read(tmp_path: Path) -> None:
    """Branch labels and depends_on are read where they are set."""
    text = "revision = 'b2'\ndown_revision = None\nbranch_labels = ('shop',)\ndepends_on = ['c3']\n"
    revision = read_revision(write(tmp_path, "b2.py", text))

    assert (revision.branch_labels, revision.depends_on) == (("shop",), ("c3",))


def test_an_old_file_takes_its_id_from_its_name(tmp_path: Path) -> None:
    """A file without an id has it in its name, as Alembic does."""
    assert read_revision(write(tmp_path, "1234abcd.py", "down_revision = None\n")).id == "1234abcd"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def upgrade(:\n", "notes.py:1 is not valid Python"),
        ("x = 1\n", "notes.py is in the versions folder but sets no revision id"),
        ("revision = make()\ndown_revision = None\n", "notes.py:1 computes `revision`"),
    ],
)
def test_a_file_that_is_no_revision_is_named(tmp_path: Path, text: str, says: str) -> None:
    """A foreign or broken file among the revisions is named with its line."""
    with pytest.raises(ConfigurationError, match=says.replace("`", ".")):
        read_revision(write(tmp_path, "notes.py", text))


def test_two_files_with_one_id_are_both_named(tmp_path: Path) -> None:
    """A duplicate id names both files."""
    write(tmp_path, "a.py", PLAIN)
    write(tmp_path, "b.py", PLAIN)

    with pytest.raises(ConfigurationError, match=r"id 'a1'.*a\.py and .*b\.py"):
        read_revisions([tmp_path])


def test_order_and_heads(tmp_path: Path) -> None:
    """Parents come first, and a head is what nothing follows."""
    for name, parents in (("a", "None"), ("b", "'a'"), ("c", "'a'"), ("d", "('b', 'c')")):
        write(tmp_path, f"{name}.py", f"revision = '{name}'\ndown_revision = {parents}\n")
    revisions = read_revisions([tmp_path])
    by_id = {revision.id: revision for revision in revisions}

    assert heads_of(revisions) == ("d",)
    assert heads_of(each for each in revisions if each.id != "d") == ("b", "c")
    assert lineage(["b"], by_id) == {"a", "b"}
    order = [revision.id for revision in parents_first(["d"], by_id)]
    assert order[0] == "a"
    assert order[-1] == "d"
    assert sorted(order) == ["a", "b", "c", "d"]


def test_tables_of_revisions(tmp_path: Path) -> None:
    """Created and renamed tables are found, in operations and in SQL."""
    write(
        tmp_path,
        "a.py",
        """
revision = 'a'
down_revision = None
def upgrade():
    op.create_table('user', schema='app')
    op.create_table("orders")
    op.rename_table('old', 'new')
    op.execute("CREATE TABLE IF NOT EXISTS raw (a int)")
""",
    )

    assert tables_in(read_revisions([tmp_path])) == {
        TableName("app", "user"),
        TableName(None, "orders"),
        TableName(None, "new"),
        TableName(None, "raw"),
    }


def test_tables_of_one_bind(tmp_path: Path) -> None:
    """Where a revision has a function for each database, only that of the bind counts."""
    source = "revision = 'a'\ndown_revision = None\n"
    source += (
        "def upgrade_():\n    op.create_table('user')\ndef upgrade_audit():\n    op.create_table('event')\n"
    )
    revisions = [read_revision(write(tmp_path, "a.py", source))]

    assert tables_in(revisions) == {TableName(None, "user")}
    assert tables_in(revisions, "audit") == {TableName(None, "event")}


def test_what_has_to_run_before_a_revision(tmp_path: Path) -> None:
    """Parents, and what it depends on by id or label; a set of parents is read in one order."""
    write(tmp_path, "a.py", "revision = 'a'\ndown_revision = None\nbranch_labels = ('stock',)\n")
    write(tmp_path, "b.py", "revision = 'b'\ndown_revision = 'a'\ndepends_on = None\n")
    write(tmp_path, "c.py", "revision = 'c'\ndown_revision = None\ndepends_on = ('stock', 'b')\n")
    write(tmp_path, "d.py", "revision = 'd'\ndown_revision = {'c', 'b', 'a'}\n")
    revisions = read_revisions([tmp_path])
    by_id = {each.id: each for each in revisions}

    assert {name: below(each, by_id) for name, each in by_id.items()} == {
        "a": (),
        "b": ("a",),
        "c": ("a", "b"),
        "d": ("a", "b", "c"),
    }
    assert lineage(["c"], by_id) == {"a", "b", "c"}
    assert [each.id for each in parents_first(["c"], by_id)] == ["a", "b", "c"]


def test_a_circle_through_dependencies(tmp_path: Path) -> None:
    """Revisions that wait for one another are found."""
    write(tmp_path, "a.py", "revision = 'a'\ndown_revision = None\ndepends_on = 'c'\n")
    write(tmp_path, "c.py", "revision = 'c'\ndown_revision = 'a'\n")

    assert set(circle_in(read_revisions([tmp_path]))) == {"a", "c"}


def test_the_hash_is_that_of_the_meaning() -> None:
    """Comments, layout and docstrings do not change the hash; anything else does."""
    first = 'def upgrade():\n    """Do."""\n    op.execute("x")\n'
    same = "def upgrade():  # note\n\n    op.execute(\n        'x',\n    )\n"
    other = "def upgrade():\n    op.execute('y')\n"

    assert source_hash(first) == source_hash(same)
    assert source_hash(first) != source_hash(other)


@pytest.mark.parametrize(
    ("beginning", "coding"), [("\ufeff", "utf-8"), ("# coding: latin-1\n", "latin-1")], ids=["mark", "coding"]
)
def test_a_file_is_read_as_python_reads_it(tmp_path: Path, beginning: str, coding: str) -> None:
    """An editor on Windows writes a byte order mark, and an old file names its coding."""
    file = tmp_path / "a_caf.py"
    text = (
        '"""Le café"""\nrevision = "a"\ndown_revision = None\n\n\ndef upgrade():\n    op.create_table("b")\n'
    )
    file.write_bytes((beginning + text).encode(coding))

    (revision,) = read_revisions([tmp_path])

    assert (revision.id, revision.parents) == ("a", ())
    assert tables_in([revision]) == {TableName(None, "b")}
