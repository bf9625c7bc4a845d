"""What only MariaDB has, beyond the types, keys and indexes of the other modules."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator

from . import MARIADB, SQLITE, after, case, table


class Flag(TypeDecorator):
    impl = mysql.TINYINT(1)
    cache_ok = True


def options(**values: object) -> dict[str, object]:
    """Give table options for both names of the dialect."""
    return {f"{dialect}_{key}": value for dialect in ("mysql", "mariadb") for key, value in values.items()}


@case(MARIADB)
def my_engines(m):
    table(m, sa.Column("a", sa.Integer), name="aria", **options(engine="Aria"))
    table(m, sa.Column("a", sa.Integer), name="memory", **options(engine="MEMORY"))
    table(m, sa.Column("a", sa.Integer), name="inno", **options(engine="InnoDB", row_format="COMPRESSED"))


@case(MARIADB)
def my_options_of_one_name(m):
    table(m, sa.Column("a", sa.String(9)), mysql_engine="MyISAM", mysql_charset="latin1")
    table(m, sa.Column("a", sa.String(9)), name="u", mariadb_engine="MyISAM", mariadb_charset="latin1")


@case(MARIADB)
def my_options_with_signs(m):
    table(m, sa.Column("a", sa.Integer), **options(engine="InnoDB", comment='it\'s 50% "so" : x'))


@case(MARIADB)
def my_partitions(m):
    sa.Table(
        "t",
        m,
        sa.Column("a", sa.Integer, primary_key=True, autoincrement=False),
        **options(partition_by="HASH (a)", partitions="4"),
    )


@case(MARIADB)
def my_charsets(m):
    table(
        m,
        sa.Column("a", mysql.TEXT(charset="latin1")),
        sa.Column("b", mysql.ENUM("x", "ü", charset="utf8mb4", collation="utf8mb4_unicode_ci")),
        sa.Column("c", mysql.CHAR(9, collation="ascii_bin")),
        sa.Column("d", sa.Enum("x", "y"), nullable=False, server_default="y"),
        sa.Column("e", mysql.SET("a", "it's", "ü")),
        **options(default_charset="utf8mb4", collate="utf8mb4_unicode_520_ci"),
    )


@case(MARIADB)
def my_json(m):
    table(
        m,
        sa.Column("a", sa.JSON, nullable=False),
        sa.Column("b", mysql.JSON, server_default=sa.text("""('{"a"\\: "50%"}')""")),
        sa.Column("c", sa.JSON, server_default=sa.text("(json_object('x', ':y'))")),
        sa.CheckConstraint("json_length(a) < 5", name="few"),
    )


@case(MARIADB)
def my_defaults(m):
    now = "CURRENT_TIMESTAMP"
    table(
        m,
        sa.Column("a", mysql.TIMESTAMP(fsp=6), server_default=sa.func.now(6)),
        sa.Column("b", sa.TIMESTAMP, server_default=sa.text(f"{now} ON UPDATE {now}"), nullable=False),
        sa.Column("c", sa.TIMESTAMP, nullable=True),
        sa.Column("d", mysql.BIT(3), server_default=sa.text("b'101'")),
        sa.Column("e", sa.Text, server_default=r"a\b 'c' 50% :x"),
        sa.Column("f", sa.String(50), server_default=sa.text("(concat('a', ':b%'))")),
        sa.Column("g", mysql.DOUBLE, server_default="1.5"),
    )


@case(MARIADB)
def my_computed(m):
    table(
        m,
        sa.Column("s", sa.String(9)),
        sa.Column("a", sa.String(20), sa.Computed("concat(s, ':x 50%')", persisted=True)),
        sa.Column("b", sa.Integer, sa.Computed("length(s) % 3", persisted=False), index=True),
    )


@case(MARIADB)
def my_checks(m):
    s = sa.Column("s", sa.String(20))
    table(
        m,
        s,
        sa.Column("b", sa.Integer, sa.CheckConstraint("b > 2")),
        sa.CheckConstraint("s regexp '^[a-z]+%$'", name="ck_regexp"),
        sa.CheckConstraint(s.regexp_match("^a:b%$"), name="ck_expression"),
        sa.CheckConstraint("b % 2 = 0"),
        sa.CheckConstraint("b % 3 = 0"),
    )


@case(MARIADB)
def my_indexes(m):
    t = table(
        m,
        sa.Column("s", sa.String(200)),
        sa.Column("x", sa.Text),
        sa.Column("b", sa.LargeBinary),
        sa.Column("two words", sa.Integer),
        **options(engine="InnoDB"),
    )
    sa.Index("ix_unique_prefix", t.c.s, unique=True, **options(length={"s": 20}))
    sa.Index("ix_blob", t.c.b, **options(length=12))
    sa.Index("ix_btree", t.c["two words"].desc(), t.c.s, **options(using="btree"))
    sa.Index("ix full", t.c.s, t.c.x, **options(prefix="FULLTEXT"))


@case(MARIADB)
def my_cycle_of_composite_keys(m):
    for one, other in (("a", "b"), ("b", "a")):
        keys = [
            sa.Column(name, sa.Integer, primary_key=True, autoincrement=False) for name in ("k", "Two Words")
        ]
        sa.Table(
            one,
            m,
            *keys,
            sa.Column("x", sa.Integer),
            sa.Column("y", sa.Integer),
            sa.ForeignKeyConstraint(["x", "y"], [f"{other}.k", f"{other}.Two Words"]),
        )


@case(MARIADB)
def my_decorator(m):
    table(m, sa.Column("a", Flag()), sa.Column("b", Flag(), server_default="1"))


@case(SQLITE, MARIADB)
def my_variant_of_one_name(m):
    table(
        m,
        sa.Column("a", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")),
        sa.Column("b", sa.Text().with_variant(mysql.LONGTEXT(), "mariadb")),
        sa.Column("c", sa.BigInteger().with_variant(mysql.BIGINT(unsigned=True), "mysql", "mariadb")),
    )


@case(MARIADB)
def my_sequences(m):
    numbers = sa.Sequence(
        "numbers", start=5, increment=5, minvalue=1, maxvalue=999, cycle=True, cache=10, metadata=m
    )
    sa.Sequence("My `own`", metadata=m)
    table(m, sa.Column("n", sa.BigInteger, numbers, server_default=numbers.next_value()))


@case(MARIADB)
def my_no_autoincrement(m):
    sa.Table(
        "t", m, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("a", sa.Integer)
    )
    sa.Table(
        "u",
        m,
        sa.Column("a", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("b", sa.Integer, primary_key=True, autoincrement=True),
        sa.Index("ix_b", "b"),
        **options(engine="MyISAM"),
    )


@case(MARIADB)
def my_names(m):
    table(m, sa.Column("back\\slash", sa.Integer), sa.Column("a:b", sa.Integer), name="t.x%")
    table(m, sa.Column("n" * 64, sa.Integer, index=True), name="T" * 64)


@case(MARIADB)
def my_routines(m):
    t = table(m, sa.Column("a", sa.Integer))
    after(m, "CREATE FUNCTION f(a int) RETURNS int DETERMINISTIC RETURN a %% 3")
    after(m, "CREATE PROCEDURE p(IN a int) BEGIN SELECT 1; CREATE TEMPORARY TABLE tmp (a int); END")
    after(
        m, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2024-01-01' DISABLE DO DELETE FROM t WHERE a = 5"
    )
    after(t, "CREATE TRIGGER tr1 BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = 1; SET NEW.a = 2; END")
    after(t, "CREATE TRIGGER tr2 BEFORE INSERT ON t FOR EACH ROW FOLLOWS tr1 SET NEW.a = ':x%%'")


@case(MARIADB)
def my_views(m):
    table(m, sa.Column("a", sa.Integer))
    after(m, "CREATE ALGORITHM=MERGE DEFINER=CURRENT_USER SQL SECURITY INVOKER VIEW `v 1` AS SELECT a FROM t")
    after(m, "CREATE OR REPLACE VIEW v2 AS SELECT a, 'it''s 50%% :x' AS s FROM `v 1`")
    after(m, "ALTER TABLE t ADD COLUMN versioned INT, ADD INDEX ix_later (versioned)")


@case(MARIADB)
def my_system_versioned(m):
    t = table(m, sa.Column("a", sa.Integer))
    after(t, "ALTER TABLE t ADD SYSTEM VERSIONING")


if hasattr(mysql, "INET6"):

    @case(MARIADB)
    def my_addresses(m):
        table(m, sa.Column("a", mysql.INET4), sa.Column("b", mysql.INET6))
