"""What a statement means for the transaction that it is in, and how it is shown."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum

SHOWN = 200  # characters of a statement that are kept


class Kind(str, Enum):
    """What running a statement does.

    ``READ`` changes nothing; ``CONTROL`` is about the session or its transaction; ``TEMPORARY`` is about a
    table that is gone with the session; ``DATA`` can be rolled back; ``DDL`` is whatever commits, or may.
    """

    READ = "read"
    CONTROL = "control"
    TEMPORARY = "temporary"
    DATA = "data"
    DDL = "ddl"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement: ``text`` is shown to people, without any literal or parameter in it.

    ``sql_hash`` is of the statement before its parameters were put in, ``parameters_hash`` of what was sent.
    ``source`` is the statement before its parameters were put in.
    """

    kind: Kind
    text: str
    sql_hash: str
    parameters_hash: str
    source: str

    def is_same(self, sql_hash: str, parameters_hash: str) -> bool:
        """Say whether this is the statement with these hashes."""
        return (self.sql_hash, self.parameters_hash) == (sql_hash, parameters_hash)


_SPACE = r"(?:\s|\(|;|/\*(?!M?!).*?\*/|--[ \t][^\n]*\n|--\n|\#[^\n]*\n)*"
_FIRST_WORDS = re.compile(rf"{_SPACE}([a-z]+)(?:\s+(?:OR\s+REPLACE\s+)?([a-z]+))?", re.IGNORECASE | re.DOTALL)
_TYPES = r"(?:VAR)?(?:CHAR|BINARY)|NUMERIC|DECIMAL|FLOAT|DOUBLE|(?:TINY|SMALL|MEDIUM|BIG)?INT(?:EGER)?|BIT"
# What is shown otherwise than it was written: texts and numbers, but for the sizes of types, and comments.
_HIDDEN = re.compile(
    r"(?P<text>\b[xbn]?'(?:[^'\\]|\\.|'')*'|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\")"
    r"|(?P<name>`[^`]*`)"
    rf"|(?P<size>\b(?:{_TYPES})\s*\([\d,\s]+\))"
    r"|(?P<number>(?<![\w.])[-+]?\d+(?:\.\d+)?\b)"
    r"|(?P<comment>/\*(?!M?!).*?\*/|--[ \t][^\n]*|\#[^\n]*)",
    re.IGNORECASE | re.DOTALL,
)
_SEVERAL = re.compile(r";\s*\w")
_CHANGES_ROWS = re.compile(r"\b(?:UPDATE|DELETE|INSERT|REPLACE)\b", re.IGNORECASE)

# https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/; a word that is not here commits,
# for all that is known.
_KINDS = {
    **dict.fromkeys(("SELECT", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "VALUES", "HELP"), Kind.READ),
    **dict.fromkeys(
        ("START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "USE", "DO"), Kind.CONTROL
    ),
    **dict.fromkeys(("LOCK", "UNLOCK", "FLUSH", "XA", "KILL"), Kind.CONTROL),
    **dict.fromkeys(("INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"), Kind.DATA),
}


def first_word(sql: str) -> str:
    """Give the first word of a statement, in capitals."""
    found = _FIRST_WORDS.match(sql)
    return found[1].upper() if found else ""


def kind_of(sql: str) -> Kind:
    """Say what running a statement does, by its first words."""
    found = _FIRST_WORDS.match(sql)
    if found is None:
        return Kind.DDL
    first, second = found[1].upper(), (found[2] or "").upper()
    if _SEVERAL.search(shown(sql)):
        return Kind.DDL
    if first in ("CREATE", "DROP") and second == "TEMPORARY":
        return Kind.TEMPORARY
    if first == "BEGIN":
        return Kind.DDL if second == "NOT" else Kind.CONTROL
    if first == "WITH":
        return Kind.DATA if _CHANGES_ROWS.search(shown(sql)) else Kind.READ
    return _KINDS.get(first, Kind.DDL)


def statement_of(sent: str, source: str | None = None) -> Statement:
    """Describe a statement.

    :param sent: what goes to the server, with its parameters.
    :param source: the statement before its parameters were put in, where that is known.
    """
    before = sent if source is None else source
    return Statement(
        kind=kind_of(sent),
        text=shown(before),
        sql_hash=_hash(before),
        parameters_hash=_hash(sent),
        source=before,
    )


def shown(sql: str) -> str:
    """Give a statement in one line that is not too long, with no literal in it but the sizes of types."""
    text = " ".join(_HIDDEN.sub(_shown, sql).split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _shown(found: re.Match[str]) -> str:
    if found["comment"]:
        return " "
    return found[0] if found["name"] or found["size"] else "?"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
