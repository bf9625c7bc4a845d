"""What only PostgreSQL has, beyond the types, keys and indexes of the other modules."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ENUM, ExcludeConstraint
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import TypeDecorator, UserDefinedType

from . import POSTGRESQL, SQLALCHEMY, SQLITE, case, table


def before(target: object, statement: str) -> None:
    sa.event.listen(target, "before_create", sa.DDL(statement))


def after(target: object, statement: str) -> None:
    sa.event.listen(target, "after_create", sa.DDL(statement))


class Tagged(TypeDecorator):
    """A list of texts."""

    impl = postgresql.ARRAY(sa.String(20))
    cache_ok = True


class Level(TypeDecorator):
    """An enum of the app's own."""

    impl = sa.Enum("low", "high", name="level")
    cache_ok = True


class Address(UserDefinedType):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "address"


# types with names


@case(POSTGRESQL)
def pg_enums_in_two_tables(m):
    table(m, sa.Column("a", sa.Enum("x", name="one")), sa.Column("b", sa.Enum("y", name="two")))
    table(
        m,
        sa.Column("b", sa.Enum("y", name="two")),
        sa.Column("c", sa.Enum("z", name="three")),
        sa.Column("a", sa.Enum("x", name="one")),
        name="u",
    )


@case(POSTGRESQL)
def pg_enums_of_metadata_in_another_order(m):
    one, two = sa.Enum("x", name="one", metadata=m), sa.Enum("y", name="two", metadata=m)
    table(m, sa.Column("b", two))
    table(m, sa.Column("a", one), sa.Column("b", two), name="u")


@case(POSTGRESQL)
def pg_enum_and_array_of_it(m):
    mood = sa.Enum("sad", "glad", name="mood")
    table(m, sa.Column("a", mood), sa.Column("b", postgresql.ARRAY(mood)))


@case(POSTGRESQL)
def pg_enum_with_default_cast(m):
    table(m, sa.Column("a", sa.Enum("x", "y", name="xy"), server_default=sa.text("'x'::xy")))


@case(SQLITE, POSTGRESQL)
def pg_enum_as_variant(m):
    table(m, sa.Column("a", sa.String(9).with_variant(ENUM("x", "y", name="xy"), "postgresql")))


@case(SQLITE, POSTGRESQL)
def pg_enum_as_variant_elsewhere(m):
    table(m, sa.Column("a", sa.Enum("x", "y", name="xy").with_variant(sa.String(5), "sqlite")))


@case(POSTGRESQL)
def pg_enum_of_a_decorator(m):
    table(m, sa.Column("a", Level()), sa.Column("b", Level(), server_default="low"))


@case(POSTGRESQL)
def pg_enum_of_an_event(m):
    before(m, "CREATE TYPE mood AS ENUM ('sad', 'glad')")
    table(m, sa.Column("a", ENUM("sad", "glad", name="mood", create_type=False)))


@case(POSTGRESQL)
def pg_enum_with_quoted_name(m):
    table(m, sa.Column("a", sa.Enum("x", name='Say "hi"')), sa.Column("b", sa.Enum("y", name="user")))


@case(POSTGRESQL)
def pg_enum_in_another_schema(m):
    before(m, "CREATE SCHEMA app")
    table(m, sa.Column("a", sa.Enum("x", name="ae", schema="app")))


@case(POSTGRESQL)
def pg_composite_type(m):
    before(m, "CREATE TYPE address AS (street text, number int)")
    table(m, sa.Column("a", Address()))


@case(POSTGRESQL)
def pg_domains(m):
    text = postgresql.DOMAIN(
        "label", sa.String(20), collation="C", constraint_name="no_colon", check="VALUE <> ':x%'"
    )
    number = postgresql.DOMAIN("positive", sa.Numeric(8, 2), check="VALUE > 0")
    table(m, sa.Column("a", text), sa.Column("b", number))
    table(m, sa.Column("b", number, server_default="1"), name="u")


@case(POSTGRESQL)
def pg_domain_unused(m):
    postgresql.DOMAIN("lonely", sa.Integer, check="VALUE > 0", metadata=m)
    table(m)


@case(POSTGRESQL)
def pg_domain_in_schema(m):
    before(m, "CREATE SCHEMA app")
    table(
        m,
        sa.Column("a", postgresql.DOMAIN("posint", sa.Integer, check="VALUE > 0", schema="app")),
        schema="app",
    )


@case(POSTGRESQL)
def pg_array_of_domain(m):
    table(m, sa.Column("a", postgresql.ARRAY(postgresql.DOMAIN("posint", sa.Integer, check="VALUE > 0"))))


@case(POSTGRESQL)
def pg_decorated_array(m):
    table(m, sa.Column("a", Tagged()), sa.Column("b", postgresql.ARRAY(sa.Uuid), server_default="{}"))


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
        sa.Column("e", sa.Text, server_default=sa.text("$$it's :x$$")),
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


# events


@case(POSTGRESQL)
def pg_functions(m):
    before(m, "CREATE FUNCTION f(a int, b text DEFAULT ')') RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2'")
    before(m, "CREATE FUNCTION g(int) RETURNS int IMMUTABLE LANGUAGE sql AS $x$ SELECT $1 * 5 $x$")
    before(m, "CREATE OR REPLACE FUNCTION g(text, OUT n int) IMMUTABLE LANGUAGE sql AS 'SELECT 5'")
    before(m, "CREATE PROCEDURE p(a int) LANGUAGE sql AS $$ CREATE TABLE never (); $$")
    before(m, "CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')")
    table(
        m,
        sa.Column("a", sa.Integer, server_default=sa.text("g(7)")),
        sa.Column("b", sa.Integer, sa.Computed("g(3)", persisted=True)),
        sa.CheckConstraint("g(a) > 0"),
    )


@case(POSTGRESQL)
def pg_several_statements_at_once(m):
    before(
        m,
        """
        -- CREATE TABLE never (a int);
        CREATE SEQUENCE one; /* CREATE VIEW never */ CREATE TYPE two AS (a int, b text);
        CREATE DOMAIN three AS text CHECK (VALUE <> '; CREATE TABLE never');
        """,
    )
    table(m, sa.Column("a", sa.Integer))


@case(POSTGRESQL)
def pg_triggers(m):
    before(m, "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
    before(m, "CREATE SCHEMA app")
    t = table(m, sa.Column("a", sa.Integer), name="My Table", schema="app")
    on = 'ON app."My Table" FOR EACH ROW EXECUTE FUNCTION f()'
    after(t, f'CREATE TRIGGER "tr 1" BEFORE INSERT OR UPDATE {on}')
    after(t, f"CREATE CONSTRAINT TRIGGER tr2 AFTER DELETE {on.replace(' FOR', ' DEFERRABLE FOR')}")
    after(t, 'CREATE RULE r AS ON DELETE TO app."My Table" DO INSTEAD NOTHING')


@case(POSTGRESQL)
def pg_event_trigger(m):
    after(m, "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$")
    after(m, "CREATE EVENT TRIGGER et ON ddl_command_end WHEN TAG IN ('COMMENT') EXECUTE FUNCTION f()")
    table(m)


@case(POSTGRESQL)
def pg_policies(m):
    t = table(m, sa.Column("a", sa.Integer))
    after(t, "ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    after(t, "CREATE POLICY mine ON t USING (a > 5 AND current_user <> ':x%%')")


@case(POSTGRESQL)
def pg_views(m):
    table(m, sa.Column("a", sa.Integer))
    after(m, "CREATE VIEW v AS SELECT id, a FROM t WHERE a IN (1, 2) WITH CHECK OPTION")
    after(m, 'CREATE OR REPLACE VIEW "V 2" AS SELECT a FROM v')
    after(m, "CREATE MATERIALIZED VIEW mv AS SELECT a FROM v WITH NO DATA")
    after(m, "CREATE UNIQUE INDEX ix_mv ON mv (a)")
    after(
        m, "CREATE RECURSIVE VIEW numbers (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 9"
    )
    after(m, "COMMENT ON VIEW v IS 'it''s 50%%'")


@case(POSTGRESQL)
def pg_statistics_and_collation(m):
    before(m, "CREATE COLLATION german (LOCALE = 'C')")
    t = table(m, sa.Column("a", sa.String(9, collation="german")), sa.Column("b", sa.Integer))
    after(t, "CREATE STATISTICS st (dependencies) ON a, b FROM t")
    after(t, "ALTER TABLE t ALTER COLUMN a SET STATISTICS 500")
    after(t, "ALTER TABLE t ALTER COLUMN a SET STORAGE EXTERNAL")


@case(POSTGRESQL)
def pg_extension_types(m):
    before(m, "CREATE EXTENSION IF NOT EXISTS citext")
    before(m, "CREATE EXTENSION IF NOT EXISTS hstore")
    types = [postgresql.HSTORE()] + ([postgresql.CITEXT()] if hasattr(postgresql, "CITEXT") else [])
    table(m, *(sa.Column(f"c{n}", type_) for n, type_ in enumerate(types)))


@case(POSTGRESQL)
def pg_added_later(m):
    t = table(m, sa.Column("a", sa.Integer))
    after(t, "ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 5")
    after(t, "CREATE INDEX ix_b ON t USING hash (b)")
    after(t, "ALTER TABLE t REPLICA IDENTITY FULL")
    after(t, "ALTER TABLE t SET (autovacuum_enabled = false)")


@case(POSTGRESQL)
def pg_table_in_an_unlisted_schema(m):
    before(m, "CREATE SCHEMA IF NOT EXISTS side AUTHORIZATION CURRENT_USER")
    after(m, "CREATE TABLE side.extra (id int)")
    table(m)
