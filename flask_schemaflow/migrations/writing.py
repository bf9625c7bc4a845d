"""Draft a revision in a temporary folder, and put it in its place when it is proved."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import flask_migrate
from alembic import command
from alembic.script import write_hooks
from alembic.util import CommandError
from flask_migrate import Config as MigrateConfig

from ..errors import Busy, ConfigurationError
from ..interrupts import uninterrupted
from ..revisions import parse_source, read_revision
from .folder import TEMPLATE, Folder, Migrations

QUOTES = '"""'


@dataclass(frozen=True, kw_only=True)
class StagedRevision:
    """A revision that is nowhere but in a temporary folder.

    ``migrations`` runs it there, ``path`` is where it stands; ``target`` is the path that it will have;
    ``new_folder`` is the whole migrations folder where there is none yet.
    """

    migrations: Migrations
    id: str
    path: Path
    source: str
    target: Path
    new_folder: Path | None


@contextmanager
def staging_area(migrations: Migrations, *, several_databases: bool) -> Iterator[Migrations]:
    """Give the same migrations with an empty version folder in a temporary place.

    A folder that is not there is made there by Flask-Migrate's own template, as ``flask db init`` does.
    Never touches the project.

    :raises ConfigurationError: the folder has no template for revisions.
    """
    with TemporaryDirectory(prefix="schemaflow-draft-") as temporary:
        place = Path(temporary, "migrations")
        if migrations.folder is Folder.COMPLETE:
            if not (migrations.script_location / TEMPLATE).is_file():
                raise ConfigurationError(
                    f"{migrations.script_location} has no {TEMPLATE}, which a new revision is written "
                    f"with. Restore it from version control, or copy {_template_folder() / TEMPLATE}."
                )
            versions = place / "versions"
            versions.mkdir(parents=True)
            yield migrations.drafted_in(migrations.script_location, versions)
        else:
            _init_folder(migrations, place, several_databases=several_databases)
            yield migrations.drafted_in(place, place / "versions")


def _template_folder() -> Path:
    return Path(flask_migrate.__file__).parent / "templates" / "flask"


def _init_folder(migrations: Migrations, place: Path, *, several_databases: bool) -> None:
    config = MigrateConfig()
    config.set_main_option("script_location", str(place))
    config.config_file_name = str(place / "alembic.ini")
    config = migrations.app.extensions["migrate"].migrate.call_configure_callbacks(config)
    config.stdout = StringIO()
    with redirect_stdout(config.stdout):
        command.init(config, str(place), template="flask-multidb" if several_databases else "flask")


def stage_revision(
    staging: Migrations,
    project: Migrations,
    *,
    revision_id: str,
    message: str,
    template_arguments: Mapping[str, Any],
    notes: Sequence[str] = (),
    follows: str | None = None,
) -> StagedRevision:
    """Write a revision into a staging area through the project's own ``script.py.mako``.

    :param follows: the revision of the project below it; None: it is a first one.
    :param notes: lines for the docstring, below the message.
    :raises ConfigurationError: the template or the configuration refuses.
    """
    script = staging.script_directory
    script.hooks = []  # they run on the file in its place
    place = str(staging.version_folder)
    if follows is not None and project.folder is not Folder.ABSENT:
        script.version_locations = [place, *map(str, project.version_folders)]
    try:
        with redirect_stdout(StringIO()):
            made = script.generate_revision(
                revision_id,
                message,
                head=follows or "base",
                splice=True,
                version_path=place,
                **template_arguments,
            )
    except Exception as error:
        cause = error.__context__ if isinstance(error, CommandError) else error
        if cause is None:
            raise ConfigurationError(f"The revision cannot be written: {error}.") from None
        raise ConfigurationError(
            f"The template {staging.script_location / TEMPLATE} failed: {type(cause).__name__}: {cause}"
        ) from error
    assert made is not None
    assert staging.version_folder is not None
    path = Path(made.path)
    relative = path.resolve().relative_to(staging.version_folder.resolve())
    if notes:
        _add_notes(path, notes)
    is_new = project.folder is Folder.ABSENT
    folder = project.directory / "versions" if is_new else project.version_folders[0]
    return StagedRevision(
        migrations=staging,
        id=revision_id,
        path=path,
        source=path.read_text(encoding="utf-8"),
        target=folder / relative,
        new_folder=staging.script_location if is_new else None,
    )


def _add_notes(path: Path, notes: Sequence[str]) -> None:
    """Put notes below the first line of the docstring, or before everything where there is none."""
    source = path.read_text(encoding="utf-8")
    text = "\n".join(notes).replace("\\", "\\\\").replace('"', "'")
    first, quote, rest = source.partition(QUOTES)
    if quote and not first.strip():
        line, _, rest = rest.partition("\n")
        source = f"{first}{QUOTES}{line}\n\n{text}\n{rest}"
    else:
        source = f"{QUOTES}{text}\n{QUOTES}\n{source}"
    path.write_text(source, encoding="utf-8")


def write_staged(
    staged: Sequence[StagedRevision], project: Migrations, extra_files: Callable[[], Mapping[Path, str]]
) -> list[Path]:
    """Put staged revisions, and files that belong to them, in their places.

    All of it or nothing: each file appears whole, and what was written is removed again on an error.
    Post-write hooks of ``alembic.ini`` run on each file in its place and may change it.

    :param staged: all of one staging area, the lowest one first.
    :param extra_files: called when the revisions are as they stay; gives further files of the migrations
        folder, paths relative to it.
    :return: what was written; the folder alone where it is new.
    :raises ConfigurationError: the place cannot be written, or a hook failed or spoilt the revision.
    """
    written: list[Path] = []
    try:
        with uninterrupted():
            new_folder = staged[0].new_folder
            if new_folder is not None:
                _place_folder(new_folder, project.directory, written)
            else:
                for each in staged:
                    _place_file(each.target, each.source, written)
        for each in staged:
            _run_hooks(each, project, written)
        files = extra_files()
        with uninterrupted():
            for relative, text in files.items():
                _place_file(project.directory / relative, text, written)
    except OSError as error:
        remove_written(written)
        raise ConfigurationError(
            f"{error.filename or project.directory} cannot be written: {error.strerror}."
        ) from None
    except BaseException:
        remove_written(written)
        raise
    return written


def _place_folder(source: Path, target: Path, written: list[Path]) -> None:
    beside = target.with_name(f".{target.name}.schemaflow-{os.getpid()}")
    try:
        shutil.copytree(source, beside, ignore=shutil.ignore_patterns("__pycache__"))
        if not target.exists():
            beside.rename(target)
            written.append(target)
            return
        # What is there now was made by somebody else, since the folder was looked at.
        taken = [entry.name for entry in beside.iterdir() if (target / entry.name).exists()]
        if taken:
            raise Busy(f"{target} was made by somebody else meanwhile. Nothing was written; run this again.")
        for entry in sorted(beside.iterdir()):
            entry.rename(target / entry.name)
            written.append(target / entry.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _place_file(target: Path, text: str, written: list[Path]) -> None:
    for folder in reversed([p for p in target.parents if not p.exists()]):
        folder.mkdir()
        written.append(folder)
    beside = target.with_name(f".{target.name}.schemaflow-{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(target)
        written.append(target)
    finally:
        beside.unlink(missing_ok=True)


def _run_hooks(staged: StagedRevision, project: Migrations, written: list[Path]) -> None:
    hooks = project.script_directory.hooks
    if not hooks:
        return
    folder = staged.target.parent
    before = set(folder.iterdir())
    try:
        with redirect_stdout(sys.stderr):
            # Alembic runs them inside generate_revision() only, which would write a second time.
            write_hooks._run_hooks(staged.target, hooks)
    except OSError as error:
        raise ConfigurationError(
            f"A post-write hook of alembic.ini cannot run: {error.filename or error}: {error.strerror}."
        ) from None
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"A post-write hook of alembic.ini failed: {error}") from None
    if not staged.target.is_file():
        written.extend(set(folder.iterdir()) - before)
        raise ConfigurationError(
            f"A post-write hook of alembic.ini moved or removed {staged.target}. It may change the file, "
            "but has to leave it where it is."
        )
    _check_hooked(staged)


def _check_hooked(staged: StagedRevision) -> None:
    try:
        source = staged.target.read_text(encoding="utf-8")
        parse_source(staged.target, source)
        revision = read_revision(staged.target)
    except (UnicodeDecodeError, ConfigurationError) as error:
        raise ConfigurationError(f"A post-write hook of alembic.ini spoilt the revision: {error}") from None
    if revision.id != staged.id:
        raise ConfigurationError(
            f"A post-write hook of alembic.ini changed the revision id of {staged.target} to {revision.id}."
        )


def replace_files(directory: Path, files: Mapping[Path, str], removed: Iterable[Path] = ()) -> None:
    """Put files of the migrations folder in the place of what is there, and take others away.

    Each file appears whole, and all are on disk before the first one takes its place.

    :param files: texts, by paths relative to the folder.
    :raises ConfigurationError: the folder cannot be written.
    """
    beside = {
        target: target.with_name(f".{target.name}.schemaflow-{os.getpid()}")
        for target in (directory / relative for relative in files)
    }
    new_folders = {target.parent for target in beside if not target.parent.exists()}
    try:
        for folder in new_folders:
            folder.mkdir()
        for staged, text in zip(beside.values(), files.values(), strict=True):
            staged.write_text(text, encoding="utf-8")
        for target, staged in beside.items():
            staged.replace(target)
        for path in removed:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or directory} cannot be written: {error.strerror}."
        ) from None
    finally:
        for staged in beside.values():
            with suppress(OSError):  # it is in its place
                staged.unlink()
        for folder in new_folders:
            with suppress(OSError):  # there is something in it
                folder.rmdir()


def remove_written(written: list[Path]) -> None:
    """Remove what was written, newest first."""
    with uninterrupted():
        for path in reversed(written):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
