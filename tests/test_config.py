"""Settings: where they come from, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_schemaflow import ConfigurationError
from flask_schemaflow.config import Settings, read_settings


def test_nothing_set_gives_the_defaults() -> None:
    """Without a setting every key has its documented default."""
    assert read_settings({}, {}) == Settings()


def test_the_environment_wins_over_the_app() -> None:
    """FLASK_SCHEMAFLOW_X wins over app.config."""
    settings = read_settings({"SCHEMAFLOW_LOCK_WAIT": 5}, {"FLASK_SCHEMAFLOW_LOCK_WAIT": "7.5"})

    assert settings.lock_wait == 7.5


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("MODELS", "shop.models, shop.*.models", ("shop.models", "shop.*.models")),
        ("ENGINES", "sqlite,postgresql", ("sqlite", "postgresql")),
        ("HISTORY", "no", False),
        ("RETRIES", "3", 3),
        ("STATEMENT_TIMEOUT", "2.5", 2.5),
        ("BACKUP_DIR", "/backups", Path("/backups")),
        ("DATABASE_URI", "sqlite:///a.db", {None: "sqlite:///a.db"}),
        (
            "DATABASE_URI",
            '{"": "sqlite:///a.db", "audit": "sqlite:///b.db"}',
            {None: "sqlite:///a.db", "audit": "sqlite:///b.db"},
        ),
    ],
)
def test_texts_of_the_environment_are_read(key: str, value: str, expected: Any) -> None:
    """Each type of setting can be written as text."""
    settings = read_settings({}, {f"FLASK_SCHEMAFLOW_{key}": value})

    assert getattr(settings, key.lower()) == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SCHEMAFLOW_MODELS", 3),
        ("SCHEMAFLOW_ENGINES", ["oracle"]),
        ("SCHEMAFLOW_LOCK_WAIT", "soon"),
        ("SCHEMAFLOW_LOCK_WAIT", -1),
        ("SCHEMAFLOW_LOCK_WAIT", True),
        ("SCHEMAFLOW_RETRIES", 2.5),
        ("SCHEMAFLOW_RETRIES", float("inf")),
        ("SCHEMAFLOW_RETRIES", float("nan")),
        ("SCHEMAFLOW_RETRIES", "inf"),
        ("SCHEMAFLOW_WAIT", float("inf")),
        ("SCHEMAFLOW_WAIT", "nan"),
        ("SCHEMAFLOW_WAIT", "inf"),
        ("SCHEMAFLOW_BACKUP", "sometimes"),
        ("SCHEMAFLOW_HISTORY", "perhaps"),
        ("SCHEMAFLOW_FAIL_ON", ["everything"]),
        ("SCHEMAFLOW_METADATA", 1),
        ("SCHEMAFLOW_DATABASE_URI", 5),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: Any) -> None:
    """A wrong type or value is refused with the key and what it must be."""
    with pytest.raises(ConfigurationError, match=f"{key} in app.config must be "):
        read_settings({key: value}, {})


def test_an_unknown_key_names_the_nearest() -> None:
    """A misspelt key is refused, and the key that was meant is said."""
    with pytest.raises(ConfigurationError, match="SCHEMAFLOW_LOKC_WAIT.*Did you mean SCHEMAFLOW_LOCK_WAIT?"):
        read_settings({"SCHEMAFLOW_LOKC_WAIT": 1}, {})
    with pytest.raises(ConfigurationError, match="Did you mean FLASK_SCHEMAFLOW_MODELS?"):
        read_settings({}, {"FLASK_SCHEMAFLOW_MODEL": "x"})


def test_a_wrong_url_is_not_repeated() -> None:
    """The value of a URL setting never appears, since it may hold a password."""
    with pytest.raises(ConfigurationError) as raised:
        read_settings({"SCHEMAFLOW_DATABASE_URI": ["postgresql://u:secret@h/d"]}, {})

    assert "secret" not in str(raised.value)
