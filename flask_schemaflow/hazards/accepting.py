"""Accept a hazard where it is: ``# schemaflow: accept CODE -- reason`` at the operation.

``CODE:SUBJECT`` accepts it for that subject only.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..findings import Finding, Severity
from ..revisions import source_of

if TYPE_CHECKING:
    from pathlib import Path

    from .hazard import Hazard

_NOTE = re.compile(r"#\s*schemaflow:\s*accept\b(?P<codes>.*?)(?:--(?P<reason>.*))?$")


@dataclass(frozen=True)
class _Note:
    """A comment that accepts something; ``alone`` on its line it is of the statement below."""

    codes: tuple[str, ...]
    reason: str
    line: int
    alone: bool


class Acceptances:
    """What the comments of one revision accept. Read-only."""

    def __init__(self, file: Path) -> None:
        source = source_of(file)
        self.file = file
        self._notes = tuple(_notes(source)) if "schemaflow" in source else ()
        self._spans = tuple(_spans(ast.parse(source))) if self._notes else ()

    def accept(self, hazard: Hazard) -> bool:
        """Say whether a comment at its operation accepts a hazard."""
        if hazard.line is None:
            return False
        around = [span for span in self._spans if span[0] <= hazard.line <= span[1]]
        first, last = min(around, key=lambda span: span[1] - span[0], default=(hazard.line, hazard.line))
        return any(
            bool({hazard.code, hazard.key} & {*note.codes})
            and note.reason
            and ((note.alone and note.line == first - 1) or first <= note.line <= last)
            for note in self._notes
        )

    def mistakes(self, revision: str, known: Collection[str]) -> Iterator[Finding]:
        """Give what is wrong with the comments: no reason, or a code that there is not.

        :param known: the codes that can be accepted.
        """
        for note in self._notes:
            unknown = [code for code in note.codes if code.partition(":")[0] not in known] or (
                [] if note.codes else [""]
            )
            if unknown:
                yield self._mistake(
                    "acceptance-of-unknown-code",
                    revision,
                    note,
                    f"It accepts {unknown[0] or 'nothing'}, which is no code of a hazard.",
                    f"The codes are {', '.join(sorted(known))}.",
                )
            elif not note.reason:
                yield self._mistake(
                    "acceptance-without-reason",
                    revision,
                    note,
                    f"It accepts {', '.join(note.codes)} and says no reason.",
                    f"# schemaflow: accept {note.codes[0]} -- why nothing is lost",
                )

    def _mistake(self, code: str, revision: str, note: _Note, message: str, hint: str) -> Finding:
        return Finding(
            code=code,
            subject=revision,
            severity=Severity.ERROR,
            message=message,
            hint=hint,
            revision=revision,
            file=str(self.file),
            line=note.line,
        )


def _notes(source: str) -> Iterator[_Note]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        match = _NOTE.match(token.string) if token.type == tokenize.COMMENT else None
        if match is not None:
            codes = tuple(match["codes"].replace(",", " ").split())
            alone = not token.line[: token.start[1]].strip()
            yield _Note(codes, (match["reason"] or "").strip(), token.start[0], alone)


def _spans(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """Give first and last line of each statement; of one that has others inside, those of its head."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno
            yield node.lineno, max(node.lineno, last or node.lineno)
