"""Take backups and bring them back: the ``db-backup`` and ``db-restore`` pipelines."""

from .backing_up import BackupOptions, back_up
from .restoring import RestoreOptions, restore

__all__ = ["BackupOptions", "RestoreOptions", "back_up", "restore"]
