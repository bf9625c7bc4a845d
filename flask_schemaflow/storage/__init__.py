"""Keep a snapshot of the structure beside every revision: the ``db-snapshot`` pipeline."""

from .store import SnapshotOptions, SnapshotResult, store_snapshots

__all__ = ["SnapshotOptions", "SnapshotResult", "store_snapshots"]
