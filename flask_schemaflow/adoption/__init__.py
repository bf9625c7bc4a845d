"""Take databases made by ``create_all`` under migrations: the ``db-adopt`` pipeline."""

from .adopt import AdoptResult, adopt
from .common import refuse_parts
from .options import AdoptOptions

__all__ = ["AdoptOptions", "AdoptResult", "adopt", "refuse_parts"]
