"""Which version table ``env.py`` names, read without running it."""

from __future__ import annotations

from typing import Any

import pytest

from flask_schemaflow.revisions import version_table_written_in


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("context.configure(url=url)  # version_table", {}),
        ("context.configure(version_table='shop', url=url)", {"version_table": "shop"}),
        (
            "context.configure(version_table='shop', version_table_schema='x')\n"
            "context.configure(version_table_schema='x', version_table='shop')",
            {"version_table": "shop", "version_table_schema": "x"},
        ),
    ],
)
def test_what_stands_there_is_read(source: str, written: dict[str, Any]) -> None:
    """Literals, the same in every call."""
    assert version_table_written_in(source) == written


@pytest.mark.parametrize(
    "source",
    [
        "context.configure(version_table=NAME)",
        "context.configure(version_table='shop')\ncontext.configure()",
        "options = {'version_table': 'shop'}\ncontext.configure(**options)",
        "version_table = 'shop'\ncontext.configure(version_table='shop')",
        "configured(version_table='shop')\ncontext.configure(version_table='shop')",
        "def run(version_table): ...\ncontext.configure()",
        "context.configure(",
    ],
)
def test_what_is_made_up_there_is_not_guessed(source: str) -> None:
    """None: only running it tells."""
    assert version_table_written_in(source) is None
