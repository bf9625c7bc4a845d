"""The connections on which we work: one that only reads, and one that holds a single transaction.

They share the app's dialect, so that what its engine options say of values holds, and run the app's own
connect listeners where revisions need them.
"""

from .connecting import KEEPS_TRANSACTION, connect_with, server_connection
from .explaining import explained
from .holding import LOCK_WAIT, HeldTransaction, held_transaction, migrating_transaction
from .locking import nobody_else
from .reading import reading_connection
from .replacing import AppSessionUsed, engines_replaced, sealed
from .targets import database_exists, family_of, is_same_database, sqlite_path, target_of

__all__ = [
    "KEEPS_TRANSACTION",
    "LOCK_WAIT",
    "AppSessionUsed",
    "HeldTransaction",
    "connect_with",
    "database_exists",
    "engines_replaced",
    "explained",
    "family_of",
    "held_transaction",
    "is_same_database",
    "migrating_transaction",
    "nobody_else",
    "reading_connection",
    "sealed",
    "server_connection",
    "sqlite_path",
    "target_of",
]
