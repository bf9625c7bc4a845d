"""Which database an engine leads to, in words and as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..sqlite_file import check_file, file_of_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import TypeVar

    from sqlalchemy.engine import Dialect, Engine

    Way = TypeVar("Way", bound=Callable[..., object])


def target_of(engine: Engine) -> str:
    """Name the database for people: no password, a SQLite file by its absolute path."""
    file = file_of_url(engine.url) if engine.dialect.name == "sqlite" else None
    if file is not None:
        return f"sqlite:///{file}"
    if engine.dialect.name == "sqlite":
        return "sqlite (in memory)"
    # A password may stand in the query as well.
    return engine.url.set(query={}).render_as_string(hide_password=True)


def family_of(dialect: Dialect) -> str:
    """Say which engine family it is: sqlite, postgresql, mariadb or mysql."""
    return "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name


def sqlite_path(engine: Engine) -> Path:
    """Give the file of a SQLite engine.

    :raises ConfigurationError: it is in memory, so that nothing can be kept.
    """
    file = file_of_url(engine.url)
    if file is None:
        raise ConfigurationError(
            "The app's database is SQLite in memory, which is gone when the command ends. Set "
            "SQLALCHEMY_DATABASE_URI to the real database."
        )
    return file


def database_exists(engine: Engine) -> bool:
    """Say whether there is a database to look at, without making one. Read-only.

    A SQLite file that is missing or has zero bytes is none, nor is a database in memory; whether a
    server's database is there is found out by connecting.

    :raises ConfigurationError: the file cannot be a database.
    """
    if engine.dialect.name != "sqlite":
        return True
    file = file_of_url(engine.url)
    if file is None or not file.exists():
        return False
    check_file(file)
    return file.stat().st_size > 0


def is_same_database(one: Engine, other: Engine) -> bool:
    """Say whether two engines lead to one database, as far as their URLs tell.

    What a URL's query says of anything but the place is no difference: Flask-SQLAlchemy adds ``charset`` to
    that of MySQL, which an ``env.py`` with an engine of its own does not.
    """
    if one.dialect.name == "sqlite" and other.dialect.name == "sqlite":
        return file_of_url(one.url) == file_of_url(other.url) is not None
    return _place(one) == _place(other)


def _place(engine: Engine) -> tuple[object, ...]:
    dialect, url = "mysql" if engine.dialect.name == "mariadb" else engine.dialect.name, engine.url
    query = tuple(url.query.get(name) for name in _SAYS_WHERE)
    return (dialect, url.host, url.port or _PORTS.get(dialect), url.database, *query)


_PORTS = {"postgresql": 5432, "mysql": 3306}
# What a driver takes in the query and that leads elsewhere; options may have a search_path.
_SAYS_WHERE = ("host", "port", "hostaddr", "service", "dbname", "options", "unix_socket")


def way_for(engine: Engine, ways: Mapping[str, Way]) -> Way:
    """Choose by the engine's dialect.

    :raises ConfigurationError: there is no way for it.
    """
    way = ways.get(engine.dialect.name)
    if way is None:
        raise ConfigurationError(
            f"{target_of(engine)} is a {engine.dialect.name} database; this version works on "
            f"{', '.join(ways)} only."
        )
    return way
