"""Put Flask apps that began with ``create_all()`` under migrations, with proof, and upgrade them safely.

What is listed in ``__all__`` is public, nothing else is. Everything is imported when it is first used, so
that an app which only registers the extension loads neither Alembic nor Flask-Migrate.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .adoption import AdoptOptions, AdoptResult, adopt
    from .difference import DatabaseDiff, DiffOptions, DiffResult, diff
    from .errors import (
        BackupFailed,
        Broken,
        Busy,
        ConfigurationError,
        DriftFound,
        ExitCode,
        HazardsFound,
        Interrupted,
        ModelsMissing,
        NotCurrent,
        ProofFailed,
        Refused,
        SchemaFlowError,
        UnadoptableState,
        Undone,
        Unverified,
    )
    from .extension import SchemaFlow
    from .findings import Finding, Severity
    from .guards import in_command
    from .health import is_current, require_current
    from .linting import LintOptions, LintResult, lint
    from .overview import StatusOptions, StatusResult, status
    from .storage import SnapshotOptions, SnapshotResult, store_snapshots
    from .upgrade import UpgradeOptions, UpgradeResult, safe_upgrade

__all__ = [
    "AdoptOptions",
    "AdoptResult",
    "BackupFailed",
    "Broken",
    "Busy",
    "ConfigurationError",
    "DatabaseDiff",
    "DiffOptions",
    "DiffResult",
    "DriftFound",
    "ExitCode",
    "Finding",
    "HazardsFound",
    "Interrupted",
    "LintOptions",
    "LintResult",
    "ModelsMissing",
    "NotCurrent",
    "ProofFailed",
    "Refused",
    "SchemaFlow",
    "SchemaFlowError",
    "Severity",
    "SnapshotOptions",
    "SnapshotResult",
    "StatusOptions",
    "StatusResult",
    "UnadoptableState",
    "Undone",
    "Unverified",
    "UpgradeOptions",
    "UpgradeResult",
    "__version__",
    "adopt",
    "diff",
    "in_command",
    "is_current",
    "lint",
    "require_current",
    "safe_upgrade",
    "status",
    "store_snapshots",
]

_HOMES = {
    "adoption": ("AdoptOptions", "AdoptResult", "adopt"),
    "difference": ("DiffOptions", "DiffResult", "DatabaseDiff", "diff"),
    "errors": (
        "BackupFailed",
        "Broken",
        "Busy",
        "ConfigurationError",
        "DriftFound",
        "ExitCode",
        "HazardsFound",
        "Interrupted",
        "ModelsMissing",
        "NotCurrent",
        "ProofFailed",
        "Refused",
        "SchemaFlowError",
        "UnadoptableState",
        "Undone",
        "Unverified",
    ),
    "extension": ("SchemaFlow",),
    "findings": ("Finding", "Severity"),
    "guards": ("in_command",),
    "health": ("is_current", "require_current"),
    "linting": ("LintOptions", "LintResult", "lint"),
    "overview": ("StatusOptions", "StatusResult", "status"),
    "storage": ("SnapshotOptions", "SnapshotResult", "store_snapshots"),
    "upgrade": ("UpgradeOptions", "UpgradeResult", "safe_upgrade"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
