"""Write the journal while revisions run, and skip what is in when one is resumed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import Busy
from ..history import JOURNAL_TABLE
from ..interrupts import uninterrupted
from ..session import explained
from .permanent import PermanentRows
from .statements import Kind, Statement, first_word, statement_of
from .table import CREATE, DROP, EMPTY, READ, Entry, EntryState, entries_of, write_statement
from .watching import Send, Wire, statements_watched

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


class CannotResume(Exception):
    """What is done already cannot be skipped: the rest of the revision may depend on it."""


@dataclass(frozen=True, kw_only=True)
class Journal:
    """What the journal of one database is to say of the run that begins.

    ``found`` is what stood in it; ``done`` are the statements, from the first one on, of a revision that is
    resumed. ``sources`` has the hash of each revision's source.
    """

    run: str
    bind: str
    sources: dict[str, str]
    found: tuple[Entry, ...] = ()
    done: tuple[Entry, ...] = ()


_NO_LOCK = 1205  # within the time allowed; the statement has changed nothing
_DEADLOCK = 1213  # the whole transaction was rolled back
# The server ended the session, perhaps when the statement was in; 2000 to 2999 are the
# driver's own: the connection broke (https://mariadb.com/kb/en/mariadb-error-code-reference/).
_ENDED_BY_SERVER = (1053, 1927)
_MAKES_A_RESULT = re.compile(r"\bRETURNING\b|^\s*CALL\b", re.IGNORECASE)
_SETS_A_VARIABLE = re.compile(r"^\s*SET\s+@(?!@)|\bLAST_INSERT_ID\s*\(|\bROW_COUNT\s*\(", re.IGNORECASE)
_LOCKS_TABLES = re.compile(r"\s*LOCK\s+TABLES?\b", re.IGNORECASE)
_END_OF_LOCK = re.compile(r"(\s+(?:WAIT\s+\d+|NOWAIT))?[\s;]*\Z", re.IGNORECASE)
_DROPS_SEVERAL = re.compile(r"^\s*DROP\s+TABLE\b[^;]*,", re.IGNORECASE)


NOTHING = "DO 0"
"""What is sent in the place of a statement that is in already."""


class Recorder:
    """Notes the statements of one database's revisions.

    Rows of data statements are kept until something ends the transaction, and are written just before that,
    in the same transaction: what a revision asks its session meanwhile (``ROW_COUNT()``, warnings) is its
    own. A statement that commits is noted before and after it, each time with a commit; so is one that
    changes rows which no rollback takes back.
    """

    def __init__(self, connection: Connection, journal: Journal) -> None:
        self._failed: Entry | None = None
        self._connection, self._journal = connection, journal
        self._revision: str | None = None
        self._position = 0
        self._pending: list[Entry] = []
        self._unfinished: Entry | None = None
        self._blocked: tuple[Entry, int | None] | None = None
        self._was_skipped = self._is_closed = self._is_to_be_read_again = False
        self._permanent = PermanentRows()
        self._done = journal.done
        self._wire: Wire | None = None
        self._table = ""

    @property
    def run(self) -> str:
        """The name of the run in the journal."""
        return self._journal.run

    @contextmanager
    def recording(self) -> Iterator[Recorder]:
        """Keep the journal inside the block; afterwards it is gone, unless parts of a revision are in.

        :raises Busy: it is not what it was when the run was planned; nothing was changed.
        :raises ConfigurationError: the user may not make a table.
        """
        with statements_watched(self._connection, self) as self._wire:
            with explained(self._connection.engine):
                self._open()
            try:
                yield self
            finally:
                self.leave()

    def begin(self, revision: str) -> None:
        """Begin a revision."""
        self._revision, self._position, self._failed = revision, 0, None
        first = self._journal.done[0].revision if self._journal.done else None
        self._done = self._journal.done if revision == first else ()

    def end(self) -> None:
        """End a revision whose version row is written: what was noted of it goes with the same commit."""
        self._finish()
        self._revision, self._done = None, ()
        self._pending.clear()
        self._own(EMPTY)

    def close(self) -> None:
        """Drop the journal after the last revision.

        That commits the revision with one statement: nobody is left to do the rest if we are killed now.
        """
        with uninterrupted(stop_afterwards=True), suppress(Exception):
            self._own(DROP)
            self._is_closed = True

    def leave(self) -> None:
        """Roll back, and note what failed; the journal goes if nothing of a revision is in.

        From then on nothing is noted any more.
        """
        if not self._is_closed:
            self._is_closed = True
            with uninterrupted(stop_afterwards=True), suppress(Exception):
                self._leave()
        self._revision = None

    # -- what the wire shows ----------------------------------------------------------------------

    def sending(self, sql: str, source: str | None, send: Send) -> Any:
        """Note a statement, and send it unless it is in."""
        self._finish()
        self._was_skipped = False
        if self._revision is None:
            return send()
        statement = statement_of(sql, source)
        if statement.kind in (Kind.READ, Kind.CONTROL, Kind.TEMPORARY):
            self._pass(statement)
            return send(self._with_journal(sql))
        if not self._is_again(statement):
            self._position += 1
        if self._position <= len(self._done):
            self._check_done(statement, self._done[self._position - 1], from_driver=source is None)
            self._was_skipped = True
            return send(NOTHING)
        entry = self._entry(statement)
        is_permanent = self._permanent.are_named_in(statement.source)
        if statement.kind is Kind.DATA and not self._commits_itself and not is_permanent:
            return self._send_data(entry, send)
        self._is_to_be_read_again = self._permanent.may_change_by(statement.source)
        return self._send_guarded(entry, send, is_permanent=is_permanent and statement.kind is Kind.DATA)

    def sent(self, context: Any) -> None:
        """Note that a statement is in; the result of one that was skipped is nobody's to use."""
        if self._was_skipped:
            _forbid_result(context, f"statement {self._position} of revision {self._revision}")
        self._finish()

    def committing(self) -> None:
        """Write what is to be committed."""
        self._finish()
        self._flush()

    def rolled_back(self) -> None:
        """Forget what is rolled back."""
        self._pending.clear()

    def _with_journal(self, sql: str) -> str | None:
        """Let a session that locks its tables write the journal too; None where there is nothing to do."""
        if not _LOCKS_TABLES.match(sql):
            return None
        table = self._table.replace("%%", "%")
        return _END_OF_LOCK.sub(lambda found: f", {table} WRITE{found[1] or ''}", sql, count=1)

    # -- resuming ----------------------------------------------------------------------------------

    def _pass(self, statement: Statement) -> None:
        """Let through what is not counted; in the part that is done it may matter to the rest."""
        sql = statement.source
        matters = statement.kind in (Kind.READ, Kind.TEMPORARY) or _SETS_A_VARIABLE.search(sql)
        if self._position < len(self._done) and matters:
            raise CannotResume(
                f"before statement {self._position + 1} of revision {self._revision}, which is in, it runs "
                f"{statement.text}, and what that gave then is not known now"
            )
        word = first_word(sql)
        if word == "ROLLBACK":
            self._pending.clear()
        elif statement.kind is Kind.CONTROL:
            self._flush()

    def _check_done(self, statement: Statement, entry: Entry, *, from_driver: bool) -> None:
        where = f"statement {entry.position} of revision {entry.revision}"
        if statement.sql_hash != entry.sql_hash:
            raise CannotResume(f"{where} is {statement.text} now, and what is in is {entry.text}")
        if not statement.is_same(entry.sql_hash, entry.parameters_hash):
            raise CannotResume(f"{where} ({entry.text}) has other values now than those that are in")
        if from_driver or _MAKES_A_RESULT.search(statement.source):
            raise CannotResume(f"{where} ({entry.text}) gave a result, which is not known now")

    def _is_again(self, statement: Statement) -> bool:
        """Say whether a statement that got no lock is sent once more."""
        blocked, self._blocked = self._blocked, None
        if blocked is None or blocked[1] != _NO_LOCK:
            return False
        return statement.is_same(blocked[0].sql_hash, blocked[0].parameters_hash)

    # -- sending -----------------------------------------------------------------------------------

    def _send_data(self, entry: Entry, send: Send) -> Any:
        try:
            result = send()
        except Exception as error:
            self._note_failure(entry, error)
            if _number(error) == _DEADLOCK:
                self._pending.clear()
            raise
        self._pending.append(replace(entry, rows=self._rows_changed, state=EntryState.DONE))
        return result

    def _send_guarded(self, entry: Entry, send: Send, *, is_permanent: bool) -> Any:
        self._write([*self._pending, entry])
        self._pending.clear()
        self._commit()
        try:
            result = send()
        except Exception as error:
            self._note_failure(entry, error)
            is_half_done = is_permanent and not self._permanent.are_untouched_after(_number(error))
            if _is_answer(error) and not is_half_done and not _DROPS_SEVERAL.match(entry.text):
                self._unfinished = replace(entry, state=EntryState.FAILED)
            raise
        rows = self._rows_changed if entry.kind == Kind.DATA.value else None
        self._unfinished = replace(entry, state=EntryState.DONE, rows=rows)
        return result

    def _note_failure(self, entry: Entry, error: Exception) -> None:
        self._failed = entry
        self._blocked = (entry, _number(error))

    def _finish(self) -> None:
        """Note what became of a statement that was noted before it ran."""
        if self._unfinished is None:
            return
        entry, self._unfinished = self._unfinished, None
        with uninterrupted(stop_afterwards=True):
            self._write([entry])
            if self._is_to_be_read_again:
                self._permanent.read(self._sql)
            self._commit()

    def _flush(self) -> None:
        entries, self._pending = self._pending, []
        if entries:
            self._write(entries)

    def _entry(self, statement: Statement) -> Entry:
        assert self._revision is not None
        return Entry(
            run=self._journal.run,
            bind=self._journal.bind,
            revision=self._revision,
            position=self._position,
            kind=statement.kind.value,
            state=EntryState.INTENT,
            sql_hash=statement.sql_hash,
            parameters_hash=statement.parameters_hash,
            text=statement.text,
            rows=None,
            source_hash=self._journal.sources.get(self._revision, ""),
        )

    # -- the table ---------------------------------------------------------------------------------

    def _open(self) -> None:
        database = self._sql("SELECT DATABASE()")[0][0]
        self._table = f"`{database.replace('`', '``')}`.`{JOURNAL_TABLE}`".replace("%", "%%")
        self._own(CREATE)
        if entries_of(self._own(READ)) != self._journal.found:
            raise Busy(
                "Another process ran revisions meanwhile, and left one unfinished. Nothing was changed by "
                "this run; run it again."
            )
        if self._journal.found:
            self._own(EMPTY)
            if self._journal.done:
                self._write(list(self._journal.done))
        self._permanent.read(self._sql)
        self._commit()

    def _leave(self) -> None:
        if not self._is_in_step():
            return
        self._finish()
        assert self._wire is not None
        self._wire.rollback()
        left = entries_of(self._own(READ))
        if all(each.state is EntryState.FAILED for each in left):
            self._own(DROP)
        elif self._failed is not None and self._failed.position not in {each.position for each in left}:
            self._write([replace(self._failed, state=EntryState.FAILED)])
            self._commit()

    def _is_in_step(self) -> bool:
        """Say whether answers are those to our questions: an interrupt may have come between the two."""
        return self._sql("SELECT %s", [self._journal.run]) == ((self._journal.run,),)

    def _write(self, entries: list[Entry]) -> None:
        for start in range(0, len(entries), 200):
            self._sql(*write_statement(self._table, entries[start : start + 200]))

    def _own(self, statement: str) -> tuple[tuple[Any, ...], ...]:
        return self._sql(statement.format(table=self._table))

    def _sql(self, statement: str, parameters: list[Any] | None = None) -> tuple[tuple[Any, ...], ...]:
        assert self._wire is not None
        return self._wire.execute(statement if parameters else statement.replace("%%", "%"), parameters or ())

    def _commit(self) -> None:
        assert self._wire is not None
        self._wire.commit()

    @property
    def _commits_itself(self) -> bool:
        assert self._wire is not None
        return bool(self._wire.raw.get_autocommit())

    @property
    def _rows_changed(self) -> int | None:
        assert self._wire is not None
        rows = int(self._wire.raw.affected_rows())
        return rows if 0 <= rows < 2**63 else None


def _number(error: BaseException) -> int | None:
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def _is_answer(error: BaseException) -> bool:
    """Say whether the server itself said that the statement failed."""
    number = _number(error)
    return number is not None and number > 0 and number not in _ENDED_BY_SERVER and number // 1000 != 2


class _Forbidden:
    """An attribute that nobody may read; SQLAlchemy itself may set it."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __get__(self, context: Any, owner: type) -> Any:
        raise CannotResume(
            f"it uses {self.what} of {context.schemaflow_statement}, which is in, and that is not known now"
        )

    def __set__(self, context: Any, value: Any) -> None:
        """Take what SQLAlchemy computes from a statement that was not sent."""


def _forbid_result(context: Any, statement: str) -> None:
    """Refuse what comes from the result of a statement that was skipped."""
    kind = type(context)

    def lastrowid(_self: Any) -> int:
        raise CannotResume(f"it uses lastrowid of {statement}, which is in, and that is not known now")

    context.schemaflow_statement = statement
    context.__class__ = type(
        kind.__name__,
        (kind,),
        {
            "rowcount": _Forbidden("rowcount"),
            "inserted_primary_key_rows": _Forbidden("inserted_primary_key"),
            "get_lastrowid": lastrowid,
            "_setup_ins_pk_from_lastrowid": lambda _self: None,
        },
    )
