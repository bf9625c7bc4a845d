"""Revision files are looked at without a database and without the app."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from textwrap import indent

import pytest
import yaml
from projects import Project
from recorders import HEAD as RECORDED
from recorders import Recorder
from zoo import CASES

import flask_schemaflow
from flask_schemaflow import ConfigurationError, HazardsFound, LintOptions, Severity
from flask_schemaflow.baseline import Target, draft_baseline
from flask_schemaflow.hazards import Structures, find_hazards
from flask_schemaflow.recording import paper_dialect
from flask_schemaflow.snapshot import Snapshot

HEAD = "import sqlalchemy as sa\nfrom alembic import op\n\nrevision = {id!r}\ndown_revision = {parent!r}\n"
USERS = "op.create_table('users', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('name', sa.String(50)))"
INDEX = "op.create_index('ix', 'users', ['name'])"


class Files:
    """A migrations folder with nothing but files."""

    def __init__(self, path: Path) -> None:
        self.path = path / "migrations"
        (self.path / "versions").mkdir(parents=True)
        (self.path / "env.py").write_text("raise SystemExit('it runs')\n")

    def add(self, revision: str, parent: str | None, *body: str) -> Path:
        """Write a revision."""
        lines = "".join(f"    {line}\n" for line in body)
        back = "\n\ndef downgrade():\n    op.execute('SELECT 1')\n"
        file = self.path / "versions" / f"{revision}_.py"
        file.write_text(f"{HEAD.format(id=revision, parent=parent)}\n\ndef upgrade():\n{lines}{back}")
        return file

    def lint(self, *revisions: str, engine: str = "postgresql", since: str | None = None) -> list[str]:
        """Give the keys of what stops."""
        options = LintOptions(revisions=revisions, engines=(engine,), since=since, directory=str(self.path))
        try:
            flask_schemaflow.lint(options)
        except HazardsFound as error:
            return [each.key for each in error.findings]
        return []


STOPS = ("destructive", "data-dependent", "failing", "blocking")


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")
@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mariadb"])
def test_nothing_stops_in_the_baselines_of_the_whole_zoo(engine: str, tmp_path: Path) -> None:
    """What db-adopt writes makes everything itself: there is nothing to lose, to lock or to fail on."""
    recorder = Recorder(tmp_path)
    stopping, looked_at = [], 0
    for name, case in CASES.items():
        if engine not in case.engines or "that_asks" in name:
            continue
        baseline = draft_baseline(case.metadata(), [Target(dialect=paper_dialect(engine))])
        imports = "\n".join(baseline.imports)
        functions = (
            f"def {each}():\n{indent(getattr(baseline, each).replace(f'{chr(10)}    ', chr(10)), '    ')}"
            for each in ("upgrade", "downgrade")
        )
        recorded = recorder.record_source("\n\n\n".join([f"{RECORDED}{imports}", *functions]), engine)
        found = find_hazards([recorded], Structures(family=engine, real=Snapshot(family=engine)))
        weighed = [each.weighed(None, STOPS, lambda _: False, small=0, asked=False) for each in found]
        stopping += [(name, each.key, each.message) for each in weighed if each.severity is Severity.ERROR]
        looked_at += len(recorded.operations) > 0
    assert stopping == []
    assert looked_at > 50


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    made.add("a1", None, USERS)
    made.add("b2", "a1", INDEX)
    made.add("c3", "b2", "op.drop_column('users', 'name')")
    return made


def test_the_command_needs_neither_app_nor_database(project: Project) -> None:
    """An app that cannot be loaded, and no database: each finding has its file and line, and 3 is the end."""
    project.write("app.py", "raise RuntimeError('it is loaded')\n")
    files = Files(project.path)
    files.add("a1", None, USERS)
    files.add("b2", "a1", INDEX)

    ended = project.flask("db-lint", "--engine", "postgresql", "--json", SQLALCHEMY_DATABASE_URI="nowhere://")

    assert (ended.code, ended.document["outcome"], ended.document["databases"]) == (3, "refused", []), (
        ended.stderr
    )
    (found,) = ended.findings()
    assert (found["code"], found["subject"], found["line"]) == ("add-index-non-concurrently", "users.ix", 9)
    assert found["file"].endswith("versions/b2_.py")
    assert "an unknown number of rows (no database was asked)" in found["message"]

    ended = project.flask("db-lint", "--engine", "mariadb")
    assert ended.code == 0, ended.stderr
    assert ended.verdict == "Nothing stops (0 warnings). Looked at: 2 of 2 revisions, for mariadb."


def test_types_of_the_app_can_be_imported(project: Project) -> None:
    """A revision finds the modules beside the migrations folder."""
    project.write(
        "shoptypes.py",
        "import sqlalchemy as sa\n\n\nclass Money(sa.types.TypeDecorator):\n    impl = sa.Numeric(8, 2)\n",
    )
    files = Files(project.path)
    files.add(
        "a1", None, "from shoptypes import Money", USERS, "op.add_column('users', sa.Column('m', Money()))"
    )
    files.add("b2", "a1", "op.drop_column('users', 'm')")

    ended = project.flask("db-lint", "--engine", "sqlite", "--json")

    assert [each["code"] for each in ended.findings()] == ["drop-column"], ended.stderr


def test_annotations_for_github(project: Project) -> None:
    """One line for each finding that stops or warns, escaped, with a path from the root of the repository."""
    files = Files(project.path)
    files.add("a1", None, USERS)
    files.add("b2", "a1", "op.rename_table('users', 'people')", "op.execute('DELETE FROM people')")

    ended = project.flask("db-lint", "--engine", "sqlite", "--format", "github")

    assert ended.code == 3
    warning, error = ended.stdout.splitlines()
    assert error.startswith(
        "::error file=migrations/versions/b2_.py,line=10,title=unfiltered-data-change%3Apeople::Deletes every row"
    )
    assert warning.startswith("::warning file=migrations/versions/b2_.py,line=9,title=rename-table%3Ausers::")
    assert "%0A" in warning


@pytest.mark.parametrize(
    ("revisions", "found"),
    [
        ((), ["b2", "c3"]),
        (("b2",), ["b2"]),
        (("b", "head"), ["b2", "c3"]),
        (("b2:c3",), ["c3"]),
        (("a1:",), ["b2", "c3"]),
        ((":b2",), ["b2"]),
        (("{folder}/versions/c3_.py", "{folder}/env.py"), ["c3"]),
    ],
)
def test_revisions_are_chosen(files: Files, revisions: tuple[str, ...], found: list[str]) -> None:
    """By id, its beginning, a range, a file; none are all."""
    of = {"b2": "add-index-non-concurrently:users.ix", "c3": "drop-column:users.name"}

    assert files.lint(*(each.format(folder=files.path) for each in revisions)) == [of[each] for each in found]


def test_what_earlier_files_say_is_known(files: Files) -> None:
    """Old types, constraints and indexes are those of the files before; a revision's own table is new."""
    files.add(
        "d4",
        "c3",
        "op.create_table('t', sa.Column('n', sa.Numeric(8, 2), nullable=False))",
        "op.create_index('it', 't', ['n'])",
    )
    files.add(
        "e5",
        "d4",
        "op.alter_column('t', 'n', type_=sa.Numeric(10, 2))",
        "op.alter_column('t', 'n', nullable=False)",
    )
    files.add("f6", "e5", "op.alter_column('t', 'n', type_=sa.Numeric(9, 2))")
    files.add("g7", "f6", "op.create_check_constraint('c', 't', 'n > 0', postgresql_not_valid=True)")
    files.add("h8", "g7", "op.execute('ALTER TABLE t VALIDATE CONSTRAINT c')")

    assert files.lint("c3:") == ["narrow-column-type:t.n", "change-column-type:t.n"]


def test_what_cannot_be_written_does_not_stop_the_linter(files: Files) -> None:
    """Operations that SQLAlchemy or the engine refuses: what else the revision does is found all the same."""
    files.add("d4", "c3", "op.create_index('twice', 'users', ['name', 'name'])", "op.drop_table('orders')")
    files.add(
        "e5",
        "d4",
        "from sqlalchemy.dialects.postgresql import HSTORE",
        "made = op.create_table('t', sa.Column('a', HSTORE()))",
        "op.bulk_insert(made, [{'a': {}}])",
        "op.drop_table('items')",
    )

    assert files.lint("c3:", engine="mariadb") == ["drop-table:orders"]
    assert files.lint("c3:", engine="postgresql")[-2:] == ["drop-table:orders", "drop-table:items"]


def test_what_stays_the_same_under_another_name_is_no_matter(files: Files) -> None:
    """An index of another table takes no place; a key that comes again, or goes with its column, is not lost."""
    files.add("d4", "c3", "op.create_table('a', sa.Column('x', sa.Integer()), sa.Column('y', sa.Integer()))")
    files.add(
        "e5", "d4", "op.create_index('ia', 'a', ['x'])", "op.create_unique_constraint('uy', 'a', ['y'])"
    )
    files.add("f6", "e5", "op.drop_index('ia', 'a')", "op.create_index('ib', 'b', ['x'])")
    files.add("g7", "f6", "op.drop_constraint('uy', 'a')", "op.create_unique_constraint('un', 'a', ['y'])")
    files.add("h8", "g7", "op.drop_constraint('un', 'a')", "op.drop_column('a', 'y')")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLASK_SCHEMAFLOW_FAIL_ON", "blocking,incompatible")
        found = files.lint("e5:", engine="postgresql")

    assert found == [
        "add-index-non-concurrently:b.ib",
        "drop-index-non-concurrently:a.ia",
        "add-unique-constraint:a.un",
        "drop-column:a.y",
    ]


SAFE = (
    "op.add_column('users', sa.Column('age', sa.Integer()))",
    "op.execute('UPDATE users SET age = 1 WHERE age IS NULL AND id < 10000')",
    "op.execute('ALTER TABLE users ADD CONSTRAINT c CHECK (age IS NOT NULL) NOT VALID')",
    "op.execute('ALTER TABLE users VALIDATE CONSTRAINT c')",
    "op.alter_column('users', 'age', nullable=False)",
    "op.drop_constraint('c', 'users')  # schemaflow: accept drop-constraint -- NOT NULL says the same",
    "op.add_column('users', sa.Column('made', sa.DateTime(), server_default=sa.func.now(), nullable=False))",
    "op.create_table('items', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('user_id', sa.Integer()))",
    "op.create_foreign_key('fk', 'items', 'users', ['user_id'], ['id'], postgresql_not_valid=True)",
    "op.execute('ALTER TABLE items VALIDATE CONSTRAINT fk')",
    "op.create_check_constraint('ck', 'items', 'id > 0', postgresql_not_valid=True)",
    "op.execute('ALTER TABLE items VALIDATE CONSTRAINT ck')",
    "with op.get_context().autocommit_block(): op.create_index('uq', 'users', ['name'], unique=True, postgresql_concurrently=True, if_not_exists=True)",
    "op.execute('ALTER TABLE users ADD CONSTRAINT uq UNIQUE USING INDEX uq')",
    "with op.get_context().autocommit_block(): op.create_index('ix', 'users', ['age'], postgresql_concurrently=True, if_not_exists=True)",
    "with op.get_context().autocommit_block(): op.drop_index('ix', postgresql_concurrently=True, if_exists=True)",
    "op.alter_column('users', 'name', type_=sa.String(80))",
    "op.alter_column('users', 'name', type_=sa.Text())",
    "with op.get_context().autocommit_block(): op.execute('REINDEX TABLE CONCURRENTLY users')",
    "op.rename_table('items', 'things'); op.execute('CREATE VIEW items AS SELECT * FROM things')",
)


def test_nothing_is_said_of_the_safe_ways(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step a revision, each on the tables of those before: not even a warning."""
    monkeypatch.setenv("FLASK_SCHEMAFLOW_FAIL_ON", "destructive,data-dependent,failing,blocking,incompatible")
    parent = "c3"
    files.add("c3", None, USERS)
    for old in ("a1", "b2"):
        (files.path / "versions" / f"{old}_.py").unlink()
    for number, body in enumerate(SAFE):
        parent, before = f"s{number:02}", parent
        files.add(parent, before, *body.split("; "))

    assert files.lint() == []


def test_comments_and_settings_decide(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment accepts, a wrong one is an error, and so are classes and codes from the environment."""
    files.add("b2", "a1", f"{INDEX}  # schemaflow: accept add-index-non-concurrently -- a small table")
    files.add("c3", "b2", "op.rename_table('users', 'x')  # schemaflow: accept rename-table")
    assert files.lint() == ["acceptance-without-reason:c3"]

    files.add("c3", "b2", "op.rename_table('users', 'x')")
    assert files.lint() == []
    monkeypatch.setenv("FLASK_SCHEMAFLOW_FAIL_ON", "incompatible")
    assert files.lint() == ["rename-table:users"]
    monkeypatch.setenv("FLASK_SCHEMAFLOW_ACCEPT", "rename-table:users")
    assert files.lint() == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ACCEPT", "rename-tables:users", "FLASK_SCHEMAFLOW_ACCEPT rename-tables:users: say CODE:SUBJECT"),
        ("ACCEPT", "rename-table", "FLASK_SCHEMAFLOW_ACCEPT rename-table: say CODE:SUBJECT"),
        ("FAIL_ON", "destructive,risky", "FLASK_SCHEMAFLOW_FAIL_ON in the environment must be a list out of"),
    ],
)
def test_unknown_codes_and_classes_are_a_usage_error(
    project: Project, name: str, value: str, says: str
) -> None:
    """What a setting says wrongly would let nothing pass; codes of other commands' findings are no mistake."""
    Files(project.path).add("a1", None, USERS)

    ended = project.flask("db-lint", "--engine", "sqlite", **{f"FLASK_SCHEMAFLOW_{name}": value})
    assert (ended.code, ended.stdout) == (2, ""), ended.stderr
    assert says in ended.stderr

    of_others = "extra-index:users.ix,not-our-database:default,missing-right:default"
    assert project.flask("db-lint", "--engine", "sqlite", FLASK_SCHEMAFLOW_ACCEPT=of_others).code == 0


def test_only_what_changed_since_a_ref_in_a_shallow_clone(files: Files, tmp_path: Path) -> None:
    """Files that are new, changed, or unknown to git; a ref that is not there is told with the way to get it."""

    def git(*arguments: str, at: Path) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", *who, *arguments], cwd=at, check=True, capture_output=True)

    git("init", "-q", "-b", "main", at=tmp_path)
    git("add", ".", at=tmp_path)
    git("commit", "-qm", "one", at=tmp_path)
    git("checkout", "-qb", "work", at=tmp_path)
    files.add("d4", "c3", "op.drop_table('users')")
    git("add", ".", at=tmp_path)
    git("commit", "-qm", "two", at=tmp_path)
    clone = tmp_path / "clone"
    git("clone", "-q", "--depth", "1", "-b", "work", f"file://{tmp_path}", str(clone), at=tmp_path)
    there = Files.__new__(Files)
    there.path = clone / "migrations"

    with pytest.raises(ConfigurationError, match="git fetch --depth 1 origin main:origin/main"):
        there.lint(since="origin/main")
    git("fetch", "-q", "--depth", "1", "origin", "main:origin/main", at=clone)
    assert there.lint(since="origin/main") == ["drop-table:users"]
    assert there.lint("c3", since="origin/main") == []
    there.add("e5", "d4", "op.execute('DELETE FROM other')")
    assert there.lint(since="origin/main") == ["drop-table:users", "unfiltered-data-change:other"]


def test_changes_of_a_history_that_may_have_run(files: Files, tmp_path: Path) -> None:
    """Beside a ref: a revision that is another or gone, one that slips in below, two that follow the same one."""
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for arguments in (("init", "-q", "-b", "main"), ("add", "."), (*who, "commit", "-qm", "one")):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)
    file = files.path / "versions" / "b2_.py"
    source = file.read_text()

    def found() -> list[tuple[str, str]]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FLASK_SCHEMAFLOW_FAIL_ON", "incompatible")
            return [tuple(each.split(":")) for each in files.lint(since="main")]

    file.rename(file.with_name("b2_index.py"))
    file.with_name("b2_index.py").write_text(f'"""Index."""\n# moved\n{source}')
    files.add("d4", "c3", "op.create_table('t', sa.Column('a', sa.Integer()))")
    assert found() == []

    file.with_name("b2_index.py").write_text(source.replace("['name']", "['id']"))
    assert found() == [("edited-applied-revision", "b2")]

    file.with_name("b2_index.py").write_text(source)
    files.add("e5", "c3", "op.create_table('u', sa.Column('a', sa.Integer()))")
    assert found() == [("non-linear-history", "d4"), ("non-linear-history", "e5")]

    files.add("d4", "b2", "op.create_table('t', sa.Column('a', sa.Integer()))")
    (files.path / "versions" / "e5_.py").unlink()
    (files.path / "versions" / "c3_.py").unlink()
    files.add("c4", "d4", "op.create_table('u', sa.Column('a', sa.Integer()))")
    assert found() == [("edited-applied-revision", "c3")]

    (files.path / "versions" / "c4_.py").unlink()
    files.add("c3", "d4", "op.drop_column('users', 'name')")
    assert sorted(found())[:2] == [("drop-column", "users.name"), ("edited-applied-revision", "c3")]
    assert ("non-linear-history", "d4") in found()


def test_the_engine_is_that_of_the_snapshots(files: Files) -> None:
    """Without an option or setting the snapshots say it; where there are none it is asked for."""
    options = LintOptions(directory=str(files.path), revisions=("b2",))
    with pytest.raises(ConfigurationError, match="Say --engine"):
        flask_schemaflow.lint(options)
    (files.path / "snapshots").mkdir()
    (files.path / "snapshots" / "a1.mariadb.json").write_text("{}")
    assert flask_schemaflow.lint(options).message.endswith("for mariadb.")


def test_the_hook_for_pre_commit_is_the_command() -> None:
    """It calls the command with the revision files that change."""
    (hook,) = yaml.safe_load((Path(__file__).parent.parent / ".pre-commit-hooks.yaml").read_text())

    assert hook["entry"] == "flask db-lint"
    assert hook["require_serial"]
    assert re.search(hook["files"], "backend/migrations/versions/a1_users.py")
    assert re.search(hook["files"], "versions/a1.py")
    assert not re.search(hook["files"], "shop/models.py")


def test_each_bind_is_looked_at(files: Files) -> None:
    """A revision with a function for each database is read for each."""
    file = files.add("d4", "c3", "pass")
    file.write_text(
        HEAD.format(id="d4", parent="c3")
        + "\n\ndef upgrade(engine_name):\n    globals()['upgrade_%s' % engine_name]()\n\n\n"
        "def upgrade_():\n    pass\n\n\ndef upgrade_logs():\n    op.drop_table('entry')\n"
    )

    assert files.lint("d4") == ["drop-table:entry"]


DECORATED = """
def everywhere(function):
    def call(*args, **kwargs):
        return function(*args, **kwargs)
    return call


@everywhere
def upgrade({parameter}):
    {body}
"""


@pytest.mark.parametrize(
    ("parameter", "body"),
    [
        ("", "op.drop_table('entry')"),
        ("size=1000", "op.drop_table('entry' if size > 1 else 'x')"),
        ("engine_name", "globals()['upgrade_%s' % engine_name]()"),
    ],
)
@pytest.mark.parametrize("decorated", [True, False])
def test_an_upgrade_is_called_as_env_py_calls_it(
    files: Files, parameter: str, body: str, decorated: bool
) -> None:
    """A decorator takes whatever comes; what it passes on is only what Alembic passes."""
    source = DECORATED.format(parameter=parameter, body=body)
    if parameter == "engine_name":
        source += "\n\ndef upgrade_():\n    op.drop_table('entry')\n"
    file = files.add("d4", "c3", "pass")
    file.write_text(
        HEAD.format(id="d4", parent="c3") + (source if decorated else source.replace("@everywhere\n", ""))
    )

    assert files.lint("d4") == ["drop-table:entry"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (LintOptions(directory="nowhere", engines=("sqlite",)), "is not a migrations folder"),
        (LintOptions(revisions=("x9",), engines=("sqlite",)), "There is no revision 'x9'"),
        (LintOptions(engines=("oracle",)), "--engine oracle: say one of sqlite, postgresql, mariadb, mysql."),
    ],
)
def test_what_is_not_there_is_a_usage_error(
    files: Files, options: LintOptions, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder or revision that is not there is exit 2."""
    monkeypatch.chdir(files.path.parent)
    with pytest.raises(ConfigurationError, match=message):
        flask_schemaflow.lint(options)
