"""Draft the revision that takes databases to their models, and prove it after the baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from ..drift import find_drift, is_equal
from ..errors import ConfigurationError, ProofFailed
from ..findings import Severity
from ..mending import RowsOf, Script, mend
from ..migrations import Configured, Migrations, StagedRevision, stage_revision
from ..plan import Step
from ..proof import Proof, replay, replay_on
from ..scripts import (
    Attempt,
    Trial,
    WayBack,
    as_python,
    no_way_back,
    only_on,
    stays,
    telling_what_was_accepted,
    try_scripts,
)
from ..state import others_in, table_names
from .drafting import families_on_paper, is_ours
from .options import DROPS

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..discovery import Bind
    from ..drift import Drift
    from ..snapshot import Snapshot
    from ..survey import Survey
    from .common import Adoption, BindKey

MESSAGE = "reconcile with the models"


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The revision above the baseline: its scripts, and the structures that it gave on scratch."""

    staged: StagedRevision
    scripts: Mapping[BindKey, Script]
    snapshots: Mapping[BindKey, Snapshot]


def write_scripts(
    adoption: Adoption, unmanaged: Iterable[Bind], wanted: Mapping[BindKey, Snapshot]
) -> dict[BindKey, Script]:
    """Write what takes each database to its models; asks the real rows. Read-only.

    :raises ConfigurationError: something was accepted that cannot be.
    """
    survey = adoption.survey
    scripts: dict[BindKey, Script] = {}
    for bind in unmanaged:
        there, look = survey.ours(bind.key, wanted[bind.key]), survey.looks[bind.key]
        if not is_equal(find_drift(wanted[bind.key], there, "the models")):
            script = mend(
                there,
                wanted[bind.key],
                accepted=adoption.accepted,
                rows=RowsOf(bind.engine),
                others=others_in(look.snapshot, survey.bookkeeping[bind.key], table_names(there)),
            )
            scripts[bind.key] = telling_what_was_accepted(script, adoption.accepted)
    _check_accepted(adoption, scripts)
    return scripts


def _check_accepted(adoption: Adoption, scripts: Mapping[BindKey, Script]) -> None:
    mended = {key for script in scripts.values() for step in script.steps for key in step.mends}
    known = mended.union(*(script.stays for script in scripts.values()))
    for key in adoption.options.accept:
        code, _, subject = key.partition(":")
        if key in mended:
            raise ConfigurationError(
                f"--accept {key} lets the difference stay, and --reconcile mends it. Ask for one of them."
            )
        extra = code.replace("drop-", "extra-", 1)
        if code in DROPS and not {f"{extra}:{subject}", f"changed-column-generated:{subject}"} & known:
            raise ConfigurationError(
                f"--accept {key}: the database has nothing of that name which the models do not have."
            )


def told(scripts: Mapping[BindKey, Script], found: Iterable[Drift]) -> Iterator[Drift]:
    """Say of each difference what becomes of it."""
    hints = {each.key: each.hint for script in scripts.values() for each in (*script.kept, *script.unmended)}
    for each in found:
        hint = f"Stays: {hints[each.key]}" if each.key in hints else f"The revision {MESSAGE!r} mends it."
        severity = Severity.WARNING if each.structural else each.severity
        yield replace(each, severity=severity, hint=hint)


# -- the revision ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """Drafts the revision above a baseline that is staged, and tries it."""

    adoption: Adoption
    staging: Migrations
    configured: Mapping[BindKey, Configured]
    baseline: StagedRevision
    unmanaged: list[Bind]
    wanted: Mapping[BindKey, Snapshot]
    scripts: Mapping[BindKey, Script]

    @property
    def survey(self) -> Survey:
        """What was found."""
        return self.adoption.survey

    def proved(self) -> tuple[Proof, Reconciliation]:
        """Give the proof that the baseline is what is there, and the revision that leads on to the models.

        Never touches the real databases.

        :raises ProofFailed: the one or the other is not so.
        """
        revision = uuid4().hex[-12:]
        staged = self._stage(revision, {})
        proof, made = self._prove(staged)
        backs = self._ways_back(proof.snapshots)
        staged.path.unlink()
        staged = self._stage(revision, backs)
        steps = tuple(
            Step(bind=key, revision=revision, title=MESSAGE, statements=script.statements)
            for key, script in self.scripts.items()
        )
        self.adoption.progress.plan = steps
        return proof, Reconciliation(staged=staged, scripts=self.scripts, snapshots=made)

    def _stage(self, revision: str, backs: Mapping[BindKey, str]) -> StagedRevision:
        arguments = {"imports": ""}
        notes: list[str] = []
        for bind in self.survey.relevant:
            script = self.scripts.get(bind.key)
            up, down = "pass", "pass"
            if script is not None:
                up = self._here(bind, as_python(script, bind.engine.dialect))
                down = self._here(bind, backs.get(bind.key, "pass"))
                notes += stays(script)
            arguments[self.configured[bind.key].upgrade_token] = up.replace("\n", "\n    ")
            arguments[self.configured[bind.key].downgrade_token] = down.replace("\n", "\n    ")
        return stage_revision(
            self.staging,
            self.survey.migrations,
            revision_id=revision,
            message=MESSAGE,
            template_arguments=arguments,
            notes=notes,
            follows=self.baseline.id,
        )

    def _here(self, bind: Bind, body: str) -> str:
        """Keep it to the engine in use, where the revisions run on others too, which are as the models."""
        engines = families_on_paper(self.survey, self.adoption.options.engines)
        return only_on(bind.family, body) if engines else body

    # trying

    def _prove(self, staged: StagedRevision) -> tuple[Proof, dict[BindKey, Snapshot]]:
        survey = self.survey
        self.adoption.notify("Proving     the baseline, and the way to the models, on a scratch database")
        real = dict(self.wanted) | {b.key: survey.ours(b.key, self.wanted[b.key]) for b in self.unmanaged}
        baselines: dict[BindKey, Snapshot] = {}

        def observe(key: BindKey, revision: str, read: Callable[[], Snapshot]) -> None:
            if revision == self.baseline.id:
                baselines[key] = read()

        made = replay(
            staged.migrations,
            survey.binds,
            staged.id,
            survey.bookkeeping,
            required=real,
            observe=observe,
            ours=is_ours(survey),
        )
        drift = {
            key: find_drift(baselines[key], each, f"revision {self.baseline.id}")
            for key, each in real.items()
        }
        proof = Proof(
            drift=drift,
            snapshots=baselines,
            engines=tuple(sorted({bind.family for bind in survey.binds if bind.key in real})),
        )
        for key, script in self.scripts.items():
            self._check(self.wanted[key], made[key], script)
        return proof, made

    def _check(self, wanted: Snapshot, made: Snapshot, script: Script) -> None:
        """Check that only what was named differs from the models.

        :raises ProofFailed: something else does.
        """
        found = tuple(
            each
            for each in find_drift(wanted, made, "the models", of=f"the revision {MESSAGE!r}")
            if each.structural and each.key not in script.stays
        )
        if found:
            raise ProofFailed(
                f"On a scratch database the revision {MESSAGE!r} leads to something else than the models: "
                f"{found[0].message} Nothing was written. Please report this.",
                findings=found,
            )

    # the way back

    def _ways_back(self, baselines: Mapping[BindKey, Snapshot]) -> dict[BindKey, str]:
        """Write what leads back to the baseline, tried on scratch; where there is no way, say why.

        What only the real database has is not in the baseline, and still there then.
        """
        survey = self.survey
        attempts = {
            key: Attempt(before=baselines[key], after=self.wanted[key], script=script)
            for key, script in self.scripts.items()
        }

        def begin(scratches: Mapping[BindKey, Connection]) -> None:
            required = [bind.key for bind in survey.relevant]
            below = self.baseline
            replay_on(scratches, below.migrations, below.id, survey.bookkeeping, required=required)

        trial = try_scripts(survey, attempts, begin, and_back=True)
        dialects = {bind.key: bind.engine.dialect for bind in self.unmanaged}
        return {
            key: as_python(back.script, dialects[key]) if not back.problem else no_way_back(back.problem)
            for key, back in ((key, trial.backs.get(key) or _nobody_tried(trial)) for key in attempts)
        }


def _nobody_tried(trial: Trial) -> WayBack:
    return WayBack(problem=trial.problem)
