"""Tables: options, comments, schemas, views, inheritance, order."""

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from . import MARIADB, POSTGRESQL, SQLALCHEMY, SQLITE, case, table


@case()
def tb_plain(m):
    table(m, sa.Column("a", sa.Integer, nullable=False), sa.Column("b", sa.String(5)))


@case()
def tb_wide(m):
    table(m, *(sa.Column(f"c{n}", sa.Integer) for n in range(300)))


@case()
def tb_many(m):
    for number in range(30):
        keys = [sa.Column("before_id", sa.ForeignKey(f"t{number - 1:02}.id"))] if number else []
        table(m, *keys, name=f"t{number:02}")


@case()
def tb_comments(m):
    table(
        m, sa.Column("a", sa.Integer, comment='it\'s 100% "a" \\ column: x'), comment="a table's comment: 50%"
    )


@case()
def tb_info(m):
    table(m, sa.Column("a", sa.Integer, info={"x": object()}), info={"class": object, "x": 1})


@case()
def tb_order(m):
    table(m, sa.Column("z", sa.ForeignKey("zebra.id")), name="apple")
    table(m, name="zebra")


@case(SQLITE)
def tb_autoincrement(m):
    table(m, sa.Column("a", sa.Integer), sqlite_autoincrement=True)


@case(SQLITE)
def tb_without_rowid(m):
    sa.Table(
        "t",
        m,
        sa.Column("a", sa.String(9), primary_key=True),
        sa.Column("b", sa.Integer),
        sqlite_with_rowid=False,
    )


if SQLALCHEMY >= (2, 0, 37):

    @case(SQLITE)
    def tb_strict(m):
        number = sa.Column("id", sa.Integer, primary_key=True)
        sa.Table("t", m, number, sa.Column("b", sa.Text), sqlite_strict=True)


@case(POSTGRESQL)
def tb_unlogged(m):
    table(m, sa.Column("a", sa.Integer), prefixes=["UNLOGGED"])


if SQLALCHEMY >= (2, 1):

    @case(POSTGRESQL)
    def tb_storage(m):
        table(m, sa.Column("a", sa.Integer), postgresql_with={"fillfactor": 70})


@case(POSTGRESQL)
def tb_inherits(m):
    table(m, sa.Column("x", sa.Integer), name="p")
    sa.Table("c", m, sa.Column("y", sa.Integer), postgresql_inherits="p")


@case(POSTGRESQL)
def tb_partitioned(m):
    parent = sa.Table(
        "t",
        m,
        sa.Column("ts", sa.DateTime, nullable=False),
        sa.Column("a", sa.Integer),
        postgresql_partition_by="RANGE (ts)",
    )
    sa.event.listen(
        parent,
        "after_create",
        sa.DDL("CREATE TABLE t_2024 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')"),
    )


@case(MARIADB)
def tb_engine(m):
    table(
        m,
        sa.Column("a", sa.Integer),
        mysql_engine="MyISAM",
        mysql_charset="latin1",
        mysql_row_format="DYNAMIC",
        mariadb_engine="MyISAM",
        mariadb_charset="latin1",
        mariadb_row_format="DYNAMIC",
    )


@case(MARIADB)
def tb_charset(m):
    table(
        m,
        sa.Column("a", sa.String(9)),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mysql_comment="c",
    )


@case(POSTGRESQL)
def sc_schema(m):
    sa.event.listen(m, "before_create", sa.DDL("CREATE SCHEMA IF NOT EXISTS app"))
    table(
        m,
        sa.Column("a", sa.Integer, index=True),
        sa.Column("e", sa.Enum("x", name="sce", schema="app")),
        schema="app",
    )
    table(m, sa.Column("f", sa.ForeignKey("app.t.id")), name="t2", schema="app")


@case(POSTGRESQL)
def sc_across(m):
    sa.event.listen(m, "before_create", sa.DDL("CREATE SCHEMA IF NOT EXISTS app"))
    table(m, name="p", schema="app")
    table(m, sa.Column("f", sa.ForeignKey("app.p.id")))


@case(POSTGRESQL, schema="app")
def sc_of_metadata(m):
    sa.event.listen(m, "before_create", sa.DDL("CREATE SCHEMA IF NOT EXISTS app"))
    table(m, sa.Column("e", sa.Enum("x", name="sme", inherit_schema=True)), name="p")
    table(m, sa.Column("f", sa.ForeignKey("app.p.id")))


@case()
def orm_inheritance(m):
    class Base(DeclarativeBase):
        metadata = m

    class Person(Base):
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(sa.String(20))
        __mapper_args__ = {"polymorphic_on": kind}  # noqa: RUF012

    class Engineer(Person):
        __tablename__ = "engineer"

        id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), primary_key=True)
        __mapper_args__ = {"polymorphic_identity": "engineer"}  # noqa: RUF012

    class Manager(Person):
        level: Mapped[int | None]
        __mapper_args__ = {"polymorphic_identity": "manager"}  # noqa: RUF012

    assert Engineer, Manager


@case()
def orm_annotated(m):
    import datetime
    import decimal
    import uuid

    class Base(DeclarativeBase):
        metadata = m
        type_annotation_map = {str: sa.String(80)}  # noqa: RUF012

    class Thing(Base):
        __tablename__ = "thing"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        note: Mapped[str | None]
        price: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(8, 2))
        weight: Mapped[float]
        made: Mapped[datetime.datetime] = mapped_column(server_default=sa.func.now())
        day: Mapped[datetime.date]
        token: Mapped[uuid.UUID]
        flag: Mapped[bool]
        blob: Mapped[bytes]
        parts: Mapped[list["Part"]] = relationship()

    class Part(Base):
        __tablename__ = "part"

        id: Mapped[int] = mapped_column(primary_key=True)
        thing_id: Mapped[int] = mapped_column(sa.ForeignKey("thing.id", ondelete="CASCADE"))

    assert Thing, Part
