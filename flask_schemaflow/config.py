"""The ``SCHEMAFLOW_*`` settings as one frozen value.

An option wins over ``FLASK_SCHEMAFLOW_X`` in the environment (text, read here), that over
``app.config["SCHEMAFLOW_X"]``, that over the default.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .errors import ConfigurationError

PREFIX = "SCHEMAFLOW_"

UrlPerBind = Mapping[str | None, str]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, with its default.

    Times are seconds, ``small_table_rows`` rows, ``backup_max_bytes`` bytes. ``None`` means: not set.
    Mappings of URLs are keyed by bind key, ``None`` being the default database.
    """

    models: tuple[str, ...] = ()
    models_exclude: tuple[str, ...] = ()
    foreign_tables: tuple[str, ...] = ()
    metadata: str | None = None
    engines: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    fail_on: tuple[str, ...] = ("destructive", "data-dependent", "failing", "blocking")
    small_table_rows: int = 10_000
    database_uri: UrlPerBind | None = None
    scratch_uri: UrlPerBind | None = None
    lock_wait: float = 300.0
    lock_timeout: float = 2.0
    statement_timeout: float | None = None
    wait: float = 0.0
    retries: int = 10
    backup: str = "auto"
    backup_dir: Path | None = None
    backup_keep: int = 5
    backup_max_bytes: int | None = None
    backup_command: str | None = None
    create_all: str = "skip"
    history: bool = True
    release: str | None = None


def read_setting(name: str, config: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """Read one setting of an app, whatever stands in the others.

    :raises ConfigurationError: it has the wrong type.
    """
    key = f"{PREFIX}{name.upper()}"
    chosen = {key: config[key]} if key in config else {}
    wanted = f"FLASK_{key}"
    in_environment = {wanted: environment[wanted]} if wanted in environment else {}
    return getattr(read_settings(chosen, in_environment), name)


def overridden(settings: Settings, options: Mapping[str, Any]) -> Settings:
    """Let the options of a command win, by the names of the settings; None is an option not given."""
    return replace(settings, **{name: value for name, value in options.items() if value is not None})


def read_settings(config: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Read all settings of an app.

    :param config: the app's ``config``.
    :param environment: the process environment.
    :raises ConfigurationError: a key is unknown, or a value has the wrong type; the message names the key,
        and where an unknown one was set also the nearest known key.
    """
    values: dict[str, Any] = {}
    for source, where, is_text in (
        (config, "app.config", False),
        (environment, "the environment", True),
    ):
        prefix = f"FLASK_{PREFIX}" if is_text else PREFIX
        for key in sorted(key for key in source if key.startswith(prefix)):
            name = key.removeprefix(prefix).lower()
            values[name] = _read_value(key, name, source[key], where)
    return Settings(**values)


def _read_value(key: str, name: str, value: Any, where: str) -> Any:
    if name not in _READERS:
        raise ConfigurationError(f"{where} sets {key}, which is not a setting.{_nearest(key, name)}")
    expected, reader = _READERS[name]
    try:
        return reader(value)
    except (TypeError, ValueError, OverflowError):
        shown = value if isinstance(value, str | int | float | bool) else type(value).__name__
        if name.endswith("_uri"):
            shown = type(value).__name__
        raise ConfigurationError(f"{key} in {where} must be {expected}, not {shown!r}.") from None


def _nearest(key: str, name: str) -> str:
    matches = get_close_matches(name, [field.name for field in fields(Settings)], n=1, cutoff=0.5)
    if not matches:
        return ""
    prefix = key[: len(key) - len(name)]
    return f" Did you mean {prefix}{matches[0].upper()}?"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _patterns(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError
    return tuple(_text(part) for part in value)


def _number(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, bool):
            raise TypeError
        number = convert(value)
        if number < 0 or not math.isfinite(number) or (not isinstance(value, str) and number != value):
            raise ValueError
        return number

    return read


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"0": False, "false": False, "no": False, "off": False}
    if not isinstance(value, str) or value.lower() not in known:
        raise TypeError
    return known[value.lower()]


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError
        return _text(value)

    return read


def _some_of(*allowed: str) -> Callable[[Any], tuple[str, ...]]:
    def read(value: Any) -> tuple[str, ...]:
        chosen = _patterns(value)
        if not set(chosen) <= set(allowed):
            raise ValueError
        return chosen

    return read


def _url_per_bind(value: Any) -> UrlPerBind:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = json.loads(value)
    if isinstance(value, str):
        return {None: value}
    if not isinstance(value, Mapping):
        raise TypeError
    return {(key or None): _text(url) for key, url in value.items()}


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


ENGINE_FAMILIES = ("sqlite", "postgresql", "mariadb", "mysql")
HAZARD_CLASSES = (
    "destructive",
    "data-dependent",
    "failing",
    "blocking",
    "incompatible",
    "irreversible",
    "uninspectable",
)

_patterns_expected = "a list of texts (in the environment: separated by commas)"
_seconds = "a number of seconds, 0 or more"
_urls = "a database URL or a mapping of bind keys to URLs"

_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "models": (_patterns_expected, _patterns),
    "models_exclude": (_patterns_expected, _patterns),
    "foreign_tables": (_patterns_expected, _patterns),
    "metadata": ("an import string such as 'shop.db:Base.metadata'", _optional(_text)),
    "engines": (f"a list out of {', '.join(ENGINE_FAMILIES)}", _some_of(*ENGINE_FAMILIES)),
    "accept": ("a list of CODE:SUBJECT", _patterns),
    "fail_on": (f"a list out of {', '.join(HAZARD_CLASSES)}", _some_of(*HAZARD_CLASSES)),
    "small_table_rows": ("a whole number of rows, 0 or more", _number(int)),
    "database_uri": (_urls, _optional(_url_per_bind)),
    "scratch_uri": (_urls, _optional(_url_per_bind)),
    "lock_wait": (_seconds, _number(float)),
    "lock_timeout": (_seconds, _number(float)),
    "statement_timeout": (_seconds, _optional(_number(float))),
    "wait": (_seconds, _number(float)),
    "retries": ("a whole number, 0 or more", _number(int)),
    "backup": ("auto, always or never", _one_of("auto", "always", "never")),
    "backup_dir": ("a path", _optional(Path)),
    "backup_keep": ("a whole number, 0 or more", _number(int)),
    "backup_max_bytes": ("a whole number of bytes, 0 or more", _optional(_number(int))),
    "backup_command": ("a command line", _optional(_text)),
    "create_all": ("skip, error or allow", _one_of("skip", "error", "allow")),
    "history": ("true or false", _flag),
    "release": ("a text", _optional(_text)),
}
