"""What only PostgreSQL has, beyond the types, keys and indexes of the other modules."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.sql import quoted_name

from . import POSTGRESQL, SQLALCHEMY, after, before, case, table

# sequences, defaults, identity


@case(POSTGRESQL)
def pg_sequences_everywhere(m):
    before(m, "CREATE SCHEMA app")
    shared = sa.Sequence("shared", schema="app", metadata=m)
    table(m, sa.Column("n", sa.Integer, shared, server_default=shared.next_value()))
    table(m, sa.Column("n", sa.BigInteger, server_default=shared.next_value()), name="u", schema="app")


@case(POSTGRESQL)
def pg_sequence_with_quoted_name(m):
    numbers = sa.Sequence('My "own" 50%', metadata=m)
    table(m, sa.Column("n", sa.Integer, server_default=numbers.next_value()))


@case(POSTGRESQL)
def pg_sequence_optional(m):
    sa.Table("t", m, sa.Column("id", sa.Integer, sa.Sequence("unused", optional=True), primary_key=True))


@case(POSTGRESQL)
def pg_sequence_downwards(m):
    sa.Sequence(
        "down", start=-1, increment=-1, minvalue=-100, maxvalue=-1, data_type=sa.SmallInteger, metadata=m
    )
    table(m)


@case(POSTGRESQL)
def pg_sequence_of_an_event(m):
    t = table(m, sa.Column("n", sa.Integer))
    after(t, "CREATE SEQUENCE own_seq OWNED BY t.n")
    after(t, "ALTER TABLE t ALTER COLUMN n SET DEFAULT nextval('own_seq')")


@case(POSTGRESQL)
def pg_identity_options(m):
    table(
        m,
        sa.Column("a", sa.SmallInteger, sa.Identity(start=-5, increment=-1, minvalue=-50, maxvalue=0)),
        sa.Column("b", sa.BigInteger, sa.Identity(always=True, nominvalue=True, nomaxvalue=True)),
    )


@case(POSTGRESQL)
def pg_defaults(m):
    table(
        m,
        sa.Column("a", sa.Text, server_default=sa.text(r"E'two\\nlines \\\\ \:x 50%'")),
        sa.Column(
            "b", postgresql.JSONB, server_default=sa.text("""'{"a"\\: "50%", "b"\\: [1]}'\\:\\:jsonb""")
        ),
        sa.Column("c", postgresql.ARRAY(sa.Integer), server_default=sa.text("ARRAY[1, 2]")),
        sa.Column("d", sa.Interval, server_default="1 day 10:30"),
        sa.Column("e", sa.Text, server_default=sa.text(r"$$it's \:x$$")),
        sa.Column("f", sa.Date, server_default=sa.cast(sa.literal_column("'2024-01-01'"), sa.Date)),
        sa.Column("g", sa.Integer, server_default=sa.func.coalesce(sa.null(), 5)),
        sa.Column(
            "h", sa.DateTime(timezone=True), server_default=sa.func.now() + sa.text("interval '1 day'")
        ),
    )


@case(POSTGRESQL)
def pg_computed(m):
    table(
        m,
        sa.Column("s", sa.Text),
        sa.Column("a", sa.Text, sa.Computed("s || ':x'", persisted=True)),
        sa.Column(
            "b", postgresql.TSVECTOR, sa.Computed("to_tsvector('simple'::regconfig, s)", persisted=True)
        ),
    )


# keys and checks


@case(POSTGRESQL)
def pg_comments_on_constraints(m):
    table(m, name="p")
    table(
        m,
        sa.Column("a", sa.Integer),
        sa.CheckConstraint("a > 0", name="ck", comment="it's 100%"),
        sa.UniqueConstraint("a", name="uq", comment="once: only"),
        sa.ForeignKeyConstraint(["a"], ["p.id"], name="fk", comment="to p"),
        comment="a table",
    )


@case(POSTGRESQL)
def pg_comments_in_schema(m):
    before(m, "CREATE SCHEMA app")
    table(m, sa.Column("a", sa.Integer, comment="a: 50%"), schema="app", comment="it's")


@case(POSTGRESQL)
def pg_not_valid(m):
    table(m, name="p")
    table(
        m,
        sa.Column("a", sa.Integer),
        sa.CheckConstraint("a > 0", name="ck", postgresql_not_valid=True),
        sa.ForeignKeyConstraint(["a"], ["p.id"], name="fk", postgresql_not_valid=True),
    )


if SQLALCHEMY >= (2, 1):

    @case(POSTGRESQL)
    def pg_key_sets_some_columns_null(m):
        a, b = (sa.Column(name, sa.Integer, primary_key=True) for name in "ab")
        sa.Table("p", m, a, b)
        table(
            m,
            sa.Column("x", sa.Integer),
            sa.Column("y", sa.Integer),
            sa.ForeignKeyConstraint(["x", "y"], ["p.a", "p.b"], ondelete="SET NULL (y)"),
        )


@case(POSTGRESQL)
def pg_cycle_in_schema(m):
    before(m, "CREATE SCHEMA app")
    table(m, sa.Column("b_id", sa.ForeignKey("app.b.id")), name="a", schema="app")
    table(m, sa.Column("a_id", sa.ForeignKey("app.a.id")), name="b", schema="app")


@case(POSTGRESQL)
def pg_exclude_with_operators(m):
    table(
        m,
        sa.Column("Room No", sa.Integer),
        sa.Column("s", sa.Text),
        ExcludeConstraint(("Room No", "="), ("s", "="), using="btree", ops={"s": "text_pattern_ops"}),
        ExcludeConstraint((sa.column("s"), "="), name="ex_hash", using="hash", where="s <> ':x%'"),
    )


@case(POSTGRESQL)
def pg_check_with_signs(m):
    s = sa.Column("s", sa.String(20))
    table(
        m,
        s,
        sa.CheckConstraint(r"s ~ '^[a-z]+\\:\\d%$' AND s <> 'it''s'", name="ck_text"),
        sa.CheckConstraint(s.regexp_match(r"^\d+:x%$"), name="ck_expression"),
        sa.CheckConstraint(r"s\:\:text = ANY (ARRAY['a', 'b'])", name="ck_cast"),
    )


@case(POSTGRESQL)
def pg_check_no_inherit(m):
    t = table(m, sa.Column("a", sa.Integer))
    after(t, "ALTER TABLE t ADD CONSTRAINT ck CHECK (a > 0) NO INHERIT")


# indexes


@case(POSTGRESQL)
def pg_index_with_everything(m):
    t = table(m, sa.Column("a", sa.Integer), sa.Column("S p", sa.Text), sa.Column("c", sa.Integer))
    sa.Index(
        "ix all",
        t.c["S p"].desc().nulls_last(),
        t.c.a,
        postgresql_using="btree",
        postgresql_include=["c"],
        postgresql_where=sa.and_(t.c.a > 5, t.c["S p"] != ":x%"),
        postgresql_with={"fillfactor": 80},
        postgresql_ops={"a": "int4_ops"},
    )


@case(POSTGRESQL)
def pg_index_of_labelled_expression(m):
    t = table(m, sa.Column("s", sa.Text))
    low = sa.func.lower(t.c.s).label("low")
    sa.Index("ix_low", low, postgresql_ops={"low": "text_pattern_ops"})


@case(POSTGRESQL)
def pg_index_with_signs(m):
    t = table(m, sa.Column("s", sa.Text), sa.Column("j", postgresql.JSONB))
    sa.Index("ix_signs", sa.text(r"(s || '\:x 50%')"), _table=t)
    sa.Index("ix_json", t.c.j["a"].astext)
    sa.Index("ix_cast", sa.cast(t.c.s, sa.String(5)), t.c.s.op("||")("%"))


@case(POSTGRESQL)
def pg_index_in_schema(m):
    before(m, "CREATE SCHEMA app")
    t = table(m, sa.Column("a", sa.Integer), sa.Column("b", sa.Integer, unique=True), schema="app")
    sa.Index("ix_expression", t.c.a + 1, postgresql_where=t.c.b > 0)


@case(POSTGRESQL)
def pg_trigram_index(m):
    before(m, "CREATE EXTENSION pg_trgm")
    t = table(m, sa.Column("s", sa.Text))
    sa.Index("ix_trgm", t.c.s, postgresql_using="gin", postgresql_ops={"s": "gin_trgm_ops"})


# tables


@case(POSTGRESQL)
def pg_inherits_twice(m):
    table(m, sa.Column("x", sa.Integer), name="p")
    sa.Table("q", m, sa.Column("y", sa.Integer, nullable=False))
    sa.Table("c", m, sa.Column("z", sa.Integer), postgresql_inherits=("p", "q"))


@case(POSTGRESQL)
def pg_partitions(m):
    t = sa.Table(
        "t",
        m,
        sa.Column("a", sa.Integer, primary_key=True),
        sa.Column("b", sa.Text, primary_key=True),
        sa.Column("c", sa.Integer, index=True),
        postgresql_partition_by="LIST (b)",
    )
    after(t, "CREATE TABLE t_x PARTITION OF t FOR VALUES IN ('x') PARTITION BY HASH (a)")
    after(t, "CREATE TABLE t_x_0 PARTITION OF t_x FOR VALUES WITH (MODULUS 2, REMAINDER 0)")
    after(t, "CREATE TABLE t_rest PARTITION OF t DEFAULT")


@case(POSTGRESQL)
def pg_tablespace(m):
    table(
        m,
        sa.Column("a", sa.Integer),
        sa.Index("ix_a", "a", postgresql_tablespace="pg_default"),
        postgresql_tablespace="pg_default",
    )


if SQLALCHEMY >= (2, 0, 26):

    @case(POSTGRESQL)
    def pg_access_method(m):
        table(m, sa.Column("a", sa.Integer), postgresql_using="heap")


@case(POSTGRESQL)
def pg_names_in_schema(m):
    before(m, 'CREATE SCHEMA "My.App"')
    schema = quoted_name("My.App", True)
    p = table(m, sa.Column("Select", sa.Integer, index=True), name="Order", schema=schema)
    table(m, sa.Column("f", sa.Integer), sa.ForeignKeyConstraint(["f"], [p.c.id]), schema=schema)


@case(POSTGRESQL)
def ct_exclude(m):
    from sqlalchemy.dialects.postgresql import TSRANGE

    table(
        m,
        sa.Column("during", TSRANGE),
        sa.Column("room", sa.Integer),
        ExcludeConstraint(("during", "&&"), name="ex_d", using="gist"),
        ExcludeConstraint(
            (sa.text("int4range(room, room + 1)"), "&&"),
            where=sa.text("room > 3"),
            name="ex_w",
            using="gist",
            deferrable=True,
            initially="DEFERRED",
        ),
    )


@case(POSTGRESQL)
def ct_nulls_not_distinct(m):
    table(m, sa.Column("a", sa.Integer), sa.UniqueConstraint("a", postgresql_nulls_not_distinct=True))


if SQLALCHEMY >= (2, 0, 41):

    @case(POSTGRESQL)
    def ct_unique_include(m):
        table(
            m,
            sa.Column("a", sa.Integer),
            sa.Column("b", sa.Integer),
            sa.UniqueConstraint("a", name="uq_i", postgresql_include=["b"]),
        )
