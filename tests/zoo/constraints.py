"""Keys, uniques, checks, foreign keys."""

import sqlalchemy as sa

from . import ALL, MARIADB, POSTGRESQL, SQLALCHEMY, SQLITE, case, table

CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
CONVENTION_ALL_COLUMNS = CONVENTION | {
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_label)s",
}


def parent(m: sa.MetaData, name: str = "p") -> sa.Table:
    return table(m, name=name)


def everything(m: sa.MetaData) -> None:
    parent(m)
    table(
        m,
        sa.Column("a", sa.Integer, index=True),
        sa.Column("b", sa.String(20), unique=True),
        sa.Column("f", sa.ForeignKey("p.id")),
        sa.UniqueConstraint("a", "b"),
        sa.CheckConstraint("a > 0", name="positive"),
    )


@case()
def pk_composite(m):
    sa.Table(
        "t",
        m,
        sa.Column("a", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("b", sa.String(9), primary_key=True),
    )


@case()
def pk_named(m):
    sa.Table("t", m, sa.Column("a", sa.Integer), sa.PrimaryKeyConstraint("a", name="pk_named"))


@case()
def pk_none(m):
    sa.Table("t", m, sa.Column("a", sa.Integer), sa.Column("b", sa.Integer))


@case()
def pk_text(m):
    sa.Table("t", m, sa.Column("code", sa.String(9), primary_key=True))


@case()
def pk_not_autoincrement(m):
    sa.Table("t", m, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False))


@case()
def pk_bigint(m):
    sa.Table("t", m, sa.Column("id", sa.BigInteger, primary_key=True))


@case()
def pk_smallint(m):
    sa.Table("t", m, sa.Column("id", sa.SmallInteger, primary_key=True))


@case()
def pk_order_of_columns(m):
    sa.Table(
        "t", m, sa.Column("b", sa.Integer), sa.Column("a", sa.Integer), sa.PrimaryKeyConstraint("a", "b")
    )


@case()
def pk_is_foreign_key(m):
    parent(m)
    sa.Table("t", m, sa.Column("id", sa.ForeignKey("p.id"), primary_key=True))


@case(SQLITE)
def pk_on_conflict(m):
    sa.Table(
        "t",
        m,
        sa.Column("id", sa.Integer),
        sa.Column("a", sa.Integer, nullable=False, sqlite_on_conflict_not_null="FAIL"),
        sa.Column("b", sa.Integer, unique=True, sqlite_on_conflict_unique="IGNORE"),
        sa.PrimaryKeyConstraint("id", sqlite_on_conflict="REPLACE"),
        sa.UniqueConstraint("a", "b", sqlite_on_conflict="REPLACE"),
    )


@case(POSTGRESQL)
def pk_deferrable(m):
    sa.Table(
        "t",
        m,
        sa.Column("a", sa.Integer),
        sa.PrimaryKeyConstraint("a", name="dpk", deferrable=True, initially="DEFERRED"),
    )


if SQLALCHEMY >= (2, 0, 41):

    @case(POSTGRESQL)
    def pk_include(m):
        sa.Table(
            "t",
            m,
            sa.Column("a", sa.Integer),
            sa.Column("b", sa.Integer),
            sa.PrimaryKeyConstraint("a", name="ipk", postgresql_include=["b"]),
        )


@case()
def ct_unnamed(m):
    everything(m)


@case(naming_convention=CONVENTION)
def ct_by_convention(m):
    everything(m)


@case(naming_convention=CONVENTION_ALL_COLUMNS)
def ct_by_convention_of_all_columns(m):
    everything(m)


@case(naming_convention=CONVENTION)
def ct_named_beside_convention(m):
    parent(m)
    table(
        m,
        sa.Column("a", sa.Integer),
        sa.Column("f", sa.Integer),
        sa.UniqueConstraint("a", name="my_uq"),
        sa.ForeignKeyConstraint(["f"], ["p.id"], name="my_fk"),
        sa.CheckConstraint("a > 1", name=sa.schema.conv("my_ck")),
    )


@case(naming_convention=CONVENTION)
def ct_by_convention_with_long_names(m):
    long = "a_really_long_table_name_that_is_exceeding_the_limits_of_engines"[:50]
    parent(m)
    sa.Table(
        long,
        m,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("another_quite_long_column_name_here", sa.ForeignKey("p.id"), index=True),
        sa.UniqueConstraint("another_quite_long_column_name_here"),
    )


@case()
def ct_named(m):
    parent(m)
    table(
        m,
        sa.Column("a", sa.Integer),
        sa.Column("f", sa.Integer),
        sa.UniqueConstraint("a", name="uq_a"),
        sa.CheckConstraint("a > 0", name="ck_a"),
        sa.ForeignKeyConstraint(["f"], ["p.id"], name="fk_f"),
    )


@case()
def ct_check_expression(m):
    a, s = sa.Column("a", sa.Integer), sa.Column("s", sa.String(9))
    table(
        m,
        a,
        s,
        sa.CheckConstraint(sa.and_(a > 0, a < 100), name="ck_range"),
        sa.CheckConstraint(s.in_(["a", "b"]), name="ck_in"),
    )


@case()
def ct_check_like(m):
    table(m, sa.Column("s", sa.String(9)), sa.CheckConstraint("s LIKE 'x%'", name="ck_like"))


@case()
def ct_check_like_expression(m):
    s = sa.Column("s", sa.String(9))
    table(m, s, sa.CheckConstraint(s.like("x%"), name="ck_e"))


@case(SQLITE, POSTGRESQL)
def ct_check_modulo(m):
    table(m, sa.Column("b", sa.Integer), sa.CheckConstraint("b % 2 = 0", name="ck_mod"))


@case()
def ct_check_colon(m):
    table(
        m, sa.Column("s", sa.String(9)), sa.CheckConstraint(r"s <> '10\:30' AND s <> '\:x'", name="ck_colon")
    )


@case()
def ct_check_quotes(m):
    table(m, sa.Column("s", sa.String(9)), sa.CheckConstraint("s <> 'it''s' AND s <> 'a\"b'", name="ck_q"))


@case()
def ct_check_backslash(m):
    table(m, sa.Column("s", sa.String(9)), sa.CheckConstraint(r"s <> '\\'", name="ck_b"))


@case()
def ct_check_of_several_columns(m):
    table(m, sa.Column("a", sa.Integer), sa.Column("b", sa.Integer), sa.CheckConstraint("a < b OR b IS NULL"))


@case(SQLITE, POSTGRESQL)
def ct_check_on_column(m):
    table(
        m,
        sa.Column("a", sa.Integer, sa.CheckConstraint("a > 1", name="ck_col")),
        sa.Column("b", sa.Integer, sa.CheckConstraint("b > 2")),
    )


@case()
def ct_composite_foreign_key(m):
    sa.Table(
        "p",
        m,
        sa.Column("a", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("b", sa.Integer, primary_key=True, autoincrement=False),
    )
    table(
        m,
        sa.Column("x", sa.Integer),
        sa.Column("y", sa.Integer),
        sa.ForeignKeyConstraint(["x", "y"], ["p.a", "p.b"]),
    )


@case()
def ct_foreign_key_to_itself(m):
    table(m, sa.Column("parent_id", sa.ForeignKey("t.id")))


@case()
def ct_actions(m):
    parent(m)
    table(
        m,
        sa.Column("a", sa.ForeignKey("p.id", ondelete="CASCADE")),
        sa.Column("b", sa.ForeignKey("p.id", ondelete="SET NULL", onupdate="CASCADE")),
        sa.Column("c", sa.ForeignKey("p.id", ondelete="RESTRICT")),
    )


@case(SQLITE, POSTGRESQL)
def ct_deferrable(m):
    parent(m)
    table(
        m,
        sa.Column("a", sa.Integer),
        sa.Column("b", sa.Integer),
        sa.Column("c", sa.Integer),
        sa.ForeignKeyConstraint(["a"], ["p.id"], name="fk_d", deferrable=True, initially="DEFERRED"),
        sa.ForeignKeyConstraint(["b"], ["p.id"], name="fk_n", deferrable=False),
        sa.ForeignKeyConstraint(["c"], ["p.id"], name="fk_i", deferrable=True),
    )


@case(POSTGRESQL)
def ct_deferrable_unique(m):
    table(
        m,
        sa.Column("u", sa.Integer),
        sa.UniqueConstraint("u", name="uq_d", deferrable=True, initially="DEFERRED"),
    )


@case(SQLITE, POSTGRESQL)
def ct_match(m):
    sa.Table(
        "p", m, sa.Column("a", sa.Integer, primary_key=True), sa.Column("b", sa.Integer, primary_key=True)
    )
    table(
        m,
        sa.Column("x", sa.Integer),
        sa.Column("y", sa.Integer),
        sa.ForeignKeyConstraint(["x", "y"], ["p.a", "p.b"], match="FULL"),
    )


@case()
def ct_foreign_key_by_key(m):
    sa.Table("p", m, sa.Column("real_id", sa.Integer, primary_key=True, key="id"))
    table(m, sa.Column("real_name", sa.ForeignKey("p.id"), key="p_id"))


@case()
def ct_foreign_key_to_unique(m):
    table(m, sa.Column("code", sa.String(9), unique=True), name="p")
    table(m, sa.Column("p_code", sa.ForeignKey("p.code")))


def _cycle(m: sa.MetaData, **options: object) -> None:
    table(m, sa.Column("b_id", sa.ForeignKey("b.id", **options)), name="a")
    table(m, sa.Column("a_id", sa.ForeignKey("a.id")), name="b")


@case()
def ct_cycle(m):
    _cycle(m)


@case()
def ct_cycle_named(m):
    _cycle(m, name="fk_ab")


@case()
def ct_cycle_use_alter(m):
    _cycle(m, name="fk_ab", use_alter=True)


@case(naming_convention=CONVENTION)
def ct_cycle_by_convention(m):
    _cycle(m)


@case(naming_convention=CONVENTION)
def ct_cycle_by_convention_use_alter(m):
    _cycle(m, use_alter=True)


@case()
def ct_use_alter_without_cycle(m):
    parent(m)
    table(m, sa.Column("f", sa.ForeignKey("p.id", name="fk_ua", use_alter=True)))


@case()
def ct_cycle_of_three(m):
    table(m, sa.Column("b_id", sa.ForeignKey("b.id", name="fk_ab")), name="a")
    table(m, sa.Column("c_id", sa.ForeignKey("c.id")), name="b")
    table(m, sa.Column("a_id", sa.ForeignKey("a.id")), sa.Column("c_id", sa.ForeignKey("c.id")), name="c")


@case()
def ct_use_alter_beside_others(m):
    parent(m)
    table(
        m,
        sa.Column("a", sa.ForeignKey("p.id", name="fk_a", use_alter=True)),
        sa.Column("b", sa.ForeignKey("p.id", name="fk_b")),
        sa.Column("c", sa.ForeignKey("t.id", name="fk_c", use_alter=True)),
        sa.Column("d", sa.ForeignKey("p.id")),
    )


@case()
def ct_cycle_of_quoted_names(m):
    table(m, sa.Column("B id", sa.ForeignKey("Order B.id")), name="a's")
    table(m, sa.Column("%(a)s", sa.ForeignKey("a's.id")), name="Order B")


@case()
def ct_cycle_with_others_between(m):
    table(m, sa.Column("c_id", sa.ForeignKey("c.id")), sa.Column("again", sa.ForeignKey("c.id")), name="a")
    table(m, sa.Column("a_id", sa.ForeignKey("a.id")), name="b")
    table(m, sa.Column("b_id", sa.ForeignKey("b.id")), sa.Column("a_id", sa.ForeignKey("a.id")), name="c")
    table(m, sa.Column("a_id", sa.ForeignKey("a.id")), sa.Column("c_id", sa.ForeignKey("c.id")), name="d")


@case(*ALL)
def ct_unique_twice(m):
    table(m, sa.Column("a", sa.Integer, unique=True), sa.UniqueConstraint("a", name="uq_again"))


@case(MARIADB)
def ct_foreign_key_with_index(m):
    parent(m)
    table(m, sa.Column("f", sa.ForeignKey("p.id"), index=True))
