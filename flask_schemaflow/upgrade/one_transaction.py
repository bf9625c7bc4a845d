"""What a revision cannot do on SQLite, where the whole plan is one transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..findings import Finding, Severity

if TYPE_CHECKING:
    from ..recording import RecordedRevision

# https://sqlite.org/lang_vacuum.html, lang_attach.html, pragma.html#pragma_journal_mode: none works inside a
# transaction; the others would end ours.
_OUTSIDE = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(VACUUM|ATTACH|DETACH|BEGIN|COMMIT|END|ROLLBACK(?!\s+(?:TRANSACTION\s+)?TO\b)"
    r"|PRAGMA\s+(?:\w+\.)?journal_mode)\b",
    re.IGNORECASE | re.DOTALL,
)
CODE = "not-inside-a-transaction"


def find_what_needs_another(recorded: Iterable[RecordedRevision]) -> Iterator[Finding]:
    """Find statements that cannot run inside the transaction of the plan. Read-only."""
    for revision in recorded:
        for operation in revision.operations:
            for statement in operation.statements:
                found = _OUTSIDE.match(statement)
                if found:
                    yield Finding(
                        code=CODE,
                        subject=revision.revision,
                        severity=Severity.ERROR,
                        message=f"{' '.join(found[1].split()).upper()} cannot run inside the transaction in "
                        "which all revisions run on SQLite.",
                        hint="Take it out of the revision, and run it by itself if it is needed.",
                        revision=revision.revision,
                        file=str(revision.file),
                        line=operation.line,
                    )
