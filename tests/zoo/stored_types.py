"""Types of columns."""

import datetime
import enum
import json
import uuid

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.types import TypeDecorator, UserDefinedType

from . import MARIADB, POSTGRESQL, SQLALCHEMY, SQLITE, case, table


class Color(enum.Enum):
    RED = "r"
    GREEN = "g"


class Trimmed(TypeDecorator):
    impl = sa.String
    cache_ok = True


class Sized(TypeDecorator):
    impl = sa.String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length * 2)


class OfClass(TypeDecorator):
    impl = sa.Text
    cache_ok = True

    def __init__(self, python_class: type) -> None:
        super().__init__()
        self.python_class = python_class


class Guid(TypeDecorator):
    impl = sa.CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine:
        native = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.UUID() if native else sa.CHAR(32))


class JsonText(TypeDecorator):
    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: sa.Dialect) -> str:
        return json.dumps(value)


class Money(UserDefinedType):
    cache_ok = True

    def __init__(self, digits: int = 10) -> None:
        self.digits = digits

    def get_col_spec(self, **_: object) -> str:
        return f"DECIMAL({self.digits},2)"


class SubString(sa.String):
    pass


class SubEnum(sa.Enum):
    pass


class Nested(TypeDecorator):
    impl = Trimmed
    cache_ok = True


def columns(m: sa.MetaData, *types: object) -> None:
    table(m, *(sa.Column(f"c{n}", type_) for n, type_ in enumerate(types)))


@case()
def ty_integers(m):
    columns(m, sa.Integer, sa.BigInteger, sa.SmallInteger)


@case()
def ty_strings(m):
    columns(m, sa.String(50), sa.Unicode(20), sa.Text, sa.UnicodeText, sa.CHAR(3), sa.VARCHAR(7))


@case(SQLITE, POSTGRESQL)
def ty_string_without_length(m):
    columns(m, sa.String, sa.Unicode)


@case()
def ty_numbers(m):
    columns(m, sa.Numeric(10, 2), sa.Numeric, sa.Float, sa.Float(24), sa.DECIMAL(5, 1), sa.REAL)


@case()
def ty_doubles(m):
    columns(m, sa.Double, sa.Float(53))


@case()
def ty_times(m):
    columns(m, sa.Date, sa.DateTime, sa.Time, sa.DateTime(timezone=True), sa.Time(timezone=True))


@case()
def ty_interval(m):
    columns(m, sa.Interval)


@case()
def ty_interval_not_native(m):
    columns(m, sa.Interval(native=False), sa.Interval(second_precision=3))


@case()
def ty_boolean(m):
    columns(m, sa.Boolean)


@case()
def ty_boolean_check(m):
    columns(m, sa.Boolean(create_constraint=True), sa.Boolean(create_constraint=True, name="yes_no"))


@case()
def ty_binary(m):
    columns(m, sa.LargeBinary)


@case(SQLITE, MARIADB)
def ty_binary_sized(m):
    columns(m, sa.LargeBinary(100), sa.VARBINARY(20), sa.BINARY(8))


@case()
def ty_json(m):
    columns(m, sa.JSON, sa.JSON(none_as_null=True))


@case()
def ty_uuid(m):
    columns(m, sa.Uuid, sa.Uuid(native_uuid=False), sa.Uuid(as_uuid=False))


@case(POSTGRESQL)
def ty_uuid_upper(m):
    columns(m, sa.UUID)


@case()
def ty_pickle(m):
    columns(m, sa.PickleType)


@case()
def ty_enum_of_texts(m):
    columns(m, sa.Enum("a", "b", name="en1"))


@case()
def ty_enum_of_class(m):
    columns(m, sa.Enum(Color))


@case()
def ty_enum_of_values(m):
    columns(m, sa.Enum(Color, values_callable=lambda c: [e.value for e in c]))


@case()
def ty_enum_not_native(m):
    columns(m, sa.Enum("a", "b", native_enum=False), sa.Enum("a", "b", native_enum=False, length=40))


@case()
def ty_enum_check(m):
    columns(m, sa.Enum("a", "b", native_enum=False, create_constraint=True, name="en1"))


@case()
def ty_enum_check_unnamed(m):
    columns(m, sa.Enum("a", "b", native_enum=False, create_constraint=True))


@case(naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s"})
def ty_enum_check_by_convention(m):
    columns(m, sa.Enum("a", "b", native_enum=False, create_constraint=True, name="en1"))


@case()
def ty_enum_with_strange_labels(m):
    columns(m, sa.Enum("it's", 'd"q', "ü€", "a b", ":x", name="En Weird"))


@case(SQLITE, POSTGRESQL, *[MARIADB] * (SQLALCHEMY >= (2, 0, 41)))
def ty_enum_with_percent(m):
    columns(m, sa.Enum("50%", "%(x)s", "%%", name="en1"))


@case()
def ty_enum_with_backslash(m):
    columns(m, sa.Enum("back\\slash", "x", name="en1"))


@case()
def ty_enum_with_default(m):
    table(m, sa.Column("c", sa.Enum("a", "b", name="en1"), server_default="a", nullable=False))


@case()
def ty_enum_shared(m):
    shared = sa.Enum("a", "b", name="shared_e")
    table(m, sa.Column("c", shared))
    table(m, sa.Column("c", shared), sa.Column("d", shared), name="u")


@case()
def ty_enum_shared_by_metadata(m):
    shared = sa.Enum("a", "b", name="shared_e", metadata=m)
    table(m, sa.Column("c", shared))
    table(m, sa.Column("c", shared), name="u")


@case()
def ty_enum_same_name_twice(m):
    table(m, sa.Column("c", sa.Enum(Color)))
    table(m, sa.Column("c", sa.Enum(Color)), name="u")


@case(POSTGRESQL)
def ty_enum_unused(m):
    sa.Enum("a", "b", name="lonely", metadata=m)
    table(m)


@case()
def ty_variant(m):
    columns(
        m,
        sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
        sa.String(9).with_variant(mysql.LONGTEXT(), "mysql", "mariadb"),
    )


@case()
def ty_variant_of_integer(m):
    columns(m, sa.BigInteger().with_variant(sa.Integer(), "sqlite"))


@case()
def ty_decorator(m):
    columns(m, Trimmed(40), Nested(12))


@case()
def ty_decorator_computing(m):
    columns(m, Sized(20))


@case()
def ty_decorator_of_class(m):
    columns(m, OfClass(datetime.date))


@case()
def ty_decorator_per_dialect(m):
    columns(m, Guid())


@case()
def ty_decorator_json(m):
    columns(m, JsonText())


@case()
def ty_of_sqlalchemy_utils(m):
    import sqlalchemy_utils as utils

    columns(
        m,
        utils.ChoiceType([("a", "A"), ("b", "B")]),
        utils.ChoiceType([(1, "A")], impl=sa.Integer()),
        utils.EmailType(),
        utils.UUIDType(),
        utils.UUIDType(binary=False),
        utils.JSONType(),
        utils.IPAddressType(),
        utils.ScalarListType(int),
        utils.TimezoneType(backend="zoneinfo"),
        utils.URLType(),
    )


@case(POSTGRESQL)
def ty_of_sqlalchemy_utils_on_postgresql(m):
    import sqlalchemy_utils as utils

    sa.event.listen(m, "before_create", sa.DDL("CREATE EXTENSION ltree"))
    columns(m, utils.LtreeType(), utils.TSVectorType("a"))


@case()
def ty_user_defined(m):
    columns(m, Money(), Money(12))


@case()
def ty_subclasses(m):
    columns(m, SubString(30), SubEnum("a", "b", name="sub_e"))


@case()
def ty_made_locally(m):
    class Local(TypeDecorator):
        impl = sa.Integer
        cache_ok = True

    columns(m, Local())


@case(SQLITE)
def ty_sqlite_storage(m):
    columns(
        m,
        sqlite.DATETIME(truncate_microseconds=True),
        sqlite.DATE(storage_format="%(year)04d%(month)02d%(day)02d"),
        sqlite.JSON(),
    )


@case(SQLITE)
def ty_collation_sqlite(m):
    columns(m, sa.String(50, collation="NOCASE"))


@case(POSTGRESQL)
def ty_collation_postgresql(m):
    columns(m, sa.String(50, collation="C"), sa.Text(collation="POSIX"))


@case(MARIADB)
def ty_collation_mariadb(m):
    columns(
        m,
        sa.String(50, collation="utf8mb4_bin"),
        mysql.VARCHAR(20, charset="latin1"),
        mysql.VARCHAR(9, charset="utf8mb3", collation="utf8mb3_bin"),
    )


@case(MARIADB)
def ty_mariadb(m):
    columns(
        m,
        mysql.INTEGER(unsigned=True),
        mysql.BIGINT(unsigned=True),
        mysql.TINYINT,
        mysql.TINYINT(1),
        mysql.MEDIUMINT,
        mysql.MEDIUMTEXT,
        mysql.LONGTEXT,
        mysql.TINYTEXT,
        mysql.MEDIUMBLOB,
        mysql.LONGBLOB,
        mysql.YEAR,
        mysql.SET("a", "b"),
        mysql.ENUM("x", "y"),
        mysql.DATETIME(fsp=6),
        mysql.TIMESTAMP(fsp=3),
        mysql.TIME(fsp=2),
        mysql.BIT(4),
        mysql.DOUBLE(10, 3),
        mysql.FLOAT(7, 2),
        mysql.NUMERIC(8, 2, unsigned=True),
        mysql.INTEGER(zerofill=True),
    )


@case(MARIADB)
def ty_mariadb_sized_texts(m):
    columns(m, sa.Text(200), sa.Text(70000), sa.NCHAR(3), sa.NVARCHAR(9))


@case()
def ty_python_types(m):
    m_uuid = uuid.uuid4
    table(m, sa.Column("a", sa.Uuid, default=m_uuid), sa.Column("b", sa.String(5), default="x", onupdate="y"))
