"""What a terminal gets, and a deploy log does not: tables, colours and bars."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from anyshop import Shop, adopted_shop
from projects import Project

from flask_schemaflow import ExitCode
from flask_schemaflow.migrations.failures import describe_error
from flask_schemaflow.report import verdict
from flask_schemaflow.results import Result

FLASK = [sys.executable, "-m", "flask"]
NO_COLOUR = {"NO_COLOR": "1"}
LONG_NAME = "größe_of_the_thing_in_hundredths_of_an_inch_as_the_supplier_says"


@pytest.fixture
def shop(project: Project, tmp_path: Path) -> Shop:
    """Give a shop with history, of which a pending revision would lose values."""
    shop = adopted_shop(project, f"sqlite:///{tmp_path}/shop.db")
    shop.execute(f"ALTER TABLE item ADD COLUMN {LONG_NAME} INT", f"UPDATE item SET {LONG_NAME} = 1")
    shop.add(
        "second",
        "first",
        f"op.drop_column('item', '{LONG_NAME}')",
        "op.create_table('tag', sa.Column('id', sa.Integer(), primary_key=True))",
    )
    return shop


def shown(
    project: Project, *command: str, columns: int = 80, program: list[str] = FLASK, **environment: str
) -> str:
    """Run a command on a pseudo-terminal, and give what it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "TERM")
    }
    with subprocess.Popen(
        [*program, *command],
        cwd=project.path,
        stdout=theirs,
        stderr=theirs,
        env=inherited | {"TERM": "xterm"} | project.environment | environment,
    ):
        os.close(theirs)
        written = b"".join(iter(lambda: _read(ours), b"")).decode()
    os.close(ours)
    return written.replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        # Linux says EIO when the other side of a terminal is closed.
        return b""


def told(text: str) -> str:
    """Give the words of a text without its frames."""
    return " ".join(re.sub(r"[│╭╮╰╯├┤┬┴┼─|+-]", " ", text).split())


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), (NO_COLOUR, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_gets_tables_and_colour(
    shop: Shop, environment: dict[str, str], *, coloured: bool
) -> None:
    """Plan, findings and verdict; the colours not with NO_COLOR, nor on a terminal that has none."""
    text = shown(shop.project, "db-safe-upgrade", "--plan", **environment)

    assert "│ second" in re.sub(r"\x1b\[\d*m", "", text)
    assert "create_table tag" in text
    assert text.count("╭") == 2
    assert text.splitlines()[-1].removeprefix("\x1b[31m").startswith("Refused: ")
    assert ("\x1b[31merror" in text) is coloured
    assert ("\x1b[31mRefused: " in text) is coloured
    assert ("\x1b" in text) is coloured


@pytest.mark.parametrize("columns", [0, 60, 200])
def test_a_table_is_as_wide_as_the_terminal(shop: Shop, columns: int) -> None:
    """Nothing is cut off, however narrow it is; a terminal that does not say how wide it is has 80 columns."""
    text = shown(shop.project, "db-safe-upgrade", "--plan", columns=columns, **NO_COLOUR)

    framed = [line for line in text.splitlines() if line.startswith(("╭", "│"))]
    assert max(map(len, framed)) <= (columns or 80)
    assert LONG_NAME in "".join(told(text).split())
    assert "drop it in the next release. To drop it now, accept it." in told(text)


def test_a_terminal_without_unicode(shop: Shop) -> None:
    """Frames are of ASCII there, and what it cannot show is escaped."""
    text = shown(shop.project, "db-status", "-v", PYTHONIOENCODING="ascii", **NO_COLOUR)

    assert text.isascii()
    assert "+---" in text
    assert r"gr\xf6\xdfe_of" in "".join(told(text).split())
    assert "Traceback" not in text


def test_the_status_is_a_table_for_each_database(shop: Shop) -> None:
    """With its last runs; what is pending is told once."""
    lines = shown(shop.project, "db-status", columns=120, **NO_COLOUR).splitlines()

    facts = dict(line.strip("│ ").split("│", 1) for line in lines if line.count("│") == 3)
    assert {name.strip(): said.strip() for name, said in facts.items()} | {"database": "", "drift": ""} == {
        "database": "",
        "state": "behind",
        "current": "first",
        "head": "second",
        "pending": "second second of the shop",
        "drift": "",
        "to do": "`flask db-safe-upgrade` runs what is pending",
    }
    assert any("adopted" in line and line.count("│") == 6 for line in lines)
    assert lines[-1] == "Not current: default is behind."


def test_only_a_terminal_waits_for_rich(shop: Shop) -> None:
    """A pipe does not load it, nor a terminal if there is nothing to draw."""
    program = [sys.executable, "-X", "importtime", "-m", "flask"]
    environment = os.environ | shop.project.environment
    piped = subprocess.run(
        [*program, "db-status"],
        cwd=shop.project.path,
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    (shop.project.path / "migrations" / "versions" / "second.py").unlink()
    nothing = shown(shop.project, "db-safe-upgrade", program=program)

    assert "Nothing to do" in nothing
    assert re.search(r"\| +flask_schemaflow\.report", piped.stderr + nothing)
    assert not re.search(r"\| +rich\b", piped.stderr + nothing)
    assert "│" not in piped.stdout


@pytest.mark.parametrize(
    ("outcome", "code", "colour"),
    [
        ("upgraded", ExitCode.DONE, 32),
        ("planned", ExitCode.DONE, 33),
        ("upgraded-unchecked", ExitCode.DONE, 33),
        ("undone", ExitCode.UNDONE, 31),
    ],
)
def test_the_verdict_is_green_only_when_nothing_is_left_to_do(
    outcome: str, code: ExitCode, colour: int
) -> None:
    """Yellow where something is pending or was not checked, red on failure."""
    result = Result(command="db-safe-upgrade", outcome=outcome, exit_code=code, message="So it is.")

    assert verdict(result).startswith(f"\x1b[{colour}m")


def test_a_message_of_others_ends_with_one_full_stop() -> None:
    """Ours adds it, whether theirs has one or not."""
    told = {describe_error(ValueError(text)) for text in ("It broke", "It broke.")}

    assert told == {"ValueError: It broke"}


BAR = """
import flask.cli
import flask_schemaflow.talk

flask_schemaflow.talk.BAR_AFTER = 0.0
flask.cli.main()
"""


def test_a_long_copy_has_a_bar(shop: Shop) -> None:
    """On a terminal, where it goes again; the last line is the verdict."""
    shop.execute("CREATE TABLE large (content BLOB)", "INSERT INTO large VALUES (zeroblob(20000000))")
    program = [sys.executable, "-c", BAR]

    text = shown(shop.project, "db-backup", program=program, **NO_COLOUR)
    piped = subprocess.run(
        [*program, "db-backup"],
        cwd=shop.project.path,
        env=os.environ | shop.project.environment,
        capture_output=True,
        check=True,
        text=True,
    )

    drawn = re.findall(r"\rCopying     \[#*-*\] (\d+) %", text)
    assert drawn == sorted(set(drawn), key=int)
    assert len(drawn) > 2
    assert re.search(r"%\r +\r[^\r]+\nBacked up: ", text)
    assert "Copying" not in piped.stdout + piped.stderr
