"""Find out which revision's structure a database has."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .drift import Drift, find_drift, is_equal
from .errors import DriftFound, Refused, UnadoptableState
from .findings import Finding, Severity
from .proof import replay
from .revisions import Revision, parse_source

if TYPE_CHECKING:
    from .snapshot import Snapshot
    from .survey import Survey

BindKey = str | None


def revision_of(
    survey: Survey, keys: Iterable[BindKey], *, search_time: float, accepted: frozenset[str]
) -> str:
    """Find the one revision whose structure these databases have.

    Never touches the real databases.

    :param search_time: seconds after which the search ends.
    :param accepted: differences that do not count, each ``CODE:SUBJECT``.
    :raises UnadoptableState: several have it and change rows between them.
    :raises DriftFound: none has it; the findings are the differences from the nearest.
    """
    real = {key: survey.ours(key) for key in keys}
    match = _match(survey, real, search_time, accepted)
    if len(match.equal) > 1:
        finding = _ambiguous(match.equal)
        raise UnadoptableState(f"{finding.message} {finding.hint}", findings=(finding,))
    if not match.equal:
        found = tuple(each for drift in match.drift.values() for each in drift)
        number = sum(each.structural for each in found)
        raise DriftFound(
            "The structure is not that of any revision. The nearest is "
            f"{match.nearest}; it differs in {number} way{'s' if number != 1 else ''}.",
            findings=found,
        )
    return match.equal[0]


@dataclass(frozen=True, kw_only=True)
class _Match:
    """Which revisions a structure equals, oldest first, and the nearest one.

    ``drift`` are the differences from the nearest, where none is equal.
    """

    equal: tuple[str, ...]
    nearest: str | None
    drift: Mapping[BindKey, tuple[Drift, ...]]


def _match(
    survey: Survey, real: Mapping[BindKey, Snapshot], search_time: float, accepted: frozenset[str]
) -> _Match:
    """Replay all revisions on scratch in one pass and compare each structure with the real one."""
    made: dict[str, dict[BindKey, Snapshot]] = {}
    end = time.monotonic() + search_time

    def observe(key: BindKey, revision: str, snapshot: Snapshot) -> None:
        if time.monotonic() > end:
            raise Refused(
                f"The search for the revision took longer than {search_time:g} seconds "
                f"(reached {revision}). Give it more with --search-time."
            )
        made.setdefault(revision, {})[key] = snapshot

    replay(survey.migrations, survey.binds, "heads", survey.bookkeeping, required=real, observe=observe)
    drifts = {
        revision: {
            key: tuple(
                each
                for each in find_drift(snapshots[key], real[key], f"revision {revision}")
                if each.key not in accepted
            )
            for key in real
        }
        for revision, snapshots in made.items()
        if snapshots.keys() >= real.keys()
    }
    equal = tuple(r for r, drift in drifts.items() if all(map(is_equal, drift.values())))
    nearest = min(reversed(drifts), key=lambda r: _distance(drifts[r]), default=None)
    chosen = _choose(equal, {revision.id: revision for revision in survey.revisions})
    return _Match(
        equal=(chosen,) if chosen else equal,
        nearest=nearest,
        drift=drifts[nearest] if nearest is not None and not equal else {},
    )


def _distance(drift: Mapping[BindKey, tuple[Drift, ...]]) -> int:
    return sum(each.structural for found in drift.values() for each in found)


def _choose(equal: tuple[str, ...], by_id: Mapping[str, Revision]) -> str | None:
    """Choose the newest of several equal revisions if the others between do provably nothing."""
    if not equal:
        return None
    later = equal[1:]
    return equal[-1] if all(_does_nothing(by_id[revision]) for revision in later) else None


def _does_nothing(revision: Revision) -> bool:
    """Say whether ``upgrade`` is nothing but ``pass`` and a docstring. Read-only."""
    tree = parse_source(revision.file, revision.file.read_text(encoding="utf-8"))
    functions = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("upgrade")
    ]
    others = [n for n in tree.body if isinstance(n, ast.Expr) and not isinstance(n.value, ast.Constant)]
    return bool(functions) and not others and all(map(_is_empty, functions))


def _is_empty(function: ast.FunctionDef) -> bool:
    return all(
        isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in function.body
    )


def _ambiguous(equal: tuple[str, ...]) -> Finding:
    return Finding(
        code="several-revisions-equal",
        subject=", ".join(equal),
        severity=Severity.ERROR,
        message="These revisions leave the same structure and change rows between them, so the "
        f"structure cannot tell which one the database is at: {', '.join(equal)}.",
        hint="Say which with --restamp REV.",
    )
