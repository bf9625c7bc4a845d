"""Run what a revision would do on a scratch database, and mend what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.autogenerate import render
from alembic.operations import Operations
from alembic.operations.ops import DowngradeOps, UpgradeOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import DBAPIError

from ..baseline import namespace
from ..drift import Drift, find_drift
from ..mending import Script, mend
from ..proof import made_on
from ..scripts import all_drops, as_python, made_anew

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection

    from ..snapshot import Snapshot

Keep = Callable[["Snapshot"], "Snapshot"]


class CannotTry(Exception):
    """The scratch database cannot be given a structure."""


@dataclass(frozen=True)
class Trying:
    """A scratch database in the place of the one that is compared; ``keep`` keeps what counts."""

    scratch: Connection
    context: AutogenContext
    keep: Keep

    def build(self, wanted: Snapshot) -> None:
        """Give it the structure of the real one.

        :raises CannotTry: it is not possible.
        """
        script = mend(made_on(self.scratch), wanted)
        for statement in script.statements:
            self._execute(statement)
        left = _structural(find_drift(self.keep(wanted), self.structure(), "the database", of="scratch"))
        if left:
            raise CannotTry(left[0].message)

    def structure(self) -> Snapshot:
        """Read what is there."""
        return self.keep(made_on(self.scratch))

    def run(self, operations: Iterable[MigrateOperation]) -> str:
        """Run operations as they will be written; give the error where they fail."""
        try:
            self._run(operations)
        except Exception as error:
            # Whatever goes wrong in somebody's types and defaults, it is to be told, not to stop.
            self.scratch.rollback()
            return " ".join(str(getattr(error, "orig", None) or error).split())
        return ""

    def run_back(self, operations: Iterable[MigrateOperation]) -> str:
        """Run the way back of operations; give the error where it fails."""
        return self.run(reversed_of(operations))

    def mended(
        self, wanted: Snapshot, *, is_back: bool = False, before: Snapshot | None = None
    ) -> tuple[Script, str]:
        """Write and run what takes it to a structure: the script, and the code.

        :param is_back: what is not wanted may be dropped.
        :param before: what was there at the beginning; what has come since may be dropped.
        :raises CannotTry: a statement of it fails.
        """
        there = self.structure()
        accepted = all_drops(wanted, there) if is_back or before is not None else frozenset()
        if before is not None:
            accepted -= all_drops(wanted, before) - made_anew(wanted, before)
        script = mend(there, wanted, accepted=accepted)
        for statement in script.statements:
            self._execute(statement)
        return script, as_python(script, self.scratch.dialect) if script.statements else ""

    def code(self, operations: Iterable[MigrateOperation]) -> str:
        """Write operations as they will stand in the revision."""
        code = render._render_cmd_body(UpgradeOps(list(operations)), self.context)
        return "\n".join(line for line in code.splitlines() if not line.startswith("# ###")).strip()

    def _run(self, operations: Iterable[MigrateOperation]) -> None:
        code = self.code(operations)
        options = {**self.context.migration_context.opts, "as_sql": False}
        migrating = MigrationContext(self.scratch.dialect, self.scratch, options)
        names: dict[str, Any] = {**namespace(), "op": Operations(migrating)}
        exec("\n".join(sorted(self.context.imports)), names)
        exec(code, names)

    def _execute(self, statement: str) -> None:
        try:
            self.scratch.execute(sa.DDL(statement.replace("%", "%%")))  # type: ignore[no-untyped-call]
        except DBAPIError as error:
            raise CannotTry(" ".join(str(error.orig).split())) from error


def reversed_of(operations: Iterable[MigrateOperation]) -> list[MigrateOperation]:
    """Give the operations of the way back."""
    return UpgradeOps(list(operations)).reverse_into(DowngradeOps([])).ops


def _structural(found: tuple[Drift, ...]) -> tuple[Drift, ...]:
    return tuple(each for each in found if each.structural)
