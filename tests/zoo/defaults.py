"""Server defaults, computed and identity columns, sequences."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from . import MARIADB, POSTGRESQL, SQLITE, case, table


def defaults(m: sa.MetaData, type_: object, *values: object) -> None:
    table(m, *(sa.Column(f"c{n}", type_, server_default=value) for n, value in enumerate(values)))


@case()
def df_literals(m):
    table(
        m,
        sa.Column("a", sa.Integer, server_default="5"),
        sa.Column("b", sa.Integer, server_default=sa.text("7")),
        sa.Column("c", sa.String(20), server_default="abc"),
        sa.Column("d", sa.String(20), server_default=""),
    )


@case()
def df_booleans(m):
    defaults(m, sa.Boolean, sa.true(), sa.false(), sa.text("1") if False else sa.true())


@case(SQLITE, MARIADB)
def df_boolean_numbers(m):
    defaults(m, sa.Boolean, "0", sa.text("1"))


@case()
def df_quotes(m):
    defaults(m, sa.String(30), "it's", "'quoted'", "trail'", 'd"q', "''")


@case()
def df_percent(m):
    defaults(m, sa.String(30), "100%", "%(x)s", "%%", "50 % off")


@case()
def df_percent_text(m):
    defaults(m, sa.String(30), sa.text("'100%'"))


@case()
def df_colon(m):
    defaults(m, sa.String(30), "a:b", ":x", "10:30", "http://x:80/y")


@case()
def df_colon_text(m):
    defaults(m, sa.String(30), sa.text(r"'a\:b'"), sa.text(r"'\:x'"))


@case()
def df_backslash(m):
    defaults(m, sa.String(30), "a\\b c", "\\", "\\n")


@case()
def df_newline(m):
    defaults(m, sa.String(30), "two\nlines", "tab\there")


@case()
def df_unicode(m):
    defaults(m, sa.String(30), "größe", "日本", "🙂")


@case()
def df_now(m):
    defaults(m, sa.DateTime, sa.func.now(), sa.func.current_timestamp(), sa.text("CURRENT_TIMESTAMP"))


@case(SQLITE, POSTGRESQL)
def df_dates(m):
    table(
        m,
        sa.Column("a", sa.Date, server_default=sa.func.current_date()),
        sa.Column("b", sa.Time, server_default=sa.func.current_time()),
    )


@case()
def df_null(m):
    defaults(m, sa.String(5), sa.text("NULL"), sa.null())


@case(SQLITE)
def df_expression_sqlite(m):
    defaults(
        m, sa.String(40), sa.text("(lower('X'))"), sa.text("(datetime('now', '+1 day'))"), sa.func.lower("X")
    )


@case(POSTGRESQL)
def df_expression_postgresql(m):
    table(
        m,
        sa.Column("a", sa.Uuid, server_default=sa.text("gen_random_uuid()")),
        sa.Column("b", sa.Text, server_default=sa.func.lower("X")),
        sa.Column("c", sa.Integer, server_default=sa.text("1 + 2")),
        sa.Column("d", sa.JSON, server_default=sa.text("'{}'::json")),
        sa.Column("e", sa.DateTime, server_default=sa.text("timezone('utc', now())")),
    )


@case(MARIADB)
def df_expression_mariadb(m):
    table(
        m,
        sa.Column("a", sa.Integer, server_default=sa.text("(1 + 2)")),
        sa.Column("b", sa.String(36), server_default=sa.text("(uuid())")),
        sa.Column("c", sa.DateTime, server_default=sa.text("CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP")),
    )


@case(MARIADB)
def df_mariadb_timestamps(m):
    table(
        m,
        sa.Column("a", sa.TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("b", mysql.DATETIME(fsp=6), server_default=sa.text("CURRENT_TIMESTAMP(6)")),
    )


@case()
def df_negative(m):
    defaults(m, sa.Integer, "-1", sa.text("-5"))


@case()
def df_numbers_as_texts(m):
    defaults(m, sa.Numeric(10, 2), "0.00", sa.text("1.50"))


@case()
def df_fetched(m):
    table(m, sa.Column("a", sa.Integer, server_default=sa.FetchedValue()))


@case()
def df_on_update(m):
    table(m, sa.Column("a", sa.DateTime, onupdate=sa.func.now(), server_onupdate=sa.FetchedValue()))


@case()
def df_computed(m):
    table(m, sa.Column("a", sa.Integer), sa.Column("b", sa.Integer, sa.Computed("a * 2", persisted=True)))


@case(SQLITE, MARIADB)
def df_computed_virtual(m):
    table(
        m,
        sa.Column("a", sa.Integer),
        sa.Column("b", sa.Integer, sa.Computed("a * 2", persisted=False)),
        sa.Column("c", sa.Integer, sa.Computed("a * 3")),
    )


@case(SQLITE, POSTGRESQL)
def df_computed_percent(m):
    a = sa.Column("a", sa.Integer)
    table(
        m,
        a,
        sa.Column("b", sa.Integer, sa.Computed("a % 3", persisted=True)),
        sa.Column("s", sa.String(9)),
        sa.Column("d", sa.Boolean, sa.Computed("s LIKE 'x%'", persisted=True)),
    )


@case(SQLITE, POSTGRESQL)
def df_computed_expression(m):
    a = sa.Column("a", sa.Integer)
    table(m, a, sa.Column("b", sa.Integer, sa.Computed(a % 3, persisted=True)))


@case(POSTGRESQL)
def df_identity(m):
    sa.Table("t", m, sa.Column("id", sa.Integer, sa.Identity(), primary_key=True), sa.Column("a", sa.Integer))
    sa.Table(
        "u",
        m,
        sa.Column(
            "id",
            sa.BigInteger,
            sa.Identity(always=True, start=5, increment=2, minvalue=1, maxvalue=1000, cycle=True, cache=3),
            primary_key=True,
        ),
    )


@case(SQLITE, MARIADB)
def df_identity_ignored(m):
    sa.Table("t", m, sa.Column("id", sa.Integer, sa.Identity(), primary_key=True), sa.Column("a", sa.Integer))


@case(POSTGRESQL, MARIADB)
def sq_of_column(m):
    sa.Table(
        "t", m, sa.Column("id", sa.Integer, sa.Sequence("my_seq", start=10, increment=2), primary_key=True)
    )


@case(POSTGRESQL, MARIADB)
def sq_alone(m):
    sa.Sequence("free_seq", start=5, metadata=m)
    table(m)


@case(POSTGRESQL, MARIADB)
def sq_in_default(m):
    numbers = sa.Sequence("dseq", metadata=m)
    table(m, sa.Column("n", sa.Integer, server_default=numbers.next_value()))


@case(POSTGRESQL)
def sq_with_options(m):
    sa.Sequence(
        "oseq",
        start=3,
        increment=5,
        minvalue=1,
        maxvalue=999,
        cycle=True,
        cache=10,
        data_type=sa.Integer,
        metadata=m,
    )
    table(m)
