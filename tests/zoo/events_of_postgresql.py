"""What events send to PostgreSQL."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from . import POSTGRESQL, after, before, case, table


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
        -- It's not made: CREATE TABLE never (a int);
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
