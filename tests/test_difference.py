"""``db-diff``: in what databases, models and revisions differ."""

from __future__ import annotations

import pytest
from anyshop import Shop, adopted_shop, open_shop
from projects import Ended, Project

ADD_SIZE = "op.add_column('item', sa.Column('size', sa.Integer()))"


@pytest.fixture
def shop(project: Project, any_database: str) -> Shop:
    """Give an adopted shop on each engine."""
    return adopted_shop(project, any_database)


def diff(shop: Shop, *arguments: str) -> Ended:
    return shop.project.flask("db-diff", "--json", *arguments)


def keys(ended: Ended) -> list[str]:
    """Give the differences as ``CODE:SUBJECT``."""
    return [
        f"{each['code']}:{each['subject']}"
        for each in ended.document["findings"]
        if each["code"].startswith(("missing-", "extra-", "changed-"))
    ]


def test_what_create_all_made_is_what_the_models_say(shop: Shop) -> None:
    """Database, models, head and the revision's own id are all the same."""
    ended = diff(shop, "--check")

    assert (ended.code, ended.verdict) == (0, "No difference between the database and the models."), (
        ended.stderr
    )
    assert ended.document["outcome"] == "nothing-to-do"
    assert ended.document["databases"][0]["verified"] is True
    for before, after in (("head", "models"), ("models", "fir"), ("first", "database")):
        ended = diff(shop, "--check", "--from", before, "--to", after)
        assert (ended.code, keys(ended)) == (0, []), ended.stderr


def test_each_difference_is_a_line(shop: Shop) -> None:
    """In words, with its code and subject, what is expected and what is there; nothing fails unless asked."""
    shop.execute("ALTER TABLE item ADD COLUMN note INT", "CREATE INDEX ix_name ON item (name)")

    told = shop.project.flask("db-diff")
    checked = diff(shop, "--check")
    back = diff(shop, "--from", "models", "--to", "database")

    assert told.code == 0, told.stderr
    assert told.stdout.splitlines()[1:] == [
        "warning     The database has the column item.note; the models have not. [extra-column:item.note]",
        "warning     The database has the index item.ix_name; the models have not. [extra-index:item.ix_name]",
    ]
    assert (checked.code, keys(checked)) == (3, ["extra-column:item.note", "extra-index:item.ix_name"])
    assert checked.verdict == "Refused: The database and the models differ in 2 ways."
    assert [each["message"] for each in back.findings("missing-column")] == [
        "The database has the column item.note; the models do not."
    ]


def test_two_revisions_are_compared(shop: Shop) -> None:
    """By their ids, a beginning of one, or as head and base; the database need not be at either."""
    shop.add("second", "first", ADD_SIZE)

    assert keys(diff(shop, "--from", "first", "--to", "head")) == ["missing-column:item.size"]
    assert keys(diff(shop, "--from", "sec", "--to", "first")) == ["extra-column:item.size"]
    assert keys(diff(shop, "--from", "base", "--to", "first")) == ["missing-table:item"]
    assert keys(diff(shop, "--from", "database", "--to", "second")) == ["missing-column:item.size"]
    assert diff(shop, "--from", "first", "--to", "second").findings("missing-column")[0]["message"] == (
        "Revision second has the column item.size; revision first does not."
    )


def test_a_database_that_was_never_adopted_is_compared_and_left_alone(
    project: Project, any_database: str
) -> None:
    """There are no revisions then, and saying one is an error that names what can be said."""
    shop = open_shop(project, any_database)

    ended = diff(shop, "--check")
    with_revision = diff(shop, "--to", "head")

    assert (ended.code, shop.tables()) == (0, ["item"]), ended.stderr
    assert (with_revision.code, with_revision.verdict) == (
        2,
        "Error: --to head: there are no revisions. Say `database`, `models` or `base`.",
    )


def test_tables_of_others_are_no_difference(shop: Shop) -> None:
    """A foreign table is listed; one of ours is too when the setting calls it foreign."""
    shop.execute("CREATE TABLE job (id INT)")

    ended = diff(shop, "--check")
    foreign = shop.project.flask("db-diff", "--json", "--check", FLASK_SCHEMAFLOW_FOREIGN_TABLES="it*")

    assert (ended.code, keys(ended)) == (0, []), ended.stderr
    assert [each["subject"] for each in ended.findings("foreign-table")] == ["job"]
    assert foreign.code == 0, foreign.stderr
    assert {each["subject"] for each in foreign.findings("foreign-table")} == {"item", "job"}


def test_an_accepted_difference_does_not_count(shop: Shop) -> None:
    """It is told, and --check passes; the others stop it."""
    shop.execute("CREATE INDEX ix_name ON item (name)")

    accepted = diff(shop, "--check", "--accept", "extra-index:item.ix_name")
    wrong = diff(shop, "--accept", "index:item")

    assert (accepted.code, keys(accepted)) == (0, ["extra-index:item.ix_name"]), accepted.stderr
    assert wrong.code == 2


def test_a_revision_that_is_not_there_is_an_error(shop: Shop) -> None:
    """So is one that is not clear."""
    shop.add("second", "first", ADD_SIZE)
    shop.add("third", "first")

    assert diff(shop, "--from", "nowhere").verdict == (
        "Error: --from nowhere: There is no revision 'nowhere': no revision begins with it. "
        "Or say `database`, `models`, `head` or `base`."
    )
    assert diff(shop, "--to", "head").verdict == (
        "Error: --to head: there are several heads, second, third. Say which, or join them: "
        "`flask db merge heads`."
    )


def test_a_server_that_does_not_answer_is_busy(project: Project, postgresql: str) -> None:
    """Exit code 4: nothing is known of the difference."""
    open_shop(project, postgresql)
    project.environment["DATABASE"] = "postgresql+psycopg://postgres@127.0.0.1:9/none"

    ended = project.flask("db-diff", "--check")

    assert ended.code == 4, ended.stderr
