"""The way of a project without revisions: draft a baseline, prove it, write it, stamp it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import make_url

from ..baseline import Baseline, Tables, Target, create_all_on, draft_baseline
from ..drift import Drift, find_drift, ways
from ..errors import DriftFound, ProofFailed
from ..findings import Finding
from ..interrupts import uninterrupted
from ..migrations import (
    Configured,
    Migrations,
    StagedRevision,
    remove_written,
    run_environment,
    stage_revision,
    staging_area,
    write_staged,
)
from ..proof import Proof, prove
from ..results import ProofResult
from ..revisions import TableName, read_revision, source_hash
from ..scratch import scratch_database, scratch_databases
from ..session import sealed
from ..snapshot import Snapshot, chain_hashes, render_stored, respelled, stored_path, take_snapshot
from ..stamping import unchanged_databases
from ..state import State
from ..survey import Survey, VersionTable, version_table_of
from .common import Adoption, BindKey, names_in, stamp

if TYPE_CHECKING:
    from ..discovery import Bind


def write_baseline(adoption: Adoption) -> None:
    """Write the baseline of what is there, proved on scratch, and stamp the databases that have it."""
    binds = adoption.survey.relevant
    wanted = {bind.key: _structure_of_models(bind, adoption.survey) for bind in binds}
    adoption = _with_made(adoption, wanted)
    survey, options, progress = adoption.survey, adoption.options, adoption.progress
    unmanaged = [b for b in binds if survey.states[b.key].state is State.UNMANAGED]
    accepted = _accepted_drift(adoption, unmanaged, wanted)
    drafts = {b.key: _draft(b, survey, options.engines, wanted[b.key], accepted) for b in binds}
    progress.findings.extend(_about_rows(drafts))
    several = any(bind.key is not None for bind in survey.relevant)
    with staging_area(survey.migrations, several_databases=several) as staging:
        configured = _configured(staging, survey)
        staged = _stage(adoption, staging, configured, drafts, accepted)
        tables = {key: version_table_of(found) for key, found in configured.items()}
        adoption = _with_version_tables(adoption, tables)
        proof = _prove(adoption, staged.migrations, staged.id, unmanaged, wanted)
        progress.proof = ProofResult(
            equal=True,
            method=proof.method,
            engines=proof.engines,
            on_paper=_on_paper(survey, options.engines),
        )
        if options.dry_run:
            adoption.end("planned", _planned(staged, unmanaged))
        else:
            _write_and_stamp(adoption, staged, proof, unmanaged, wanted)
        progress.baseline = staged.target


def _structure_of_models(bind: Bind, survey: Survey) -> Snapshot:
    """Give what ``create_all`` makes, by running it on scratch. Never touches the real database."""
    with scratch_database(bind.source, ours=bind.names_no_schema) as scratch, sealed():
        create_all_on(bind.metadata, scratch, _tables_of(bind, survey))
        return take_snapshot(scratch)


def _tables_of(bind: Bind, survey: Survey) -> Tables:
    """Give the tables of the models without those that a setting calls foreign; None for all."""
    patterns = survey.settings.foreign_tables
    tables = bind.metadata.tables.values()
    ours = [each for each in tables if not any(fnmatchcase(each.name, pattern) for pattern in patterns)]
    return ours if len(ours) < len(tables) else None


def _with_made(adoption: Adoption, made: Mapping[BindKey, Snapshot]) -> Adoption:
    """Count as ours whatever ``create_all`` makes: what an event makes is in no metadata."""
    survey, progress = adoption.survey, adoption.progress
    states = dict(survey.states)
    for key, snapshot in made.items():
        state, names = states[key], names_in(snapshot)
        there = survey.looks[key].snapshot or snapshot
        ours = names_in(there.of_tables((name.schema, name.name) for name in names))
        states[key] = replace(
            state,
            expected=state.expected | names,
            ours=state.ours | (state.foreign & ours),
            foreign=state.foreign - ours,
        )
        labels = {each.label for each in there.objects if TableName(each.schema, each.name) in ours}
        progress.findings[:] = [
            each for each in progress.findings if each.code != "foreign-table" or each.subject not in labels
        ]
    return replace(adoption, survey=replace(survey, states=states))


def _accepted_drift(
    adoption: Adoption, unmanaged: Iterable[Bind], wanted: Mapping[BindKey, Snapshot]
) -> dict[BindKey, list[Drift]]:
    """Compare models and databases.

    :raises DriftFound: they differ in something that was not accepted.
    """
    accepted: dict[BindKey, list[Drift]] = {}
    stopping: list[Drift] = []
    for bind in unmanaged:
        found = find_drift(wanted[bind.key], adoption.survey.ours(bind.key), "the models")
        accepted[bind.key], stops = adoption.split(found)
        adoption.progress.findings.extend(each for each in found if each not in stops)
        stopping.extend(stops)
    if stopping:
        raise DriftFound(
            f"The database differs from the models in {ways(len(stopping))}. Mend the models or the "
            f"database, or let a difference stay: --accept {stopping[0].key}",
            findings=tuple(stopping),
        )
    return accepted


# -- drafting --------------------------------------------------------------------------------------


def _draft(
    bind: Bind,
    survey: Survey,
    engines: tuple[str, ...],
    wanted: Snapshot,
    accepted: Mapping[BindKey, list[Drift]],
) -> Baseline:
    snapshot = survey.looks[bind.key].snapshot
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_database(bind.source, ours=bind.names_no_schema))
        stack.enter_context(sealed())
        targets = [Target(dialect=bind.engine.dialect, scratch=scratch)]
        targets.extend(
            Target(dialect=make_url(_PAPER[family]).get_dialect()()) for family in _on_paper(survey, engines)
        )
        return draft_baseline(
            bind.metadata,
            targets,
            tables=_tables_of(bind, survey),
            differing=accepted.get(bind.key, ()),
            real=respelled(snapshot, like=wanted) if snapshot is not None else None,
        )


# The dialect alone is needed, not its driver.
_PAPER = {
    "sqlite": "sqlite://",
    "postgresql": "postgresql+psycopg://",
    "mariadb": "mariadb+pymysql://",
    "mysql": "mysql+pymysql://",
}


def _on_paper(survey: Survey, engines: tuple[str, ...]) -> tuple[str, ...]:
    used = {bind.family for bind in survey.relevant}
    return tuple(sorted(set(engines or survey.settings.engines) - used))


def _about_rows(drafts: Mapping[BindKey, Baseline]) -> list[Finding]:
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


def _names_no_schema(survey: Survey) -> bool:
    return all(bind.names_no_schema for bind in survey.binds)


def _configured(staging: Migrations, survey: Survey) -> dict[BindKey, Configured]:
    """Ask ``env.py`` how it names things, on scratch databases."""
    sources = {bind.key: bind.source for bind in survey.binds}
    with scratch_databases(sources, ours=_names_no_schema(survey)) as scratches:
        return run_environment(
            staging,
            scratches,
            lambda *_: [],
            dont_mutate=True,
            on_scratch=True,
            required=[bind.key for bind in survey.relevant],
        )


def _with_version_tables(adoption: Adoption, tables: Mapping[BindKey, VersionTable]) -> Adoption:
    survey = replace(adoption.survey, version_tables={**adoption.survey.version_tables, **tables})
    return replace(adoption, survey=survey)


def _stage(
    adoption: Adoption,
    staging: Migrations,
    configured: Mapping[BindKey, Configured],
    drafts: Mapping[BindKey, Baseline],
    accepted: Mapping[BindKey, list[Drift]],
) -> StagedRevision:
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


# -- proving, writing, stamping --------------------------------------------------------------------


def _prove(
    adoption: Adoption,
    migrations: Migrations,
    revision: str,
    unmanaged: list[Bind],
    wanted: Mapping[BindKey, Snapshot],
) -> Proof:
    """Run the baseline on scratch: it must give the real structure, or the models' where there is none.

    :raises ProofFailed: it does not.
    """
    survey = adoption.survey
    real = dict(wanted) | {bind.key: survey.ours(bind.key) for bind in unmanaged}
    adoption.notify("Proving     the baseline on a scratch database")
    ours = _names_no_schema(survey)
    proof = prove(migrations, survey.binds, revision, real, survey.bookkeeping, ours=ours)
    if not proof.equal:
        found = tuple(d for drift in proof.drift.values() for d in drift if d.structural)
        raise ProofFailed(
            f"The baseline does not rebuild the database: {len(found)} differences, the first is: "
            f"{found[0].message} Nothing was written. Please report this.",
            findings=found,
        )
    return proof


def _write_and_stamp(
    adoption: Adoption,
    staged: StagedRevision,
    proof: Proof,
    unmanaged: list[Bind],
    wanted: Mapping[BindKey, Snapshot],
) -> None:
    project = adoption.survey.migrations
    with unchanged_databases(adoption.survey, [bind.key for bind in unmanaged]) as held:
        adoption.notify(f"Writing     {staged.target}")
        written = write_staged(staged, project, lambda: _stored_snapshots(adoption.survey, staged, proof))
        try:
            if source_hash(staged.target.read_text(encoding="utf-8")) != source_hash(staged.source):
                # A post-write hook changed more than the layout.
                _prove(adoption, project, staged.id, unmanaged, wanted)
            with uninterrupted():
                stamp(adoption, held, staged.id, state=State.CURRENT)
                adoption.end("adopted", _verdict(staged, unmanaged, proof))
        except BaseException:
            if adoption.progress.ending is None:
                remove_written(written)
            raise


def _stored_snapshots(survey: Survey, staged: StagedRevision, proof: Proof) -> dict[Path, str]:
    """Write the snapshots, with the hash of the revision as it is in its place."""
    (chain,) = chain_hashes([read_revision(staged.target)]).values()
    files = {}
    for family in {bind.family for bind in survey.relevant}:
        snapshots = {b.key: proof.snapshots[b.key] for b in survey.relevant if b.family == family}
        files[stored_path(staged.id, family)] = render_stored(staged.id, chain, snapshots, {})
    return files


def _planned(staged: StagedRevision, unmanaged: list[Bind]) -> str:
    stamped = ", ".join(bind.target for bind in unmanaged) or "nothing"
    return f"Would write {staged.target} and stamp {stamped}; the baseline is proved."


def _verdict(staged: StagedRevision, unmanaged: list[Bind], proof: Proof) -> str:
    if not unmanaged:
        return (
            f"Wrote the baseline {staged.id}; the database has no tables yet, so nothing was stamped. "
            "`flask db-safe-upgrade` creates the tables."
        )
    return (
        f"Adopted at {staged.id}: the baseline rebuilds exactly what is there "
        f"(proved on {', '.join(proof.engines)}); no table was touched."
    )
