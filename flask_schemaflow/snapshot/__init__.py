"""A database's structure as a comparable value, read in bulk from the catalogs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .mysql import snapshot_mysql
from .mysql_grammar import read_key, read_lines
from .mysql_tokens import elements_of, end_of_word, names_read
from .postgresql import snapshot_around_locks, snapshot_postgresql
from .spelling import respelled
from .sqlite import snapshot_sqlite
from .sqlite_grammar import Clause
from .sqlite_items import Item, TableItems, cut_table
from .sqlite_tokens import UnreadableText, element_of
from .sqlite_tokens import names_in as names_in_sqlite
from .stored import (
    FOLDER,
    SnapshotPerBind,
    StoredFile,
    chain_hashes,
    read_file,
    read_stored,
    render_stored,
    series_of,
    stored_path,
    structure_hash,
)
from .structure import MAY_BE_EXTRA, SURROUNDINGS, VIEWS, Facts, Object, Part, Snapshot, folded
from .wording import Text, texts_not_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

__all__ = [
    "FOLDER",
    "MAY_BE_EXTRA",
    "SURROUNDINGS",
    "VIEWS",
    "Clause",
    "Facts",
    "Item",
    "Object",
    "Part",
    "Snapshot",
    "SnapshotPerBind",
    "StoredFile",
    "TableItems",
    "Text",
    "UnreadableText",
    "chain_hashes",
    "cut_table",
    "element_of",
    "elements_of",
    "end_of_word",
    "folded",
    "names_in_sqlite",
    "names_read",
    "read_file",
    "read_key",
    "read_lines",
    "read_stored",
    "readings",
    "render_stored",
    "respelled",
    "series_of",
    "stored_path",
    "structure_hash",
    "take_snapshot",
    "texts_not_in",
]


def take_snapshot(connection: Connection) -> Snapshot:
    """Read the structure of everything in a database, in a fixed number of queries. Read-only.

    :raises ConfigurationError: the engine is not one that can be read.
    """
    read = _READERS.get(connection.dialect.name)
    if read is None:
        raise ConfigurationError(
            f"Databases of the kind {connection.dialect.name} cannot be adopted yet; "
            f"{', '.join(sorted(_READERS))} can."
        )
    return read(connection)


def readings(connection: Connection, last: Snapshot | None) -> Iterator[Snapshot]:
    """Read a structure without waiting for others, and then, for who is not content with it, whole.

    Read-only. For a transaction that holds locks itself: on PostgreSQL what waits for a lock of another
    session is taken from ``last``, if there is one.
    """
    if last is not None and connection.dialect.name == "postgresql":
        around = snapshot_around_locks(connection, last)
        if around is not None:
            yield around
    yield take_snapshot(connection)


_READERS: dict[str, Callable[[Connection], Snapshot]] = {
    "mariadb": snapshot_mysql,
    "mysql": snapshot_mysql,
    "postgresql": snapshot_postgresql,
    "sqlite": snapshot_sqlite,
}
