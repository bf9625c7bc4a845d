"""``is_current()`` and ``require_current()``: whether the databases fit the code."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from anyshop import Shop, adopted_shop, open_shop
from projects import Project

ADD_SIZE = "op.add_column('item', sa.Column('size', sa.Integer()))"
ASK = """
import json, sys
import sqlalchemy as sa
import flask_schemaflow
from flask_schemaflow import NotCurrent, is_current, require_current
from app import app, db

sent, answers, queries = [], [], 0
with app.app_context():
    for engine in db.engines.values():
        sa.event.listen(engine, "before_cursor_execute", lambda c, cursor, sql, *rest: sent.append(sql))
    try:
        answers = [is_current(), is_current(if_ahead=False)]
        sent.clear()
        is_current()
        queries, message = len(sent), None
        require_current()
    except (flask_schemaflow.SchemaFlowError) as error:
        message = f"{type(error).__name__}: {error}"
heavy = {"alembic", "flask_migrate", "mako", "rich", "sqlglot"}
loaded = sorted(heavy & {name.partition(".")[0] for name in LOADED(sys.modules)})
print(json.dumps([answers, queries, message, loaded]))
"""


def ask(shop: Shop, **environment: str) -> tuple[list[bool], int, str | None]:
    """Ask in a process of its own, as a web worker would; without Alembic."""
    # What the process that was forked had loaded does not count.
    program = "import sys\nbefore = set(sys.modules)\nfor name in before:\n    if name.partition('.')[0] in"
    program += " {'alembic', 'flask_migrate', 'mako', 'rich', 'sqlglot'}:\n        del sys.modules[name]\n"
    ended = shop.project.python(program + ASK.replace("LOADED(sys.modules)", "sys.modules"), **environment)
    answers, queries, message, loaded = json.loads(ended.stdout.splitlines()[-1])
    assert loaded == []
    return answers, queries, message


def test_current_behind_ahead_and_unknown(project: Project, any_database: str) -> None:
    """With one query once it is current; ahead counts by the history only, and as it is asked for."""
    shop = adopted_shop(project, any_database)
    assert ask(shop) == ([True, True], 1, None)

    shop.add("second", "first", ADD_SIZE)
    answers, queries, message = ask(shop)
    assert (answers, queries) == ([False, False], 1)
    assert message is not None
    assert message.startswith("NotCurrent: ")
    assert message.endswith(" is at first, and this code needs second: run `flask db-safe-upgrade`.")

    assert shop.upgrade().code == 0
    assert ask(shop) == ([True, True], 1, None)

    (project.path / "migrations" / "versions" / "second.py").unlink()
    assert ask(shop) == ([True, False], 2, None)
    shop.execute("UPDATE alembic_version SET version_num = 'other'")
    answers, _, message = ask(shop)
    assert answers == [False, False]
    assert "which neither this code nor the history of the database knows" in str(message)


def test_what_is_never_current(project: Project, any_database: str) -> None:
    """Never adopted; an open failure; tables that are gone."""
    shop = adopted_shop(project, any_database)
    shop.execute("UPDATE schemaflow_history SET outcome = 'broken'")
    answers, _, message = ask(shop)
    assert answers == [False, False]
    assert "is broken since its last upgrade" in str(message)

    shop.execute("UPDATE schemaflow_history SET outcome = 'done'", "DELETE FROM alembic_version")
    assert ask(shop)[0] == [False, False]

    shop.execute("INSERT INTO alembic_version VALUES ('first')", "DROP TABLE item")
    assert ask(shop)[0] == [False, False]


def test_without_a_history(project: Project, any_database: str) -> None:
    """Upgraded by ``flask db upgrade``: it is looked for before it is read, so that no query fails twice."""
    shop = adopted_shop(project, any_database)
    shop.execute("DROP TABLE schemaflow_history")

    answers, queries, message = ask(shop)

    assert (answers, message) == ([True, True], None)
    assert queries <= 3


def test_a_server_that_does_not_answer(project: Project, postgresql: str) -> None:
    """Not current for a probe; for a worker that starts it says why."""
    shop = adopted_shop(project, postgresql)
    away = "postgresql+psycopg://postgres:secret@127.0.0.1:9/none"

    answers, _, message = ask(shop, DATABASE=away)

    assert answers == [False, False]
    assert str(message).startswith("Busy: postgresql+psycopg://postgres:***@127.0.0.1:9/none does not answer")


END_SESSIONS = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mariadb": "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> connection_id()",
}
ASK_AGAIN = """
import os, sys, time
import sqlalchemy as sa
from flask_schemaflow import is_current
from app import app, db

with app.app_context():
    print(is_current())
    engine = sa.create_engine(os.environ["DATABASE"], isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE schemaflow_history SET outcome = '{outcome}'")
        for found, in connection.exec_driver_sql({end!r}).all():
            if found is not True:
                connection.exec_driver_sql(f"KILL {{found}}")
    time.sleep(0.2)
    print(is_current())
"""


def test_a_session_that_the_server_ended_hides_nothing(project: Project, server_database: str) -> None:
    """A connection of the pool that has gone is replaced by a new one, on which the same is asked."""
    shop = adopted_shop(project, server_database)
    for outcome, answer in (("done", "True"), ("broken", "False")):
        shop.execute("UPDATE schemaflow_history SET outcome = 'done'")
        asked = ASK_AGAIN.format(outcome=outcome, end=END_SESSIONS[shop.family])
        assert project.python(asked).stdout.split() == ["True", answer]


def test_a_revision_that_runs_takes_no_worker_away(project: Project, mariadb: str) -> None:
    """While its journal is there and its process is alive, the database counts as before; then no more."""
    shop = adopted_shop(project, mariadb)
    shop.execute("CREATE TABLE schemaflow_journal (id INT)")
    assert ask(shop)[0] == [False, False]

    engine = sa.create_engine(mariadb)
    with engine.connect() as running:
        assert (
            running.exec_driver_sql("SELECT GET_LOCK(CONCAT('schemaflow ', MD5(DATABASE())), 0)").scalar()
            == 1
        )
        assert ask(shop) == ([True, True], 1, None)
    engine.dispose()
    assert ask(shop)[0] == [False, False]


ASK_MEANWHILE = """
from sqlalchemy.pool import QueuePool
from flask_schemaflow import Busy, is_current, require_current
from app import app, db

with app.app_context():
    engine = db.engine
    engine.pool = QueuePool(engine.pool._creator, pool_size=1, max_overflow=0, timeout=0.1)
    engine.pool._dialect = engine.dialect
    with engine.connect():
        print(is_current())
        try:
            require_current()
        except Busy as error:
            print(error)
"""


def test_a_pool_that_is_used_up(project: Project, any_database: str) -> None:
    """Has no answer, and that is said; nothing else is raised."""
    adopted_shop(project, any_database)
    told = project.python(ASK_MEANWHILE).stdout.splitlines()
    assert told[0] == "False"
    assert told[1].endswith("was free in time: the app's pool is used up. Try again.")


def test_a_version_table_that_cannot_be_read(project: Project, postgresql: str) -> None:
    """The reason is a lacking right, not a lacking revision; a history that it may not read is none."""
    shop = adopted_shop(project, postgresql)
    role = f"sf_web_{uuid4().hex[:8]}"
    shop.execute(f"CREATE ROLE {role} LOGIN", f"GRANT SELECT ON item TO {role}")
    url = sa.make_url(postgresql).set(username=role).render_as_string(hide_password=False)
    try:
        message = ask(shop, DATABASE=url)[2]
        assert message is not None
        assert message.startswith("ConfigurationError: The user of postgresql")
        assert "lacks a right: permission denied for table alembic_version" in message

        shop.execute(f"GRANT SELECT ON alembic_version TO {role}")
        assert ask(shop, DATABASE=url)[0] == [True, True]
    finally:
        shop.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


MULTIDB = """
    from flask import Flask
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__, instance_path={folder!r})
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///main.db"
    app.config["SQLALCHEMY_BINDS"] = {{"stats": "sqlite:///stats.db", "others": "sqlite:///others.db"}}
    db = SQLAlchemy(app)
    Migrate(app, db)
    SchemaFlow(app, db)


    class Item(db.Model):
        id = db.Column(db.Integer, primary_key=True)


    class Hit(db.Model):
        __bind_key__ = "stats"
        id = db.Column(db.Integer, primary_key=True)
"""


def test_every_database_counts_that_should_have_tables(project: Project, tmp_path: Any) -> None:
    """One that is behind is enough; one without models and revisions is nobody's; folders as alembic.ini says."""
    project.write("app.py", MULTIDB.format(folder=str(tmp_path)))
    project.create_all()
    assert project.flask("db", "init", "--multidb").code == 0
    ini = project.path / "migrations" / "alembic.ini"
    text = ini.read_text().replace("[alembic]", "[alembic]\nversion_locations = %(here)s/a, %(here)s/b", 1)
    ini.write_text(text.replace("path_separator", "# path_separator"))
    for name in "ab":
        (project.path / "migrations" / name).mkdir()
    adopted = project.adopt("--rev-id", "first")
    assert adopted.code == 0, adopted.stderr
    shop = Shop(project, f"sqlite:///{tmp_path}/stats.db")
    ask_here = ASK.replace("LOADED(sys.modules)", "()")

    answers, _, message, _ = json.loads(project.python(ask_here).stdout)
    assert (answers, message) == ([True, True], None)

    shop.execute("DELETE FROM alembic_version")
    answers, _, message, _ = json.loads(project.python(ask_here).stdout)
    assert answers == [False, False]
    assert "stats.db has no revision" in message

    project.environment["FLASK_SCHEMAFLOW_FOREIGN_TABLES"] = "stats:*"
    answers, _, message, _ = json.loads(project.python(ask_here).stdout)
    assert (answers, message) == ([True, True], None)


def test_several_heads(project: Project, tmp_path: Any) -> None:
    """Whoever lives with two heads is current at both, and not at one; db-status says the same."""
    shop = adopted_shop(project, f"sqlite:///{tmp_path}/shop.db")
    shop.add("second", "first", ADD_SIZE)
    shop.add("other", "first")
    assert project.flask("db", "upgrade", "second").code == 0
    assert (ask(shop)[0], project.flask("db-status", "--check").code) == ([False, False], 3)

    assert project.flask("db", "upgrade", "heads").code == 0

    assert ask(shop)[0] == [True, True]
    ended = project.flask("db-status", "--check")
    assert (ended.code, ended.verdict) == (0, "Current: at other, second."), ended.stderr


REQUIRES = """

import flask_schemaflow

with app.app_context():
    flask_schemaflow.require_current()
"""


def test_commands_load_an_app_that_requires_it(project: Project, tmp_path: Any) -> None:
    """The upgrade runs, though the app refuses to start before it."""
    shop = adopted_shop(project, f"sqlite:///{tmp_path}/shop.db")
    with (project.path / "app.py").open("a") as file:
        file.write(REQUIRES)
    shop.add("second", "first", ADD_SIZE)
    refused = project.write(
        "start.py", "try:\n    import app\nexcept Exception as error:\n    print(type(error).__name__)\n"
    )
    assert project.python(refused.read_text()).stdout == "NotCurrent\n"

    assert project.flask("db", "current").code == 0
    upgraded = shop.upgrade()

    assert upgraded.code == 0, upgraded.stderr
    assert project.python("import app\n").stdout == ""


def test_without_a_migrations_folder(project: Project, tmp_path: Any) -> None:
    """It is an error of the set-up, and no answer."""
    open_shop(project, f"sqlite:///{tmp_path}/shop.db")

    said = project.python(
        "from app import app\nfrom flask_schemaflow import ConfigurationError, is_current\n"
        "with app.app_context():\n    try:\n        is_current()\n    except ConfigurationError as error:\n        print(error)\n"
    )

    assert "migrations is no migrations folder" in said.stdout
