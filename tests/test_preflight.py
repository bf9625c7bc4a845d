"""Which servers and drivers are taken on."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from anyshop import adopted_shop
from projects import Project
from shops import ADD_AGE, APP, MAKE, add, adopted, execute, versions

from flask_schemaflow.discovery import Bind
from flask_schemaflow.errors import ConfigurationError, Refused
from flask_schemaflow.network_files import refuse_network
from flask_schemaflow.preflight import check_driver, check_version


@pytest.mark.parametrize(
    ("family", "version"),
    [
        ("postgresql", "PostgreSQL 12.22 on x86_64-pc-linux-gnu"),
        ("postgresql", "CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu)"),
        ("postgresql", "PostgreSQL 11.2-YB-2.20.1.0-b0 on x86_64-pc-linux-gnu"),
        ("postgresql", "PostgreSQL 8.0.2 on i686-pc-linux-gnu, Redshift 1.0.38698"),
        ("mariadb", "10.5.23-MariaDB"),
        ("mariadb", "5.5.5-10.4.32-MariaDB"),
        ("mysql", "8.0.15"),
        ("mysql", "8.0.30-Vitess"),
        ("mysql", "8.0.11-TiDB-v7.5.0"),
        ("sqlite", "3.30.1"),
    ],
)
def test_what_is_no_server_for_us(family: str, version: str) -> None:
    """Too old, or another product that speaks the same protocol."""
    with pytest.raises(ConfigurationError):
        check_version(family, version)


@pytest.mark.parametrize(
    ("family", "version"),
    [
        ("postgresql", "PostgreSQL 13.0 on x86_64-pc-linux-gnu"),
        ("postgresql", "PostgreSQL 18beta1 on x86_64-pc-linux-gnu"),
        ("mariadb", "10.11.19-MariaDB-0+deb12u1"),
        ("mariadb", "5.5.5-10.6.0-MariaDB"),
        ("mysql", "8.0.16"),
        ("sqlite", "3.31.0"),
    ],
)
def test_what_is_one(family: str, version: str) -> None:
    """The oldest that counts, and newer ones."""
    check_version(family, version)


def test_drivers() -> None:
    """Those that this was tried with, by name."""
    check_driver("postgresql", "psycopg2")
    with pytest.raises(ConfigurationError, match="pg8000 is not supported on postgresql; use psycopg or"):
        check_driver("postgresql", "pg8000")


def test_a_database_that_takes_no_writes(project: Project, postgresql: str) -> None:
    """It is refused before anything is looked for."""
    project.write("app.py", APP)
    project.environment["DATABASE"] = postgresql
    project.python(MAKE)
    adopted(project)
    add(project, "second", "first", ADD_AGE)
    name = sa.make_url(postgresql).database
    execute(project, f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    ended = project.safe_upgrade()

    assert ended.code == 3, ended.stderr
    assert "takes no writes (default_transaction_read_only is on)" in ended.verdict
    assert versions(project) == ["first"]


def test_an_id_that_is_longer_than_the_version_column(project: Project, server_database: str) -> None:
    """It is refused before it runs, and goes through once the column is wide enough."""
    shop = adopted_shop(project, server_database)
    name = "a_revision_with_a_very_long_and_telling_id"
    shop.add(name, "first", "op.add_column('item', sa.Column('size', sa.Integer()))")

    ended = shop.upgrade()

    assert (ended.code, ended.document["outcome"]) == (3, "refused"), ended.stderr
    assert "has 42 characters, and alembic_version.version_num holds 32" in ended.verdict
    shop.execute(ended.verdict.partition("wide enough: ")[2])
    ended = shop.upgrade()
    assert (ended.code, shop.versions()) == (0, [name]), ended.stderr


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_file_on_a_network_file_system(kind: str) -> None:
    """It is refused unless that was accepted; in WAL mode it is refused in any case."""
    bind = Bind(key=None, engine=sa.create_engine("sqlite:////mnt/shop.db"), metadata=sa.MetaData())
    accepted = {"network-file-system:default"}

    with pytest.raises(Refused, match=f"is on a network file system .{kind}.*--accept"):
        refuse_network(bind, kind, (), is_wal=False)
    with pytest.raises(Refused, match="WAL mode, which cannot work there"):
        refuse_network(bind, kind, accepted, is_wal=True)
    refuse_network(bind, kind, accepted, is_wal=False)
    refuse_network(bind, "ext4", (), is_wal=True)
    refuse_network(bind, None, (), is_wal=True)
