"""What ``op.get_bind()`` gives while a revision is recorded: it takes statements and knows no answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.exc import NoResultFound
from sqlalchemy.inspection import _inspects

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect


class CannotSee(Exception):
    """A revision needs an answer that only a database has."""


class _NoRow(CannotSee, NoResultFound):
    """A revision needs a row; the ORM itself can do without."""


Take = Callable[[Any], None]
Note = Callable[[str], None]

_READS = re.compile(
    r"\s*(?:(?:SELECT|SHOW|EXPLAIN|VALUES|DESCRIBE)\b|PRAGMA\s+\w+\s*(?:\(|;|$))", re.IGNORECASE
)
ASKS = "asks the database; what depends on the answer was not seen"


class RecordingConnection(MockConnection):
    """Takes whatever is sent; every question is noted, and its answer is empty."""

    is_active = True

    def __init__(self, dialect: Dialect, take: Take, note: Note) -> None:
        super().__init__(dialect, lambda *_: None)
        self._take, self._note = take, note

    def execute(self, obj: Any, parameters: Any = None, execution_options: Any = None) -> Any:  # noqa: ARG002 -- SQLAlchemy's signature
        """Take a statement."""
        if _reads(obj):
            self._note(ASKS)
        else:
            self._take(obj)
        return NoAnswer(self._note)

    def exec_driver_sql(self, statement: str, *_: Any, **__: Any) -> Any:
        """Take a statement as the driver would get it."""
        return self.execute(statement.replace("%%", "%"))

    def scalar(self, statement: Any, *_: Any, **__: Any) -> Any:
        """Take a statement that has one answer, which is None."""
        return self.execute(statement).scalar()

    def scalars(self, statement: Any, *_: Any, **__: Any) -> Any:
        """Take a statement that has answers, of which there is none."""
        return self.execute(statement)

    @property
    def url(self) -> EngineOnly:
        """Say which engine and driver it is."""
        return EngineOnly(URL.create(f"{self.dialect.name}+{self.dialect.driver}"))

    def in_transaction(self) -> bool:
        """Say yes, as on the connection of a real run."""
        return True

    def in_nested_transaction(self) -> bool:
        """Say no."""
        return False

    def get_transaction(self) -> RecordingConnection:
        """Give what ends nothing."""
        return self

    _get_required_transaction = get_transaction  # what sessions of SQLAlchemy 2.0 call

    @contextmanager
    def begin(self) -> Iterator[None]:
        """Begin nothing."""
        yield

    begin_nested = begin

    def commit(self) -> None:
        """End nothing."""

    rollback = close = commit

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise CannotSee(f"uses .{name} of its connection")


@_inspects(RecordingConnection)
def _inspector(_connection: RecordingConnection) -> None:
    """Answer ``sa.inspect(op.get_bind())``: what is there, only a database can say."""
    raise CannotSee("asks what is in the database (sa.inspect)")


def _reads(element: Any) -> bool:
    if getattr(element, "is_select", False):
        return True
    text = getattr(element, "text", element)
    return isinstance(text, str) and _READS.match(text) is not None


class EngineOnly:
    """The URL of a database that is nowhere."""

    def __init__(self, url: URL) -> None:
        self.drivername, self._url = url.drivername, url
        self.get_backend_name, self.get_driver_name = url.get_backend_name, url.get_driver_name

    def __str__(self) -> str:
        return str(self._url)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise CannotSee(f"uses .{name} of its database's URL")


class NoAnswer:
    """The result of a statement that was not sent: no row."""

    rowcount = 0

    def __init__(self, note: Note) -> None:
        self._note = note
        self._attributes: dict[str, Any] = {}  # for the ORM

    def __iter__(self) -> Iterator[Any]:
        self._note(ASKS)
        return iter(())

    def fetchall(self, *_: Any) -> list[Any]:
        """Give no row."""
        return list(self)

    all = fetchmany = fetchall

    def first(self) -> None:
        """Give no row."""
        self._note(ASKS)

    def one(self) -> None:
        """Find no row.

        :raises NoResultFound: always.
        """
        self._note(ASKS)
        raise _NoRow("uses .one of an answer")

    scalar_one = one
    scalar = fetchone = one_or_none = scalar_one_or_none = first

    def scalars(self, *_: Any) -> NoAnswer:
        """Give no value."""
        return self

    mappings = unique = columns = partitions = yield_per = scalars

    def close(self) -> None:
        """Close nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise CannotSee(f"uses .{name} of an answer")
