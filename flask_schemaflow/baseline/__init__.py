"""Draft the first revision, in memory."""

from .column_types import Names, generic_type, named_type, namespace
from .draft import Baseline, Target, draft_baseline
from .pieces import sent_by, write_statements
from .recording import CannotRecord, Tables, create_all_on, record_create_all, record_create_all_on
from .rendering import CannotWrite, Writer
from .stored_types import StoredTypes, targets_in, writer_in

__all__ = [
    "Baseline",
    "CannotRecord",
    "CannotWrite",
    "Names",
    "StoredTypes",
    "Tables",
    "Target",
    "Writer",
    "create_all_on",
    "draft_baseline",
    "generic_type",
    "named_type",
    "namespace",
    "record_create_all",
    "record_create_all_on",
    "sent_by",
    "targets_in",
    "write_statements",
    "writer_in",
]
