"""What a script drops: accepted by name, and said again in the revision that it becomes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..drift import find_drift

if TYPE_CHECKING:
    from ..mending import Script, Step
    from ..snapshot import Snapshot


def drop_key(key: str) -> str:
    """Give what accepts to drop the thing that a difference is about."""
    return key.replace("extra-", "drop-", 1)


def all_drops(wanted: Snapshot, there: Snapshot) -> frozenset[str]:
    """Accept to drop all that ``wanted`` has not, as on the way back of what has added it.

    A column that was computed is so again.
    """
    found = find_drift(wanted, there, "what was before")
    keys = {drop_key(each.key) for each in found if each.code.startswith("extra-")}
    return made_anew(wanted, there) | keys


def made_anew(wanted: Snapshot, there: Snapshot) -> frozenset[str]:
    """Accept to drop the columns that are made anew, since they are computed in another way."""
    found = find_drift(wanted, there, "what was before")
    return frozenset(
        f"drop-column:{each.subject}" for each in found if each.code == "changed-column-generated"
    )


def telling_what_was_accepted(script: Script, accepted: frozenset[str]) -> Script:
    """Have a revision accept what was accepted for it, so that no upgrade stops at it again."""

    def told_in(step: Step) -> Step:
        keys = [key for key in map(drop_key, step.mends) if key in accepted]
        if not keys or not step.statements:
            return step
        note = f"schemaflow: accept {', '.join(keys)} -- accepted by name when this revision was written"
        return replace(step, notes=(*step.notes, note))

    return replace(script, steps=tuple(map(told_in, script.steps)))
