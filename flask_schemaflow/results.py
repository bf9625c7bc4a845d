"""What a flow has found out and done: the value behind the text and the JSON document."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import Busy, ExitCode, Interrupted, SchemaFlowError
from .interrupts import note_goal_reached

if TYPE_CHECKING:
    from .backup import Backup
    from .discovery import Bind, Discovery
    from .findings import Finding
    from .history import Entry
    from .plan import Step
    from .state import DatabaseState


@dataclass(frozen=True, kw_only=True)
class DatabaseResult:
    """What happened to one database; ``bind`` is its key, ``target`` names it without a password.

    ``verified`` is None where nothing was compared.
    """

    bind: str | None
    engine: str
    target: str
    state_before: str | None = None
    state_after: str | None = None
    revision_before: str | None = None
    revision_after: str | None = None
    applied: tuple[str, ...] = ()
    verified: bool | None = None


@dataclass(frozen=True, kw_only=True)
class ProofResult:
    """Whether revisions rebuilt the real structure, how that was found out, and for which engines.

    ``engines`` ran on a database; ``on_paper`` were compared statement by statement, without one.
    """

    equal: bool
    method: str
    engines: tuple[str, ...]
    on_paper: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Section:
    """Findings that are told together, whatever they weigh, below a line of their own."""

    title: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where one database stands: facts by their names, and what was done there last, the newest last."""

    facts: tuple[tuple[str, tuple[str, ...]], ...]
    runs: tuple[Entry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a command found out and did; on failure as far as it came.

    ``message`` is the verdict. ``details`` are further lines for people; ``sections`` say which of the
    findings belong together, ``standings`` where each database stands; ``document`` is a script that was
    asked for.
    """

    command: str
    outcome: str
    exit_code: ExitCode
    message: str
    databases: tuple[DatabaseResult, ...] = ()
    plan: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()
    proof: ProofResult | None = None
    discovery: Discovery | None = None
    backups: tuple[Backup, ...] = ()
    sections: tuple[Section, ...] = ()
    standings: tuple[Standing, ...] = ()
    details: tuple[str, ...] = ()
    document: str = ""
    elapsed_ms: int = 0


@dataclass
class Progress:
    """What a flow knows so far, to be told whether it ends well or not.

    ``sharing`` are, by bind key, the keys that lead to the same database. ``baseline`` is the file of a
    baseline, written or planned. ``ending`` is outcome and verdict, set as
    soon as the goal is reached: whoever interrupts after that is late.
    """

    command: str
    databases: dict[str | None, DatabaseResult] = field(default_factory=dict)
    sharing: dict[str | None, tuple[str | None, ...]] = field(default_factory=dict)
    plan: tuple[Step, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    proof: ProofResult | None = None
    discovery: Discovery | None = None
    backups: list[Backup] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    standings: list[Standing] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    document: str = ""
    ending: tuple[str, str] | None = None
    baseline: Path | None = None
    started: float = field(default_factory=time.monotonic)

    def note_targets(self, binds: Iterable[Bind]) -> None:
        """Note which databases there are."""
        for bind in binds:
            self.databases[bind.key] = DatabaseResult(bind=bind.key, engine=bind.family, target=bind.target)
            self.sharing[bind.key] = tuple(each.key for each in bind.others)

    def note_revision(self, key: str | None, revision: str) -> None:
        """Note at which revision a database is, of which nothing else is known yet."""
        self.update(key, revision_before=revision, revision_after=revision)

    def note_states(self, states: Mapping[str | None, DatabaseState]) -> None:
        """Note what each database is now; afterwards it is the same, until somebody says otherwise."""
        for key, state in states.items():
            self.update(
                key,
                state_before=state.state.value,
                revision_before=state.at,
                state_after=state.state.value,
                revision_after=state.at,
            )

    def update(self, bind: str | None, **changes: object) -> None:
        """Note something of one database."""
        self.databases[bind] = replace(self.databases[bind], **changes)  # type: ignore[arg-type]

    def end(self, outcome: str, message: str) -> None:
        """Note that the goal is reached, with which verdict; nothing stops the command any more."""
        self.ending = (outcome, message)
        note_goal_reached()

    def reached(self) -> Result:
        """Give the result of a flow that reached its goal."""
        assert self.ending is not None
        return self.result(*self.ending)

    def result(self, outcome: str, message: str, exit_code: ExitCode = ExitCode.DONE) -> Result:
        """Give what is known as a result."""
        return Result(
            command=self.command,
            outcome=outcome,
            exit_code=exit_code,
            message=message,
            databases=tuple(self._by_bind()),
            plan=self.plan,
            findings=tuple(dict.fromkeys(self.findings)),
            proof=self.proof,
            discovery=self.discovery,
            backups=tuple(self.backups),
            sections=tuple(self.sections),
            standings=tuple(self.standings),
            details=tuple(self.details),
            document=self.document,
            elapsed_ms=round((time.monotonic() - self.started) * 1000),
        )

    def _by_bind(self) -> Iterator[DatabaseResult]:
        """Tell of each bind, also where several lead to one database."""
        for key, result in self.databases.items():
            yield result
            yield from (replace(result, bind=other) for other in self.sharing.get(key, ()))

    def _stamped(self) -> str:
        stamped = (each for each in self.databases.values() if each.revision_after != each.revision_before)
        return "; ".join(f"{each.target} was stamped {each.revision_after}" for each in stamped)

    def _where(self) -> str:
        """Say at which revisions the databases are, as far as they have been read."""
        return "".join(f"; {name} is at {revision}" for name, revision in self._read().items())

    def _read(self) -> dict[str, str]:
        """Give the revisions that were read, by what people call their databases."""
        is_one = len(self.databases) == 1
        return {
            "the database" if is_one else each.bind or "default": each.revision_after
            for each in self.databases.values()
            if each.revision_after
        }

    def _was(self, message: str) -> str:
        """Say at which revisions the databases were when they were read, unless a message says it."""
        unsaid = {
            name: revision for name, revision in self._read().items() if f"at {revision}" not in message
        }
        told = ", ".join(f"{name} was at {revision}" for name, revision in unsaid.items())
        return f" When it was read, {told}." if told else ""

    @contextmanager
    def told_on_failure(self) -> Iterator[None]:
        """Give every error that leaves the block the result so far. One thread at a time is inside.

        :raises Interrupted: in the place of a KeyboardInterrupt, unless the goal was reached before.
        :raises Busy: another thread is inside for longer.
        """
        try:
            with _alone():
                yield
        except KeyboardInterrupt:
            if self.ending is not None:
                return
            error = Interrupted(f"Interrupted; {self._stamped() or 'nothing was changed'}{self._where()}.")
            error.result = self.result(error.outcome, error.message, error.exit_code)
            raise error from None
        except SchemaFlowError as error:
            if isinstance(error, Busy):
                error.add(self._was(error.message))
            self.findings.extend(error.findings)
            error.result = self.result(error.outcome, error.message, error.exit_code)
            raise


_TURN = threading.RLock()
_WAIT_FOR_TURN = 300.0  # seconds


@contextmanager
def _alone() -> Iterator[None]:
    """Let one thread of this process work at a time, on whatever databases.

    What revisions call (``alembic.op``, ``alembic.context``) is one object of the process, and so are stdout,
    logging and warnings, which are others while ``env.py`` runs.
    """
    if not _TURN.acquire(timeout=_WAIT_FOR_TURN):
        raise Busy(
            f"Another thread of this process is at work on databases, for more than {_WAIT_FOR_TURN:g} "
            "seconds. Nothing was changed; try again."
        )
    try:
        yield
    finally:
        _TURN.release()
