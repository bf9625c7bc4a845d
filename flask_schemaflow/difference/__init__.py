"""Say in what databases, models and revisions differ: the ``db-diff`` pipeline."""

from .diff import DiffOptions, DiffResult, diff
from .sides import DatabaseDiff

__all__ = ["DatabaseDiff", "DiffOptions", "DiffResult", "diff"]
