"""The way of a project without revisions: draft a baseline, prove it, write it, stamp it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..drift import Drift, find_drift, is_equal, ways
from ..errors import DriftFound, ProofFailed
from ..interrupts import uninterrupted
from ..migrations import (
    Configured,
    Migrations,
    StagedRevision,
    ask_environment,
    remove_written,
    staging_area,
    write_staged,
)
from ..models import structure_of_models
from ..proof import Proof, prove, replay_on
from ..results import ProofResult
from ..revisions import TableName, read_revision, source_hash
from ..snapshot import Snapshot, chain_hashes, render_stored, stored_path
from ..stamping import unchanged_databases
from ..state import State
from ..survey import upgrade_command
from ..version_tables import VersionTable, version_tables_of
from .common import Adoption, BindKey, names_in, stamp
from .drafting import (
    about_rows,
    draft_for,
    families_on_paper,
    is_ours,
    scratch_for,
    stage_baseline,
    with_models,
)
from .reconciling import Reconciler, Reconciliation, told, write_scripts

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..baseline import Baseline
    from ..discovery import Bind
    from ..mending import Script
    from ..survey import Survey


def write_baseline(adoption: Adoption) -> None:
    """Write the baseline of what is there, proved on scratch, and stamp the databases that have it."""
    survey = adoption.survey
    several = any(each.key is not None for bind in survey.relevant for each in with_models(bind))
    with (
        staging_area(survey.migrations, several_databases=several) as staging,
        ExitStack() as afterwards,
    ):
        with scratch_for(survey, afterwards) as scratches:
            configured = ask_environment(staging, scratches, required=[bind.key for bind in survey.relevant])
            tables = version_tables_of(configured, survey.binds)
            adoption = _with_version_tables(adoption, tables)
            proved = _prove_at_once(adoption, staging, configured, scratches)
        _end(proved or _prove_in_steps(adoption, staging, configured))


@dataclass(frozen=True, kw_only=True)
class _Proved:
    """A baseline that rebuilds the structure of ``unmanaged``, and for the others what ``wanted`` says."""

    adoption: Adoption
    staged: StagedRevision
    drafts: Mapping[BindKey, Baseline]
    proof: Proof
    unmanaged: list[Bind]
    wanted: Mapping[BindKey, Snapshot]
    further: Reconciliation | None = None


def _unmanaged(survey: Survey) -> list[Bind]:
    """Give the databases that are to be adopted; ``--restamp`` lets those be that lost their revisions."""
    states = (State.UNMANAGED, State.ORPHANED)
    return [bind for bind in survey.relevant if survey.states[bind.key].state in states]


def _prove_at_once(
    adoption: Adoption,
    staging: Migrations,
    configured: Mapping[BindKey, Configured],
    scratches: Mapping[BindKey, Connection],
) -> _Proved | None:
    """Run the baseline of the models on scratch; mostly it gives what is there, and that is all to be known.

    It has to send what ``create_all`` sends, so that ``create_all`` itself need not run. None where a
    database is not there yet, or anything differs.
    """
    survey = adoption.survey
    unmanaged = _unmanaged(survey)
    if len(unmanaged) < len(survey.relevant) or any(bind.others for bind in unmanaged):
        return None
    engines = adoption.options.engines
    drafts = {bind.key: draft_for(bind, survey, engines, None, {}, tries_later=True) for bind in unmanaged}
    staged = stage_baseline(adoption, staging, configured, drafts, {})
    adoption.notify("Proving     the baseline on a scratch database")
    keys = [bind.key for bind in unmanaged]
    sent: dict[BindKey, list[str]] = {key: [] for key in keys}
    try:
        made = replay_on(
            scratches, staged.migrations, staged.id, survey.bookkeeping, required=keys, sent=sent
        )
    except ProofFailed:
        made = {}
    if not all(drafts[bind.key].sends(sent[bind.key], bind.engine.dialect) for bind in unmanaged):
        made = {}
    adoption = _with_made(adoption, {key: made[key] for key in keys if made})
    drift = {key: find_drift(made[key], adoption.survey.ours(key), "the models") for key in keys if made}
    if not made or not all(map(is_equal, drift.values())):
        staged.path.unlink()
        return None
    adoption.progress.findings.extend(each for found in drift.values() for each in found)
    families = tuple(sorted({bind.family for bind in unmanaged}))
    proof = Proof(drift=drift, snapshots=made, engines=families)
    return _Proved(
        adoption=adoption, staged=staged, drafts=drafts, proof=proof, unmanaged=unmanaged, wanted={}
    )


def _prove_in_steps(
    adoption: Adoption, staging: Migrations, configured: Mapping[BindKey, Configured]
) -> _Proved:
    """Say in what a database differs from the models; where that may stay, the baseline makes it so.

    :raises DriftFound: it may not.
    :raises ProofFailed: the baseline does not rebuild what is there.
    """
    binds = adoption.survey.relevant
    wanted = {bind.key: structure_of_models(bind, adoption.survey) for bind in binds}
    adoption = _with_made(adoption, wanted)
    survey = adoption.survey
    unmanaged = _unmanaged(survey)
    scripts = write_scripts(adoption, unmanaged, wanted) if adoption.options.reconcile else {}
    accepted = _accepted_drift(adoption, unmanaged, wanted, scripts)
    engines = adoption.options.engines
    drafts = {
        each.key: draft_for(each, survey, engines, wanted[b.key], accepted, shared=b)
        for b in binds
        for each in with_models(b)
    }
    staged = stage_baseline(adoption, staging, configured, drafts, accepted)
    further = None
    if any(script.steps for script in scripts.values()):
        reconciler = Reconciler(
            adoption=adoption,
            staging=staging,
            configured=configured,
            baseline=staged,
            unmanaged=unmanaged,
            wanted=wanted,
            scripts=scripts,
        )
        proof, further = reconciler.proved()
        _check_proof(proof)
    else:
        adoption.notify("Proving     the baseline on a scratch database")
        proof = _prove(adoption, staged.migrations, staged.id, unmanaged, wanted)
    return _Proved(
        adoption=adoption,
        staged=staged,
        drafts=drafts,
        proof=proof,
        unmanaged=unmanaged,
        wanted=wanted,
        further=further,
    )


def _end(proved: _Proved) -> None:
    adoption, staged, proof = proved.adoption, proved.staged, proved.proof
    options, progress = adoption.options, adoption.progress
    progress.findings.extend(about_rows(proved.drafts))
    progress.proof = ProofResult(
        equal=True,
        method=proof.method,
        engines=proof.engines,
        on_paper=families_on_paper(adoption.survey, options.engines),
    )
    if options.dry_run:
        adoption.end("planned", _planned(proved))
    else:
        _write_and_stamp(proved)
    progress.baseline = staged.target


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
    adoption: Adoption,
    unmanaged: Iterable[Bind],
    wanted: Mapping[BindKey, Snapshot],
    scripts: Mapping[BindKey, Script],
) -> dict[BindKey, list[Drift]]:
    """Compare models and databases.

    :param scripts: what takes databases to the models; the baseline keeps all that these mend.
    :raises DriftFound: they differ in something that was not accepted.
    """
    accepted: dict[BindKey, list[Drift]] = {}
    stopping: list[Drift] = []
    for bind in unmanaged:
        found = find_drift(wanted[bind.key], adoption.survey.ours(bind.key), "the models")
        if bind.key in scripts:
            adoption.progress.findings.extend(told(scripts, found))
            accepted[bind.key] = [each for each in found if each.structural]
            continue
        accepted[bind.key], stops = adoption.split(found)
        adoption.note_passing(found, stops)
        stopping.extend(stops)
    if stopping:
        raise DriftFound(
            f"The database differs from the models in {ways(len(stopping))}. Mend the models or the "
            "database; or adopt it as it is, with a revision that takes it to the models: --reconcile; or "
            f"let a difference stay: --accept {stopping[0].key}",
            findings=tuple(stopping),
        )
    return accepted


def _with_version_tables(adoption: Adoption, tables: Mapping[BindKey, VersionTable]) -> Adoption:
    survey = replace(adoption.survey, version_tables={**adoption.survey.version_tables, **tables})
    return replace(adoption, survey=survey)


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
    ours = is_ours(survey)
    proof = prove(migrations, survey.binds, revision, real, survey.bookkeeping, ours=ours)
    _check_proof(proof)
    return proof


def _check_proof(proof: Proof) -> None:
    if not proof.equal:
        found = tuple(d for drift in proof.drift.values() for d in drift if d.structural)
        raise ProofFailed(
            f"The baseline does not rebuild the database: {len(found)} differences, the first is: "
            f"{found[0].message} Nothing was written. Please report this.",
            findings=found,
        )


def _write_and_stamp(proved: _Proved) -> None:
    adoption, staged, further = proved.adoption, proved.staged, proved.further
    project = adoption.survey.migrations
    both = (staged, *([further.staged] if further else []))
    with unchanged_databases(adoption.survey, [bind.key for bind in proved.unmanaged]) as held:
        for each in both:
            adoption.notify(f"Writing     {each.target}")
        written = write_staged(both, project, lambda: _stored_snapshots(proved))
        try:
            if _has_another_meaning(staged.target.read_text(encoding="utf-8"), staged.source):
                # A post-write hook changed more than the layout.
                _prove(adoption, project, staged.id, proved.unmanaged, proved.wanted)
            with uninterrupted():
                state = State.BEHIND if further else State.CURRENT
                stamp(adoption, held, dict.fromkeys(held, staged.id), state=state)
                adoption.end("adopted", _verdict(proved))
        except BaseException:
            if adoption.progress.ending is None:
                remove_written(written)
            raise


def _has_another_meaning(source: str, other: str) -> bool:
    return source != other and source_hash(source) != source_hash(other)


def _stored_snapshots(proved: _Proved) -> dict[Path, str]:
    """Write the snapshots, with the hashes of the revisions as they are in their places."""
    survey, staged, further = proved.adoption.survey, proved.staged, proved.further
    both = (staged, *([further.staged] if further else []))
    chains = chain_hashes([read_revision(each.target) for each in both])
    files = {}
    for family in {bind.family for bind in survey.relevant}:
        stored_as = {bind.key: bind.stored_as for bind in survey.relevant if bind.family == family}
        first = {name: proved.proof.snapshots[key] for key, name in stored_as.items()}
        files[stored_path(staged.id, family)] = render_stored(staged.id, chains[staged.id], first, {})
        if further is not None:
            id_, then = further.staged.id, {name: further.snapshots[key] for key, name in stored_as.items()}
            files[stored_path(id_, family)] = render_stored(id_, chains[id_], then, first)
    return files


def _planned(proved: _Proved) -> str:
    stamped = ", ".join(bind.target for bind in proved.unmanaged) or "nothing"
    if proved.further is not None:
        return (
            f"Would write {proved.staged.target} and {proved.further.staged.target}, which leads on to the "
            f"models, and stamp {stamped} with the first one; both are proved."
        )
    return f"Would write {proved.staged.target} and stamp {stamped}; the baseline is proved."


def _verdict(proved: _Proved) -> str:
    staged, further = proved.staged, proved.further
    if not proved.unmanaged:
        return (
            f"Wrote the baseline {staged.id}; the database has no tables yet, so nothing was stamped. "
            f"{upgrade_command(proved.adoption.survey)} creates the tables."
        )
    adopted = (
        f"Adopted at {staged.id}: the baseline rebuilds exactly what is there "
        f"(proved on {', '.join(proved.proof.engines)}); no table was touched."
    )
    if further is None:
        return adopted
    staying = sum(each.structural for s in further.scripts.values() for each in (*s.kept, *s.unmended))
    but = f" but for {staying} difference{'s' if staying != 1 else ''}, which it names" if staying else ""
    return (
        f"{adopted} The revision {further.staged.id} takes it to the models{but}: look at it, then "
        "`flask db-safe-upgrade` runs it."
    )
