"""Keep everybody else's connections away while something runs on a connection that we prepared."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Engine

from ..sqlite_file import file_of_name, opens_watched
from .targets import target_of

if TYPE_CHECKING:
    from pathlib import Path

_one_at_a_time = threading.RLock()


class AppSessionUsed(Exception):
    """Something opened its own way to a database while it had to use the connection it was given."""


@contextmanager
def engines_replaced(connect: Callable[[Engine], Any], may_open: Callable[[Path], bool]) -> Iterator[None]:
    """Give ``connect(engine)`` in the place of whatever any engine would open, inside the block.

    Threads that ran before go on as ever: they are a web worker's, or a scheduler's. Threads that are
    started inside the block get no connection at all. One thread at a time is inside.

    :param may_open: asked whether the driver itself may open a SQLite file just now.
    :raises AppSessionUsed: where it is not allowed.
    """
    mine = threading.current_thread()
    with _one_at_a_time:
        others = set(threading.enumerate()) - {mine}

        def replaced(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(engine: Engine, *args: Any, **options: Any) -> Any:
                thread = threading.current_thread()
                if thread in others:
                    return original(engine, *args, **options)
                if thread is not mine:
                    raise AppSessionUsed(f"it starts a thread that connects to {target_of(engine)}")
                return connect(engine)

            return call

        def opened(name: Any) -> None:
            file = file_of_name(name, uri=True)
            if file is not None and threading.current_thread() not in others and not may_open(file):
                raise AppSessionUsed(f"it opens {file} by itself")

        originals = {name: getattr(Engine, name) for name in ("connect", "raw_connection")}
        for name, original in originals.items():
            setattr(Engine, name, replaced(original))
        try:
            with opens_watched(opened):
                yield
        finally:
            for name, original in originals.items():
                setattr(Engine, name, original)


@contextmanager
def sealed() -> Iterator[None]:
    """Refuse every further connection inside the block, while something runs on scratch.

    :raises AppSessionUsed: something tried.
    """

    def refuse(engine: Engine) -> None:
        raise AppSessionUsed(f"it opens its own connection to {target_of(engine)}")

    with engines_replaced(refuse, lambda _file: False):
        yield
