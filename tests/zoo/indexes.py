"""Indexes."""

import sqlalchemy as sa

from . import MARIADB, POSTGRESQL, SQLITE, case, table


@case()
def ix_plain(m):
    table(m, sa.Column("a", sa.Integer, index=True), sa.Column("b", sa.Integer), sa.Index("ix_ab", "a", "b"))


@case()
def ix_unique(m):
    table(m, sa.Column("a", sa.Integer), sa.Index("ix_u", "a", unique=True))


@case()
def ix_unique_and_index_flags(m):
    table(m, sa.Column("a", sa.String(9), unique=True, index=True))


@case()
def ix_desc(m):
    t = table(m, sa.Column("a", sa.Integer), sa.Column("b", sa.Integer))
    sa.Index("ix_d", t.c.a.desc(), t.c.b)


@case(SQLITE, POSTGRESQL)
def ix_desc_text(m):
    table(m, sa.Column("a", sa.Integer), sa.Index("ix_d", sa.text("a DESC")))


@case(POSTGRESQL)
def ix_nulls_first(m):
    t = table(m, sa.Column("a", sa.Integer))
    sa.Index("ix_n", t.c.a.desc().nulls_last(), t.c.id.asc().nulls_first())


@case(SQLITE, POSTGRESQL)
def ix_expression(m):
    t = table(m, sa.Column("s", sa.String(20)), sa.Column("a", sa.Integer))
    sa.Index("ix_low", sa.func.lower(t.c.s))
    sa.Index("ix_low_u", sa.func.lower(t.c.s), t.c.a, unique=True)


@case(SQLITE, POSTGRESQL)
def ix_expressions_with_signs(m):
    t = table(m, sa.Column("s", sa.String(20)), sa.Column("a", sa.Integer))
    sa.Index("ix_sum", t.c.a + 1)
    sa.Index("ix_pct", t.c.a % 3)
    sa.Index("ix_coal", sa.func.coalesce(t.c.a, 0), sa.func.substr(t.c.s, 1, 3))
    sa.Index("ix_text", sa.text("(a * 2)"))


@case(SQLITE)
def ix_collation_sqlite(m):
    t = table(m, sa.Column("s", sa.String(20)))
    sa.Index("ix_co", t.c.s.collate("NOCASE"))


@case(POSTGRESQL)
def ix_collation_postgresql(m):
    t = table(m, sa.Column("s", sa.String(20)))
    sa.Index("ix_co", t.c.s.collate("C"))


@case(SQLITE)
def ix_partial_sqlite(m):
    t = table(m, sa.Column("a", sa.Integer), sa.Column("s", sa.String(9)))
    sa.Index("ix_part", "a", sqlite_where=sa.text("a > 5"))
    sa.Index("ix_part_like", t.c.s, sqlite_where=t.c.s.like("x%"))
    sa.Index("ix_part_in", t.c.s, sqlite_where=t.c.s.in_(["a", "b"]))
    t.append_constraint(sa.CheckConstraint("a <> 1"))


@case(POSTGRESQL)
def ix_partial_postgresql(m):
    t = table(m, sa.Column("a", sa.Integer), sa.Column("s", sa.String(9)))
    sa.Index("ix_part", t.c.a, postgresql_where=sa.text("a > 5"))
    sa.Index("ix_part_like", t.c.s, postgresql_where=t.c.s.like("x%"))
    sa.Index("ix_part_in", t.c.s, postgresql_where=t.c.s.in_(["a", "b"]))


@case()
def ix_partial_on_both(m):
    t = table(m, sa.Column("a", sa.Integer), sa.Column("s", sa.String(9)))
    sa.Index("uq_active", t.c.s, unique=True, sqlite_where=t.c.a.is_(None), postgresql_where=t.c.a.is_(None))


@case(POSTGRESQL)
def ix_methods(m):
    from sqlalchemy.dialects.postgresql import JSONB

    t = table(m, sa.Column("j", JSONB), sa.Column("a", sa.Integer), sa.Column("s", sa.Text))
    sa.Index("ix_gin", t.c.j, postgresql_using="gin")
    sa.Index("ix_gin_ops", t.c.j, postgresql_using="gin", postgresql_ops={"j": "jsonb_path_ops"})
    sa.Index("ix_brin", t.c.a, postgresql_using="brin", postgresql_with={"pages_per_range": 64})
    sa.Index("ix_hash", t.c.a, postgresql_using="hash")
    sa.Index("ix_pattern", t.c.s, postgresql_ops={"s": "text_pattern_ops"})
    sa.Index("ix_fill", t.c.a, postgresql_with={"fillfactor": 50})


@case(POSTGRESQL)
def ix_include(m):
    table(
        m,
        sa.Column("a", sa.Integer),
        sa.Column("b", sa.Integer),
        sa.Index("ix_inc", "a", postgresql_include=["b"]),
    )


@case(POSTGRESQL)
def ix_nulls_not_distinct(m):
    table(
        m,
        sa.Column("a", sa.Integer),
        sa.Index("ix_nnd", "a", unique=True, postgresql_nulls_not_distinct=True),
    )


@case(POSTGRESQL)
def ix_text_search(m):
    t = table(m, sa.Column("s", sa.Text))
    sa.Index("ix_ts", sa.text("to_tsvector('english'::regconfig, s)"), postgresql_using="gin", _table=t)


@case(MARIADB)
def ix_mariadb(m):
    t = table(m, sa.Column("s", sa.String(200)), sa.Column("x", sa.Text), sa.Column("a", sa.Integer))
    sa.Index("ix_len", t.c.s, mysql_length=10, mariadb_length=10)
    sa.Index("ix_len_text", t.c.x, t.c.a, mysql_length={"x": 20}, mariadb_length={"x": 20})
    sa.Index("ix_full", t.c.x, mysql_prefix="FULLTEXT", mariadb_prefix="FULLTEXT")
    sa.Index("ix_hash", t.c.a, mysql_using="hash", mariadb_using="hash")


@case()
def ix_of_foreign_key(m):
    table(m, name="p")
    table(
        m,
        sa.Column("f", sa.ForeignKey("p.id"), index=True),
        sa.Column("g", sa.ForeignKey("p.id")),
        sa.Index("ix_t_g", "g"),
    )


@case(naming_convention={"ix": "ix_%(column_0_N_label)s"})
def ix_by_convention(m):
    table(m, sa.Column("a", sa.Integer, index=True), sa.Column("b", sa.Integer), sa.Index(None, "a", "b"))


@case()
def ix_many(m):
    table(m, *(sa.Column(f"c{n}", sa.Integer, index=True) for n in range(12)))
