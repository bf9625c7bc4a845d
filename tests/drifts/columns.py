"""Drift of columns: types, defaults, nullability, generated values."""

from . import Cannot, alter, becomes, row, then

DEFAULT, TYPE = "changed-column-default:{t}.a", "changed-column-type:{t}.a"

row(
    "server-default-literal-changed",
    DEFAULT,
    was="a VARCHAR(9) DEFAULT 'x'",
    sqlite=becomes("a VARCHAR(9) DEFAULT 'y'"),
    postgresql=alter("ALTER a SET DEFAULT 'y'"),
    mariadb=alter("ALTER a SET DEFAULT 'y'"),
)
row(
    "server-default-added",
    DEFAULT,
    was="a INTEGER DEFAULT 1",
    sqlite=becomes("a INTEGER"),
    postgresql=alter("ALTER a DROP DEFAULT"),
    mariadb=alter("ALTER a SET DEFAULT NULL"),
)
row(
    "server-default-removed",
    DEFAULT,
    was="a INTEGER",
    sqlite=becomes("a INTEGER DEFAULT 1"),
    postgresql=alter("ALTER a SET DEFAULT 1"),
    mariadb=alter("ALTER a SET DEFAULT 1"),
)
row(
    "server-default-func-changed",
    DEFAULT,
    was="a TIMESTAMP DEFAULT CURRENT_TIMESTAMP",
    sqlite=becomes("a TIMESTAMP DEFAULT CURRENT_DATE"),
    postgresql=alter("ALTER a SET DEFAULT clock_timestamp()"),
    mariadb=alter("ALTER a SET DEFAULT (utc_timestamp())", was="a DATETIME DEFAULT CURRENT_TIMESTAMP"),
)
row(
    "nullable-changed",
    "changed-column-nullable:{t}.a",
    was="a INTEGER NOT NULL",
    sqlite=becomes("a INTEGER"),
    postgresql=alter("ALTER a DROP NOT NULL"),
    mariadb=alter("MODIFY a INTEGER"),
)
row(
    "string-length-50-to-100",
    TYPE,
    was="a VARCHAR(100)",
    sqlite=becomes("a VARCHAR(50)"),
    postgresql=alter("ALTER a TYPE VARCHAR(50)"),
    mariadb=alter("MODIFY a VARCHAR(50)"),
)
row(
    "numeric-10-2-to-12-4",
    TYPE,
    was="a NUMERIC(12, 4)",
    sqlite=becomes("a NUMERIC(10, 2)"),
    postgresql=alter("ALTER a TYPE NUMERIC(10, 2)"),
    mariadb=alter("MODIFY a NUMERIC(10, 2)"),
)
row(
    "integer-to-biginteger",
    TYPE,
    was="a BIGINT",
    sqlite=becomes("a INTEGER"),
    postgresql=alter("ALTER a TYPE INTEGER"),
    mariadb=alter("MODIFY a INTEGER"),
)
row(
    "string-to-text",
    TYPE,
    was="a TEXT",
    sqlite=becomes("a VARCHAR(50)"),
    postgresql=alter("ALTER a TYPE VARCHAR(50)"),
    mariadb=alter("MODIFY a VARCHAR(50)"),
)
row(
    "datetime-tz-false-to-true",
    TYPE,
    sqlite=Cannot("DateTime is DATETIME with and without a time zone"),
    postgresql=alter("ALTER a TYPE TIMESTAMP WITHOUT TIME ZONE", was="a TIMESTAMP WITH TIME ZONE"),
    mariadb=Cannot("DateTime is DATETIME with and without a time zone"),
)
row(
    "boolean-to-integer",
    TYPE,
    was="a INTEGER",
    sqlite=becomes("a BOOLEAN"),
    postgresql=becomes("a BOOLEAN"),
    mariadb=alter("MODIFY a BOOL"),
)
row(
    "float-to-numeric",
    TYPE,
    was="a NUMERIC(10, 2)",
    sqlite=becomes("a FLOAT"),
    postgresql=alter("ALTER a TYPE FLOAT"),
    mariadb=alter("MODIFY a FLOAT"),
)
row(
    "collation-changed",
    "changed-column-collation:{t}.a",
    sqlite=becomes("a VARCHAR(9)", was='a VARCHAR(9) COLLATE "NOCASE"'),
    postgresql=Cannot("its collations are the row collation-changed-2"),
    mariadb=Cannot("its collations are the row collation-changed-3"),
)
row(
    "collation-changed-2",
    "changed-column-collation:{t}.a",
    sqlite=Cannot("its collations are the row collation-changed"),
    postgresql=alter('ALTER a TYPE VARCHAR(9) COLLATE "POSIX"', was='a VARCHAR(9) COLLATE "C"'),
    mariadb=Cannot("its collations are the row collation-changed-3"),
)
row(
    "collation-changed-3",
    "changed-column-collation:{t}.a",
    sqlite=Cannot("its collations are the row collation-changed"),
    postgresql=Cannot("its collations are the row collation-changed-2"),
    mariadb=alter("MODIFY a VARCHAR(9)", was="a VARCHAR(9) COLLATE utf8mb4_bin"),
)
row(
    "native-enum-value-added",
    sqlite=Cannot("it has no enum types"),
    postgresql=then(
        "DROP TABLE {t}",
        "DROP TYPE {t}__e",
        "CREATE TYPE {t}__e AS ENUM ('x')",
        "CREATE TABLE {t} (a {t}__e)",
        was=("CREATE TYPE {t}__e AS ENUM ('x', 'y')", "CREATE TABLE {t} (a {t}__e)"),
        finding="changed-enum-labels:{t}__e",
    ),
    mariadb=alter("MODIFY a ENUM('x')", TYPE, was="a ENUM('x', 'y')"),
)
row(
    "native-enum-value-reordered",
    sqlite=Cannot("it has no enum types"),
    postgresql=then(
        "DROP TABLE {t}",
        "DROP TYPE {t}__e",
        "CREATE TYPE {t}__e AS ENUM ('y')",
        "ALTER TYPE {t}__e ADD VALUE 'x'",
        "CREATE TABLE {t} (a {t}__e)",
        was=("CREATE TYPE {t}__e AS ENUM ('x', 'y')", "CREATE TABLE {t} (a {t}__e)"),
        finding="changed-enum-labels:{t}__e",
    ),
    mariadb=alter("MODIFY a ENUM('y', 'x')", TYPE, was="a ENUM('x', 'y')"),
)
SAME_LENGTH = Cannot("a VARCHAR of the same length, and its values nowhere: the database is the same")
row(
    "non-native-enum-value-added-same-len",
    sqlite=SAME_LENGTH,
    postgresql=SAME_LENGTH,
    mariadb=SAME_LENGTH,
)
GENERATED = "changed-column-generated:{t}.g"
row(
    "computed-expr-changed",
    GENERATED,
    was="a INTEGER, g INTEGER GENERATED ALWAYS AS (a * 2) STORED",
    sqlite=becomes("a INTEGER, g INTEGER GENERATED ALWAYS AS (a * 3) STORED"),
    postgresql=becomes("a INTEGER, g INTEGER GENERATED ALWAYS AS (a * 3) STORED"),
    mariadb=alter("MODIFY g INTEGER AS (a * 3) STORED"),
)
row(
    "computed-persisted-changed",
    GENERATED,
    was="a INTEGER, g INTEGER GENERATED ALWAYS AS (a * 2) VIRTUAL",
    sqlite=becomes("a INTEGER, g INTEGER GENERATED ALWAYS AS (a * 2) STORED"),
    postgresql=Cannot("before version 18 all generated columns are stored"),
    mariadb=becomes("a INTEGER, g INTEGER GENERATED ALWAYS AS (a * 2) STORED"),
)
row(
    "computed-removed",
    GENERATED,
    was="a INTEGER, g INTEGER",
    sqlite=becomes("a INTEGER, g INTEGER GENERATED ALWAYS AS (a * 2) STORED"),
    postgresql=becomes("a INTEGER, g INTEGER GENERATED ALWAYS AS (a * 2) STORED"),
    mariadb=becomes("a INTEGER, g INTEGER GENERATED ALWAYS AS (a * 2) STORED"),
)
row(
    "column-renamed",
    "missing-column:{t}.a",
    "extra-column:{t}.b",
    was="a INTEGER",
    sqlite=alter("RENAME COLUMN a TO b"),
    postgresql=alter("RENAME COLUMN a TO b"),
    mariadb=alter("RENAME COLUMN a TO b"),
)
row(
    "column-order",
    "changed-column-position:{t}.a",
    "changed-column-position:{t}.b",
    was="a INTEGER, b INTEGER",
    structural=False,
    sqlite=becomes("b INTEGER, a INTEGER"),
    postgresql=becomes("b INTEGER, a INTEGER"),
    mariadb=alter("MODIFY a INTEGER AFTER b"),
)
row(
    "column-comment",
    "changed-column-comment:{t}.a",
    structural=False,
    sqlite=Cannot("it has no comments"),
    postgresql=then(
        "COMMENT ON COLUMN {t}.a IS NULL", was=("CREATE TABLE {t} (a INT)", "COMMENT ON COLUMN {t}.a IS 'x'")
    ),
    mariadb=alter("MODIFY a INTEGER", was="a INTEGER COMMENT 'x'"),
)
row(
    "json-to-jsonb",
    TYPE,
    sqlite=Cannot("it has no JSONB type"),
    postgresql=alter("ALTER a TYPE JSON", was="a JSONB"),
    mariadb=Cannot("it has no JSONB type"),
)
row(
    "array-dims-item",
    TYPE,
    sqlite=Cannot("it has no arrays"),
    # How many dimensions were said is not kept for the type: only the item decides.
    postgresql=alter("ALTER a TYPE TEXT[]", was="a INTEGER[]"),
    mariadb=Cannot("it has no arrays"),
)
row(
    "interval-fields",
    TYPE,
    sqlite=Cannot("it has no intervals"),
    postgresql=alter("ALTER a TYPE INTERVAL", was="a INTERVAL DAY TO SECOND"),
    mariadb=Cannot("it has no intervals"),
)
row(
    "timestamp-precision",
    TYPE,
    sqlite=Cannot("SQLAlchemy has no precision for it"),
    postgresql=alter("ALTER a TYPE TIMESTAMP", was="a TIMESTAMP(3)"),
    mariadb=Cannot("its precision is the row datetime-fsp"),
)
row(
    "datetime-fsp",
    TYPE,
    sqlite=Cannot("SQLAlchemy has no precision for it"),
    postgresql=Cannot("its precision is the row timestamp-precision"),
    mariadb=alter("MODIFY a DATETIME", was="a DATETIME(6)"),
)
row(
    "unsigned",
    TYPE,
    sqlite=Cannot("it has no unsigned types"),
    postgresql=Cannot("it has no unsigned types"),
    mariadb=alter("MODIFY a INTEGER", was="a INTEGER UNSIGNED"),
)
