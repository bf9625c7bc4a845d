"""Drift of what is not inside a table: tables, views, triggers, sequences, types, functions."""

from . import Cannot, alter, row, table, then

T = table("a INTEGER")
VIEW = "CREATE VIEW {t}__v AS SELECT a FROM {t}"
TOUCH = "CREATE FUNCTION {t}__f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"

row(
    "table-renamed",
    "missing-table:{t}",
    # The table of the other name is a foreign one, which is listed and no drift.
    "foreign-table:{t}__old",
    was=(T,),
    sqlite=alter("RENAME TO {t}__old"),
    postgresql=alter("RENAME TO {t}__old"),
    mariadb=alter("RENAME TO {t}__old"),
)
row(
    "extra-table-in-db",
    "foreign-table:{t}__more",
    was=(T,),
    structural=False,
    sqlite=then(table("a INTEGER", "{t}__more")),
    postgresql=then(table("a INTEGER", "{t}__more")),
    mariadb=then(table("a INTEGER", "{t}__more")),
)
row(
    "view-dropped-extra-view",
    "missing-view:{t}__v",
    "extra-view:{t}__w",
    was=(T, VIEW),
    sqlite=then("DROP VIEW {t}__v", VIEW.replace("__v", "__w").replace("a FROM", "id FROM")),
    postgresql=then("DROP VIEW {t}__v", VIEW.replace("__v", "__w").replace("a FROM", "id FROM")),
    mariadb=then("DROP VIEW {t}__v", VIEW.replace("__v", "__w").replace("a FROM", "id FROM")),
)
row(
    "trigger-in-db",
    "extra-trigger:{t}.{t}__tr",
    was=(T,),
    sqlite=then("CREATE TRIGGER {t}__tr AFTER INSERT ON {t} BEGIN SELECT 1; END"),
    postgresql=then(
        "CREATE TRIGGER {t}__tr BEFORE UPDATE ON {t} FOR EACH ROW EXECUTE FUNCTION {t}__f()", was=(T, TOUCH)
    ),
    mariadb=then("CREATE TRIGGER {t}__tr BEFORE UPDATE ON {t} FOR EACH ROW SET NEW.a = 1"),
)
row(
    "table-comment",
    "changed-table-comment:{t}",
    structural=False,
    sqlite=Cannot("it has no comments"),
    postgresql=then("COMMENT ON TABLE {t} IS NULL", was=(T, "COMMENT ON TABLE {t} IS 'x'")),
    mariadb=alter("COMMENT ''", was=(f"{T} COMMENT 'x'",)),
)
row(
    "sequence-missing",
    "missing-sequence:{t}__s",
    was=("CREATE SEQUENCE {t}__s",),
    sqlite=Cannot("it has no sequences"),
    postgresql=then("DROP SEQUENCE {t}__s"),
    mariadb=then("DROP SEQUENCE {t}__s"),
)
row(
    "extra-sequence-in-db",
    "extra-sequence:{t}__s",
    structural=False,
    sqlite=Cannot("it has no sequences"),
    postgresql=then("CREATE SEQUENCE {t}__s"),
    mariadb=then("CREATE SEQUENCE {t}__s"),
)
row(
    "extra-enum-type-in-db",
    "extra-enum:{t}__e",
    structural=False,
    sqlite=Cannot("it has no types of one's own"),
    postgresql=then("CREATE TYPE {t}__e AS ENUM ('x')"),
    mariadb=Cannot("its enum types belong to columns"),
)
row(
    "extra-function",
    structural=False,
    sqlite=Cannot("its functions are those of the connection"),
    postgresql=then(
        "CREATE FUNCTION {t}__f() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
        finding="extra-function:{t}__f()",
    ),
    mariadb=then("CREATE FUNCTION {t}__f() RETURNS INTEGER RETURN 1", finding="extra-function:{t}__f"),
)
