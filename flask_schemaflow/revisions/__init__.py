"""Read revision files as text, without importing them: ids, parents, titles, tables."""

from .files import Revision, parse_source, read_revision, read_revisions, source_of
from .graph import below, circle_in, heads_of, lineage, parents_first
from .sources import TableName, concerns, does_nothing, mentions_app_session, source_hash, tables_in
from .written_table import version_table_written_in

__all__ = [
    "Revision",
    "TableName",
    "below",
    "circle_in",
    "concerns",
    "does_nothing",
    "heads_of",
    "lineage",
    "mentions_app_session",
    "parents_first",
    "parse_source",
    "read_revision",
    "read_revisions",
    "source_hash",
    "source_of",
    "tables_in",
    "version_table_written_in",
]
