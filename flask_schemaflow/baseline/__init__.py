"""Draft the first revision, in memory."""

from .draft import Baseline, Target, draft_baseline
from .recording import CannotRecord, record_create_all, record_create_all_on

__all__ = [
    "Baseline",
    "CannotRecord",
    "Target",
    "draft_baseline",
    "record_create_all",
    "record_create_all_on",
]
