"""Ask MariaDB what the user may: https://mariadb.com/kb/en/show-grants/."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from .lack import Lack, label

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..revisions import TableName
    from .needs import Need

# Where it ends with " TO " the grantee follows, and perhaps the hash of a password.
_GRANT = re.compile(
    r"GRANT (?P<rights>.+?) ON (?:TABLE )?(?P<place>\*|`(?:[^`]|``)+`)\.(?P<table>\*|`(?:[^`]|``)+`) TO "
)
_COLUMNS = re.compile(r" \([^)]*\)")


@dataclass(frozen=True)
class _Grant:
    """Rights on a table of a database; ``*`` is all of them, and a database may be a pattern."""

    rights: frozenset[str]
    database: str
    table: str

    def gives(self, right: str, database: str, table: str) -> bool:
        return (
            not self.rights.isdisjoint({right, "ALL PRIVILEGES"})
            and re.fullmatch(self.database, database, re.IGNORECASE) is not None
            and self.table.lower() in ("*", table.lower())
        )


def lacks(connection: Connection, needs: Sequence[Need]) -> Iterator[Lack]:
    """Give what the user of a session lacks, by grants of its own and of its active roles. Read-only."""
    grants = tuple(_grants(connection))
    user, role, current = connection.exec_driver_sql(
        "SELECT CURRENT_USER(), CURRENT_ROLE(), DATABASE()"
    ).one()
    if not grants:
        return
    lacking: dict[TableName, list[Need]] = {}
    for need in needs:
        database = need.table.schema or current
        if not any(each.gives(need.right, database, need.table.name) for each in grants):
            lacking.setdefault(need.table, []).append(need)
    for table, several in lacking.items():
        rights = ", ".join(dict.fromkeys(need.right for need in several))
        with_role = f" (role {role})" if role and role != "NONE" else ""
        # Rights on a table that is not there can be granted only together with CREATE.
        is_named = "CREATE" in rights or _is_there(connection, table.schema or current, table.name)
        place = f"{_quoted(table.schema or current)}.{_quoted(table.name) if is_named else '*'}"
        yield Lack(
            subject=label(table),
            message=f"The user {user}{with_role} lacks {rights} on {label(table)}.",
            grant=f"GRANT {rights} ON {place} TO {_account(user)}",
            need=several[0],
        )


def _is_there(connection: Connection, database: str, table: str) -> bool:
    there = text("SELECT 1 FROM information_schema.tables WHERE (table_schema, table_name) = (:d, :t)")
    return connection.execute(there, {"d": database, "t": table}).first() is not None


def _grants(connection: Connection) -> Iterator[_Grant]:
    """Give the grants of the user and its active roles, and since 10.11 those of everybody."""
    lines = list(connection.exec_driver_sql("SHOW GRANTS").scalars())
    with suppress(DBAPIError):
        lines += connection.exec_driver_sql("SHOW GRANTS FOR PUBLIC").scalars()
    for found in filter(None, map(_GRANT.match, lines)):
        rights = frozenset(each.strip() for each in _COLUMNS.sub("", found["rights"]).split(","))
        yield _Grant(rights, _expression(found["place"]), _unquoted(found["table"]))


def _expression(place: str) -> str:
    """Give the regular expression of a database in a grant, where ``_`` and ``%`` stand for any letters."""
    if place == "*":
        return ".*"
    parts: Iterable[str] = re.findall(r"\\.|.", _unquoted(place))
    return "".join({"_": ".", "%": ".*"}.get(each, re.escape(each[-1])) for each in parts)


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def _quoted(name: str) -> str:
    return "`{}`".format(name.replace("`", "``"))


def _account(user: str) -> str:
    name, _, host = user.rpartition("@")
    return f"'{name}'@'{host}'"
