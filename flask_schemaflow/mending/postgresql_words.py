"""Write names as PostgreSQL takes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from ..snapshot import Object

_PREPARER = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]


def quoted(name: str) -> str:
    """Write a name, with quotes where it needs them."""
    return str(_PREPARER.quote(name))


def written(thing: Object) -> str:
    """Write the name of an object, with its schema where that is not the default one."""
    return quoted(thing.name) if thing.schema is None else f"{quoted(thing.schema)}.{quoted(thing.name)}"


_ON_DEFAULT = re.compile(r"(?P<on> ON (?:ONLY )?)(?:\"(?:[^\"]|\"\")+\"|\w+)\.")


def in_default_schema(definition: str, thing: Object) -> str:
    """Take away the schema after ``ON``, which the engine writes even where it is the default one."""
    return definition if thing.schema is not None else _ON_DEFAULT.sub(r"\g<on>", definition, count=1)
