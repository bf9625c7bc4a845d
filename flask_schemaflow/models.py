"""Give the structure that an app's models describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .baseline import Tables, create_all_on
from .proof import made_on
from .scratch import scratch_database
from .session import sealed

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from .discovery import Bind
    from .snapshot import Snapshot
    from .survey import Survey


def structure_of_models(bind: Bind, survey: Survey) -> Snapshot:
    """Give what ``create_all`` makes, by running it on scratch. Never touches the real database.

    :raises CannotRecord: it fails.
    :raises NoScratch: no scratch database can be made.
    """
    with scratch_database(bind.source, ours=bind.is_plain) as scratch, sealed():
        create_models_on(scratch, bind, survey)
        return made_on(scratch)


def create_models_on(scratch: Connection, bind: Bind, survey: Survey) -> None:
    """Run ``create_all`` on a scratch database, for each of the binds that share the real one.

    :raises CannotRecord: it fails.
    """
    for each in bind.members:
        create_all_on(each.metadata, scratch, tables_of_models(each, survey, bind))


def tables_of_models(bind: Bind, survey: Survey, shared: Bind) -> Tables:
    """Give the tables of one bind's models without those that a setting calls foreign; None for all.

    :param shared: the bind under which its database is known.
    """
    foreign, look = survey.states[shared.key].never_ours, survey.looks[shared.key]
    tables = bind.metadata.tables.values()

    def is_foreign(schema: str | None, name: str) -> bool:
        (spelled,) = look.spelled([(bind.translated(schema), name)])
        return foreign.pattern_for(spelled) is not None

    ours = [each for each in tables if not is_foreign(each.schema, each.name)]
    return ours if len(ours) < len(tables) else None
