"""With which arguments an app connects to a server, for programs that have to connect as it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from ..errors import BackupFailed
from ..session import target_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Known(Exception):
    """The arguments are known, and nothing has to be connected."""


def connect_arguments(engine: Engine) -> Mapping[str, Any]:
    """Give the driver's keyword arguments as they are when the app connects, without connecting.

    ``connect_args`` are in it, and what the app's own ``do_connect`` listeners put there: tokens.

    :raises BackupFailed: the app makes its connections by a function of its own.
    """
    found: dict[str, Any] = {}

    def stop(_dialect: Any, _record: Any, _args: Any, arguments: dict[str, Any]) -> None:
        found.update(arguments)
        raise _Known

    own = Engine(engine.pool.recreate(), engine.dialect, engine.url)
    event.listen(engine, "do_connect", stop)
    try:
        own.raw_connection().close()
    except _Known:
        return found
    except Exception as error:
        raise BackupFailed(_no_url(engine)) from error
    finally:
        event.remove(engine, "do_connect", stop)
        own.dispose()
    raise BackupFailed(_no_url(engine))


def _no_url(engine: Engine) -> str:
    return (
        f"The app connects to {target_of(engine)} by a function of its own, so there is no URL with which a "
        "client program could connect. Set SCHEMAFLOW_BACKUP_COMMAND to what takes a snapshot."
    )
