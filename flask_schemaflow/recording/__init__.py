"""Record what revisions would do, operation by operation, without a database."""

from .operations import Rebuild, RecordedOperation, RecordedRevision, Sent, Unseen
from .recorder import paper_dialect, record_revisions

__all__ = [
    "Rebuild",
    "RecordedOperation",
    "RecordedRevision",
    "Sent",
    "Unseen",
    "paper_dialect",
    "record_revisions",
]
