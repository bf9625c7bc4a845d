"""What ``db-safe-upgrade`` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class UpgradeOptions:
    """What ``db-safe-upgrade`` was asked for; ``revision`` is the target, None the single head.

    ``backup`` is auto, always or never, None what the settings say; ``flask`` is how the ``flask`` command
    is called, for the commands that are printed.

    Times are seconds. What is also a setting is None where it was not asked for.
    """

    revision: str | None = None
    directory: str | None = None
    x_args: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    dry_run: bool = False
    create: bool = False
    require_proof: bool = False
    resume: bool = False
    search_time: float = 300.0
    if_ahead: str = "fail"
    backup: str | None = None
    rehearse: bool = False
    flask: str = "flask"
    expect_database: tuple[str, ...] = ()
    wait: float | None = None
    lock_wait: float | None = None
    lock_timeout: float | None = None
    statement_timeout: float | None = None
    retries: int | None = None

    @property
    def settings(self) -> dict[str, float | None]:
        """The options that win over settings of the same name."""
        names = ("wait", "lock_wait", "lock_timeout", "statement_timeout", "retries")
        return {name: getattr(self, name) for name in names}


_WORDS = {"backup": (None, "auto", "always", "never"), "if_ahead": ("fail", "ok")}


def check_words(options: UpgradeOptions) -> None:
    """Check the options that are one of a few words; a mistyped backup would be none. Read-only.

    :raises ConfigurationError: one is something else.
    """
    for name, words in _WORDS.items():
        said = getattr(options, name)
        if said not in words:
            known = ", ".join(word for word in words if word)
            raise ConfigurationError(f"{name}={said!r}: say one of {known}.")
