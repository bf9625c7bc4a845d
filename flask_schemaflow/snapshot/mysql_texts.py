"""Ask MariaDB or MySQL for the text of many objects at once.

MariaDB runs a compound statement outside of routines and gives one result per statement in it: all texts in
one round trip, without the protocol's flag for several statements
(https://mariadb.com/kb/en/using-compound-statements-outside-of-stored-programs/). MySQL has none, and is
asked object by object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Busy, ConfigurationError
from .mysql_tokens import quoted

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# Bytes; a longer compound statement brings nothing.
_LONGEST = 1 << 20
_FRAME = (
    "BEGIN NOT ATOMIC DECLARE n INT; DECLARE m TEXT; DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN "
    "GET DIAGNOSTICS CONDITION 1 n = MYSQL_ERRNO, m = MESSAGE_TEXT; "
    "SELECT n AS `schemaflow errno`, m AS message; END; ",
    "END",
)
# Error numbers (https://mariadb.com/kb/en/mariadb-error-code-reference/).
_NO_RIGHT = frozenset({1044, 1045, 1142, 1143, 1227, 1345, 1370})
_GONE = frozenset({1146, 1305, 1539, 4091})
LOCKED = frozenset({1205, 1213, 3024, 1969})


@dataclass(frozen=True)
class Thing:
    """Something to ask for: ``kind`` as after SHOW CREATE."""

    kind: str
    name: str

    @property
    def statement(self) -> str:
        """What asks for it."""
        return f"SHOW CREATE {self.kind} {quoted(self.name)}"

    def __str__(self) -> str:
        return f"{self.kind.lower()} {self.name}"


@dataclass(frozen=True)
class Text:
    """A thing as the server prints it; ``sql_mode`` the one it was made under, for routines and events.

    ``text`` is empty for a routine that the role may not see.
    """

    thing: Thing
    text: str
    sql_mode: str = ""


def ask_for_texts(connection: Connection, things: Iterable[Thing], longest: int) -> list[Text]:
    """Give what SHOW CREATE says of each. Read-only.

    :param longest: the longest statement that the server takes, in bytes.
    :raises ConfigurationError: one cannot be read, for want of rights or because it is damaged.
    :raises Busy: one is locked, or went away meanwhile.
    """
    cursor = connection.connection.cursor()
    try:
        if getattr(connection.dialect, "is_mariadb", False):
            return list(_all_at_once(cursor, list(things), min(longest // 2, _LONGEST)))
        return [_one(cursor, thing) for thing in things]
    finally:
        cursor.close()


def _all_at_once(cursor: Any, things: list[Thing], longest: int) -> Iterator[Text]:
    for chunk in _chunks(things, longest):
        cursor.execute(_FRAME[0] + "".join(f"{thing.statement}; " for thing in chunk) + _FRAME[1])
        for thing in chunk:
            yield _read(thing, [column[0] for column in cursor.description], cursor.fetchall())
            cursor.nextset()
        while cursor.nextset():
            pass


def _chunks(things: list[Thing], longest: int) -> Iterator[list[Thing]]:
    chunk: list[Thing] = []
    length = 0
    for thing in things:
        more = len(thing.statement.encode()) + 2
        if chunk and length + more > longest:
            yield chunk
            chunk, length = [], 0
        chunk.append(thing)
        length += more
    if chunk:
        yield chunk


def _one(cursor: Any, thing: Thing) -> Text:
    try:
        cursor.execute(thing.statement)
    except Exception as error:  # each driver has its own; the number comes first in all of them
        number = error.args[0] if error.args else None
        if not isinstance(number, int):
            raise
        raise _failure(thing, number, str(error.args[-1])) from error
    return _read(thing, [column[0] for column in cursor.description], cursor.fetchall())


def _read(thing: Thing, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Text:
    row = dict(zip(columns, rows[0], strict=True)) if rows else {}
    if "schemaflow errno" in row:
        raise _failure(thing, row["schemaflow errno"], row["message"])
    text = next((v for k, v in row.items() if k.startswith(("Create ", "SQL Original "))), None)
    return Text(thing, text or "", row.get("sql_mode", ""))


def no_right_to_read(what: str) -> ConfigurationError:
    """Say which rights reading takes."""
    return ConfigurationError(
        f"The role has no right to read the {what}. It needs SELECT, SHOW VIEW, TRIGGER and EVENT on the "
        "database."
    )


def _failure(thing: Thing, number: int, message: str) -> ConfigurationError | Busy:
    if number in _NO_RIGHT:
        return no_right_to_read(f"{thing}: {message}")
    if number in _GONE and thing.name in message:
        return Busy(f"The {thing} went away while the database was read: {message}. Try again.")
    if number in LOCKED:
        return Busy(f"The {thing} is locked by another session: {message}. Try again.")
    return ConfigurationError(f"The {thing} cannot be read: {message} (error {number}). Repair or remove it.")
