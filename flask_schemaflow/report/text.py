"""Text for people: findings by weight, then the verdict, which is the last line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ExitCode
from ..findings import Finding, Severity

if TYPE_CHECKING:
    from ..backup import Backup
    from ..plan import Step
    from ..results import Result

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)
_COLOURS = {"error": "red", "warning": "yellow"}
_LABELS = {
    ExitCode.UNEXPECTED: "Error: ",
    ExitCode.USAGE: "Error: ",
    ExitCode.REFUSED: "Refused: ",
    ExitCode.BUSY: "Busy: ",
    ExitCode.UNDONE: "Undone: ",
    ExitCode.BROKEN: "Broken: ",
    ExitCode.UNVERIFIED: "Unverified: ",
}
WIDTH = 11
_OPERATIONS = 8  # of a revision, without -v


def to_text(result: Result, *, verbose: bool, colour: bool = False) -> tuple[str, ...]:
    """Give the lines of a result, without the verdict.

    :param verbose: also modules and findings that are for information.
    :param colour: mark findings by their weight.
    """
    lines = _lines(result, verbose=verbose)
    return tuple(_coloured(line) if colour else line for line in lines)


def verdict(result: Result) -> str:
    """Give the last line: what the database is now."""
    label = _LABELS.get(result.exit_code, "")
    return click.style(f"{label}{result.message}", fg="red" if label else "green")


def _coloured(line: str) -> str:
    label, text = line[:WIDTH], line[WIDTH:]
    colour = _COLOURS.get(label.strip())
    return line if colour is None else click.style(label, fg=colour) + text


def _lines(result: Result, *, verbose: bool) -> Iterator[str]:
    if verbose and result.discovery is not None:
        for module in result.discovery.modules:
            yield _line("module", f"{module.module}: {', '.join(module.tables)} ({module.why})")
    if result.outcome in ("planned", "refused") and not result.document:
        yield from _plan(result.plan, verbose=verbose)
    if result.proof is not None and result.proof.on_paper:
        engines = ", ".join(result.proof.on_paper)
        yield _line("on paper", f"{engines}: compared statement by statement, run on no database")
    yield from _backups(result.backups)
    apart = {each for section in result.sections for each in section.findings}
    yield from _findings((each for each in result.findings if each not in apart), verbose=verbose)
    for section in result.sections:
        yield _line("database", section.title)
        yield from _findings(section.findings, verbose=True)
    yield from map(_near, result.details)


def _plan(plan: tuple[Step, ...], *, verbose: bool) -> Iterator[str]:
    several = len({step.bind for step in plan}) > 1
    for step in plan:
        where = f" ({step.bind or 'default'})" if several else ""
        yield _line("would run", f"{step.revision} {step.title}{where}")
        shown = step.operations if verbose else step.operations[:_OPERATIONS]
        for operation in shown:
            yield _line("", f"  {operation}")
        if len(shown) < len(step.operations):
            yield _line("", f"  and {len(step.operations) - len(shown)} more (all, and their SQL, with -v)")
        for statement in step.statements if verbose else ():
            for line in statement.splitlines():
                yield _line("sql", f"    {line}")


def _backups(backups: Iterable[Backup]) -> Iterator[str]:
    for backup in backups:
        # The whole path: it is read later, in another folder.
        size = "" if backup.bytes is None else f" ({backup.bytes:,} bytes)"
        yield _line("backup", f"{backup.path}{size}")
        if backup.restore:
            yield _line("", f"to restore: {backup.restore}")


def _findings(findings: Iterable[Finding], *, verbose: bool) -> Iterator[str]:
    findings = tuple(findings)
    for severity in _ORDER:
        if severity is Severity.INFO and not verbose:
            continue
        for finding in findings:
            if finding.severity is severity:
                place = f"{_near(finding.place)}: " if finding.place else ""
                yield _line(severity.value, f"{place}{finding.message} [{finding.key}]")
                if finding.hint:
                    yield _line("", _near(finding.hint))


def _line(label: str, text: str) -> str:
    return f"{label:<{WIDTH}} {text}".rstrip()


def _near(text: str) -> str:
    """Shorten paths below the working directory."""
    return text.replace(f"{Path.cwd()}/", "")
