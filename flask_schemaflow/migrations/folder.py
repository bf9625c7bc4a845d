"""Find an app's migrations folder as Flask-Migrate does, and read its configuration."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from configparser import Error as IniError
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flask_migrate
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError, coerce_resource_to_filename
from flask_migrate import Migrate
from flask_migrate import cli as migrate_cli

from ..errors import ConfigurationError
from ..revisions import Revision, circle_in, read_revisions, version_table_written_in
from .written_filters import gives_filter

if TYPE_CHECKING:
    from click import Group
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

_PARTS = ("alembic.ini", "env.py")
TEMPLATE = "script.py.mako"


class Folder(Enum):
    """What stands where the migrations folder should be."""

    ABSENT = "absent"
    COMPLETE = "complete"


@dataclass(frozen=True, kw_only=True)
class Migrations:
    """The migrations folder of one app.

    ``directory`` is absolute; ``script_location`` is where ``env.py`` and the template stand, which is
    the folder itself but for a draft of a folder that is not there yet; ``version_folder`` replaces the
    configured version folders while a draft is tried.
    """

    app: Flask
    directory: Path
    script_location: Path
    version_folder: Path | None = None
    x_args: tuple[str, ...] = ()

    @property
    def folder(self) -> Folder:
        """Say whether the folder is there and whole. Read-only.

        :raises ConfigurationError: parts of it are missing, or it is something else.
        """
        if not self.script_location.exists():
            return Folder.ABSENT
        if not self.script_location.is_dir():
            raise ConfigurationError(
                f"{self.script_location} is a file and should be the migrations folder. Move it away, or "
                "name another folder with -d."
            )
        missing = [name for name in _PARTS if not (self.script_location / name).is_file()]
        if not missing:
            return Folder.COMPLETE
        others = [path.name for path in self.script_location.iterdir() if path.name[0] not in "._"]
        if not others:
            return Folder.ABSENT
        if len(missing) == len(_PARTS):
            raise ConfigurationError(
                f"{self.script_location} is not a migrations folder: it has none of "
                f"{', '.join(_PARTS)}, but {', '.join(sorted(others)[:5])}. "
                "Name another one with -d, or move these files away."
            )
        above = self.script_location.parent / "alembic.ini"
        if missing == ["alembic.ini"] and above.is_file():
            raise ConfigurationError(
                f"{self.script_location} has no alembic.ini, as Alembic alone leaves it. Flask-Migrate "
                f"looks for it there: cp {above} {self.script_location}"
            )
        raise ConfigurationError(
            f"The migrations folder {self.script_location} is not whole: {', '.join(missing)} "
            "missing. Restore from version control, or move the folder away to begin anew."
        )

    @property
    def config(self) -> Config:
        """Alembic's configuration as ``flask db`` builds it, with the app's own callbacks.

        :raises ConfigurationError: ``alembic.ini`` cannot be read.
        """
        migrate = self.app.extensions["migrate"].migrate
        try:
            config: Config = migrate.get_config(str(self.script_location), x_arg=list(self.x_args))
        except IniError as error:
            raise self._ini_error(error) from None
        return config

    def _ini_error(self, error: Exception) -> ConfigurationError:
        text = " ".join(str(error).split())
        return ConfigurationError(f"{self.script_location / 'alembic.ini'} is wrong: {text}")

    @property
    def script_directory(self) -> ScriptDirectory:
        """Alembic's script directory; reading revisions through it imports them.

        :raises ConfigurationError: the configuration is wrong.
        """
        try:
            script = ScriptDirectory.from_config(self.config)
        except (CommandError, IniError, KeyError) as error:
            raise self._ini_error(error) from None
        if self.version_folder is not None:
            script.version_locations = [str(self.version_folder)]
        return script

    @property
    def environment(self) -> EnvironmentContext:
        """Alembic's environment of this folder, ``env.py`` not run."""
        return EnvironmentContext(self.config, self.script_directory)

    @property
    def version_folders(self) -> tuple[Path, ...]:
        """The folders that hold the revisions."""
        return _version_folders(self.script_directory)

    def read_revisions(self) -> tuple[Revision, ...]:
        """Read the revision files without importing them; none where there is no folder. Read-only.

        :raises ConfigurationError: a file is no revision, or names a parent that is not there.
        """
        if self.folder is Folder.ABSENT:
            return ()
        return _read_revisions(self.script_directory)

    def version_table_setting(self, name: str) -> str | None:
        """Say what ``Migrate(…, version_table=…)`` was given, by the argument's name."""
        value: str | None = self.app.extensions["migrate"].configure_args.get(name)
        return value

    @property
    def environment_names_version_table(self) -> bool:
        """Say whether ``env.py`` itself may choose a version table."""
        source = (self.script_location / "env.py").read_text(encoding="utf-8", errors="replace")
        return re.search(r"\bversion_table", source) is not None

    @property
    def version_table_in_environment(self) -> Mapping[str, Any] | None:
        """Give the version table that ``env.py`` names, as it is written; None where it is made up there."""
        source = (self.script_location / "env.py").read_text(encoding="utf-8", errors="replace")
        return version_table_written_in(source)

    @property
    def environment_changes_rights(self) -> bool:
        """Say whether ``env.py`` may become another role, or look for tables elsewhere."""
        source = (self.script_location / "env.py").read_text(encoding="utf-8", errors="replace")
        return re.search(r"\b(?:ROLE|AUTHORIZATION|search_path|GRANT)\b", source, re.IGNORECASE) is not None

    @property
    def leaves_own_tables_alone(self) -> bool:
        """Say whether ``flask db migrate`` will not write that our tables are to be dropped.

        The extension leaves them out through ``Migrate``'s arguments; an ``env.py`` that takes no notice of
        these, or has a filter of its own, has to name them.
        """
        file = self.script_location / "env.py"
        if not file.is_file():
            return True
        source = file.read_text(encoding="utf-8", errors="replace")
        return "schemaflow_" in source or (
            "configure_args" in source and not gives_filter(source, "include_name")
        )

    @property
    def has_stock_environment(self) -> bool:
        """Say whether ``env.py`` is not there yet, or is one of Flask-Migrate's templates, word for word."""
        file = self.script_location / "env.py"
        if not file.is_file():
            return True
        templates = Path(inspect.getfile(flask_migrate)).parent.glob("templates/*/env.py")
        source = file.read_text(encoding="utf-8", errors="replace")
        return any(each.read_text(encoding="utf-8") == source for each in templates)

    @property
    def is_for_one_database(self) -> bool:
        """Say whether ``env.py`` is there and does not even speak of bind keys or several engines."""
        file = self.script_location / "env.py"
        if not file.is_file():
            return False
        source = file.read_text(encoding="utf-8", errors="replace")
        return re.search(r"\bbind_|\bbinds\b|BINDS\b|\.engines\b(?!\[None\])", source) is None

    def drafted_in(self, script_location: Path, version_folder: Path) -> Migrations:
        """Give the same folder with a draft's revisions (and environment) in its place."""
        return replace(self, script_location=script_location, version_folder=version_folder)


def environment_in(directory: Path) -> EnvironmentContext:
    """Give Alembic's environment of a migrations folder whose app is not loaded; ``env.py`` is not run.

    :raises ConfigurationError: ``alembic.ini`` is wrong.
    """
    file = directory / "alembic.ini"
    config = Config(str(file) if file.is_file() else None)
    try:
        config.set_main_option("script_location", str(directory).replace("%", "%%"))
        return EnvironmentContext(config, ScriptDirectory.from_config(config))
    except (CommandError, IniError, KeyError) as error:
        raise ConfigurationError(f"{file} is wrong: {' '.join(str(error).split())}") from None


def revisions_in(directory: Path) -> tuple[Revision, ...]:
    """Read the revision files of a migrations folder whose app is not loaded. Read-only.

    :raises ConfigurationError: a file is no revision, or names a parent that is not there.
    """
    return _read_revisions(environment_in(directory).script)


def _read_revisions(script: ScriptDirectory) -> tuple[Revision, ...]:
    revisions = read_revisions(_version_folders(script), recursive=script.recursive_version_locations)
    _check_parents(revisions)
    return revisions


def _version_folders(script: ScriptDirectory) -> tuple[Path, ...]:
    if script.version_locations:
        locations = map(coerce_resource_to_filename, script.version_locations)
        return tuple(Path(location).absolute() for location in locations)
    return (Path(script.dir, "versions").absolute(),)


def _check_parents(revisions: tuple[Revision, ...]) -> None:
    ids = {revision.id for revision in revisions}
    names = ids.union(*(revision.branch_labels for revision in revisions))
    for revision in revisions:
        for parent in revision.parents:
            if parent not in ids:
                raise ConfigurationError(
                    f"{revision.file} follows revision {parent!r}, which no file has. "
                    f"Restore the missing file from version control. {_LOST}"
                )
        for dependency in revision.depends_on:
            if dependency not in names:
                raise ConfigurationError(
                    f"{revision.file} depends on {dependency!r}, which no file has. "
                    f"Restore the missing file from version control. {_LOST}"
                )
    circle = circle_in(revisions)
    if circle:
        raise ConfigurationError(
            f"The revisions follow one another in a circle: {', '.join(circle)}. Correct a down_revision. "
            f"{_LOST}"
        )


_LOST = (
    "If that cannot be done and the revisions have run wherever they should, move them out of the folder; "
    "then `flask db-adopt --restamp` writes a baseline of what is there."
)


def flask_db_group(app: Flask, db: SQLAlchemy) -> Group:
    """Give Flask-Migrate's own ``flask db``, registering it on the app if nobody did."""
    if "migrate" not in app.extensions:
        Migrate(app, db)
    group: Group = migrate_cli.db
    return group


def open_migrations(
    app: Flask,
    db: SQLAlchemy,
    *,
    directory: str | None = None,
    x_args: tuple[str, ...] = (),
) -> Migrations:
    """Find the migrations folder of an app, whether it is there yet or not.

    An app that never registered Flask-Migrate gets a ``Migrate`` of its own, in this process. Read-only.

    :param directory: what ``-d`` said; by default what ``Migrate`` was given.
    :raises ConfigurationError: the working directory has no such folder but one lies beside the app.
    """
    flask_db_group(app, db)
    extension: Any = app.extensions["migrate"]
    if extension.db is None:
        extension.db = db
    path = Path(directory or extension.directory)
    absolute = path.absolute()
    base = None if absolute.exists() else _base_beside(app, path)
    if base is not None:
        raise ConfigurationError(
            f"{absolute} does not exist, but {base / path} does. "
            f"Run the command in {base}, or say -d {base / path}."
        )
    return Migrations(app=app, directory=absolute, script_location=absolute, x_args=x_args)


def open_migrations_of_tests(app: Flask, db: SQLAlchemy) -> Migrations:
    """Find the migrations folder of an app in the working directory, or beside the app. Read-only.

    A test runner has no option that would name it, and may be started anywhere.

    :raises ConfigurationError: it is in neither place.
    """
    flask_db_group(app, db)
    path = Path(app.extensions["migrate"].directory)
    base = None if path.absolute().exists() else _base_beside(app, path)
    found = open_migrations(app, db, directory=str(base / path) if base is not None else None)
    if found.folder is Folder.ABSENT:
        raise ConfigurationError(
            f"{found.directory} does not exist, nor is it beside the app in {app.root_path}. Run pytest "
            "where it is, or name it by an absolute path: Migrate(app, db, directory=…). `flask db-adopt` "
            "makes it."
        )
    return found


def _base_beside(app: Flask, path: Path) -> Path | None:
    """Give the folder of an app's package, or the one above, if such a migrations folder is in it."""
    root = Path(app.root_path).absolute()
    return next((base for base in (root, root.parent) if (base / path / "env.py").is_file()), None)
