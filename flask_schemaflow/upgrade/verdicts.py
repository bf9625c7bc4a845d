"""The last line of an upgrade that reached its goal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..revisions import in_words

if TYPE_CHECKING:
    from ..plan import Plan
    from ..results import DatabaseResult

BindKey = str | None
Plans = Mapping[BindKey, "Plan"]
Stamps = Mapping[BindKey, str]


def nothing_to_do(plans: Plans) -> str:
    """Say that every database is where it should be."""
    return f"Nothing to do: at {_targets(plans)} already."


def would(plans: Plans, stamps: Stamps) -> str:
    """Say what would be done."""
    first = f"Would stamp {', '.join(sorted(set(stamps.values())))}, then run " if stamps else "Would run "
    return f"{first}{', '.join(_revisions(plans)) or 'nothing'}."


def done(plans: Plans, stamps: Stamps, databases: tuple[DatabaseResult, ...], *, checked: bool = True) -> str:
    """Say what was done."""
    steps = _revisions(plans)
    stamped = f"Adopted at {', '.join(sorted(set(stamps.values())))} by proof; " if stamps else ""
    unchecked = "" if checked else " The structure was not checked."
    count = f"{len(steps)} revision" + ("s" if len(steps) != 1 else "")
    ran = f"upgraded to {_targets(plans)}, {count}" if steps else "no revision was pending"
    differs = any(each.verified is False for each in databases)
    before = " It differs from that revision as it did before." if differs else ""
    text = f"{stamped}{ran}.{before}{unchecked}"
    return text[0].upper() + text[1:]


def _targets(plans: Plans) -> str:
    return ", ".join(sorted({in_words(plan.target) for plan in plans.values()})) or "no revision"


def _revisions(plans: Plans) -> list[str]:
    return list(dict.fromkeys(step.revision for plan in plans.values() for step in plan.steps))
