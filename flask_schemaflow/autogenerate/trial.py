"""Try a revision on scratch, there and back, and write what its operations leave or cannot do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..scratch import scratch_database
from ..scripts import only_on, staying
from ..session import family_of, sealed
from .operations import Comment, Written
from .requiring import Fill
from .trying import CannotTry, Keep, Trying, reversed_of

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Dialect

    from ..mending import Script
    from ..scratch import Source
    from ..snapshot import Snapshot


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a revision begins with (``whole``) and what it has to lead to.

    ``keep`` keeps what counts; ``without_values`` is what it leads to before new columns get their values;
    ``others`` are the dialects on which it will run besides.
    """

    context: AutogenContext
    source: Source
    others: tuple[Dialect, ...]
    tell: Callable[[str], None]
    keep: Keep
    whole: Snapshot
    wanted: Snapshot
    without_values: Snapshot | None

    @property
    def before(self) -> Snapshot:
        """What counts of what it begins with."""
        return self.keep(self.whole)

    def complete(self, operations: list[MigrateOperation]) -> list[MigrateOperation]:
        """Run the operations, and add what they leave; where they fail, write statements instead.

        :raises CannotTry: the scratch database cannot be given the structure of the real one, or no way back.
        :raises NoScratch: there is none.
        """
        with self._trying() as trying:
            problem, code = trying.run(operations), None
            if not problem:
                script, code = trying.mended(self.wanted, before=self.before)
                if _rebuilds(script):
                    problem, code = f"they lose {_mended_by(script)}", None
                else:
                    self._tell_added(script, code)
                    problem = trying.run_back(operations) if operations or code else ""
                    if not problem:
                        return self._completed(trying, operations, code)
        with self._trying() as trying:
            if code is None:
                try:
                    return self._instead(trying, operations, problem)
                except CannotTry:
                    self._tell_failing(problem)
                    return operations
            return self._taken_back(trying, operations, code, problem)

    def _tell_failing(self, problem: str) -> None:
        self.tell(f"On a scratch database the revision fails, mend it before you run it: {problem}")

    @contextmanager
    def _trying(self) -> Iterator[Trying]:
        with scratch_database(self.source) as scratch, sealed():
            trying = Trying(scratch, self.context, self.keep)
            trying.build(self.whole)
            yield trying

    def _tell_added(self, script: Script, code: str) -> None:
        if code and self.others and self._family != "sqlite":
            self.tell(
                f"No operation says for every engine what takes {_mended_by(script)} away: the revision "
                f"does it on {self._family} only."
            )
        self._tell_staying(script)

    def _completed(
        self, trying: Trying, operations: list[MigrateOperation], code: str
    ) -> list[MigrateOperation]:
        """Add to operations that run, there and back, what they leave."""
        back = self._way_back(trying)
        head = [Written("", self._only_here(back))] if back else []
        return [*head, *operations, *([Written(self._only_here(code))] if code else [])]

    def _taken_back(
        self, trying: Trying, operations: list[MigrateOperation], code: str, problem: str
    ) -> list[MigrateOperation]:
        """Write statements for the way back, where that of the operations does not run."""
        trying.run(operations)
        trying.mended(self.wanted, before=self.before)
        back = self._way_back(trying)
        self.tell(
            f"Alembic's operations cannot be taken back on {self._family} ({problem}), so the downgrade has "
            f"statements for it.{self._untried}"
        )
        there, undone = (trying.code(each) for each in (operations, reversed_of(operations)))
        done = [there, self._only_here(code) if code else ""]
        body = "\n".join(each for each in done if each)
        written = Written(body, self._only_here(back, undone), self.context.imports)
        return [written, *(each for each in operations if isinstance(each, Comment) and not each.code)]

    def _instead(
        self, trying: Trying, operations: list[MigrateOperation], problem: str
    ) -> list[MigrateOperation]:
        """Write statements where operations do not run."""
        codes = []
        if self.without_values is not None:
            fills = [each for each in operations if isinstance(each, Fill)]
            codes += [trying.mended(self.without_values, is_back=True)[1], trying.code(fills)]
        script, code = trying.mended(self.wanted, is_back=True)
        code = "\n".join(each for each in (*codes, code) if each)
        if not code:
            self._tell_failing(problem)
            return operations
        self._tell_staying(script)
        self.tell(
            f"Alembic's operations do not do on {self._family} what they should ({problem}), so the revision "
            f"has statements for it.{self._untried}"
        )
        back = self._way_back(trying) or "pass"
        there, undone = (trying.code(each) for each in (operations, reversed_of(operations)))
        # Alembic forgets what it wanted to import before it writes the revision.
        imports = self.context.imports
        written = Written(self._only_here(code, there), self._only_here(back, undone), imports)
        comments = [each for each in operations if isinstance(each, Comment)]
        return [
            *(each for each in comments if each.code),
            written,
            *(each for each in comments if not each.code),
        ]

    def _way_back(self, trying: Trying) -> str:
        """Write and run what is left to be taken back, and tell what cannot be."""
        script, code = trying.mended(self.before, is_back=True)
        for each in staying(script):
            self.tell(f"The downgrade does not take back {each.key}. {each.hint}")
        return code

    @property
    def _untried(self) -> str:
        return " Nobody has tried what it does on the other engines." if self.others else ""

    @property
    def _family(self) -> str:
        assert self.context.dialect is not None
        return family_of(self.context.dialect)

    def _only_here(self, code: str, elsewhere: str = "") -> str:
        """Keep code to the engine at hand, where the revision runs on others too."""
        if not self.others:
            return code
        here = only_on(self._family, code if code != "pass" else "...")
        inner = elsewhere.replace("\n", "\n    ")
        return f"{here}\nelse:\n    {inner}" if elsewhere else here

    def _tell_staying(self, script: Script) -> None:
        for each in staying(script):
            self.tell(f"{each.message} {each.hint}")


def _rebuilds(script: Script) -> bool:
    """Say whether a table of SQLite's is made anew: then it need not be twice, and by operations before."""
    return any("_alembic_tmp_" in each for each in script.statements)


def _mended_by(script: Script) -> str:
    keys = (key for step in script.steps for key in step.mends)
    return ", ".join(each for each in keys if not each.startswith("changed-column-position"))
