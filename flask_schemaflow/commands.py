"""The click objects, for ``app.cli`` and as entry points; what they do is imported when they are called."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from flask.cli import ScriptInfo

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _options(*options: Decorator) -> Decorator:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return add


_WHERE = _options(
    click.option("-d", "--directory", help='Migrations folder (default: "migrations").'),
    click.option("-x", "--x-arg", "x_args", multiple=True, help="Argument for a custom env.py."),
)


def _output(*formats: str) -> Decorator:
    return _options(
        click.option(
            "--format",
            "output_format",
            type=click.Choice(formats),
            default="text",
            help="How to write the result.",
        ),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
        click.option(
            "-v", "--verbose", is_flag=True, help="Tell everything: modules, SQL, what is for information."
        ),
    )


_OUTPUT = _output("text", "json")
_ACCEPT = click.option(
    "--accept",
    multiple=True,
    metavar="CODE:SUBJECT",
    help="Let one finding pass, by the name that it is shown with. Repeatable.",
)


class _Seconds(click.FloatRange):
    """A number of seconds that ends: neither ``inf`` nor ``nan``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return seconds


_SEARCH_TIME = click.option(
    "--search-time",
    type=_Seconds(min=0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to look for the revision that a structure equals.",
)


def _seconds(option: str, default: str, says: str) -> Decorator:
    return click.option(option, type=_Seconds(min=0), metavar="SECONDS", help=f"{says} (default: {default}).")


_PATIENCE = _options(
    _seconds("--wait", "0", "How long to try again while the server does not answer"),
    _seconds("--lock-wait", "300", "How long to wait for another process that upgrades"),
    _seconds("--lock-timeout", "2", "How long a statement waits for a lock of others"),
    _seconds("--statement-timeout", "none", "How long a statement may take"),
    click.option(
        "--retries",
        type=click.IntRange(min=0),
        metavar="NUMBER",
        help="How often to try again what got no lock (default: 10).",
    ),
)


@click.command("db-adopt")
@_options(
    click.option("--dry-run", is_flag=True, help="Do everything but write."),
    _ACCEPT,
    click.option(
        "--engine",
        "engines",
        multiple=True,
        type=click.Choice(["sqlite", "postgresql", "mariadb", "mysql"]),
        help="An engine on which the revisions will run. Repeatable (default: the one in use).",
    ),
    click.option("-m", "--message", default="baseline", help="Title of the baseline."),
    click.option("--rev-id", "revision_id", help="Id of the baseline (default: made up)."),
    _WHERE,
    _SEARCH_TIME,
    click.option(
        "--reconcile",
        is_flag=True,
        help="Adopt a database that differs from the models, and write what takes it to them.",
    ),
    click.option(
        "--restamp",
        metavar="[REV]",
        is_flag=False,
        flag_value="",
        help="Stamp the revision whose structure the database has, or REV if it has that of REV.",
    ),
    _OUTPUT,
)
@click.pass_obj
def db_adopt(info: ScriptInfo, /, **options: Any) -> None:
    """Put a database made by create_all() under migrations, with proof.

    Finds every model, writes a baseline, proves on a scratch database that it rebuilds exactly what is
    there, and stamps it. No row and no table is touched.
    """
    from .cli import run_adopt

    run_adopt(info, **options)


@click.command("db-safe-upgrade")
@_options(
    click.argument("revision", required=False),
    click.option("--dry-run", "--plan", is_flag=True, help="Say what would run, and run nothing."),
    _ACCEPT,
    click.option(
        "--if-ahead",
        type=click.Choice(["fail", "ok"]),
        default="fail",
        help="A database that a newer release has upgraded: fail (default), or ok.",
    ),
    click.option("--create", is_flag=True, help="Make a SQLite file that is not there."),
    click.option(
        "--backup",
        type=click.Choice(["auto", "always", "never"]),
        help="What to copy away before the run (default: auto).",
    ),
    click.option("--rehearse", is_flag=True, help="Run on a copy of the backup first (SQLite)."),
    click.option("--require-proof", is_flag=True, help="Refuse if the structure cannot be checked."),
    click.option("--resume", is_flag=True, help="Go on with a revision that broke half way (MariaDB)."),
    click.option(
        "--expect-database",
        multiple=True,
        metavar="[BIND=]NAME",
        help="Refuse any database but the one of this name. Repeatable, once a bind.",
    ),
    _PATIENCE,
    _WHERE,
    _SEARCH_TIME,
    _OUTPUT,
)
@click.pass_obj
def db_safe_upgrade(info: ScriptInfo, /, **options: Any) -> None:
    """Bring the database to the newest revision, or to REVISION, and verify it.

    A database that was never adopted is stamped by proof first.
    """
    from .cli import run_safe_upgrade

    run_safe_upgrade(info, **options)


@click.command("db-status")
@_options(
    click.option("--check", is_flag=True, help="Fail (3) if a database is not current."),
    _WHERE,
    _OUTPUT,
)
@click.pass_obj
def db_status(info: ScriptInfo, /, **options: Any) -> None:
    """Say where each database stands: revision, what is pending, drift, last runs. Read-only."""
    from .cli import run_status

    run_status(info, **options)


@click.command("db-snapshot")
@_options(
    click.option("--check", is_flag=True, help="Write nothing; fail if a snapshot is missing or stale."),
    _WHERE,
    _OUTPUT,
)
@click.pass_obj
def db_snapshot(info: ScriptInfo, /, **options: Any) -> None:
    """Write the snapshot of every revision that has none, or a stale one.

    Runs the revisions on scratch databases, and keeps what they make beside them, so that an upgrade can be
    verified where no scratch database can be made.
    """
    from .cli import run_snapshot

    run_snapshot(info, **options)


@click.command("db-diff")
@_options(
    click.option(
        "--from",
        "before",
        metavar="A",
        default="database",
        show_default=True,
        help="What to begin with: database, models, base, head or a revision.",
    ),
    click.option(
        "--to",
        "after",
        metavar="B",
        default="models",
        show_default=True,
        help="What to compare it with: the same words.",
    ),
    click.option("--check", is_flag=True, help="Fail (3) if they differ."),
    _ACCEPT,
    _WHERE,
    _output("text", "sql", "python", "json"),
)
@click.pass_obj
def db_diff(info: ScriptInfo, /, **options: Any) -> None:
    """Say in what databases, models and revisions differ, or write the script from one to the other.

    Read-only. The script keeps what holds data, and is tried on a scratch database: as SQL, or as a revision
    file.
    """
    from .cli import run_diff

    run_diff(info, **options)


_BIND = click.option("--bind", metavar="KEY", help='The database with this bind key; "" is the default one.')


@click.command("db-backup")
@_options(
    _BIND,
    click.option(
        "--table",
        "tables",
        multiple=True,
        metavar="[SCHEMA.]TABLE",
        help="Only this table, on a server. Repeatable (default: the whole database).",
    ),
    click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The file to write; it is never removed (default: a name in SCHEMAFLOW_BACKUP_DIR).",
    ),
    click.option("--restore-test", is_flag=True, help="Restore it to a scratch database, and compare."),
    _WHERE,
    _OUTPUT,
)
@click.pass_obj
def db_backup(info: ScriptInfo, /, **options: Any) -> None:
    """Take a verified backup of the databases.

    Of a SQLite file through its backup API, of a server with its own dump program. It is read again before
    it gets its name; of each database the newest SCHEMAFLOW_BACKUP_KEEP are kept.
    """
    from .cli import run_backup

    run_backup(info, **options)


@click.command("db-restore")
@_options(
    click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path)),
    click.option("--into", metavar="NAME", help="The new or empty database to fill, on a server."),
    _BIND,
    click.option(
        "--wait",
        type=_Seconds(min=0),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for other processes that have the SQLite file locked.",
    ),
    _OUTPUT,
)
@click.pass_obj
def db_restore(info: ScriptInfo, /, **options: Any) -> None:
    """Bring the backup FILE back.

    A SQLite file gets its content back in one transaction; what it replaces is kept as another backup. On a
    server the real database is never written to: a new one is filled, or for a backup of single tables new
    tables are made beside the real ones.
    """
    from .cli import run_restore

    run_restore(info, **options)


@click.command("db-lint")
@_options(
    click.argument("revisions", nargs=-1),
    click.option("--since", metavar="GIT-REF", help="Only files that differ from this git ref."),
    click.option(
        "--engine",
        "engines",
        multiple=True,
        type=click.Choice(["sqlite", "postgresql", "mariadb", "mysql"]),
        help="An engine on which the revisions will run. Repeatable (default: those with snapshots).",
    ),
    click.option("-d", "--directory", help='Migrations folder (default: "migrations").'),
    click.option(
        "--format",
        "output_format",
        type=click.Choice(["text", "json", "github"]),
        default="text",
        help="How to write the result.",
    ),
    click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
    click.option(
        "-v", "--verbose", is_flag=True, help="Tell everything: modules, SQL, what is for information."
    ),
)
def db_lint(**options: Any) -> None:
    """Look for hazards in REVISIONS, by default all. Needs no database, and loads no app.

    REVISIONS are ids, beginnings of ids, files, or A:B for those after A up to B.
    """
    from .cli import run_lint

    run_lint(**options)


COMMANDS = (db_adopt, db_backup, db_diff, db_lint, db_restore, db_safe_upgrade, db_snapshot, db_status)
