"""Say which values a PostgreSQL column loses, or refuses, when its type changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql

from ..hazards import does_not_fit

if TYPE_CHECKING:
    from ..snapshot import Part

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def what_does_not_fit(old: Part, new: Part) -> str | None:
    """Give the condition that such values meet; None where all fit, or where it is not known.

    Where it is not known, the engine refuses what it cannot convert, and the transaction takes all back.
    """
    was, to = old.facts["type"], new.facts["type"]
    condition = None if was.endswith("[]") else does_not_fit(old.name or "", was, to, "postgresql")
    if condition is None:
        return None
    compiled = condition.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
    return str(compiled).replace("%%", "%")
