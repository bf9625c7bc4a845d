"""Try again what got no lock: after a while, which is a different one for each who tries."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from .patience import Patience

_SHORTEST, _FIRST, _LONGEST, _ALL = 0.1, 0.5, 30.0, 300.0  # seconds


class Tries:
    """How often something was tried, and when to try it again."""

    def __init__(self, most: int) -> None:
        self.most, self.number = most, 0
        self._started = time.monotonic()

    def pause(self) -> float | None:
        """Give the seconds until the next try; None where it was tried often or long enough."""
        seconds = random.uniform(_SHORTEST, min(_LONGEST, _FIRST * 2**self.number))
        if self.number >= self.most or time.monotonic() - self._started + seconds > _ALL:
            return None
        self.number += 1
        return seconds


# -- statements of MariaDB and MySQL ---------------------------------------------------------------

_CHANGES_TABLES = re.compile(r"\s*(?:ALTER|CREATE|DROP|RENAME|TRUNCATE|OPTIMIZE)\b", re.IGNORECASE)
_LOCK_WAIT_TIMEOUT = 1205


@contextmanager
def statements_tried_again(
    connection: Connection, patience: Patience, blocked_by: Callable[[], str]
) -> Iterator[None]:
    """Run a statement that changes tables again when it got no lock, inside the block.

    Only those: such a statement has then changed nothing, and what was before it is committed anyway
    (https://mariadb.com/kb/en/metadata-locking/).

    :param blocked_by: says who had the lock.
    """
    dialect: Any = connection.dialect

    def run(execute: Callable[[], None], statement: str) -> bool:
        tries = Tries(patience.retries)
        while not _ran(execute, tries, patience, blocked_by, statement):
            pass
        return True

    def execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
        if context.root_connection is not connection or not _CHANGES_TABLES.match(statement):
            return None
        return run(lambda: dialect.do_execute(cursor, statement, parameters, context), statement)

    def execute_bare(cursor: Any, statement: str, context: Any) -> bool | None:
        if context.root_connection is not connection or not _CHANGES_TABLES.match(statement):
            return None
        return run(lambda: dialect.do_execute_no_params(cursor, statement, context), statement)

    event.listen(connection.engine, "do_execute", execute)
    event.listen(connection.engine, "do_execute_no_params", execute_bare)
    try:
        yield
    finally:
        event.remove(connection.engine, "do_execute", execute)
        event.remove(connection.engine, "do_execute_no_params", execute_bare)


def _ran(
    execute: Callable[[], None],
    tries: Tries,
    patience: Patience,
    blocked_by: Callable[[], str],
    statement: str,
) -> bool:
    try:
        execute()
    except Exception as error:
        pause = tries.pause() if error.args[:1] == (_LOCK_WAIT_TIMEOUT,) else None
        if pause is None:
            raise
        try:
            patience.tell(
                f"Blocked     {' '.join(statement.split())[:60]}{blocked_by()}; try {tries.number} of "
                f"{tries.most} in {pause:.1f} s"
            )
            time.sleep(pause)
        except KeyboardInterrupt:
            # Here SQLAlchemy would take the session for lost, though the server has given its answer.
            raise error from None
        return False
    return True
