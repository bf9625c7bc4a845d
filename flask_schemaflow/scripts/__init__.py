"""Prove what mending wrote, and put it on paper: as SQL, or as the body of a revision."""

from .proving import Attempt, Trial, try_scripts
from .python import as_python
from .sql import as_sql, comments, stays

__all__ = ["Attempt", "Trial", "as_python", "as_sql", "comments", "stays", "try_scripts"]
