"""Names: reserved, quoted, strange, long."""

import sqlalchemy as sa
from sqlalchemy.sql import quoted_name

from . import MARIADB, POSTGRESQL, SQLITE, case, table


@case()
def nm_reserved(m):
    table(
        m,
        sa.Column("select", sa.Integer, index=True),
        sa.Column("order", sa.Integer),
        sa.UniqueConstraint("order"),
        name="user",
    )
    table(m, sa.Column("from", sa.ForeignKey("user.id")), name="group")


@case()
def nm_mixed_case(m):
    table(m, sa.Column("MixedCase", sa.Integer, index=True), name="MyTable")
    table(m, sa.Column("Ref", sa.ForeignKey("MyTable.id")), name="Other")


@case()
def nm_spaces(m):
    table(
        m,
        sa.Column("two words", sa.Integer),
        sa.UniqueConstraint("two words", name="uq two"),
        sa.Index("ix two", "two words"),
        name="my table",
    )
    table(m, sa.Column("f", sa.ForeignKey("my table.id")))


@case()
def nm_quotes(m):
    table(
        m,
        sa.Column("it's", sa.Integer),
        sa.Column('say "hi"', sa.Integer),
        sa.Column("a", sa.Integer),
        sa.CheckConstraint("a > 0", name='it\'s "ck"'),
        name="o'table",
    )


@case()
def nm_percent(m):
    table(
        m,
        sa.Column("100%", sa.Integer),
        sa.Index("ix 100%", "100%"),
        sa.UniqueConstraint("100%", name="uq 100%"),
        name="t 50%",
    )


@case(SQLITE, POSTGRESQL)
def nm_parentheses(m):
    table(m, sa.Column("a(b)", sa.Integer), sa.Index("ix(1)", "a(b)"), name="t(x)")


@case()
def nm_unicode(m):
    table(m, sa.Column("größe", sa.Integer, index=True), name="straße")
    table(m, sa.Column("名", sa.ForeignKey("straße.id")), name="表")


@case()
def nm_dot(m):
    table(m, sa.Column("c.d", sa.Integer), sa.Index("ix.1", "c.d"), name="a.b")


@case()
def nm_dot_in_foreign_key(m):
    p = table(m, name="a.b")
    table(m, sa.Column("f", sa.Integer), sa.ForeignKeyConstraint(["f"], [p.c.id]))


@case()
def nm_long(m):
    long = "n" * 63
    table(
        m,
        sa.Column("c" * 63, sa.Integer),
        sa.Index("i" * 63, "c" * 63),
        sa.UniqueConstraint("c" * 63, name="u" * 63),
        name=long,
    )


@case(naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s"})
def nm_truncated(m):
    table(m, sa.Column("c" * 40, sa.Integer, index=True), name="t" * 40)


@case()
def nm_quoted(m):
    sa.Table(
        quoted_name("lower_q", True),
        m,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(quoted_name("col", True), sa.Integer, index=True),
        sa.Column("UPPER", sa.Integer),
    )


@case(SQLITE, POSTGRESQL)
def nm_not_quoted(m):
    sa.Table(
        quoted_name("UnQuoted", False),
        m,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(quoted_name("MiXed", False), sa.Integer),
    )


@case()
def nm_leading_underscore(m):
    table(m, sa.Column("_a", sa.Integer), sa.Column("1st", sa.Integer), name="_private")


@case(MARIADB, SQLITE)
def nm_backtick(m):
    table(m, sa.Column("a`b", sa.Integer), name="t`x")


@case()
def nm_same_as_type(m):
    table(
        m,
        sa.Column("date", sa.Date),
        sa.Column("text", sa.Text),
        sa.Column("key", sa.String(9), index=True),
        name="values",
    )
