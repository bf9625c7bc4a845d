"""Which of an app's databases is meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..discovery import Bind


def bind_of(binds: Iterable[Bind], key: str) -> Bind:
    """Give the database that ``--bind`` names.

    :raises ConfigurationError: the app has none of that key.
    """
    binds = tuple(binds)
    for bind in binds:
        if (key or None) in [each.key for each in bind.members]:
            return bind
    raise ConfigurationError(f"The app has no bind {key!r}; it has {_labels(binds)}.")


def only_bind(binds: Iterable[Bind], what: str) -> Bind:
    """Give the database where there is no doubt.

    :param what: of what it has to be the one.
    :raises ConfigurationError: there are several, or none.
    """
    binds = tuple(binds)
    if not binds:
        raise ConfigurationError(f"The app has no database for {what}.")
    if len(binds) > 1:
        raise ConfigurationError(
            f"The app has several databases for {what}: {_labels(binds)}. Say which one: --bind KEY."
        )
    return binds[0]


def _labels(binds: Iterable[Bind]) -> str:
    return ", ".join(each.label for bind in binds for each in bind.members)
