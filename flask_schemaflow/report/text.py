"""Text for people: findings by weight, then the verdict, which is the last line.

Plain lines for a log, which scripts and people search; tables on a terminal. What is to be copied out of it,
such as the command that restores a backup, is a plain line on both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from ..errors import ExitCode
from .wording import apart, backups_taken, is_plan_told, line, near, on_paper, shortened, weighed

if TYPE_CHECKING:
    from ..findings import Finding
    from ..plan import Step
    from ..results import Result, Standing
    from .terminal import Terminal

_LABELS = {
    ExitCode.UNEXPECTED: "Error: ",
    ExitCode.USAGE: "Error: ",
    ExitCode.REFUSED: "Refused: ",
    ExitCode.BUSY: "Busy: ",
    ExitCode.UNDONE: "Undone: ",
    ExitCode.BROKEN: "Broken: ",
    ExitCode.UNVERIFIED: "Unverified: ",
}
_PENDING = ("planned", "upgraded-unchecked", "ahead")
"""Outcomes of a command that ended well, after which something is still to be done or looked at."""


def to_text(result: Result, *, verbose: bool, terminal: Terminal | None = None) -> tuple[str, ...]:
    """Give the lines of a result, without the verdict.

    :param verbose: also modules, SQL and findings that are for information.
    :param terminal: what it is shown on; None is a file or a pipe, which gets no tables.
    """
    if terminal is None or not _has_table(result, verbose=verbose):
        return tuple(_lines(result, verbose=verbose))
    from .tables import drawn

    lines = drawn(result, terminal, verbose=verbose)
    if terminal.has_unicode:
        return tuple(lines)
    return tuple(line.encode("ascii", "backslashreplace").decode() for line in lines)


def verdict(result: Result) -> str:
    """Give the last line: what the database is now."""
    label = _LABELS.get(result.exit_code, "")
    colour = "red" if label else "yellow" if result.outcome in _PENDING else "green"
    return click.style(f"{label}{result.message}", fg=colour)


def _has_table(result: Result, *, verbose: bool) -> bool:
    """Say whether there is anything to draw; rich is loaded for nothing else."""
    has_findings = any(weighed(result.findings, verbose=verbose))
    has_modules = verbose and result.discovery is not None
    return bool(has_findings or has_modules or is_plan_told(result) or result.sections or result.standings)


def _lines(result: Result, *, verbose: bool) -> Iterator[str]:
    if verbose and result.discovery is not None:
        for module in result.discovery.modules:
            yield line("module", f"{module.module}: {', '.join(module.tables)} ({module.why})")
    if is_plan_told(result) and not result.standings:
        yield from _plan(result.plan, verbose=verbose)
    yield from on_paper(result)
    yield from backups_taken(result.backups)
    yield from _findings(apart(result), verbose=verbose)
    for section in result.sections:
        yield line("database", section.title)
        yield from _findings(section.findings, verbose=True)
    for standing in result.standings:
        yield from map(near, _standing(standing))
    yield from map(near, result.details)


def _plan(plan: tuple[Step, ...], *, verbose: bool) -> Iterator[str]:
    several = len({step.bind for step in plan}) > 1
    for step in plan:
        where = f" ({step.bind or 'default'})" if several else ""
        yield line("would run", f"{step.revision} {step.title}{where}")
        for operation in shortened(step, verbose=verbose):
            yield line("", operation)
        for statement in step.statements if verbose else ():
            for part in statement.splitlines():
                yield line("sql", f"    {part}")


def _findings(findings: Iterable[Finding], *, verbose: bool) -> Iterator[str]:
    for finding in weighed(findings, verbose=verbose):
        place = f"{near(finding.place)}: " if finding.place else ""
        yield line(finding.severity.value, f"{place}{finding.message} [{finding.key}]")
        if finding.hint:
            yield line("", near(finding.hint))


def _standing(standing: Standing) -> Iterator[str]:
    for name, said in standing.facts:
        yield line(name, ", ".join(said))
    for entry in standing.runs:
        yield line("run", entry.words)
