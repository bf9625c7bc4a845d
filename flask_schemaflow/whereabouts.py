"""Where an app's revisions and its version table are, found out without Alembic: for web workers."""

from __future__ import annotations

import re
from configparser import ConfigParser
from configparser import Error as IniError
from os import pathsep
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError
from .revisions import version_table_written_in
from .versions import DEFAULT_TABLE

if TYPE_CHECKING:
    from flask import Flask

TableAndSchema = tuple[str, str | None]

_SECTION = "alembic"
_OPTIONS = "version_locations path_separator version_path_separator recursive_version_locations".split()
# What alembic.ini calls the character between two folders (alembic.config, 1.16 and newer).
_SEPARATORS = {"os": pathsep, "space": " ", "newline": "\n", ":": ":", ";": ";"}


def find_folder(app: Flask) -> Path:
    """Give the absolute path of the migrations folder, as Flask-Migrate finds it. Read-only.

    :raises ConfigurationError: it is not there.
    """
    folder = _folder(app)
    if (folder / "env.py").is_file():
        return folder
    raise ConfigurationError(
        f"{folder} is no migrations folder, so it is not known which revision is the newest. Where the "
        "working directory is another one, name it by an absolute path: Migrate(app, db, directory=…)."
    )


def _folder(app: Flask) -> Path:
    return Path(getattr(app.extensions.get("migrate"), "directory", "migrations")).absolute()


def version_folders(folder: Path) -> tuple[tuple[Path, ...], bool]:
    """Give the folders that hold the revisions, and whether those below count too. Read-only.

    As ``alembic.ini`` says; ``configure`` callbacks of the app's, which change Alembic's own object, are
    not asked.

    :raises ConfigurationError: ``alembic.ini`` cannot be read.
    """
    settings = _read_ini(folder)
    recursive = settings.get("recursive_version_locations", "").lower() == "true"
    locations = settings.get("version_locations")
    if not locations:
        return (folder / "versions",), recursive
    separator = settings.get("path_separator") or settings.get("version_path_separator")
    # Without one Alembic splits as it did before 1.16.
    between = re.escape(_SEPARATORS.get(separator, separator)) if separator else ", *| +"
    parts = (part.strip() for part in re.split(between, locations))
    return tuple(Path(part).absolute() for part in parts if part), recursive


def _read_ini(folder: Path) -> dict[str, str]:
    file = folder / "alembic.ini"
    parser = ConfigParser({"here": str(folder)})
    try:
        parser.read(file, encoding="utf-8")
        return {name: parser.get(_SECTION, name, fallback="") for name in _OPTIONS}
    except (IniError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is wrong: {' '.join(str(error).split())}") from None


def version_table_of_app(app: Flask, folder: Path | None = None) -> TableAndSchema | None:
    """Give name and schema of the version table; None where ``env.py`` makes them up. Read-only.

    By what ``Migrate`` was given, else by what ``env.py`` says in so many words.

    :param folder: the migrations folder, where a command was told another one than ``Migrate``.
    """
    arguments: dict[str, Any] = dict(getattr(app.extensions.get("migrate"), "configure_args", {}))
    environment = (folder or _folder(app)) / "env.py"
    if environment.is_file():
        source = environment.read_text(encoding="utf-8", errors="replace")
        if re.search(r"\bversion_table", source):
            written = version_table_written_in(source)
            if written is None:
                return None
            arguments |= written
    return arguments.get("version_table") or DEFAULT_TABLE, arguments.get("version_table_schema")
