"""Complete what Alembic's autogenerate found, before a revision is written of it."""

from .completing import Around, complete
from .enums import enums_written
from .hook import completing
from .moves import Moves

__all__ = ["Around", "Moves", "complete", "completing", "enums_written"]
