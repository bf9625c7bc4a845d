"""An app that is developed for months: ``flask db migrate`` on SQLite, one set of revisions for three engines."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from anyshop import Shop, open_shop
from months import APP, EMPTIED, FIRST_MONTH, KEPT, ROWS, SECOND_MONTH, THIRD_MONTH, Change, below
from projects import Ended, Project

MONTHS = (FIRST_MONTH, SECOND_MONTH, THIRD_MONTH)
ONE_BY_ONE = tuple((each,) for month in MONTHS for each in month)
CREATE = "from app import app, db\nwith app.app_context():\n    db.create_all()\n"


@dataclass
class Life:
    """An app with the database in which it is developed, and those of its production."""

    project: Project
    developed: Shop
    shops: tuple[Shop, ...]

    def release(self, changes: tuple[Change, ...]) -> None:
        """Make changes to the models, write their revision, and bring it to every database."""
        self.edit(changes)
        self.write_revision(changes)
        for shop in self.shops:
            self.upgrade(shop, {code for each in changes for code in each.accept})
            shop.execute(*(row for each in changes for row in each.rows), "SELECT 1")

    def edit(self, changes: tuple[Change, ...]) -> None:
        app = self.project.path / "app.py"
        source = app.read_text()
        for change in changes:
            for old, new in change.edits:
                assert old in source, f"{change.title}: no {old!r}"
                source = source.replace(old, new)
        app.write_text(source)

    def write_revision(self, changes: tuple[Change, ...]) -> None:
        versions = self.project.path / "migrations" / "versions"
        before = set(versions.glob("*.py"))
        ended = self.project.flask("db", "migrate", "-m", changes[0].title, DATABASE=self.developed.url)
        assert ended.code == 0, ended.stderr
        made = set(versions.glob("*.py")) - before
        assert made, f"{changes[0].title}: {ended.stderr}"
        (file,) = made
        for change in changes:
            assert change.says in ended.stderr
            if change.by_hand:
                file.write_text(as_its_comment_says(file.read_text(), *change.by_hand))
        assert "On a scratch database" not in ended.stderr, ended.stderr
        assert "was not tried" not in ended.stderr, ended.stderr

    def upgrade(self, shop: Shop, accepted: set[str]) -> None:
        ended = self.run(shop, "db-safe-upgrade", "--json")
        if ended.code == 3:
            stops = [each for each in ended.findings() if each["severity"] == "error"]
            assert {each["code"] for each in stops} <= accepted, f"{shop.family}: {ended.stderr}"
            accepting = [f"--accept={each['code']}:{each['subject']}" for each in stops]
            ended = self.run(shop, "db-safe-upgrade", "--json", *accepting)
        assert ended.code == 0, f"{shop.family}: {ended.stderr}"
        assert ended.document["outcome"] == "upgraded"

    def there_and_back(self, shop: Shop) -> None:
        """Take all revisions back, and run them again."""
        for arguments in (
            ("db", "downgrade", "first"),
            ("db-diff", "--check", "--to", "first"),
            ("db", "upgrade"),
        ):
            ended = self.run(shop, *arguments)
            assert ended.code == 0, f"{shop.family}: {arguments} {ended.stdout}{ended.stderr}"

    def check_equal(self, shop: Shop) -> None:
        ended = self.run(shop, "db-diff", "--from", "database", "--to", "models", "--check")
        assert ended.code == 0, f"{shop.family}: {ended.stdout}{ended.stderr}"

    def run(self, shop: Shop, *arguments: str) -> Ended:
        return self.project.flask(*arguments, DATABASE=shop.url)


def as_its_comment_says(text: str, added: str, dropped: str) -> str:
    """Take a rename out of the comment, in the place of the two operations that it stands for."""
    upgrade, rest = text.split("def downgrade")
    (wanted,) = re.findall(r"^ *# +(batch_op\.alter_column\(.*\))$", upgrade, re.MULTILINE)
    lines = upgrade.splitlines(keepends=True)
    (place,) = (number for number, line in enumerate(lines) if line.strip().startswith(added))
    indent = lines[place][: -len(lines[place].lstrip())]
    lines[place] = f"{indent}{wanted}\n"
    kept = [line for line in lines if line.strip() != dropped]
    assert len(kept) == len(lines) - 1
    return "".join(kept) + "def downgrade" + rest


@pytest.fixture
def life(project: Project, postgresql: str, mariadb: str, tmp_path: Path) -> Life:
    """Give an app that was made by create_all, with rows, on each engine, and adopted where it is developed."""
    project.write("app.py", APP)
    shops = tuple(Shop(project, url) for url in (f"sqlite:///{tmp_path}/shop.db", postgresql, mariadb))
    for shop in shops:
        project.python(CREATE, DATABASE=shop.url)
        shop.execute(*ROWS)
    made = Life(project, shops[0], shops)
    adopted = made.run(shops[0], "db-adopt", "--json", "--rev-id", "first")
    assert adopted.code == 0, adopted.stderr
    for shop in shops[1:]:
        followed = made.run(shop, "db-safe-upgrade", "--json")
        assert followed.code == 0, followed.stderr
    return made


@pytest.mark.parametrize(
    "releases",
    [
        pytest.param(MONTHS[:2], id="by the month"),
        pytest.param(
            ONE_BY_ONE,
            id="one by one",
            marks=[
                pytest.mark.soak,
                pytest.mark.skipif("SCHEMAFLOW_SOAK" not in os.environ, reason="takes minutes"),
            ],
        ),
    ],
)
def test_months_of_changes(life: Life, releases: tuple[tuple[Change, ...], ...]) -> None:
    """No revision is edited but where it says so; at the end structure and rows are there on each engine."""
    for changes in releases:
        life.release(changes)

    for shop in life.shops:
        life.check_equal(shop)
        found = {query: shop.execute(f"{query} ORDER BY 1") for query in KEPT}
        assert found == KEPT, shop.family
    again = life.run(life.developed, "db", "check")
    assert again.code == 0, again.stderr
    for shop in life.shops:
        shop.execute(*EMPTIED)
        life.there_and_back(shop)


KEYS = """

    class Part(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        item_id = db.Column(db.ForeignKey("item.id"), nullable=False, index=True)
        box_id = db.Column(db.ForeignKey("item.id", name="in_box"))
        place = db.Column(db.Integer)
"""
BOTH = '__table_args__ = (db.Index("ix_place", "box_id", "place"),)'


def test_the_only_index_of_a_foreign_key(project: Project, mariadb: str, tmp_path: Path) -> None:
    """MariaDB drops none that a key needs: dropping one, or taking a new one back, leaves it another."""
    developed, shop = open_shop(project, f"sqlite:///{tmp_path}/shop.db"), Shop(project, mariadb)
    project.environment["FLASK_SCHEMAFLOW_ENGINES"] = "sqlite,mariadb"
    app = project.path / "app.py"
    app.write_text(app.read_text() + dedent(KEYS))
    for each in (developed, shop):
        project.python(CREATE, DATABASE=each.url)
    life = Life(project, developed, (developed, shop))
    assert life.run(developed, "db-adopt", "--rev-id", "first").code == 0
    assert life.run(shop, "db-safe-upgrade").code == 0
    shop.execute("INSERT INTO item (id, name) VALUES (1, 'a')", "INSERT INTO part VALUES (1, 1, 1, 1)")

    no_index = (("nullable=False, index=True", "nullable=False"),)
    life.release((Change(title="no index", edits=no_index),))
    life.release((Change(title="another", edits=(below("class Part(db.Model):", BOTH),)),))

    life.check_equal(shop)
    for _ in range(2):
        life.there_and_back(shop)
    assert shop.execute("SELECT * FROM part") == [(1, 1, 1, 1)]
