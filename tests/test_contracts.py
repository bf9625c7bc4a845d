"""The import contracts leave no module out."""

from __future__ import annotations

import pkgutil
import sys
from pathlib import Path
from typing import Any

import flask_schemaflow

if sys.version_info >= (3, 11):
    import tomllib
else:  # import-linter brings it
    import tomli as tomllib

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
CONTRACTS: list[dict[str, Any]] = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]
MODULES = {each.name for each in pkgutil.iter_modules(flask_schemaflow.__path__)}
ALLOWED = {
    "Only the edge imports click and rich": {
        "cli",
        "commands",
        "extension",
        "guards",
        "report",
        "talk",
        "unmanaged",
    },
    "Only migrations imports Flask-Migrate": {"migrations"},
}


def test_a_forbidden_import_is_forbidden_to_every_other_module() -> None:
    """Each contract names all modules but those that may, so that a new module is bound too."""
    forbidding = {each["name"]: each for each in CONTRACTS if each["type"] == "forbidden"}

    assert forbidding.keys() == ALLOWED.keys()
    for name, allowed in ALLOWED.items():
        named = {module.removeprefix("flask_schemaflow.") for module in forbidding[name]["source_modules"]}
        assert named == MODULES - allowed, name


def test_every_module_has_its_floor() -> None:
    """The layers are exhaustive, but for the version."""
    (layers,) = (each for each in CONTRACTS if each["type"] == "layers")
    floors = {name.strip() for layer in layers["layers"] for name in layer.split("|")}

    assert layers["exhaustive"]
    assert floors | set(layers["exhaustive_ignores"]) == MODULES
