"""Test databases on PostgreSQL: copied by the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ..errors import Refused
from ..scratch import connected_to_postgresql, create_postgresql_statement
from ..session import server_connection, target_of
from .marks import (
    COPY_PREFIX,
    TEMPLATE_PREFIX,
    Session,
    is_template,
    left_templates,
    new_name,
    project_of,
    session_of,
    template_lock,
    template_mark,
)
from .reuse import Copies, Copy
from .reuse.postgresql import Reusable

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from .place import Folders


@contextmanager
def postgresql_place(engine: Engine, folders: Folders) -> Iterator[PostgresqlPlace]:
    """Keep a connection through which databases are made, beside the app's own.

    Its session holds a lock as long as it lives; by that others know whose databases are in use.
    """
    session = Session()
    with server_connection(engine, isolation_level="AUTOCOMMIT", once=True) as keeper:
        keeper.execute(text("SELECT pg_advisory_lock(:number)"), {"number": session.number})
        project = project_of(folders.root)
        _drop_left(keeper, project)
        place = PostgresqlPlace(engine=engine, keeper=keeper, session=session, project=project)
        try:
            yield place
        finally:
            place.copies.close()


_FOUND = text(
    "SELECT datname AS name, shobj_description(oid, 'pg_database') AS comment FROM pg_database "
    "WHERE starts_with(datname::text, :prefix)"
)
# Of a lock on one number the upper half is in classid, the lower in objid, and objsubid is 1
# (https://www.postgresql.org/docs/current/view-pg-locks.html). Locks of every database are shown.
_LIVING = (
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks "
    "WHERE locktype = 'advisory' AND objsubid = 1"
)


def _drop_left(keeper: Connection, project: str) -> None:
    """Drop the databases of sessions that are gone, and templates that are too many and not in use."""
    found = keeper.execute(_FOUND, {"prefix": COPY_PREFIX}).all()
    living = set(keeper.exec_driver_sql(_LIVING).scalars())  # later: who makes a copy lives before
    for each in found:
        if session_of(each.comment) not in (None, *living):
            _drop(keeper, each.name)
    templates = {each.name: each.comment for each in keeper.execute(_FOUND, {"prefix": TEMPLATE_PREFIX})}
    for name in left_templates(templates, project):
        if template_lock(name) not in living:
            _drop(keeper, name)


def _drop(keeper: Connection, name: str) -> None:
    # Without FORCE it fails while anybody is connected.
    with suppress(DBAPIError):
        keeper.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")


@dataclass(frozen=True, kw_only=True)
class PostgresqlPlace:
    """The server."""

    engine: Engine
    keeper: Connection
    session: Session
    project: str
    copies: Copies = field(default_factory=Copies)

    @property
    def facts(self) -> tuple[str, ...]:
        """What templates depend on besides the revisions, and the database beside which they are."""
        return "postgresql", create_postgresql_statement(self.keeper, ""), target_of(self.engine)

    def has(self, template: str) -> bool:
        """Say whether there is such a template, and note that it is used, from now to the session's end."""
        name = f"{TEMPLATE_PREFIX}{template}"
        self.keeper.execute(text("SELECT pg_advisory_lock_shared(:number)"), {"number": template_lock(name)})
        found = self.keeper.execute(_FOUND, {"prefix": name}).all()
        if not any(is_template(each.comment) for each in found):
            return False
        # Two sessions may want to note it at the same moment; one is enough.
        with suppress(DBAPIError):
            self.keeper.exec_driver_sql(f"COMMENT ON DATABASE {name} IS '{template_mark(self.project)}'")
        return True

    @contextmanager
    def building(self, template: str) -> Iterator[Connection]:
        """Give an empty database like the real one, which gets the template's name afterwards."""
        name, final = new_name(), f"{TEMPLATE_PREFIX}{template}"
        self._create(create_postgresql_statement(self.keeper, name), name)
        try:
            with connected_to_postgresql(self.engine, self.keeper, name) as connection:
                yield connection
            for statement in (
                f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false",
                f"ALTER DATABASE {name} RENAME TO {final}",
                f"COMMENT ON DATABASE {final} IS '{template_mark(self.project)}'",
            ):
                self.keeper.exec_driver_sql(statement)
        finally:
            self._drop(name)

    @contextmanager
    def copied(self, template: str) -> Iterator[str]:
        """Let the server copy the template, or give a copy whose last test changed rows only."""
        with self.copies.lent(template, self._copy) as copy:
            yield self.engine.url.set(database=copy.name).render_as_string(hide_password=False)

    def _copy(self, template: str) -> Copy:
        name = new_name()
        self._create(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE_PREFIX}{template}", name)
        with ExitStack() as stack:
            stack.callback(self._drop, name)
            # No test asks for its rows after a crash of the server.
            self.keeper.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
            connection = stack.enter_context(
                server_connection(self.engine, database=name, isolation_level="AUTOCOMMIT", once=True)
            )
            return Copy(name=name, reusable=Reusable(connection), until_dropped=stack.pop_all())

    def _create(self, statement: str, name: str) -> None:
        try:
            self.keeper.exec_driver_sql(statement)
        except DBAPIError as error:
            raise Refused(
                f"No test database can be made beside {target_of(self.engine)} "
                f"({' '.join(str(error.orig).split())}). Grant the role CREATEDB."
            ) from error
        self.keeper.exec_driver_sql(f"COMMENT ON DATABASE {name} IS '{self.session.mark}'")

    def _drop(self, name: str) -> None:
        # The test is over, and what is still connected is its own. What cannot be dropped now, the next
        # session drops.
        with suppress(DBAPIError):
            self.keeper.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
