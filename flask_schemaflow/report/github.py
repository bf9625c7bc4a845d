"""Annotations for a run of GitHub Actions, one line a finding."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..findings import Finding, Severity

if TYPE_CHECKING:
    from ..results import Result

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def to_github(result: Result) -> str:
    """Write what stops and what warns as workflow commands.

    (https://docs.github.com/actions/reference/workflow-commands-for-github-actions)
    """
    told = [each for each in result.findings if each.severity is not Severity.INFO]
    told.sort(key=lambda each: (each.file or "", each.line or 0))
    return "".join(f"{_annotation(each)}\n" for each in told)


def _annotation(finding: Finding) -> str:
    properties = {
        "file": None if finding.file is None else _relative(finding.file),
        "line": None if finding.line is None else str(finding.line),
        "title": finding.key,
    }
    said = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value is not None)
    text = f"{finding.message}\n{finding.hint}".rstrip()
    return f"::{_COMMANDS[finding.severity]} {said}::{_data(text)}"


def _relative(file: str) -> str:
    """Give a path from the root of the repository, as the annotations name files."""
    root = os.environ.get("GITHUB_WORKSPACE") or str(Path.cwd())
    return os.path.relpath(file, root)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
