"""Every way in which ``flask db-safe-upgrade`` ends: bring a shop there, and say what ends so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import sqlalchemy as sa
from anyshop import Shop

ADD_SIZE = "op.add_column('item', sa.Column('size', sa.Integer()))"
HAS_ROWS = "op.get_bind().execute(sa.text('SELECT count(*) FROM item')).scalar()"
# Only on the real database, which has rows, so that scratch does not find it out.
FAIL = f"if {HAS_ROWS}: op.execute('ALTER TABLE nowhere ADD COLUMN x INT')"
LISTENER = """

@db.event.listens_for(__import__("sqlalchemy").Engine, "before_cursor_execute")
def police(connection, cursor, statement, *rest):
    if "alembic_version" in statement:
        raise RuntimeError("nobody reads that table")
"""
EVERYWHERE = ("postgresql", "mariadb", "sqlite")
IMPATIENT = ("--lock-wait", "0.5", "--lock-timeout", "0.5", "--retries", "1")

Prepare = Callable[[Shop], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A way to end, on these engines; the document quotes its last line as it is on the first of them."""

    name: str
    code: int
    prepare: Prepare
    arguments: tuple[str, ...] = ()
    engines: tuple[str, ...] = ("sqlite",)


def _at_once(prepare: Callable[[Shop], object]) -> Prepare:
    def prepared(shop: Shop) -> AbstractContextManager[None]:
        prepare(shop)
        return nullcontext()

    return prepared


def _pending(shop: Shop) -> None:
    shop.add("second", "first", ADD_SIZE)


def _already_upgraded(shop: Shop) -> None:
    _pending(shop)
    assert shop.upgrade().code == 0


def _never_adopted(shop: Shop) -> None:
    _pending(shop)
    shop.execute("DROP TABLE alembic_version")


def _a_bug(shop: Shop) -> None:
    file = shop.project.path / "app.py"
    file.write_text(file.read_text() + LISTENER)


def _drops_a_column(shop: Shop) -> None:
    shop.add("second", "first", "op.drop_column('item', 'name')")


def _rolled_back(shop: Shop) -> None:
    _pending(shop)
    assert shop.upgrade(FLASK_SCHEMAFLOW_RELEASE="2.4.0").code == 0
    (shop.project.path / "migrations" / "versions" / "second.py").unlink()


def _drifted(shop: Shop) -> None:
    _never_adopted(shop)
    shop.execute("ALTER TABLE item ADD COLUMN note INT")


@contextmanager
def _locked(shop: Shop) -> Iterator[None]:
    """Let somebody keep a transaction open that has read the table, or on SQLite writes."""
    _pending(shop)
    engine = sa.create_engine(shop.url)
    with engine.connect() as connection:
        statement = "BEGIN IMMEDIATE" if shop.family == "sqlite" else "SELECT count(*) FROM item"
        connection.exec_driver_sql(statement)
        yield
    engine.dispose()


def _unreachable(shop: Shop) -> None:
    url = sa.make_url(shop.url).set(host="127.0.0.1", port=9)
    shop.project.environment["DATABASE"] = url.render_as_string(hide_password=False)


def _fails(shop: Shop) -> None:
    shop.add("second", "first", ADD_SIZE, FAIL)


def _does_less(shop: Shop) -> None:
    shop.add("second", "first", f"if not {HAS_ROWS}: {ADD_SIZE}")


ENDINGS = (
    Ending(name="upgraded", code=0, prepare=_at_once(_pending), engines=EVERYWHERE),
    Ending(name="nothing to do", code=0, prepare=_at_once(_already_upgraded)),
    Ending(name="never adopted", code=0, prepare=_at_once(_never_adopted), engines=EVERYWHERE),
    Ending(
        name="ahead, and that is ok", code=0, prepare=_at_once(_rolled_back), arguments=("--if-ahead", "ok")
    ),
    Ending(name="a bug", code=1, prepare=_at_once(_a_bug)),
    Ending(
        name="another database", code=2, prepare=_at_once(_pending), arguments=("--expect-database", "shop")
    ),
    Ending(name="drops a column", code=3, prepare=_at_once(_drops_a_column)),
    Ending(name="ahead", code=3, prepare=_at_once(_rolled_back)),
    Ending(name="differs", code=3, prepare=_at_once(_drifted)),
    Ending(name="locked", code=4, prepare=_locked, arguments=IMPATIENT, engines=EVERYWHERE),
    Ending(
        name="unreachable",
        code=4,
        prepare=_at_once(_unreachable),
        arguments=("--wait", "0.5"),
        engines=("mariadb", "postgresql"),
    ),
    Ending(name="fails, undone", code=5, prepare=_at_once(_fails), engines=("postgresql", "sqlite")),
    Ending(name="does less, undone", code=5, prepare=_at_once(_does_less), engines=("postgresql", "sqlite")),
    Ending(name="fails, broken", code=6, prepare=_at_once(_fails), engines=("mariadb",)),
    Ending(name="does less, unverified", code=7, prepare=_at_once(_does_less), engines=("mariadb",)),
)
