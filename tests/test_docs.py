"""The docs say what the code does."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path

import click
import pytest
from hazard_cases import GOOD, body

from flask_schemaflow import ExitCode
from flask_schemaflow.acceptable import LEFTOVER
from flask_schemaflow.commands import COMMANDS
from flask_schemaflow.config import Settings
from flask_schemaflow.hazards import CODES, KINDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Give the text of a section of the README."""
    return README.partition(f"\n## {title}")[2].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """Give the first cells of the first table of a text."""
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table is not None
    return [re.split(r"(?<!\\)\|", line)[1].strip() for line in table[0].splitlines()[2:]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_option_is_documented(command: click.Command) -> None:
    """The README's table has every option of a command, and no other."""
    assert command.name is not None
    documented = set(
        re.findall(r"--?[a-z-]+|REVISIONS?|FILE", " ".join(first_cells(section(f"flask {command.name}"))))
    )
    real = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}

    assert documented == {name if name.startswith("-") else name.upper() for name in real}


def test_every_exit_code_is_documented() -> None:
    """The table of exit codes is the enumeration."""
    rows = re.findall(r"^\| (\S+) \| (\S+) \| .*\w.* \|$", section("Exit codes"), re.MULTILINE)[1:]

    assert [(number, name) for number, name in rows] == [
        (str(code.value), code.name.lower()) for code in ExitCode
    ]


def test_every_setting_is_documented() -> None:
    """The README's table has every setting, and no other."""
    documented = set(re.findall(r"[a-z_]+", " ".join(first_cells(section("Settings"))).lower()))

    assert documented == {field.name for field in fields(Settings)}


HAZARDS = (ROOT / "docs" / "hazards.md").read_text(encoding="utf-8")


def test_every_hazard_is_documented() -> None:
    """The page of hazards has every code, each with its classes, and no other."""
    sections = dict(re.findall(r"^## `([a-z0-9-]+)`\n\n(?:Classes: ([a-z, -]+)\. )?", HAZARDS, re.MULTILINE))

    assert sections.keys() == {*CODES, LEFTOVER}
    assert {each.code: ", ".join(each.classes) for each in KINDS} == {
        code: classes for code, classes in sections.items() if classes
    }


def test_the_safe_ways_are_the_examples_that_run() -> None:
    """The code on the page of hazards is what other tests run on the engines that it names."""
    for code, text in re.findall(r"^## `([a-z0-9-]+)`\n(.*?)(?=^## |\Z)", HAZARDS, re.MULTILINE | re.DOTALL):
        shown = re.findall(r"```python ([a-z ]+)\n(.*?)```", text, re.DOTALL)
        run = [
            (" ".join(each.families), ast.unparse(ast.parse(body(each.body))))
            for each in GOOD
            if each.code == code and each.doc
        ]
        assert [(engines, ast.unparse(ast.parse(source))) for engines, source in shown] == run


def test_the_commands_of_the_readme_are_in_the_makefile() -> None:
    """Whatever it says of make is there."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    named = set(re.findall(r"^    make (\w+)", README, re.MULTILINE))
    assert named == {"demo", "test", "check", "zoo", "soak", "bench"}
    assert named <= set(re.findall(r"^(\w+):", makefile, re.MULTILINE))


def test_the_readmes_walk_through_is_the_demo() -> None:
    """The commands of the walk-through are run by the demo, in this order."""
    demo = (ROOT / "example_app" / "demo.py").read_text(encoding="utf-8")
    walk = section("In your own project").partition("### A walk through the example")[2]

    said = re.findall(r"^    (?:python|flask --app shop) (\S+)", walk, re.MULTILINE)
    run = re.findall(r'(?:run\(place, "python"|flask\(place), "([^"]+)"', demo)
    assert said == ["legacy_database.py", "db-adopt"] == run[:2]
