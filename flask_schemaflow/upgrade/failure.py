"""What a database is after a failure: read again, and said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import Broken, Busy, SchemaFlowError, Undone
from ..findings import Finding, Severity
from ..migrations import RevisionFailed
from ..survey import look_at

if TYPE_CHECKING:
    from ..discovery import Bind
    from .run import Run

BindKey = str | None


def told(run: Run, error: BaseException, committed: Iterable[BindKey]) -> SchemaFlowError:
    """Read the databases again after the rollback, and say what they are. Read-only.

    Refusals and settings that stopped the run before it wrote keep their meaning.

    :param committed: the databases that were upgraded before another one failed.
    """
    committed = tuple(committed)
    survey = run.survey
    changed = [bind.target for bind in survey.relevant if not _is_as_said(run, bind, committed)]
    finding, cause = _cause(error)
    if changed:
        return Broken(
            f"{cause} {', '.join(changed)} is not as it was before. Restore it from a backup.",
            findings=finding,
        )
    if isinstance(error, SchemaFlowError) and not isinstance(error, Undone) and not committed:
        return error
    kind = Busy if isinstance(error, Busy) else Undone
    return kind(f"{cause} {_where(run, committed)}", findings=finding)


def _is_as_said(run: Run, bind: Bind, committed: tuple[BindKey, ...]) -> bool:
    try:
        look = look_at(bind, run.survey.version_tables[bind.key])
    except SchemaFlowError:
        return False
    if bind.key in committed:
        return look.versions == (run.plans[bind.key].target,)
    return look == run.survey.looks[bind.key]


def _where(run: Run, committed: tuple[BindKey, ...]) -> str:
    before = {
        bind.label: ", ".join(run.plans[bind.key].current) or "no revision"
        for bind in run.survey.relevant
        if bind.key not in committed
    }
    if len(before) == 1 and not committed:
        return f"Everything was undone; the database is at {next(iter(before.values()))}."
    undone = "; ".join(f"{label} is at {revision}" for label, revision in before.items())
    if not committed:
        return f"Everything was undone: {undone}."
    done = "; ".join(f"{key or 'default'} is at {run.plans[key].target}" for key in committed)
    return f"Committed before: {done}. Undone: {undone}. Run this again."


def _cause(error: BaseException) -> tuple[tuple[Finding, ...], str]:
    if isinstance(error, SchemaFlowError):
        return error.findings, error.message
    if isinstance(error, KeyboardInterrupt):
        return (), "Interrupted while revisions ran."
    if isinstance(error, RevisionFailed):
        finding = Finding(
            code="revision-failed",
            subject=error.revision,
            severity=Severity.ERROR,
            message=str(error),
            revision=error.revision,
            file=error.file,
            line=error.line,
        )
        where = f"{finding.place}: " if finding.place else ""
        return (finding,), f"{where}{error}."
    return (), f"{type(error).__name__}: {error}."
