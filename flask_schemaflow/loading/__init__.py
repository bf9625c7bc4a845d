"""Keep what an app does while it loads away from its database, and remember what it tried."""

from .guard import command_running, guarded_loading, is_command_running
from .origins import Origin, app_origin, came_through, factory_of_error, is_library, origin_of_error
from .record import GUARD_LINE, OUTSIDE_LINE, Attempt, LoadingRecord

__all__ = [
    "GUARD_LINE",
    "OUTSIDE_LINE",
    "Attempt",
    "LoadingRecord",
    "Origin",
    "app_origin",
    "came_through",
    "command_running",
    "factory_of_error",
    "guarded_loading",
    "is_command_running",
    "is_library",
    "origin_of_error",
]
