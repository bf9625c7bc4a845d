"""What the tables of whole applications are made of."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def model(m: sa.MetaData, name: str, *items: Any, **options: Any) -> sa.Table:
    """Make a table with an ``id`` that counts."""
    return sa.Table(name, m, sa.Column("id", sa.Integer, primary_key=True), *items, **options)


def link(m: sa.MetaData, name: str, left: str, right: str, *items: Any, **options: Any) -> sa.Table:
    """Make an association table: two foreign keys are its key."""
    columns = [
        sa.Column(
            f"{target.split('.')[-2]}_id",
            sa.ForeignKey(target, ondelete="CASCADE"),
            primary_key=True,
            index=target == right,
        )
        for target in (left, right)
    ]
    return sa.Table(name, m, *columns, *items, **options)


def ref(target: str, name: str | None = None, *, null: bool = False, **key: Any) -> sa.Column[Any]:
    """Make a column with a foreign key and an index."""
    return sa.Column(
        name or f"{target.split('.')[-2]}_id", sa.ForeignKey(target, **key), nullable=null, index=True
    )


def text(name: str, length: int = 120, **options: Any) -> sa.Column[Any]:
    """Make a column of short text."""
    return sa.Column(name, sa.String(length), **{"nullable": False, **options})


def whole(name: str, default: int | None = None, **options: Any) -> sa.Column[Any]:
    """Make a column of whole numbers."""
    given = {} if default is None else {"server_default": str(default)}
    return sa.Column(name, sa.Integer, **{"nullable": False, **given, **options})


def money(name: str, **options: Any) -> sa.Column[Any]:
    """Make a column of an amount."""
    return sa.Column(name, sa.Numeric(12, 2), **{"nullable": False, **options})


def flag(name: str, default: bool = False) -> sa.Column[Any]:
    """Make a column that is true or false."""
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.true() if default else sa.false())


def moment(name: str, *, now: bool = False, **options: Any) -> sa.Column[Any]:
    """Make a column of a point in time; ``now`` is its default."""
    given = {"server_default": sa.func.now(), "nullable": False} if now else {}
    return sa.Column(name, sa.DateTime, **{**given, **options})
