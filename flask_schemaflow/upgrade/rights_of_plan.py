"""Whether whoever runs the plan has the rights that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..history import JOURNAL_TABLE
from ..revisions import TableName
from ..rights import Need, check_rights, needs_of

if TYPE_CHECKING:
    from ..discovery import Bind
    from .hazards_of_plan import Recorded
    from .run import Run


def check_plan_rights(run: Run, recorded: Recorded) -> None:
    """Check that the revisions may do what they do, and that it can be noted. Read-only.

    Nothing is asked of a server where ``env.py`` itself changes who it is.

    :raises Refused: a right is lacking.
    """
    accepted = {*run.options.accept, *run.survey.settings.accept}
    for bind in run.survey.relevant:
        if not run.plans[bind.key].steps and bind.key not in run.stamps:
            continue
        if bind.family != "sqlite" and run.survey.migrations.environment_changes_rights:
            continue
        needs = (*_own(run, bind), *needs_of(recorded[bind.key], bind.family))
        check_rights(bind, needs, accepted=accepted, note=run.progress.findings.append)


def _own(run: Run, bind: Bind) -> Iterator[Need]:
    """Give what the version table needs, and on MariaDB the journal."""
    table = run.survey.version_tables[bind.key]
    versions = run.survey.looks[bind.key].versions
    rights = ["CREATE", "INSERT"] if versions is None else ["UPDATE" if versions else "INSERT"]
    if versions and len(versions) > 1:
        rights.append("DELETE")
    yield from (Need(right=right, table=TableName(table.schema, table.name)) for right in rights)
    if bind.family == "mariadb" and run.plans[bind.key].steps:
        for right in ("CREATE", "DROP", "SELECT", "INSERT", "UPDATE", "DELETE"):
            yield Need(right=right, table=TableName(None, JOURNAL_TABLE))
