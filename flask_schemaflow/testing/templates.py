"""Templates: databases that the revisions made once, of which every test gets a copy."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask.cli import NoAppException, ScriptInfo

from .._version import __version__
from ..discovery import registered_db
from ..errors import ConfigurationError, Refused
from ..loading import command_running, guarded_loading
from ..migrations import RevisionFailed, open_migrations_of_tests, run_environment
from ..revisions import concerns
from .mysql import mysql_place
from .place import Folders, Place
from .postgresql import postgresql_place
from .sqlite import sqlite_place
from .warned import warnings_told

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from flask import Flask
    from sqlalchemy.engine import Connection, Engine

    from ..migrations import Migrations
    from ..revisions import Revision

BindKey = str | None
_KEPT = 7 * 24 * 3600.0  # seconds since a template was last used
_LOCK_WAIT = 600.0  # seconds that another process may take to build a template


@dataclass(frozen=True, kw_only=True)
class MigratedDatabase:
    """A test's own databases, as the revisions make them.

    ``uris`` has the URL of each by bind key, None being the default one; passwords are in them.
    """

    uris: Mapping[BindKey, str] = field(repr=False)

    @property
    def uri(self) -> str:
        """The URL of the default database."""
        return self.uris[None]


def load_app(name: str, root: Path) -> Flask:
    """Load an app as ``flask --app`` does in a folder, kept away from its database.

    :raises ConfigurationError: there is no such app, or it fails.
    """
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        with _inside(root), command_running(), guarded_loading(every_thread=False):
            return ScriptInfo(app_import_path=name).load_app()
    except NoAppException as error:
        cause = f" ({error.__context__})" if error.__context__ is not None else ""
        raise ConfigurationError(f"schemaflow_app = {name}: {error.format_message()}{cause}") from error


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder: a test may have gone to another one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def open_templates(app: Flask, root: Path, kept: Path, copies: Path) -> Iterator[Templates]:
    """Get ready to make templates of an app's revisions, beside each of its databases.

    Drops what earlier sessions left, as far as it is marked as ours and nobody uses it.

    :param root: the folder in which the migrations folder is looked for first.
    :param kept: the folder in which templates are kept from one session to the next.
    :param copies: the folder for copies that are files.
    :raises SchemaFlowError: the app has no such databases, or no revisions.
    """
    with _inside(root), app.app_context():
        db = registered_db(app)
        migrations = open_migrations_of_tests(app, db)
        revisions = migrations.read_revisions()
        engines: dict[BindKey, Engine] = dict(db.engines)
    if not revisions:
        raise Refused(f"{migrations.directory} has no revisions: `flask db-adopt` writes the first one.")
    folders = Folders(root=root, kept=kept, copies=copies)
    with ExitStack() as stack:
        with _locked(kept / "lock"):
            _remove_old(kept)
            places = {
                key: stack.enter_context(_place(engine)(engine, folders)) for key, engine in engines.items()
            }
        yield Templates(
            app=app, root=root, migrations=migrations, revisions=revisions, places=places, kept=kept
        )


def _place(engine: Engine) -> Callable[[Engine, Folders], contextlib.AbstractContextManager[Place]]:
    way = _PLACES.get(engine.dialect.name)
    if way is None:
        raise ConfigurationError(f"There are no test databases on {engine.dialect.name}.")
    return way


_PLACES: dict[str, Callable[[Engine, Folders], contextlib.AbstractContextManager[Place]]] = {
    "sqlite": sqlite_place,
    "postgresql": postgresql_place,
    "mysql": mysql_place,
    "mariadb": mysql_place,
}


def _remove_old(folder: Path) -> None:
    for each in (*folder.glob("*.db"), *folder.glob("*.sql"), *folder.glob("*.part")):
        with contextlib.suppress(OSError):
            if time.time() - each.stat().st_mtime > _KEPT:
                each.unlink()


@dataclass(frozen=True, kw_only=True)
class Templates:
    """The templates of one app, by revision."""

    app: Flask
    root: Path
    migrations: Migrations
    revisions: tuple[Revision, ...]
    places: Mapping[BindKey, Place]
    kept: Path
    _made: dict[str | None, Mapping[BindKey, str]] = field(default_factory=dict)

    @contextmanager
    def copied(self, revision: str | None) -> Iterator[MigratedDatabase]:
        """Give databases at a revision, by default the newest; they are gone after the block.

        :raises SchemaFlowError: there is no such revision, or the revisions fail.
        """
        if revision not in self._made:
            with _inside(self.root), self.app.app_context():
                self._made[revision] = self._template(revision)
        with ExitStack() as stack:
            uris = {
                key: stack.enter_context(self.places[key].copied(template))
                for key, template in self._made[revision].items()
            }
            yield MigratedDatabase(uris=uris)

    def _template(self, revision: str | None) -> Mapping[BindKey, str]:
        """Give what each place calls its template, building all where one is not there."""
        if revision is not None and revision not in {each.id for each in self.revisions}:
            raise ConfigurationError(f"{self.migrations.directory} has no revision {revision!r}.")
        content = self._content(revision)
        names = {key: _hash(*content, key or "", *place.facts) for key, place in self.places.items()}
        with _locked(self.kept / "lock"):
            if not all(place.has(names[key]) for key, place in self.places.items()):
                self._build(revision or "heads", names)
        return names

    def _content(self, revision: str | None) -> list[str]:
        """Say on what a template depends: the whole folder, since revisions read files."""
        configured = self.app.extensions["migrate"].configure_args
        parts = [
            __version__,
            revision or "",
            *(f"{k}={v}" for k, v in sorted(configured.items()) if _plain(v)),
        ]
        for folder in dict.fromkeys((self.migrations.directory, *self.migrations.version_folders)):
            for file in sorted(folder.rglob("*")):
                if file.is_file() and not {"__pycache__", "snapshots"} & set(file.relative_to(folder).parts):
                    parts += [str(file.relative_to(folder)), hashlib.sha256(file.read_bytes()).hexdigest()]
        return parts

    def _build(self, target: str, names: Mapping[BindKey, str]) -> None:
        def steps(_key: BindKey, heads: tuple[str, ...], context: MigrationContext) -> list[RevisionStep]:
            assert context.script is not None
            return context.script._upgrade_revs(target, heads)  # type: ignore[arg-type]

        required = [key for key in self.places if any(concerns(each, key) for each in self.revisions)]
        with ExitStack() as stack:
            connections: dict[BindKey, Connection] = {
                key: stack.enter_context(place.building(names[key])) for key, place in self.places.items()
            }
            try:
                with warnings_told():
                    run_environment(self.migrations, connections, steps, required=required)
            except RevisionFailed as failure:
                place = f"{failure.file}:{failure.line}: " if failure.file else ""
                raise Refused(f"{place}In an empty database {failure}.") from failure
            for connection in connections.values():
                connection.commit()


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Let one process at a time inside; whoever is killed lets go.

    The lock of an empty SQLite database, which every system has.

    :raises ConfigurationError: another process holds it for too long.
    """
    with contextlib.closing(sqlite3.connect(file, timeout=_LOCK_WAIT, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise ConfigurationError(
                f"Another process builds a template and does not end: {file}."
            ) from error
        yield
