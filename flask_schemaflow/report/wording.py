"""What lines and tables have in common: which findings, how much of a plan, and what is always a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..findings import Finding, Severity

if TYPE_CHECKING:
    from ..backup import Backup
    from ..plan import Step
    from ..results import Result

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)
_OPERATIONS = 8  # of a revision, without -v
_WIDTH = 11


def is_plan_told(result: Result) -> bool:
    """Say whether people are shown the plan: not after it ran, nor beside the script that it stands for."""
    return bool(result.plan) and result.outcome in ("planned", "refused") and not result.document


def apart(result: Result) -> tuple[Finding, ...]:
    """Give the findings that no section has."""
    told = {each for section in result.sections for each in section.findings}
    return tuple(each for each in result.findings if each not in told)


def weighed(findings: Iterable[Finding], *, verbose: bool) -> Iterator[Finding]:
    """Give findings, the heaviest first; without ``verbose`` those for information are left out."""
    findings = tuple(findings)
    for severity in _ORDER if verbose else _ORDER[:-1]:
        yield from (each for each in findings if each.severity is severity)


def shortened(step: Step, *, verbose: bool) -> Iterator[str]:
    """Give the operations of a revision, without ``verbose`` the first ones and how many more there are."""
    shown = step.operations if verbose else step.operations[:_OPERATIONS]
    yield from (f"  {operation}" for operation in shown)
    if len(shown) < len(step.operations):
        yield f"  and {len(step.operations) - len(shown)} more (all, and their SQL, with -v)"


def near(text: str) -> str:
    """Shorten paths below the working directory."""
    return text.replace(f"{Path.cwd()}/", "")


def on_paper(result: Result) -> Iterator[str]:
    """Say for which engines nothing was run."""
    if result.proof is not None and result.proof.on_paper:
        engines = ", ".join(result.proof.on_paper)
        yield line("not run", f"{engines}: compared statement by statement, without a database")


def backups_taken(backups: Iterable[Backup]) -> Iterator[str]:
    """Say where the backups are, in lines that can be copied."""
    for backup in backups:
        # The whole path: it is read later, in another folder.
        size = "" if backup.bytes is None else f" ({backup.bytes:,} bytes)"
        yield line("backup", f"{backup.path}{size}")
        if backup.restore:
            yield line("", f"to restore: {backup.restore}")


def line(label: str, text: str) -> str:
    """Write a line with its label."""
    return f"{label:<{_WIDTH}} {text}".rstrip()
