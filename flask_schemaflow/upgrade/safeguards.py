"""Copy away what a run may lose: before it, under its lock, and only if that is possible at all."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..backup import Backup, BackupPolicy, check_backup_possible, policy_of, take_backup
from ..errors import BackupFailed, ConfigurationError
from ..findings import Severity
from ..session import database_exists, sqlite_path

if TYPE_CHECKING:
    from pathlib import Path

    from ..discovery import Bind
    from .hazards_of_plan import AtStake
    from .run import Run

BindKey = str | None


@dataclass(frozen=True, kw_only=True)
class Safeguard:
    """A backup that is to be taken of one database; ``tables`` by (schema, name), None for all of them."""

    bind: Bind
    policy: BackupPolicy
    tables: tuple[tuple[str | None, str], ...] | None = None

    @property
    def is_beside(self) -> bool:
        """Say whether it lasts as long as the database: on the same file system as a SQLite file."""
        if self.bind.family != "sqlite":
            return False
        folder = self.policy.folder_for(self.bind.engine)
        with suppress(OSError):
            return _existing(folder).stat().st_dev == sqlite_path(self.bind.engine).stat().st_dev
        return False

    def take(self, run: Run) -> Backup:
        """Take it, and note it. Read-only for the database.

        :raises BackupFailed: it cannot be taken.
        :raises Busy: somebody else has something locked for too long.
        """
        revision = "+".join(run.plans[self.bind.key].current) or None
        run.notify(f"Backing up  {self.bind.target}")
        backup = take_backup(self.bind, self.policy, revision=revision, tables=self.tables, notify=run.notify)
        run.progress.backups.append(backup)
        return backup


def plan_backups(run: Run, at_stake: Mapping[BindKey, AtStake]) -> dict[BindKey, Safeguard]:
    """Decide what is to be copied away, and check that it can be. Read-only.

    ``auto`` is: a SQLite file whenever something is pending; on a server the tables that an accepted
    destructive operation touches.

    :raises BackupFailed: it cannot be, or would not outlive a restart while rows are to be destroyed.
    :raises ConfigurationError: a rehearsal was asked for, which needs the backup of a SQLite file.
    """
    how = run.options.backup or run.survey.settings.backup
    policy = policy_of(run.survey.app, run.survey.settings, flask=run.options.flask, notify=run.notify)
    planned: dict[BindKey, Safeguard] = {}
    for bind in run.survey.relevant:
        _check_rehearsal(run, bind, how)
        if how == "never" or not run.plans[bind.key].steps or not database_exists(bind.engine):
            continue
        stake = at_stake.get(bind.key)
        if bind.family == "sqlite" or how == "always":
            planned[bind.key] = Safeguard(bind=bind, policy=policy)
        elif stake is not None:
            planned[bind.key] = Safeguard(bind=bind, policy=policy, tables=stake.tables)
    for key, safeguard in planned.items():
        _check(run, safeguard, is_destructive=key in at_stake)
    return planned


def _check_rehearsal(run: Run, bind: Bind, how: str) -> None:
    if run.options.rehearse and (bind.family != "sqlite" or how == "never"):
        problem = "takes no backup" if bind.family == "sqlite" else f"{bind.target} is no SQLite file"
        raise ConfigurationError(f"--rehearse runs on a copy of a SQLite file's backup, and {problem}.")


def _check(run: Run, safeguard: Safeguard, *, is_destructive: bool) -> None:
    accepted = {*run.options.accept, *run.survey.settings.accept}
    for finding in check_backup_possible(safeguard.bind, safeguard.policy, tables=safeguard.tables):
        if is_destructive and finding.key not in accepted and not safeguard.is_beside:
            stopping = replace(finding, severity=Severity.ERROR)
            raise BackupFailed(
                f"{finding.message} {finding.hint} Or accept it: --accept {finding.key}", findings=(stopping,)
            )
        run.progress.findings.append(finding)


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())
