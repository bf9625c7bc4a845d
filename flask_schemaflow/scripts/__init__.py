"""Prove what mending wrote, and put it on paper: as SQL, or as the body of a revision."""

from .dropping import all_drops, made_anew, telling_what_was_accepted
from .proving import Attempt, Trial, WayBack, try_scripts
from .python import as_python, no_way_back, only_on
from .sql import as_sql, comments, staying, stays

__all__ = [
    "Attempt",
    "Trial",
    "WayBack",
    "all_drops",
    "as_python",
    "as_sql",
    "comments",
    "made_anew",
    "no_way_back",
    "only_on",
    "staying",
    "stays",
    "telling_what_was_accepted",
    "try_scripts",
]
