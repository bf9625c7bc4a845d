"""What a revision does in a session of SQLAlchemy's ORM is recorded as what it sends itself."""

from __future__ import annotations

import pytest
from recorders import BACK, HEAD, Recorder

MODELS = """
from sqlalchemy import orm
from sqlalchemy.orm import Session, declarative_base, sessionmaker

Base = declarative_base()


class User(Base):
    __tablename__ = "users"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50))
"""


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    return Recorder(tmp_path_factory.mktemp("recorder"))


def source(*body: str) -> str:
    lines = "".join(f"    {line}\n" for line in body)
    return f"{HEAD}\n{MODELS}\n\ndef upgrade():\n{lines}{BACK}"


@pytest.mark.parametrize(
    "session", ["Session(bind=op.get_bind())", "orm.Session(op.get_bind())", "sessionmaker(op.get_bind())()"]
)
def test_statements_of_a_session(recorder: Recorder, session: str) -> None:
    """All that a session sends is seen, and what comes after it."""
    recorded = recorder.record_source(
        source(
            f"session = {session}",
            "session.execute(sa.text('DELETE FROM users'))",
            "session.execute(sa.delete(User).where(User.id > 7))",
            "session.query(User).filter(User.name == 'x').delete()",
            "session.query(User).update({'name': 'y'}, synchronize_session=False)",
            "session.connection().execute(sa.text('DELETE FROM orders'))",
            "session.flush()",
            "session.commit()",
            "session.close()",
            "op.drop_table('orders')",
        )
    )
    assert [each.label for each in recorded.operations] == [
        "execute DELETE FROM users",
        "execute DELETE FROM users WHERE users.id > 7",
        "execute DELETE FROM users WHERE users.name = 'x'",
        "execute UPDATE users SET name='y'",
        "execute DELETE FROM orders",
        "drop_table orders",
    ]
    assert recorded.unseen == ()


def test_questions_of_a_session_have_no_answer(recorder: Recorder) -> None:
    """Loops over rows run for none; that it was asked is told, with its line, and what follows is seen."""
    recorded = recorder.record_source(
        source(
            "session = Session(bind=op.get_bind())",
            "for user in session.query(User).all():",
            "    user.name = user.name.strip()",
            "for user in session.scalars(sa.select(User)):",
            "    session.delete(user)",
            "assert session.get(User, 1) is None",
            "assert session.query(User).first() is None",
            "assert session.scalar(sa.select(sa.func.count()).select_from(User)) is None",
            "assert session.query(User).filter_by(name='x').one_or_none() is None",
            "session.commit()",
            "op.drop_table('orders')",
        )
    )
    assert [each.label for each in recorded.operations] == ["drop_table orders"]
    assert {each.reason for each in recorded.unseen} == {
        "asks the database; what depends on the answer was not seen"
    }


@pytest.mark.parametrize(
    "adding",
    [
        "session.add_all([User(name='x'), User(name='y')])",
        "session.bulk_insert_mappings(User, [{'name': 'x'}])",
        "session.execute(sa.insert(User), [{'name': 'x'}])",
        "session.merge(User(id=1, name='x'))",
    ],
)
def test_rows_of_a_session(recorder: Recorder, adding: str) -> None:
    """New rows are told, at the latest when they are flushed."""
    recorded = recorder.record_source(
        source(
            "session = Session(bind=op.get_bind())",
            adding,
            "session.commit()",
            "op.drop_table('orders')",
        )
    )
    assert [each.label for each in recorded.operations][1:] == ["drop_table orders"]
    assert recorded.operations[0].label.startswith("execute INSERT INTO users (id, name)")
    assert not any("what follows" in each.reason for each in recorded.unseen)


def test_what_is_deleted_in_a_session_is_a_hazard(recorder: Recorder) -> None:
    """As it is where the revision sends the statement by ``op.execute``."""
    body = ("from sqlalchemy import orm", "orm.Session(op.get_bind()).execute(sa.text('TRUNCATE users'))")
    assert recorder.keys(*body, family="postgresql") == recorder.keys(
        "op.execute('TRUNCATE users')", family="postgresql"
    )
