"""Drift of keys, uniques, checks and foreign keys."""

from . import Cannot, alter, becomes, row, same, then

FK = "a INTEGER, CONSTRAINT {t}__fk FOREIGN KEY (a) REFERENCES p (id)"
ADD_FK = "ADD CONSTRAINT {t}__fk FOREIGN KEY (a) REFERENCES p (id)"

row(
    "non-native-enum-check-value-added",
    "changed-check-expression:{t}.{t}__ck",
    was="a VARCHAR(9), CONSTRAINT {t}__ck CHECK (a IN ('x', 'y'))",
    sqlite=becomes("a VARCHAR(9), CONSTRAINT {t}__ck CHECK (a IN ('x'))"),
    postgresql=alter("DROP CONSTRAINT {t}__ck, ADD CONSTRAINT {t}__ck CHECK (a IN ('x'))"),
    mariadb=becomes("a VARCHAR(9), CONSTRAINT {t}__ck CHECK (a IN ('x'))"),
)
row(
    "named-check-added",
    "missing-check:{t}.{t}__ck",
    was="a INTEGER, CONSTRAINT {t}__ck CHECK (a > 0)",
    sqlite=becomes("a INTEGER"),
    postgresql=alter("DROP CONSTRAINT {t}__ck"),
    mariadb=alter("DROP CONSTRAINT {t}__ck"),
)
row(
    "named-check-text-changed",
    "changed-check-expression:{t}.{t}__ck",
    was="a INTEGER, CONSTRAINT {t}__ck CHECK (a > 0)",
    sqlite=becomes("a INTEGER, CONSTRAINT {t}__ck CHECK (a > 1)"),
    postgresql=alter("DROP CONSTRAINT {t}__ck, ADD CONSTRAINT {t}__ck CHECK (a > 1)"),
    mariadb=becomes("a INTEGER, CONSTRAINT {t}__ck CHECK (a > 1)"),
)
row(
    "named-check-removed",
    "extra-check:{t}.{t}__ck",
    was="a INTEGER",
    sqlite=becomes("a INTEGER, CONSTRAINT {t}__ck CHECK (a > 0)"),
    postgresql=alter("ADD CONSTRAINT {t}__ck CHECK (a > 0)"),
    mariadb=alter("ADD CONSTRAINT {t}__ck CHECK (a > 0)"),
)
row(
    "unnamed-check-added",
    was="a INTEGER, CHECK (a > 0)",
    sqlite=becomes("a INTEGER", "missing-check:{t}.check"),
    postgresql=alter("DROP CONSTRAINT {t}_a_check", "missing-check:{t}.{t}_a_check"),
    mariadb=alter("DROP CONSTRAINT CONSTRAINT_1", "missing-check:{t}.CONSTRAINT_1"),
)
row(
    "unnamed-unique-added",
    was="a INTEGER, UNIQUE (a)",
    sqlite=becomes("a INTEGER", "missing-unique:{t}.a"),
    postgresql=alter("DROP CONSTRAINT {t}_a_key", "missing-unique:{t}.{t}_a_key"),
    mariadb=alter("DROP INDEX a", "missing-unique:{t}.a"),
)
row(
    "unnamed-unique-removed",
    was="a INTEGER",
    sqlite=becomes("a INTEGER, UNIQUE (a)", "extra-unique:{t}.a"),
    postgresql=alter("ADD UNIQUE (a)", "extra-unique:{t}.{t}_a_key"),
    mariadb=alter("ADD UNIQUE (a)", "extra-unique:{t}.a"),
)
row(
    "unique-renamed",
    "changed-unique-name:{t}.{t}__uq",
    was="a INTEGER, CONSTRAINT {t}__uq UNIQUE (a)",
    sqlite=becomes("a INTEGER, CONSTRAINT {t}__old UNIQUE (a)"),
    postgresql=alter("RENAME CONSTRAINT {t}__uq TO {t}__old"),
    mariadb=alter("RENAME INDEX {t}__uq TO {t}__old"),
)
row(
    "unique-constraint-to-unique-index",
    "missing-unique:{t}.{t}__uq",
    "extra-index:{t}.{t}__uq",
    was="a INTEGER, CONSTRAINT {t}__uq UNIQUE (a)",
    sqlite=then("DROP TABLE {t}", "CREATE TABLE {t} (id INTEGER PRIMARY KEY, a INTEGER)", "CREATE UNIQUE INDEX {t}__uq ON {t} (a)"),
    postgresql=then("ALTER TABLE {t} DROP CONSTRAINT {t}__uq", "CREATE UNIQUE INDEX {t}__uq ON {t} (a)"),
    # Both are a unique key there.
    mariadb=same(then("DROP INDEX {t}__uq ON {t}", "CREATE UNIQUE INDEX {t}__uq ON {t} (a)")),
)  # fmt: skip
row(
    "unique-deferrable",
    "changed-unique-deferrable:{t}.{t}__uq",
    sqlite=Cannot("its uniques are checked at once"),
    postgresql=becomes(
        "a INTEGER, CONSTRAINT {t}__uq UNIQUE (a)",
        was="a INTEGER, CONSTRAINT {t}__uq UNIQUE (a) DEFERRABLE INITIALLY DEFERRED",
    ),
    mariadb=Cannot("its uniques are checked at once"),
)
row(
    "nulls-not-distinct",
    "changed-unique-nulls-not-distinct:{t}.{t}__uq",
    sqlite=Cannot("NULLs are always distinct"),
    postgresql=becomes(
        "a INTEGER, CONSTRAINT {t}__uq UNIQUE (a)",
        was="a INTEGER, CONSTRAINT {t}__uq UNIQUE NULLS NOT DISTINCT (a)",
    ),
    mariadb=Cannot("NULLs are always distinct"),
)
row(
    "exclude-constraint-added",
    "missing-exclude:{t}.{t}__ex",
    sqlite=Cannot("it has no exclusion constraints"),
    postgresql=alter(
        "DROP CONSTRAINT {t}__ex", was="a INT4RANGE, CONSTRAINT {t}__ex EXCLUDE USING gist (a WITH &&)"
    ),
    mariadb=Cannot("it has no exclusion constraints"),
)
row(
    "fk-ondelete-added",
    "changed-foreign-key-on-delete:{t}.{t}__fk",
    was=f"{FK} ON DELETE CASCADE",
    sqlite=becomes(FK),
    postgresql=alter(f"DROP CONSTRAINT {{t}}__fk, {ADD_FK}"),
    mariadb=becomes(FK),
)
row(
    "fk-deferrable",
    "changed-foreign-key-deferrable:{t}.{t}__fk",
    was=f"{FK} DEFERRABLE INITIALLY DEFERRED",
    sqlite=becomes(FK),
    postgresql=alter("ALTER CONSTRAINT {t}__fk NOT DEFERRABLE"),
    mariadb=Cannot("its keys are checked at once"),
)
row(
    "fk-renamed",
    "changed-foreign-key-name:{t}.{t}__fk",
    was=FK,
    sqlite=becomes(FK.replace("__fk", "__old")),
    postgresql=alter("RENAME CONSTRAINT {t}__fk TO {t}__old"),
    mariadb=becomes(FK.replace("__fk", "__old")),
)
TWO = "CREATE TABLE {t} (a INTEGER NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b))"
ONE = TWO.replace("(a, b)", "(a)")
row(
    "pk-columns-changed",
    "changed-primary-key-columns:{t}.primary-key",
    was=(TWO,),
    sqlite=then("DROP TABLE {t}", ONE),
    postgresql=then(
        "ALTER TABLE {t} DROP CONSTRAINT {t}_pkey",
        "ALTER TABLE {t} ADD PRIMARY KEY (a)",
        finding="changed-primary-key-columns:{t}.{t}_pkey",
    ),
    mariadb=alter("DROP PRIMARY KEY, ADD PRIMARY KEY (a)"),
)
NAMED = "CREATE TABLE {t} (a INTEGER NOT NULL, CONSTRAINT {t}__pk PRIMARY KEY (a))"
row(
    "pk-name-changed",
    "changed-primary-key-name:{t}.{t}__pk",
    was=(NAMED,),
    sqlite=then("DROP TABLE {t}", NAMED.replace("__pk", "__old")),
    postgresql=alter("RENAME CONSTRAINT {t}__pk TO {t}__old"),
    mariadb=Cannot("every primary key is called PRIMARY"),
)
