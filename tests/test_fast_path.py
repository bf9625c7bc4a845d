"""Nothing to do: what is asked of a database then, and of 3000 revisions."""

from __future__ import annotations

import re

from anyshop import adopted_shop
from projects import Project

NUMBER = 3000
REVISION = '''"""Number {number}."""
revision = "r{number}"
down_revision = "{parent}"

raise RuntimeError("nobody has to import this")
'''
LISTENER = """

@__import__("sqlalchemy").event.listens_for(__import__("sqlalchemy").Engine, "before_cursor_execute")
def note(_connection, _cursor, statement, *_):
    with open("statements", "a") as file:
        file.write(" ".join(statement.split()) + "\\n")
"""
# What SQLAlchemy asks every new server for, and what is set so that nothing can be written.
OF_THE_SESSION = re.compile(
    r"SELECT (?:pg_catalog\.version|current_schema|set_config|DATABASE)\(|SHOW |select @@|SELECT @@|SET SESSION "
    r"|SELECT CAST|SELECT 'x'"
)


def test_nothing_to_do_is_one_query(project: Project, any_database: str) -> None:
    """It is 0 with one query of version and history, no lock, and none of 3000 revisions imported."""
    shop = adopted_shop(project, any_database)
    folder = project.path / "migrations" / "versions"
    for number in range(NUMBER):
        parent = f"r{number - 1}" if number else "first"
        (folder / f"r{number}.py").write_text(REVISION.format(number=number, parent=parent))
    shop.execute(f"UPDATE alembic_version SET version_num = 'r{NUMBER - 1}'")
    app = project.path / "app.py"
    app.write_text(app.read_text() + LISTENER)

    ended = shop.upgrade()

    assert (ended.code, ended.document["outcome"]) == (0, "nothing-to-do"), ended.stderr
    asked = [
        each
        for each in (project.path / "statements").read_text().splitlines()
        if not OF_THE_SESSION.match(each)
    ]
    assert len(asked) == 1, asked
    assert asked[0].startswith("SELECT alembic_version.version_num")
    assert "schemaflow_history" in asked[0]
