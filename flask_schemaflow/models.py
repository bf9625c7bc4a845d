"""Give the structure that an app's models describe."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from .baseline import Tables, create_all_on
from .proof import made_on
from .scratch import scratch_database
from .session import sealed

if TYPE_CHECKING:
    from .discovery import Bind
    from .snapshot import Snapshot
    from .survey import Survey


def structure_of_models(bind: Bind, survey: Survey) -> Snapshot:
    """Give what ``create_all`` makes, by running it on scratch. Never touches the real database.

    :raises CannotRecord: it fails.
    :raises NoScratch: no scratch database can be made.
    """
    with scratch_database(bind.source, ours=bind.is_plain) as scratch, sealed():
        create_all_on(bind.metadata, scratch, tables_of_models(bind, survey))
        return made_on(scratch)


def tables_of_models(bind: Bind, survey: Survey) -> Tables:
    """Give the tables of the models without those that a setting calls foreign; None for all."""
    patterns = survey.settings.foreign_tables
    tables = bind.metadata.tables.values()
    ours = [each for each in tables if not any(fnmatchcase(each.name, pattern) for pattern in patterns)]
    return ours if len(ours) < len(tables) else None
