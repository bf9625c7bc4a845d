"""Tables for a terminal; the only module that loads rich, when there is something to draw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import groupby
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..findings import Finding, Severity
from .wording import apart, backups_taken, is_plan_told, near, on_paper, shortened, weighed

if TYPE_CHECKING:
    from ..discovery import DiscoveredModule
    from ..history import Entry
    from ..plan import Step
    from ..results import Result, Standing
    from .terminal import Terminal

_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_STATES = {"current": "green", "behind": "yellow"}
_WIDE = 72  # columns, from which a finding has a column of its own for its name


def drawn(result: Result, terminal: Terminal, *, verbose: bool) -> Iterator[str]:
    """Give the lines of a result; where one is longer than the terminal is wide, it is to be copied."""

    def draw(tables: Iterable[Table]) -> Iterator[str]:
        for table in tables:
            yield from _draw(table, terminal)

    if verbose and result.discovery is not None:
        yield from draw([_modules(result.discovery.modules)])
    if is_plan_told(result) and not result.standings:
        yield from draw(_plan(result.plan, verbose=verbose))
    yield from on_paper(result)
    yield from backups_taken(result.backups)
    yield from draw(_findings(apart(result), terminal, verbose=verbose))
    for section in result.sections:
        yield near(section.title)
        yield from draw(_findings(section.findings, terminal, verbose=True))
    for standing in result.standings:
        yield from draw(_standing(standing))
    yield from map(near, result.details)


def _draw(table: Table, terminal: Terminal) -> tuple[str, ...]:
    table.box = box.ROUNDED if terminal.has_unicode else box.ASCII2
    console = Console(
        file=StringIO(),
        width=terminal.width,
        color_system="standard" if terminal.has_colour else None,
        force_terminal=True,
        force_jupyter=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(table)
    return tuple(captured.get().splitlines())


def _modules(modules: Iterable[DiscoveredModule]) -> Table:
    """Say which module brings which tables, and why it was loaded."""
    table = _table("module", "tables", "why")
    for module in modules:
        table.add_row(_text(module.module), _text(", ".join(module.tables)), _text(module.why))
    return table


def _plan(steps: Iterable[Step], *, verbose: bool) -> Iterator[Table]:
    """Say what would run, a table for each database."""
    steps = tuple(steps)
    several = len({step.bind for step in steps}) > 1
    for bind, those in groupby(steps, lambda step: step.bind):
        table = _table("would run", f"on {bind or 'default'}" if several else "what it does")
        table.show_lines = True
        for step in those:
            table.add_row(_text(step.revision, "bold"), _told_step(step, verbose=verbose))
        yield table


def _findings(findings: Iterable[Finding], terminal: Terminal, *, verbose: bool) -> Iterator[Table]:
    """Say what was found, the heaviest first, if anything was."""
    shown = tuple(weighed(findings, verbose=verbose))
    if not shown:
        return
    is_wide = terminal.width >= _WIDE
    table = _table("weight", *(["finding"] if is_wide else []), "what is so, and what to do")
    table.show_lines = True
    if is_wide:
        table.columns[1].max_width = terminal.width // 3
    for finding in shown:
        weight = _text(finding.severity.value, _STYLES[finding.severity])
        name = _text(f"{finding.code}:\n{finding.subject}", "bold")
        told = _told_finding(finding)
        cells = [name, told] if is_wide else [Text("\n").join([_text(finding.key, "bold"), told])]
        table.add_row(weight, *cells)
    yield table


def _standing(standing: Standing) -> Iterator[Table]:
    """Say where a database stands, and what was done there last."""
    table = Table(show_header=False)
    for name, said in standing.facts:
        style = _STATES.get(said[0], "red") if name == "state" else ""
        table.add_row(_text(name, "bold"), _text(near("\n".join(said)), style))
    yield table
    if standing.runs:
        yield _runs(standing.runs)


def _runs(runs: Iterable[Entry]) -> Table:
    runs = tuple(runs)
    with_release = any(each.app_release for each in runs)
    table = _table("when", "what", "at revision", "took", "where", *(["release"] if with_release else []))
    for each in runs:
        revision = f"{each.revision or ''} {each.title}".strip()
        cells = [each.when, each.what, revision, each.took, each.host]
        cells += [each.app_release or ""] if with_release else []
        table.add_row(*(_text(cell, "red" if each.is_open else "") for cell in cells))
    return table


def _told_step(step: Step, *, verbose: bool) -> Text:
    told = [_text(step.title), *map(_text, shortened(step, verbose=verbose))]
    if verbose and step.statements:
        told.append(_text("\n".join(["", *step.statements]).expandtabs(4), "dim"))
    return Text("\n").join(told)


def _told_finding(finding: Finding) -> Text:
    told = [_text(near(finding.place), "dim")] if finding.place else []
    told.append(_text(finding.message))
    if finding.hint:
        told.append(_text(near(finding.hint), "italic"))
    return Text("\n").join(told)


def _table(*headers: str) -> Table:
    table = Table(header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def _text(text: str, style: str = "") -> Text:
    return Text(text, style=style, overflow="fold")
