"""What tutorials teach keeps working beside us."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import pytest
import sqlalchemy as sa
from anyshop import Shop, adopted_shop, open_shop
from projects import Project

from flask_schemaflow.errors import ConfigurationError
from flask_schemaflow.plan import make_plan
from flask_schemaflow.revisions import Revision

ONLY_IF_MISSING = '''"""created only if missing"""
import sqlalchemy as sa
from alembic import op

revision = "hand"
down_revision = None


def upgrade():
    inspector = sa.inspect(op.get_bind())
    if not inspector.has_table("item"):
        op.create_table(
            "item",
            sa.Column("id", sa.Integer(), nullable=False),
            sa.Column("name", sa.String(50), nullable=False),
            sa.PrimaryKeyConstraint("id"),
        )


def downgrade():
    op.drop_table("item")
'''
SECOND = '''"""more"""
import sqlalchemy as sa
from alembic import op

revision = "{name}"
down_revision = "{parent}"


def upgrade():
    op.add_column("item", sa.Column("{column}", sa.Integer()))


def downgrade():
    with op.batch_alter_table("item") as batch:
        batch.drop_column("{column}")
'''


def add(shop: Shop, name: str, parent: str, column: str) -> None:
    text = SECOND.format(name=name, parent=parent, column=column)
    shop.project.write(f"migrations/versions/{name}.py", text)


def stock(shop: Shop, *arguments: str) -> None:
    """Run one of Flask-Migrate's own commands."""
    ended = shop.project.flask("db", *arguments)
    assert ended.code == 0, ended.stderr


def test_a_baseline_by_hand_and_the_stock_commands(project: Project, any_database: str) -> None:
    """A baseline that asks what is there is adopted, runs on an empty database, and ours and theirs take turns."""
    shop = open_shop(project, any_database)
    stock(shop, "init")
    project.write("migrations/versions/hand.py", ONLY_IF_MISSING)
    stock(shop, "stamp", "head")
    assert shop.upgrade().document["outcome"] == "nothing-to-do"
    assert shop.adopt().document["outcome"] == "already-adopted"
    shop.execute("DROP TABLE alembic_version")
    assert shop.adopt().document["outcome"] == "adopted"
    add(shop, "second", "hand", "size")
    add(shop, "third", "second", "weight")

    steps = [
        (shop.upgrade, ["+1"], "second"),
        (shop.upgrade, ["second+1"], "third"),
        (stock, ["downgrade", "--", "-1"], "second"),
        (shop.upgrade, ["head-1"], "second"),
        (stock, ["upgrade", "+1"], "third"),
        (shop.upgrade, ["head"], "third"),
    ]
    for command, arguments, revision in steps:
        if command is stock:
            stock(shop, *arguments)
        else:
            ended = shop.upgrade(*arguments)
            assert ended.code == 0, ended.stderr
            assert ended.document["outcome"] in ("upgraded", "nothing-to-do")
        assert shop.versions() == [revision], arguments
    assert shop.execute("SELECT name FROM item ORDER BY id") == [("one",), ("two",)]

    shop.execute("DROP TABLE item", "DROP TABLE alembic_version", "DROP TABLE schemaflow_history")
    fresh = shop.upgrade()
    assert (fresh.code, shop.versions()) == (0, ["third"]), fresh.stderr
    (unseen,) = fresh.findings("uninspectable-operation")
    assert "asks what is in the database (sa.inspect); what follows was not seen" in unseen["message"]


def line_of(*ids: str) -> tuple[Revision, ...]:
    parents = ((), *((each,) for each in ids))
    return tuple(Revision(id=each, parents=p, file=Path(each)) for each, p in zip(ids, parents, strict=False))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("+3", "+3: there is no revision after c, 2 steps on. Name the revision."),
        ("a-1", "a-1: there is no revision before a"),
        ("head+1", "head+1: there is no revision after c"),
        ("-1", "-1 goes back, which only `flask db downgrade` does"),
        ("nowhere+1", "There is no revision 'nowhere'"),
        ("+0", "There is no revision '+0'"),
    ],
)
def test_a_relative_revision_that_leads_nowhere(asked: str, told: str) -> None:
    """It is refused with the reason."""
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        make_plan(None, line_of("a", "b", "c"), ("a",), asked)


def test_a_relative_revision_where_the_way_forks() -> None:
    """Which of two is the next one is not guessed; from behind the fork it can be counted, and from before all."""
    fork = Revision(id="b2", parents=("a",), file=Path("b2"))
    revisions = (*line_of("a", "b"), fork, Revision(id="c", parents=("b", "b2"), file=Path("c")))

    with pytest.raises(ConfigurationError, match=re.escape("several ways (b, b2) after a")):
        make_plan(None, revisions, ("a",), "+1")

    assert make_plan(None, revisions, ("b", "b2"), "+1").target == ("c",)
    assert make_plan(None, revisions, (), "+1").target == ("a",)


# -- env.py ----------------------------------------------------------------------------------------

ENVIRONMENT = """
    import os
    from urllib.parse import quote_plus

    import sqlalchemy as sa
    from alembic import context
    from sqlalchemy import create_engine, engine_from_config, pool

    config = context.config
    section = config.config_ini_section


    def by_template():
        for name in ("DB_USER", "DB_PASSWORD"):
            config.set_section_option(section, name, quote_plus(os.environ[name]).replace("%", "%%"))
        return by_config()


    def by_main_option():
        config.set_main_option("sqlalchemy.url", os.environ["DATABASE"].replace("%", "%%"))
        return by_config()


    def by_config():
        return engine_from_config(config.get_section(section), prefix="sqlalchemy.", poolclass=pool.NullPool)


    def by_environment():
        return create_engine(os.environ["DATABASE"])


    with {way}().connect() as connection:
        if sa.inspect(connection).has_table("item"):
            connection.exec_driver_sql("SELECT name FROM item")
        context.configure(connection=connection, target_metadata=None)
        with context.begin_transaction():
            context.run_migrations()
"""
PASSWORD = "p%40@/w%rd:?#"


@pytest.fixture
def url_with_password(any_database: str) -> Iterator[str]:
    """Give a URL of an empty database with a password that means something in URLs and in ini files."""
    url = sa.make_url(any_database)
    if url.get_backend_name() == "sqlite":
        yield any_database
        return
    name = f"{url.database}_user"
    made = (
        [
            f"CREATE ROLE {name} LOGIN CREATEDB PASSWORD '{PASSWORD}'",
            f"ALTER DATABASE {url.database} OWNER TO {name}",
        ]
        if url.get_backend_name() == "postgresql"
        else [
            f"CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT ALL ON `{url.database}`.* TO {name}@'%'",
            f"GRANT ALL ON `schemaflow\\_scratch\\_%`.* TO {name}@'%'",
        ]
    )
    undone = [
        f"DROP OWNED BY {name}" if url.get_backend_name() == "postgresql" else "SELECT 1",
        f"ALTER DATABASE {url.database} OWNER TO {url.username}"
        if url.get_backend_name() == "postgresql"
        else "SELECT 1",
        f"DROP ROLE {name}" if url.get_backend_name() == "postgresql" else f"DROP USER {name}@'%'",
    ]
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in made:
            connection.exec_driver_sql(statement.replace("%", "%%"))
        try:
            yield url.set(username=name, password=PASSWORD).render_as_string(hide_password=False)
        finally:
            for statement in undone:
                connection.exec_driver_sql(statement.replace("%", "%%"))
    engine.dispose()


def test_an_environment_with_an_engine_of_its_own(project: Project, url_with_password: str) -> None:
    """A URL template in ``alembic.ini``, ``set_main_option``, ``os.environ``: each upgrades our connection, whatever the password."""
    url = sa.make_url(url_with_password)
    project.environment |= {"DB_USER": url.username or "", "DB_PASSWORD": url.password or ""}
    shop = adopted_shop(project, url_with_password)
    ini = project.path / "migrations" / "alembic.ini"
    server = f"{url.drivername}://%(DB_USER)s:%(DB_PASSWORD)s@{url.host}:{url.port}/{url.database}"
    template = server if url.host else url_with_password
    ini.write_text(ini.read_text().replace("[alembic]", f"[alembic]\nsqlalchemy.url = {template}"))
    parent = "first"
    for way in ("by_template", "by_main_option", "by_environment"):
        project.write("migrations/env.py", ENVIRONMENT.replace("{way}", way))
        add(shop, way, parent, way)
        parent = way

        ended = shop.upgrade()

        assert ended.code == 0, ended.stderr
        assert ended.document["databases"][0]["verified"] is True
        assert shop.versions() == [way]
        assert not url.password or quote_plus(url.password) not in ended.stdout + ended.stderr
    assert shop.adopt().document["outcome"] == "already-adopted"


def test_an_environment_that_asks_for_rows_first(project: Project, tmp_path: Path) -> None:
    """It meets an empty scratch database too, and is told so."""
    shop = adopted_shop(project, f"sqlite:///{tmp_path / 'shop.db'}")
    add(shop, "second", "first", "size")
    text = ENVIRONMENT.replace("{way}", "by_environment")
    project.write("migrations/env.py", text.replace('sa.inspect(connection).has_table("item")', "True"))

    ended = shop.upgrade()

    assert ended.code == 2, ended.stderr
    assert "env.py" in ended.verdict
    assert "no such table: item. It runs on an empty scratch database" in ended.verdict
    assert "has_table(...)" in ended.verdict


OPTIONS = """
    def include_name(name, kind, parents):
        return name != "others"


    OPTIONS = {"include_name": include_name}
"""


@pytest.mark.parametrize("keeps_history", [True, False])
def test_a_filter_from_another_module(project: Project, tmp_path: Path, keeps_history: bool) -> None:
    """``env.py`` may get arguments for Alembic from anywhere: ours do not come twice."""
    shop = adopted_shop(project, f"sqlite:///{tmp_path / 'shop.db'}")
    shop.execute("CREATE TABLE others (id INTEGER)")
    filters = (
        OPTIONS
        if not keeps_history
        else OPTIONS.replace('"others"', '"others" and str(name)[:11] != "schemaflow_"')
    )
    project.write("filters.py", filters)
    env = project.path / "migrations" / "env.py"
    text = env.read_text().replace(
        "from alembic import context", "from alembic import context\nfrom filters import OPTIONS"
    )
    if keeps_history:
        text += "\n# schemaflow_history and schemaflow_journal are left out in filters.py\n"
    env.write_text(text.replace("**conf_args", "**OPTIONS, **conf_args"))
    add(shop, "second", "first", "size")

    ended = shop.upgrade()

    assert ended.code == 0, ended.stderr
    assert [each for (each,) in shop.history("revision")] == ["first", *(["second"] if keeps_history else [])]
    stock(shop, "migrate", "--rev-id", "third")
    written = (project.path / "migrations" / "versions" / "third_.py").read_text()
    assert "drop_table('others')" not in written
    assert "drop_column('size')" in written
