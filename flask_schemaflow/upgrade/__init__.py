"""Bring databases to the newest revision: the ``db-safe-upgrade`` pipeline."""

from .options import UpgradeOptions
from .upgrade import UpgradeResult, safe_upgrade

__all__ = ["UpgradeOptions", "UpgradeResult", "safe_upgrade"]
