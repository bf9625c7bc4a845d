"""The only door to Alembic's runtime and to Flask-Migrate."""

from .environment import (
    Configured,
    ask_environment,
    run_environment,
    upgrade_steps,
)
from .failures import EnvironmentFailed, RevisionFailed
from .folder import (
    Folder,
    Migrations,
    environment_in,
    flask_db_group,
    open_migrations,
    open_migrations_of_tests,
    revisions_in,
)
from .surroundings import alembic_quiet
from .writing import (
    StagedRevision,
    remove_written,
    replace_files,
    stage_revision,
    staging_area,
    write_staged,
)
from .written_filters import gives_filter

__all__ = [
    "Configured",
    "EnvironmentFailed",
    "Folder",
    "Migrations",
    "RevisionFailed",
    "StagedRevision",
    "alembic_quiet",
    "ask_environment",
    "environment_in",
    "flask_db_group",
    "gives_filter",
    "open_migrations",
    "open_migrations_of_tests",
    "remove_written",
    "replace_files",
    "revisions_in",
    "run_environment",
    "stage_revision",
    "staging_area",
    "upgrade_steps",
    "write_staged",
]
