"""Find and import every model module; pair each bind's engine and metadata."""

from .binds import (
    Bind,
    find_binds,
    import_metadata,
    refuse_in_memory,
    registered_db,
    share_databases,
    with_scratch_uris,
)
from .direct import check_direct, with_direct_engines
from .discover import DiscoveredModule, Discovery, discover
from .loaded import holder_of, nearness
from .sources import SourceCall

__all__ = [
    "Bind",
    "DiscoveredModule",
    "Discovery",
    "SourceCall",
    "check_direct",
    "discover",
    "find_binds",
    "holder_of",
    "import_metadata",
    "nearness",
    "refuse_in_memory",
    "registered_db",
    "share_databases",
    "with_direct_engines",
    "with_scratch_uris",
]
