"""Write down which statements of a revision are in, where the engine commits them one by one.

MariaDB and MySQL commit with every statement that changes a table, and take nothing back. So each
statement of a revision is noted in a table of ours, on the connection that runs the revision: one that
changes rows in its own transaction, one that changes tables before and after. The rows go in the
transaction that writes the revision into the version table, and the table goes when a run ends well:
whatever stands in it belongs to a revision that was begun and not ended.
"""

from .recording import CannotResume, Journal, Recorder
from .statements import Kind, Statement, statement_of
from .table import Entry, EntryState, drop_journal, read_journal
from .watching import Watcher, Wire, statements_watched

__all__ = [
    "CannotResume",
    "Entry",
    "EntryState",
    "Journal",
    "Kind",
    "Recorder",
    "Statement",
    "Watcher",
    "Wire",
    "drop_journal",
    "read_journal",
    "statement_of",
    "statements_watched",
]
