"""Write the statements that take a database from one structure to another, rows kept."""

from .making import Making, make
from .mend import mend
from .rows import NO_ROWS, Rows, RowsOf
from .script import Script, Step

__all__ = ["NO_ROWS", "Making", "Rows", "RowsOf", "Script", "Step", "make", "mend"]
