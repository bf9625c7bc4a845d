"""Text for people: findings by weight, then the verdict, which is the last line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..findings import Finding, Severity

if TYPE_CHECKING:
    from ..results import Result

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def to_text(result: Result, *, verbose: bool) -> tuple[str, ...]:
    """Give the lines of a result, without the verdict.

    :param verbose: also findings that are for information, modules and planned revisions.
    """
    return tuple(_lines(result, verbose=verbose))


def _lines(result: Result, *, verbose: bool) -> Iterator[str]:
    yield from result.details
    if verbose and result.discovery is not None:
        for module in result.discovery.modules:
            yield f"module      {module.module}: {', '.join(module.tables)} ({module.why})"
    for step in result.plan:
        yield f"pending     {step.revision} {step.title}".rstrip()
    yield from _findings(result.findings, verbose=verbose)


def _findings(findings: Iterable[Finding], *, verbose: bool) -> Iterator[str]:
    findings = tuple(findings)
    for severity in _ORDER:
        if severity is Severity.INFO and not verbose:
            continue
        for finding in findings:
            if finding.severity is severity:
                place = f"{finding.place}: " if finding.place else ""
                yield f"{severity.value:<11} {place}{finding.message} [{finding.key}]"
                if finding.hint:
                    yield f"{'':<11} {finding.hint}"
