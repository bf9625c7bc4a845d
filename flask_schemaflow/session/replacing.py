"""Keep everybody else's connections away while something runs on a connection that we prepared."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Engine

from ..sqlite_file import file_of_name, opens_watched
from .targets import target_of

if TYPE_CHECKING:
    from pathlib import Path

_one_at_a_time = threading.RLock()


class AppSessionUsed(Exception):
    """Something opened its own way to a database while it had to use the connection it was given."""


class ConnectionClosed(Exception):
    """A revision closed the connection that it was given."""


@contextmanager
def engines_replaced(
    connect: Callable[[Engine], Any],
    may_open: Callable[[Path], bool],
    connect_raw: Callable[[Engine], Any],
) -> Iterator[None]:
    """Give ``connect(engine)`` in the place of whatever any engine would open, inside the block.

    Threads that ran before go on as ever: they are a web worker's, or a scheduler's. Threads that are
    started inside the block get no connection at all. One thread at a time is inside.

    Drivers of servers that are loaded already connect by themselves no more.

    :param may_open: asked whether the driver itself may open a SQLite file just now.
    :param connect_raw: gives the driver's connection, or says why there is none.
    :raises AppSessionUsed: where it is not allowed.
    """
    mine = threading.current_thread()
    with _one_at_a_time:
        others = set(threading.enumerate()) - {mine}

        def replaced(original: Callable[..., Any], give: Callable[[Engine], Any]) -> Callable[..., Any]:
            def call(engine: Engine, *args: Any, **options: Any) -> Any:
                thread = threading.current_thread()
                if thread in others:
                    return original(engine, *args, **options)
                if thread is not mine:
                    raise AppSessionUsed(f"it starts a thread that connects to {target_of(engine)}")
                return give(engine)

            return call

        def opened(name: Any) -> None:
            file = file_of_name(name, uri=True)
            if file is not None and threading.current_thread() not in others and not may_open(file):
                raise AppSessionUsed(f"it opens {file} by itself")

        def refusing(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                if threading.current_thread() in others:
                    return original(*args, **options)
                raise AppSessionUsed("it connects to a server by itself")

            return call

        with ExitStack() as stack:
            for name, give in (("connect", connect), ("raw_connection", connect_raw)):
                stack.enter_context(_replaced(Engine, name, replaced(getattr(Engine, name), give)))
            for place, name in _driver_functions():
                stack.enter_context(_replaced(place, name, refusing(getattr(place, name))))
            stack.enter_context(opens_watched(opened))
            yield


@contextmanager
def _replaced(place: Any, name: str, replacement: Callable[..., Any]) -> Iterator[None]:
    # A classmethod has to be put back as it was, not as it is given.
    original = vars(place)[name]
    setattr(place, name, replacement)
    try:
        yield
    finally:
        setattr(place, name, original)


def _driver_functions() -> Iterator[tuple[Any, str]]:
    """Give where the drivers that are loaded keep what connects."""
    for path in _CONNECT:
        module, _, name = path.rpartition(".")
        package, _, inner = module.partition(":")
        place: Any = sys.modules.get(package)
        if place is not None and inner:
            place = getattr(place, inner, None)
        if place is not None and name in vars(place):
            yield place, name


_CONNECT = (
    "psycopg.connect",
    "psycopg:Connection.connect",
    "psycopg2.connect",
    "pymysql.connect",
    "pymysql.Connect",
    "pymysql:Connection.connect",
    "MySQLdb.connect",
    "mysql.connector.connect",
    "mariadb.connect",
)


@contextmanager
def sealed() -> Iterator[None]:
    """Refuse every further connection inside the block, while something runs on scratch.

    :raises AppSessionUsed: something tried.
    """

    def refuse(engine: Engine) -> None:
        raise AppSessionUsed(f"it opens its own connection to {target_of(engine)}")

    with engines_replaced(refuse, lambda _file: False, refuse):
        yield
