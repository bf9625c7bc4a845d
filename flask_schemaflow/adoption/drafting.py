"""Draft the baseline and put it where it can be tried; nothing of it is in the project yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from ..baseline import Baseline, CannotRecord, Target, draft_baseline
from ..findings import Finding
from ..migrations import (
    Configured,
    Migrations,
    StagedRevision,
    stage_revision,
)
from ..models import tables_of_models
from ..recording import paper_dialect
from ..scratch import DROPS_MEANWHILE, scratch_database, scratch_databases
from ..session import KEEPS_TRANSACTION, sealed
from ..snapshot import respelled

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..discovery import Bind
    from ..drift import Drift
    from ..snapshot import Snapshot
    from ..survey import Survey
    from .common import Adoption, BindKey


def with_models(bind: Bind) -> tuple[Bind, ...]:
    """Give the binds of one database that have tables; the first one in any case."""
    return (bind, *(each for each in bind.others if each.metadata.tables))


# -- drafts ----------------------------------------------------------------------------------------


def draft_for(
    bind: Bind,
    survey: Survey,
    engines: tuple[str, ...],
    wanted: Snapshot | None,
    accepted: Mapping[BindKey, list[Drift]],
    *,
    tries_later: bool = False,
    shared: Bind | None = None,
) -> Baseline:
    """Write the baseline of one bind: what ``create_all`` makes, but for accepted differences.

    :param tries_later: see :func:`draft_baseline`.
    :param shared: the bind under which its database is known, where that is another one.
    """
    shared = shared or bind
    snapshot = survey.looks[shared.key].snapshot

    def written(scratch: Connection | None) -> Baseline:
        translated = frozenset(bind.translations)
        targets = [Target(dialect=bind.engine.dialect, scratch=scratch, translated=translated)]
        families = families_on_paper(survey, engines)
        targets.extend(Target(dialect=paper_dialect(family)) for family in families)
        return draft_baseline(
            bind.metadata,
            targets,
            tables=tables_of_models(bind, survey, shared),
            differing=_about(bind, shared, accepted.get(shared.key, ())),
            real=respelled(snapshot, like=wanted) if snapshot and wanted else None,
            tries_later=tries_later,
        )

    try:
        with sealed():
            return written(None)
    except CannotRecord:
        # An event of the models asks the database; let it ask an empty one.
        with scratch_database(bind.source, ours=bind.is_plain) as scratch, sealed():
            return written(scratch)


def _about(bind: Bind, shared: Bind, accepted: Iterable[Drift]) -> list[Drift]:
    """Give the differences in the tables of one bind; the first bind has those of no model too."""
    labels = {each.key: {str(table) for table in each.metadata.tables.values()} for each in shared.members}
    elsewhere = set().union(*(names for key, names in labels.items() if key != bind.key))
    return [
        each
        for each in accepted
        if each.table in labels[bind.key] or (bind is shared and each.table not in elsewhere)
    ]


def families_on_paper(survey: Survey, engines: tuple[str, ...]) -> tuple[str, ...]:
    """Give the families for which the baseline is compared without a database."""
    used = {bind.family for bind in survey.relevant}
    return tuple(sorted(set(engines or survey.settings.engines) - used))


def about_rows(drafts: Mapping[BindKey, Baseline]) -> list[Finding]:
    """Tell of rows that ``create_all`` would write."""
    return [
        Finding(
            code="rows-on-create",
            subject=key or "default",
            message=f"create_all() also sends {draft.row_statements} statements that write rows; a "
            "baseline makes the structure only.",
            hint="Put rows that every database needs into a revision of their own.",
        )
        for key, draft in drafts.items()
        if draft.row_statements
    ]


# -- staging ---------------------------------------------------------------------------------------


def is_ours(survey: Survey) -> bool:
    """Say whether nothing but what we write runs while a baseline is tried: no event, no other env.py.

    It names no schema either, not even for the version table.
    """
    return (
        all(bind.is_plain for bind in survey.binds)
        and all(table.schema is None for table in survey.version_tables.values())
        and survey.migrations.has_stock_environment
    )


@contextmanager
def scratch_for(survey: Survey, afterwards: ExitStack) -> Iterator[dict[BindKey, Connection]]:
    """Give scratch databases for what we write; what can be rolled back is, which is quicker than a drop.

    :param afterwards: leaving it waits for those that are still being dropped.
    """
    sources = {bind.key: bind.source for bind in survey.binds}
    with scratch_databases(sources, ours=is_ours(survey)) as scratches:
        for connection in scratches.values():
            if connection.dialect.name == "postgresql":
                connection.info[KEEPS_TRANSACTION] = True
            connection.info[DROPS_MEANWHILE] = afterwards
        yield scratches


def stage_baseline(
    adoption: Adoption,
    staging: Migrations,
    configured: Mapping[BindKey, Configured],
    drafts: Mapping[BindKey, Baseline],
    accepted: Mapping[BindKey, list[Drift]],
) -> StagedRevision:
    """Write the revision into a temporary folder, through the project's own template."""
    arguments: dict[str, str] = {}
    imports: set[str] = set()
    for key, draft in drafts.items():
        arguments[configured[key].upgrade_token] = draft.upgrade
        arguments[configured[key].downgrade_token] = draft.downgrade
        imports |= draft.imports
    arguments["imports"] = "\n".join(sorted(imports))
    notes = [f"{each.key}: {each.message}" for found in accepted.values() for each in found]
    return stage_revision(
        staging,
        adoption.survey.migrations,
        revision_id=adoption.options.revision_id or uuid4().hex[-12:],
        message=adoption.options.message,
        template_arguments=arguments,
        notes=notes,
    )
