"""The connections on which we work: one that only reads, and one that holds a single transaction.

They share the app's dialect, so that what its engine options say of values holds, and run the app's own
connect listeners where revisions need them.
"""

from .connecting import (
    CONNECT_TIMEOUT,
    KEEPS_TRANSACTION,
    SEARCH_PATH,
    connect_with,
    note_default_schema,
    schemas_searched,
    server_connection,
)
from .explaining import code_of, explained
from .holding import HeldTransaction, held_transaction, migrating_transaction
from .identity import databases_in_order, identity_of, identity_on, in_order, name_of
from .locking import AT_WORK, nobody_else
from .patience import Patience
from .pooling import check_no_pooler
from .preparing import milliseconds
from .reading import reading_connection
from .replacing import AppSessionUsed, ConnectionClosed, engines_replaced, sealed
from .targets import database_exists, family_of, is_same_database, sqlite_path, target_of
from .trying import Tries

__all__ = [
    "AT_WORK",
    "CONNECT_TIMEOUT",
    "KEEPS_TRANSACTION",
    "SEARCH_PATH",
    "AppSessionUsed",
    "ConnectionClosed",
    "HeldTransaction",
    "Patience",
    "Tries",
    "check_no_pooler",
    "code_of",
    "connect_with",
    "database_exists",
    "databases_in_order",
    "engines_replaced",
    "explained",
    "family_of",
    "held_transaction",
    "identity_of",
    "identity_on",
    "in_order",
    "is_same_database",
    "migrating_transaction",
    "milliseconds",
    "name_of",
    "nobody_else",
    "note_default_schema",
    "reading_connection",
    "schemas_searched",
    "sealed",
    "server_connection",
    "sqlite_path",
    "target_of",
]
