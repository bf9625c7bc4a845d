"""Draft the first revision, in memory."""

from .draft import Baseline, Target, draft_baseline
from .pieces import write_statements
from .recording import CannotRecord, Tables, create_all_on, record_create_all, record_create_all_on
from .stored_types import StoredTypes

__all__ = [
    "Baseline",
    "CannotRecord",
    "StoredTypes",
    "Tables",
    "Target",
    "create_all_on",
    "draft_baseline",
    "record_create_all",
    "record_create_all_on",
    "write_statements",
]
