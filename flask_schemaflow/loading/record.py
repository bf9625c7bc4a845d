"""What an app tried on its database while it loaded, and what there is to say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..findings import Finding, Severity

if TYPE_CHECKING:
    from sqlalchemy import Table

    from ..errors import SchemaFlowError
    from .origins import Origin

Applies = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Something that the app tried on its database while it loaded.

    ``kind`` is ``creates``, ``drops`` or ``writes``; ``kept_out`` is false where it really happened.
    ``factory`` is the line of the app's outermost function, None where modules alone were loading.
    """

    kind: str
    what: str
    kept_out: bool
    dialect: str
    origin: Origin | None
    factory: Origin | None


@dataclass
class LoadingRecord:
    """What was seen while something loaded; filled while the block of :func:`guarded_loading` runs."""

    attempts: list[Attempt] = field(default_factory=list)
    table_origins: dict[Table, Origin] = field(default_factory=dict)
    failure: SchemaFlowError | None = None

    def findings(self) -> tuple[Finding, ...]:
        """Turn the attempts into findings, one for each place in the source."""
        return tuple(dict.fromkeys(_finding(attempt) for attempt in self.attempts))


GUARD_LINE = "if flask_schemaflow.in_command(): return app"
OUTSIDE_LINE = "if not flask_schemaflow.in_command(): …"


def _finding(attempt: Attempt) -> Finding:
    refuses = attempt.kind == "drops" and attempt.dialect != "sqlite"
    kept = "kept from the database" if attempt.kept_out else "and it reached the database"
    return Finding(
        code=f"{attempt.kind}-on-load",
        subject=attempt.what.split("(")[0].split()[-1],
        severity=Severity.ERROR if refuses else Severity.WARNING,
        message=f"Loading the app runs {attempt.what}; {kept}.",
        hint=_HINTS[attempt.kind].format(advice=_advice(attempt)),
        file=attempt.origin.file if attempt.origin else None,
        line=attempt.origin.line if attempt.origin else None,
    )


def _advice(attempt: Attempt) -> str:
    if attempt.factory is None:
        return f"leave that line out while a command runs: {OUTSIDE_LINE}"
    place = "it" if attempt.factory == attempt.origin else attempt.factory
    return f"leave the factory before {place} while a command runs: {GUARD_LINE}"


_HINTS = {
    "creates": "Once the database is adopted, revisions create tables: remove the call.",
    "drops": "Remove the call, or {advice}",
    "writes": "Keep it from commands: {advice}",
}
