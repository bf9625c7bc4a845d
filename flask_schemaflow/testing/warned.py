"""Let revisions and ``env.py`` warn in a suite that takes warnings for errors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def warnings_told() -> Iterator[None]:
    """Have warnings inside the block told, and not raised: a suite's filter is about its app.

    Flask-Migrate's own ``env.py`` asks the engine in a deprecated way first.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        yield
