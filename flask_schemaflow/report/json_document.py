"""The JSON document: one schema for every command, every key always present."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..findings import Finding
    from ..results import Result

SCHEMA = "schemaflow/1"


def to_json(result: Result) -> str:
    """Write a result as one line-broken JSON document with a newline at its end."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "command": result.command,
        "outcome": result.outcome,
        "exit_code": int(result.exit_code),
        "message": result.message,
        "databases": [dict(vars(each)) for each in result.databases],
        "plan": [dict(vars(step)) for step in result.plan],
        "findings": [_finding(each) for each in result.findings],
        "proof": _proof(result),
        "discovery": _discovery(result),
        "backups": [dict(vars(each)) for each in result.backups],
        "elapsed_ms": result.elapsed_ms,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _finding(finding: Finding) -> Mapping[str, Any]:
    keys = ("code", "classes", "severity", "subject", "message", "hint", "revision", "file", "line")
    document = {key: getattr(finding, key) for key in keys}
    return document | {"severity": finding.severity.value, "classes": list(finding.classes)}


def _proof(result: Result) -> Mapping[str, Any] | None:
    if result.proof is None:
        return None
    proof = result.proof
    return {
        "equal": proof.equal,
        "method": proof.method,
        "engines": [*proof.engines, *(f"{family} (on paper)" for family in proof.on_paper)],
    }


def _discovery(result: Result) -> Mapping[str, Any] | None:
    if result.discovery is None:
        return None
    return {"modules": [dict(vars(module)) for module in result.discovery.modules]}
