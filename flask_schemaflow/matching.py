"""Find out which revision's structure a database has."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .drift import Drift, find_drift, is_equal
from .errors import Refused
from .findings import Finding, Severity
from .proof import replay
from .revisions import Revision, TableName, parse_source

if TYPE_CHECKING:
    from .discovery import Bind
    from .migrations import Migrations
    from .snapshot import Snapshot

BindKey = str | None


@dataclass(frozen=True, kw_only=True)
class Match:
    """Which revisions a structure equals, oldest first; and the nearest one where none does.

    ``drift`` are the differences from the nearest, ``snapshots`` what the chosen revision makes.
    """

    equal: tuple[str, ...]
    nearest: str | None
    drift: Mapping[BindKey, tuple[Drift, ...]]
    snapshots: Mapping[BindKey, Snapshot]


@dataclass
class _Seen:
    order: list[str] = field(default_factory=list)
    snapshots: dict[str, dict[BindKey, Snapshot]] = field(default_factory=dict)


def match_revision(
    migrations: Migrations,
    revisions: Iterable[Revision],
    binds: tuple[Bind, ...],
    real: Mapping[BindKey, Snapshot],
    bookkeeping: Mapping[BindKey, frozenset[TableName]],
    *,
    search_time: float,
    accepted: frozenset[str] = frozenset(),
) -> Match:
    """Replay all revisions on scratch in one pass and compare each structure with the real one.

    Never touches the real databases.

    :param real: the structure of each database, of our tables only.
    :param search_time: seconds after which the search ends.
    :param accepted: differences that do not count, each ``CODE:SUBJECT``.
    :raises Refused: time is over, or a revision fails on scratch.
    """
    seen = _Seen()
    end = time.monotonic() + search_time

    def observe(key: BindKey, revision: str, snapshot: Snapshot) -> None:
        if time.monotonic() > end:
            raise Refused(
                f"The search for the revision took longer than {search_time:g} seconds "
                f"(reached {revision}). Give it more with --search-time."
            )
        if revision not in seen.snapshots:
            seen.order.append(revision)
        seen.snapshots.setdefault(revision, {})[key] = snapshot

    replay(migrations, binds, "heads", bookkeeping, required=real, observe=observe)
    drifts = {
        revision: {
            key: tuple(
                d for d in find_drift(made[key], real[key], f"revision {revision}") if d.key not in accepted
            )
            for key in real
        }
        for revision, made in seen.snapshots.items()
        if made.keys() >= real.keys()
    }
    order = [revision for revision in seen.order if revision in drifts]
    equal = tuple(r for r in order if all(is_equal(d) for d in drifts[r].values()))
    nearest = min(reversed(order), key=lambda r: _distance(drifts[r]), default=None)
    chosen = _choose(equal, {revision.id: revision for revision in revisions})
    return Match(
        equal=(chosen,) if chosen else equal,
        nearest=None if equal else nearest,
        drift=drifts[nearest] if nearest is not None and not equal else {},
        snapshots=seen.snapshots.get(chosen or "", {}),
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


def ambiguous(match: Match) -> Finding:
    """Say that several revisions have the structure, so that choosing one would be guessing."""
    return Finding(
        code="several-revisions-equal",
        subject=", ".join(match.equal),
        severity=Severity.ERROR,
        message="These revisions leave the same structure and change rows between them, so the "
        f"structure cannot tell which one the database is at: {', '.join(match.equal)}.",
        hint="Say which with --restamp REV.",
    )
