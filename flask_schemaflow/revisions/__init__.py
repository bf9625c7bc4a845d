"""Read revision files as text, without importing them: ids, parents, titles, tables."""

from .files import Revision, parse_source, read_revision, read_revisions, source_of
from .graph import Rows, below, circle_in, heads_of, in_words, lineage, newest_rows, parents_first, rows_after
from .sources import TableName, concerns, does_nothing, mentions_app_session, source_hash, tables_in
from .written_table import version_table_written_in

__all__ = [
    "Revision",
    "Rows",
    "TableName",
    "below",
    "circle_in",
    "concerns",
    "does_nothing",
    "heads_of",
    "in_words",
    "lineage",
    "mentions_app_session",
    "newest_rows",
    "parents_first",
    "parse_source",
    "read_revision",
    "read_revisions",
    "rows_after",
    "source_hash",
    "source_of",
    "tables_in",
    "version_table_written_in",
]
