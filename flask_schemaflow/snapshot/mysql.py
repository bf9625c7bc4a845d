"""Read the structure of a MariaDB or MySQL database: a handful of queries, however many tables."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import Busy
from .mysql_grammar import read_table
from .mysql_names import with_made_up_names
from .mysql_session import Session, reading_session
from .mysql_texts import LOCKED, Text, Thing, ask_for_texts, no_right_to_read
from .mysql_tokens import (
    QUOTED_NAME,
    QUOTED_TEXT,
    UnreadableText,
    names_read,
    normal_text,
    quoted,
    without_database,
)
from .structure import Object, Part, Snapshot

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_THINGS = (
    "SELECT table_type, table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
    "UNION ALL SELECT routine_type, routine_name FROM information_schema.routines "
    "WHERE routine_schema = DATABASE() "
    "UNION ALL SELECT 'EVENT', event_name FROM information_schema.events WHERE event_schema = DATABASE()"
)
_COLLATIONS = "SELECT character_set_name, default_collate_name FROM information_schema.character_sets"
# The server looks triggers up by the schema of their table, which is theirs too; asked by any other column it
# opens the tables of every database, and waits for whoever has one of them locked.
_TRIGGERS = (
    "SELECT event_object_table, trigger_name, action_timing, event_manipulation, action_order, "
    "action_statement, sql_mode FROM information_schema.triggers WHERE event_object_schema = DATABASE()"
)
_KINDS = {"BASE TABLE": "TABLE", "SYSTEM VERSIONED": "TABLE"}
_ASKED = frozenset(("TABLE", "VIEW", "SEQUENCE", "PROCEDURE", "FUNCTION", "PACKAGE", "PACKAGE BODY", "EVENT"))
# What in sql_mode says how a text is read (https://mariadb.com/kb/en/sql-mode/).
_SYNTAX = frozenset(
    "ANSI_QUOTES HIGH_NOT_PRECEDENCE IGNORE_SPACE NO_BACKSLASH_ESCAPES ORACLE PIPES_AS_CONCAT "
    "REAL_AS_FLOAT".split()
)
# MariaDB: to its definer, and who may read mysql.proc (https://mariadb.com/kb/en/show-create-procedure/).
_HIDDEN = "not shown to this role"
# What was made under ANSI_QUOTES is printed with its quotes.
_NAME = rf'(?:{QUOTED_NAME}|"(?:[^"]|"")*"|[\w.%-]+)'
_DEFINER = re.compile(rf" DEFINER=(?:{_NAME})(?:@{_NAME})?", re.DOTALL)
_VIEW = re.compile(
    rf"CREATE (?:ALGORITHM=(?P<algorithm>\w+) )?(?:SQL SECURITY (?P<security>\w+) )?VIEW {QUOTED_NAME} AS ",
    re.DOTALL,
)
_VIEW_DEFAULTS = {"algorithm": "UNDEFINED", "security": "DEFINER"}
_AROUND_SEQUENCE = re.compile(rf"\ACREATE SEQUENCE {QUOTED_NAME} | ENGINE=\w+\Z", re.DOTALL)
_COUNTER = re.compile(r"(\n\) ENGINE=\w+(?: /\*[^\n]*?\*/)?) AUTO_INCREMENT=\d+")
# When an event runs for the first time is, unless somebody said so, when it was made.
_EVENT_TIMES = re.compile(rf" (?:STARTS|AT) {QUOTED_TEXT}|(?<=PRESERVE) (?:ENABLE|DISABLE(?: ON SLAVE)?)")


def snapshot_mysql(connection: Connection) -> Snapshot:
    """Read all tables, views, sequences, routines, events and triggers of the current database. Read-only.

    MariaDB: ten queries, and one more for each MiB that the names of the objects take. MySQL: besides, one
    for each object.

    :raises ConfigurationError: something cannot be read, for want of rights or because it is damaged.
    :raises Busy: something is locked for long, or went away meanwhile.
    """
    with reading_session(connection) as session:
        things = [Thing(_KINDS.get(kind, kind), name) for kind, name in _ask(connection, _THINGS)]
        triggers = _read_triggers(connection, session)
        collations = dict(map(tuple, _ask(connection, _COLLATIONS)))
        asked = (thing for thing in things if thing.kind in _ASKED)
        texts = ask_for_texts(connection, asked, session.longest_statement)
    reader = _Reader(session, collations, triggers)
    objects = [_READERS[text.thing.kind](reader, text) for text in texts]
    is_mariadb = getattr(connection.dialect, "is_mariadb", False)
    return Snapshot(
        family="mariadb" if is_mariadb else "mysql",
        server_version=tuple(
            part for part in connection.dialect.server_version_info or () if isinstance(part, int)
        ),
        objects=tuple(sorted(objects, key=lambda each: str(each.key))),
    )


def _ask(connection: Connection, query: str) -> list[Any]:
    """Ask the catalog. It leaves out what is locked for long, and says so in a warning only."""
    rows: list[Any] = list(connection.exec_driver_sql(query))
    for _, number, message in connection.exec_driver_sql("SHOW WARNINGS"):
        if number in LOCKED:
            raise Busy(f"A table is locked by another session: {message}. Try again.")
    return rows


def _read_triggers(connection: Connection, session: Session) -> Mapping[str, list[Part]]:
    rows = sorted(_ask(connection, _TRIGGERS), key=lambda row: (row[0], row[2], row[3], row[4]))
    crowded = Counter((row[0], row[2], row[3]) for row in rows)
    found: dict[str, list[Part]] = defaultdict(list)
    for table, name, timing, event, order, statement, sql_mode in rows:
        if statement is None:
            # https://mariadb.com/kb/en/information-schema-triggers-table/: it takes the right TRIGGER.
            raise no_right_to_read(f"trigger {name}")
        facts = {
            "when": f"{timing} {event}",
            "definition": _typed_text(statement, session),
            **_syntax(sql_mode),
        }
        if crowded[table, timing, event] > 1:
            facts["order"] = str(order)
        definition = (
            f"CREATE TRIGGER {quoted(name)} {timing} {event} ON {quoted(table)} FOR EACH ROW {statement}"
        )
        found[table].append(Part(kind="trigger", name=name, facts=facts, definition=definition))
    return found


def _typed_text(text: str, session: Session) -> str:
    return normal_text(without_database(text, session.database))


def _syntax(sql_mode: str) -> dict[str, str]:
    words = sorted(_SYNTAX & set(sql_mode.split(",")))
    return {"syntax": ", ".join(words)} if words else {}


def _kind(text: Text) -> str:
    return text.thing.kind.lower().replace(" ", "-")


class _Reader:
    """What is known before the texts are read."""

    def __init__(
        self, session: Session, collations: Mapping[str, str], triggers: Mapping[str, list[Part]]
    ) -> None:
        self.session = session
        self.collations = collations
        self.triggers = triggers

    def table(self, text: Text) -> Object:
        if text.text.startswith("CREATE TEMPORARY "):
            raise Busy(f"A temporary table of this session hides the table {text.thing.name}. Try again.")
        name = text.thing.name
        written = _COUNTER.sub(r"\1", without_database(text.text, self.session.database))
        triggers = self.triggers.get(name, [])
        try:
            table = read_table(written, self.collations, self.session.collation)
        except UnreadableText:
            facts = {"definition": written}
            return Object(kind="table", name=name, facts=facts, parts=tuple(triggers), definition=written)
        parts = (*with_made_up_names(table.parts), *triggers)
        return Object(kind="table", name=name, facts=table.facts, parts=parts, definition=written)

    def view(self, text: Text) -> Object:
        written = without_database(_DEFINER.sub("", text.text, count=1), self.session.database)
        match = _VIEW.match(written)
        head = match.groupdict() if match else {}
        facts = {fact: word for fact, word in head.items() if word not in (None, _VIEW_DEFAULTS[fact])}
        facts["definition"] = written[match.end() if match else 0 :]
        return Object(
            kind="view",
            name=text.thing.name,
            facts=facts,
            definition=written,
            uses=frozenset((None, name) for name in names_read(facts["definition"])),
        )

    def sequence(self, text: Text) -> Object:
        facts = {"definition": _AROUND_SEQUENCE.sub("", text.text)}
        return Object(kind="sequence", name=text.thing.name, facts=facts, definition=text.text)

    def routine(self, text: Text) -> Object:
        if not text.text:
            return Object(kind=_kind(text), name=text.thing.name, facts={"definition": _HIDDEN})
        return self._owned(text, text.text)

    def event(self, text: Text) -> Object:
        head, do, body = text.text.partition(" DO ")
        return self._owned(text, _EVENT_TIMES.sub("", head) + do + body)

    def _owned(self, text: Text, written: str) -> Object:
        written = _DEFINER.sub("", written, count=1)
        facts = {"definition": _typed_text(written, self.session), **_syntax(text.sql_mode)}
        return Object(kind=_kind(text), name=text.thing.name, facts=facts, definition=written)


_READERS = {
    "TABLE": _Reader.table,
    "VIEW": _Reader.view,
    "SEQUENCE": _Reader.sequence,
    "PROCEDURE": _Reader.routine,
    "FUNCTION": _Reader.routine,
    "PACKAGE": _Reader.routine,
    "PACKAGE BODY": _Reader.routine,
    "EVENT": _Reader.event,
}
