"""Say in what databases, models and revisions differ: the ``db-diff`` pipeline."""

from .diff import DiffOptions, DiffResult, diff
from .sides import Difference

__all__ = ["DiffOptions", "DiffResult", "Difference", "diff"]
