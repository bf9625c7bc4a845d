"""Test databases on MariaDB and MySQL: a dump that is brought back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ..backup import dump_mysql, fill_mysql
from ..errors import Refused
from ..scratch import Source, create_mysql_statement, scratch_database
from ..session import family_of, server_connection, target_of
from .marks import COPY_PREFIX, Session, lock_of, new_name, session_of
from .reuse import Copies, Copy
from .reuse.mysql import Reusable

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from .place import Folders


@contextmanager
def mysql_place(engine: Engine, folders: Folders) -> Iterator[MysqlPlace]:
    """Keep a connection through which databases are made, beside the app's own.

    Its session holds a lock as long as it lives; by that others know whose databases are in use.
    """
    session = Session()
    with server_connection(engine, isolation_level="AUTOCOMMIT", once=True) as keeper:
        keeper.execute(text("SELECT GET_LOCK(:name, 0)"), {"name": session.lock})
        keeper.exec_driver_sql(f"SET SESSION lock_wait_timeout = {_LOCK_WAIT}")
        if family_of(keeper.dialect) == "mariadb":  # MySQL keeps no comment of a database
            _drop_left(keeper)
        place = MysqlPlace(engine=engine, keeper=keeper, session=session, kept=folders.kept)
        try:
            yield place
        finally:
            place.copies.close()


_LOCK_WAIT = 20  # seconds for a database that somebody uses when it is to be dropped
_FOUND = text(
    "SELECT SCHEMA_NAME AS name, SCHEMA_COMMENT AS comment FROM information_schema.SCHEMATA "
    "WHERE LEFT(SCHEMA_NAME, :length) = :prefix"
)


def _drop_left(keeper: Connection) -> None:
    """Drop the databases of sessions that are gone."""
    for each in keeper.execute(_FOUND, {"length": len(COPY_PREFIX), "prefix": COPY_PREFIX}).all():
        number = session_of(each.comment)
        free = text("SELECT IS_FREE_LOCK(:name)")
        if number is not None and keeper.execute(free, {"name": lock_of(number)}).scalar():
            with suppress(DBAPIError):
                keeper.exec_driver_sql(f"DROP DATABASE IF EXISTS {each.name}")


@dataclass(frozen=True, kw_only=True)
class MysqlPlace:
    """The server, and the folder of the dumps."""

    engine: Engine
    keeper: Connection
    session: Session
    kept: Path
    copies: Copies = field(default_factory=Copies)

    @property
    def facts(self) -> tuple[str, ...]:
        """What templates depend on besides the revisions."""
        version = ".".join(map(str, self.keeper.dialect.server_version_info or ()))
        return family_of(self.keeper.dialect), version, create_mysql_statement(self.keeper, "")

    def _file(self, template: str) -> Path:
        return self.kept / f"{template}.sql"

    def has(self, template: str) -> bool:
        """Say whether there is such a template."""
        if not self._file(template).is_file():
            return False
        self._file(template).touch()
        return True

    @contextmanager
    def building(self, template: str) -> Iterator[Connection]:
        """Give an empty database like the real one, which is dumped afterwards."""
        part = self.kept / f"{uuid4().hex}.part"
        with scratch_database(Source(engine=self.engine)) as connection:
            yield connection
            connection.commit()
            dump_mysql(self.engine, connection, part)
        part.replace(self._file(template))

    @contextmanager
    def copied(self, template: str) -> Iterator[str]:
        """Fill a new database from the dump, or give a copy whose last test changed rows only."""
        with self.copies.lent(template, self._copy) as copy:
            yield self.engine.url.set(database=copy.name).render_as_string(hide_password=False)

    def _copy(self, template: str) -> Copy:
        name = new_name()
        family = family_of(self.keeper.dialect)
        comment = f" COMMENT '{self.session.mark}'" if family == "mariadb" else ""
        try:
            self.keeper.exec_driver_sql(f"{create_mysql_statement(self.keeper, name)}{comment}")
        except DBAPIError as error:
            raise Refused(
                f"No test database can be made beside {target_of(self.engine)} "
                f"({' '.join(str(error.orig).split())}). Grant the user ALL on `{COPY_PREFIX}%`.*"
            ) from error
        with ExitStack() as stack:
            stack.callback(self._drop, name)
            fill_mysql(self.engine, family, name, self._file(template))
            reusable = Reusable(self.keeper, name)
            return Copy(name=name, reusable=reusable, until_dropped=stack.pop_all())

    def _drop(self, name: str) -> None:
        """End what is still connected, which may hold a table, and drop; or leave it to the next session."""
        others = text("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = :name")
        for number in self.keeper.execute(others, {"name": name}).scalars().all():
            with suppress(DBAPIError):
                self.keeper.exec_driver_sql(f"KILL {int(number)}")
        with suppress(DBAPIError):
            self.keeper.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
