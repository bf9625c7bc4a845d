"""Compare what the models say with what the revisions make."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .warned import warnings_told

if TYPE_CHECKING:
    from flask import Flask

    from ..discovery import Bind
    from ..foreign import ForeignNames
    from ..snapshot import Snapshot


def assert_models_match_revisions(app: Flask) -> None:
    """Fail unless the revisions make exactly what the app's models say.

    Runs the revisions and ``create_all`` on scratch databases and compares what the engine's catalogs tell.
    Never touches the app's databases. Counts the models that the app has imported, and no difference that
    ``SCHEMAFLOW_ACCEPT`` names.

    :raises AssertionError: they differ; the message has each difference.
    :raises SchemaFlowError: a revision fails, or there is no scratch database.
    """
    __tracebackhide__ = True
    with app.app_context(), warnings_told():
        differences = _differences(app)
    if differences:
        listed = "\n".join(f"  {each}" for each in differences)
        raise AssertionError(
            "The models say something else than the revisions. `flask db migrate` writes what is missing.\n"
            f"{listed}"
        )


def _differences(app: Flask) -> list[str]:
    # Alembic is imported here, when a test asks.
    from sqlalchemy import MetaData

    from ..config import read_setting
    from ..discovery import Bind, import_metadata, registered_db, with_scratch_uris
    from ..drift import MODELS, find_drift
    from ..foreign import foreign_names
    from ..migrations import open_migrations_of_tests
    from ..proof import replay
    from ..revisions import concerns, heads_of
    from ..version_tables import find_version_tables

    db = registered_db(app)
    named_metadata = read_setting("metadata", app.config, os.environ)
    own = getattr(app.extensions.get("schemaflow"), "metadata", None)
    own = import_metadata(named_metadata) if named_metadata is not None else own
    metadatas = dict(db.metadatas) if own is None else {**db.metadatas, None: own}
    found = (
        Bind(key=key, engine=engine, metadata=metadatas.get(key, MetaData()))
        for key, engine in db.engines.items()
    )
    binds = with_scratch_uris(found, read_setting("scratch_uri", app.config, os.environ) or {})
    migrations = open_migrations_of_tests(app, db)
    revisions = migrations.read_revisions()
    tables = find_version_tables(migrations, binds)
    counting = [
        bind for bind in binds if bind.metadata.tables or any(concerns(each, bind.key) for each in revisions)
    ]
    made = replay(
        migrations,
        binds,
        heads_of(revisions),
        # Whether its schema is the default one is not known before the app has connected.
        {key: table.tables(None) | table.tables(table.schema) for key, table in tables.items()},
        required=[bind.key for bind in counting if any(concerns(each, bind.key) for each in revisions)],
    )
    patterns = read_setting("foreign_tables", app.config, os.environ)
    accepted = read_setting("accept", app.config, os.environ)
    named = {
        bind.key: foreign_names(patterns, bind.key, bind.engine.dialect.default_schema_name)
        for bind in counting
    }
    return [
        f"{each.code}:{each.subject}: {each.message}"
        for bind in counting
        for each in find_drift(
            _without(_of_models(bind), named[bind.key]),
            _without(made[bind.key], named[bind.key]),
            MODELS,
            of="what the revisions make",
        )
        if each.structural and each.key not in accepted
    ]


def _of_models(bind: Bind) -> Snapshot:
    """Give what ``create_all`` makes on scratch."""
    from ..baseline import create_all_on
    from ..proof import made_on
    from ..scratch import scratch_database
    from ..session import sealed

    with scratch_database(bind.source, ours=bind.is_plain) as scratch, sealed():
        create_all_on(bind.metadata, scratch)
        return made_on(scratch)


def _without(snapshot: Snapshot, names: ForeignNames) -> Snapshot:
    """Leave out what ``SCHEMAFLOW_FOREIGN_TABLES`` names."""
    from ..revisions import TableName

    return snapshot.where(lambda each: names.pattern_for(TableName(each.schema, each.name)) is None)
