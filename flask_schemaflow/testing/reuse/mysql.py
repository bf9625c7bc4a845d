"""Find out exactly what a test changed in a copy on MariaDB or MySQL, and put rows back.

Tables that were empty are so again by TRUNCATE, which fires no trigger and sets AUTO_INCREMENT back (DELETE
with ALTER TABLE … AUTO_INCREMENT takes longer). Rows of the template's are compared by hashes in the tables'
order: CHECKSUM TABLE does not see a letter that moves from the end of one column to the begin of the next.
Whatever is not as it was, or cannot be known, is not used again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

Row = tuple[Any, ...]

_WAIT = 5.0  # seconds for the sessions of a test to end
_SESSION = (
    "SET SESSION sql_mode = '', time_zone = '+00:00', foreign_key_checks = 0, group_concat_max_len = 16777216"
)
# Names and definitions come as they are, and the sessions of others are shown: INNODB_TRX fails without
# the right PROCESS, as PROCESSLIST does not.
_ALL_IS_SEEN = (
    "SELECT @@character_set_client = 'utf8mb4' AND @@character_set_results = 'utf8mb4' "
    "AND (SELECT COUNT(*) FROM information_schema.INNODB_TRX) >= 0"
)
_TABLES = "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{name}'"
# Other engines do not roll back, and system-versioned tables keep what was deleted.
_KNOWN = {("BASE TABLE", "InnoDB"), ("SEQUENCE", "InnoDB"), ("VIEW", None)}
_EVENTS = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{name}'"
_STRUCTURE = (
    _TABLES,
    _EVENTS,
    "SHOW CREATE DATABASE {name}",
    # The same as TRIGGER_SCHEMA, for which the server would read every database.
    "SELECT * FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = '{name}'",
    "SELECT * FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '{name}'",
    "SELECT * FROM information_schema.PARAMETERS WHERE SPECIFIC_SCHEMA = '{name}'",
    # GRANT writes an underscore with a backslash before it, or without.
    "SELECT COUNT(*) FROM (SELECT Db FROM mysql.db UNION ALL SELECT Db FROM mysql.tables_priv "
    "UNION ALL SELECT Db FROM mysql.columns_priv UNION ALL SELECT Db FROM mysql.procs_priv) AS granted "
    "WHERE REPLACE(Db, CHAR(92), '') = '{name}'",
)
_OTHERS = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{name}' AND ID <> CONNECTION_ID()"
_COLUMNS = (
    "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS "
    "WHERE TABLE_SCHEMA = '{name}' ORDER BY TABLE_NAME, ORDINAL_POSITION"
)
# How a value is written exactly. As text a FLOAT is rounded, and an ENUM may be empty in two ways.
_EXACTLY = {
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "bit"), "HEX({})"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "HEX({})"),
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "decimal"), "CAST({} AS CHAR)"),
    **dict.fromkeys(("date", "time", "datetime", "timestamp", "year"), "CAST({} AS CHAR)"),
    **dict.fromkeys(("uuid", "inet4", "inet6"), "CAST({} AS CHAR)"),
    **dict.fromkeys(("float", "double"), "CAST({} * 1e0 AS CHAR)"),
    **dict.fromkeys(("enum", "set"), "CAST({} AS UNSIGNED)"),
}
_NONE = "SELECT {number}, 0, ''"
_ANY = "SELECT {number}, EXISTS (SELECT 1 FROM {table}), ''"
# NULL where a value is too large for a packet, or where there are too many rows.
_HASHED = (
    "SELECT {number}, COUNT(*), "
    "IF(LENGTH(GROUP_CONCAT(hash)) = 41 * COUNT(*) - 1, SHA1(GROUP_CONCAT(hash)), NULL) "
    "FROM (SELECT SHA1(CONCAT({values})) AS hash FROM {table}) AS hashed"
)
_SEQUENCE = (
    "SELECT {number}, next_not_cached_value, CONCAT_WS(' ', minimum_value, maximum_value, start_value, "
    "increment, cache_size, cycle_option, cycle_count) FROM {table}"
)
_NEXT_ID = re.compile(r"^(\) ENGINE=\w+) AUTO_INCREMENT=(\d+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A table, a view or a sequence; ``rows`` says of a table that was empty only whether there are any."""

    definition: tuple[str, ...]
    next_id: int
    rows: int
    content: str | None


class Reusable:
    """A new copy that nobody has used yet.

    :param connection: to the server, in autocommit, and not to the copy.
    :param name: the copy's.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._contents: dict[str, str] = {}
        self._before: tuple[dict[str, _Table], list[list[Row]]] | None = None
        with suppress(DBAPIError):
            self._run(_SESSION)
            if self._ask(_ALL_IS_SEEN)[0][0] and not self._ask(_EVENTS):
                self._before = self._first_look()

    def _first_look(self) -> tuple[dict[str, _Table], list[list[Row]]] | None:
        """Give what there is; None where that cannot be told exactly, or not be put back."""
        kinds = {name: (kind, engine) for name, kind, engine in self._ask(_TABLES)}
        if not _KNOWN.issuperset(kinds.values()):
            return None
        queries = {"BASE TABLE": _ANY, "SEQUENCE": _SEQUENCE, "VIEW": _NONE}
        self._contents = {name: queries[kind] for name, (kind, _) in kinds.items()}
        columns = self._ask(_COLUMNS)
        for name, found in self._tables(kinds).items():
            if self._contents[name] == _SEQUENCE:
                # Which values the server keeps in memory for it is not shown: none from now on.
                self._run(self._restarted(name, found))
            elif found.rows:
                types = {column: kind for table, column, kind in columns if table == name}
                if not _EXACTLY.keys() >= set(types.values()):
                    return None
                self._contents[name] = _HASHED.replace("{values}", _values(types))
        tables = self._tables(kinds)
        known = all(each.content is not None for each in tables.values())
        return (tables, self._structure()) if known else None

    def put_back(self) -> bool:
        """Put the rows back, and say whether everything is as it was; if not, nobody must use it again.

        Ends the sessions that are still there.
        """
        try:
            return self._before is not None and self._alone() and self._is_put_back(*self._before)
        except DBAPIError:
            return False

    def _is_put_back(self, tables: dict[str, _Table], structure: list[list[Row]]) -> bool:
        now = self._tables(tables)
        changed = {name: was for name, was in tables.items() if now[name] != was}
        for name, was in changed.items():
            statements = self._way_back(name, was, now[name])
            if not statements:
                return False  # rows of the template's, or the structure: a new copy has them
            for each in statements:
                self._run(each)
        return self._tables(changed) == changed and self._structure() == structure

    def _way_back(self, name: str, was: _Table, now: _Table) -> list[str]:
        table = self._quoted(name)
        same_rows = (was.rows, was.content) == (now.rows, now.content)
        at_id = f"ALTER TABLE {table} AUTO_INCREMENT = {was.next_id}"
        if was.definition != now.definition:
            return []
        if self._contents[name] == _SEQUENCE:
            return [self._restarted(name, was)]
        if self._contents[name] == _ANY:
            return [f"TRUNCATE TABLE {table}", *([at_id] if was.next_id > 1 else [])]
        return [at_id] if same_rows else []

    def _restarted(self, name: str, was: _Table) -> str:
        return f"ALTER SEQUENCE {self._quoted(name)} RESTART WITH {was.rows}"

    def _tables(self, names: Iterable[str]) -> dict[str, _Table]:
        """Give how each table is: its definition in as many statements, and its rows in one."""
        numbers = dict(enumerate(names))
        if not numbers:
            return {}
        query = " UNION ALL ".join(
            self._contents[name].replace("{number}", str(number)).replace("{table}", self._quoted(name))
            for number, name in numbers.items()
        )
        contents = {numbers[number]: (int(rows), content) for number, rows, content in self._asked(query)}
        return {name: self._table(name, *contents[name]) for name in contents}

    def _table(self, name: str, rows: int, content: str | None) -> _Table:
        (_, definition, *more), *_ = self._asked(f"SHOW CREATE TABLE {self._quoted(name)}")
        found = _NEXT_ID.search(definition)
        return _Table(
            definition=(_NEXT_ID.sub(r"\1", definition, count=1), *more),
            next_id=int(found[2]) if found is not None else 1,
            rows=rows,
            content=content,
        )

    def _structure(self) -> list[list[Row]]:
        return [sorted(self._ask(query), key=repr) for query in _STRUCTURE]

    def _alone(self) -> bool:
        """End the other sessions, and say whether they are gone, and no transaction in the copy is left."""
        deadline = time.monotonic() + _WAIT
        while others := self._ask(_OTHERS):
            if time.monotonic() > deadline:
                return False
            for (number,) in others:
                with suppress(DBAPIError):  # it has just ended
                    self._run(f"KILL {int(number)}")
            time.sleep(0.002)
        if self._ask("XA RECOVER"):
            return False
        # A session that is elsewhere holds locks of the tables which its transaction has used.
        tables = [f"{self._quoted(name)} WRITE" for name, way in self._contents.items() if way != _NONE]
        if tables:
            self._run(f"LOCK TABLES {', '.join(tables)}")
            self._run("UNLOCK TABLES")
        return True

    def _quoted(self, table: str) -> str:
        return f"{self._name}.{_quoted(table)}"

    def _ask(self, query: str) -> list[Row]:
        """Ask about this copy."""
        return self._asked(query.replace("{name}", self._name))

    def _asked(self, query: str) -> list[Row]:
        return [tuple(row) for row in self._connection.exec_driver_sql(query.replace("%", "%%"))]

    def _run(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement.replace("%", "%%"))


def _values(types: dict[str, str]) -> str:
    """Write the values of a row one after the other; what is not there is told from what is empty."""
    each = ((_quoted(column), _EXACTLY[kind]) for column, kind in types.items())
    return ", ',', ".join(f"IF({column} IS NULL, '-', {way.format(column)})" for column, way in each)


def _quoted(name: str) -> str:
    return "`{}`".format(name.replace("`", "``"))
