"""Which rights a plan needs, and whether whoever runs it has them: asked before anything runs."""

from .asking import MISSING_RIGHT, check_rights
from .needs import Need, needs_of

__all__ = ["MISSING_RIGHT", "Need", "check_rights", "needs_of"]
