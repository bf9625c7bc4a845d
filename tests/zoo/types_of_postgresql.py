"""Types with names that only PostgreSQL has."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.types import TypeDecorator, UserDefinedType

from . import POSTGRESQL, SQLITE, before, case, table
from .stored_types import Trimmed, columns


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


@case(POSTGRESQL)
def ty_postgresql(m):
    columns(
        m,
        postgresql.JSONB,
        postgresql.INET,
        postgresql.CIDR,
        postgresql.MACADDR,
        postgresql.BYTEA,
        postgresql.TSVECTOR,
        postgresql.MONEY,
        postgresql.OID,
        postgresql.REGCLASS,
        postgresql.BIT(3),
        postgresql.BIT(varying=True),
        postgresql.TIMESTAMP(precision=3),
        postgresql.TIME(precision=2),
        postgresql.INTERVAL(fields="YEAR TO MONTH"),
        postgresql.DOUBLE_PRECISION,
    )


@case(POSTGRESQL)
def ty_postgresql_jsonb_of_text(m):
    columns(m, postgresql.JSONB(astext_type=sa.Text()), postgresql.JSON(astext_type=sa.Text()))


@case(POSTGRESQL)
def ty_postgresql_arrays(m):
    columns(
        m,
        postgresql.ARRAY(sa.Integer),
        postgresql.ARRAY(sa.String(20), dimensions=2),
        sa.ARRAY(sa.Text),
        postgresql.ARRAY(sa.Numeric(8, 2)),
    )


@case(POSTGRESQL)
def ty_postgresql_array_of_enum(m):
    columns(m, postgresql.ARRAY(sa.Enum("a", "b", name="ae")))


@case(POSTGRESQL)
def ty_postgresql_array_of_custom(m):
    columns(m, postgresql.ARRAY(Trimmed(20)))


@case(POSTGRESQL)
def ty_postgresql_ranges(m):
    columns(m, postgresql.INT4RANGE, postgresql.TSTZRANGE, postgresql.NUMRANGE, postgresql.DATEMULTIRANGE)


@case(POSTGRESQL)
def ty_postgresql_enum(m):
    columns(m, postgresql.ENUM("a", "b", name="pge"))


@case(POSTGRESQL)
def ty_postgresql_domain(m):
    columns(m, postgresql.DOMAIN("posint", sa.Integer, check="VALUE > 0", not_null=True, default="1"))
