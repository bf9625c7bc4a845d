"""The click objects, for ``app.cli`` and as entry points; what they do is imported when they are called."""

from __future__ import annotations

import math
from collections.abc import Callable
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
_OUTPUT = _options(
    click.option(
        "--format",
        "output_format",
        type=click.Choice(["text", "json"]),
        default="text",
        help="How to write the result.",
    ),
    click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
    click.option("-v", "--verbose", is_flag=True, help="Tell everything."),
)
_ACCEPT = click.option(
    "--accept", multiple=True, metavar="CODE:SUBJECT", help="Let one finding pass. Repeatable."
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
    click.option("--reconcile", is_flag=True, help="Adopt a database that differs from the models."),
    click.option("--restamp", metavar="REV", help="Say which revision the database is at."),
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
    click.option("--create", is_flag=True, help="Make a SQLite file that is not there."),
    click.option("--require-proof", is_flag=True, help="Refuse if the structure cannot be checked."),
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


COMMANDS = (db_adopt, db_safe_upgrade, db_snapshot)
