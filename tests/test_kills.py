"""Killed, interrupted and cut off at every boundary of three revisions: nothing is lost, and it goes on."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from cutting import Cutter
from projects import Ended, Project
from stopping import HEAD, Boundary, StoppedShop, moments_of, stopped_shop

IS_SOAK = bool(os.environ.get("SCHEMAFLOW_SOAK"))
EVERY = int(os.environ.get("SCHEMAFLOW_KILLS_EVERY", "1"))  # 2: half of the boundaries by each kind
NO_BACKUP, ALL = ("--backup", "never"), ("--backup", "always")
Chosen = list[tuple[str, Boundary]]
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")


@pytest.fixture
def stopped(project: Project, any_database: str) -> StoppedShop:
    """Give the shop on each engine."""
    return stopped_shop(project, any_database)


@dataclass
class Tally:
    """What was found at each boundary that was tried."""

    boundaries: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)

    def line(self, family: str, how: str) -> str:
        counts = Counter(kind for kind, _ in self.problems)
        parts = (
            f"{counts[kind]} {kind}" for kind in ("rows lost", "locks left", "wrongly told", "not at head")
        )
        codes = ", ".join(f"{code}: {number}" for code, number in sorted(self.codes.items()))
        return f"{family:10} {how:26} {self.boundaries:4} boundaries, {', '.join(parts)}; exit codes {codes}"


def check(stopped: StoppedShop, how: str, where: str, stop: Callable[[], Ended], tally: Tally) -> None:
    """Stop a run, look what is left, and run once more."""
    stopped.begin_again()
    ended = stop()
    tally.boundaries += 1
    tally.codes[ended.code] += 1

    def problem(kind: str, what: object) -> None:
        tally.problems.append((kind, f"{how} at {where}: {what}"))

    locked = stopped.lock_problem()
    if locked:
        problem("locks left", locked)
    version = stopped.version()
    is_known = stopped.picture() == stopped.pictures[version]
    may_break = stopped.family == "mariadb"
    if not is_known and not (may_break and ended.code in (6, -signal.SIGKILL)):
        problem("rows lost", f"it is not what {version} is; {ended.code} {ended.verdict}")
    told = told_wrongly(ended, how, version, may_break=may_break)
    if told:
        problem("wrongly told", f"{told}: {ended.code} {ended.stderr}")
    again = stopped.shop.upgrade()
    if may_break and again.code == 6 and "--resume" in again.verdict:
        again = stopped.shop.upgrade("--resume")
    if (again.code, stopped.version()) != (0, HEAD):
        problem("not at head", f"{again.code} {again.stderr} after {ended.code} {ended.stderr}")
    elif stopped.picture() != stopped.pictures[HEAD]:
        problem("rows lost", f"it is not what {HEAD} is, after {ended.code} {ended.verdict}")


def told_wrongly(ended: Ended, how: str, version: str, *, may_break: bool) -> str:
    if ended.code == -signal.SIGKILL:
        return "" if how == "SIGKILL" else "killed"
    if ended.code == 0:
        return "" if version == HEAD else "not at head"
    if ended.code not in ((4, 5, 6) if may_break else (4, 5)):
        return "wrong code"
    if not ended.document["databases"]:
        return "no database is told"
    (database,) = ended.document["databases"]
    if ended.code == 4 and "othing was changed" in ended.verdict:
        return (
            "" if database["revision_after"] in (None, version) else "not where it was"
        )  # None: not read yet
    if database["revision_after"] != version:
        return f"it is at {version}, and not at {database['revision_after']}"
    return "" if version in ended.verdict else f"does not say that it is at {version}"


def ways(stopped: StoppedShop) -> tuple[str, ...]:
    return SIGNALS if stopped.family == "sqlite" else (*SIGNALS, "drop")


def try_all(stopped: StoppedShop, what: str, stops: Iterable[tuple[str, Boundary]], *arguments: str) -> None:
    """Stop at all boundaries, and say the figures; nothing may be wrong at any of them."""
    tallies: dict[str, Tally] = {}
    for how, boundary in stops:
        where = f"{boundary.number} ({boundary.what} {boundary.text[:80]})"
        tally = tallies.setdefault(how, Tally())
        check(stopped, how, where, partial(stopped.stop, how, boundary, *arguments), tally)
    tell(stopped, what, tallies)


def tell(stopped: StoppedShop, what: str, tallies: dict[str, Tally]) -> None:
    for how, tally in tallies.items():
        sys.stdout.write(f"KILLS {tally.line(stopped.family, f'{how} {what}')}\n")
    problems = [f"PROBLEM {kind}: {text}" for tally in tallies.values() for kind, text in tally.problems]
    assert not problems, "\n\n".join(problems)


def chosen(stopped: StoppedShop, boundaries: list[Boundary], kinds: tuple[str, ...], some: int) -> Chosen:
    """Choose some boundaries, with all kinds of stops in turn; all of both with ``SCHEMAFLOW_SOAK``."""
    if IS_SOAK:
        return [(how, each) for n, how in enumerate(kinds) for each in boundaries[n % EVERY :: EVERY]]
    step = max(1, len(boundaries) // some)
    return [(kinds[n % len(kinds)], each) for n, each in enumerate(boundaries[step // 2 :: step])]


@pytest.mark.soak
def test_a_stop_while_revisions_run(stopped: StoppedShop) -> None:
    """The database is at a revision, which is the one that is said, and the next run ends at head."""
    boundaries = moments_of(stopped.boundaries(*NO_BACKUP))
    some = {"sqlite": 6, "postgresql": 3, "mariadb": 2}[stopped.family]
    try_all(stopped, "while revisions run", chosen(stopped, boundaries, ways(stopped), some), *NO_BACKUP)


@pytest.mark.soak
def test_a_stop_before_revisions_run(stopped: StoppedShop) -> None:
    """Nothing is changed while the database is looked at, and while revisions are tried on scratch."""
    boundaries = stopped.boundaries(*NO_BACKUP)
    first = moments_of(boundaries)[0]
    before = [each for each in boundaries if each.number < first.number]
    firsts = list({each.session: each for each in reversed(before)}.values())[::-1]
    kinds = tuple(how for how in ways(stopped) if how != "SIGKILL")  # a scratch database would be left
    try_all(stopped, "before revisions run", chosen(stopped, firsts, kinds, 1), *NO_BACKUP)


@pytest.mark.soak
def test_a_stop_during_the_backup(stopped: StoppedShop) -> None:
    """Nothing is changed, and the next run takes another one."""
    boundaries = [each for each in stopped.boundaries(*ALL) if each.what in ("file", "program")]
    assert boundaries
    try_all(
        stopped,
        "during the backup",
        chosen(stopped, boundaries, SIGNALS[1:] if not IS_SOAK else SIGNALS, 1),
        *ALL,
    )


@pytest.mark.soak
def test_a_kill_during_the_commit(project: Project, tmp_path: Path) -> None:
    """SQLite has all of it or nothing, however far its commit came."""
    stopped = stopped_shop(project, f"sqlite:///{tmp_path / 'shop.db'}")
    boundaries = moments_of(stopped.boundaries(*NO_BACKUP))
    commit = [each for each in boundaries if (each.what, each.text) == ("end", "COMMIT")][-1]
    tally = Tally()
    for microseconds in range(0, 6000, 50 if IS_SOAK else 2000):
        after = {"STOP_AFTER": str((microseconds + 1) / 1e6)}
        stop = partial(stopped.stop, "SIGKILL", commit, *NO_BACKUP, **after)
        check(stopped, "SIGKILL", f"{microseconds} us after COMMIT", stop, tally)
    tell(stopped, "during the commit", {"SIGKILL": tally})


@pytest.mark.soak
def test_a_commit_whose_answer_is_lost(project: Project, server_database: str) -> None:
    """Whether it is in is read from the database, over another connection."""
    stopped = stopped_shop(project, server_database)
    url = sa.make_url(server_database)
    server = (url.host or "127.0.0.1", url.port or (3306 if stopped.family == "mariadb" else 5432))

    def run(at: int) -> tuple[Ended, int]:
        with Cutter(server, b"COMMIT", at) as cutter:
            place = url.set(host="127.0.0.1", port=cutter.port).render_as_string(hide_password=False)
            return stopped.shop.upgrade(*NO_BACKUP, DATABASE=place), cutter.seen

    stopped.begin_again()
    ended, commits = run(0)
    assert ended.code == 0, ended.stderr
    tally = Tally()
    for at in range(1, commits + 1) if IS_SOAK else (commits,):
        check(stopped, "cut", f"commit {at} of {commits}", lambda at=at: run(at)[0], tally)
    tell(stopped, "after a commit", {"cut": tally})


@pytest.mark.soak
def test_a_stop_while_waiting_for_the_lock(stopped: StoppedShop) -> None:
    """Nothing is changed, and whoever has the lock keeps it."""
    tallies = {}
    for how in SIGNALS if IS_SOAK else ("SIGTERM",):
        tally = tallies[how] = Tally()
        check(stopped, how, "waiting", partial(stopped_waiting, stopped, getattr(signal, how)), tally)
    tell(stopped, "waiting for the lock", tallies)


def stopped_waiting(stopped: StoppedShop, number: int) -> Ended:
    """Stop a run that waits for somebody who has the lock."""
    zygote, says = stopped.shop.project.zygote, stopped.shop.project.zygote.folder / "stderr"
    with stopped.locked():
        process = stopped.shop.project.start("db-safe-upgrade", "--json", *NO_BACKUP)
        for _ in range(1200):
            if "Waiting " in says.read_text(encoding="utf-8"):
                break
            time.sleep(0.05)
        os.kill(process, number)
        return zygote.wait()


RUNS_ON_ROWS = "if op.get_bind().scalar(sa.text('SELECT count(*) FROM author')):"


def test_an_interrupt_that_becomes_another_error(stopped: StoppedShop) -> None:
    """What a revision or a library makes of it is no reason to say that the revision is wrong."""
    raise_another = (
        "import os",
        RUNS_ON_ROWS,
        "    try:",
        f"        os.kill(os.getpid(), {int(signal.SIGTERM)})",
        "        op.execute('SELECT 1')",
        "    except BaseException:",
        "        raise ValueError('another') from None",
    )
    stopped.begin_again()
    stopped.shop.add("r1", "first", *raise_another)

    ended = stopped.shop.upgrade(*NO_BACKUP)

    assert ended.code == 5, ended.stderr
    assert (
        "Interrupted while revisions ran. Everything was undone; the database is at first." in ended.verdict
    )


def test_an_interrupted_run_is_in_the_history(project: Project, tmp_path: Path) -> None:
    """SQLite's session that has the lock writes it, and no other one that would wait for the lock."""
    stopped = stopped_shop(project, f"sqlite:///{tmp_path / 'shop.db'}")
    stop = next(
        each
        for each in moments_of(stopped.boundaries(*NO_BACKUP))
        if (each.what, each.text[:18]) == ("after", "CREATE TABLE shelf")
    )
    stopped.begin_again()

    ended = stopped.stop("SIGTERM", stop, *NO_BACKUP)

    assert ended.code == 5, ended.stderr
    assert stopped.shop.history("event", "revision") == [("failed", "first")]


KEEPS_ERROR = """
import sqlite3

from app import app
from flask_schemaflow import SchemaFlowError, safe_upgrade

try:
    safe_upgrade(app)
except SchemaFlowError as error:
    kept = error
connection = sqlite3.connect(app.config["SQLALCHEMY_DATABASE_URI"].removeprefix("sqlite:///"), timeout=0)
connection.execute("BEGIN IMMEDIATE")
assert kept
"""


def test_whoever_keeps_the_error_keeps_no_lock(project: Project, tmp_path: Path) -> None:
    """A program that upgrades, and looks at the error later, can write meanwhile."""
    stopped = stopped_shop(project, f"sqlite:///{tmp_path / 'shop.db'}")
    stopped.begin_again()
    stopped.shop.add("r1", "first", RUNS_ON_ROWS, "    raise ValueError('wrong')")

    project.python(KEEPS_ERROR)


GOES_ON = (
    "import os, subprocess",
    "bind = op.get_bind()",
    "own = {'postgresql': 'SELECT pg_backend_pid()'}.get(bind.dialect.name, 'SELECT CONNECTION_ID()')",
    "if bind.scalar(sa.text('SELECT count(*) FROM author')) == 0:",
    "    subprocess.run(os.environ['DROP'].format(bind.scalar(sa.text(own))), shell=True, check=True)",
    "    try:",
    "        op.execute('SELECT 1')",
    "    except Exception:",
    "        bind.rollback()",
    "    op.execute('CREATE TABLE stray (id INT)')",
)


def test_a_lost_scratch_database_is_not_replaced(project: Project, server_database: str) -> None:
    """What goes on without its session would go on in the real database."""
    stopped = stopped_shop(project, server_database)
    url = sa.make_url(server_database)
    where = f"-h {url.host or 'localhost'} -P {url.port or 3306} -u {url.username}"
    drop = f"mariadb {where} -e 'KILL {{}}'"
    if stopped.family == "postgresql":
        where = f"-h {url.host or ''} -p {url.port or 5432} -U {url.username}"
        drop = f"psql {where} -qc 'SELECT pg_terminate_backend({{}}, 5000)' postgres >/dev/null"
    stopped.begin_again()
    stopped.shop.add("r1", "first", *GOES_ON)

    ended = stopped.shop.upgrade(*NO_BACKUP, DROP=drop)

    assert ended.code == 4, ended.stderr
    assert "scratch database" in ended.verdict
    assert stopped.picture() == stopped.pictures["first"]
