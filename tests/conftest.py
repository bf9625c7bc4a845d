"""Fixtures: projects in throw-away folders, and the servers that answer."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from projects import Project, Zygote


def pytest_configure() -> None:
    # A shell that starts us in the background has it ignored, and tests send it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    made = Zygote(tmp_path_factory.mktemp("zygote"))
    yield made
    made.stop()


@pytest.fixture
def project(tmp_path: Path, zygote: Zygote) -> Project:
    """Give an empty project."""
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder, zygote)


POSTGRESQL_PLACES = (
    "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    "postgresql+psycopg://postgres@/postgres",
)
MARIADB_PLACES = (
    "mysql+pymysql://root@127.0.0.1:3306/",
    "mysql+pymysql://root@localhost/?unix_socket=/run/mysqld/mysqld.sock",
)


def _answering(variable: str, places: tuple[str, ...], how_to_start: str) -> sa.URL:
    """Give the URL of a server: the one that was named, else one at a usual local address."""
    named = os.environ.get(variable)
    problem = ""
    for place in (named,) if named else places:
        engine = sa.create_engine(place, connect_args={"connect_timeout": 3})
        try:
            engine.connect().close()
        except sa.exc.DBAPIError as error:
            problem = f"{place}: {str(error.orig).splitlines()[0]}"
        else:
            return sa.make_url(place)
        finally:
            engine.dispose()
    reason = f"No server answers ({problem}). Start one with `{how_to_start}`, or set {variable}."
    if os.environ.get("SCHEMAFLOW_TEST_ALL_ENGINES"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgresql_server() -> sa.URL:
    return _answering("SCHEMAFLOW_TEST_POSTGRESQL", POSTGRESQL_PLACES, "pg_ctlcluster 15 main start")


@pytest.fixture(scope="session")
def mariadb_server() -> sa.URL:
    return _answering("SCHEMAFLOW_TEST_MARIADB", MARIADB_PLACES, "service mariadb start")


@pytest.fixture
def postgresql(postgresql_server: sa.URL, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a new, empty PostgreSQL database."""
    yield from _new_database(postgresql_server, f"sf_{os.getpid()}_{abs(hash(tmp_path)) % 10**8}")


@pytest.fixture
def mariadb(mariadb_server: sa.URL, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a new, empty MariaDB database."""
    yield from _new_database(mariadb_server, f"sf_{os.getpid()}_{abs(hash(tmp_path)) % 10**8}")


def _new_database(server: sa.URL, name: str) -> Iterator[str]:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            force = " WITH (FORCE)" if engine.dialect.name == "postgresql" else ""
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}{force}")
    engine.dispose()


@pytest.fixture(params=["postgresql", "mariadb"])
def server_database(request: pytest.FixtureRequest) -> str:
    """Give the URL of a new, empty database on each server in turn."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a new, empty database on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.db'}"
    url: str = request.getfixturevalue(request.param)
    return url
